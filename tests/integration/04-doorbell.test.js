// SPDX-License-Identifier: PostgreSQL
// The doorbell: a change never waits for the safety look. That look is set to ten seconds here, so an event that needed
// it would be far beyond the limit, and no slow machine can be mistaken for it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { until } from './lib/wait.js';

const LIMIT_MS = 900;
let world;
before(async () => {
    world = await World.start({ rules: { bell: { anonymous_clients: true } }, env: { PGHERALD_LOOK: '10s' } });
});
after(() => world?.stop());

// The sequencer sleeps while a session of the server holds an advisory lock exclusively beyond those it holds for ever.
// What it holds awake is learned by watching: the set shrinks when it wakes.
const locks = () => world.postgres.value(`
    SELECT count(*)::int FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE a.usename = 'herald_server' AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted`);

async function asleep() {
    await until('the sequencer to sleep', async () => (await locks()) >= 2);
}

test('twelve transactions that insert while it is awake and commit late', async (t) => {
    const client = await world.member('bell');
    const late = await world.postgres.connect();
    const waited = [];
    for (let round = 0; round < 12; round++) {
        // Awake: this one's event has just come through, or is about to.
        await world.publish('bell', { wake: round });
        await late.query('BEGIN');
        await late.query(`SELECT herald.publish('bell', $1::jsonb)`, [JSON.stringify({ late: round })]);
        await client.waitFor({ payload: { data: { wake: round } } });
        // Every other round the transaction stays open for longer than the longest back-off; it must neither be seen,
        // nor keep the server from noticing the commit.
        await late.query('SELECT pg_sleep($1)', [round % 2 ? 0.3 : 0.02 * round]);
        assert.equal(client.on('bell').filter((f) => f.payload?.data?.late === round).length, 0, 'seen before its commit');
        const start = performance.now();
        await late.query('COMMIT');
        await client.waitFor({ payload: { data: { late: round } } }, 12000);
        waited.push(performance.now() - start);
    }
    await late.end();
    t.diagnostic(`late commits waited ms: ${waited.map((ms) => ms.toFixed(1)).join(' ')}`);
    assert.ok(Math.max(...waited) < LIMIT_MS, `one waited ${Math.max(...waited)} ms`);
});

test('a single change wakes a sleeper', async (t) => {
    const client = await world.member('bell');
    const waited = [];
    for (let round = 0; round < 12; round++) {
        await asleep();
        const start = performance.now();
        await world.publish('bell', { single: round });
        await client.waitFor({ payload: { data: { single: round } } }, 12000);
        waited.push(performance.now() - start);
    }
    t.diagnostic(`single changes waited ms: ${waited.map((ms) => ms.toFixed(1)).join(' ')}`);
    assert.ok(Math.max(...waited) < LIMIT_MS, `one waited ${Math.max(...waited)} ms`);
});

test('a cancelled writer on a pooled connection leaves no lock and no deaf server behind', async () => {
    const client = await world.member('bell');
    const pooled = await world.postgres.connect();
    const pid = (await pooled.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    for (let round = 0; round < 5; round++) {
        await asleep();
        await pooled.query('BEGIN');
        await pooled.query(`SELECT herald.publish('bell', '{"cancelled": true}')`);
        const cancelled = assert.rejects(pooled.query('SELECT pg_sleep(60)'), /cancel/);
        await until('the cancel', async () => {
            await world.postgres.query('SELECT pg_cancel_backend($1)', [pid]);
            return (await world.postgres.value('SELECT state FROM pg_stat_activity WHERE pid = $1', [pid])).includes('aborted');
        });
        await cancelled;
        await pooled.query('ROLLBACK');
        assert.equal(await world.postgres.value(`SELECT count(*)::int FROM pg_locks WHERE pid = $1 AND locktype = 'advisory'`, [pid]), 0);
        const start = performance.now();
        await world.publish('bell', { after: round });
        await client.waitFor({ payload: { data: { after: round } } }, 12000);
        assert.ok(performance.now() - start < LIMIT_MS);
    }
    await pooled.end();
    assert.equal(client.on('bell').filter((f) => f.payload?.data?.cancelled).length, 0);
});

test('a message from a client wakes it too', async () => {
    await world.rule('talk', { public_messaging: true, message_history: 10 });
    const client = await world.client();
    await until('the rule', async () => {
        client.send('join', 'talk');
        return (await client.waitFor({ options: { channel: 'talk' } })).action === 'join';
    });
    for (let round = 0; round < 5; round++) {
        await asleep();
        const start = performance.now();
        client.message('talk', round);
        await client.waitFor({ action: 'message', payload: round }, 12000);
        assert.ok(performance.now() - start < LIMIT_MS);
    }
});

test('a server that stands still is not rung for long, and finds everything when it goes on', async (t) => {
    const client = await world.member('bell');
    const [listener, late] = [await world.postgres.connect(), await world.postgres.connect()];
    const heard = [];
    listener.on('notification', (n) => heard.push(n));
    await asleep();
    await world.server.process.signal('SIGSTOP');
    try {
        await until('the lease to be over', () => world.postgres.value(`
            SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objid = herald.doorbell_slot())`));
        assert.ok((await locks()) >= 2, 'it still holds its locks');
        await listener.query('LISTEN herald');
        await late.query('BEGIN');
        await late.query(`SELECT herald.publish('bell', '{"stood": "late"}')`);
        for (let i = 0; i < 5; i++) {
            await world.publish('bell', { stood: i });
        }
        await listener.query('SELECT 1');
        assert.equal(heard.length, 0);
    } finally {
        world.server.process.signal('SIGCONT');
    }
    for (let i = 0; i < 5; i++) {
        await client.waitFor({ payload: { data: { stood: i } } }, 12000);
    }
    const start = performance.now();
    await late.query('COMMIT');
    await client.waitFor({ payload: { data: { stood: 'late' } } }, 12000);
    t.diagnostic(`who began meanwhile and did not ring waited ms: ${(performance.now() - start).toFixed(1)}`);
    assert.ok(performance.now() - start < LIMIT_MS);
    await asleep();
    await listener.end();
    await late.end();
});

test('with herald.doorbell off nobody rings, and the server looks often enough', async () => {
    await world.server.stop();
    await world.postgres.query('ALTER DATABASE postgres SET herald.doorbell = off');
    await world.serve();
    const client = await world.member('bell');
    const listener = await world.postgres.connect();
    const heard = [];
    listener.on('notification', (n) => heard.push(n));
    await listener.query('LISTEN herald');
    for (let round = 0; round < 5; round++) {
        const start = performance.now();
        await world.publish('bell', { off: round });
        await client.waitFor({ payload: { data: { off: round } } }, 12000);
        assert.ok(performance.now() - start < LIMIT_MS);
    }
    await listener.query('SELECT 1');
    assert.equal(heard.length, 0);
    await listener.end();
});

// As a look does that walks over what somebody has written who is still in progress, which the next ones must not do again.
test('a look that took long and found nothing moves the cursor', async () => {
    const position = async () => Number(await world.postgres.value('SELECT max(position) FROM herald.cursor'));
    const before = await position();
    await world.postgres.query('BEGIN; LOCK TABLE herald.cursor; SELECT pg_sleep(0.2); COMMIT');
    await until('the cursor to move', async () => (await position()) > before);
});

test('where transactions can be prepared nobody rings, unless told to, and the server says so', async () => {
    await world.stop();
    world = await World.start({
        settings: { max_prepared_transactions: '2' }, rules: { bell: { anonymous_clients: true } }, env: { PGHERALD_LOOK: '10s' },
    });
    await world.server.process.says(/writers do not ring in this database.*: max_prepared_transactions is 2/);
    const client = await world.member('bell');
    for (let round = 0; round < 5; round++) {
        await world.postgres.query(`BEGIN; SELECT herald.publish('bell', '{"prepared": ${round}}'); PREPARE TRANSACTION 'x'`);
        const start = performance.now();
        await world.postgres.query(`COMMIT PREPARED 'x'`);
        await client.waitFor({ payload: { data: { prepared: round } } }, 12000);
        assert.ok(performance.now() - start < LIMIT_MS);
    }
    await world.server.stop();
    await world.postgres.query('ALTER DATABASE postgres SET herald.doorbell = on');
    await world.serve();
    await asleep();
    // The doctor says both what that costs, and what a prepared transaction that is forgotten costs.
    await world.postgres.query(`BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'forgotten'`);
    const doctor = await world.postgres.connect();
    const ask = async (sql) => (await doctor.query(sql)).rows;
    assert.deepEqual(await ask(`SELECT severity, cause FROM herald.doctor()`), [{ severity: 'warning', cause: 'doorbell_prepared' }]);
    const [held] = await ask(`SELECT cause, remedy FROM herald.doctor_horizon('0 s') WHERE finding LIKE 'the prepared transaction%'`);
    assert.deepEqual(held, { cause: 'horizon_held', remedy: `COMMIT PREPARED 'forgotten', or ROLLBACK PREPARED 'forgotten'` });
    await doctor.query(`ROLLBACK PREPARED 'forgotten'`);
    await doctor.end();
});
