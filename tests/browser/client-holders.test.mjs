// SPDX-License-Identifier: PostgreSQL
/**
 * Several holders of one channel, against a socket that does what the test says: what they wish together, what each is
 * told, who comes late and who leaves; presence with state; `for await`, `ready`, `once`, signals.
 */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';

import { advance, comeBack, connect, due, FakeSocket, HeraldError, Lagged, settled } from './fake-socket.mjs';

const start = () => connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket, fetch: null });

const member = (socketId, state) => ({ socketId, extras: {}, permissions: { dbo_id: 0, row_id: 0 }, ...(state !== undefined && { state }) });

const acknowledge = (payload = {}) =>
    FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5, resumed: false, gap: false, limits: { message_bytes: 65536, durable: true }, ...payload }, {}, member('me'));

const history = (...ids) => ({ history: ids.map((id) => ({ action: 'message', options: { id, channel: 'room/1' } })) });

const say = (id, options) => FakeSocket.last.says('message', {}, { id, ...options });

/** What a holder hears, as short texts. */
function listen(channel) {
    const heard = [];
    for (const type of ['join', 'message', 'event', 'gap', 'error']) {
        channel.on(type, (frame) => heard.push(frame.options.id === undefined ? type : `${type} ${frame.options.id}`));
    }
    channel.on('history', (frame) => heard.push(`history ${frame.payload.history.map(({ options: { id } }) => id).join(',')}`));
    channel.on('presence', (members) => heard.push(`presence ${members.map(({ socketId, state }) => (state ? `${socketId}:${JSON.stringify(state)}` : socketId)).join(' ')}`));
    return heard;
}

const joins = () => FakeSocket.last.sentOf('join').map(({ payload }) => payload);
const actions = () => FakeSocket.last.sent.map(({ action }) => action);

test('holders share one membership: one that leaves takes nothing from the other', () => {
    const herald = start();
    const [a, b] = [herald.channel('room/1'), herald.channel('room/1')];
    const heard = [listen(a), listen(b)];
    FakeSocket.last.open();
    acknowledge();
    say(6);
    a.leave();
    a.leave();
    say(7);
    advance(5000);
    assert.deepEqual(heard, [['join', 'message 6'], ['join', 'message 6', 'message 7']]);
    assert.deepEqual([a.joined, b.joined, actions()], [false, true, ['join']]);
    b.leave();
    advance(999);
    assert.deepEqual(actions(), ['join']);
    advance(1);
    assert.deepEqual(actions(), ['join', 'leave']);
});

test('a hundred quick mounts and unmounts are one join; the last one hears', () => {
    const herald = start();
    FakeSocket.last.open();
    let channel;
    for (let i = 0; i < 100; i++) {
        channel?.leave();
        channel = herald.channel('room/1', { history: true });
        if (i === 50) acknowledge();
        advance(5);
    }
    const heard = listen(channel);
    say(6);
    advance(5000);
    assert.deepEqual([FakeSocket.last.sentOf('join').length, FakeSocket.last.sentOf('leave').length], [1, 0]);
    assert.equal(heard.length, 0, 'it waits for its history');
    for (let i = 0; i < FakeSocket.last.sentOf('history').length + 1; i++) FakeSocket.last.says('history', history(5, 6));
    say(7);
    assert.deepEqual(heard, ['history 5,6', 'message 7']);
    channel.leave();
    advance(1000);
    assert.equal(FakeSocket.last.sentOf('leave').length, 1);
});

test('mounted twice, as StrictMode does: the second one has all that the first would have had', async () => {
    const herald = start();
    FakeSocket.last.open();
    herald.channel('room/1', { history: true, presence: true }).leave();
    const channel = herald.channel('room/1', { history: true, presence: true });
    const heard = listen(channel);
    acknowledge();
    FakeSocket.last.says('presence_full', { presence: [member('me')] });
    FakeSocket.last.says('history', history(5));
    say(6);
    await settled();
    assert.deepEqual(heard, ['join', 'presence me', 'history 5', 'message 6']);
    assert.deepEqual(actions(), ['join']);
});

test('wishes are put together; who comes late asks for the rest, and no one is passed over by it', async () => {
    const herald = start();
    const plain = herald.channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    say(6);
    const heard = listen(plain);
    const late = herald.channel('room/1', { history: true, presence: true });
    const lateHeard = listen(late);
    assert.deepEqual(joins()[1], { history: true, presence: true, since: { epoch: 'e1', offset: 6 } });
    assert.deepEqual(actions(), ['join', 'history', 'join']);
    await settled();
    say(7);
    FakeSocket.last.says('history', history(5, 6, 7));
    acknowledge({ resumed: true, offset: 8 });
    FakeSocket.last.says('presence_full', { presence: [member('me')] });
    say(8);
    assert.deepEqual(heard, ['message 7', 'message 8']);
    assert.deepEqual(lateHeard, ['join', 'history 5,6,7', 'presence me', 'message 8']);
    assert.deepEqual([plain.presence, late.presence.length], [[], 1]);
    const third = herald.channel('room/1', { presence: true });
    const thirdHeard = listen(third);
    await settled();
    assert.deepEqual([thirdHeard, joins().length], [['join', 'presence me'], 2]);
    comeBack();
    assert.deepEqual(joins(), [{ history: true, presence: true, since: { epoch: 'e1', offset: 8 } }]);
});

test('a wish that comes while the join is on its way is asked for after it', () => {
    const herald = start();
    herald.channel('room/1');
    FakeSocket.last.open();
    const late = herald.channel('room/1', { presence: true });
    const heard = listen(late);
    assert.equal(joins().length, 1);
    acknowledge();
    assert.deepEqual(joins()[1], { history: false, presence: true, since: { epoch: 'e1', offset: 5 } });
    acknowledge({ resumed: true });
    FakeSocket.last.says('presence_full', { presence: [member('me')] });
    assert.deepEqual(heard, ['join', 'presence me']);
});

test('each holder has his own place: since brings to one what the other has had', () => {
    const herald = start();
    const old = herald.channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    say(6);
    const heard = listen(old);
    const since = { epoch: 'e1', offset: 3 };
    const reader = herald.channel('room/1', { since });
    const readerHeard = listen(reader);
    assert.throws(() => herald.channel('room/1', { since: { epoch: 'e1', offset: 4 } }), TypeError);
    herald.channel('room/1', { since: { ...since } }).leave();
    assert.deepEqual(joins()[1].since, since);
    acknowledge({ resumed: true, offset: 6 });
    for (const id of [4, 5, 6]) say(id, { replayed: true });
    say(7);
    assert.deepEqual(heard, ['message 7']);
    assert.deepEqual(readerHeard, ['join', 'message 4', 'message 5', 'message 6', 'message 7']);
    reader.leave();
    herald.channel('room/1', { since: { epoch: 'e1', offset: 4 } });
});

test('who begins in another epoch than all others has a gap, though they have none', () => {
    const herald = start();
    herald.channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    const heard = listen(herald.channel('room/1', { since: { epoch: 'e0', offset: 90 } }));
    assert.deepEqual(joins()[1].since, { epoch: 'e1', offset: 5 });
    acknowledge({ resumed: true });
    assert.deepEqual(heard, ['join', 'gap']);
});

test('where one begins too far back there is a gap for those, too, who may have been passed over', () => {
    const herald = start();
    const old = herald.channel('room/1', { history: true });
    FakeSocket.last.open();
    acknowledge();
    FakeSocket.last.says('history', history(5));
    const heard = listen(old);
    const readerHeard = listen(herald.channel('room/1', { since: { epoch: 'e0', offset: 3 } }));
    acknowledge({ gap: true, offset: 7 });
    assert.deepEqual([heard, readerHeard], [['gap'], ['join', 'gap']]);
    assert.deepEqual(actions(), ['join', 'join', 'history']);
    assert.deepEqual(old.position, { epoch: 'e1', offset: 7 });
});

test('a history that is on its way when another is asked for does not stand for it', () => {
    const herald = start();
    const first = herald.channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    first.history();
    say(6);
    const second = herald.channel('room/1', { history: true });
    const heard = [listen(first), listen(second)];
    FakeSocket.last.says('history', history(4, 5));
    assert.deepEqual(heard, [['history 4,5', 'message 6'], []]);
    FakeSocket.last.says('history', history(4, 5, 6));
    assert.deepEqual(heard[1], ['history 4,5,6']);
    FakeSocket.last.says('history', history(9));
    assert.equal(heard.flat().length, 3, 'nobody has asked for that');
});

test('ready: in for the first time, refused, or given up', async () => {
    const herald = start();
    const [a, b, c] = ['room/1', 'room/2', 'room/3'].map((name) => herald.channel(name));
    FakeSocket.last.open();
    acknowledge();
    assert.equal(await a.ready, a);
    assert.equal(await herald.channel('room/1').ready.then(({ name }) => name), 'room/1');
    FakeSocket.last.refuses('join', 'join_refused', {}, { channel: 'room/2' });
    await assert.rejects(b.ready, (error) => error instanceof HeraldError && error.code === 'join_refused' && error.message === 'Why.');
    c.leave();
    await assert.rejects(c.ready, { code: 'left' });
});

test('for await reads messages and events, or what is named, until it ends', async () => {
    const channel = start().channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    const seen = [];
    const read = async (stream, most = Infinity) => {
        for await (const { action, options } of stream) {
            seen.push(`${action} ${options.id}`);
            if (seen.length === most) break;
        }
    };
    const all = read(channel, 2);
    say(6);
    FakeSocket.last.says('event', {}, { id: 7 });
    say(8);
    await all;
    assert.deepEqual(seen, ['message 6', 'event 7']);
    const events = read(channel.frames('event'));
    say(9);
    FakeSocket.last.says('event', {}, { id: 10 });
    await settled();
    channel.leave();
    await events;
    assert.deepEqual(seen.slice(2), ['event 10']);
    await read(channel);
    assert.equal(seen.length, 3, 'after the end there is nothing');
});

test('who lets more than a thousand wait has lost the thread, and is told', async () => {
    const channel = start().channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    const slow = channel.frames();
    const exact = channel.frames();
    for (let id = 6; id < 1006; id++) say(id);
    assert.equal((await slow.next()).value.options.id, 6);
    for (let id = 1006; id < 1008; id++) say(id);
    await assert.rejects(exact.next(), (error) => error instanceof Lagged && error.code === 'lagged');
    assert.equal((await exact.next()).done, true);
    await assert.rejects(slow.next(), Lagged);
});

test('once, signals, and names that there are not', async () => {
    const herald = start();
    const controller = new AbortController();
    const channel = herald.channel('room/1', { signal: controller.signal });
    const heard = [];
    const never = () => heard.push('never');
    channel.once('message', ({ options }) => heard.push(options.id)).once('message', never).off('message', never);
    channel.on('message', () => heard.push('also'), { signal: AbortSignal.abort() });
    FakeSocket.last.open();
    acknowledge();
    say(6);
    say(7);
    assert.deepEqual(heard, [6]);
    controller.abort();
    await settled();
    assert.equal(channel.joined, false);
    for (const wrong of [
        () => channel.on('mesage', () => {}), () => herald.on('state', () => {}), () => channel.frames('join', 'mesage'),
        () => herald.channel('room/1', { presenc: true }), () => herald.channel('room/1', { presence: 'full' }),
        () => herald.table('room/1', { where: {} }), () => connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket, tokn: 'x' }),
    ]) assert.throws(wrong, TypeError);
});

test('a signal that lives on keeps nothing of what has ended', async () => {
    const herald = start();
    const { signal } = new AbortController();
    const channel = herald.channel('room/1', { signal });
    const table = herald.table('room/2', { signal });
    FakeSocket.last.open();
    acknowledge();
    const sent = channel.send('x', { signal });
    const waits = herald.txid(1, { signal });
    assert.equal(getEventListeners(signal, 'abort').length, 4);
    FakeSocket.last.answers('message', 'receipt', {});
    FakeSocket.last.answers('txid', 'txid', '1');
    await Promise.all([sent, waits]);
    channel.leave();
    table.close();
    assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('who may not stay, as he asks for more, is out, with all that he has of the channel', () => {
    const herald = start();
    const channel = herald.channel('room/1');
    const view = herald.channel('room/1', { filter: { a: 1 } });
    FakeSocket.last.open();
    acknowledge();
    acknowledgeView();
    const heard = [listen(channel), listen(view)];
    herald.channel('room/1', { presence: true });
    FakeSocket.last.refuses('join', 'removed');
    assert.deepEqual([channel.joined, view.joined, heard], [false, false, [['error'], ['error']]]);
    const newcomer = listen(herald.channel('room/1'));
    assert.equal(joins().length, 4, 'somebody new asks to be let in');
    acknowledge();
    assert.deepEqual([newcomer, heard[0]], [['join'], ['error', 'join']]);

    function acknowledgeView() {
        FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5 }, { view: 'viewviewvie' }, member('me'));
    }
});

test('a history that could not be asked for as the line was closing is asked for on the next one', () => {
    const herald = start();
    herald.channel('room/1');
    FakeSocket.last.open();
    acknowledge();
    FakeSocket.last.readyState = 2;
    const heard = listen(herald.channel('room/1', { history: true }));
    comeBack();
    acknowledge({ resumed: true });
    assert.equal(FakeSocket.last.sentOf('history').length, 1);
    FakeSocket.last.says('history', history(5));
    assert.deepEqual(heard, ['join', 'history 5']);
});

test('presence with state: each one\'s, updated in its place, and ours from all that hold the channel', () => {
    const herald = start();
    const a = herald.channel('room/1', { presence: 'state' });
    const b = herald.channel('room/1', { presence: 'state' });
    const heard = listen(a);
    assert.throws(() => herald.channel('room/2', { presence: true }).setState({}), TypeError);
    assert.throws(() => a.setState('x'), TypeError);
    assert.throws(() => a.setState({ big: 'x'.repeat(1024) }), { code: 'too_large' });
    a.setState({ card: 1 });
    b.setState({ typing: true });
    assert.throws(() => b.setState({ n: 1n }), TypeError, 'and what he had stays');
    FakeSocket.last.open();
    assert.equal(joins()[0].presence, 'state');
    acknowledge();
    const states = () => FakeSocket.last.sentOf('presence').map(({ options: { channel }, payload }) => (channel === 'room/1' ? payload : null));
    assert.deepEqual(states(), [{ card: 1, typing: true }]);
    FakeSocket.last.answers('presence', 'receipt', {});
    FakeSocket.last.says('presence_full', { presence: [member('x', null), member('me', { card: 1 })] });
    FakeSocket.last.says('presence_update', { action: 'update', presence: member('x', { card: 2 }) });
    assert.deepEqual(heard.slice(1), ['presence x me:{"card":1}', 'presence x:{"card":2} me:{"card":1}']);
    a.setState({ card: 3 });
    a.setState({ card: 4 });
    a.setState({ card: 5 });
    assert.equal(states().length, 1);
    advance(200);
    assert.deepEqual(states().slice(1), [{ card: 5, typing: true }], 'the newest, five times a second');
    a.setState({ card: 5 });
    advance(1000);
    assert.equal(states().length, 2, 'nothing has changed');
    FakeSocket.last.drop(1006);
    assert.deepEqual([a.presence, heard.at(-1)], [[], 'presence ']);
    advance(500);
    FakeSocket.last.open();
    acknowledge({ resumed: true });
    assert.deepEqual(states(), [{ card: 5, typing: true }]);
    b.leave();
    advance(200);
    a.setState(null);
    advance(200);
    assert.deepEqual(states().slice(1), [{ card: 5 }, null]);
    FakeSocket.last.answers('presence', 'receipt', {});
    FakeSocket.last.refuses('presence', 'not_joined');
    assert.equal(heard.at(-1), 'error');
});

test('to wish for state where the list was enough is to join once more', () => {
    const herald = start();
    herald.channel('room/1', { presence: true });
    FakeSocket.last.open();
    acknowledge();
    herald.channel('room/1', { presence: 'state' }).setState({ a: 1 });
    assert.equal(joins()[1].presence, 'state');
    assert.equal(FakeSocket.last.sentOf('presence').length, 0);
    acknowledge({ resumed: true });
    assert.equal(FakeSocket.last.sentOf('presence').length, 1);
});

test('a channel that nobody holds any more is not joined on the next connection', () => {
    const herald = start();
    herald.channel('room/1').leave();
    comeBackFrom();
    assert.deepEqual(FakeSocket.last.sent, []);
    assert.equal(due(1000).length, 0);

    function comeBackFrom() {
        FakeSocket.last.open();
        FakeSocket.last.drop(1006);
        advance(500);
        FakeSocket.last.open();
    }
});
