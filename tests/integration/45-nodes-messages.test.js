// SPDX-License-Identifier: PostgreSQL
// Two servers on one database: what their clients say to one another that nobody keeps goes over NATS, and nothing of it
// while NATS is away; what is kept goes on.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import WebSocket from 'ws';
import { OPEN, DURABLE } from './lib/world.js';
import { Several } from './lib/several.js';
import { metric, waitMetric } from './lib/metrics.js';
import { user, secretFlags } from './lib/token.js';
import { until } from './lib/wait.js';

const require = createRequire(import.meta.url);
const PRIVATE = { ...OPEN, private_messaging: true, auth_channel: true };

let several;
let world;
let nats;
let nodes;

const know = () => several.know();

before(async () => {
    several = await Several.start(2, {
        rules: { 'chat/*': PRIVATE, 'signed/*': { ...PRIVATE, private_auth: true }, 'kept/*': DURABLE },
        flags: secretFlags(),
    });
    ({ world, nats, nodes } = several);
});
after(() => several?.stop());

const member = (node, channel, token) => world.member(channel, {}, { server: nodes[node], token });
const socketIdOf = (client) => client.joined.client.socketId;

// Both servers answer, so what was on its way has come.
async function barrier(...clients) {
    for (const client of clients) {
        await client.barrier();
    }
}

test('a message reaches members on both, once, in the order of its sender', async () => {
    const [ann, ben] = [await member(0, 'chat/1', user(7, 1, { name: 'Ann' })), await member(1, 'chat/1', user(7, 2))];
    const guest = await member(1, 'chat/1');
    for (let i = 0; i < 200; i++) {
        ann.message('chat/1', i);
    }
    ann.send('message', 'chat/1', 'for users', { authenticated: true });
    ann.message('chat/1', 'end');
    for (const client of [ann, ben, guest]) {
        await client.waitFor({ action: 'message', payload: 'end' });
    }
    const said = [...Array(200).keys()];
    assert.deepEqual(ann.on('chat/1', 'message').map((f) => f.payload), [...said, 'for users', 'end']);
    assert.deepEqual(ben.on('chat/1', 'message').map((f) => f.text), ann.on('chat/1', 'message').map((f) => f.text), 'byte for byte');
    assert.deepEqual(guest.on('chat/1', 'message').map((f) => f.payload), [...said, 'end']);
});

test('a private message finds its addressee on the other one, both ways', async () => {
    const [ann, ben] = [await member(0, 'chat/2'), await member(1, 'chat/2')];
    const other = await member(1, 'chat/2');
    for (const [from, to] of [[ann, ben], [ben, ann]]) {
        from.send('message', 'chat/2', 'psst', { socketId: socketIdOf(to), ref: 'p' });
        from.message('chat/2', 'later');
        const receipt = await from.waitFor({ options: { ref: 'p' } });
        assert.equal(receipt.action, 'receipt');
        const echo = await from.waitFor({ action: 'message', options: { socketId: socketIdOf(to) } });
        assert.equal((await to.waitFor({ action: 'message', payload: 'psst' })).text, echo.text);
        assert.equal((await to.waitFor({ action: 'message' })).payload, 'later');
        const mine = from.frames.slice(from.frames.indexOf(receipt)).map((f) => [f.action, f.payload]);
        assert.deepEqual(mine.slice(0, 2), [['receipt', {}], ['message', 'psst']]);
        await from.waitFor({ action: 'message', payload: 'later' });
    }
    await barrier(other);
    assert.deepEqual(other.on('chat/2', 'message').map((f) => f.payload), ['later', 'later']);
});

test('who is nowhere is no such client, and each half is judged where it is', async () => {
    const ann = await member(0, 'signed/1', user(7, 1));
    const [ben, guest] = [await member(1, 'signed/1', user(7, 2)), await member(1, 'signed/1')];
    const outside = await member(1, 'signed/2', user(7, 3));
    const answer = async (from, socketId) => {
        from.send('message', 'signed/1', 'psst', { socketId, ref: socketId });
        const frame = await from.waitFor({ options: { ref: socketId } });
        return frame.payload.code ?? frame.action;
    };
    assert.equal(await answer(ann, 'nobody-has-this-'), 'no_such_client');
    assert.equal(await answer(ann, socketIdOf(outside)), 'no_such_client');
    assert.equal(await answer(ann, socketIdOf(guest)), 'private_refused');
    assert.equal(await answer(ann, socketIdOf(ben)), 'receipt');
    assert.equal(await answer(guest, socketIdOf(ann)), 'private_refused');
    assert.equal(await answer(guest, 'nobody-has-this-'), 'private_refused');
});

test('a message to a user finds all his sessions', async () => {
    const ann = await member(0, 'chat/3', user(7, 1));
    const [here, there, other] = [await member(0, 'chat/3', user(7, 5)), await member(1, 'chat/3', user(7, 5)), await member(1, 'chat/3', user(7, 6))];
    ann.send('message', 'chat/3', 'for five', { to: { dbo_id: 7, row_id: 5 } });
    const echo = await ann.waitFor({ action: 'message' });
    for (const client of [here, there]) {
        assert.equal((await client.waitFor({ action: 'message' })).text, echo.text);
    }
    await barrier(other, ann);
    assert.equal(other.on('chat/3', 'message').length, 0);
    assert.equal(ann.on('chat/3', 'message').length, 1);
});

test('who is disconnected is so on both', async () => {
    const sessions = [await member(0, 'chat/4', user(7, 9)), await member(1, 'chat/4', user(7, 9))];
    await world.postgres.query(`SELECT herald.disconnect(7, '9', reason => 'Enough.')`);
    for (const session of sessions) {
        assert.equal((await session.closes(2000)).code, 1008);
        assert.equal(session.frames.at(-1).payload.message, 'Enough.');
    }
});

test('the stock client on one node chats with one on the other', async () => {
    const sockets = [];
    globalThis.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
            const { hostname, pathname } = new URL(url);
            super(`ws://127.0.0.1:${nodes[Number(hostname.slice('node'.length))].port}${pathname}`, protocols);
            sockets.push(this);
        }
    };
    const open = (node) => {
        Object.keys(require.cache).filter((path) => path.includes('/@xano/js-sdk/')).forEach((path) => delete require.cache[path]);
        const { XanoClient, XanoObjectStorage } = require('@xano/js-sdk');
        const channel = new XanoClient({
            instanceBaseUrl: `https://node${node}/`, realtimeConnectionCanonical: world.canonical, storage: new XanoObjectStorage(),
        }).channel('chat/sdk');
        const actions = [];
        channel.on((action) => actions.push(action));
        const some = (fits) => until(`${fits} on node ${node}`, () => actions.find(fits));
        return { channel, some };
    };
    const [one, two] = [open(0), open(1)];
    try {
        await one.some((a) => a.action === 'join');
        await two.some((a) => a.action === 'join');
        one.channel.message('from one');
        two.channel.message('from two');
        const heard = await one.some((a) => a.payload === 'from two');
        await two.some((a) => a.payload === 'from one');
        // As a page does it that answers somebody: by what the message says of its sender.
        one.channel.message('for two alone', { socketId: heard.client.socketId });
        assert.equal((await two.some((a) => a.payload === 'for two alone')).options.socketId, heard.client.socketId);
        await one.some((a) => a.payload === 'for two alone');
    } finally {
        [one, two].forEach(({ channel }) => channel.destroy());
        sockets.forEach((socket) => socket.terminate());
    }
});

test('without NATS what nobody keeps is refused, what is kept goes on, and it heals by itself', async () => {
    const [ann, ben] = [await member(0, 'chat/5', user(7, 1)), await member(1, 'chat/5', user(7, 2))];
    const near = await member(0, 'chat/5');
    await Promise.all([ann.join('kept/1'), ben.join('kept/1')]);
    await nats.down();
    await Promise.all(nodes.map((node) => waitMetric(node, 'bus_up', (up) => up === 0)));
    const code = async (options) => {
        ann.send('message', 'chat/5', 'lost', { ref: 'r', ...options });
        const { action, payload } = await ann.waitFor({ options: { ref: 'r' } });
        return `${action} ${payload.code}`;
    };
    assert.equal(await code({}), 'error no_bus');
    assert.equal(await code({ to: { dbo_id: 7, row_id: 2 } }), 'error no_bus');
    assert.equal(await code({ socketId: socketIdOf(ben) }), 'error no_bus');
    assert.equal(await code({ socketId: socketIdOf(near) }), 'receipt undefined', 'who is on this node is reached');
    assert.equal(await metric(nodes[0], 'errors_total{code="no_bus"}'), 3);
    ann.message('kept/1', 'from ann');
    ben.message('kept/1', 'from ben');
    for (const client of [ann, ben]) {
        await client.waitFor({ action: 'message', payload: 'from ann' });
        await client.waitFor({ action: 'message', payload: 'from ben' });
    }
    await nats.up();
    await Promise.all(nodes.map((node) => waitMetric(node, 'bus_up', (up) => up === 1)));
    await know();
    ann.message('chat/5', 'back');
    await ben.waitFor({ action: 'message', payload: 'back' });
    await barrier(near, ben);
    assert.deepEqual(near.on('chat/5', 'message').map((f) => f.payload), ['lost', 'back'], 'the private one, and nothing that was refused');
    assert.deepEqual(ben.on('chat/5', 'message').map((f) => f.payload), ['back']);
});

test('a node that stands still is waited for a second, then nobody knows', async () => {
    const [ann, ben] = [await member(0, 'chat/6'), await member(1, 'chat/6')];
    nodes[1].process.signal('SIGSTOP');
    try {
        const since = Date.now();
        ann.send('message', 'chat/6', 'psst', { socketId: socketIdOf(ben), ref: 'r' });
        const { payload } = await ann.waitFor({ action: 'error', options: { ref: 'r' } });
        assert.equal(payload.code, 'unavailable');
        assert.ok(Date.now() - since >= 900, `after ${Date.now() - since} ms`);
    } finally {
        nodes[1].process.signal('SIGCONT');
    }
    await know();
    ann.message('chat/6', 'now');
    await ben.waitFor({ action: 'message', payload: 'now' });
});
