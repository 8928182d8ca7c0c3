// SPDX-License-Identifier: PostgreSQL
// The commands that ask and change the database: what they print for people and for programs, and what they say when they cannot.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, READ_ONLY } from './lib/world.js';
import { binary, pgherald } from './lib/server.js';
import { temporaryDirectory } from './lib/process.js';
import { mint, secretFlags } from './lib/token.js';
import { until } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({
        rules: { lobby: { anonymous_clients: true, presence: true }, 'orders/*': READ_ONLY },
        sql: `CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, total numeric, note text);
              CREATE ROLE boss LOGIN IN ROLE herald_admin; CREATE ROLE teller LOGIN IN ROLE herald_publisher; CREATE ROLE nobody LOGIN;
              GRANT CREATE ON SCHEMA public TO boss; ALTER TABLE orders OWNER TO boss`,
    });
    await world.postgres.query('CREATE DATABASE bare');
});
after(() => world?.stop());

const call = (args, { user = 'boss', database, input } = {}) =>
    pgherald(args, { input, env: { PGHERALD_DATABASE_URL: world.postgres.url({ user, database }) } });
// What it prints, if all is well and it says nothing else.
const print = async (args, options) => {
    const { code, stdout, stderr } = await call(args, options);
    assert.deepEqual([code, stderr], [0, ''], `${args}: ${stderr}`);
    return stdout;
};
const json = async (args, options) => {
    const { code, stdout, stderr } = await call([...args, '--json', '--quiet'], options);
    assert.deepEqual([code, stderr], [0, ''], `${args}: ${stderr}`);
    return stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line));
};
const refuse = async (args, code, said, options) => {
    const result = await call(args, options);
    assert.deepEqual([result.code, said.test(result.stderr), result.stdout], [code, true, ''], `${args}: ${result.code} ${result.stderr}`);
};

test('tables: watch changes what is named, and never shows more without a word', async () => {
    const first = await call(['watch', 'orders', '--channel', 'orders/{customer_id}', '--columns', 'id,customer_id']);
    assert.deepEqual([first.code, first.stdout], [0, 'Changes of orders are announced from now on.\n']);
    await refuse(['watch', 'orders', '--snapshot'], 1, /would show the rows that are there, whether they change or not/);
    assert.equal(await print(['watch', 'orders', '--snapshot', '--replace', '--quiet']), '');
    const [now] = await json(['watch', 'orders', '--max-snapshot', '7']);
    assert.deepEqual([now.table, now.channel, now.columns, now.snapshot, now.max_snapshot], ['orders', 'orders/{customer_id}', ['id', 'customer_id'], true, 7]);
    assert.equal((await json(['watch', 'orders', '--snapshot=no']))[0].snapshot, false);
    await Promise.all([
        refuse(['watch', 'orders', '--columns', 'id,customer_id,note'], 1, /watch of public\.orders would show also the columns note.*--replace/),
        refuse(['watch', 'orders', '--columns', '*', '--exclude', 'note'], 1, /would show also the columns total; columns that come later/),
    ]);
    assert.deepEqual((await json(['watch', 'orders', '--columns', 'id,customer_id,total', '--replace']))[0].columns, ['id', 'customer_id', 'total']);
    assert.equal(await print(['watches']),
        'table   channel               columns                 mode  enabled  stale  visible      snapshot\n' +
        'orders  orders/{customer_id}  id, customer_id, total  row   yes      no     "everybody"  no\n');
    assert.deepEqual(await json(['watches']), [{
        table: 'orders', channel: 'orders/{customer_id}', columns: ['id', 'customer_id', 'total'], mode: 'row', enabled: true, stale: false,
        visible: null, snapshot: false, max_snapshot: 7, reduced: 0, skipped: 0,
    }]);
    assert.equal(await print(['refresh']), 'ok      yes\nfailed  0\n');
    assert.deepEqual(await json(['refresh']), [{ ok: true, failed: 0 }]);
    await Promise.all([
        refuse(['watch', 'orders', '--colums', 'id'], 64, /unknown option --colums; did you mean --columns/),
        refuse(['watch', 'heralds'], 1, /relation "heralds" does not exist\. Hint: Names are as in SQL.*double quotes/),
    ]);
    await world.postgres.query('CREATE TABLE other (id int PRIMARY KEY)');
    await Promise.all([
        refuse(['watch', 'other'], 1, /must be owner of table public\.other\n/),
        refuse(['watch', 'orders'], 1, /permission denied.*nobody lacks the role herald_admin: GRANT herald_admin TO nobody\n/, { user: 'nobody' }),
    ]);
    await world.postgres.query('GRANT boss TO teller; REVOKE herald_admin FROM boss');
    await refuse(['unwatch', 'orders'], 1, /boss lacks the role herald_admin/);
    await world.postgres.query('GRANT herald_admin TO boss; REVOKE boss FROM teller');
});

test('of two who make a watch at once, the second is judged by what the first has made', async () => {
    await world.postgres.query('CREATE TABLE raced (id int PRIMARY KEY, secret text); ALTER TABLE raced OWNER TO boss');
    const first = await world.postgres.connect({ user: 'boss' });
    await first.query(`BEGIN; SELECT herald.set_watch('raced', columns => '{id}')`);
    const second = call(['watch', 'raced', '--columns', 'id,secret']);
    await until('the second to wait', () => world.postgres.value(`SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'raced'::regclass AND NOT granted)`));
    await first.query('COMMIT');
    await first.end();
    const { code, stderr } = await second;
    assert.deepEqual([code, /watch of public\.raced would show also the columns secret/.test(stderr)], [1, true], stderr);
    assert.deepEqual(await world.postgres.value(`SELECT columns FROM herald.watches WHERE "table" = 'raced'::regclass`), ['id']);
    await world.postgres.query('DROP TABLE raced');
});

test('rules: words and options are the same', async () => {
    assert.equal(await print(['rule', 'set', 'chat/*', 'public_messaging', 'presence=yes', 'message_history=100']), 'The rule chat/* is set.\n');
    const [rule] = await json(['rule', 'set', 'chat/*', '--presence=no', '--messages-per-minute', '5', 'anonymous-clients', 'anonymous-clients=off']);
    assert.deepEqual([rule.channel, rule.public_messaging, rule.presence, rule.message_history, rule.messages_per_minute, rule.anonymous_clients, rule.authorize],
        ['chat/*', true, false, 100, 5, false, null]);
    await world.postgres.query(`CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO herald_caller, boss; SET ROLE boss; RESET ROLE`);
    for (const types of ['text,json,text', 'text,jsonb,text']) {
        await world.postgres.query(`CREATE FUNCTION app.may(${types}) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
            GRANT EXECUTE ON FUNCTION app.may(${types}) TO herald_caller`);
    }
    await refuse(['rule', 'set', 'chat/*', 'authorize=app.may'], 1, /more than one function named "app.may"/);
    assert.equal((await json(['rule', 'set', 'chat/*', 'authorize=app.may(text,json,text)']))[0].authorize, 'app.may(text,json,text)');
    assert.match(await print(['rules']),
        /^channel   active  flags +message_history  messages_per_minute  functions\nchat\/\*    yes     public_messaging +100 +5  authorize app.may\(text,json,text\)\nlobby     yes     anonymous_clients, presence +0 +0\norders\/\*  yes     anonymous_clients +0 +0\n$/);
    assert.deepEqual((await json(['rules'])).map(({ channel }) => channel), ['chat/*', 'lobby', 'orders/*']);
    assert.equal((await json(['rule', 'set', 'chat/*', 'authorize=-']))[0].authorize, null);
    assert.equal(await print(['rule', 'drop', 'chat/*']), 'The rule chat/* is gone; the next less special one takes its place.\n');
    await Promise.all([
        refuse(['rule', 'drop', 'chat/*'], 1, /there is no rule for 'chat\/\*'/),
        refuse(['rule', 'set', 'chat/*', 'presnce'], 64, /a rule says nothing of "presnce"; did you mean presence/),
        refuse(['rule', 'set', 'chat/*', 'message_history'], 64, /message_history wants a value/),
        refuse(['rule', 'set', 'chat/*', 'message_history=many'], 64, /--message-history: "many"/),
        refuse(['rule', 'set', 'herald.x'], 1, /begin with herald\. are ours/),
        refuse(['rule', 'sett', 'chat/*'], 64, /^usage: pgherald rule set .*\nusage: pgherald rule drop/),
        refuse(['rules'], 1, /teller lacks the role herald_admin/, { user: 'teller' }),
    ]);
    assert.equal((await json(['rule', 'set', `it's; $1`]))[0].channel, `it's; $1`, 'it travels as a parameter');
    await print(['rule', 'drop', `it's; $1`]);
});

test('publish, history, channels: JSON is checked first, and stays byte for byte', async () => {
    const teller = { user: 'teller' };
    assert.equal(await print(['publish', 'orders/7', '{"a":  1e400, "b": "\u0000"}'.replace('\u0000', '\\u0000')], teller), 'Published to orders/7.\n');
    assert.deepEqual(await json(['publish', 'orders/7', '-', '--dbo-id', '12', '--row-id', 'x'], { ...teller, input: '[1,\n2]\n' }), [{ channel: 'orders/7', dbo_id: 12, row_id: 'x' }]);
    await until('both to be in the log', async () => (await json(['history', 'orders/7'], teller)).length === 2);
    const told = await print(['history', 'orders/7'], teller);
    assert.match(told, /^channel_offset  at +action  client  payload\n +1  .*  event +\{"data":\{"a":  1e400, "b": "\\u0000"\},"dbo_id":0,"row_id":0\}\n +2 .*\[1,\\n2\]/);
    const [newest] = await json(['history', 'orders/7', '-n', '1'], teller);
    assert.deepEqual([newest.channel_offset, newest.action, newest.client, newest.payload.data], [2, 'event', null, [1, 2]]);
    await Promise.all([
        refuse(['publish', 'orders/7', 'hello'], 64, /DATA is not JSON; .*'"hello"'/, teller),
        refuse(['publish', 'orders/7', '-'], 64, /DATA is not JSON/, { ...teller, input: '{' }),
        refuse(['publish', 'orders/7', '-'], 64, /stdin is empty, and DATA is JSON/, { ...teller, input: '' }),
        refuse(['publish', 'orders/7', '1', '--row-id', 'x'], 64, /--row-id is a row of the table that --dbo-id names: give both/, teller),
        refuse(['publish', 'orders/7', '1'], 1, /boss lacks the role herald_publisher/),
    ]);
    assert.match((await call(['publish', 'nowhere/1', '1'], teller)).stderr, /no rule covers the channel 'nowhere\/1'.*Hint: SELECT herald\.set_rule\('nowhere\/1'/);
    assert.equal((await call(['publish', 'nowhere/1', '1', '-q'], teller)).stderr, '');
    await refuse(['history', 'orders/7', '-n', '0'], 64, /--limit: 0 is out of range/, teller);
    assert.equal(await print(['history', 'empty'], teller), 'Nothing is in the history of this channel.\n');

    assert.match(await print(['channels', 'orders/*']), /^channel   head  kept  last_at\norders\/7     2     2  20.*\n$/);
    await until('the other one', async () => (await json(['channels'])).length === 2);
    const cut = await call(['channels', '-n1', '--json']);
    assert.deepEqual([cut.code, cut.stdout.split('\n').length, cut.stderr], [0, 2, 'There are more than these 1: -n N shows N.\n']);
    assert.match(await print(['channels', 'x*']), /^There is no such channel/);
    assert.deepEqual(await json(['channels', 'x*']), []);
});

test('what strangers call themselves moves no cursor', async () => {
    await world.postgres.query(`INSERT INTO herald.channel (name) VALUES (E'evil\\u001b[2J\\nline\\u202e')`);
    assert.match(await print(['channels', 'evil*']), /\nevil\\x1b\[2J\\nline\\u202e +0 +0\n$/);
    assert.equal((await json(['channels', 'evil*']))[0].channel, 'evil\u001b[2J\nline\u202e');
    await world.postgres.query(`DELETE FROM herald.channel WHERE name LIKE 'evil%'`);
});

test('who is there, and who is sent away', async () => {
    const [first, second] = [await world.member('lobby'), await world.member('lobby')];
    await until('both to be known', async () => (await json(['presence', 'lobby'])).length === 2);
    const ids = [first, second].map((m) => m.joined.client.socketId).sort();
    const members = await json(['presence', 'lobby']);
    assert.deepEqual([members.map((m) => m.socket_id).sort(), members[0].dbo_id, members[0].extras], [ids, null, {}]);
    assert.match(await print(['sessions']), new RegExp(`^socket_id +dbo_id +row_id +node +since +extras +channels\n${members[0].socket_id} .* lobby\n`));
    assert.deepEqual((await json(['sessions'])).map(({ socket_id, channels }) => [socket_id, channels]), members.map((m) => [m.socket_id, ['lobby']]));
    assert.match((await call(['presence', 'lobby', '-n', '1'])).stderr, /more than these 1/);
    assert.match(await print(['presence', 'elsewhere']), /^Nobody is there/);

    const teller = { user: 'teller' };
    await Promise.all([
        refuse(['disconnect'], 64, /disconnect: say whom: --dbo-id N/, teller),
        refuse(['disconnect', '--reason', 'x'], 64, /disconnect: say whom: --dbo-id N/, teller),
        refuse(['disconnect', '--row-id', 'x'], 64, /--row-id is a row of the table that --dbo-id names/, teller),
        refuse(['disconnect', '--channel', 'x', '--row-id', 'x'], 64, /that --dbo-id names: give both/, teller),
    ]);
    const asked = await json(['disconnect', '--socket-id', first.joined.client.socketId, '--reason', 'bye'], teller);
    assert.deepEqual(asked, [{ dbo_id: null, row_id: null, socket_id: first.joined.client.socketId, channel: null, reason: 'bye' }]);
    await first.closes();
    assert.match(await print(['disconnect', '--channel', 'lobby'], teller), /^Asked for/);
    assert.equal((await second.waitFor({ action: 'error' })).payload.code, 'removed');
});

test('status: well or not, by its exit code', async () => {
    const well = await call(['status']);
    assert.deepEqual([well.code, well.stderr], [0, '']);
    assert.match(well.stdout, /^ok             yes\nleader         herald_server \(pid \d+\)\nwatches        1\nrules          2\nnewest_id      \d+\nlast_batch_at  .*\npending_rows   0\npending        0 bytes\noutbox         .*\nlog            .*\nskipped        0\n$/);
    await world.postgres.query('ALTER TABLE orders DISABLE TRIGGER "!herald_row"');
    const ill = await call(['status']);
    assert.equal(ill.code, 1);
    assert.match(ill.stdout, /^ok +no\n[^]*\nwarnings +the trigger "!herald_row" of public\.orders is disabled\. ALTER TABLE/m);
    const told = await call(['status', '--json']);
    const { ok, warnings, watches, outbox_bytes: bytes, nodes } = JSON.parse(told.stdout);
    assert.deepEqual([told.code, ok, warnings.length, watches, typeof bytes, nodes], [1, false, 1, 1, 'number', []]);
    await world.postgres.query('ALTER TABLE orders ENABLE TRIGGER "!herald_row"');
});

test('check-token: the verdict, why, and what nobody has verified is called so', async () => {
    const flags = secretFlags();
    const check = (token, ...more) => pgherald(['check-token', token, ...flags, ...more]);
    const good = mint({ dbo_id: 12, row_id: 'x', extras: { name: 'Ann\u001b' } });
    const { code, stdout, stderr } = await check(good);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^verdict   accepted\nidentity  dbo_id 12, row_id x, extras \{"name":"Ann\\u001b"\}\nexpires   \d{4}-.*Z, in 3\d{3} s\nkey       HS256, without a kid\nheader    \{.*\}\nclaims    \{.*\}\n$/);
    assert.doesNotMatch(stdout, new RegExp(good.split('.')[2]), 'not the signature');
    const read = await pgherald(['check-token', '-', '--json', ...flags], { input: `${good}\n` });
    const told = JSON.parse(read.stdout);
    assert.deepEqual([read.code, told.ok, told.verdict, told.dbo_id, told.row_id, told.is_opened, told.claims.row_id], [0, true, 'accepted', 12, 'x', true, 'x']);
    await Promise.all([
        [mint({ dbo_id: 12 }, { secret: 'another secret, of somebody who may not' }), 'refused', /signature does not match/, false],
        [mint({ dbo_id: 12, exp: 1000 }), 'expired', /has expired/, true],
        [mint({ dbo_id: 12 }, { header: { alg: 'none' } }), 'refused', /algorithm is not accepted/, false],
        ['neither', 'opaque', /token-function/, false],
    ].map(async ([token, verdict, why, isOpened]) => {
        const result = await check(token, '--json');
        const said = JSON.parse(result.stdout);
        assert.deepEqual([result.code, said.ok, said.verdict, said.is_opened, why.test(said.why), said.dbo_id], [1, false, verdict, isOpened, true, null]);
    }));
    assert.match((await check(mint({ exp: 1000 }))).stdout, /\nexpires   1970-01-01T00:16:40Z, \d+ s ago\n/);
    assert.match((await check(mint({}, { secret: 'another secret, of somebody who may not' }))).stdout, /\nclaimed   \{/);
    await Promise.all([[1e300, 253402300799], [-1e300, -253402300799], [0, 0]].map(async ([exp, at]) =>
        assert.equal(JSON.parse((await check(mint({ exp }), '--json')).stdout).expires_at, at, `exp ${exp}`)));
    assert.match((await check(mint({ exp: 1e300 }))).stdout, /\nexpires   9999-12-31T23:59:59Z, in \d+ s\n/);
    const made = JSON.parse((await pgherald(['token', '--dbo-id', '12', '--json', ...flags])).stdout);
    assert.equal((await check(made.token)).code, 0);
    const empty = await pgherald(['check-token', '-', ...flags], { input: '\n' });
    assert.deepEqual([empty.code, /the first line of stdin is empty/.test(empty.stderr)], [64, true]);
    const missing = await pgherald(['check-token', good, '--token-secret-file', '/nonexistent']);
    assert.deepEqual([missing.code, missing.stdout], [78, '']);
});

test('no database, no schema', async () => {
    const all = [['status'], ['rules'], ['watches'], ['rule', 'set', 'a'], ['watch', 'a'], ['publish', 'a', '1'], ['refresh'], ['sessions']];
    await Promise.all(all.map((args) => refuse(args, 78, /run pgherald install/, { user: 'postgres', database: 'bare' })));
    await Promise.all([
        refuse(['status'], 1, /cannot connect to the database/, { database: 'nowhere' }),
        refuse(['install'], 1, /permission denied.*This takes a superuser, or who has installed it/, { user: 'nobody' }),
        refuse(['uninstall', '--yes'], 1, /must be owner.*This takes a superuser, as triggers/, { user: 'nobody' }),
    ]);
    const standby = world.postgres.url({ user: 'postgres' });
    assert.match((await pgherald(['rule', 'set', 'a'], { env: { PGHERALD_DATABASE_URL: standby, PGOPTIONS: '-c default_transaction_read_only=on' } })).stderr, /read-only transaction\. Hint: This is a standby/);
    const { stderr } = await pgherald(['status'], { env: { PGUSER: 'nobody of that name' } });
    assert.match(stderr, /Nothing says where it is: --database-url, or PGHERALD_DATABASE_URL/);
});

test('install, upgrade, uninstall: what was done, for programs and for people', async () => {
    await world.postgres.query('CREATE DATABASE fresh');
    const fresh = { user: 'postgres', database: 'fresh' };
    await refuse(['upgrade', '--json'], 78, /nothing is installed in this database/, fresh);
    const [made] = await json(['install', '--roles-only'], fresh);
    assert.deepEqual(made, { did: 'made_roles', step_before: null, step_after: null, passwords_set: [], warnings: [] });
    const step = Number(await world.postgres.value('SELECT herald.schema_version()'));
    const secret = join(temporaryDirectory('password'), 'secret');
    writeFileSync(secret, 'a secret\n');
    assert.deepEqual(await json(['install', '--server-password-file', secret], fresh),
        [{ did: 'installed', step_before: null, step_after: step, passwords_set: ['herald_server', 'herald_hook', 'herald_judge'], warnings: [] }]);
    assert.deepEqual(await json(['upgrade'], fresh), [{ did: 'nothing', step_before: step, step_after: step, passwords_set: [], warnings: [] }]);
    const session = await world.postgres.connect({ database: 'fresh' });
    await session.query('ALTER EVENT TRIGGER herald_ddl DISABLE');
    await session.end();
    const [warned] = await json(['install'], fresh);
    assert.deepEqual([warned.did, warned.warnings.length, /event triggers of pgherald are missing or disabled/.test(warned.warnings[0])], ['nothing', 1, true]);
    assert.match((await call(['install'], fresh)).stderr, /^The event triggers of pgherald/);
    await refuse(['uninstall', '--json'], 64, /if that is meant: pgherald uninstall --yes/, fresh);
    const gone = await call(['uninstall', '--yes', '--json', '--quiet'], fresh);
    const { did, step_before: before, step_after: after, warnings } = JSON.parse(gone.stdout);
    assert.deepEqual([gone.code, gone.stderr, did, before, after], [0, '', 'removed', step, null]);
    assert.ok(warnings.includes('herald: kept role herald_server, because something else in this cluster uses it'), warnings);
    const again = await call(['uninstall', '--yes'], fresh);
    assert.match(again.stderr, /^herald: kept role/);
    assert.equal(again.stdout, 'There was no schema herald in this database; its roles were looked after.\n');
    assert.equal((await json(['uninstall', '--yes'], fresh))[0].did, 'nothing');
    const other = await world.postgres.connect({ database: 'fresh' });
    await other.query('CREATE SCHEMA herald CREATE TABLE notes (id int)');
    await refuse(['uninstall', '--yes'], 1, /the schema herald is not of pgherald: it belongs to postgres.*DROP SCHEMA herald CASCADE/, fresh);
    await other.query(`DROP TABLE herald.notes; COMMENT ON SCHEMA herald IS 'pgherald: what is left of it'`);
    await other.end();
    assert.equal((await json(['uninstall', '--yes'], fresh))[0].did, 'removed', 'one that says no number');
});

test('config: the options in force for programs, and documents only as such', async () => {
    const env = { PGHERALD_LISTEN: '127.0.0.1:1', PGHERALD_DATABASE_URL: 'postgresql://a:secret@h/d' };
    const conf = join(temporaryDirectory('conf'), 'conf');
    writeFileSync(conf, 'log-level = debug\n');
    const { code, stdout, stderr } = await pgherald(['config', '--print', '--json', '-c', conf], { env });
    const options = Object.fromEntries(stdout.trimEnd().split('\n').map((line) => JSON.parse(line)).map(({ name, ...rest }) => [name, rest]));
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(options.listen, { value: '127.0.0.1:1', from: 'variable', variable: 'PGHERALD_LISTEN', is_live: false });
    assert.deepEqual([options['log-level'].value, options['log-level'].from, options['log-level'].is_live], ['debug', 'file', true]);
    assert.deepEqual([options['tls-cert-file'].value, options['tls-cert-file'].from], [null, 'default']);
    writeFileSync(conf, Buffer.from('tls-key-file = "/k\xff\xe9y"\n', 'latin1'));
    const odd = (await pgherald(['config', '--print', '--json', '-c', conf], { env })).stdout.split('\n').find((line) => /"tls-key-file"/.test(line));
    assert.equal(JSON.parse(odd).value, '/k??y', 'what is no UTF-8 has no place in JSON');
    assert.doesNotMatch(stdout, /secret@/);
    assert.equal((await pgherald(['config', '--check', '--json'], { env })).stdout, '{"ok":true}\n');
    const page = await pgherald(['config', '--man', '--json']);
    assert.deepEqual([page.code, page.stdout, /--json goes with --print and --check/.test(page.stderr)], [64, '', true]);
});

test('an answer that cannot be written is none', async () => {
    const env = { ...process.env, PGHERALD_DATABASE_URL: world.postgres.url({ user: 'postgres' }) };
    for (const [args, name] of [['version --quiet', 'version'], ['help', 'help'], ['help watch', 'help'], ['watch --help', 'watch'], ['install -q', 'install']]) {
        const full = spawnSync('/bin/sh', ['-c', `exec "${binary}" ${args} >/dev/full`], { encoding: 'utf8', env });
        assert.deepEqual([full.status, full.stderr], [1, `pgherald: ${name}: not all of the answer could be written to stdout\n`], args);
    }
    const head = spawnSync('/bin/sh', ['-c', `"${binary}" config --reference -q | true`], { encoding: 'utf8', env });
    assert.equal(head.stderr, '', 'whoever has read enough needs no word about it');
});

test('help has groups, and version is one of them', async () => {
    const { stdout } = await pgherald(['help']);
    assert.deepEqual(stdout.match(/^[A-Z]\w+$/gm), ['Begin', 'Tables', 'Rules', 'Look', 'Act', 'Tools']);
    assert.match((await pgherald(['rule', 'set', '--help'])).stdout, /^usage: pgherald rule set CHANNEL/);
    assert.match((await pgherald(['help', 'rule', 'drop'])).stdout, /^usage: pgherald rule drop CHANNEL/);
    assert.match(JSON.parse((await pgherald(['version', '--json'])).stdout).pgherald, /^\d+\.\d+\.\d+$/);
    assert.match((await pgherald(['-V'])).stdout, /^pgherald \d/);
    assert.match((await pgherald(['statsu'])).stderr, /no command "statsu"; did you mean pgherald status/);
});

test('serve --quiet stays quiet, also when it has read its options again', async () => {
    await world.server.stop();
    await world.serve({ flags: ['--quiet'] });
    world.server.process.signal('SIGHUP');
    await world.settled();
    await world.server.stop();
    assert.equal(world.server.process.stderr, '');
});
