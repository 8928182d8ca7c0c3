// SPDX-License-Identifier: PostgreSQL
// The unmodified @xano/js-sdk 3.0.1. One thing is bent: the global WebSocket, whose URL is rewritten to our port, because
// the SDK dials wss on 443 and drops the port (wire notes). The SDK keeps one socket per process as a singleton, so each
// test loads its own copy.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import WebSocket from 'ws';
import { World, OPEN, DURABLE, READ_ONLY } from './lib/world.js';
import { until } from './lib/wait.js';

const require = createRequire(import.meta.url);
let world;
let sockets = [];
let channels = []; // with handlers: the SDK reconnects for ever as long as there is one

before(async () => {
    world = await World.start({ rules: { 'room/*': DURABLE, 'fleeting/*': OPEN, 'news/*': READ_ONLY, members: { public_messaging: true, public_auth: true } } });
    globalThis.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
            const { protocol, pathname } = new URL(url);
            assert.equal(protocol, 'wss:');
            super(`ws://127.0.0.1:${world.server.port}${pathname}`, protocols);
            sockets.push(this);
        }
    };
});
after(async () => {
    clear();
    await world?.stop();
});

function clear() {
    for (const channel of channels) {
        try {
            channel.destroy();
        } catch {
            // It sends its leave whatever the socket's state: on one that is still connecting, that throws.
        }
    }
    channels = [];
    sockets.forEach((socket) => socket.terminate());
    sockets = [];
}

function sdk(token) {
    clear();
    for (const path of Object.keys(require.cache)) {
        if (path.includes('/@xano/js-sdk/')) {
            delete require.cache[path];
        }
    }
    const { XanoClient, XanoObjectStorage } = require('@xano/js-sdk');
    return new XanoClient({
        instanceBaseUrl: 'https://localhost/', realtimeConnectionCanonical: world.canonical, realtimeAuthToken: token,
        storage: new XanoObjectStorage(), // its default is the browser's
    });
}

function channelOf(xano, name, options) {
    const channel = xano.channel(name, options);
    channels.push(channel);
    return channel;
}

function destroy(channel) {
    channels = channels.filter((c) => c !== channel);
    channel.destroy();
}

// A channel with its actions collected; `errors` are what the second callback of on() gets.
function open(xano, name, options) {
    const channel = channelOf(xano, name, options);
    const actions = [];
    const errors = [];
    channel.on((action) => actions.push(action), (action) => errors.push(action));
    const of = (action) => actions.filter((a) => a.action === action);
    return { channel, actions, errors, of, some: (action, n = 1) => until(`${n} ${action} on ${name}`, () => of(action).length >= n) };
}

test('the package is the real one', () => {
    assert.equal(require('@xano/js-sdk/package.json').version, '3.0.1');
});

test('on, message with echo, history', async () => {
    const xano = sdk();
    const room = open(xano, 'room/sdk', { history: true });
    await room.some('join');
    assert.equal(room.of('connection_status')[0].payload.status, 'connected');
    await room.some('history');
    room.channel.message({ text: 'hello' });
    room.channel.message('plain');
    room.channel.message(null);
    await room.some('message', 3);
    assert.deepEqual(room.of('message').map((a) => a.payload), [{ text: 'hello' }, 'plain', null]);
    assert.deepEqual(room.of('message').map((a) => a.options.id), [1, 2, 3]);
    assert.equal(room.of('message')[0].client.socketId, room.of('join')[0].client.socketId);
    room.channel.history();
    await room.some('history', 2);
    assert.deepEqual(room.of('history')[1].payload.history.map((a) => a.payload), [{ text: 'hello' }, 'plain', null]);
    assert.deepEqual(room.errors, []);
});

test('a named handler gets its own action only', async () => {
    const xano = sdk();
    const channel = channelOf(xano, 'news/sdk');
    const events = [];
    const joins = [];
    channel.on('event', (action) => events.push(action));
    channel.on('join', (action) => joins.push(action));
    await until('the join', () => joins.length > 0);
    await world.publish('news/sdk', { headline: 'x' });
    await until('the event', () => events.length > 0);
    assert.deepEqual(events[0].payload, { data: { headline: 'x' }, dbo_id: 0, row_id: 0 });
    assert.ok(events.every((a) => a.action === 'event'));
});

test('two channels on one socket; one made late joins twice', async () => {
    const xano = sdk();
    const first = open(xano, 'room/one');
    await first.some('join');
    const second = open(xano, 'fleeting/two');
    await second.some('join');
    assert.equal(sockets.length, 1);
    first.channel.message(1);
    second.channel.message(2);
    await first.some('message');
    await second.some('message');
    assert.deepEqual([first.of('message').map((a) => a.payload), second.of('message').map((a) => a.payload)], [[1], [2]]);

    const again = open(xano, 'room/one', { history: true });
    await again.some('history');
    first.channel.message('after the second join');
    await first.some('message', 2);
    assert.deepEqual(first.of('message').map((a) => a.payload), [1, 'after the second join']);
});

test('destroy leaves the channel, and the last one closes the socket', async () => {
    const xano = sdk();
    const gone = open(xano, 'fleeting/gone');
    await gone.some('join'); // a channel made while the socket is connecting throws in the SDK
    const stays = open(xano, 'fleeting/stays');
    await stays.some('join');
    const [socket] = sockets;
    destroy(gone.channel);
    stays.channel.message('still');
    await stays.some('message');
    const witness = await world.member('fleeting/gone');
    witness.message('fleeting/gone', 'nobody else hears this');
    await witness.waitFor({ action: 'message' });
    stays.channel.message('barrier');
    await stays.some('message', 2);
    assert.equal(gone.of('message').length, 0);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    destroy(stays.channel);
    assert.equal(await closed, 1000);
});

test('the token goes as subprotocol and is echoed', async () => {
    const token = `eyJhbGciOiJBMjU2S1ciLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwiemlwIjoiREVGIn0.${'x'.repeat(1200)}.y-_Z`;
    const xano = sdk(token);
    const room = open(xano, 'room/token');
    await room.some('join');
    assert.equal(sockets[0].protocol, token);
    room.channel.message('with a token');
    await room.some('message');
});

test('errors reach the second callback, with message and code', async () => {
    const xano = sdk();
    const members = open(xano, 'members');
    await until('the error', () => members.errors.length > 0);
    assert.equal(members.errors[0].payload.message, 'Anonymous clients cannot join this channel.');
    assert.equal(members.errors[0].payload.code, 'anonymous_refused');
    assert.equal(members.errors[0].options.channel, 'members');
});

test('after a restart the SDK comes back by itself', async () => {
    const xano = sdk();
    const room = open(xano, 'room/back', { history: true });
    await room.some('join');
    room.channel.message('before');
    await room.some('message');
    await world.server.stop(); // 1012: the client's word for "come back in a second"
    world.server = await world.server.again();
    await room.some('join', 2);
    await room.some('history', 2);
    assert.deepEqual(room.of('history')[1].payload.history.map((a) => a.payload), ['before']);
    room.channel.message('after');
    await room.some('message', 2);
});
