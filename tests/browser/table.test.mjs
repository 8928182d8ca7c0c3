// SPDX-License-Identifier: PostgreSQL
/**
 * Tables and views of the client module alone, against a socket that does what the test says: which rows are there after
 * snapshots, events, cuts, refusals, and what the server is asked.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { advance, comeBack, connect, due, FakeSocket, settled, sources } from './fake-socket.mjs';

const filter = { status: 'new' };
const MINE = { view: 'viewviewvie' };

function start(options = { filter }) {
    const herald = connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket });
    const errors = [];
    herald.on('error', ({ payload }) => errors.push(payload.code));
    const table = herald.table('room/1', options);
    const heard = [];
    table.onChange(({ action, key, row, old }) => heard.push([action, key, row?.n, old?.n].filter((each) => each !== undefined).join(' ')));
    FakeSocket.last.open();
    return { herald, table, heard, errors };
}

const somebody = (row_id, socketId) => ({ socketId, extras: {}, permissions: { dbo_id: 1, row_id } });

const acknowledge = (payload, options = MINE, client = somebody(0, 's')) =>
    FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5, resumed: false, gap: false, ...payload }, options, client);

const snapshot = (payload, options = MINE) => FakeSocket.last.says('snapshot', { rows: [], last: false, ...payload }, options);

const end = { last: true, complete: true, epoch: 'e1', offset: 10 };

/** Offset, action, new, old. */
const event = (id, action, now, old = null, { data, ...options } = {}) =>
    FakeSocket.last.says('event', { data: { action, table: 'orders', new: now, old, ...data } }, { id, ...MINE, ...options });

const row = (id, n = 0) => ({ id, n });

const shown = (table) => [...table.values()].map(({ id, n }) => `${id}:${n}`).join(' ');

/** The rows are there, up to offset 10. */
function ready(options, rows = [row(1), row(2)], complete = true) {
    const all = start(options);
    acknowledge();
    snapshot({ rows, first: true });
    snapshot({ ...end, complete });
    all.heard.length = 0;
    return all;
}

const joins = () => FakeSocket.last.sent.filter(({ action }) => action === 'join').map(({ payload }) => payload);

test('a table asks for the rows, and is ready when the last of them is here', async () => {
    const { table, heard } = start();
    let isReady = false;
    table.ready.then(() => { isReady = true; });
    assert.deepEqual(FakeSocket.last.sent, [{ action: 'join', options: { channel: 'room/1' }, payload: { history: false, filter, snapshot: true } }]);
    acknowledge();
    event(6, 'insert', row(1));
    snapshot({ rows: [row(1)], first: true });
    event(6, 'truncate', null);
    snapshot({ rows: [row(1), row('2'), row(3)] });
    event(7, 'update', row(1, 5), row(1));
    event(8, 'delete', null, row(3));
    await settled();
    assert.equal(isReady, false);
    assert.deepEqual([table.size, heard], [0, []], 'what is not whole is not shown');
    snapshot(end);
    await settled();
    assert.equal(isReady, true);
    assert.equal(await table.ready, table);
    assert.deepEqual(heard, ['snapshot']);
    assert.equal(shown(table), '1:5 2:0');
    assert.deepEqual([table.get(2), table.get('2'), table.has(3), [...table.keys()]], [row('2'), row('2'), false, ['1', '2']]);
    assert.deepEqual(table.channel.position, { epoch: 'e1', offset: 10 });
});

test('a snapshot in one frame, and an empty one', () => {
    const { table } = start();
    acknowledge();
    snapshot({ rows: [row(1)], first: true, ...end });
    assert.equal(shown(table), '1:0');
    snapshot({ first: true, ...end });
    assert.equal(table.size, 0);
    snapshot({ rows: [row(9)] });
    assert.equal(table.size, 0, 'nothing was begun');
});

test('it follows: rows come, change, go, change their key, and all are gone', () => {
    const { table, heard } = ready();
    event(11, 'insert', row(3, 1));
    event(12, 'insert', row(4, 1), null, { moved: 'enter' });
    event(13, 'update', row(1, 2), row(1));
    event(14, 'delete', null, row(2), { moved: 'leave' });
    event(15, 'delete', null, row(99));
    event(16, 'update', row(98, 1), row(98));
    event(17, 'update', row(5, 1), row(4, 1));
    event(17, 'insert', row(6));
    assert.equal(shown(table), '1:2 3:1 98:1 5:1');
    assert.deepEqual(heard, ['insert 3 1', 'insert 4 1', 'update 1 2 0', 'delete 2 0', 'insert 98 1', 'delete 4 1', 'insert 5 1']);
    event(18, 'truncate', null);
    assert.deepEqual([table.size, heard.at(-1)], [0, 'truncate']);
});

test('after a cut it resumes behind what it has seen; where it cannot, the new rows come in one step', () => {
    const { table, heard } = ready();
    event(12, 'insert', row(3));
    comeBack();
    assert.deepEqual(joins()[0].since, { epoch: 'e1', offset: 12 });
    acknowledge({ resumed: true, offset: 20 });
    event(13, 'delete', null, row(1), { replayed: true });
    assert.equal(shown(table), '2:0 3:0');
    comeBack();
    acknowledge({ gap: true, offset: 500 });
    snapshot({ rows: [row(7)], first: true });
    assert.equal(shown(table), '2:0 3:0', 'the old ones until the new ones are whole');
    event(501, 'insert', row(8));
    snapshot(end);
    assert.equal(shown(table), '7:0 8:0');
    assert.deepEqual(heard, ['insert 3 0', 'delete 1 0', 'snapshot']);
});

test('a cut in the midst of the rows asks for all of them again', () => {
    const { table } = ready();
    snapshot({ rows: [row(7)], first: true });
    event(11, 'insert', row(8));
    comeBack();
    assert.deepEqual(FakeSocket.last.sent[0], { action: 'join', options: { channel: 'room/1' }, payload: { history: false, filter, snapshot: true } });
    snapshot({ rows: [row(9)] });
    acknowledge();
    assert.equal(comeBack().sent[0].payload.since, undefined, 'nor is the acknowledgement a place to go on from');
    acknowledge();
    event(12, 'insert', row(3));
    assert.equal(shown(table), '1:0 2:0 3:0', 'the new rows have not begun');
    event(13, 'delete', null, row(3));
    snapshot({ rows: [row(9)] });
    snapshot(end);
    assert.equal(shown(table), '1:0 2:0', 'the rest of a snapshot that was not begun here is none');
    snapshot({ rows: [row(9)], first: true });
    snapshot(end);
    assert.equal(shown(table), '9:0');
});

test('rows that come by key keep what was known, and are asked for, once a second', () => {
    const { table, heard } = ready();
    event(11, 'update', { id: 1 }, { id: 1 }, { data: { truncated_to_key: true } });
    event(12, 'update', { id: 5 }, { id: 5 }, { moved: 'unknown', data: { truncated_to_key: true } });
    assert.equal(shown(table), '1:0 2:0');
    assert.deepEqual(heard, ['update 1 0 0']);
    assert.equal(due(0).length, 1);
    advance(0);
    assert.equal(joins().length, 2);
    assert.equal(joins()[1].since, undefined);
    acknowledge();
    snapshot({ rows: [row(2)], reduced: [{ id: 1 }, { id: 6 }], first: true });
    snapshot(end);
    assert.equal(shown(table), '2:0 1:0 6:undefined');
    advance(300);
    assert.equal(due(1000).length, 0);
    event(13, 'update', { id: 2 }, { id: 2 }, { data: { truncated_to_key: true } });
    assert.deepEqual(due(1000).map(({ ms }) => ms), [700]);
    comeBack();
    assert.equal(joins()[0].since, undefined, 'a cut before they were asked for');
});

const interrupt = (offset, options = MINE) => FakeSocket.last.says('join', { epoch: 'e1', offset, resumed: false, gap: true }, options);

test('when something has happened that cannot be told, the rows are asked for', () => {
    const { herald, table, heard } = ready();
    const other = herald.table('room/1', { filter: { status: 'old' } });
    interrupt(20);
    assert.equal(other.channel.joined, false, 'that was no answer');
    advance(1000);
    assert.equal(joins().at(-1).since, undefined);
    acknowledge({}, { view: 'otherothero' });
    acknowledge();
    snapshot({ rows: [row(7)], first: true, ...end });
    assert.equal(shown(table), '7:0');
    assert.deepEqual(heard, ['snapshot']);
    comeBack();
    acknowledge({ gap: true });
    assert.equal(due(1000).length, 0, 'after an answer the rows come by themselves');
});

test('rows that are refused end the view: who shares it goes in again, where he was', () => {
    const { herald, table } = ready();
    const other = herald.table('room/1', { filter: { status: 'old' }, limit: 5 });
    const same = herald.table('room/1', { filter: { status: { eq: 'new' } } });
    acknowledge({}, { view: 'otherothero' });
    FakeSocket.last.refuses('join', 'too_large');
    assert.deepEqual(joins().slice(3), [{ history: false, filter, snapshot: true, since: { epoch: 'e1', offset: 10 } }]);
    acknowledge({ resumed: true });
    event(11, 'insert', row(3));
    assert.deepEqual([shown(table), same.size, other.channel.joined], ['1:0 2:0 3:0', 0, true]);
    event(12, 'update', { id: 1 }, { id: 1 }, { data: { truncated_to_key: true } });
    advance(1000);
    FakeSocket.last.refuses('join', 'unavailable');
    assert.equal(table.channel.joined, false);
    assert.equal(joins().length, 5, 'it is asked later');
});

test('rows that are refused after the acknowledgement are refused all the same, by the ref of the join', async () => {
    const { table, errors } = start();
    const ref = FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5 }, MINE);
    FakeSocket.last.says('error', { code: 'too_large', message: 'Why.' }, { ref });
    await assert.rejects(table.ready, { name: 'HeraldError', code: 'too_large' });
    assert.deepEqual([errors, table.channel.joined], [['too_large'], false]);
});

test('what the server refuses: ready says it, and no row is shown', async () => {
    for (const code of ['bad_filter', 'snapshot_off', 'too_large', 'too_many_groups', 'no_channel']) {
        const { herald, table, errors } = start();
        FakeSocket.last.refuses('join', code);
        await assert.rejects(table.ready, { code, message: 'Why.' });
        assert.deepEqual(errors, [code]);
        assert.equal(due(20_000).length, 0);
        herald.close();
    }
    const { table, heard } = ready();
    FakeSocket.last.says('error', { code: 'removed', message: 'Off you go.' });
    event(11, 'insert', row(3));
    assert.deepEqual([table.size, heard], [0, ['error']]);
});

test('a server that cannot now is asked later, and ready waits', async () => {
    const { table, heard, errors } = start();
    for (const ms of [2000, 4000, 8000]) {
        FakeSocket.last.refuses('join', 'unavailable');
        assert.deepEqual(due(20_000).map((timer) => timer.ms).filter((ms) => ms < 30_000), [ms]);
        advance(ms);
    }
    FakeSocket.last.refuses('join', 'rate_limited', { retry_after: 17.5 });
    assert.deepEqual(due(20_000).map((timer) => timer.ms).filter((ms) => ms < 30_000), [17_500]);
    advance(17_500);
    assert.equal(joins().length, 5);
    assert.deepEqual([heard, errors.length], [[], 4]);
    const ref = FakeSocket.last.answers('join', 'join', { epoch: 'e1', offset: 5 }, MINE);
    snapshot({ rows: [row(1)], first: true, ...end });
    assert.equal(await table.ready, table);
    FakeSocket.last.says('error', { code: 'unavailable', message: 'Try again.' }, { ref, ...MINE });
    assert.deepEqual(due(2000).map((timer) => timer.ms), [2000], 'the rows were to be read again');
    assert.equal(shown(table), '1:0');
});

test('keys: of several columns, of another name, and a row that has none', async () => {
    const { table } = ready({ key: ['id', 'n'] }, [row(1, 1), row(1, 2)]);
    assert.deepEqual([table.size, table.get(1, 2), table.has(1, '1'), table.has(1)], [2, row(1, 2), true, false]);
    const { table: other } = start({ key: 'sku' });
    acknowledge();
    snapshot({ rows: [row(1)], first: true });
    await assert.rejects(other.ready, (error) => error instanceof TypeError && /room\/1.*no column 'sku'.*key/.test(error.message));
    advance(1000);
    assert.equal(FakeSocket.last.sent.at(-1).action, 'leave');
    const reported = [];
    ready();
    globalThis.queueMicrotask = (report) => { try { report(); } catch (error) { reported.push(error.message); } };
    event(11, 'insert', { n: 1 });
    assert.match(reported.join(), /no column 'id'/);
});

test('an order holds for all that comes: numbers in strings as numbers, NULL last', () => {
    const rows = ['10', '9', null, '-1.50', '12345678901234567890', '12345678901234567891'].map((n, id) => row(id, n));
    const order = (list) => shown(ready({ order: list }, rows).table).replaceAll(/:\S+/g, '');
    assert.equal(order(['n']), '3 1 0 4 5 2');
    assert.equal(order(['n.desc']), '5 4 0 1 3 2');
    const { table } = ready({ order: ['n', 'id.desc'] }, [row(1, 'b'), row(2, 'a'), row(3, 'b')]);
    event(11, 'insert', row(4, 'B'));
    event(12, 'insert', row(5, 'ab'));
    assert.equal(shown(table), '4:B 2:a 5:ab 3:b 1:b');
});

test('with a limit what falls behind the last row goes, and when one leaves the rows are asked for', () => {
    const options = { order: ['n.desc'], limit: 2 };
    const { table, heard } = ready(options, [row(1, 30), row(2, 20)], false);
    assert.deepEqual(joins()[0].snapshot, { limit: 2, order: ['n.desc'] });
    assert.equal(table.isPartial, true);
    event(11, 'insert', row(3, 10));
    event(12, 'insert', row(4, 25));
    assert.equal(shown(table), '1:30 4:25');
    assert.deepEqual(heard, ['insert 4 25', 'delete 2 20'], 'of a row that was never here nothing is told');
    event(13, 'update', row(4, 26), row(4, 25));
    event(14, 'update', row(1, 27), row(1, 30));
    assert.equal(due(1000).length, 0);
    event(15, 'update', row(4, 1), row(4, 26));
    assert.equal(due(1000).length, 1, 'the one that was cut off may stand before it');
    event(16, 'delete', null, row(4, 1));
    assert.equal(due(1000).length, 1);
    advance(1000);
    assert.equal(joins().length, 2);
    acknowledge();
    snapshot({ rows: [row(1, 27), row(2, 20)], first: true, ...end, complete: true });
    assert.equal(table.isPartial, false);
    event(17, 'delete', null, row(2, 20));
    assert.equal(due(1000).length, 0, 'there is nothing behind it');
    event(18, 'insert', row(2, 20));
    event(19, 'insert', row(5, 10));
    event(20, 'delete', null, row(2, 20));
    assert.equal(due(1000).length, 1, 'there is one that was cut off');
    advance(1000);
    acknowledge();
    snapshot({ rows: [row(1, 27), row(5, 10)], first: true });
    event(21, 'delete', null, row(5, 10));
    snapshot({ ...end, complete: false });
    assert.equal(due(1000).length, 1, 'it left while they were read');
});

test('a limit that the server makes smaller is no reason to ask for ever', () => {
    const { table } = ready({ limit: 100 }, [row(1), row(2)], false);
    assert.deepEqual([table.isPartial, due(1000).length], [true, 0]);
    snapshot({ rows: [row(1)], first: true, ...end, complete: false });
    assert.equal(due(1000).length, 0);
    event(11, 'truncate', null);
    assert.deepEqual([table.isPartial, due(1000).length], [false, 0]);
});

test('somebody else is shown his own rows', () => {
    const { herald } = start();
    acknowledge({}, MINE, somebody(1, 's1'));
    snapshot({ rows: [row(1)], first: true, ...end });
    comeBack();
    acknowledge({ resumed: true }, MINE, somebody(1, 's2'));
    assert.equal(due(1000).length, 0);
    herald.reconnect();
    FakeSocket.last.open();
    acknowledge({ resumed: true }, MINE, somebody(2, 's3'));
    advance(1000);
    assert.equal(joins().length, 2);
    assert.equal(joins()[1].since, undefined);
});

test('tables of the same arguments share the rows; the last one leaves the view after a second', async () => {
    const { herald, table } = ready();
    const same = herald.table('room/1', { filter });
    assert.deepEqual([joins().length, same.size, await same.ready], [1, 2, same]);
    assert.deepEqual(same.channel.position, { epoch: 'e1', offset: 10 });
    const seen = [];
    same.onChange(({ action }) => seen.push(action));
    const { version } = same;
    table.close();
    event(11, 'insert', row(3));
    assert.deepEqual([seen, same.size], [['insert'], 3]);
    assert.notEqual(same.version, version);
    same.close();
    advance(999);
    const again = herald.table('room/1', { filter: { ...filter } });
    event(12, 'insert', row(4));
    assert.deepEqual([again.size, seen.length], [4, 1]);
    again.close();
    advance(1000);
    assert.deepEqual(FakeSocket.last.sent.slice(1), [{ action: 'leave', options: { channel: 'room/1', ...MINE }, payload: null }]);
    event(13, 'insert', row(5));
    assert.equal(again.size, 4, 'they stay as they are');
});

test('the order of the keys in a filter makes no other view', () => {
    const { herald } = start({ filter: { a: 1, or: [{ b: 2, c: 3 }] } });
    herald.table('room/1', { filter: { or: [{ c: 3, b: 2 }], a: 1 } });
    herald.channel('room/1', { filter: { a: 1, b: 2 } });
    herald.channel('room/1', { filter: { b: 2, a: 1 } });
    assert.equal(joins().length, 2);
});

test('a view of two filters that mean the same is left by the last, and once it has a name', () => {
    const { herald, table } = ready();
    const same = herald.table('room/1', { filter: { status: { eq: 'new' } } });
    acknowledge();
    snapshot({ rows: [row(1)], first: true, ...end });
    assert.deepEqual([table.size, same.size], [1, 1], 'both get the rows: to the server they are one view');
    table.close();
    advance(1000);
    assert.equal(FakeSocket.last.sentOf('leave').length, 0);
    event(11, 'insert', row(2));
    assert.deepEqual([table.size, same.size], [1, 2]);
    same.close();
    advance(1000);
    assert.deepEqual(FakeSocket.last.sent.at(-1), { action: 'leave', options: { channel: 'room/1', ...MINE }, payload: null });
    herald.table('room/1', { filter: { status: 'old' } }).close();
    advance(1000);
    assert.equal(FakeSocket.last.sent.at(-1).action, 'join');
    acknowledge({}, { view: 'otherothero' });
    advance(1000);
    assert.deepEqual(FakeSocket.last.sent.at(-1), { action: 'leave', options: { channel: 'room/1', view: 'otherothero' }, payload: null });
    herald.table('room/1').close();
    const next = herald.table('room/1');
    comeBack();
    acknowledge();
    assert.equal(next.channel.joined, true, 'what was asked on another connection is not answered here');
});

test('a view is not left while a join is on its way that may be for the same one', () => {
    const { herald, table } = ready();
    const same = herald.table('room/1', { filter: { status: { eq: 'new' } } });
    table.close();
    advance(3000);
    assert.equal(FakeSocket.last.sentOf('leave').length, 0);
    acknowledge();
    snapshot({ rows: [row(1)], first: true, ...end });
    same.close();
    herald.table('room/1', { filter: { status: { eq: 'new' } } });
    advance(3000);
    assert.equal(FakeSocket.last.sentOf('leave').length, 0);
    const other = { filter: { status: 'old' } };
    herald.table('room/1', other).close();
    advance(3000);
    const again = herald.table('room/1', other);
    acknowledge({}, { view: 'otherothero' });
    FakeSocket.last.says('snapshot', { rows: [row(7)], first: true, ...end }, { view: 'otherothero' });
    advance(3000);
    assert.deepEqual([again.size, FakeSocket.last.sentOf('leave').length], [1, 0]);
});

test('who asks for rows after they were refused waits for those that come then', async () => {
    const { herald, table } = start();
    FakeSocket.last.refuses('join', 'join_refused');
    await assert.rejects(table.ready, { code: 'join_refused' });
    const later = herald.table('room/1', { filter });
    acknowledge();
    snapshot({ rows: [row(1)], first: true, ...end });
    assert.equal(await later.ready, later);
});

test('what a table has asked for is forgotten with it', () => {
    const { table, errors } = start();
    const ref = acknowledge();
    table.close();
    advance(1000);
    FakeSocket.last.says('error', { code: 'too_large', message: 'Why.' }, { ref });
    assert.deepEqual(errors, ['too_large'], 'it is nobody\'s any more');
});

test('for await has each change, and ends with the table', async () => {
    const { table } = ready();
    event(11, 'insert', row(3));
    const seen = [];
    const all = (async () => { for await (const { action, key } of table) seen.push(`${action} ${key}`); })();
    event(12, 'insert', row(4));
    event(13, 'delete', null, row(4));
    await settled();
    assert.deepEqual(seen, ['insert 4', 'delete 4']);
    table.close();
    await all;
});

test('a view is a channel with a filter, beside the channel itself', () => {
    const herald = connect({ url: 'http://host', canonical: 'abc', WebSocket: FakeSocket });
    const plain = herald.channel('room/1');
    const view = herald.channel('room/1', { filter, history: true });
    const heard = [];
    for (const [name, channel] of Object.entries({ plain, view })) {
        for (const action of ['join', 'event', 'history', 'error', 'gap']) channel.on(action, () => heard.push(`${name} ${action}`));
    }
    FakeSocket.last.open();
    assert.deepEqual(joins(), [{ history: false, presence: false }, { history: true, filter }]);
    acknowledge({}, {});
    FakeSocket.last.says('error', { code: 'send_refused', message: 'No.' });
    herald.channel('room/1', { filter: { status: 'new' } }).leave();
    acknowledge();
    FakeSocket.last.says('history', { history: [] }, MINE);
    event(6, 'insert', row(1));
    FakeSocket.last.says('event', {}, { id: 6 });
    assert.deepEqual(heard, ['plain join', 'plain error', 'view join', 'view history', 'view event', 'plain event']);
    assert.deepEqual([plain.position, view.position], [{ epoch: 'e1', offset: 6 }, { epoch: 'e1', offset: 6 }]);
    view.history();
    assert.deepEqual(FakeSocket.last.sent.at(-1), { action: 'history', options: { channel: 'room/1', ...MINE }, payload: null });
    FakeSocket.last.says('history', { history: [] }, MINE);
    comeBack();
    acknowledge({ resumed: true }, {});
    FakeSocket.last.refuses('join', 'bad_filter');
    assert.equal(heard.at(-1), 'view error');
    herald.reconnect();
    FakeSocket.last.open();
    acknowledge({ resumed: true }, {});
    acknowledge({ resumed: true });
    interrupt(30);
    interrupt(40, {});
    assert.deepEqual([view.position.offset, plain.position.offset], [30, 40]);
    assert.deepEqual(FakeSocket.last.sent.slice(2), [{ action: 'history', options: { channel: 'room/1', ...MINE }, payload: null }]);
    view.leave();
    FakeSocket.last.says('event', {}, { id: 77 });
    assert.equal(heard.at(-1), 'plain event');
});

test('what a browser loads is small: 14 kB, comments left aside', () => {
    const code = sources.join('').replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/(^|\s)\/\/.*$/gm, '').replaceAll(/^\s+/gm, '');
    assert.ok(gzipSync(code).length <= 14 * 1024, `${gzipSync(code).length} bytes`);
});
