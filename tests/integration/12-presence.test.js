// SPDX-License-Identifier: PostgreSQL
// Who is here: the list, its news, the view in SQL, the grace for those who come back, and a channel with very many.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { metric } from './lib/metrics.js';
import { World, OPEN } from './lib/world.js';
import { user, secretFlags } from './lib/token.js';
import { until, SECOND } from './lib/wait.js';

const PRESENCE = { public_messaging: true, presence: true };
const WANTED = { presence: true };

// A member that keeps the list as the client library does, and objects to news that do not fit it.
async function observer(world, channel, options) {
    const client = await world.client(options);
    client.list = new Map();
    client.news = 0;
    client.onFrame = (frame) => {
        if (frame.options?.channel !== channel) {
            return;
        }
        if (frame.action === 'presence_full') {
            client.list = new Map(frame.payload.presence.map((c) => [c.socketId, c]));
            assert.equal(client.list.size, frame.payload.presence.length, 'somebody is listed twice');
        } else if (frame.action === 'presence_update') {
            const { action, presence } = frame.payload;
            client.news++;
            assert.equal(client.list.has(presence.socketId), action === 'leave', `${action} of ${presence.socketId} does not fit the list`);
            action === 'join' ? client.list.set(presence.socketId, presence) : client.list.delete(presence.socketId);
        }
    };
    client.joined = await client.join(channel, WANTED);
    await client.waitFor({ action: 'presence_full' });
    client.me = client.joined.client.socketId;
    assert.ok(client.list.has(client.me), 'one is in one\'s own list');
    return client;
}

const sees = (client, others) => until(`${[...client.list.keys()]} to become ${others.map((o) => o.me)}`, () =>
    client.list.size === others.length && others.every((o) => client.list.has(o.me)));

describe('the list', () => {
    let world;
    before(async () => {
        world = await World.start({ rules: { 'room/*': PRESENCE, 'none/*': OPEN }, flags: secretFlags() });
    });
    after(() => world?.stop());

    test('joins and leaves are told to the others, one is told nothing of oneself', async () => {
        const ann = await observer(world, 'room/1', { token: user(1, 1, { name: 'Ann' }) });
        const bob = await observer(world, 'room/1');
        await sees(ann, [ann, bob]);
        assert.deepEqual(bob.list.get(ann.me), { socketId: ann.me, extras: { name: 'Ann' }, permissions: { dbo_id: 1, row_id: 1 } });
        assert.equal(bob.news, 0);
        bob.send('leave', 'room/1');
        await sees(ann, [ann]);
        assert.equal(bob.news, 0);
        const cat = await observer(world, 'room/1');
        cat.socket.terminate();
        await until('the news of a dropped member', () => ann.news === 4);
        await sees(ann, [ann]);
    });

    test('comes after the acknowledgement and before the history', async () => {
        await world.rule('room/kept', { ...PRESENCE, message_history: 10 });
        await world.settled();
        const client = await world.client();
        client.send('join', 'room/kept', { presence: true, history: true });
        await client.waitFor({ action: 'history' });
        assert.deepEqual(client.frames.map((f) => f.action), ['join', 'presence_full', 'history']);
    });

    test('is sent only to those who asked; the others are listed all the same', async () => {
        const ann = await observer(world, 'room/2');
        const bob = await world.member('room/2');
        await until('Bob in the list', () => ann.list.has(bob.joined.client.socketId));
        const cat = await observer(world, 'room/2');
        await sees(ann, [ann, { me: bob.joined.client.socketId }, cat]);
        await bob.barrier();
        assert.deepEqual(bob.frames.filter((f) => f.action.startsWith('presence')), []);
    });

    test('no list where the rule has no presence', async () => {
        const client = await world.member('none/1', WANTED);
        await client.barrier();
        assert.deepEqual(client.on('none/1').map((f) => f.action), ['join']);
    });

    test('joining twice is one entry, answered twice, and one leave ends it', async () => {
        const ann = await observer(world, 'room/3');
        const bob = await observer(world, 'room/3');
        await sees(ann, [ann, bob]);
        await bob.join('room/3', WANTED);
        await bob.waitFor({ action: 'presence_full' });
        await sees(bob, [ann, bob]);
        assert.equal(ann.news, 1);
        bob.send('leave', 'room/3');
        await sees(ann, [ann]);
    });

    test('a rule that begins and ends to list members', async () => {
        const ann = await world.member('room/later', WANTED);
        await world.rule('room/later', { ...PRESENCE, presence: false });
        await world.settled();
        const bob = await world.member('room/later', WANTED);
        await world.rule('room/later', PRESENCE);
        for (const client of [ann, bob]) {
            const full = await client.waitFor((f) => f.action === 'presence_full' && f.payload.presence.length === 2);
            assert.deepEqual(full.payload.presence.map((c) => c.socketId).sort(), [ann, bob].map((c) => c.joined.client.socketId).sort());
        }
        await world.rule('room/later', { ...PRESENCE, presence: false });
        await until('nobody in SQL', async () => (await world.postgres.value("SELECT count(*)::int FROM herald.presence WHERE channel = 'room/later'")) === 0);
    });

    test('is a view in SQL', async () => {
        const ann = await observer(world, 'room/sql', { token: user(1, '7', { name: 'Ann' }) });
        const bob = await observer(world, 'room/sql');
        const rows = () => world.postgres.query("SELECT * FROM herald.presence WHERE channel = 'room/sql' ORDER BY row_id NULLS LAST");
        const [first, second] = await until('two rows', async () => { const r = await rows(); return r.length === 2 && r; });
        assert.deepEqual([first.socket_id, first.dbo_id, first.row_id, first.extras], [ann.me, 1, '7', { name: 'Ann' }]);
        assert.deepEqual([second.socket_id, second.dbo_id, second.row_id], [bob.me, null, null]);
        assert.ok(Math.abs(first.since - Date.now()) < 60 * SECOND && first.node.length > 0);
        bob.socket.terminate();
        await until('one row', async () => (await rows()).length === 1);
        await world.postgres.terminate("true");
        const cat = await until('her to be in, when the server has seen that it was away', () => observer(world, 'room/sql'));
        const after = await until('the list again, after the database was away', async () => { const r = await rows(); return r.length === 2 && r; });
        assert.deepEqual(new Set(after.map((r) => r.socket_id)), new Set([ann.me, cat.me]));
    });

    test('many come and go at once: every list is right in the end', { timeout: 120 * SECOND }, async () => {
        const channel = 'room/crowd';
        const watcher = await observer(world, channel);
        const crowd = await Promise.all(Array.from({ length: 400 }, () => observer(world, channel)));
        const all = [watcher, ...crowd];
        await Promise.all(all.map((c) => sees(c, all)));
        crowd.slice(0, 200).forEach((c, i) => (i % 2 ? c.socket.terminate() : c.send('leave', channel)));
        const left = [watcher, ...crowd.slice(200)];
        await Promise.all(left.map((c) => sees(c, left)));
        left.slice(50).forEach((c) => c.socket.terminate());
        await Promise.all(left.slice(0, 50).map((c) => sees(c, left.slice(0, 50))));
    });
});

describe('the grace', () => {
    let world;
    before(async () => {
        world = await World.start({ rules: { 'room/*': PRESENCE }, flags: [...secretFlags(), '--presence-grace', '2s'] });
    });
    after(() => world?.stop());

    test('who comes back in time goes on under his socketId, and nobody is told', async () => {
        const watcher = await observer(world, 'room/1');
        const ann = await observer(world, 'room/1', { token: user(1, 1) });
        await sees(watcher, [watcher, ann]);
        ann.socket.terminate();
        await until('the server to have seen it', async () => (await metric(world.server, 'sessions')) === 1);
        const again = await observer(world, 'room/1', { token: user(1, 1) });
        assert.equal(again.me, ann.me);
        const other = await observer(world, 'room/1');
        await sees(watcher, [watcher, again, other]);
        assert.equal(watcher.news, 2);
        watcher.send('message', 'room/1', 'still reachable?', { socketId: again.me });
        assert.equal(await watcher.error('room/1'), 'private_refused');
    });

    test('who does not come back leaves when the time is over; an anonymous one at once', async () => {
        const watcher = await observer(world, 'room/2');
        const ann = await observer(world, 'room/2', { token: user(1, 2) });
        const nobody = await observer(world, 'room/2');
        await sees(watcher, [watcher, ann, nobody]);
        nobody.socket.terminate();
        await sees(watcher, [watcher, ann]);
        ann.socket.terminate();
        await sees(watcher, [watcher]);
    });
});
