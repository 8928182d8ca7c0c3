// SPDX-License-Identifier: PostgreSQL
// Joins that ask for the rows that there are: rows, then what happens to them, with a position behind which everything follows.
import { test, describe, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { Client } from './lib/client.js';
import { until } from './lib/wait.js';
import { metrics } from './lib/metrics.js';

let world;
let postgres;
let server;

before(async () => {
    world = await World.start();
    ({ postgres, server } = world);
    await postgres.query(`
        CREATE TABLE s_orders (id int PRIMARY KEY, customer int, status text COLLATE "C", total numeric, note text);
        INSERT INTO s_orders SELECT i, i % 10, CASE WHEN i % 3 = 0 THEN 'open' ELSE 'shut' END, i, 'a note' FROM generate_series(1, 1000) i;
        SELECT herald.watch('s_orders', channel => 'orders', snapshot => true, max_snapshot => 2000, max_bytes => 1000);
        CREATE TABLE s_rooms (id int PRIMARY KEY, room text, n int);
        INSERT INTO s_rooms SELECT i, chr(97 + i % 3) || '/x', i FROM generate_series(1, 30) i;
        SELECT herald.watch('s_rooms', channel => 'rooms/{room}', snapshot => true, max_snapshot => 12);
        CREATE TABLE s_off (id int PRIMARY KEY);
        SELECT herald.watch('s_off', channel => 'off');
        SELECT herald.set_rule('*', anonymous_clients => true)`);
    await world.settled();
});

after(() => world.stop());

// All parts of a snapshot: rows, reduced, and the last one's payload; with the acknowledgement.
async function snapshot(client, channel, payload) {
    client.send('join', channel, { snapshot: true, ...payload });
    const joined = await client.waitFor((f) => f.action === 'join' || f.action === 'error');
    assert.equal(joined.action, 'join', joined.text);
    const rows = [];
    const reduced = [];
    for (let part = { last: false }; !part.last;) {
        ({ payload: part } = await client.waitFor({ action: 'snapshot' }));
        assert.equal(part.first ?? false, rows.length === 0 && !part.last);
        rows.push(...part.rows);
        reduced.push(...part.reduced ?? []);
        if (part.last) {
            return { joined, rows, reduced, last: part, view: joined.options.view };
        }
    }
}

describe('a snapshot', () => {
    test('has all rows, then what happens to them', async () => {
        const client = await Client.open(server);
        const { joined, rows, last, view } = await snapshot(client, 'orders', {});
        assert.equal(rows.length, 1000);
        assert.deepEqual(rows.find((r) => r.id === 7), { id: 7, customer: 7, status: 'shut', total: '7', note: 'a note' });
        assert.equal(last.complete, true);
        assert.equal(last.epoch, joined.payload.epoch);
        await postgres.query(`UPDATE s_orders SET total = 70 WHERE id = 7`);
        const { payload, options } = await client.waitFor((f) => f.action === 'event');
        assert.equal(options.view, view);
        assert.deepEqual(payload.data.old, rows.find((r) => r.id === 7));
        assert.ok(options.id > last.offset);
        await client.close();
    });

    test('of a filter, in an order, the first ones', async () => {
        const client = await Client.open(server);
        const { rows, last } = await snapshot(client, 'orders', { filter: { status: 'open', total: { lt: '500' } }, snapshot: { limit: 5, order: ['total.desc'] } });
        assert.deepEqual(rows.map((r) => r.id), [498, 495, 492, 489, 486]);
        assert.equal(last.complete, false);
        const all = await snapshot(client, 'orders', { filter: { status: 'open', or: [{ total: { gt: '990' } }, { id: { lt: 10 } }] }, snapshot: { order: ['id'] } });
        assert.deepEqual(all.rows.map((r) => r.id), [3, 6, 9, 993, 996, 999]);
        assert.equal(all.last.complete, true);
        await client.close();
    });

    test('of one channel of a template has its rows only', async () => {
        const client = await Client.open(server);
        const { rows } = await snapshot(client, 'rooms/b%2Fx', { snapshot: { order: ['n.desc'] } });
        assert.deepEqual(rows.map((r) => r.n), [28, 25, 22, 19, 16, 13, 10, 7, 4, 1]);
        await client.close();
    });

    test('is no part of a view without rows: that one goes on, whatever is read beside it', async () => {
        const client = await Client.open(server);
        const filter = { id: 7 };
        client.send('join', 'orders', { filter });
        const { options: { view } } = await client.waitFor({ action: 'join' });
        const rows = await snapshot(client, 'orders', { filter });
        assert.notEqual(rows.view, view);
        assert.equal((await snapshot(client, 'orders', { filter, snapshot: {} })).view, rows.view);
        await postgres.query('UPDATE s_orders SET note = note || note WHERE id = 7');
        await Promise.all([view, rows.view].map((name) => client.waitFor({ action: 'event', options: { view: name } })));
        await client.close();
    });

    test('goes on by its position, without rows', async () => {
        const client = await Client.open(server);
        const { last } = await snapshot(client, 'orders', { filter: { id: { lte: 3 } } });
        await client.close();
        await postgres.query(`UPDATE s_orders SET total = total + 1 WHERE id <= 5`);
        const again = await Client.open(server);
        again.send('join', 'orders', { filter: { id: { lte: 3 } }, snapshot: true, since: { epoch: last.epoch, offset: last.offset } });
        const joined = await again.waitFor({ action: 'join' });
        assert.equal(joined.payload.resumed, true);
        for (const id of [1, 2, 3]) {
            await again.waitFor((f) => f.action === 'event' && f.payload.data.new.id === id);
        }
        assert.equal(again.frames.filter((f) => f.action === 'snapshot').length, 0);
        const lost = await Client.open(server);
        const anew = await snapshot(lost, 'orders', { filter: { id: { lte: 3 } }, since: { epoch: 'another', offset: 1 } });
        assert.equal(anew.joined.payload.gap, true);
        assert.equal(anew.rows.length, 3);
        await again.close();
        await lost.close();
    });

    test('a row that is too large comes by its key', async () => {
        await postgres.query(`INSERT INTO s_orders VALUES (5000, 1, 'large', 1, repeat('x', 2000))`);
        const client = await Client.open(server);
        const { rows, reduced } = await snapshot(client, 'orders', { filter: { id: { gte: 5000 } } });
        assert.deepEqual([rows, reduced], [[], [{ id: 5000 }]]);
        await postgres.query('DELETE FROM s_orders WHERE id = 5000');
        await client.close();
    });

    test('the same one for many is read once', async () => {
        const clients = await Promise.all([...Array(50)].map(() => Client.open(server)));
        const before = (await metrics(server)).get('snapshot_reads_total');
        const all = await Promise.all(clients.map((client) => snapshot(client, 'orders', { filter: { customer: 3 } })));
        assert.ok(all.every(({ rows }) => rows.length === 100));
        const reads = (await metrics(server)).get('snapshot_reads_total') - before;
        assert.ok(reads >= 1 && reads < 25, `${reads} reads`);
        await Promise.all(clients.map((client) => client.close()));
    });

    test('one that failed does not fail those behind it', async () => {
        const client = await Client.open(server);
        await postgres.query('REVOKE ALL ON s_orders FROM herald_reader');
        for (let i = 0; i < 4; i++) {
            client.send('join', 'orders', { snapshot: true });
            assert.equal(await client.error('orders'), 'unavailable');
        }
        await postgres.query('GRANT SELECT ON s_orders TO herald_reader');
        for (let i = 0; i < 4; i++) {
            assert.equal((await snapshot(client, 'orders', { filter: { id: i + 1 } })).rows.length, 1);
        }
        await client.close();
    });

    test('is told when the table is another', async () => {
        const client = await Client.open(server);
        const { view } = await snapshot(client, 'rooms/a%2Fx', {});
        await postgres.query('ALTER TABLE s_rooms ADD COLUMN more int DEFAULT 5');
        const gap = await client.waitFor((f) => f.action === 'join' && f.options.view === view && f.payload.gap);
        assert.equal(gap.client, null);
        const { rows } = await snapshot(client, 'rooms/a%2Fx', {});
        assert.equal(rows[0].more, 5);
        await client.close();
    });

    test('who was away when the table was altered gets the rows anew, also if it looks as before', async () => {
        const client = await Client.open(server);
        const { last: { epoch, offset } } = await snapshot(client, 'rooms/b%2Fx', {});
        client.send('join', 'rooms/b%2Fx', { snapshot: true, since: { epoch, offset } });
        assert.equal((await client.waitFor({ action: 'join' })).payload.resumed, true);
        await client.close();
        await postgres.query('ALTER TABLE s_rooms DROP COLUMN more; ALTER TABLE s_rooms ADD COLUMN more int DEFAULT 6');
        const again = await Client.open(server);
        const watching = await Client.open(server);
        await until('the server to know', async () => (await snapshot(watching, 'rooms/b%2Fx', {})).last.epoch !== epoch);
        const anew = await snapshot(again, 'rooms/b%2Fx', { since: { epoch, offset } });
        assert.equal(anew.joined.payload.gap, true);
        assert.ok(anew.rows.length > 0 && anew.rows.every(({ more }) => more === 6));
        await again.close();
        await watching.close();
    });
});

test('who is removed while they are read has an answer to his join, too', async () => {
    const client = await Client.open(server);
    const session = await postgres.connect();
    await session.query('BEGIN; LOCK TABLE s_orders');
    client.send('join', 'orders', { snapshot: true }, { ref: 'j' });
    client.raw(JSON.stringify({ action: 'ping', options: { ref: 'p' }, payload: null }));
    await until('the read to wait', () => postgres.value(`SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 's_orders'::regclass`));
    await postgres.query(`SELECT herald.disconnect(channel => 'orders')`);
    await client.waitFor({ action: 'error', payload: { code: 'removed' } });
    await session.query('COMMIT');
    await session.end();
    await client.waitFor({ action: 'pong' });
    assert.deepEqual(client.frames.map((f) => [f.action, f.payload?.code, f.options.ref]),
        [['error', 'removed', undefined], ['error', 'removed', 'j'], ['pong', undefined, 'p']]);
    await client.close();
});

describe('refused', () => {
    const refused = async (channel, payload, code, text) => {
        const client = await Client.open(server);
        client.send('join', channel, { snapshot: true, ...payload });
        const { payload: error } = await client.waitFor((f) => f.action === 'error' || f.action === 'join');
        assert.equal(error.code, code, JSON.stringify(error));
        assert.match(error.message, text);
        client.send('leave', channel);
        assert.equal(await client.error(channel), 'not_joined', 'nothing is left of it');
        await client.close();
    };
    test('too many rows: the limit is told, not how many', async () => {
        await postgres.query(`INSERT INTO s_orders SELECT i, 1, 'more', i FROM generate_series(10001, 11500) i`);
        await refused('orders', {}, 'too_large', /More than 2000 rows/);
        await refused('orders', { filter: { or: [{ id: { gt: 0 } }] } }, 'too_large', /More than 2000 rows/);
        await postgres.query('DELETE FROM s_orders WHERE id > 10000');
    });
    test('a table that gives none', () => refused('off', {}, 'snapshot_off', /no snapshots/));
    test('a channel without a table', () => refused('talk', {}, 'snapshot_off', /No table/));
    test('an order by what is not there', () => refused('orders', { snapshot: { order: ['nope'] } }, 'bad_filter', /nope/));
    test('a limit that is none', () => refused('orders', { snapshot: { limit: 0 } }, 'bad_filter', /limit/));
    test('a limit over max_snapshot', () => refused('orders', { snapshot: { limit: 2001 } }, 'bad_filter', /2000/));
    test('a snapshot that is none', () => refused('orders', { snapshot: 'yes' }, 'bad_filter', /snapshot/));
});

// A hundred are read in a second; the rest wait, in order, and nobody is refused before there are very many.
test('more different snapshots at once than are read in a second', async () => {
    const clients = await Promise.all([...Array(10)].map(() => Client.open(server)));
    const before = await metrics(server), start = performance.now();
    for (const [i, client] of clients.entries()) {
        for (let k = 0; k < 14; k++) {
            client.send('join', 'orders', { snapshot: true, filter: { id: 14 * i + k } });
        }
    }
    await until('all have their rows', () => clients.every((c) => c.frames.filter((f) => f.action === 'snapshot' && f.payload.last).length === 14), 20000);
    assert.ok(performance.now() - start >= 300, '40 more than a hundred');
    const after = await metrics(server), growth = (series) => after.get(series) - before.get(series);
    assert.equal(growth('snapshot_reads_total'), 140);
    assert.equal(growth('snapshots_refused_total'), 0);
    assert.ok(growth('snapshot_reads_seconds_total') > 0);
    await Promise.all(clients.map((client) => client.close()));
});
