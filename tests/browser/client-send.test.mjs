// SPDX-License-Identifier: PostgreSQL
/**
 * What the client sends, against a socket that does what the test says: receipts and refusals, what waits without a
 * connection, what is sent again after a cut and what is not, and what is too old, too big, or somebody else's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { advance, comeBack, connect, FakeSocket, HeraldError, runNewest, settled } from './fake-socket.mjs';

const MINUTE = 60_000;

const member = (row_id) => ({ socketId: 's', extras: {}, permissions: { dbo_id: row_id && 1, row_id } });

function start(options = {}) {
    const herald = connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket, fetch: null, ...options });
    return { herald, room: herald.channel('room/1') };
}

function acknowledge(client = member(7), { durable = true, ...payload } = {}) {
    const limits = { message_bytes: 65536, durable };
    FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5, resumed: false, gap: false, limits, ...payload }, {}, client);
}

function joined(client, more) {
    const all = start();
    FakeSocket.last.open();
    acknowledge(client, more);
    return all;
}

const receipt = (payload = { epoch: 'e1', offset: 6 }) => FakeSocket.last.answers('message', 'receipt', payload);

const said = () => FakeSocket.last.sentOf('message').map(({ payload }) => payload);

/** What a promise comes to, as text. */
const fateOf = (promise) => promise.then((value) => JSON.stringify(value), (error) => error.code ?? error.name);

test('a message is answered with its place, or with what the server has against it', async () => {
    const { room } = joined();
    const first = room.send({ text: 'hi' }, { authenticated: true });
    const second = room.send();
    const third = room.send('third');
    const [one] = FakeSocket.last.sentOf('message');
    assert.deepEqual({ ...one, options: { ...one.options, id_key: null } },
        { action: 'message', options: { authenticated: true, channel: 'room/1', id_key: null }, payload: { text: 'hi' } });
    assert.match(one.options.id_key, /^[0-9a-f]{32}$/);
    assert.deepEqual(said(), [{ text: 'hi' }, null, 'third']);
    receipt({ epoch: 'e1', offset: 6 });
    receipt({ dropped: true });
    FakeSocket.last.refuses('message', 'rate_limited', { retry_after: 2.5 });
    assert.deepEqual(await first, { epoch: 'e1', offset: 6 });
    assert.deepEqual(await second, { dropped: true });
    await assert.rejects(third, (error) => error instanceof HeraldError && error.code === 'rate_limited' && error.message === 'Why.' && error.retryAfter === 2.5);
});

test('an anonymous sender proves by a secret that a key is his; a channel that keeps nothing takes no keys, nor do private messages', () => {
    const { room, herald } = joined(member(0));
    room.send('a').catch(() => {});
    room.send('b').catch(() => {});
    const [a, b] = FakeSocket.last.sentOf('message').map(({ options }) => options);
    assert.match(a.by, /^[0-9a-f]{32}$/);
    assert.equal(a.by, b.by);
    assert.notEqual(a.id_key, b.id_key);
    room.send('c', { socketId: 'x' }).catch(() => {});
    room.send('d', { to: { dbo_id: 1, row_id: 2 } }).catch(() => {});
    room.send('e', { idempotent: false }).catch(() => {});
    room.send('f', { idempotent: 'a key of my own' + '!' }).catch(() => {});
    assert.deepEqual(FakeSocket.last.sentOf('message').slice(2).map(({ options: { channel, by, ...options } }) => options),
        [{ socketId: 'x' }, { to: { dbo_id: 1, row_id: 2 } }, {}, { id_key: 'a key of my own!' }]);
    herald.close();
    const { room: other } = joined(member(0), { durable: false });
    other.send('g').catch(() => {});
    assert.deepEqual(FakeSocket.last.sentOf('message').at(-1).options, { channel: 'room/1' });
});

test('a rule that keeps messages no more takes no keys: what had one goes out once without', async () => {
    const { room } = joined();
    const fate = fateOf(room.send('x'));
    FakeSocket.last.refuses('message', 'bad_json');
    assert.deepEqual(FakeSocket.last.sentOf('message').map(({ options }) => 'id_key' in options), [true, false]);
    FakeSocket.last.refuses('message', 'bad_json');
    assert.equal(await fate, 'bad_json');
    assert.equal(said().length, 2);
});

test('without a connection it waits, in order, and goes out after the acknowledgement', async () => {
    const { room } = start();
    const fates = ['a', 'b'].map((text) => fateOf(room.send(text)));
    FakeSocket.last.open();
    assert.deepEqual(said(), []);
    acknowledge();
    assert.deepEqual(said(), ['a', 'b']);
    receipt();
    receipt({ epoch: 'e1', offset: 7 });
    assert.deepEqual(await Promise.all(fates), ['{"epoch":"e1","offset":6}', '{"epoch":"e1","offset":7}']);
    FakeSocket.last.drop(1006);
    assert.equal(await fateOf(room.send('now or never', { queue: false })), 'offline');
});

test('what is said on hearing of the join goes out behind what has waited', () => {
    const { room } = start();
    room.on('join', () => room.send('hello again').catch(() => {}));
    room.send('waited').catch(() => {});
    FakeSocket.last.open();
    acknowledge();
    assert.deepEqual(said(), ['waited', 'hello again']);
});

test('a message is sent as it was said; what is no JSON is refused, and holds nothing up', async () => {
    const { room } = start();
    const cycle = {};
    cycle.cycle = cycle;
    for (const payload of [cycle, { n: 1n }]) await assert.rejects(room.send(payload), TypeError);
    const card = { n: 1 };
    room.send(card).catch(() => {});
    card.n = 2;
    FakeSocket.last.open();
    acknowledge();
    assert.deepEqual(said(), [{ n: 1 }]);
});

test('what had no receipt is sent again first, under the same key; what is kept nowhere is told to be lost', async () => {
    const { room } = joined();
    const first = room.send('kept');
    const whispered = room.send('whispered', { socketId: 'x' });
    const key = FakeSocket.last.sent.at(-2).options.id_key;
    FakeSocket.last.drop(1006);
    assert.equal(await fateOf(whispered), 'lost');
    const later = room.send('later');
    runNewest();
    FakeSocket.last.open();
    acknowledge(member(7), { resumed: true });
    assert.deepEqual(said(), ['kept', 'later']);
    assert.equal(FakeSocket.last.sentOf('message')[0].options.id_key, key);
    receipt({ epoch: 'e1', offset: 6, duplicate: true });
    receipt({ epoch: 'e1', offset: 9 });
    assert.deepEqual(await first, { epoch: 'e1', offset: 6, duplicate: true });
    assert.deepEqual(await later, { epoch: 'e1', offset: 9 });
    comeBack();
    acknowledge(member(7), { resumed: true });
    assert.deepEqual(said(), [], 'what has a receipt is done');
});

test('where nothing is kept a cut before the receipt is told, and nothing is said twice', async () => {
    const { room } = joined(member(7), { durable: false });
    const fate = fateOf(room.send('x'));
    comeBack();
    acknowledge(member(7), { durable: false, resumed: true });
    assert.deepEqual([await fate, said()], ['lost', []]);
});

test('a line that is cut in every state loses nothing and says nothing twice', async () => {
    const { room } = start();
    const fate = fateOf(room.send('x'));
    FakeSocket.last.drop(1006);                 // before it was open
    runNewest();
    FakeSocket.last.open();
    comeBack();                                 // before the acknowledgement
    acknowledge();
    const sockets = FakeSocket.all.length;
    comeBack();                                 // before the receipt
    acknowledge();
    const keys = FakeSocket.all.slice(sockets - 1).flatMap((socket) => socket.sentOf('message')).map(({ options }) => options.id_key);
    assert.deepEqual([keys.length, new Set(keys).size], [2, 1]);
    receipt();
    assert.equal(await fate, '{"epoch":"e1","offset":6}');
});

test('the queue is bounded, what is under way included', async () => {
    const { room } = start({ maxQueued: 2 });
    room.send('a').catch(() => {});
    const second = room.send('b');
    assert.equal(await fateOf(room.send('c')), 'queue_full');
    FakeSocket.last.open();
    acknowledge();
    assert.equal(await fateOf(room.send('d')), 'queue_full');
    receipt();
    receipt();
    await second;
    room.send('e').catch(() => {});
    assert.deepEqual(said(), ['a', 'b', 'e']);
});

test('what has waited for fifty minutes is not sent: the server may have forgotten the key', async () => {
    const { herald, room } = joined();
    const sent = fateOf(room.send('under way'));
    FakeSocket.last.drop(1006);
    const queued = fateOf(room.send('queued'));
    advance(49 * MINUTE);
    const late = fateOf(room.send('late'));
    advance(2 * MINUTE);
    assert.deepEqual([await sent, await queued], ['too_old', 'too_old'], 'without a connection, too');
    herald.reconnect();
    FakeSocket.last.open();
    acknowledge();
    assert.deepEqual(said(), ['late']);
    receipt();
    await late;
});

test('what is larger than the server takes is refused before it is sent', async () => {
    const { herald, room } = joined();
    assert.deepEqual(herald.limits, { messageBytes: 65536 });
    assert.equal(await fateOf(room.send('é'.repeat(33_000))), 'too_large');
    assert.deepEqual(said(), []);
    room.send('e'.repeat(60_000)).catch(() => {});
    assert.equal(said().length, 1);
    const { room: early } = start();
    const fate = fateOf(early.send('x'.repeat(70_000)));
    FakeSocket.last.open();
    acknowledge();
    assert.deepEqual([said(), await fate], [[], 'too_large']);
});

test('what closed the line by its size is not sent again, all else is', async () => {
    const { herald, room } = joined();
    const other = herald.channel('room/2');
    const fates = ['small', 'b'.repeat(2000), 'c'].map((text) => fateOf(room.send(text)));
    FakeSocket.last.drop(1009, 'at most 1000 bytes');
    assert.equal(herald.status.status, 'waiting');
    runNewest();
    FakeSocket.last.open();
    acknowledge(member(7), { resumed: true });
    assert.deepEqual(said(), ['small', 'c']);
    assert.equal(await fates[1], 'too_large');
    assert.equal(other.joined, false);
});

test('what one has said is not said by another', async () => {
    const { herald, room } = joined(member(7));
    const fate = fateOf(room.send('mine'));
    herald.setToken('other').reconnect();
    FakeSocket.last.open();
    acknowledge(member(8), { resumed: true });
    assert.deepEqual([said(), await fate], [[], 'identity_changed']);
    room.send('yours').catch(() => {});
    assert.deepEqual(said(), ['yours']);
});

test('who is not let in, or out, or closes, is told; and so is who sends then', async () => {
    for (const [code, shut] of [
        ['join_refused', () => FakeSocket.last.refuses('join', 'join_refused')],
        ['removed', () => FakeSocket.last.says('error', { code: 'removed', message: 'Off.' })],
    ]) {
        const { herald, room } = start();
        const fate = fateOf(room.send('x'));
        FakeSocket.last.open();
        shut();
        assert.deepEqual([await fate, await fateOf(room.send('y'))], [code, code]);
        herald.close();
        assert.equal(await fateOf(room.send('z')), 'closed');
    }
    const { herald, room } = start();
    const fate = fateOf(room.send('x'));
    herald.close();
    assert.equal(await fate, 'closed');
    herald.reconnect();
    FakeSocket.last.open();
    acknowledge();
    assert.deepEqual(said(), []);
    room.leave();
    assert.equal(await fateOf(room.send('y')), 'left');
});

test('who cannot be let in now is let in later, and what waited is sent', async () => {
    const { room } = start();
    const fate = fateOf(room.send('x'));
    FakeSocket.last.open();
    FakeSocket.last.refuses('join', 'unavailable');
    advance(2000);
    acknowledge();
    assert.deepEqual(said(), ['x']);
    receipt();
    await fate;
});

test('what was said before leaving is sent', async () => {
    const { room } = joined();
    const fate = fateOf(room.send('bye'));
    room.leave();
    advance(1000);
    assert.deepEqual(FakeSocket.last.sent.map(({ action }) => action), ['join', 'message', 'leave']);
    assert.equal(await fate, 'left', 'there was no receipt until then');
});

test('it can be called off, until it has gone out', async () => {
    const { room } = start();
    const controller = new AbortController();
    const fate = room.send('x', { signal: controller.signal });
    controller.abort();
    await assert.rejects(fate, { name: 'AbortError' });
    FakeSocket.last.open();
    acknowledge();
    await settled();
    assert.deepEqual(said(), []);
    await assert.rejects(room.send('y', { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('what is misspelled is refused', async () => {
    const { room, herald } = joined();
    await assert.rejects(room.send('x', { socketID: 'a' }), TypeError);
    await assert.rejects(room.send('x', { idempotent: 'too short' }), TypeError);
    await assert.rejects(herald.channel('room/1', { filter: { a: 1 } }).send('x'), TypeError);
    assert.deepEqual(said(), []);
});
