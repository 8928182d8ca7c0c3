// SPDX-License-Identifier: PostgreSQL
// Every limit as a client meets it and as /metrics counts it; and that a flood costs neither memory nor other people's
// time.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { World, OPEN, DURABLE } from './lib/world.js';
import { pgherald } from './lib/server.js';
import { refusal } from './lib/client.js';
import { metric, metrics, waitMetric } from './lib/metrics.js';
import { secretFlags, user } from './lib/token.js';
import { until, SECOND } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({ rules: { 'room/*': DURABLE, 'fleeting/*': OPEN }, server: false });
});
after(() => world?.stop());

// A server with these settings, and its clients, for one test.
async function withServer(env, act, flags = []) {
    await world.serve({ env, flags });
    try {
        await act(world.server);
    } finally {
        await world.server.stop();
    }
}

const limit = (server, name) => metric(server, `limits_total{limit="${name}"}`);

test('messages of a session: told, then closed; another one does not notice', async () => {
    await withServer({ PGHERALD_SESSION_MESSAGES: '1', PGHERALD_SESSION_MESSAGES_BURST: '10' }, async (server) => {
        const other = await world.member('fleeting/a');
        const flooder = await world.member('fleeting/a');
        for (let i = 0; i < 9; i++) {
            flooder.message('fleeting/a', i);
        }
        await other.waitFor({ payload: 8 });
        flooder.message('fleeting/a', 'too much');
        assert.equal(await flooder.error('fleeting/a'), 'rate_limited');
        assert.equal(flooder.closed, null);
        for (let i = 0; i < 30; i++) {
            flooder.message('fleeting/a', 'too much');
        }
        assert.equal((await flooder.closes()).code, 1008);
        other.message('fleeting/a', 'me');
        await other.waitFor({ payload: 'me' });
        assert.equal(other.on('fleeting/a', 'message').filter((f) => f.payload === 'too much').length, 0);
        assert.ok(await limit(server, 'session_messages') >= 21);
    });
});

test('joins and bytes of a session', async () => {
    await withServer({ PGHERALD_SESSION_JOINS: '3', PGHERALD_SESSION_BYTES: '1KiB' }, async (server) => {
        const client = await world.client();
        for (let i = 0; i < 3; i++) {
            await client.join(`fleeting/${i}`);
        }
        client.send('join', 'fleeting/3');
        assert.equal(await client.error('fleeting/3'), 'rate_limited');
        client.message('fleeting/0', 'x'.repeat(2000));
        await client.waitFor({ action: 'message' });
        client.message('fleeting/0', 'y'.repeat(3000));
        assert.equal(await client.error('fleeting/0'), 'rate_limited');
        client.message('fleeting/0', 'short');
        await client.waitFor({ payload: 'short' });
        assert.equal(await limit(server, 'session_joins'), 1);
        assert.equal(await limit(server, 'session_bytes'), 1);
    });
});

test('sessions and handshakes of an address, with and without a proxy', async () => {
    await withServer({ PGHERALD_TRUSTED_PROXIES: '127.0.0.9', PGHERALD_ADDRESS_SESSIONS: '2', PGHERALD_ADDRESS_HANDSHAKES: '0' }, async (server) => {
        const canonical = world.canonical;
        const from = (localAddress, headers) => ({ canonical, localAddress, headers });
        const first = await world.client(from('127.0.0.2'));
        await world.client(from('127.0.0.2'));
        assert.equal(await refusal(server, from('127.0.0.2')), 429);
        assert.equal(await refusal(server, from('127.0.0.2', { 'X-Forwarded-For': '203.0.113.1' })), 429, 'not a proxy that is trusted');
        await world.client(from('127.0.0.3'));
        for (let i = 0; i < 2; i++) {
            await world.client(from('127.0.0.9', { 'X-Forwarded-For': '198.51.100.1, 203.0.113.1' }));
        }
        assert.equal(await refusal(server, from('127.0.0.9', { 'X-Forwarded-For': '198.51.100.2, 203.0.113.1' })), 429);
        assert.equal(await refusal(server, from('127.0.0.9', { 'X-Forwarded-For': '203.0.113.1', Forwarded: 'for=203.0.113.2' })), 429,
            'the proxy writes one header; the other is the client\'s own');
        await first.close();
        await until('the place to be free', () => world.client(from('127.0.0.2')));
        assert.ok(await limit(server, 'address_sessions') >= 4);
    });
    await withServer({ PGHERALD_TRUSTED_PROXIES: '', PGHERALD_ADDRESS_HANDSHAKES: '1', PGHERALD_ADDRESS_HANDSHAKES_BURST: '3' }, async (server) => {
        const options = { canonical: world.canonical, localAddress: '127.0.0.2' };
        for (let i = 0; i < 3; i++) {
            await (await world.client(options)).close();
        }
        assert.equal(await refusal(server, options), 429);
        await (await world.client({ ...options, localAddress: '127.0.0.3' })).close();
        assert.ok(await metric(server, 'handshakes_refused_total{reason="address_rate"}') >= 1);
        await until('the bucket to be refilled', () => world.client(options));
    });
});

test('sessions of a user', async () => {
    await withServer({ PGHERALD_USER_SESSIONS: '2' }, async (server) => {
        const token = user(12, 34);
        // Who has joined was counted; of two that have just come the later one may be counted first.
        const first = await world.member('fleeting/u', {}, { token });
        await world.member('fleeting/u', {}, { token });
        const third = await world.client({ token });
        assert.equal(await third.error(), 'rate_limited');
        assert.equal((await third.closes()).code, 1008);
        await world.member('fleeting/u', {}, { token: user(12, 35) });
        await first.close();
        const fourth = await world.client({ token });
        await fourth.join('fleeting/u');
        assert.equal(await limit(server, 'user_sessions'), 1);
    }, secretFlags());
});

test('members, messages and number of channels', async () => {
    const env = { PGHERALD_CHANNEL_MEMBERS: '2', PGHERALD_CHANNEL_MESSAGES: '2', PGHERALD_OPEN_CHANNELS: '2' };
    await withServer(env, async (server) => {
        const [a, b, c] = [await world.member('fleeting/a'), await world.member('fleeting/a'), await world.client()];
        c.send('join', 'fleeting/a');
        assert.equal(await c.error('fleeting/a'), 'channel_full');
        for (let i = 0; i < 10; i++) {
            (i % 2 ? a : b).message('fleeting/a', i);
        }
        assert.equal(await a.error('fleeting/a'), 'rate_limited');
        await c.join('fleeting/b');
        c.send('join', 'fleeting/c');
        assert.equal(await c.error('fleeting/c'), 'unavailable');
        assert.equal(await limit(server, 'channel_members'), 1);
        assert.ok(await limit(server, 'channel_messages') >= 1);
        assert.equal(await limit(server, 'channels'), 1);
    });
});

test('origins', async () => {
    await withServer({ PGHERALD_ORIGINS: 'https://app.example.com https://*.example.org' }, async (server) => {
        const canonical = world.canonical;
        await world.client();
        await world.client({ headers: { Origin: 'https://app.example.com' } });
        await world.client({ headers: { Origin: 'https://a.b.example.org' } });
        for (const Origin of ['https://example.com', 'http://app.example.com', 'null', 'https://example.org']) {
            assert.equal(await refusal(server, { canonical, headers: { Origin } }), 403);
        }
        assert.equal(await metric(server, 'handshakes_refused_total{reason="origin"}'), 4);
    });
    await withServer({ PGHERALD_ORIGINS: '*' }, async () => {
        await world.client({ headers: { Origin: 'https://any.example' } });
    });
    for (const [list, sentence] of [['example.com', /"example\.com" matches no page: write the scheme too/], ['https://b\u00fccher.example', /xn--/]]) {
        const result = await pgherald(['serve', '--listen', '127.0.0.1:0', '--origins', list]);
        assert.equal(result.code, 78);
        assert.match(result.stderr, sentence);
    }
});

test('a reader that stays behind for a while', async () => {
    await withServer({ PGHERALD_OUTQUEUE_SOFT_BYTES: '64KiB', PGHERALD_OUTQUEUE_SOFT_TIME: '1s' }, async (server) => {
        const slow = await world.member('fleeting/slow');
        const talker = await world.member('fleeting/slow');
        slow.socket.pause();
        const text = 'x'.repeat(50000);
        for (let i = 0; i < 120; i++) {
            talker.message('fleeting/slow', text);
            await talker.waitFor({ action: 'message' });
        }
        await waitMetric(server, 'limits_total{limit="outqueue_soft"}', (n) => n === 1);
        slow.socket.resume();
        assert.equal((await slow.closes()).code, 1013);
        assert.equal(talker.closed, null);
    });
});

test('a list of proxies that cannot be read', async () => {
    const answer = await pgherald(['serve', '--trusted-proxies', '10.0.0.0/8, proxy.example.com']);
    assert.equal(answer.code, 78);
    assert.match(answer.stderr, /"proxy\.example\.com" is no address/);
});

// ---- out of descriptors ----

function cpuMs(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10; // utime and stime, in ticks of 10 ms
}

test('out of file descriptors: sessions go on, nothing spins, and it passes', async () => {
    await withServer({ PGHERALD_MAX_SESSIONS: '500' }, async (server) => {
        const { pid } = server.process;
        const talker = await world.member('fleeting/fd');
        const n = Number(execFileSync('ls', [`/proc/${pid}/fd`]).toString().split('\n').length);
        execFileSync('prlimit', ['--pid', String(pid), `--nofile=${n + 10}`]);
        const sockets = Array.from({ length: 60 }, () => connect(server.port, '127.0.0.1').on('error', () => {}));
        await server.process.says(/cannot accept connections for now/);
        const before = cpuMs(pid);
        const start = performance.now();
        for (let i = 0; i < 20; i++) { // two seconds in which it talks
            talker.message('fleeting/fd', i);
            await talker.waitFor({ payload: i });
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        const share = (cpuMs(pid) - before) / (performance.now() - start);
        assert.ok(share < 0.5, `it used ${share} of a core`);
        sockets.forEach((socket) => socket.destroy());
        // Until the backlog, now of dead connections, is worked off, any request may be turned away with 503 as well: each
        // of these asks again then.
        await waitMetric(server, 'sockets', (open) => open < 5);
        await waitMetric(server, 'accept_failures_total{reason="descriptors"}', (n) => n > 0);
        await until('the backlog to be worked off', () => world.client());
    });
});

// ---- floods ----

const rssMiB = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

const crowd = (n, channel) => Promise.all(Array.from({ length: n }, () => world.member(channel)));

// All together send so many messages, as fast as the sockets take them; resolves when they have left.
async function flood(clients, channel, text, n) {
    let left = n;
    await Promise.all(clients.map(async (client) => {
        client.onFrame = () => (client.frames.length = 0);
        while (left > 0) {
            assert.equal(client.closed, null);
            if (client.socket.bufferedAmount > 4 * text.length) {
                await new Promise((resolve) => setTimeout(resolve, 5));
            } else {
                left--;
                client.message(channel, text);
                await null;
            }
        }
        await until('all to have left', () => client.socket.bufferedAmount === 0, 60 * SECOND);
    }));
}

test('a flood into a database that stands still: bounded, and said', async (t) => {
    const env = {
        PGHERALD_APPEND_MAX_BYTES: '8MiB', PGHERALD_TRANSIT_BYTES: '4MiB', PGHERALD_HELD_BYTES: '4MiB',
        ASAN_OPTIONS: 'quarantine_size_mb=4', // what is freed shall be free
    };
    await withServer(env, async (server) => {
        const { pid } = server.process;
        const bystander = await world.member('fleeting/bystander');
        const clients = await crowd(50, 'room/flood');
        const backends = await world.postgres.query("SELECT pid FROM pg_stat_activity WHERE usename = 'herald_server'");
        const before = rssMiB(pid);
        backends.forEach((row) => process.kill(row.pid, 'SIGSTOP'));
        try {
            await flood(clients, 'room/flood', 'x'.repeat(8000), 4000);
            const grown = rssMiB(pid) - before;
            t.diagnostic(`4000 messages of 8 kB to a database that stands still: ${(rssMiB(pid) - before).toFixed(0)} MiB more`);
            const kept = await metrics(server);
            for (const [name, most] of [['appends_waiting_bytes', 8], ['held_bytes', 4], ['intake_bytes', 5], ['frames_bytes', 8], ['partial_bytes', 4]]) {
                assert.ok(kept.get(name) <= most * 1024 * 1024, `${name} is ${kept.get(name)}`);
            }
            bystander.message('fleeting/bystander', 'alive');
            await bystander.waitFor({ payload: 'alive' });
            assert.ok(await limit(server, 'append_bytes') > 0);
        } finally {
            backends.forEach((row) => process.kill(row.pid, 'SIGCONT'));
        }
        await waitMetric(server, 'appends_waiting', (n) => n === 0, 30 * SECOND);
        clients.forEach((client) => client.socket.terminate());
        await waitMetric(server, 'sessions', (n) => n === 1, 30 * SECOND);
    });
});

test('a flood that workers cannot keep up with: they read less, and nothing is lost', async (t) => {
    const env = { PGHERALD_TRANSIT_BYTES: '32KiB', PGHERALD_OUTQUEUE_BYTES: '64MiB', PGHERALD_OUTQUEUE_SOFT_BYTES: '0' };
    await withServer(env, async (server) => {
        const { pid } = server.process;
        const clients = await crowd(50, 'fleeting/flood');
        const before = rssMiB(pid);
        const delivered = await metric(server, 'deliveries_total');
        await flood(clients, 'fleeting/flood', 'x'.repeat(8000), 1000);
        t.diagnostic(`1000 messages of 8 kB, each to 50 members: ${(rssMiB(pid) - before).toFixed(0)} MiB more`);
        assert.ok(await metric(server, 'reading_pauses_total') > 0);
        await waitMetric(server, 'deliveries_total', (n) => n === delivered + 50 * 1000, 60 * SECOND);
        clients.forEach((client) => client.socket.terminate());
        await waitMetric(server, 'sessions', (n) => n === 0, 30 * SECOND);
        await waitMetric(server, 'orders_waiting', (n) => n === 0, 30 * SECOND);
        await waitMetric(server, 'intake_bytes', (n) => n === 0, 30 * SECOND);
    });
});
