// SPDX-License-Identifier: PostgreSQL
/**
 * The client module alone, against a socket that does what the test says: joining, positions, resume, gaps, closing
 * codes and back-off. Time is the test's too, so nothing here waits.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';

// By way of its text: a browser is told by `type="module"` what this file is, and node would want a package.json there.
const source = readFileSync(new URL('../../src/web/pgherald.js', import.meta.url), 'utf8');
const { connect } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

class FakeSocket {
    static all = [];
    OPEN = 1;
    readyState = 0;
    sent = [];
    #listeners = {};

    constructor(url, protocols) {
        Object.assign(this, { url, protocols });
        FakeSocket.all.push(this);
    }

    static get last() {
        return FakeSocket.all.at(-1);
    }

    addEventListener(type, listener) {
        this.#listeners[type] = listener;
    }

    send(text) {
        this.sent.push(JSON.parse(text));
    }

    close(code) {
        this.readyState = 3;
        this.closedWith ??= code;
    }

    // What the other side does:

    open() {
        this.readyState = 1;
        this.#listeners.open({});
    }

    drop(code, reason = '') {
        this.readyState = 3;
        this.#listeners.close({ code, reason });
    }

    says(action, payload = null, options = {}) {
        this.#listeners.message({ data: JSON.stringify({ action, client: null, options: { channel: 'room/1', ...options }, payload }) });
    }
}

const real = { setTimeout, clearTimeout, queueMicrotask, now: Date.now, random: Math.random };
let timers;
let now;

beforeEach(() => {
    FakeSocket.all = [];
    timers = [];
    now = 1_000_000;
    Math.random = () => 1;
    Date.now = () => now;
    globalThis.setTimeout = (action, ms) => timers.push({ action, ms });
    globalThis.clearTimeout = (number) => { if (number) timers[number - 1].action = () => {}; };
});

afterEach(() => {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout, queueMicrotask: real.queueMicrotask });
    Object.assign(Math, { random: real.random });
    Object.assign(Date, { now: real.now });
});

/** A client with one channel, and everything that the channel says, as short texts. */
function start(options = { history: true }) {
    const herald = connect({ url: 'http://host:8080', canonical: 'abc', WebSocket: FakeSocket });
    const channel = herald.channel('room/1', options);
    const heard = [];
    for (const type of ['join', 'message', 'event', 'leave', 'gap', 'error']) {
        channel.on(type, (frame) => heard.push(frame.options.id === undefined ? type : `${type} ${frame.options.id}`));
    }
    channel.on('history', (frame) => heard.push(`history ${frame.payload.history.map(({ options: { id } }) => id).join(',')}`));
    return { herald, channel, heard };
}

function acknowledge(socket, { epoch = 'e1', offset, resumed = false, gap = false }) {
    socket.says('join', { epoch, offset, resumed, gap });
}

const history = (...ids) => ({ history: ids.map((id) => ({ action: 'message', options: { id, channel: 'room/1' } })) });

/** The line breaks and the client comes back. */
function comeBack() {
    FakeSocket.last.drop(1006);
    timers.at(-1).action();
    FakeSocket.last.open();
    return FakeSocket.last;
}

/** Joined, with a history up to offset 5. */
function joined() {
    const all = start();
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 5 });
    FakeSocket.last.says('history', history(4, 5));
    all.heard.length = 0;
    return all;
}

test('it dials /rt/<canonical> and offers the token as the only subprotocol', () => {
    connect({ url: 'https://host', canonical: 'a/b', token: 'tok.en', WebSocket: FakeSocket });
    assert.equal(FakeSocket.last.url, 'wss://host/rt/a%2Fb');
    assert.deepEqual(FakeSocket.last.protocols, ['tok.en']);
    connect({ url: 'ws://host:1', canonical: 'c', WebSocket: FakeSocket });
    assert.equal(FakeSocket.last.url, 'ws://host:1/rt/c');
    assert.deepEqual(FakeSocket.last.protocols, []);
    assert.throws(() => connect({ url: 'http://host', WebSocket: FakeSocket }), TypeError);
});

test('a channel joins once there is a connection, and one made later joins at once', () => {
    const { herald } = start({ history: true, presence: true });
    assert.deepEqual(FakeSocket.last.sent, []);
    FakeSocket.last.open();
    herald.channel('room/2');
    assert.equal(herald.channel('room/2'), herald.channel('room/2'));
    assert.deepEqual(FakeSocket.last.sent, [
        { action: 'join', options: { channel: 'room/1' }, payload: { history: true, presence: true } },
        { action: 'join', options: { channel: 'room/2' }, payload: { history: false, presence: false } },
    ]);
});

test('message says whether there was a connection to hand it to', () => {
    const { channel } = start();
    assert.equal(channel.message('lost'), false);
    FakeSocket.last.open();
    assert.equal(channel.message({ a: 1 }, { authenticated: true }), true);
    assert.equal(channel.message(), true);
    assert.deepEqual(FakeSocket.last.sent.slice(1), [
        { action: 'message', options: { authenticated: true, channel: 'room/1' }, payload: { a: 1 } },
        { action: 'message', options: { channel: 'room/1' }, payload: null },
    ]);
    FakeSocket.last.drop(1006);
    assert.equal(channel.message('lost'), false);
});

test('after a cut it resumes behind the newest frame that it handed over', () => {
    const { channel, heard } = joined();
    FakeSocket.last.says('event', {}, { id: 6 });
    FakeSocket.last.says('message', {}, { id: 7 });
    const socket = comeBack();
    assert.deepEqual(socket.sent[0].payload.since, { epoch: 'e1', offset: 7 });
    acknowledge(socket, { offset: 9, resumed: true });
    socket.says('message', {}, { id: 8, replayed: true });
    assert.deepEqual(channel.position, { epoch: 'e1', offset: 8 }, 'not the head: a cut now must not skip 9');
    socket.says('message', {}, { id: 9, replayed: true });
    socket.says('message', {}, { id: 10 });
    assert.deepEqual(heard, ['event 6', 'message 7', 'join', 'message 8', 'message 9', 'message 10']);
    assert.equal(socket.sent.length, 1, 'nothing but the join was asked for');
});

test('a frame that was handed over is not handed over again; one without an offset always is', () => {
    const { heard } = joined();
    FakeSocket.last.says('message', {}, { id: 5 });
    FakeSocket.last.says('message', {}, { id: 6 });
    FakeSocket.last.says('message', {}, { id: 6 });
    FakeSocket.last.says('message');
    FakeSocket.last.says('message');
    assert.deepEqual(heard, ['message 6', 'message', 'message']);
});

test('at a gap it tells the application and asks for the history, and what comes meanwhile is heard once', () => {
    const { channel, heard } = joined();
    const socket = comeBack();
    acknowledge(socket, { epoch: 'e2', offset: 100, gap: true });
    assert.deepEqual(socket.sent.map(({ action }) => action), ['join', 'history']);
    socket.says('message', {}, { id: 101 });
    socket.says('message', {}, { id: 102 });
    assert.deepEqual(heard, ['join', 'gap']);
    socket.says('history', history(100, 101));
    assert.deepEqual(heard, ['join', 'gap', 'history 100,101', 'message 102']);
    assert.deepEqual(channel.position, { epoch: 'e2', offset: 102 });
});

test('without history a gap is told and the position moves on to the head', () => {
    const { channel, heard } = start({});
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 3 });
    const socket = comeBack();
    assert.deepEqual(socket.sent[0].payload.since, { epoch: 'e1', offset: 3 });
    acknowledge(socket, { offset: 50, gap: true });
    assert.deepEqual(heard, ['join', 'join', 'gap']);
    assert.deepEqual(channel.position, { epoch: 'e1', offset: 50 });
    assert.equal(socket.sent.length, 1);
});

test('a cut between the acknowledgement and the history loses neither', () => {
    const { heard } = start();
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 5 });
    const socket = comeBack();
    assert.deepEqual(socket.sent[0].payload.since, { epoch: 'e1', offset: 5 });
    acknowledge(socket, { offset: 6, resumed: true });
    assert.deepEqual(socket.sent.map(({ action }) => action), ['join', 'history']);
    socket.says('message', {}, { id: 6, replayed: true });
    socket.says('history', history(4, 5, 6));
    assert.deepEqual(heard, ['join', 'join', 'history 4,5,6']);
});

test('what was held for a history is not lost when the history is refused or the line breaks', () => {
    const { channel, heard } = joined();
    channel.history();
    FakeSocket.last.says('message', {}, { id: 6 });
    FakeSocket.last.says('error', { code: 'history_off', message: 'no' });
    assert.deepEqual(heard, ['error', 'message 6']);
    channel.history();
    FakeSocket.last.says('message', {}, { id: 7 });
    const socket = comeBack();
    assert.equal(socket.sent[0].payload.since.offset, 6, '7 was not handed over');
});

test('without resume every join starts anew; with since it goes on where an earlier page stopped', () => {
    start({ history: true, resume: false });
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 5 });
    assert.deepEqual(comeBack().sent[0].payload, { history: true, presence: false });

    start({ history: true, since: { epoch: 'e1', offset: 2 } });
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 5, resumed: true });
    assert.deepEqual(FakeSocket.last.sent, [
        { action: 'join', options: { channel: 'room/1' }, payload: { history: true, presence: false, since: { epoch: 'e1', offset: 2 } } },
    ]);
});

test('a server that knows no positions is joined plainly each time', () => {
    const { heard } = start();
    FakeSocket.last.open();
    FakeSocket.last.says('join', {});
    FakeSocket.last.says('history', { history: [] });
    FakeSocket.last.says('message');
    assert.deepEqual(comeBack().sent[0].payload, { history: true, presence: false });
    assert.deepEqual(heard, ['join', 'history ', 'message']);
});

test('it comes back after 1006, 1011, 1012, 1013, 1014 and 4000, and after no other code', () => {
    for (const code of [1006, 1011, 1012, 1013, 1014, 4000]) {
        const { herald } = start();
        FakeSocket.last.open();
        FakeSocket.last.drop(code, 'why');
        assert.deepEqual(herald.status, { status: 'waiting', retryMs: 500, code, reason: 'why' });
    }
    for (const code of [1000, 1001, 1005, 1008, 1009, 4401]) {
        const { herald } = start();
        const before = timers.length;
        FakeSocket.last.open();
        FakeSocket.last.drop(code, 'why');
        assert.deepEqual(herald.status, { status: 'closed', code, reason: 'why' });
        assert.equal(timers.length, before);
    }
});

test('the back-off doubles up to half a minute, has jitter, and starts anew only after a connection that held', () => {
    const { herald } = start();
    const fail = () => {
        FakeSocket.last.open();
        FakeSocket.last.drop(1013);
        const { retryMs } = herald.status;
        timers.at(-1).action();
        return retryMs;
    };
    assert.deepEqual(Array.from({ length: 8 }, fail), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    Math.random = () => 0;
    assert.equal(fail(), 15000);
    FakeSocket.last.open();
    now += 10_000;
    FakeSocket.last.drop(1006);
    assert.equal(herald.status.retryMs, 250);
});

test('reconnect opens at once, and what the old socket still says is ignored', () => {
    const { herald, heard } = joined();
    const old = FakeSocket.last;
    herald.reconnect();
    assert.equal(old.closedWith, 4000);
    assert.notEqual(FakeSocket.last, old);
    old.says('message', {}, { id: 6 });
    old.drop(1006);
    assert.equal(herald.status.status, 'connecting');
    assert.deepEqual(heard, []);
    FakeSocket.last.open();
    assert.equal(FakeSocket.last.sent[0].payload.since.offset, 5);
});

test('close ends it, also while it waits for the next attempt', () => {
    const { herald } = joined();
    FakeSocket.last.drop(1006);
    const sockets = FakeSocket.all.length;
    herald.close();
    timers.forEach(({ action }) => action());
    assert.equal(FakeSocket.all.length, sockets);
    assert.equal(herald.status.status, 'closed');
});

test('after leave nothing is heard, and a new channel of that name hears only its own membership', () => {
    const { herald, channel, heard } = joined();
    channel.leave();
    assert.deepEqual(FakeSocket.last.sent.at(-1), { action: 'leave', options: { channel: 'room/1' }, payload: null });
    FakeSocket.last.says('message', {}, { id: 6 });
    const again = herald.channel('room/1');
    assert.notEqual(again, channel);
    const news = [];
    for (const type of ['message', 'leave', 'join']) again.on(type, () => news.push(type));
    FakeSocket.last.says('message', {}, { id: 7 });
    FakeSocket.last.says('leave');
    assert.deepEqual(news, []);
    acknowledge(FakeSocket.last, { offset: 7 });
    FakeSocket.last.says('message', {}, { id: 8 });
    assert.deepEqual(news, ['join', 'message']);
    assert.deepEqual(heard, []);
});

test('an error goes to its channel, and to the client if nobody there listens', () => {
    const herald = connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket });
    const errors = [];
    herald.on('error', (frame) => errors.push(frame.payload.code));
    const channel = herald.channel('room/1');
    FakeSocket.last.open();
    FakeSocket.last.says('error', { code: 'no_channel' });
    FakeSocket.last.says('error', { code: 'bad_json' }, { channel: undefined });
    channel.on('error', (frame) => errors.push(`own ${frame.payload.code}`));
    FakeSocket.last.says('error', { code: 'send_refused' });
    assert.deepEqual(errors, ['no_channel', 'bad_json', 'own send_refused']);
});

test('a handler that throws takes the frame from nobody, and is reported; off ends a handler', () => {
    const { channel, heard } = joined();
    const reported = [];
    globalThis.queueMicrotask = (report) => { try { report(); } catch (error) { reported.push(error.message); } };
    const broken = () => { throw new Error('broken'); };
    const later = [];
    channel.on('message', broken).on('message', (frame) => later.push(frame.options.id));
    FakeSocket.last.says('message', {}, { id: 6 });
    channel.off('message', broken);
    FakeSocket.last.says('message', {}, { id: 7 });
    assert.deepEqual(reported, ['broken']);
    assert.deepEqual(later, [6, 7]);
    assert.deepEqual(heard, ['message 6', 'message 7']);
});
