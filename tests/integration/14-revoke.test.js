// SPDX-License-Identifier: PostgreSQL
// Rights that end while somebody uses them: rules that change, users who are disconnected, at once and on a live server.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN, READ_ONLY } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';

let world;
before(async () => {
    world = await World.start({ rules: { 'room/*': { ...OPEN, presence: true } }, flags: secretFlags() });
});
after(() => world?.stop());

const REASON = 'Spam.';
const disconnect = (args) => {
    const names = Object.keys(args);
    return world.postgres.query(`SELECT herald.disconnect(${names.map((n, i) => `${n} => $${i + 1}`).join(', ')})`, Object.values(args));
};
const people = (channel, ...tokens) => Promise.all(tokens.map((token) => world.member(channel, {}, { token })));

async function assertClosed(client) {
    const error = await client.waitFor({ action: 'error' });
    assert.deepEqual(error.payload, { message: REASON, code: 'removed' });
    assert.equal((await client.closes()).code, 1008);
}

async function assertHere(...clients) {
    await Promise.all(clients.map((c) => c.barrier()));
    clients.forEach((c) => assert.equal(c.closed, null));
}

test('a user, all sessions of his and nobody else', async () => {
    const [a, b, other, foreign, anonymous] = await people('room/1', user(1, 5), user(1, '5'), user(1, 6), user(2, 5), undefined);
    await disconnect({ dbo_id: 1, row_id: '5', reason: REASON });
    await Promise.all([a, b].map(assertClosed));
    await assertHere(other, foreign, anonymous);
    assert.equal(other.on('room/1', 'message').length, 0);
});

test('all users of a table', async () => {
    const [a, b, foreign] = await people('room/2', user(31, 1), user(31, 2), user(32, 1));
    await disconnect({ dbo_id: 31, reason: REASON });
    await Promise.all([a, b].map(assertClosed));
    await assertHere(foreign);
});

test('one session by its socketId', async () => {
    const [a, b] = await people('room/3', user(1, 7), user(1, 7));
    await disconnect({ socket_id: a.joined.client.socketId, reason: REASON });
    await assertClosed(a);
    await assertHere(b);
});

test('with a channel: removed from it, the session stays', async () => {
    const [a, b] = await people('room/4', user(1, 8), user(1, 9));
    await a.join('room/other');
    await disconnect({ dbo_id: 1, row_id: '8', channel: 'room/4', reason: REASON });
    const error = await a.waitFor({ action: 'error' });
    assert.deepEqual([error.options.channel, error.payload], ['room/4', { message: REASON, code: 'removed' }]);
    b.message('room/4', 'gone?');
    await b.waitFor({ action: 'message' });
    a.message('room/4', 'I am still here');
    assert.equal(await a.error('room/4'), 'not_joined');
    a.message('room/other', 'and here');
    await a.waitFor({ action: 'message' });
    assert.equal(a.on('room/4', 'message').length, 0);
});

test('everybody in a channel', async () => {
    const all = await people('room/5', user(1, 10), undefined);
    await disconnect({ channel: 'room/5' });
    for (const client of all) {
        assert.equal(await client.error('room/5'), 'removed');
    }
    await assertHere(...all);
});

test('nothing to go by is an error; so is a row without its table', async () => {
    await assert.rejects(disconnect({ reason: REASON }), /disconnect/);
    await assert.rejects(disconnect({ row_id: '5' }), /dbo_id/);
});

test('only with the transaction that commits', async () => {
    const [a] = await people('room/6', user(1, 11));
    const session = await world.postgres.connect();
    await session.query("BEGIN; SELECT herald.disconnect(1, '11'); ROLLBACK");
    await assertHere(a);
    await session.query("BEGIN; SELECT herald.disconnect(1, '11', reason => 'Spam.'); COMMIT");
    await assertClosed(a);
    await session.end();
});

test('given while the server was cut off from the database, once it is back', async () => {
    const [a, b] = await people('room/7', user(1, 12), user(1, 13));
    const session = await world.postgres.connect();
    await session.query("BEGIN; SELECT herald.disconnect(1, '12', reason => 'Spam.')");
    await world.postgres.terminate();
    await session.query('COMMIT');
    await session.end();
    await assertClosed(a);
    await world.server.waitReady();
    await assertHere(b);
    const [c] = await people('room/7', user(1, 12));
    await assertHere(c);
});

test('a rule that shuts anonymous clients out removes those who are in, and tells them', async () => {
    await world.rule('strict/*', OPEN);
    await world.settled();
    const [anonymous, member] = await people('strict/1', undefined, user(1, 1));
    await world.rule('strict/*', { public_auth: true });
    assert.equal(await anonymous.error('strict/1'), 'removed');
    member.message('strict/1', 'among us');
    await member.waitFor({ action: 'message' });
    assert.equal(anonymous.on('strict/1', 'message').length, 0);
    await world.postgres.query("SELECT herald.drop_rule('strict/*')");
    assert.equal(await member.error('strict/1'), 'removed');
});

test('a right to send that ends is refused from then on, the member stays', async () => {
    await world.rule('talk/*', OPEN);
    await world.settled();
    const [client] = await people('talk/1', undefined);
    await world.rule('talk/*', { ...READ_ONLY, public_messaging: false });
    await world.settled();
    client.message('talk/1', 'x');
    assert.equal(await client.error('talk/1'), 'send_refused');
    await world.publish('talk/1', 'y');
    await client.waitFor({ action: 'event' });
});
