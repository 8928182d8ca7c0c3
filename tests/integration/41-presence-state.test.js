// SPDX-License-Identifier: PostgreSQL
// What members show of themselves besides who they are, for those who ask for presence with states; and that nobody else sees a byte of it.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';
import { until } from './lib/wait.js';

const LISTING = { anonymous_clients: true, public_messaging: true, presence: true };
const STATES = { presence: 'state' };

// A member with the list as it is told: socketId → state.
async function observer(world, channel, options) {
    const client = await world.client(options);
    client.list = new Map();
    client.updates = 0;
    client.onFrame = ({ action, options: about, payload }) => {
        if (about?.channel !== channel) {
            return;
        }
        if (action === 'presence_full') {
            client.list = new Map(payload.presence.map((m) => [m.socketId, m.state]));
        } else if (action === 'presence_update') {
            const { socketId, state } = payload.presence;
            assert.equal(client.list.has(socketId), payload.action !== 'join', `${payload.action} of ${socketId}`);
            client.updates += payload.action === 'update';
            payload.action === 'leave' ? client.list.delete(socketId) : client.list.set(socketId, state);
        }
    };
    client.joined = await client.join(channel, STATES);
    await client.waitFor({ action: 'presence_full' });
    client.me = client.joined.client.socketId;
    return client;
}

const sees = (client, id, state) => until(`${id} with ${JSON.stringify(state)}`, () => {
    try {
        assert.deepEqual(client.list.get(id), state);
        return true;
    } catch {
        return false;
    }
});

describe('states', () => {
    let world;
    before(async () => {
        world = await World.start({
            rules: { 'room/*': LISTING, 'unlisted/*': { anonymous_clients: true, public_messaging: true } },
            flags: [...secretFlags(), '--presence-grace', '3s'],
        });
    });
    after(() => world?.stop());

    test('are told to those who asked; all others get what they got before', async () => {
        const stock = await world.member('room/1', { presence: true });
        await stock.waitFor({ action: 'presence_full' });
        const ann = await observer(world, 'room/1', { token: user(1, 1, { name: 'Ann' }) });
        assert.deepEqual(ann.list, new Map([[stock.joined.client.socketId, null], [ann.me, null]]));
        const bob = await observer(world, 'room/1');
        ann.send('presence', 'room/1', { cursor: [1, 2.50], name: 'ä"' }, { ref: 'r1' });
        const receipt = await ann.waitFor({ action: 'receipt' });
        assert.deepEqual([receipt.options, receipt.payload], [{ channel: 'room/1', ref: 'r1' }, {}]);
        await sees(bob, ann.me, { cursor: [1, 2.5], name: 'ä"' });
        await sees(ann, ann.me, { cursor: [1, 2.5], name: 'ä"' });
        const update = bob.on('room/1', 'presence_update').at(-1);
        assert.equal(update.text, `{"action":"presence_update","client":null,"options":{"channel":"room/1"},"payload":{"action":"update","presence":`
            + `{"socketId":"${ann.me}","extras":{"name":"Ann"},"permissions":{"dbo_id":1,"row_id":1},"state":{"cursor":[1,2.5],"name":"ä\\""}}}}`);
        stock.send('presence', 'room/1', { stock: true }); // any member may show something
        await sees(bob, stock.joined.client.socketId, { stock: true });
        bob.send('leave', 'room/1');
        await until('the leave', () => ann.list.size === 2);
        await stock.barrier();
        assert.deepEqual(stock.frames.filter((f) => f.action.startsWith('presence')).map((f) => [f.payload.action, f.payload.presence.state]),
            [[undefined, undefined], ['join', undefined], ['join', undefined], ['leave', undefined]]);
        assert.ok(stock.frames.every((f) => !f.text.includes('state')));
        assert.equal(stock.on('room/1', 'receipt').length, 0);
    });

    test('a burst is at most five a second, and the newest wins', async () => {
        const [ann, bob] = [await observer(world, 'room/2'), await observer(world, 'room/2')];
        const began = Date.now();
        for (let n = 1; n <= 150; n++) {
            ann.send('presence', 'room/2', { n });
        }
        await sees(bob, ann.me, { n: 150 });
        assert.ok(bob.updates <= 2 + (Date.now() - began) / 200, `${bob.updates} updates`);
        const late = await observer(world, 'room/2');
        assert.deepEqual(late.list.get(ann.me), { n: 150 });
        ann.send('presence', 'room/2', null);
        await sees(late, ann.me, null);
    });

    test('what is refused is told, with its ref', async () => {
        const client = await observer(world, 'room/3');
        const refused = async (channel, payload, code) => {
            client.send('presence', channel, payload, { ref: code });
            const { options, payload: said } = await client.waitFor({ action: 'error' });
            assert.deepEqual([options.ref, said.code], [code, code]);
        };
        await refused('room/nowhere', {}, 'not_joined');
        await refused('room/3', { x: 'x'.repeat(1024 - 7) }, 'too_large');
        await refused('room/3', [1], 'bad_json');
        await client.join('unlisted/1');
        await refused('unlisted/1', {}, 'send_refused');
        client.send('presence', 'room/3', { x: 'x'.repeat(1024 - 8) }, { ref: 'fits' });
        await client.waitFor({ action: 'receipt', options: { ref: 'fits' } });
    });

    test('stays over a reload, and ends with the entry', async () => {
        const watcher = await observer(world, 'room/4');
        const ann = await observer(world, 'room/4', { token: user(1, 2) });
        ann.send('presence', 'room/4', { here: 1 });
        await sees(watcher, ann.me, { here: 1 });
        ann.socket.terminate();
        const again = await observer(world, 'room/4', { token: user(1, 2) });
        assert.deepEqual([again.me, again.list.get(ann.me)], [ann.me, { here: 1 }]);
        again.send('leave', 'room/4');
        await until('the leave', () => watcher.list.size === 1);
        await again.join('room/4', STATES);
        await sees(watcher, ann.me, null);
    });

    test('is nowhere in SQL', async () => {
        const ann = await observer(world, 'room/5');
        ann.send('presence', 'room/5', { secret: 'unwritten' });
        await sees(ann, ann.me, { secret: 'unwritten' });
        const rows = await until('the row', async () => {
            const found = await world.postgres.query("SELECT p::text FROM herald.presence p WHERE channel = 'room/5'");
            return found.length === 1 && found;
        });
        assert.doesNotMatch(rows[0].p, /unwritten/);
    });
});
