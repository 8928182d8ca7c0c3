// SPDX-License-Identifier: PostgreSQL
// Behind PgBouncer in transaction mode neither notifications nor session locks work: the server says so, looks for changes instead, and
// leaves nothing behind in the pooler's sessions that would keep the next one from serving. In session mode everything works, and the
// server finds out. In statement mode it cannot serve, and says why.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, DURABLE } from './lib/world.js';
import { Server } from './lib/server.js';
import { freePort } from './lib/process.js';
import { until, SECOND } from './lib/wait.js';
import { Pooler } from './lib/pooler.js';

let world;
let pooler;
before(async () => {
    world = await World.start({ server: false, rules: { 'room/*': DURABLE } });
    pooler = await Pooler.start(world.postgres.port);
});
after(async () => {
    await world?.stop();
    await pooler?.down();
});

const url = (by = pooler) => world.postgres.url({ user: 'herald_server', port: by.port });

const locks = () => world.postgres.value(`
    SELECT count(*)::int FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'herald_server' AND l.locktype = 'advisory'`);

// A message, a publish and a resume, all through the pooler.
async function serves(channel) {
    const client = await world.member(channel);
    client.message(channel, 'said');
    await client.waitFor({ action: 'message', payload: 'said' });
    await world.publish(channel, 'published');
    await client.waitFor({ action: 'event', payload: { data: 'published' } });
    const { epoch, offset } = client.joined.payload;
    const back = await world.client();
    assert.equal((await back.join(channel, { since: { epoch, offset } })).payload.resumed, true);
    await back.waitFor({ action: 'event', payload: { data: 'published' } });
    client.socket.terminate();
    back.socket.terminate();
}

test('it is said, and everything is served', async () => {
    await world.serve({ database: url() });
    await serves('room/pooled');
    assert.match(world.server.process.stderr, /a connection pooler stands between/);
    await world.server.stop();
});

test("rules' functions are called through it, and what that means is said", async () => {
    await world.postgres.query(`CREATE FUNCTION public.ask(channel text, identity json, action text) RETURNS boolean LANGUAGE sql
        SECURITY DEFINER AS 'SELECT channel = $$asked/1$$'`);
    await world.rule('asked/*', { anonymous_clients: true, authorize: 'public.ask' });
    await world.serve({ database: url() });
    await world.member('asked/1');
    const client = await world.client();
    client.send('join', 'asked/2');
    assert.equal(await client.error('asked/2'), 'join_refused');
    await world.server.process.says(/the connections for rules' functions go through a pooler.*--hook-url/);
    await world.server.stop();
});

test('changes are found by looking, within milliseconds', async (t) => {
    await world.serve({ database: url(), env: { PGHERALD_LOOK: '10s' } });
    const client = await world.member('room/looked');
    let longest = 0;
    for (let n = 0; n < 10; n++) {
        const start = performance.now();
        await world.publish('room/looked', n);
        await client.waitFor({ payload: { data: n } });
        longest = Math.max(longest, performance.now() - start);
    }
    t.diagnostic(`the longest took ${longest.toFixed(1)} ms`);
    assert.ok(longest < 2 * SECOND);
    await world.server.stop();
});

// PgBouncer gives its sessions out last in, first out: whoever needs a lock in the other one never gets it.
test('a server that was killed is replaced at once, again and again', async () => {
    for (let n = 0; n < 6; n++) {
        await world.serve({ database: url() });
        await serves(`room/replaced-${n}`);
        await world.server.kill();
        assert.equal(await locks(), 0);
    }
});

test('while a server leads through a connection of its own, one behind the pooler waits', async () => {
    await world.serve();
    const port = await freePort();
    const second = await Server.start({ database: url(), listen: `127.0.0.1:${port}`, ready: false });
    second.port = port;
    try {
        await until('/ready to say why not', async () => (await second.get('/ready')).body.includes('another pgherald'));
        await serves('room/led');
        await world.server.stop();
        await second.ready(10 * SECOND);
    } finally {
        await second.stop();
    }
});

test('in statement mode there are no transactions: it is not ready, and says why', async () => {
    const statements = await Pooler.start(world.postgres.port, 'statement');
    const port = await freePort();
    const server = await Server.start({ database: url(statements), listen: `127.0.0.1:${port}`, ready: false });
    server.port = port;
    try {
        await server.process.says(/not ready: transaction blocks not allowed in statement pooling mode/);
        assert.equal((await server.get('/ready')).status, 503);
    } finally {
        await server.stop();
        await statements.down();
    }
});

test('nobody listens in a shared session when the server has found out', async () => {
    await world.serve({ database: url() });
    const shared = await world.postgres.connect({ user: 'herald_server', port: pooler.port });
    const { rows } = await shared.query('SELECT pg_listening_channels() AS channel');
    assert.deepEqual(rows, []);
    await shared.end();
    await world.server.stop();
});

test('in session mode it sleeps, is rung, and has its locks, like a server without a pooler', async (t) => {
    const sessions = await Pooler.start(world.postgres.port, 'session');
    t.after(() => sessions.down());
    await world.serve({ database: url(sessions), env: { PGHERALD_LOOK: '10s' } });
    await serves('room/sessions');
    assert.doesNotMatch(world.server.process.stderr, / warn +a connection pooler/);
    const client = await world.member('room/rung');
    for (let n = 0; n < 3; n++) {
        await until('the server to sleep', () => world.postgres.value('SELECT is_asleep FROM herald.status'));
        await world.publish('room/rung', n);
        await client.waitFor({ payload: { data: n } }, 5 * SECOND); // the next look would be in ten seconds
    }

    // A second one is noticed, and takes over from one that was killed: the lock does not outlive it in the pool.
    const port = await freePort();
    const second = await Server.start({ database: url(sessions), listen: `127.0.0.1:${port}`, ready: false });
    second.port = port;
    await second.process.says(/another pgherald serves this database/);
    await world.server.kill();
    await second.ready(20 * SECOND);
    world.server = second;
    await serves('room/second');
    await second.stop();
});

test('a pooler that has no session to spare for a proof: as if there were none to keep', async (t) => {
    const narrow = await Pooler.start(world.postgres.port, 'session', 'default_pool_size = 1');
    t.after(() => narrow.down());
    const server = await Server.start({ database: url(narrow), listen: `127.0.0.1:${await freePort()}`, ready: false });
    await server.process.says(/warn +a connection pooler stands between/);
    await server.stop();
});
