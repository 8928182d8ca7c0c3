// SPDX-License-Identifier: PostgreSQL
// Has all that my transaction did reached me? The answer comes for each that is over, also if it was rolled back or touched nothing
// that is watched; never before what it did; and also while the sequencer loses its session again and again.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { until, SECOND } from './lib/wait.js';

const LEADER = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1751478881 AND objid = 2 AND granted)";
const WRITERS = 8;
const CHAOS_MS = 6000;

let world;
let postgres;
before(async () => {
    world = await World.start({
        rules: { seen: { anonymous_clients: true, public_messaging: true, message_history: 10 } },
        sql: `CREATE TABLE t_seen (id int PRIMARY KEY, n int); CREATE TABLE t_unseen (id int PRIMARY KEY, n int);
              SELECT herald.watch('t_seen', channel => 'seen')`,
    });
    ({ postgres } = world);
});
after(() => world?.stop());

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const pick = (list) => list[Math.floor(Math.random() * list.length)];
let refs = 0;

// Asks, and resolves with the answer's frame.
function ask(client, xid, deadlineMs = 12 * SECOND) {
    const ref = `question ${++refs}`;
    client.raw(JSON.stringify({ action: 'txid', options: { ref }, payload: String(xid) }));
    return client.waitFor((f) => f.options?.ref === ref, deadlineMs);
}

// What was told of the transaction before this frame.
const told = (client, xid, frame) => client.frames.slice(0, client.frames.indexOf(frame)).filter((f) => f.options?.txid === xid).length;

// Each act: statements, and how many frames they make.
let ids = 0;
const ACTS = {
    rows: () => [`INSERT INTO t_seen VALUES (${++ids}, 0), (${++ids}, 0), (${++ids}, 0)`, 3],
    publish: () => [`SELECT herald.publish('seen', '1')`, 1],
    unseen: () => [`INSERT INTO t_unseen VALUES (${++ids}, 0)`, 0],
    nothing: () => ['SELECT 1', 0],
};

async function write(connection, clients, counts) {
    const act = pick(Object.keys(ACTS));
    const [statement, frames] = ACTS[act]();
    const [isEarly, isRolledBack, client] = [Math.random() < 0.3, Math.random() < 0.2, pick(clients)];
    let isOver = false;
    await connection.query('BEGIN');
    const { rows: [{ xid }] } = await connection.query('SELECT pg_current_xact_id()::text AS xid');
    await connection.query(statement);
    const early = isEarly ? ask(client, xid).then((frame) => [frame, isOver]) : null;
    await pause(Math.random() * 60);
    isOver = true; // from here on it may be
    await connection.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
    const answers = [...(early ? [await early] : []), [await ask(client, xid), true]];
    for (const [frame, wasOver] of answers) {
        assert.equal(frame.action, 'txid', frame.text);
        assert.equal(frame.payload, xid);
        assert.equal(wasOver, true, 'it was answered before it was over');
        assert.equal(told(client, xid, frame), isRolledBack ? 0 : frames, act);
    }
    counts[isRolledBack ? 'rolled back' : act] = (counts[isRolledBack ? 'rolled back' : act] ?? 0) + 1;
}

test('it comes for every transaction, and never before what it did', async () => {
    const clients = await Promise.all([...Array(5)].map(() => world.member('seen')));
    const future = ask(clients[0], '4000000000', 20 * SECOND);
    const end = Date.now() + CHAOS_MS;
    const counts = {};
    const writers = [...Array(WRITERS)].map(async () => {
        const connection = await postgres.connect();
        while (Date.now() < end) {
            await write(connection, clients, counts);
        }
        await connection.end();
    });
    let nKilled = 0;
    while (Date.now() < end) {
        await pause(300 + Math.random() * 600);
        nKilled += await postgres.terminate(LEADER);
    }
    await Promise.all(writers);
    const answer = await future;
    assert.deepEqual([answer.action, answer.payload.code], ['error', 'unavailable']);
    assert.ok(nKilled >= 3, `${nKilled} kills`);
    assert.ok(Object.keys(counts).length === 5 && Object.values(counts).reduce((a, b) => a + b) > 50, JSON.stringify(counts));
    console.log(`# ${JSON.stringify(counts)}, ${nKilled} kills`);
});

test('a join that is under way comes first', async () => {
    const client = await world.member('seen');
    for (let i = 0; i < 20; i++) {
        const xid = await postgres.value(`WITH w AS (INSERT INTO t_seen VALUES (${++ids}, 0)) SELECT pg_current_xact_id()::text`);
        const answer = ask(client, xid);
        client.send('join', 'seen', { history: true });
        const frame = await answer;
        const before = client.frames.slice(0, client.frames.indexOf(frame));
        assert.ok(before.some((f) => f.options?.txid === xid || (f.payload?.history ?? []).some((h) => h.options.txid === xid)), frame.text);
    }
});

test('a session waits for sixteen at once; the text must be a number', async () => {
    const client = await world.client();
    const waiting = [...Array(16)].map(() => ask(client, '4000000000', 20 * SECOND));
    assert.equal((await ask(client, '4000000000')).payload.code, 'rate_limited');
    assert.equal((await ask(client, 'x')).payload.code, 'bad_json');
    await client.close();
    await Promise.allSettled(waiting);
    await until('a new one to be answered', async () => (await ask(await world.client(), '3')).action === 'txid');
});
