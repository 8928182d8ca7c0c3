// SPDX-License-Identifier: PostgreSQL
// How much a sender may send by the rule of the channel, and what whoever sends more is told.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN, DURABLE } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';
import { until } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({
        rules: {
            'slow/*': { ...OPEN, messages_per_minute: 3 },
            'kept/*': { ...DURABLE, private_messaging: true, messages_per_minute: 3 },
            'quick/*': { ...OPEN, messages_per_minute: 600 },
            'free/*': OPEN,
        },
        flags: [...secretFlags(), '--session-messages', '50', '--session-messages-burst', '60'],
    });
});
after(() => world?.stop());

// Sends n messages; resolves with how many of them came back and the errors of the others.
async function burst(client, channel, n, options = {}) {
    const before = client.frames.length;
    for (let i = 0; i < n; i++) {
        client.send('message', channel, { i }, options);
    }
    const mine = () => client.frames.slice(before).filter((f) => f.options?.channel === channel && ['message', 'error'].includes(f.action));
    await until('all answers', () => mine().length >= n);
    return { n: mine().filter((f) => f.action === 'message').length, errors: mine().filter((f) => f.action === 'error').map((f) => f.payload) };
}

test('so many at once; the next is refused and told when to come again', async () => {
    for (const channel of ['slow/1', 'kept/1']) {
        const client = await world.member(channel);
        const { n, errors } = await burst(client, channel, 5);
        assert.equal(n, 3);
        assert.equal(errors.length, 2);
        for (const error of errors) {
            assert.equal(error.code, 'rate_limited');
            assert.ok(error.retry_after > 15 && error.retry_after <= 20, error.retry_after);
            assert.equal(error.retry_after, Math.ceil(error.retry_after * 10) / 10);
        }
        client.send('leave', channel); // and begins nothing anew
        await client.waitFor({ action: 'leave' });
        await client.join(channel);
        assert.equal((await burst(client, channel, 1)).n, 0);
        assert.equal((await burst(await world.member(channel), channel, 1)).n, 1);
    }
});

test('what retry_after says is enough', async () => {
    const client = await world.member('quick/1');
    const { errors } = await burst(client, 'quick/1', 50);
    assert.equal(errors.length, 0);
    await world.rule('quick/*', { messages_per_minute: 60 });
    await world.settled();
    const refused = await until('an error', async () => (await burst(client, 'quick/1', 20)).errors[0]);
    await new Promise((resolve) => setTimeout(resolve, refused.retry_after * 1000));
    assert.equal((await burst(client, 'quick/1', 1)).n, 1);
});

test('a user has one quota with all his sessions, and one for each channel', async () => {
    const token = user(1, 1);
    const [one, two, other] = [await world.member('slow/2', {}, { token }), await world.member('slow/2', {}, { token }), await world.member('slow/2', {}, { token: user(1, 2) })];
    assert.equal((await burst(one, 'slow/2', 2)).n, 2);
    two.send('message', 'slow/2', 'a');
    two.send('message', 'slow/2', 'b');
    assert.equal(await two.error('slow/2'), 'rate_limited');
    other.send('message', 'slow/2', 'c');
    await other.waitFor({ action: 'message', payload: 'c' });
    await two.join('slow/3');
    assert.equal((await burst(two, 'slow/3', 4)).n, 3);
});

test('private messages count, and no rate is none', async () => {
    const [one, two] = [await world.member('kept/2'), await world.member('kept/2')];
    const { n, errors } = await burst(one, 'kept/2', 4, { socketId: two.joined.client.socketId });
    assert.deepEqual([n, errors.map((e) => e.code)], [3, ['rate_limited']]);
    const client = await world.member('free/1');
    assert.equal((await burst(client, 'free/1', 40)).n, 40);
    await world.rule('slow/*', { messages_per_minute: 0 });
    await world.settled();
    assert.equal((await burst(await world.member('slow/9'), 'slow/9', 10)).n, 10);
});

test('the limit of a session says when to come again, too', async () => {
    const client = await world.member('free/2');
    const { errors } = await burst(client, 'free/2', 70);
    assert.ok(errors.length > 0);
    for (const error of errors) {
        assert.equal(error.code, 'rate_limited');
        assert.ok(error.retry_after > 0 && error.retry_after <= 0.2, error.retry_after);
    }
});
