// SPDX-License-Identifier: PostgreSQL
// SIGHUP: what may change while the server runs is in force at once, what may not is named, and a mistake changes nothing.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { World, OPEN, DURABLE, READ_ONLY } from './lib/world.js';
import { Server, pgherald } from './lib/server.js';
import { refusal } from './lib/client.js';
import { metric, waitMetric } from './lib/metrics.js';
import { mint, secretFlags } from './lib/token.js';
import { freePort, temporaryDirectory } from './lib/process.js';
import { until, within } from './lib/wait.js';

const directory = temporaryDirectory('reload');
const file = join(directory, 'pgherald.conf');
const write = (options) => writeFileSync(file, Object.entries(options).map(([name, value]) => `${name} = "${value}"\n`).join(''));
// What the tests' server is told by its environment, which a file cannot change.
const UNSAID = Object.fromEntries(
    ['SESSION_MESSAGES', 'SESSION_JOINS', 'SESSION_BYTES', 'USER_SESSIONS', 'CHANNEL_MESSAGES', 'PROXY_HANDSHAKES', 'LOG_LEVEL', 'DRAIN', 'METRICS_TOKEN_FILE']
        .map((name) => [`PGHERALD_${name}`, undefined]));

let world, tokenFile, start;
before(async () => {
    chmodSync(directory, 0o755);
    world = await World.start({
        server: false,
        rules: { 'open/*': OPEN, 'kept/*': DURABLE, 'told/*': READ_ONLY },
        sql: `CREATE FUNCTION public.slow(channel text, identity json, action text) RETURNS boolean
            LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT pg_sleep(0.4) IS NOT NULL'`,
    });
    tokenFile = (await import('./lib/server.js')).tokenFile;
    start = { 'metrics-token-file': tokenFile, 'authorize-cache': '0' };
    write(start);
    await world.serve({ flags: ['-c', file], env: UNSAID });
});
after(() => world?.stop());

// What the log says of it.
async function reload(options, last = /the keys for tokens [^\n]*\n/) {
    const { process } = world.server;
    const from = process.stderr.length;
    write(options);
    process.signal('SIGHUP');
    await process.says(last, { from });
    return process.stderr.slice(from);
}

async function withOptions(options, act) {
    const said = await reload({ ...start, ...options });
    for (const name of Object.keys(options)) {
        assert.match(said, new RegExp(`the options have changed: [^\\n]*\\b${name} `), 'it is said to be taken');
    }
    await act();
    await reload(start);
}

// The log is told first, a worker takes it at its next turn.
const refused = (status, options = {}) => until(`a refusal with ${status}`, async () =>
    (await refusal(world.server, { canonical: world.canonical, ...options }).catch(() => 0)) === status);

// Each acts with sessions that were there before the change, where it is about sessions.
const EFFECTS = [
    [{ 'session-messages': '1', 'session-messages-burst': '2' }, async (old) => {
        for (let i = 0; i < 6; i++) {
            old.message('open/a', i);
        }
        assert.equal(await old.error('open/a'), 'rate_limited');
    }],
    [{ 'session-joins': '1' }, async (old) => {
        old.send('join', 'open/b');
        old.send('join', 'open/c');
        assert.equal(await old.error('open/c'), 'rate_limited');
    }],
    [{ 'session-bytes': '1KiB' }, async (old) => {
        old.message('open/a', 'x'.repeat(5000));
        old.message('open/a', 'x'.repeat(5000));
        assert.equal(await old.error('open/a'), 'rate_limited');
    }],
    [{ 'max-frame-bytes': '1KiB' }, async (old) => {
        old.message('open/a', 'x'.repeat(2000));
        assert.equal((await old.closes()).code, 1009);
    }],
    [{ 'max-channels': '1' }, async (old) => {
        old.send('join', 'open/b');
        assert.ok(await old.error('open/b'));
    }],
    [{ 'max-sessions': '1' }, async () => refused(503)],
    [{ 'proxy-sessions': '1' }, async () => refused(429)],
    [{ 'trusted-proxies': '10.0.0.0/8', 'address-sessions': '1' }, async () => {
        await world.client({ localAddress: '127.0.0.7' });
        await refused(429, { localAddress: '127.0.0.7' });
    }],
    [{ 'proxy-handshakes': '1' }, async () => refused(429)],
    [{ 'proxy-header': 'x-real-ip', 'address-sessions': '1' }, async () => {
        const headers = { 'X-Real-IP': '203.0.113.1' };
        await world.client({ headers });
        await refused(429, { headers });
    }],
    [{ origins: 'https://good.example' }, async () => refused(403, { headers: { Origin: 'https://bad.example' } })],
    [{ 'channel-members': '1' }, async () => {
        const late = await world.client();
        late.send('join', 'open/a');
        assert.equal(await late.error('open/a'), 'channel_full');
    }],
    [{ 'open-channels': '1' }, async (old) => {
        old.send('join', 'open/z');
        assert.equal(await old.error('open/z'), 'unavailable');
    }],
    [{ 'channel-messages': '1' }, async (old) => {
        for (let i = 0; i < 6; i++) {
            old.message('open/a', i);
        }
        assert.equal(await old.error('open/a'), 'rate_limited');
    }],
    [{ 'ping-interval': '100ms' }, async (old) => within('a ping', once(old.socket, 'ping'))],
    [{ 'handshake-timeout': '100ms' }, async () => {
        const socket = connect(world.server.port, '127.0.0.1');
        socket.on('error', () => {}).resume();
        await within('the end of who says nothing', once(socket, 'close'));
    }],
    [{ 'hook-timeout': '100ms' }, async (old) => {
        old.send('join', 'asked/1');
        assert.equal(await old.error('asked/1'), 'hook_failed');
    }],
    [{ 'batch-rows': '1' }, async () => {
        const before = await metric(world.server, 'sequencer_batches_total');
        await world.postgres.query(`SELECT herald.publish('told/1', to_jsonb(n)) FROM generate_series(1, 6) n`);
        await waitMetric(world.server, 'sequencer_batches_total', (n) => n >= before + 6);
    }],
    [{ 'recent-rows': '0' }, async () => waitMetric(world.server, 'memory_rows', (n) => n === 0)],
    [{ 'log-level': 'debug', 'log-format': 'json' }, async (old) => {
        old.message('open/a', 'x'.repeat(70000));
        await world.server.process.says(/\n\{"at":"[^"]*","level":"debug","message":"session [^\n]* closes: 1009/);
    }],
];

test('what may change is in force at once, for open sessions too', async () => {
    await world.rule('asked/*', { authorize: 'public.slow', anonymous_clients: true });
    await world.publish('told/1', 'a row in memory');
    const asked = await world.client();
    await until('the rule to be in force', async () => (await asked.join('asked/0', {}, 1500).catch(() => null))?.action === 'join');
    for (const [options, act] of EFFECTS) {
        const old = await world.member('open/a');
        try {
            await withOptions(options, async () => {
                await old.barrier(); // an answer of the hub comes behind what it has ordered before
                await act(old);
            });
        } catch (error) {
            error.message = `${JSON.stringify(options)}: ${error.message}`;
            throw error;
        }
        await old.close().catch(() => {});
    }
});

test('keys for tokens, what is asked of them, and who may see the metrics', async () => {
    const [, secret] = secretFlags();
    const token = mint({ dbo_id: 3, row_id: 4 });
    const query = { canonical: `${world.canonical}?access_token=${token}` };
    const who = async (options) => (await world.member('open/a', {}, options)).joined.client.permissions.row_id;
    assert.equal(await who({ token }), 0);
    await withOptions({ 'token-secret-file': secret, 'token-in-query': 'yes' }, async () => {
        assert.equal(await who({ token }), 4);
        assert.equal(await who(query), 4);
        await reload({ ...start, 'token-secret-file': secret, 'token-issuer': 'us', 'invalid-token': 'reject' });
        await refused(401, { token });
    });
    // What a broken file of keys leaves as it was is said, beside the options that were read; and when it is mended.
    const broken = join(directory, 'broken');
    writeFileSync(broken, 'short');
    const said = await reload({ ...start, 'token-secret-file': broken, 'token-issuer': 'us' });
    assert.match(said, /error +the keys for tokens stay as they were, and what token-… options ask of a token: [^\n]*broken[^\n]*; mend it, and send SIGHUP again\n/);
    writeFileSync(broken, 'x'.repeat(32));
    assert.match(await reload({ ...start, 'token-secret-file': broken, 'token-issuer': 'us' }), /info +the keys for tokens are reloaded: 1 are in force\n/);
    await reload(start);
    const other = join(directory, 'other');
    writeFileSync(other, 'another-token-of-operators\n');
    await withOptions({ 'metrics-token-file': other }, async () => {
        const status = async (options) => (await world.server.get('/metrics', options)).status;
        await until('the other token', async () => (await status({ token: 'another-token-of-operators' })) === 200 && (await status()) === 401);
    });
});

test('a mistake changes nothing, and is named', async () => {
    const stays = async (options, what) => {
        const before = await metric(world.server, 'config_reloads_total{result="failed"}');
        const said = await reload({ ...start, ...options });
        assert.match(said, what);
        assert.doesNotMatch(said, /the options have changed/);
        await waitMetric(world.server, 'config_reloads_total{result="failed"}', (n) => n === before + 1);
    };
    await stays({ 'session-messages': 'many' }, /error +the options stay as they were: .*pgherald\.conf:\d+: session-messages: "many" is not a number\n/);
    await stays({ 'no-such-option': '1' }, /error +the options stay as they were: .*no-such-option/);
    await stays({ origins: 'example.com', 'max-sessions': '1' }, /error +the options stay as they were: --origins: "example.com" matches no page/);
    await stays({ 'trusted-proxies': 'nonsense' }, /error +the options stay as they were: --trusted-proxies/);
    await stays({ 'metrics-token-file': '/nowhere/token', drain: '7s' }, /error +the options stay as they were: .*\/nowhere\/token.*/);
    await world.member('open/a');
    await world.member('open/a');
    const done = await metric(world.server, 'config_reloads_total{result="done"}');
    assert.doesNotMatch(await reload(start), / (warn|error) /);
    await waitMetric(world.server, 'config_reloads_total{result="done"}', (n) => n === done + 1);
});

// Another value of the same kind.
const OTHER = { 'log-level': 'warn', 'log-format': 'json', 'invalid-token': 'reject', 'proxy-header': 'none', 'token-secret-algorithm': 'HS384',
    origins: 'https://a.example', 'trusted-proxies': '10.0.0.0/8', listen: '127.0.0.1:1', 'tls-listen': '127.0.0.1:2', bus: 'nats://u:hidden@127.0.0.1:1', 'token-jwks-url': 'https://u:hidden@h/keys',
    'database-url': 'postgresql://u:hidden@h/d', 'hook-url': 'postgresql://u:hidden@h/d', 'judge-url': 'postgresql://u:hidden@h/d', workers: '7' };
const another = (name, value) => OTHER[name] ?? (value === 'no' ? 'yes' : value.replace(/^\d+/, (n) => Number(n) + 1)) + (/^(\d|no$)/.test(value) ? '' : 'x');
const UNREADABLE = /^(metrics-token-file|token-(secret|key|jwks)-file|(tls-)?proxy-protocol)$/; // files that must be, options that need others

test('every option is either taken over or said to need a restart', async () => {
    const { stdout } = await pgherald(['config', '--print', '-c', file]);
    const rows = [...stdout.matchAll(/^(?:# )?(\S+) = "(.*)" {2}# default(, live)?$/gm)].map(([, name, value, live]) => ({ name, value, live: !!live }))
        .filter(({ name }) => !UNREADABLE.test(name) && !/^(data-dir|pg-bindir|nodes|no-writer|(server|hook|judge)-password-file)$/.test(name));
    assert.ok(rows.filter(({ live }) => live).length > 50);
    const fixed = rows.filter(({ live }) => !live);
    assert.ok(fixed.length > 10);
    const said = await reload({ ...start, ...Object.fromEntries(fixed.map(({ name, value }) => [name, another(name, value)])) });
    for (const { name } of fixed.filter((row) => !/^(database-url|workers|listen)$/.test(row.name))) { // those are said by flag and environment
        assert.match(said, new RegExp(`warn +these options stay as they are until a restart: ([^\\n]*, )?${name} [^\\n]* → `));
    }
    assert.doesNotMatch(said, /hidden|the options have changed/);
    const live = rows.filter((row) => row.live && !/^log-/.test(row.name));
    for (const some of [live.slice(0, 25), live.slice(25)]) {
        const taken = await reload({ ...start, ...Object.fromEntries(some.map(({ name, value }) => [name, another(name, value)])) });
        for (const { name } of some) {
            assert.match(taken, new RegExp(`info +the options have changed: ([^\\n]*, )?${name} [^\\n]* → `));
        }
        assert.doesNotMatch(taken, /until a restart/);
    }
});

test('the time to stop', async () => {
    await reload({ ...start, drain: '0' });
    await world.member('told/1');
    const began = performance.now();
    await world.server.stop();
    assert.ok(performance.now() - began < 4000, 'the default is five seconds');
});

test('an address that opens is printed; more sessions than TLS has room for until a restart', async () => {
    const [key, certificate] = ['key', 'crt'].map((name) => join(directory, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost',
        '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const secure = { 'tls-listen': `127.0.0.1:${await freePort()}`, 'tls-cert-file': certificate, 'tls-key-file': key, 'max-sessions': '100' };
    write(secure);
    const server = await Server.start({ database: world.postgres.url({ user: 'herald_server' }), flags: ['-c', file], listen: '0.0.0.0:0' });
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal((await server.get('/health')).status, 200);
    write({ ...secure, 'max-sessions': '200' });
    server.process.signal('SIGHUP');
    await server.process.says(/warn +max-sessions has grown beyond what tls-listen can take until a restart: [^\n]* while 1380 files are open/);
    await server.stop();
});

test('behind proxies alone: what waits for a restart must fit what does not, and nobody waits behind who was given more time', async () => {
    const behind = { 'proxy-protocol': 'yes', 'trusted-proxies': '127.0.0.1' };
    write({ ...behind, 'handshake-timeout': '300s' });
    const server = await Server.start({ database: world.postgres.url({ user: 'herald_server' }), flags: ['-c', file], env: { PGHERALD_WORKERS: '1' } });
    const say = async (options, last) => {
        const from = server.process.stderr.length;
        write(options);
        server.process.signal('SIGHUP');
        await server.process.says(last, { from });
    };
    const come = (says) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.write(says));
        return socket.on('error', () => {}).resume();
    };
    const patient = come('PROXY');
    await within('the answer to who came behind', once(come('PROXY UNKNOWN\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n'), 'close'));
    await say({ ...behind, 'handshake-timeout': '100ms' }, /the options have changed: handshake-timeout /);
    await until('the end of who says too little', () => within('it', once(come('PROXY'), 'close'), 2000));
    assert.ok(!patient.closed);
    await say({ 'trusted-proxies': '' }, /error +the options stay as they were: until a restart --proxy-protocol needs --trusted-proxies/);
    patient.destroy();
    await server.stop();
});
