// SPDX-License-Identifier: PostgreSQL
// Three servers on one database, which all serve: what is kept has one order on all of them, whichever stored it, and whichever leads
// or dies or stands still; NATS is a favour.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DURABLE, READ_ONLY } from './lib/world.js';
import { Several } from './lib/several.js';
import { metric, waitMetric } from './lib/metrics.js';
import { until, SECOND } from './lib/wait.js';

let several;
let world;
let nats;
let nodes;

const know = () => several.know();

before(async () => {
    several = await Several.start(3, {
        rules: { 'room/*': DURABLE, rows: READ_ONLY },
        sql: `CREATE TABLE n_rows (id int PRIMARY KEY, n int);
              INSERT INTO n_rows SELECT i, 0 FROM generate_series(1, 100) i;
              SELECT herald.watch('n_rows', channel => 'rows', snapshot => true)`,
    });
    ({ world, nats, nodes } = several);
});
after(() => several?.stop());

const member = (node, channel, payload) => world.member(channel, payload, { server: node });
const texts = (client, channel) => client.on(channel).filter((f) => ['event', 'message'].includes(f.action)).map((f) => f.text);
const role = async (node) => JSON.parse((await node.get('/ready')).body).role;

async function leading() {
    return until('one to lead', async () => {
        const roles = await Promise.all(nodes.map((node) => role(node).catch(() => null)));
        return roles.filter((r) => r === 'leader').length === 1 && nodes[roles.indexOf('leader')];
    });
}

// The node that takes over, and how long a change took that was made right after `what`.
async function takeover(channel, what) {
    const old = await leading();
    const others = nodes.filter((node) => node !== old);
    const clients = await Promise.all(others.map((node) => member(node, channel)));
    await what(old);
    const begin = Date.now();
    await world.publish(channel, 'after');
    await Promise.all(clients.map((client) => client.waitFor({ action: 'event', payload: { data: 'after' } })));
    assert.deepEqual(clients.map((client) => client.closed), clients.map(() => null), 'their sessions notice nothing');
    return { old, others, clients, ms: Date.now() - begin };
}

test('one order of changes and messages on all, with receipts from followers', async () => {
    const clients = [];
    for (const node of nodes) {
        clients.push(await member(node, 'room/order'));
    }
    for (let i = 0; i < 60; i++) {
        clients[i % 3].send('message', 'room/order', i, { ref: `r${i}` });
        if (i % 5 === 0) {
            await world.publish('room/order', { i });
        }
    }
    await Promise.all(clients.map((client) => until('all of it', () => texts(client, 'room/order').length === 72)));
    assert.deepEqual(texts(clients[1], 'room/order'), texts(clients[0], 'room/order'));
    assert.deepEqual(texts(clients[2], 'room/order'), texts(clients[0], 'room/order'));
    for (const client of clients) {
        const receipts = client.frames.filter((f) => f.action === 'receipt');
        assert.equal(receipts.length, 20);
        assert.ok(receipts.every((f) => f.payload.offset > 0 && f.payload.epoch === client.joined.payload.epoch));
    }
    assert.equal(await world.postgres.value("SELECT max(channel_offset)::int FROM herald.log WHERE channel = 'room/order'"), 72);
    const heard = await Promise.all(nodes.map((node) => metric(node, 'log_rows_heard_total')));
    assert.ok(heard.every((n) => n > 20), `by the bus: ${heard}`);
});

test('who comes back to another node goes on where he was', async () => {
    const client = await member(nodes[0], 'room/resume');
    client.message('room/resume', 1);
    await client.waitFor({ action: 'message' });
    const { epoch } = client.joined.payload;
    await world.publish('room/resume', 2);
    await client.waitFor({ action: 'event' });
    for (const node of nodes) {
        const back = await member(node, 'room/resume', { since: { epoch, offset: 1 } });
        assert.equal(back.joined.payload.resumed, true);
        assert.equal((await back.waitFor({ action: 'event' })).payload.data, 2);
    }
});

test('snapshots and transactions are exact on every node', async () => {
    const writing = (async () => {
        for (let i = 1; i <= 100; i++) {
            await world.postgres.query(`UPDATE n_rows SET n = n + 1 WHERE id = ${i}`);
        }
    })();
    const check = async (node) => {
        const client = await world.client({ server: node });
        const rows = new Map();
        client.send('join', 'rows', { snapshot: true });
        for (let last = false; !last;) {
            const { payload } = await client.waitFor({ action: 'snapshot' });
            payload.rows.forEach((row) => rows.set(row.id, row.n));
            ({ last } = payload);
        }
        await writing;
        const xid = await world.postgres.value('WITH x AS (UPDATE n_rows SET n = 7 WHERE id = 1 RETURNING 1) SELECT pg_current_xact_id()::text FROM x');
        client.raw(JSON.stringify({ action: 'txid', options: { ref: 'x' }, payload: xid }));
        const answer = await client.waitFor((f) => f.options?.ref === 'x');
        const events = client.on('rows', 'event');
        assert.ok(client.frames.indexOf(answer) > client.frames.indexOf(events.at(-1)));
        for (const { payload } of events) {
            const row = payload.data.new;
            assert.notEqual(rows.get(row.id), row.n, `row ${row.id} was told twice`);
            rows.set(row.id, row.n);
        }
        assert.equal(rows.size, 100);
        assert.deepEqual([...rows].filter(([id, n]) => n !== (id === 1 ? 7 : 1)), [], 'no change is missing');
    };
    await Promise.all([check(nodes[1]), writing]);
    await world.postgres.query('UPDATE n_rows SET n = 1');
    await check(nodes[2]);
});

test('rules reach all nodes', async () => {
    const clients = await Promise.all(nodes.map((node) => world.client({ server: node })));
    await world.rule('late/*', READ_ONLY);
    await Promise.all(clients.map((client) => until('the rule', async () => {
        client.send('join', 'late/1');
        return (await client.waitFor({ options: { channel: 'late/1' } })).action === 'join';
    })));
});

// Postgres wakes every session that LISTENs, for each of them that rings: with a node more each writer's COMMIT would cost more.
test('what rings wakes who leads, and no other', async () => {
    const session = await world.postgres.connect();
    const { rows } = await session.query(`SELECT m.pid, EXISTS (SELECT FROM pg_locks l WHERE l.pid = m.pid AND l.classid = 1751478881 AND l.objid = 2) AS leads
        FROM pg_locks m WHERE m.locktype = 'advisory' AND m.classid = 1751478882`);
    const wakes = () => rows.map(({ pid }) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^voluntary_ctxt_switches:\s*(\d+)/m)[1]));
    const before = wakes();
    for (let i = 0; i < 200; i++) {
        await session.query('NOTIFY herald');
    }
    const woken = wakes().map((n, i) => n - before[i]);
    await session.end();
    assert.deepEqual(rows.map(({ leads }) => leads).sort(), [false, false, true]);
    const leader = woken[rows.findIndex(({ leads }) => leads)];
    assert.ok(woken.every((n, i) => rows[i].leads || n < leader / 3), `${woken}, of which the leader ${leader}`);
});

test('without NATS what is kept goes on', async () => {
    const clients = await Promise.all(nodes.map((node) => member(node, 'room/cut')));
    await nats.down();
    for (let i = 0; i < 30; i++) {
        clients[i % 3].message('room/cut', i);
    }
    await world.publish('room/cut', 'end');
    await Promise.all(clients.map((client) => until('all of it', () => texts(client, 'room/cut').length === 31, 5 * SECOND)));
    assert.deepEqual(texts(clients[1], 'room/cut'), texts(clients[0], 'room/cut'));
    await nats.up();
    await know();
});

test('a leader that is killed is followed at once', async () => {
    const { old, others, ms } = await takeover('room/killed', (node) => node.kill());
    assert.ok(ms < 2 * SECOND, `${ms} ms`);
    nodes = several.nodes = others;
    await leading();
    nodes.push(await old.again());
    await know();
});

test('a leader that stands still is followed within three seconds, and believes nothing old when it wakes', async () => {
    const { old, ms, clients } = await takeover('room/still', (node) => node.process.signal('SIGSTOP'));
    assert.ok(ms < 4 * SECOND, `${ms} ms`);
    old.process.signal('SIGCONT');
    await old.waitReady();
    assert.equal(await until('it to follow', async () => (await role(old)) === 'follower' && 'follower'), 'follower');
    const back = await member(old, 'room/still', { since: { epoch: clients[0].joined.payload.epoch, offset: 0 } });
    assert.equal((await back.waitFor({ action: 'event' })).payload.data, 'after');
    back.message('room/still', 'again');
    await Promise.all([back, ...clients].map((client) => client.waitFor({ action: 'message', payload: 'again' })));
    await know();
});

test('a leader that is asked to stop hands over while it drains', async () => {
    const { old, others, ms } = await takeover('room/stopped', async (node) => node.process.signal('SIGTERM'));
    assert.ok(ms < 2 * SECOND, `${ms} ms`);
    await old.stop();
    nodes = several.nodes = others;
    nodes.push(await old.again());
    await know();
});
