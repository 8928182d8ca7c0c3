// SPDX-License-Identifier: PostgreSQL
// `pgherald dev`: a private Postgres, the examples, and a clean end, whatever happens on the way.
import { test, after, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync, mkdirSync, readdirSync, rmSync, copyFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { once } from 'node:events';
import pg from 'pg';
import { Server, binary, pgherald } from './lib/server.js';
import { Client } from './lib/client.js';
import { temporaryDirectory, unprivileged } from './lib/process.js';
import { until, SECOND } from './lib/wait.js';

const base = temporaryDirectory('dev');
chmodSync(base, 0o755); // Postgres, as another user, must be able to get to its directory
after(() => rmSync(base, { recursive: true, force: true }));
let n = 0;
const fresh = () => join(base, `data-${n++}`);
const started = [];
const START = 120 * SECOND; // initdb, on a machine that has other things to do
// One that has been made already, because initdb takes longest: the first test leaves it, stopped.
let made;
function ready() {
    const directory = fresh();
    execFileSync('cp', ['-a', made, directory]);
    return directory;
}
async function dev(directory, options = {}) {
    const server = await Server.start({ command: 'dev', flags: ['--data-dir', directory], ...options, ready: false });
    started.push(server);
    return options.ready === false ? server : server.ready(START);
}
afterEach(async () => {
    for (const server of started.splice(0)) {
        server.process.signal('SIGTERM');
        await server.process.end();
    }
});

// The postmasters whose data directory lies under this one.
function postmasters(directory) {
    return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => {
        try {
            const [program, ...words] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
            return /postgres$/.test(program) && words[words.indexOf('-D') + 1].startsWith(directory);
        } catch {
            return false;
        }
    });
}

// As the psql line that dev prints.
async function psql(server) {
    const url = new URL(server.database.replace('@/', '@localhost/'));
    const client = new pg.Client({
        host: url.searchParams.get('host'), port: Number(url.searchParams.get('port')), user: 'postgres', database: url.pathname.slice(1),
    });
    await client.connect();
    return client;
}

function assertOneSentence(stderr) {
    assert.ok(stderr.trim().length > 20, `a sentence, not "${stderr}"`);
    assert.doesNotMatch(stderr, /Sanitizer|Assertion|core dumped/);
}

test('a first start, a second start with the same data, and nothing left running', async () => {
    const directory = fresh();
    let server = await dev(directory);
    assert.match(server.process.stderr, /psql/, 'says what to type');
    assert.match(server.process.stderr, /http:\/\//, 'says what to open');
    assert.equal((await server.get('/')).status, 200);
    assert.equal((await server.get('/ready')).status, 200);
    const database = await psql(server);
    await database.query('CREATE TABLE kept (n int)');
    await database.query('INSERT INTO kept VALUES (42)');
    const { rows: rules } = await database.query('SELECT * FROM herald.rules');
    assert.ok(rules.length > 0, 'the examples have rules');
    await database.end();
    const { canonical } = server;
    await server.stop('SIGINT');
    assert.deepEqual(postmasters(directory), []);

    server = await dev(directory);
    assert.equal(server.canonical, canonical, 'pages that are open find their way back');
    const again = await psql(server);
    assert.equal((await again.query('SELECT n FROM kept')).rows[0].n, 42);
    await again.end();
    await server.stop('SIGTERM');
    assert.deepEqual(postmasters(directory), []);
    made = directory;
});

test('on all addresses, those that a browser opens are printed', async () => {
    const server = await dev(ready(), { listen: '0.0.0.0:0' });
    await server.process.says(/^Ctrl-C stops/m);
    const printed = [...server.process.stderr.matchAll(/^ {4}(http:.+\/)(?: {3}\(from other machines\))?$/gm)].map(([, url]) => url);
    assert.ok(printed.includes(`http://127.0.0.1:${server.port}/`));
    const addresses = Object.values(networkInterfaces()).flat().filter(({ family, internal }) => family === 'IPv4' && !internal);
    for (const { address } of addresses) assert.ok(printed.includes(`http://${address}:${server.port}/`), address);
    for (const url of printed) assert.equal((await fetch(url)).status, 200, url);
    await server.stop();
});

test('a port that nobody has named and somebody has: the next free one, and it is said', async () => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(join(directory, 'thesis.txt'), ''); // so that it ends before a cluster is made
    const blocker = createServer().listen(8080, '127.0.0.1');
    await once(blocker, 'listening').catch(() => {}); // then somebody else has it
    const result = await pgherald(['dev', '--data-dir', directory]);
    blocker.close();
    assert.match(result.stderr, /^127\.0\.0\.1:8080 is in use by another program: taking 127\.0\.0\.1:(808[1-9]|809\d|8100) \(--listen chooses\)\.$/m);
    assert.equal(result.code, 78);
});

test('the chat of the examples works', async () => {
    const server = await dev(ready());
    const database = await psql(server);
    const { rows } = await database.query(`SELECT channel FROM herald.rules WHERE public_messaging AND message_history > 0 ORDER BY 1`);
    assert.ok(rows.length > 0, 'there is a rule for a chat with history');
    await database.end();
    const channel = rows[0].channel.replace('*', 'test');
    const { token } = JSON.parse((await server.get('/examples/token?name=Groot')).body);
    const client = await Client.open(server, { token });
    await client.join(channel);
    client.message(channel, 'hello');
    const message = await client.waitFor({ action: 'message' });
    assert.deepEqual([message.payload, message.client.extras, message.client.permissions.dbo_id], ['hello', { name: 'Groot' }, 1]);
    for (const query of ['', '?name=', `?name=${'x'.repeat(61)}`, '?name=%ff']) {
        assert.equal((await server.get(`/examples/token${query}`)).status, 400);
    }
    const closed = client.closes();
    await server.stop();
    assert.equal((await closed).code, 1012);
});

test('a signal at any moment of the start ends both, cleanly, and the start can be repeated', async () => {
    const probe = await dev(ready());
    const lines = probe.process.stderr.split('\n').length;
    await probe.stop();
    assert.ok(lines > 2, 'the start says what it does');
    // Each start goes on where the one before was ended: in initdb, in the schema, at its end.
    const directory = fresh();
    for (const [i, signal] of [[1, 'SIGTERM'], [2, 'SIGINT'], [4, 'SIGTERM'], [lines - 3, 'SIGINT']]) {
        const server = await dev(directory, { ready: false });
        await until(`line ${i} of the start`, () => server.process.stderr.split('\n').length > i || server.process.exit, 40 * SECOND);
        await server.stop(signal);
        assert.deepEqual(postmasters(directory), [], `after ${signal} at line ${i}`);
    }
    await (await dev(directory)).stop();
    assert.deepEqual(postmasters(directory), []);
});

test('killed, it leaves nothing that a second start could not deal with', async () => {
    const directory = ready();
    const first = await dev(directory);
    await first.kill();
    const second = await dev(directory);
    assert.equal((await second.get('/ready')).status, 200);
    await second.stop();
    await until('no Postgres to be left', () => postmasters(directory).length === 0);
});

test('a second dev on the same data says so', async () => {
    const directory = ready();
    const first = await dev(directory);
    const second = await pgherald(['dev', '--listen', '127.0.0.1:0', '--data-dir', directory]);
    assert.notEqual(second.code, 0);
    assertOneSentence(second.stderr);
    assert.equal((await first.get('/ready')).status, 200);
    await first.stop();
});

test('its Postgres dies: dev says so and ends with 1', async () => {
    const directory = ready();
    const server = await dev(directory);
    const [postmaster] = postmasters(directory);
    process.kill(Number(postmaster), 'SIGQUIT');
    const exit = await server.process.end(20 * SECOND);
    assert.deepEqual(exit, { code: 1, signal: null });
    assertOneSentence(server.process.stderr);
    server.sanitizers.assertEmpty(server.process.stderr);
});

test('a foreign data directory is left alone', async () => {
    for (const [name, prepare] of [
        ['other files', (d) => writeFileSync(join(d, 'thesis.txt'), 'years of work')],
        ['a cluster of somebody else', (d) => writeFileSync(join(d, 'PG_VERSION'), '15\n')],
        ['a cluster of another version', (d) => {
            mkdirSync(join(d, 'data'));
            writeFileSync(join(d, 'data/PG_VERSION'), '9.6\n');
        }],
    ]) {
        const directory = fresh();
        mkdirSync(directory);
        prepare(directory);
        const before = readdirSync(directory);
        const result = await pgherald(['dev', '--listen', '127.0.0.1:0', '--data-dir', directory]);
        assert.ok(result.code === 78 || result.code === 1, `${name}: exit code ${result.code}`);
        assertOneSentence(result.stderr);
        assert.deepEqual(readdirSync(directory), before, name);
        assert.equal(result.stdout, '');
    }
});

test('a port in use: exit code 75, before anything is made', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address();
    const directory = fresh();
    const result = await pgherald(['dev', '--listen', `127.0.0.1:${port}`, '--data-dir', directory], { deadlineMs: 60 * SECOND });
    blocker.close();
    assert.equal(result.code, 75);
    assert.match(result.stderr, new RegExp(String(port)));
    assert.deepEqual(postmasters(directory), []);
});

test('started by an ordinary user it runs Postgres as that user', async () => {
    const home = temporaryDirectory('home', unprivileged);
    const copy = join(home, 'pgherald'); // where that user can read it
    copyFileSync(binary, copy);
    chmodSync(copy, 0o755);
    const server = await Server.start({
        command: 'dev', flags: ['--data-dir', join(home, 'data')], owner: unprivileged, cwd: home,
        env: { HOME: home }, program: copy, ready: false,
    });
    started.push(server);
    await server.ready(START);
    await server.stop();
    assert.deepEqual(postmasters(home), []);
});
