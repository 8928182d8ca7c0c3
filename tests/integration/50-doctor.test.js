// SPDX-License-Identifier: PostgreSQL
// pgherald doctor: silent where all is well, and of what is amiss the words, what mends it, and an exit code.
// (tests/sql/20_doctor.sql makes each cause that the database knows of.)
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { World, READ_ONLY } from './lib/world.js';
import { pgherald, tokenFile } from './lib/server.js';
import { temporaryDirectory } from './lib/process.js';
import { SECRET, mint as mintAny } from './lib/token.js';
import { until } from './lib/wait.js';

const top = fileURLToPath(new URL('../..', import.meta.url));
const read = (path) => readFileSync(join(top, path), 'utf8');
let world;
before(async () => {
    world = await World.start({
        rules: { 'orders/*': {}, 'news/*': READ_ONLY },
        sql: `CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL); CREATE TABLE quiet (id int PRIMARY KEY);
              SELECT herald.watch('orders', channel => 'orders/{customer}')`,
    });
});
after(() => world?.stop());

const doctor = (args = [], { database, ...env } = {}) =>
    pgherald(['doctor', ...args], { env: { PGHERALD_DATABASE_URL: database ?? world.postgres.url(), ...env } });
const causes = async (...options) => {
    const { code, stdout } = await doctor(...options);
    return [code, ...stdout.split('\n').filter((line) => /^\w/.test(line)).map((line) => line.replace(/ +/, ' '))];
};

test('a healthy database: not a line', async () => {
    for (const args of [[], ['orders'], ['public.orders'], ['orders/7'], ['news/1']]) {
        const { code, stdout, stderr } = await doctor(args);
        assert.deepEqual([code, stdout, stderr], [0, '', ''], `${args}`);
    }
    assert.equal((await doctor(['--json'])).stdout, '[]\n');
    assert.equal((await doctor([], { database: world.postgres.url({ user: 'herald_server' }) })).code, 0);
});

test('what is amiss: words, remedy, exit code 1; mended by what it says', async () => {
    assert.deepEqual(await causes(['quiet']), [1, 'error not_watched public.quiet']);
    assert.deepEqual(await causes(['room/1']), [1, 'error nothing_there room/1']);
    await world.postgres.query('ALTER TABLE orders DISABLE TRIGGER "!herald_row"');
    assert.equal((await doctor()).stdout, `error    trigger_disabled public.orders
         the trigger "!herald_row" of public.orders is disabled
      -> ALTER TABLE public.orders ENABLE TRIGGER "!herald_row"
`);
    const { code, stdout } = await doctor(['orders/9', '--json']);
    const [finding] = JSON.parse(stdout);
    assert.deepEqual([code, finding.severity, finding.cause, finding.about], [1, 'error', 'trigger_disabled', 'public.orders']);
    await world.postgres.query(finding.remedy);
    assert.deepEqual(await causes(), [0]);
    await world.postgres.query('CREATE TABLE loose (id int PRIMARY KEY, room int)');
    await world.postgres.query(`SELECT herald.watch('loose', channel => 'news/{room}')`);
    assert.deepEqual(await causes(), [0, 'note template_column_null public.loose'], 'a note is no failure');
    await world.postgres.query('DROP TABLE loose');
});

test('no connection, no schema, an old one, a newer one, bad usage', async () => {
    const failing = async (said, code, args, options) => {
        const result = await doctor(args, options);
        assert.deepEqual([result.code, said.test(result.stderr), result.stdout], [code, true, ''], result.stderr);
    };
    await failing(/cannot connect/, 78, [], { database: 'postgresql://nobody@127.0.0.1:1/none' });
    await world.postgres.query('CREATE ROLE stranger LOGIN');
    await failing(/permission denied for schema herald\. stranger lacks the role herald_admin: GRANT herald_admin TO stranger\n/, 1, [], { database: world.postgres.url({ user: 'stranger' }) });
    await world.postgres.query('CREATE DATABASE empty');
    await failing(/run pgherald install/, 78, [], { database: world.postgres.url({ database: 'empty' }) });
    await failing(/usage: pgherald doctor/, 64, ['one', 'two']);
    await failing(/--nonsense/, 64, ['--nonsense']);
    await world.postgres.query(`INSERT INTO herald.schema_step (step, name) SELECT herald.schema_version() + 1, 'new'`);
    assert.deepEqual(await causes(), [1, 'warning program_old']);
    await world.postgres.query(`DELETE FROM herald.schema_step WHERE name = 'new'`);
    const [newest] = await world.postgres.query('DELETE FROM herald.schema_step s WHERE s.step = herald.schema_version() RETURNING step, name, installed_at::text AS at');
    assert.deepEqual(await causes(), [1, 'error schema_old']);
    await world.postgres.query('INSERT INTO herald.schema_step (step, name, installed_at) VALUES ($1, $2, $3)', [newest.step, newest.name, newest.at]);
});

test('names are strangers\' texts: none moves the cursor', async () => {
    await world.postgres.query('CREATE TABLE "odd\u001b[31m" (id int PRIMARY KEY)');
    const { stdout } = await doctor(['"odd\u001b[31m"']);
    assert.match(stdout, /^error {4}not_watched .*odd\\x1b\[31m/);
    assert.doesNotMatch(stdout, /\u001b/);
    const { code, stderr } = await pgherald(['watch', 'odd\u001b[32m'], { env: { PGHERALD_DATABASE_URL: world.postgres.url() } });
    assert.equal(code, 1);
    assert.match(stderr, /^pgherald: relation "odd\\x1b\[32m" does not exist\. [ -~]*\n$/);
    await world.postgres.query('DROP TABLE "odd\u001b[31m"');
});

test('clocks that differ', async () => {
    const database = world.postgres.url({ database: 'ahead' });
    await world.postgres.query('CREATE DATABASE ahead');
    await pgherald(['install'], { env: { PGHERALD_DATABASE_URL: database } });
    const session = await world.postgres.connect({ database: 'ahead' });
    await session.query(`CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT now() + interval '1 hour'$$`);
    await session.end();
    assert.deepEqual(await causes([], { database }), [1, 'error sequencer_absent', 'warning clock_differs']);
});

test('the canary: from its commit to the log, and to no client', async () => {
    await world.rule('*', READ_ONLY);
    await world.settled();
    const { code, stdout } = await doctor(['--canary']);
    assert.equal(code, 0);
    assert.match(stdout, /^note {5}canary_landed\n +an event was in the log \d+ ms after its commit\n/);
    const client = await world.client();
    client.send('join', 'herald.canary');
    assert.equal((await client.waitFor({ options: { channel: 'herald.canary' } })).action, 'error');
    for (const sql of [`herald.set_rule('herald.canary')`, `herald.set_rule('herald.*')`, `herald.watch('quiet', channel => 'herald.{id}')`]) {
        await assert.rejects(world.postgres.query(`SELECT ${sql}`), /channels that begin with herald\. are ours/);
    }
    // And on to a session: for who has the operator's token, on a channel that is nobody else's.
    const env = { PGHERALD_METRICS_TOKEN_FILE: tokenFile, PGHERALD_LISTEN: `127.0.0.1:${world.server.port}` };
    const whole = await doctor(['--canary'], env);
    assert.match(whole.stdout, /^note {5}canary_landed\n +an event was in the log \d+ ms after its commit, and with a session after \d+ ms \(which took \d+ ms to connect and \d+ ms to join\)\n/);
    const operator = await world.client({ token: readFileSync(tokenFile, 'utf8').trim() });
    await operator.join('herald.canary');
    operator.message('herald.canary', 'sings');
    assert.equal((await operator.waitFor({ action: 'error' })).payload.code, 'send_refused');
    operator.send('join', 'herald.other');
    assert.equal((await operator.waitFor({ options: { channel: 'herald.other' } })).payload.code, 'no_channel');
    const other = join(temporaryDirectory('doctor'), 'token');
    writeFileSync(other, 'somebody-elses-token\n');
    const refused = await doctor(['--canary'], { ...env, PGHERALD_METRICS_TOKEN_FILE: other });
    assert.match(refused.stdout, /^error {4}canary_refused\n +no session on the canary's channel: (No such channel|The token was not accepted)[^]*canary_landed/);
    assert.match((await doctor(['--canary', '--url', 'ws://127.0.0.1:1/rt/x'], env)).stdout, /^error {4}canary_refused\n[^\n]*cannot connect/);
    for (const [args, options] of [[['--canary'], {}], [[], env]]) {
        const { code, stderr } = await doctor([...args, '--url', 'ws://127.0.0.1:1/rt/x'], options);
        assert.deepEqual([code, /that takes metrics-token-file/.test(stderr)], [64, true], 'a server that nobody asks is not well');
    }
    await world.postgres.query(`SELECT herald.drop_rule('*')`);
    const database = world.postgres.url({ database: 'ahead' });
    assert.deepEqual((await causes(['--canary'], { database })).at(-1), 'error canary_lost', 'without a server');
});

test('the canary: a session that is closed before it has come is said at once', async () => {
    const impostor = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: ([first]) => first });
    await once(impostor, 'listening');
    impostor.on('connection', (socket) => socket.on('message', () => {
        socket.send(JSON.stringify({ action: 'join', options: { channel: 'herald.canary' }, payload: {} }));
        socket.close(1013);
    }));
    const began = performance.now();
    const { stdout } = await doctor(['--canary', '--url', `ws://127.0.0.1:${impostor.address().port}/rt/x`], { PGHERALD_METRICS_TOKEN_FILE: tokenFile });
    assert.match(stdout, /^error {4}canary_undelivered\n +an event was in the log \d+ ms after its commit, but the session that waited for it was closed\n/);
    assert.ok(performance.now() - began < 4000, 'nobody waits for who is gone');
    impostor.close();
});

test('a pooler in between', async () => {
    // It answers with a process number of its own: a BackendKeyData of 12 bytes is a K in the first answer.
    const { port } = new URL(world.postgres.url());
    const server = createServer((client) => {
        const upstream = connect(port, '127.0.0.1');
        client.on('error', () => {}).pipe(upstream);
        upstream.on('error', () => {}).on('data', (chunk) => {
            const at = chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
            if (at >= 0) {
                chunk.writeInt32BE(1, at + 5);
            }
            client.write(chunk);
        });
        client.on('close', () => upstream.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(world.postgres.url());
    url.port = server.address().port;
    assert.deepEqual(await causes([], { database: url.href }), [1, 'warning pooler']);
    server.close();
});

test('certificate and keys of the configuration', async () => {
    const dir = temporaryDirectory('doctor');
    const file = (name) => join(dir, name);
    const make = (name, days) => execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', days,
        '-subj', '/CN=localhost', '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)], { stdio: 'ignore' });
    execFileSync('openssl', ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost', '-keyout', file('past.key'), '-out', file('request')], { stdio: 'ignore' });
    execFileSync('openssl', ['x509', '-req', '-in', file('request'), '-signkey', file('past.key'), '-days', '-1', '-out', file('past.crt')], { stdio: 'ignore' });
    make('good', '90');
    make('short', '10');
    const with_ = (cert, key) => causes([], { PGHERALD_TLS_CERT_FILE: file(`${cert}.crt`), PGHERALD_TLS_KEY_FILE: file(`${key}.key`) });
    assert.deepEqual(await with_('good', 'good'), [0]);
    assert.deepEqual(await with_('short', 'short'), [1, 'warning certificate_expiring']);
    assert.deepEqual(await with_('past', 'past'), [1, 'error certificate_expired']);
    assert.deepEqual(await with_('good', 'short'), [1, 'error certificate_unusable']);
    assert.deepEqual(await with_('none', 'good'), [1, 'error certificate_unusable']);
    writeFileSync(file('pgherald.conf'), `tls-cert-file = "${file('short.crt')}"\ntls-key-file = "${file('short.key')}"\nworkers = 2\n`);
    assert.deepEqual(await causes(['-c', file('pgherald.conf')]), [1, 'warning certificate_expiring'], 'the file of the server');
    assert.deepEqual(await causes([], { PGHERALD_TOKEN_KEY_FILE: file('none') }), [1, 'error keys_unusable']);
});

test('what a token is worth, and whether it lets one join', async () => {
    const secret = join(temporaryDirectory('doctor'), 'secret');
    writeFileSync(secret, 'x'.repeat(32));
    const mint = async (...args) => (await pgherald(['token', '--token-secret-file', secret, ...args])).stdout.trim();
    const good = await mint('--dbo-id', '12', '--row-id', '34');
    const keys = { PGHERALD_TOKEN_SECRET_FILE: secret };
    const { code, stdout } = await doctor(['--token', good], keys);
    assert.deepEqual([code, stdout.split('\n')[1].trim()], [0, 'the token is accepted: dbo_id 12, row_id 34']);
    assert.deepEqual(await causes(['orders/1', '--token', good], keys), [0, 'note token_accepted']);
    assert.deepEqual(await causes(['orders/1', '--token', good]), [1, 'error token_refused', 'error join_refused']);
    assert.deepEqual(await causes(['news/1', '--token', good]), [1, 'error token_refused'], 'where anybody may join');
    writeFileSync(secret, SECRET);
    assert.deepEqual(await causes(['--token', mintAny({ dbo_id: 12, exp: 1 })], keys), [1, 'error token_expired']);
    assert.deepEqual(await causes(['--token', 'opaque'], keys), [0, 'note token_opaque']);
    await world.postgres.query(`CREATE FUNCTION may(text, json, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true'`);
    await world.postgres.query(`SELECT herald.set_rule('orders/*', authorize => 'may')`);
    assert.deepEqual(await causes(['orders/1', '--token', mintAny({ dbo_id: 12, row_id: '34' })], keys), [0, 'note token_accepted', 'note join_asked']);
});

test('a backlog: how fast it goes down, and for how long, in /ready, in SQL and by status', async () => {
    assert.equal((await world.server.get('/ready')).body, '{"status":"ready","bus":"local"}');
    await world.server.stop();
    await world.postgres.query(`INSERT INTO herald.outbox (action, channel, new, at) SELECT 'p', 'news/1', '{}', now() - interval '2 minutes' FROM generate_series(1, 30000)`);
    await world.serve({ env: { PGHERALD_BATCH_ROWS: '10' } });
    const { backlog } = await until('the server to know how fast it is', async () => {
        const ready = JSON.parse((await world.server.get('/ready')).body);
        return ready.backlog?.seconds_left && ready;
    });
    assert.ok(backlog.rows > 0 && backlog.rows < 30000 && backlog.rows_per_second > 0, JSON.stringify(backlog));
    const [row] = await until('it in SQL', async () => {
        const found = await world.postgres.query('SELECT drain_rate::int AS rate, extract(epoch FROM drain_left)::int AS left FROM herald.status');
        return found[0].rate > 0 && found;
    });
    assert.ok(row.left > 0);
    const { stdout } = await pgherald(['status', '--json'], { env: { PGHERALD_DATABASE_URL: world.postgres.url() } });
    const status = JSON.parse(stdout);
    assert.ok(status.drain_rate > 0 && status.drain_left_s > 0, stdout);
    await world.postgres.query('DELETE FROM herald.outbox');
    await until('it to be over', async () => (await world.server.get('/ready')).body === '{"status":"ready","bus":"local"}');
    await until('… in SQL too', () => world.postgres.value('SELECT drain_rate IS NULL FROM herald.status'));
});

test('docs/doctor.md has every cause, and no other, with its severity', () => {
    const documented = new Map([...read('docs/doctor.md').matchAll(/^\| `(\w+)` \| ([\w, ]+) \|/gm)].map(([, cause, severity]) => [cause, severity.split(', ')]));
    const found = new Map();
    const note = (cause, severity) => found.set(cause, [...new Set([...(found.get(cause) ?? []), ...severity])].sort());
    for (const file of ['sql/0006_watch.sql', 'sql/0008_log.sql', 'sql/0015_doctor.sql']) {
        for (const [, severity, cause] of read(file).matchAll(/SELECT (CASE [^;]*?END|'(?:error|warning|note)'), '(\w+)',/g)) {
            note(cause, [...severity.matchAll(/'(error|warning|note)'/g)].map(([, s]) => s));
        }
    }
    for (const file of readdirSync(join(top, 'src/cli/doctor')).filter((f) => f.endsWith('.c'))) {
        for (const [, severity, cause] of read(`src/cli/doctor/${file}`).matchAll(/findings_add\(\s*findings,\s*"(\w+)",\s*"(\w+)"/g)) {
            note(cause, [severity]);
        }
    }
    assert.ok(found.size > 45);
    assert.deepEqual([...documented].sort(), [...found].sort());
});
