// SPDX-License-Identifier: PostgreSQL
/**
 * The client module alone, against a socket that does what the test says: joining, positions, resume, gaps, closing
 * codes and back-off, tokens, presence. Time is the test's too, so nothing here waits.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { advance, channelName, comeBack, connect, due, FakeSocket, runNewest, settled } from './fake-socket.mjs';

/** A client with one channel, and everything that the channel says, as short texts. */
function start(options = { history: true }) {
    const herald = connect({ url: 'http://host:8080', canonical: 'abc', WebSocket: FakeSocket });
    const channel = herald.channel('room/1', options);
    const heard = [];
    for (const type of ['join', 'message', 'event', 'gap', 'error']) {
        channel.on(type, (frame) => heard.push(frame.options.id === undefined ? type : `${type} ${frame.options.id}`));
    }
    channel.on('history', (frame) => heard.push(`history ${frame.payload.history.map(({ options: { id } }) => id).join(',')}`));
    return { herald, channel, heard };
}

function acknowledge(socket, { epoch = 'e1', offset, resumed = false, gap = false }) {
    socket.answers('join', 'join', { epoch, offset, resumed, gap, limits: { message_bytes: 65536, durable: true } });
}

const history = (...ids) => ({ history: ids.map((id) => ({ action: 'message', options: { id, channel: 'room/1' } })) });

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
    herald.channel('room/2');
    assert.deepEqual(FakeSocket.last.sent, [
        { action: 'join', options: { channel: 'room/1' }, payload: { history: true, presence: true } },
        { action: 'join', options: { channel: 'room/2' }, payload: { history: false, presence: false } },
    ]);
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
    FakeSocket.last.refuses('history', 'history_off');
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
    FakeSocket.last.answers('join', 'join', {});
    FakeSocket.last.says('history', { history: [] });
    FakeSocket.last.says('message');
    assert.deepEqual(comeBack().sent[0].payload, { history: true, presence: false });
    assert.deepEqual(heard, ['join', 'history ', 'message']);
});

test('it comes back after a line that broke, a proxy or server that restarts, and 4000; after no other code', () => {
    for (const code of [1001, 1005, 1006, 1009, 1011, 1012, 1013, 1014, 4000]) {
        const { herald } = start();
        FakeSocket.last.open();
        FakeSocket.last.drop(code, 'why');
        assert.deepEqual(herald.status, { status: 'waiting', retryMs: 500, code, reason: 'why' });
        herald.close();
    }
    for (const code of [1000, 1002, 1008, 4401]) {
        const { herald } = start();
        FakeSocket.last.open();
        FakeSocket.last.drop(code, 'why');
        assert.deepEqual(herald.status, { status: 'closed', code, reason: 'why' });
        assert.equal(due(60_000).length, 0);
    }
});

test('the back-off doubles up to half a minute, has jitter, and starts anew only after a connection that held', () => {
    const { herald } = start();
    const fail = () => {
        FakeSocket.last.open();
        FakeSocket.last.drop(1013);
        const { retryMs } = herald.status;
        runNewest();
        return retryMs;
    };
    assert.deepEqual(Array.from({ length: 8 }, fail), [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    Math.random = () => 0;
    assert.equal(fail(), 15000);
    FakeSocket.last.open();
    advance(10_000);
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
    advance(60_000);
    assert.equal(FakeSocket.all.length, sockets);
    assert.equal(herald.status.status, 'closed');
});

test('after leave nothing is heard, and a new channel of that name hears only its own membership', () => {
    const { herald, channel, heard } = joined();
    channel.leave();
    FakeSocket.last.says('message', {}, { id: 6 });
    assert.equal(FakeSocket.last.sentOf('leave').length, 0);
    advance(1000);
    assert.deepEqual(FakeSocket.last.sent.at(-1), { action: 'leave', options: { channel: 'room/1' }, payload: null });
    const again = herald.channel('room/1');
    assert.notEqual(again, channel);
    const news = [];
    for (const type of ['message', 'join']) again.on(type, () => news.push(type));
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
    FakeSocket.last.refuses('join', 'no_channel');
    FakeSocket.last.says('error', { code: 'bad_json' }, { channel: undefined });
    FakeSocket.last.says('error', { code: 'not_joined' }, { channel: 'other' });
    channel.on('error', (frame) => errors.push(`own ${frame.payload.code}`));
    FakeSocket.last.says('error', { code: 'send_refused' });
    assert.deepEqual(errors, ['no_channel', 'bad_json', 'not_joined', 'own send_refused']);
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

const isConnecting = () => FakeSocket.last?.readyState === 0;

function startWith(token) {
    const herald = connect({ url: 'http://host', canonical: 'abc', token, WebSocket: FakeSocket });
    const errors = [];
    herald.on('error', ({ payload }) => errors.push(payload.code));
    return { herald, channel: herald.channel('room/1'), errors };
}

test('setToken holds from the next connection on', () => {
    const { herald } = startWith('a');
    FakeSocket.last.open();
    assert.equal(herald.setToken('b'), herald);
    assert.equal(FakeSocket.all.length, 1);
    herald.reconnect();
    assert.deepEqual(FakeSocket.all.map(({ protocols }) => protocols), [['a'], ['b']]);
    herald.setToken(null).reconnect();
    assert.deepEqual(FakeSocket.last.protocols, []);
});

test('a token function is asked at every connect, and may answer later, or that there is none', async () => {
    const answers = ['first', Promise.resolve('second'), null, ''];
    const { herald } = startWith(() => answers.shift());
    assert.equal(herald.status.status, 'connecting');
    assert.equal(FakeSocket.all.length, 0);
    await settled();
    FakeSocket.last.open();
    for (let i = 0; i < 3; i++) {
        FakeSocket.last.drop(1006);
        runNewest();
        await settled();
        FakeSocket.last.open();
    }
    assert.deepEqual(FakeSocket.all.map(({ protocols }) => protocols), [['first'], ['second'], [], []]);
});

test('a token function that fails is a failed attempt; one that is late for its connection is not used', async () => {
    const waiting = [];
    const { herald } = startWith(() => new Promise((resolve, reject) => waiting.push({ resolve, reject })));
    waiting[0].reject(new Error('no network'));
    await settled();
    assert.deepEqual(herald.status, { status: 'waiting', retryMs: 500, code: 1006, reason: 'no network' });
    runNewest();
    herald.reconnect();
    waiting[2].resolve('new');
    await settled();
    waiting[1].resolve('old');
    await settled();
    assert.deepEqual(FakeSocket.all.map(({ protocols }) => protocols), [['new']]);
    herald.reconnect();
    herald.close();
    waiting[3].resolve('after the end');
    await settled();
    assert.equal(FakeSocket.all.length, 1);
    assert.equal(herald.status.status, 'closed');
});

test('a token that expires ends the connection; the function is asked for another, and told which is not good any more', async () => {
    const asked = [];
    const { herald, channel, errors } = startWith((refused) => { asked.push(refused); return `token${asked.length}`; });
    await settled();
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 5 });
    const old = FakeSocket.last;
    old.says('error', { code: 'token_expired', message: 'The token has expired.' }, { channel: undefined });
    old.drop(4000, 'the token has expired');
    assert.deepEqual(errors, ['token_expired']);
    assert.deepEqual(herald.status, { status: 'waiting', retryMs: 500, code: 4000, reason: 'The token has expired.' });
    assert.equal(channel.joined, false);
    runNewest();
    await settled();
    FakeSocket.last.open();
    assert.deepEqual(asked, [null, 'token1']);
    assert.deepEqual(FakeSocket.last.protocols, ['token2']);
    assert.deepEqual(FakeSocket.last.sent[0].payload.since, { epoch: 'e1', offset: 5 }, 'nothing was missed');
});

test('a token that was refused is not sent again, and nobody becomes anonymous by it', async () => {
    for (const code of ['token_expired', 'token_invalid']) {
        for (const token of ['same', () => 'same']) {
            FakeSocket.all = [];
            const { herald, channel, errors } = startWith(token);
            await settled();
            FakeSocket.last.open();
            FakeSocket.last.says('error', { code, message: 'why' });
            FakeSocket.last.says('join', { epoch: 'e1', offset: 5 });
            assert.equal(channel.joined, false);
            assert.deepEqual(errors, [code]);
            if (typeof token === 'function') runNewest();
            await settled();
            assert.equal(FakeSocket.all.length, 1);
            assert.equal(FakeSocket.last.closedWith, 1000);
            assert.equal(herald.status.status, 'closed');
            assert.equal(herald.status.code, 4000);
            herald.setToken('other').reconnect();
            assert.deepEqual(FakeSocket.last.protocols, ['other']);
            herald.setToken(token).reconnect();
            await settled();
            assert.deepEqual(FakeSocket.last.protocols, ['same'], 'who asks for it may try it once more');
        }
    }
});

test('the application may decide in the error handler who it is now', () => {
    const { herald, errors } = startWith('old');
    herald.on('error', () => herald.setToken(null).reconnect());
    FakeSocket.last.open();
    FakeSocket.last.says('error', { code: 'token_expired', message: 'why' });
    assert.deepEqual(errors, ['token_expired']);
    assert.ok(isConnecting());
    assert.deepEqual(FakeSocket.last.protocols, []);
});

test('where the client has no handler the channel is told of the token', () => {
    const herald = connect({ url: 'http://host', canonical: 'abc', token: 'x', WebSocket: FakeSocket });
    const errors = [];
    herald.channel('room/1').on('error', ({ payload }) => errors.push(payload.code));
    FakeSocket.last.open();
    FakeSocket.last.says('error', { code: 'token_invalid', message: 'why' });
    assert.deepEqual(errors, ['token_invalid']);
});

test('a close that has nothing to do with the token brings the same token again', () => {
    startWith('same');
    FakeSocket.last.open();
    FakeSocket.last.drop(4000, 'come back');
    runNewest();
    assert.deepEqual(FakeSocket.last.protocols, ['same']);
});

test('the network coming back ends a wait, but not a close', () => {
    const listeners = [];
    globalThis.addEventListener = (type, listener) => listeners.push(listener);
    globalThis.removeEventListener = () => {};
    try {
        const { herald } = startWith('same');
        FakeSocket.last.drop(1006);
        listeners[0]();
        assert.ok(isConnecting());
        FakeSocket.last.open();
        FakeSocket.last.says('error', { code: 'token_expired', message: 'why' });
        listeners[0]();
        assert.equal(herald.status.status, 'closed');
        assert.equal(FakeSocket.all.length, 2);
    } finally {
        delete globalThis.addEventListener;
        delete globalThis.removeEventListener;
    }
});

const member = (socketId, row_id = 0) => ({ socketId, extras: {}, permissions: { dbo_id: row_id && 1, row_id } });

test('presence is the list of the members, and each change is told with it', () => {
    const { herald, channel } = start({ presence: true });
    const lists = [];
    channel.on('presence', (members) => lists.push(members.map(({ socketId }) => socketId).join(' ')));
    const updates = [];
    channel.on('presence_update', ({ payload }) => updates.push(payload.action));
    assert.deepEqual(channel.presence, []);
    FakeSocket.last.open();
    FakeSocket.last.answers('join', 'join', {}, {}, member('me', 7));
    assert.deepEqual(channel.self, member('me', 7));
    FakeSocket.last.says('presence_full', { presence: [member('a'), member('me', 7)] });
    const before = channel.presence;
    FakeSocket.last.says('presence_update', { action: 'join', presence: member('b') });
    FakeSocket.last.says('presence_update', { action: 'join', presence: member('b') });
    FakeSocket.last.says('presence_update', { action: 'leave', presence: member('a') });
    FakeSocket.last.says('presence_update', { action: 'leave', presence: member('nobody') });
    assert.equal(before.length, 2, 'a list that was handed out stays as it is');
    FakeSocket.last.drop(1006);
    assert.deepEqual(channel.presence, []);
    runNewest();
    FakeSocket.last.open();
    FakeSocket.last.answers('join', 'join', {}, {}, member('me2', 7));
    FakeSocket.last.says('presence_full', { presence: [member('me2', 7)] });
    herald.close();
    assert.deepEqual(lists, ['a me', 'a me b', 'a me b', 'me b', 'me b', '', 'me2', '']);
    assert.deepEqual(updates, ['join', 'join', 'leave', 'leave']);
});

test('who was removed is in no list, hears nothing more and does not join by itself', () => {
    const { herald, channel, heard } = start({ presence: true });
    FakeSocket.last.open();
    acknowledge(FakeSocket.last, { offset: 5 });
    FakeSocket.last.says('presence_full', { presence: [member('me')] });
    FakeSocket.last.says('error', { code: 'removed', message: 'Off you go.' });
    assert.equal(channel.joined, false);
    assert.deepEqual(channel.presence, []);
    FakeSocket.last.says('message', {}, { id: 6 });
    assert.deepEqual(heard, ['join', 'error']);
    herald.reconnect();
    FakeSocket.last.open();
    assert.deepEqual(FakeSocket.last.sent, []);
    channel.join();
    assert.deepEqual(FakeSocket.last.sent.map(({ payload }) => payload.since), [{ epoch: 'e1', offset: 5 }]);
    acknowledge(FakeSocket.last, { offset: 6, resumed: true });
    channel.join();
    assert.equal(FakeSocket.last.sent.length, 1, 'it is in');
});

test('join without a connection holds for the next one; a refused join is tried again with each', () => {
    const { channel } = start();
    FakeSocket.last.open();
    FakeSocket.last.says('error', { code: 'removed', message: 'Off you go.' });
    FakeSocket.last.drop(1006);
    channel.join();
    runNewest();
    FakeSocket.last.open();
    assert.equal(FakeSocket.last.sent.length, 1);
    FakeSocket.last.refuses('join', 'anonymous_refused');
    assert.equal(comeBack().sent.length, 1);
});

test('as somebody else the history is asked for anew, as the same person it is not', () => {
    const { herald, heard } = start({ history: true });
    const joinAs = (who) => {
        herald.reconnect();
        FakeSocket.last.open();
        FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5, resumed: FakeSocket.last.sent[0].payload.since !== undefined }, {}, who);
        return FakeSocket.last.sent.map(({ action }) => action);
    };
    assert.deepEqual(joinAs(member('s1')), ['join']);
    FakeSocket.last.says('history', history(5));
    assert.deepEqual(joinAs(member('s2')), ['join']);
    assert.deepEqual(joinAs(member('s3', 7)), ['join', 'history']);
    FakeSocket.last.says('message', {}, { id: 6, replayed: true });
    FakeSocket.last.says('history', history(3, 4, 5));
    assert.deepEqual(joinAs(member('s4', 7)), ['join']);
    assert.deepEqual(heard, ['join', 'history 5', 'join', 'join', 'history 3,4,5', 'message 6', 'join']);
});

test('an audience leaves holes between the offsets, and they are no gaps', () => {
    const { channel, heard } = joined();
    FakeSocket.last.says('message', {}, { id: 9 });
    FakeSocket.last.says('event', {}, { id: 40 });
    const socket = comeBack();
    assert.deepEqual(socket.sent[0].payload.since, { epoch: 'e1', offset: 40 });
    acknowledge(socket, { offset: 90, resumed: true });
    socket.says('message', {}, { id: 77, replayed: true });
    assert.deepEqual(channel.position, { epoch: 'e1', offset: 77 });
    assert.deepEqual(heard, ['message 9', 'event 40', 'join', 'message 77']);
});

test('the channel of a row is what C and SQL make of it, or is refused', () => {
    const cases = JSON.parse(readFileSync(new URL('../channel-names.json', import.meta.url), 'utf8'));
    for (const { template, row, channel, refused_by: refusedBy = [] } of cases) {
        const what = JSON.stringify({ template, row });
        if (refusedBy.includes('client')) assert.throws(() => channelName(template, row), RangeError, what);
        else assert.equal(channelName(template, row), channel, what);
    }
    assert.equal(channelName('{constructor}', {}), null);
});
