// SPDX-License-Identifier: PostgreSQL
// TRUNCATE in a storm, and what mode statement does when its own INSERT fails.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, READ_ONLY } from './lib/world.js';
import { until, SECOND } from './lib/wait.js';

const CHANNELS = 1000;
const STORM = 600;

let world;
before(async () => {
    world = await World.start({
        rules: { 'crowd/*': READ_ONLY, 'public.*': READ_ONLY },
        env: { PGHERALD_BATCH_ROWS: '700' }, // one TRUNCATE takes two batches
        sql: `CREATE TABLE public.crowd (id int PRIMARY KEY, room int);
              CREATE TABLE public.pair (id int PRIMARY KEY, room int);
              CREATE TABLE public.calm (id int PRIMARY KEY);
              CREATE TABLE public.bulk (id int PRIMARY KEY, body text);
              SELECT herald.watch('public.crowd', channel => 'crowd/{room}');
              SELECT herald.watch('public.pair', channel => 'pair/{room}');
              SELECT herald.watch('public.calm');
              SELECT herald.watch('public.bulk', mode => 'statement');`,
    });
});
after(() => world?.stop());

const empty = () => until('the outbox to be empty', async () => Number(await world.postgres.value('SELECT pending_rows FROM herald.lag()')) === 0, 60 * SECOND);
// Of the log since an id: by action, how many on how many channels, and the first and last position.
const count = async (pattern, action, from) => (await world.postgres.query(`
    SELECT count(*)::int AS events, count(DISTINCT channel)::int AS channels FROM herald.log
     WHERE id > $3 AND channel LIKE $1 AND payload #>> '{data,action}' = $2`, [pattern, action, from]))[0];
const newest = async () => Number(await world.postgres.value('SELECT coalesce(max(id), 0) FROM herald.log'));

test('many TRUNCATEs between the changes of others are one, to every channel', async () => {
    const { postgres } = world;
    await postgres.query(`INSERT INTO crowd SELECT i, i FROM generate_series(1, ${CHANNELS}) i; INSERT INTO pair SELECT i, i FROM generate_series(1, 10) i`);
    await empty();
    const reader = await world.member('public.calm');
    const from = await newest();
    for (let i = 0; i < STORM; i++) {
        await postgres.query(`TRUNCATE crowd${i % 2 ? ', pair' : ''}`);
        await postgres.query('INSERT INTO calm VALUES ($1)', [i]);
    }
    await until('the changes of the other table', () => reader.on('public.calm', 'event').length === STORM, 30 * SECOND);
    await empty();
    assert.deepEqual(reader.on('public.calm', 'event').map((f) => f.payload.data.new.id), [...Array(STORM).keys()]);
    assert.deepEqual(await count('crowd/%', 'truncate', from), { events: CHANNELS, channels: CHANNELS });
    assert.deepEqual(await count('pair/%', 'truncate', from), { events: 10, channels: 10 });
});

test('each that has a row before it is announced everywhere, behind that row, and holds up only what is behind it', async () => {
    const { postgres } = world;
    const ROUNDS = 12;
    const from = await newest();
    for (let i = 1; i <= ROUNDS; i++) {
        // The first channel of each round is new: it is known by the time of its TRUNCATE.
        await postgres.query('INSERT INTO crowd VALUES ($1, $1), ($2, 1)', [CHANNELS + i, -i]);
        await postgres.query('INSERT INTO calm VALUES ($1)', [10000 + i]);
        await postgres.query('TRUNCATE crowd');
        await postgres.query('TRUNCATE crowd');
    }
    await empty();
    const rows = await postgres.query(`SELECT channel, payload #>> '{data,action}' AS action, (payload #>> '{data,new,id}')::int AS id FROM herald.log
        WHERE log.id > $1 ORDER BY log.id`, [from]);
    const expected = [...Array(ROUNDS).keys()].map((i) => CHANNELS + i + 1).reduce((sum, n) => sum + n, 0);
    assert.equal(rows.filter(({ action }) => action === 'truncate').length, expected, 'each to all channels there are');
    let at = -1;
    for (let i = 1; i <= ROUNDS; i++) {
        const [fresh, old, calm] = [['crowd/' + (CHANNELS + i), CHANNELS + i], ['crowd/1', -i], ['public.calm', 10000 + i]].map(([channel, id]) =>
            rows.findIndex((row) => row.channel === channel && row.action === 'insert' && row.id === id));
        assert.ok(at < fresh && fresh < old && old < calm, `round ${i} in its order`);
        const told = rows.slice(calm + 1, calm + 1 + CHANNELS + i);
        assert.deepEqual([...new Set(told.map(({ action }) => action))], ['truncate'], 'at once behind the change of the other table');
        assert.equal(new Set(told.map(({ channel }) => channel)).size, CHANNELS + i);
        at = calm + CHANNELS + i;
    }
    assert.equal(rows.length, at + 1);
});

// What makes our INSERT fail must fail the write, in both modes: or it commits and nobody hears of it.
for (const table of ['bulk', 'calm']) {
    test(`a lock_timeout of our INSERT fails the write of ${table}`, async () => {
        const { postgres } = world;
        const from = await newest();
        const [blocker, writer] = [await postgres.connect(), await postgres.connect()];
        await blocker.query('BEGIN; LOCK TABLE herald.outbox IN EXCLUSIVE MODE');
        await writer.query(`SET lock_timeout = '50ms'`);
        for (const sql of [`INSERT INTO ${table} (id) VALUES (77001), (77002)`, `TRUNCATE ${table}`, `BEGIN; INSERT INTO ${table} (id) VALUES (77003); COMMIT`]) {
            await assert.rejects(writer.query(sql), { code: '55P03' }, sql);
            await writer.query('ROLLBACK');
        }
        await writer.query(`SET statement_timeout = '100ms'; RESET lock_timeout`);
        await assert.rejects(writer.query(`INSERT INTO ${table} (id) VALUES (77004)`), { code: '57014' });
        await blocker.query('ROLLBACK');
        await writer.query(`RESET statement_timeout; INSERT INTO ${table} (id) VALUES (77005)`);
        await Promise.all([blocker.end(), writer.end()]);
        await empty();
        const ids = (await postgres.query(`SELECT id FROM ${table} WHERE id >= 77000`)).map(({ id }) => id);
        const said = (await postgres.query(`SELECT (payload #>> '{data,new,id}')::int AS id FROM herald.log WHERE id > $1 ORDER BY log.id`, [from])).map(({ id }) => id);
        assert.deepEqual([ids, said], [[77005], [77005]], 'what is there and what was announced');
    });
}
