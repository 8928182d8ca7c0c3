// SPDX-License-Identifier: PostgreSQL
// Two servers on one database have one list of members; who comes back to the other one was never away.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { OPEN } from './lib/world.js';
import { Several } from './lib/several.js';
import { waitMetric } from './lib/metrics.js';
import { user, secretFlags } from './lib/token.js';
import { until } from './lib/wait.js';

let several;
let world;
let nats;
let nodes;

before(async () => {
    several = await Several.start(2, {
        rules: { 'room/*': { ...OPEN, presence: true } },
        flags: [...secretFlags(), '--presence-grace', '10s'],
    });
    ({ world, nats, nodes } = several);
});
after(() => several?.stop());

const socketIdOf = (client) => client.joined.client.socketId;

// Keeps the list as a client would.
async function member(node, channel, token) {
    const client = await world.member(channel, { presence: true }, { server: nodes[node], token });
    client.list = () => {
        const list = new Set();
        for (const { action, payload } of client.on(channel)) {
            if (action === 'presence_full') {
                payload.presence.forEach((m) => list.add(m.socketId));
            } else if (action === 'presence_update') {
                list[payload.action === 'join' ? 'add' : 'delete'](payload.presence.socketId);
            }
        }
        return [...list].sort();
    };
    client.news = () => client.on(channel, 'presence_update').length;
    return client;
}

const lists = (clients, of) =>
    until('all to have one list', () => {
        const wanted = JSON.stringify(of.map(socketIdOf).sort());
        return clients.every((client) => JSON.stringify(client.list()) === wanted);
    });

test('all members see all, on whichever server they are', async () => {
    const here = await member(0, 'room/1');
    const there = await member(1, 'room/1', user(7, 1));
    await lists([here, there], [here, there]);
    const late = await member(1, 'room/1');
    await lists([here, there, late], [here, there, late]);
    await here.close();
    await lists([there, late], [there, late]);
});

test('who comes back to the other server goes on, and nobody is told', async () => {
    const watcher = await member(0, 'room/2');
    const ann = await member(0, 'room/2', user(7, 1, { name: 'Ann' }));
    const other = await member(1, 'room/2');
    await lists([watcher, ann, other], [watcher, ann, other]);
    const news = [watcher.news(), other.news()];
    ann.socket.terminate();
    await waitMetric(nodes[0], 'sessions', (n) => n === 1);
    const again = await member(1, 'room/2', user(7, 1, { name: 'Ann' }));
    assert.equal(socketIdOf(again), socketIdOf(ann));
    await lists([watcher, again, other], [watcher, again, other]);
    assert.deepEqual([watcher.news(), other.news()], news);
    await until('SQL to have the same list', async () => {
        const rows = await world.postgres.query("SELECT socket_id FROM herald.presence WHERE channel = 'room/2'");
        return JSON.stringify(rows.map((row) => row.socket_id).sort()) === JSON.stringify(watcher.list());
    });
});

test('a server is killed: its users go on elsewhere, the nameless leave', async () => {
    const watcher = await member(0, 'room/3');
    const ann = await member(1, 'room/3', user(7, 3));
    const guest = await member(1, 'room/3');
    await lists([watcher], [watcher, ann, guest]);
    await nodes.pop().kill();
    await lists([watcher], [watcher, ann]);
    const news = watcher.news();
    const again = await member(0, 'room/3', user(7, 3));
    assert.equal(socketIdOf(again), socketIdOf(ann));
    assert.deepEqual(again.list(), watcher.list());
    assert.equal(watcher.news(), news);
});
