// SPDX-License-Identifier: PostgreSQL
// Cuts: Postgres goes and comes back, connections die at the worst moment, servers stop, are killed, or are two.
import { test, before, after, beforeEach } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { World, OPEN, DURABLE, READ_ONLY } from './lib/world.js';
import { Client } from './lib/client.js';
import { Server } from './lib/server.js';
import { Proxy } from './lib/proxy.js';
import { noDump } from './lib/postgres.js';
import { freePort } from './lib/process.js';
import { Raw, upgrade } from './lib/raw.js';
import { until, SECOND } from './lib/wait.js';

let world;
let proxy;
before(async () => {
    world = await World.start({
        server: false,
        rules: { 'room/*': DURABLE, 'fleeting/*': OPEN, 'news/*': READ_ONLY },
    });
    proxy = await Proxy.start(world.postgres.port);
});
after(async () => {
    await world?.stop();
    await proxy?.stop();
});

// Every test has a server of its own, that reaches Postgres through the proxy.
const url = () => world.postgres.url({ user: 'herald_server', port: proxy.port });
beforeEach(async () => {
    if (world.server?.process.exit === null) {
        await world.server.stop();
    }
    proxy.onRequest = null;
    proxy.isRefusing = false;
    await world.serve({ database: url(), env: { PGHERALD_QUERY_TIMEOUT: '3s' } });
});

const logged = (channel, payload) => world.postgres.value(
    'SELECT count(*)::int FROM herald.log WHERE channel = $1 AND payload::text = $2', [channel, payload]);

test('Postgres stops and comes back: said, survived, caught up', async () => {
    const client = await world.member('news/stop');
    const talker = await world.member('fleeting/stop');
    await world.publish('news/stop', 1);
    await client.waitFor({ action: 'event' });
    await world.postgres.down('fast');

    const down = await world.server.waitReady(503);
    assert.ok(down.body.length > 10, `a reason, not "${down.body}"`);
    assert.equal((await world.server.get('/health')).status, 200);
    talker.message('fleeting/stop', 'what needs no database goes on');
    await talker.waitFor({ action: 'message' });
    client.send('join', 'room/stop', { history: true });

    await world.postgres.up();
    await world.publish('news/stop', 2); // most likely before the server is back
    await client.waitFor({ action: 'join', options: { channel: 'room/stop' } }, 20 * SECOND);
    await client.waitFor({ action: 'event', payload: { data: 2 } }, 20 * SECOND);
    await world.server.waitReady(200);
    assert.deepEqual(client.on('news/stop', 'event').map((f) => f.options.id), [1, 2]);
    client.message('room/stop', 'durable again');
    await client.waitFor({ action: 'message' });
    assert.equal(client.closed, null);
});

test('Postgres crashes: the same epoch, and nothing is missing', async () => {
    const client = await world.member('news/crash');
    await world.publish('news/crash', 1);
    await client.waitFor({ action: 'event' });
    await world.postgres.down('immediate');
    await world.server.waitReady(503);
    await world.postgres.up();
    await world.publish('news/crash', 2);
    await client.waitFor({ action: 'event', payload: { data: 2 } }, 20 * SECOND);
    const late = await world.client();
    const { epoch } = client.joined.payload;
    const ack = await late.join('news/crash', { since: { epoch, offset: 0 } });
    assert.deepEqual(ack.payload, { epoch, offset: 2, resumed: true, gap: false });
    await late.waitFor({ action: 'event', payload: { data: 2 } });
    assert.deepEqual(late.on('news/crash', 'event').map((f) => f.options.id), [1, 2]);
});

test('a server that starts before Postgres waits for it', async () => {
    await world.server.stop();
    await world.postgres.down('fast');
    const port = await freePort();
    world.server = await Server.start({ database: url(), listen: `127.0.0.1:${port}`, ready: false });
    world.server.port = port;
    await until('/health', async () => (await world.server.get('/health')).status === 200);
    const answer = await world.server.get('/ready');
    assert.equal(answer.status, 503);
    assert.ok(answer.body.length > 10);
    await until('the operator to learn why', async () => (await world.server.get('/ready')).body.includes(`port ${proxy.port} failed`));
    const stranger = await world.server.get('/ready', { token: null });
    assert.equal(stranger.status, 503);
    assert.equal(stranger.body, '{"status":"unavailable","reason":"the server is not ready; its log says why"}');
    const raw = await Raw.connect(world.server.port);
    raw.write(upgrade(world.canonical));
    const text = await raw.next('the whole answer', () => (raw.isEnded ? raw.bytes.toString() : undefined));
    assert.match(text ?? raw.bytes.toString(), /^HTTP\/1\.1 503 [^]*\r\n\r\nthe server is not ready\n$/);
    raw.destroy();
    assert.equal(world.server.process.stdout, '');
    await world.postgres.up();
    await world.server.ready();
    assert.equal((await world.server.get('/ready')).status, 200);
    await (await world.member('room/early')).close();
});

test('all sessions of the server are terminated: nothing missing, nothing twice', async () => {
    const client = await world.member('room/terminated');
    for (let n = 0; n < 5; n++) {
        assert.ok(await world.postgres.terminate() > 0);
        client.message('room/terminated', n);
        await world.publish('room/terminated', n);
        await client.waitFor({ action: 'message', payload: n }, 20 * SECOND);
        await client.waitFor({ action: 'event', payload: { data: n } }, 20 * SECOND);
    }
    assert.deepEqual(client.on('room/terminated').slice(1).map((f) => f.options.id), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

// The three ways in which a COMMIT can be in doubt. The marker is in the payload, so the proxy sees the very request that
// carries the message, whatever it is called.
for (const [name, strike] of [
    ['before the request arrives', async (link) => proxy.cut(link)],
    ['between COMMIT and its answer', async (link, marker) => {
        await until('the commit', () => logged('room/doubt', marker));
        proxy.cut(link);
    }],
    ['while the transaction still runs', async (link, marker, { blocker }) => {
        await until('the transaction to hang', () => world.postgres.value(
            `SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'herald_server' AND wait_event_type = 'Lock'`));
        proxy.cutClient(link); // Postgres does not notice: the transaction goes on when it can
        await world.server.waitReady(503);
        await blocker.query('COMMIT');
        await until('the orphan to commit', () => logged('room/doubt', marker));
    }],
]) {
    test(`the connection dies ${name}: the message is neither lost nor doubled`, async () => {
        const client = await world.member('room/doubt');
        const before = client.joined.payload.offset;
        client.message('room/doubt', 'settled');
        await client.waitFor({ action: 'message' });
        const text = `in doubt ${name}`;
        const blocker = await world.postgres.connect();
        if (name.startsWith('while')) {
            await blocker.query('BEGIN; LOCK TABLE herald.log IN SHARE MODE');
        }
        const struck = new Promise((resolve, reject) => {
            proxy.onRequest = (link, chunk) => {
                if (!chunk.includes(text)) {
                    return true;
                }
                proxy.onRequest = null;
                link.isMuted = true;
                strike(link, JSON.stringify(text), { blocker }).then(resolve, reject);
                return name.startsWith('before') ? false : true;
            };
        });
        client.message('room/doubt', text);
        await struck;
        await client.waitFor({ action: 'message', payload: text }, 20 * SECOND);
        client.message('room/doubt', 'after');
        await client.waitFor({ action: 'message', payload: 'after' }, 20 * SECOND);
        assert.deepEqual(client.on('room/doubt', 'message').map((f) => [f.payload, f.options.id]),
            [['settled', before + 1], [text, before + 2], ['after', before + 3]]);
        assert.equal(await logged('room/doubt', JSON.stringify(text)), 1);
        await blocker.end();
    });
}

test('a dead network is noticed by the deadline, and healed', async () => {
    const client = await world.member('room/stall');
    proxy.stall();
    client.message('room/stall', 'into the void');
    await world.server.waitReady(503, 20 * SECOND);
    proxy.cut();
    await client.waitFor({ action: 'message', payload: 'into the void' }, 30 * SECOND);
    client.message('room/stall', 'after');
    await client.waitFor({ action: 'message', payload: 'after' });
    assert.deepEqual(client.on('room/stall', 'message').map((f) => f.options.id), [1, 2]);
});

test('a killed server: clients resume at the next one', async () => {
    const client = await world.member('room/killed');
    client.message('room/killed', 1);
    await client.waitFor({ action: 'message' });
    await world.server.kill();
    assert.equal((await client.closes()).code, 1006);
    await world.publish('room/killed', 2); // while nobody serves: writers do not care
    world.server = await world.server.again();
    const back = await world.client();
    const { epoch } = client.joined.payload;
    const ack = await back.join('room/killed', { since: { epoch, offset: 1 } });
    assert.deepEqual([ack.payload.epoch, ack.payload.resumed, ack.payload.gap], [epoch, true, false]);
    const frame = await back.waitFor({ action: 'event' }); // replayed, or live if the server had not read it yet
    assert.deepEqual([frame.payload.data, frame.options.id], [2, 2]);
});

test('SIGTERM: everybody gets 1012, and what was answered is stored', async () => {
    const clients = await Promise.all([...Array(10)].map(() => world.member('room/term')));
    for (let i = 0; i < 200; i++) {
        clients[i % 10].message('room/term', i);
    }
    await clients[0].waitFor({ action: 'message' });
    await world.server.stop();
    const closes = await Promise.all(clients.map((c) => c.closes()));
    assert.deepEqual(closes.map((c) => c.code), Array(10).fill(1012));
    const stored = await world.postgres.query(
        `SELECT channel_offset::int, payload::text FROM herald.log WHERE channel = 'room/term' ORDER BY channel_offset`);
    for (const client of clients) {
        client.on('room/term', 'message').forEach((f, i) => {
            assert.equal(f.options.id, i + 1);
            assert.equal(stored[i].payload, String(f.payload));
        });
    }
    assert.equal(new Set(stored.map((r) => r.payload)).size, stored.length);
});

test('a second server waits its turn, says so, and takes over', async () => {
    const port = await freePort();
    const second = await Server.start({ database: url(), listen: `127.0.0.1:${port}`, ready: false });
    second.port = port;
    try {
        await until('/ready of the second', async () => (await second.get('/ready')).status === 503);
        const client = await world.member('room/second');
        client.message('room/second', 1);
        await client.waitFor({ action: 'message' });
        assert.equal(second.process.stdout, '');
        await world.server.kill();
        await second.ready(20 * SECOND);
        const other = new Client(second, { canonical: world.canonical });
        await other.opened;
        const ack = await other.join('room/second', { since: { epoch: client.joined.payload.epoch, offset: 0 } });
        assert.deepEqual([ack.payload.offset, ack.payload.resumed], [1, true]);
        await other.close();
    } finally {
        await second.stop();
    }
});

test('a restored dump has another epoch: a plain gap, never wrong offsets', { skip: noDump }, async () => {
    const client = await world.member('room/dump');
    client.message('room/dump', 1);
    await client.waitFor({ action: 'message' });
    const { epoch } = client.joined.payload;
    const file = join(world.postgres.directory, 'dump');
    await world.postgres.tool('pg_dump', '-Fc', '-f', file, 'postgres');
    await world.postgres.tool('createdb', 'restored');
    await world.postgres.tool('pg_restore', '-d', 'restored', file);
    await world.server.stop();
    await world.serve({ database: world.postgres.url({ user: 'herald_server', database: 'restored' }) });
    const back = await world.client();
    const ack = await back.join('room/dump', { since: { epoch, offset: 1 } });
    assert.deepEqual([ack.payload.resumed, ack.payload.gap, ack.payload.offset], [false, true, 1]);
    assert.notEqual(ack.payload.epoch, epoch);
    back.message('room/dump', 2);
    assert.equal((await back.waitFor({ action: 'message' })).options.id, 2);
});
