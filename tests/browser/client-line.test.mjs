// SPDX-License-Identifier: PostgreSQL
/**
 * The client's connection, against a socket that does what the test says: lines that go silent, reasons of refusals,
 * tokens that are renewed before they end, transactions that are waited for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { advance, connect, due, FakeSocket, runNewest, settled } from './fake-socket.mjs';

const SECOND = 1000;

function start(options = {}) {
    const herald = connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket, fetch: null, ...options });
    const heard = [];
    herald.on('error', ({ payload }) => heard.push(payload.code));
    return { herald, heard };
}

const member = (name) => ({ socketId: 's', extras: { name }, permissions: { dbo_id: 1, row_id: 7 } });

const acknowledge = (client = member('a'), options = {}) => FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5 }, options, client);

const pings = () => FakeSocket.last.sentOf('ping').length;

/** A signed token that ends in so many seconds; nobody here looks at the signature. */
function tokenFor(seconds, name = 'x') {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${part({ alg: 'HS256' })}.${part({ exp: Date.now() / 1000 + seconds, name })}.${name}`;
}

test('importing touches no global, and a client is made where there is no page', () => {
    assert.equal(globalThis.document, undefined);
    start().herald.close();
    assert.equal(due(10 * 60 * SECOND).length, 0, 'nothing is left that would keep a process alive');
});

test('a token that cannot be sent is the end, and not a surprise', () => {
    const cannot = class { constructor() { throw new SyntaxError('no such subprotocol'); } };
    const { herald } = start({ WebSocket: cannot, token: 'a b' });
    assert.deepEqual(herald.status, { status: 'closed', code: 1008, reason: 'the token cannot be sent: no such subprotocol' });
    assert.doesNotThrow(() => herald.setToken('c d').reconnect());
    assert.equal(herald.status.status, 'closed');
    assert.equal(due(10 * 60 * SECOND).length, 0, 'it does not try again');
});

test('after half a minute of silence it asks whether anybody is there; no answer in five seconds is the end of the line', () => {
    const { herald } = start();
    FakeSocket.last.open();
    advance(20 * SECOND);
    FakeSocket.last.says('message');
    advance(29 * SECOND);
    assert.equal(pings(), 0);
    advance(SECOND);
    assert.deepEqual(FakeSocket.last.sent, [{ action: 'ping', options: {}, payload: null }]);
    advance(4 * SECOND);
    FakeSocket.last.answers('ping', 'pong', null, { channel: undefined });
    advance(29 * SECOND);
    assert.equal(pings(), 1);
    advance(SECOND);
    assert.equal(pings(), 2);
    FakeSocket.last.says('message');
    advance(29 * SECOND);
    assert.equal(herald.status.status, 'connected', 'whatever comes is an answer');
    advance(6 * SECOND);
    assert.deepEqual(herald.status, { status: 'waiting', retryMs: 500, code: 1006, reason: 'the server does not answer' });
    advance(500);
    assert.equal(FakeSocket.all.length, 2);
});

test('a connection that is never made is given up after a quarter of a minute', () => {
    const { herald } = start();
    advance(15 * SECOND);
    assert.deepEqual([herald.status.status, herald.status.reason, FakeSocket.last.closedWith], ['waiting', 'the server cannot be reached', 1000]);
});

test('a page that is looked at again, or a network that comes back, asks at once; without a connection it is tried at once', () => {
    const listeners = {};
    const add = (type, listener) => { listeners[type] = listener; };
    const remove = (type) => { delete listeners[type]; };
    Object.assign(globalThis, { addEventListener: add, removeEventListener: remove, document: { visibilityState: 'visible', addEventListener: add, removeEventListener: remove } });
    try {
        const { herald } = start();
        FakeSocket.last.open();
        for (const type of ['online', 'pageshow', 'visibilitychange']) {
            const before = pings();
            listeners[type]();
            listeners[type]();
            assert.equal(pings(), before + 1, type);
            FakeSocket.last.answers('ping', 'pong');
        }
        document.visibilityState = 'hidden';
        listeners.visibilitychange();
        assert.equal(pings(), 3);
        document.visibilityState = 'visible';
        FakeSocket.last.drop(1006);
        listeners.visibilitychange();
        assert.equal(herald.status.status, 'connecting');
        herald.close();
        assert.deepEqual(listeners, {});
        herald.reconnect();
        assert.equal(Object.keys(listeners).length, 3);
        FakeSocket.last.drop(1008);
        assert.deepEqual(listeners, {}, 'who is closed from outside wakes up for nothing');
    } finally {
        for (const name of ['addEventListener', 'removeEventListener', 'document']) delete globalThis[name];
    }
});

function askingWhy(answers, options = {}) {
    const asked = [];
    const fetch = async (url, { headers }) => {
        asked.push([url, headers]);
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return { ok: answer.code !== 'rate_limited', json: async () => answer };
    };
    return { asked, ...start({ fetch, ...options }) };
}

test('why a handshake was refused is asked, once a minute, and told by the status', async () => {
    const { herald, asked } = askingWhy([{ code: 'origin_refused', message: 'Not from here.', node: 'a' }, new Error('offline'), { code: 'later', message: 'Later.' }], { token: 'tok' });
    const statuses = [];
    herald.on('status', ({ status, retryMs, reason, why }) => statuses.push([status, retryMs, reason, why].join(' ')));
    FakeSocket.last.drop(1006);
    advance(100);
    await settled();
    assert.deepEqual(asked, [['http://host/rt/abc?why', { Authorization: 'Bearer tok' }]]);
    assert.deepEqual(statuses, ['waiting 500  ', 'waiting 400 Not from here. origin_refused']);
    advance(400);
    FakeSocket.last.drop(1006);
    await settled();
    assert.equal(asked.length, 1);
    while (due(60 * SECOND).length > 0 && asked.length < 2) {
        advance(10 * SECOND);
        if (FakeSocket.last.readyState === 0) FakeSocket.last.drop(1006);
    }
    await settled();
    assert.deepEqual([asked.length, herald.status.reason, herald.status.status], [2, '', 'waiting'], 'no answer says nothing');
});

test('why is not asked for a line that was open, and an answer that comes too late says nothing', async () => {
    const { herald, asked } = askingWhy([{ code: 'x', message: 'Old.' }]);
    FakeSocket.last.open();
    FakeSocket.last.drop(1006);
    await settled();
    assert.equal(asked.length, 0);
    runNewest();
    FakeSocket.last.drop(1006);
    runNewest();
    FakeSocket.last.open();
    await settled();
    assert.deepEqual([asked.length, herald.status], [1, { status: 'connected' }]);
});

test('a token that the handshake refuses is refused: the function is asked for another, and a fixed one ends it', async () => {
    const told = [];
    const { herald, heard } = askingWhy([{ code: 'token_expired', message: 'Over.' }], { token: (stale) => { told.push(stale); return `t${told.length}`; } });
    await settled();
    FakeSocket.last.drop(1006);
    await settled();
    assert.deepEqual([heard, herald.status.status], [['token_expired'], 'waiting']);
    runNewest();
    await settled();
    assert.deepEqual([told, FakeSocket.last.protocols], [[null, 't1'], ['t2']]);
    const fixed = askingWhy([{ code: 'token_invalid', message: 'No.' }], { token: 'same' });
    FakeSocket.last.drop(1006);
    await settled();
    assert.deepEqual(fixed.herald.status, { status: 'closed', code: 4000, reason: 'No.' });
});

/** Signed in by a function that gives these tokens, one after the other. */
async function signedIn(...tokens) {
    const told = [];
    FakeSocket.isAlive = true;
    const all = start({ token: (stale) => { told.push(stale); const next = tokens.shift(); if (next instanceof Error) throw next; return next; } });
    const channel = all.herald.channel('room/1');
    await settled();
    FakeSocket.last.open();
    acknowledge();
    return { ...all, channel, told };
}

const shown = () => FakeSocket.last.sentOf('token').map(({ payload }) => payload);

test('a token is renewed on the live line before it ends, and what the new one opens is tried', async () => {
    const [first, second, third] = [tokenFor(600, 'a'), tokenFor(1200, 'b'), 'opaque'];
    const { herald, channel, told, heard } = await signedIn(first, second, third);
    const shut = herald.channel('room/2');
    FakeSocket.last.refuses('join', 'join_refused', {}, { channel: 'room/2' });
    advance(540 * SECOND);
    await settled();
    assert.deepEqual([shown(), told], [[second], [null, first]]);
    FakeSocket.last.answers('token', 'token', { expires_at: new Date(Date.now() + 100 * SECOND).toISOString() }, { channel: undefined }, member('b'));
    assert.equal(channel.self.extras.name, 'b');
    assert.deepEqual(FakeSocket.last.sentOf('join').length, 3);
    acknowledge(member('b'), { channel: 'room/2' });
    assert.equal(shut.joined, true);
    advance(90 * SECOND);
    await settled();
    assert.deepEqual(shown(), [second, third]);
    FakeSocket.last.answers('token', 'token', { expires_at: null }, {}, member('b'));
    assert.deepEqual([FakeSocket.all.length, due(10_000 * SECOND).length, heard], [1, 1, ['join_refused']]);
});

test('a token that lasts for months, one without an end, and a fixed one are left alone', async () => {
    FakeSocket.isAlive = true;
    for (const token of [() => tokenFor(100 * 86_400), () => 'a.b.c', () => tokenFor(-5), tokenFor(600)]) {
        const { herald } = start({ token });
        await settled();
        FakeSocket.last.open();
        advance(3600 * SECOND);
        assert.deepEqual([shown(), due(86_400 * SECOND).some(({ ms }) => ms > 86_400 * SECOND)], [[], false]);
        herald.close();
    }
});

test('a renewal that the server refuses leaves the old token good; it is told, and nothing else changes', async () => {
    const { herald, channel, heard } = await signedIn(tokenFor(100), 'foreign');
    advance(90 * SECOND);
    await settled();
    FakeSocket.last.refuses('token', 'token_invalid');
    assert.deepEqual([heard, channel.joined, herald.status.status], [['token_invalid'], true, 'connected']);
});

test('a renewal of somebody else ends in a connection of his', async () => {
    const { herald } = await signedIn(tokenFor(100), 'other', 'other');
    advance(90 * SECOND);
    await settled();
    FakeSocket.last.refuses('token', 'token_invalid');
    FakeSocket.last.drop(4000, 'somebody else');
    assert.equal(herald.status.status, 'waiting');
    runNewest();
    await settled();
    assert.deepEqual(FakeSocket.last.protocols, ['other']);
});

test('a server that knows no renewal is connected to anew, and so it is when there is no token any more', async () => {
    const { herald } = await signedIn(tokenFor(100), 'second', 'third');
    advance(90 * SECOND);
    await settled();
    FakeSocket.last.refuses('token', 'bad_action');
    await settled();
    assert.deepEqual(FakeSocket.last.protocols, ['third']);
    herald.close();
    await signedIn(tokenFor(100), null, null);
    advance(90 * SECOND);
    await settled();
    await settled();
    assert.deepEqual(FakeSocket.last.protocols, []);
});

test('a function that gives the same token again is asked once more, and nothing is sent', async () => {
    const first = tokenFor(100);
    const { told } = await signedIn(first, first, 'fresh');
    advance(90 * SECOND);
    await settled();
    assert.deepEqual([shown(), told.length], [[], 2]);
    advance(9 * SECOND);
    await settled();
    assert.deepEqual(shown(), ['fresh']);
});

test('what fails is tried again in what is left of the time, and no oftener', async () => {
    const first = tokenFor(100);
    const { told } = await signedIn(first, new Error('no network'), first, 'fresh');
    advance(99.1 * SECOND);
    await settled();
    assert.equal(told.length, 2);
    advance(0.1 * SECOND);
    await settled();
    assert.ok(told.length <= 3);
    assert.equal(FakeSocket.all.length, 1);
});

test('txid: answered, refused, too late, called off; and asked again on the next connection', async () => {
    const { herald } = start();
    const first = herald.txid('123');
    assert.deepEqual(FakeSocket.last.sent, []);
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.sent, [{ action: 'txid', options: {}, payload: '123' }]);
    const second = herald.txid(124n);
    FakeSocket.last.drop(1006);
    runNewest();
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.sentOf('txid').map(({ payload }) => payload), ['123', '124']);
    FakeSocket.last.answers('txid', 'txid', '123');
    assert.equal(await first, undefined);
    FakeSocket.last.refuses('txid', 'unavailable');
    await assert.rejects(second, { name: 'HeraldError', code: 'unavailable' });
    const third = assert.rejects(herald.txid(5, { timeout: 3000 }), { code: 'timeout' });
    advance(3000);
    await third;
    const controller = new AbortController();
    const fourth = assert.rejects(herald.txid(6, { signal: controller.signal }), { name: 'AbortError' });
    controller.abort();
    await fourth;
    const fifth = assert.rejects(herald.txid(7), { code: 'closed' });
    herald.close();
    await fifth;
    await assert.rejects(herald.txid(8), { code: 'closed' });
    await assert.rejects(herald.txid('x'), TypeError);
    assert.equal(due(60 * SECOND).length, 0);
});
