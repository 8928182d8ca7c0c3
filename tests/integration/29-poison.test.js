// SPDX-License-Identifier: PostgreSQL
// Rows that nobody but a superuser can write into the outbox, and that cannot become events, among messages of clients that are
// under way: nothing stops, nobody pays for another's fault, and all else arrives, once and in its order.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, DURABLE, READ_ONLY } from './lib/world.js';
import { metrics, waitMetric } from './lib/metrics.js';
import { until, SECOND } from './lib/wait.js';

const DEEP = `repeat('[', 1000000)`;
const SHAPE = `(SELECT number FROM herald.shape WHERE description ->> 'table' = 'kept')`;
// Each is skipped, with the reason that stands before it.
const POISON = [
    ['unprintable', `(action, channel, new) VALUES ('p', 'pub/1', '{')`],
    ['unprintable', `(action, channel, new) VALUES ('p', 'pub/1', ${DEEP} || repeat(']', 1000000))`],
    ['unprintable', `(action, channel, new) VALUES ('p', 'pub/1', '"\\ud800\\u12"')`],
    ['unprintable', `(action, channel, new) VALUES ('p', E'pub/1\\n{}', '')`],
    ['unprintable', `(action, channel, new) VALUES ('p', E'pub/1\\n{"dbo_id":', '1')`],
    ['channel', `(action, channel, new) VALUES ('p', repeat('x', 300), '1')`],
    ['channel', `(action, channel, new) VALUES ('p', NULL, NULL)`],
    ['stale', `(shape, action, new) VALUES (4711, 'i', '(1,7)')`],
    ['stale', `(shape, action) VALUES (NULL, 't')`],
    ['stale', `(shape, action, new) VALUES (${SHAPE}, 'i', '(1)')`],
    ['stale', `(shape, action, new) VALUES (${SHAPE}, 'i', '(1,7,{},x,y)')`],
    ['stale', `(shape, action, new) VALUES (${SHAPE}, 'i', '(1,7,"{}')`],
    ['stale', `(shape, action, old, new) VALUES (${SHAPE}, 'u', NULL, '(1,7,{},x)')`],
    ['stale', `(shape, action, new) VALUES (${SHAPE}, '?', '(1,7,{},x)')`],
];
// These are announced, with the value as a text: JSON it is none, or none that anybody reads.
const ODD = [`(shape, action, new) VALUES (${SHAPE}, 'i', '(1,7,{,x)')`, `(shape, action, new) VALUES (${SHAPE}, 'i', concat('(1,7,', ${DEEP}, ',x)'))`];

let world;
before(async () => {
    world = await World.start({
        rules: { 'room/*': DURABLE, 'pub/*': READ_ONLY, 'kept/*': READ_ONLY },
        sql: `CREATE TABLE public.kept (id int PRIMARY KEY, room int, data json, body text);
              SELECT herald.watch('public.kept', channel => 'kept/{room}', max_bytes => 10000000)`,
    });
});
after(() => world?.stop());

const poison = (sql) => world.postgres.query(`INSERT INTO herald.outbox ${sql}`);
const skipped = async () => {
    const found = await metrics(world.server);
    return Object.fromEntries(['unprintable', 'channel', 'stale'].map((reason) => [reason, found.get(`changes_skipped_total{reason="${reason}"}`)]));
};

// Holds the fence while `act` goes on: all that comes meanwhile meets in one batch.
async function together(act) {
    const session = await world.postgres.connect();
    await session.query('BEGIN; SELECT FROM herald.state FOR UPDATE');
    await act();
    await session.query('COMMIT');
    await session.end();
}

test('messages that wait together with poison are sent, and in order', async () => {
    const before = await skipped();
    const [sender, reader] = [await world.member('room/1'), await world.member('pub/1')];
    const N = POISON.length;
    await together(async () => {
        for (let i = 0; i < N; i++) {
            sender.message('room/1', i);
            await world.publish('pub/1', i);
            await poison(POISON[i % POISON.length][1]);
        }
        await waitMetric(world.server, 'appends_waiting', (n) => n === N);
    });
    await reader.waitFor((frame) => frame.payload?.data === N - 1 || frame.payload === N - 1, 20 * SECOND);
    await sender.waitFor((frame) => frame.action === 'error' || frame.payload === N - 1, 20 * SECOND);
    assert.deepEqual(sender.on('room/1').filter((f) => f.action !== 'join').map((f) => f.payload), [...Array(N).keys()], 'nobody pays for another');
    const published = await world.postgres.query(`SELECT channel_offset::int AS n, payload::text FROM herald.log WHERE channel = 'pub/1' ORDER BY id`);
    assert.equal(published.length, N);
    assert.deepEqual(published.map(({ n }) => n), [...Array(N).keys()].map((i) => i + 1));
    const wanted = { ...before };
    [...Array(N).keys()].forEach((i) => wanted[POISON[i % POISON.length][0]]++);
    assert.deepEqual(await skipped(), wanted);
});

test('what is no JSON in a row is a text, and says so', async () => {
    const reader = await world.member('kept/7');
    for (const sql of ODD) {
        await poison(sql);
        const { payload: { data } } = await reader.waitFor({ action: 'event' });
        assert.equal(typeof data.new.data, 'string');
        assert.deepEqual([data.new.id, data.new.body, data.reduced], [1, 'x', 'stale']);
    }
});

test('under a stream of it all else goes on', async () => {
    const N = 30;
    const before = await skipped();
    const sender = await world.member('room/2');
    const reader = await world.member('kept/8');
    const wanted = { ...before };
    const stream = (async () => {
        for (let i = 0; i < 2 * N; i++) {
            const [reason, sql] = POISON[i % POISON.length];
            await poison(sql);
            wanted[reason]++;
        }
    })();
    const rows = (async () => {
        for (let i = 0; i < N; i++) {
            await world.postgres.query('INSERT INTO public.kept VALUES ($1, 8, $2)', [100 + i, '{}']);
        }
    })();
    for (let i = 0; i < N; i++) {
        sender.message('room/2', i);
        await sender.waitFor((frame) => frame.action === 'error' || frame.payload === i, 20 * SECOND);
    }
    await Promise.all([stream, rows]);
    await until('all rows', () => reader.on('kept/8', 'event').length === N, 30 * SECOND);
    await until('all poison to be skipped', async () => JSON.stringify(await skipped()) === JSON.stringify(wanted), 30 * SECOND);
    assert.deepEqual(sender.on('room/2').filter((f) => f.action !== 'join').map((f) => f.payload), [...Array(N).keys()]);
    assert.deepEqual(reader.on('kept/8', 'event').map((f) => f.payload.data.new.id), [...Array(N).keys()].map((i) => 100 + i));
    assert.equal(Number(await world.postgres.value('SELECT count(*) - max(id) FROM herald.log')), 0, 'the log is dense');
});

test('a large row that the session does not outlive is skipped after three times, and nothing else is', async () => {
    await world.postgres.query(`
        CREATE FUNCTION public.end_session() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            IF octet_length(NEW.payload::text) > 8000000 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NEW;
        END$$;
        CREATE TRIGGER end_session BEFORE INSERT ON herald.log FOR EACH ROW EXECUTE FUNCTION public.end_session()`);
    const before = await skipped();
    const reader = await world.member('pub/2');
    await together(async () => {
        await world.publish('pub/2', 'before');
        await world.publish('pub/2', 'x'.repeat(9000000));
        await world.publish('pub/2', 'after');
    });
    await reader.waitFor((frame) => frame.payload?.data === 'after', 30 * SECOND);
    assert.deepEqual(reader.on('pub/2', 'event').map((f) => f.payload.data), ['before', 'after']);
    assert.deepEqual(await skipped(), { ...before, unprintable: before.unprintable + 1 });
    await world.postgres.query('DROP TRIGGER end_session ON herald.log');
});
