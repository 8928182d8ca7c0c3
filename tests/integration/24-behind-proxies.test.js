// SPDX-License-Identifier: PostgreSQL
// Who a client is behind a proxy: only what the trusted proxy wrote counts, and one that names nobody has limits of its own.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, OPEN } from './lib/world.js';
import { Process, freePort, temporaryDirectory, unprivileged } from './lib/process.js';
import { until } from './lib/wait.js';
import { refusal } from './lib/client.js';
import { Raw, upgrade } from './lib/raw.js';
import { metric } from './lib/metrics.js';

let world;
before(async () => {
    world = await World.start({ rules: { 'fleeting/*': OPEN }, server: false });
});
after(() => world?.stop());

// A server with these settings, for one test.
async function withServer(env, act, flags = []) {
    await world.serve({ env, flags });
    try {
        await act(world.server);
    } finally {
        await world.server.stop();
    }
}

const through = (headers) => ({ canonical: world.canonical, localAddress: '127.0.0.9', headers });
const FIELDS = { 'x-forwarded-for': 'X-Forwarded-For', forwarded: 'Forwarded', 'x-real-ip': 'X-Real-IP' };
const written = (header, address) => ({ [FIELDS[header]]: header === 'forwarded' ? `for=${address}` : address });

for (const header of Object.keys(FIELDS)) {
    test(`a client is who ${FIELDS[header]} says, whatever it writes into the other headers`, async () => {
        await withServer({ PGHERALD_TRUSTED_PROXIES: '127.0.0.9', PGHERALD_PROXY_HEADER: header, PGHERALD_ADDRESS_SESSIONS: '1' }, async (server) => {
            await world.client(through(written(header, '203.0.113.1')));
            for (const other of Object.keys(FIELDS).filter((name) => name !== header)) {
                const forged = { ...written(other, '203.0.113.2'), ...written(header, '203.0.113.1') };
                assert.equal(await refusal(server, through(forged)), 429, other);
            }
            await world.client(through(written(header, '203.0.113.2'))); // nobody was locked out by that
        });
    });
}

test('a trusted proxy that names no client has limits of its own, and is named once', async () => {
    const env = { PGHERALD_TRUSTED_PROXIES: '127.0.0.0/8', PGHERALD_ADDRESS_SESSIONS: '1', PGHERALD_PROXY_SESSIONS: '3', PGHERALD_PROXY_HANDSHAKES: '1000' };
    await withServer(env, async (server) => {
        for (let i = 0; i < 3; i++) {
            await world.client(through({}));
        }
        assert.equal(await refusal(server, through({})), 429);
        assert.equal(await refusal(server, through({ 'X-Forwarded-For': 'unknown' })), 429);
        await world.client(through({ 'X-Forwarded-For': '203.0.113.1' }));
        assert.equal(await metric(server, 'limits_total{limit="proxy_sessions"}'), 2);
        const named = server.process.stderr.match(/127\.0\.0\.9 is one of trusted-proxies and names no client \(proxy-header: X-Forwarded-For\)/g);
        assert.equal(named?.length, 1);
    });
});

// HAProxy passes Host on, and adds nothing that it was not told to.
test('doctor names a proxy that names no client, and one that is not trusted; mended by what it says', async () => {
    const causes = async () => (await world.postgres.query('SELECT cause, finding, remedy FROM herald.doctor()')).filter(({ cause }) => cause.startsWith('proxy_'));
    const become = (what, ...names) => until(what, async () => {
        const found = await causes();
        return JSON.stringify(found.map(({ cause }) => cause)) === JSON.stringify(names) && found;
    });
    const directory = temporaryDirectory('silent', unprivileged);
    const behind = async (options, act) => {
        const port = await freePort();
        const file = join(directory, 'haproxy.cfg');
        writeFileSync(file, `defaults\n mode http\n timeout connect 2s\n timeout client 9s\n timeout server 9s\n
listen here\n bind 127.0.0.1:${port}\n server one ${world.server.address}:${world.server.port} source 127.0.0.9\n ${options}\n`);
        const proxy = new Process('/usr/sbin/haproxy', ['-db', '-f', file], { owner: unprivileged, cwd: directory });
        await until('the proxy', async () => (await fetch(`http://127.0.0.1:${port}/health`).catch(() => null))?.ok);
        await act(() => world.client({ server: { socketUrl: () => `ws://127.0.0.1:${port}/rt/${world.canonical}` }, headers: { Host: 'shop.example' } }));
        proxy.signal('SIGTERM');
        await proxy.end();
    };
    const file = join(directory, 'pgherald.conf');
    writeFileSync(file, '');
    await world.serve({ flags: ['-c', file] });
    const { server } = world;
    await world.client();
    await world.client(through({ 'X-Forwarded-For': '203.0.113.1' }));
    await behind('', async (come) => {
        await come();
        const [silent] = await become('a silent proxy', 'proxy_silent');
        assert.match(silent.finding, /^the proxy 127\.0\.0\.9 names no client to the server .*: it sends no X-Forwarded-For$/);
        assert.match(silent.remedy, /HAProxy: option forwardfor/);
        writeFileSync(file, 'trusted-proxies = "10.0.0.0/8"\n');
        server.process.signal('SIGHUP');
        await become('nothing: it counts as what it is');
    });
    await behind('option forwardfor', async (come) => {
        await come();
        const [untrusted] = await become('an untrusted proxy', 'proxy_untrusted');
        assert.match(untrusted.remedy, /add 127\.0\.0\.9 to trusted-proxies$/);
        writeFileSync(file, 'trusted-proxies = "127.0.0.9"\n');
        server.process.signal('SIGHUP');
        await become('nothing, once it is trusted');
    });
    await server.stop();
});

test('handshakes through such a proxy', async () => {
    await withServer({ PGHERALD_PROXY_HANDSHAKES: '2' }, async (server) => {
        const answers = await Promise.all([...Array(20)].map(async () => {
            const raw = await Raw.connect(server.port);
            raw.write(upgrade(world.canonical));
            const { status } = await raw.head();
            raw.destroy();
            return status;
        }));
        assert.ok(answers.includes(101));
        assert.ok(answers.includes(429));
    });
});

test('proxy-header none: no header is believed', async () => {
    await withServer({ PGHERALD_PROXY_HEADER: 'none', PGHERALD_PROXY_SESSIONS: '1' }, async (server) => {
        await world.client(through({ 'X-Forwarded-For': '203.0.113.1' }));
        assert.equal(await refusal(server, through({ 'X-Forwarded-For': '203.0.113.2', Forwarded: 'for=203.0.113.2', 'X-Real-IP': '203.0.113.2' })), 429);
    });
});

test('what must be single and stands there twice: 400', async () => {
    await withServer({}, async (server) => {
        for (const [name, ...values] of [
            ['Host', 'a'], ['Origin', 'https://a.example', 'https://b.example'], ['Authorization', 'Bearer a', 'Bearer b'],
            ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='], ['Sec-WebSocket-Version', '13'], ['Content-Length', '0', '0'],
        ]) {
            const raw = await Raw.connect(server.port);
            raw.write(upgrade(world.canonical, { fields: values.map((value) => `${name}: ${value}\r\n`).join('') }));
            assert.equal((await raw.head()).status, 400, name);
            raw.destroy();
        }
    });
});

test('who is refused is in the log: one line for each reason, with who asked and how many more', async () => {
    const env = { PGHERALD_TRUSTED_PROXIES: '127.0.0.9', PGHERALD_ORIGINS: 'https://shop.example' };
    await world.serve({ env });
    const { server } = world;
    const ask = async (options) => {
        const raw = await Raw.connect(server.port);
        raw.write(typeof options === 'string' ? options : upgrade(world.canonical, options));
        const { status } = await raw.head();
        raw.destroy();
        return status;
    };
    assert.equal(await refusal(server, { ...through({ 'X-Forwarded-For': '203.0.113.7', Origin: 'https://evil.example' }), canonical: 'wrongcanonical' }), 404);
    for (let i = 0; i < 5; i++) {
        assert.equal(await refusal(server, { canonical: world.canonical, headers: { Origin: 'https://evil.example' } }), 403);
    }
    assert.equal(await ask(`GET /rt/${world.canonical} HTTP/1.1\r\nHost: a\r\n\r\n`), 426);
    assert.equal(await ask({ line: 'GET /elsewhere HTTP/1.1' }), 404);
    assert.equal(await ask({ without: ['Sec-WebSocket-Version'] }), 426);
    assert.equal((await server.get('/metrics', { token: null })).status, 401);
    await server.stop();
    const lines = server.process.stderr.split('\n').filter((line) => line.includes('refused: '));
    const about = (text) => lines.filter((line) => line.includes(text));
    assert.equal(lines.length, 7, lines.join('\n'));
    assert.match(about('no such canonical (404)')[0], /, from 203\.0\.113\.7 through 127\.0\.0\.9, canonical "wrongc\.\.\.", origin "https:\/\/evil\.example"$/);
    assert.equal(about('that the option origins does not name (403)').length, 2);
    assert.match(about('(403)')[0], /from 127\.0\.0\.1, canonical ".{6}\.\.\.", origin "https:\/\/evil\.example"$/);
    assert.match(about('(403)')[1], /; and 3 more like it within a minute$/);
    assert.equal(about('Upgrade and Connection').length, 1);
    assert.equal(about('elsewhere than at /rt/').length, 1);
    assert.equal(about('not understood: ').length, 1);
    assert.equal(about('wrong token for metrics, or none').length, 1);
});
