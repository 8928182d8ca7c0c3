// SPDX-License-Identifier: PostgreSQL
// Messages to a user: all sessions of his that are in the channel have it once, and the sender learns nothing about them.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';

const definer = 'SECURITY DEFINER SET search_path = pg_catalog, pg_temp';
const PRIVATE = { anonymous_clients: true, private_messaging: true, message_history: 10 };

let world;
before(async () => {
    world = await World.start({
        sql: `CREATE FUNCTION public.tell_to(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql ${definer} AS $$
                  SELECT json_build_object('was_for', options -> 'to') $$;`,
        rules: {
            'room/*': PRIVATE, 'signed/*': { ...PRIVATE, private_auth: true }, 'closed/*': { ...PRIVATE, private_messaging: false },
            'told/*': { ...PRIVATE, on_message: 'public.tell_to' },
        },
        flags: secretFlags(),
    });
});
after(() => world?.stop());

const got = async (client, channel) => {
    await client.barrier();
    return client.on(channel, 'message').length;
};

test('all sessions of the user have it, once, and nobody else', async () => {
    const channel = 'room/1';
    const member = (token) => world.member(channel, {}, { token });
    const sender = await member(user(1, 1));
    const [one, two] = [await member(user(7, 42)), await member(user(7, '42', { name: 'again' }))];
    const others = [await member(user(8, 42)), await member(user(7, 43)), await member(undefined), await member(user(1, 1))];
    const elsewhere = await world.client({ token: user(7, 42) });
    sender.send('message', channel, { hi: 1 }, { to: { dbo_id: 7, row_id: '42' } });
    const echo = await sender.waitFor({ action: 'message' });
    assert.equal(echo.text, `{"action":"message","client":${JSON.stringify(sender.joined.client)},"options":{"authenticated":false,"socketId":null,`
        + `"to":{"dbo_id":7,"row_id":42},"channel":"room/1"},"payload":{"hi":1}}`);
    for (const client of [one, two]) {
        assert.equal((await client.waitFor({ action: 'message' })).text, echo.text);
        assert.equal(await got(client, channel), 1);
    }
    for (const client of [...others, elsewhere]) {
        assert.equal(await got(client, channel), 0);
    }
    one.send('message', channel, 'to myself', { to: { dbo_id: 7, row_id: 42 } });
    await two.waitFor({ action: 'message', payload: 'to myself' });
    assert.equal(await got(one, channel), 2);
    one.send('history', channel);
    assert.deepEqual((await one.waitFor({ action: 'history' })).payload.history, []);
});

test('the sender gets the same whether anybody is there or not', async () => {
    const sender = await world.member('room/2');
    await world.member('room/2', {}, { token: user(7, 'here') });
    for (const row_id of ['here', 'away']) {
        sender.send('message', 'room/2', 'x', { to: { dbo_id: 7, row_id } });
        const { text } = await sender.waitFor({ action: 'message' });
        assert.equal(text.replace(row_id, ''), `{"action":"message","client":${JSON.stringify(sender.joined.client)},"options":{"authenticated":false,`
            + `"socketId":null,"to":{"dbo_id":7,"row_id":""},"channel":"room/2"},"payload":"x"}`);
    }
    await sender.barrier();
    assert.equal(sender.frames.filter((f) => f.action === 'error' && f.options.channel === 'room/2').length, 0);
});

test('takes the right to send privately, and an address', async () => {
    const to = { dbo_id: 7, row_id: 42 };
    const refused = async (client, channel, options) => {
        client.send('message', channel, 'x', options);
        return client.error(channel);
    };
    const client = await world.member('signed/1');
    assert.equal(await refused(client, 'signed/1', { to }), 'private_refused');
    await client.join('closed/1');
    assert.equal(await refused(client, 'closed/1', { to }), 'private_refused');
    await client.join('room/3');
    for (const wrong of [{ dbo_id: 7 }, { dbo_id: 7, row_id: 1.5 }, { dbo_id: '7', row_id: 1 }, { dbo_id: 0, row_id: 1 }, 7, { dbo_id: 7, row_id: '' }]) {
        assert.equal(await refused(client, 'room/3', { to: wrong }), 'bad_json');
    }
    assert.equal(await refused(client, 'room/3', { to, socketId: client.joined.client.socketId }), 'bad_json');
    assert.equal(await refused(client, 'room/4', { to }), 'not_joined');
    const signed = await world.member('signed/1', {}, { token: user(7, 42) });
    signed.send('message', 'signed/1', 'x', { to });
    await signed.waitFor({ action: 'message' });
});

test('on_message sees for whom it is', async () => {
    const client = await world.member('told/1', {}, { token: user(7, 42) });
    client.send('message', 'told/1', 'x', { to: { dbo_id: 7, row_id: 42 } });
    assert.deepEqual((await client.waitFor({ action: 'message' })).payload, { was_for: { dbo_id: 7, row_id: '42' } });
});
