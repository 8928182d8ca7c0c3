// SPDX-License-Identifier: PostgreSQL
// pgherald why: each verdict beside what a session of that identity then gets. That they agree is the proof.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.js';
import { pgherald } from './lib/server.js';
import { secretFlags, user } from './lib/token.js';
import { until } from './lib/wait.js';

let world;
before(async () => {
    world = await World.start({
        flags: [...secretFlags(), '--role-claim', 'role', '--judge-roles', 'w_ann,w_bob', '--hook-timeout', '1500ms'],
        sql: `
            CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO herald_caller;
            CREATE TABLE app.seen (what text);
            CREATE FUNCTION app.may(channel text, who json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
                AS $$SELECT who ->> 'row_id' = '34' AND (action = 'join' OR channel = 'asked/talk')$$;
            CREATE FUNCTION app.words(text, json, text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN RAISE EXCEPTION 'Pay first.'; END$$;
            CREATE FUNCTION app.sleeps(text, json, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$SELECT pg_sleep(5) IS NULL$$;
            CREATE FUNCTION app.fails(text, json, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$SELECT 1 / 0 = 1$$;
            CREATE FUNCTION app.writes(text, json, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$INSERT INTO app.seen VALUES ($3) RETURNING true$$;
            CREATE FUNCTION app.enters(text, text, json, json, json) RETURNS json LANGUAGE sql SECURITY DEFINER AS $$INSERT INTO app.seen VALUES ('on_join') RETURNING 'null'::json$$;
            GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA app TO herald_caller;
            SELECT herald.set_rule('open/*', public_messaging => true), herald.set_rule('known', public_messaging => true, public_auth => true, anonymous_clients => true),
                herald.set_rule('mute', anonymous_clients => true), herald.set_rule('closed'), herald.set_rule('asked/*', public_messaging => true, authorize => 'app.may'),
                herald.set_rule('words', authorize => 'app.words'), herald.set_rule('sleeps', authorize => 'app.sleeps'), herald.set_rule('fails', authorize => 'app.fails'),
                herald.set_rule('writes', authorize => 'app.writes'), herald.set_rule('hooked', anonymous_clients => true, on_join => 'app.enters'),
                herald.set_rule('docs/*', anonymous_clients => true), herald.set_rule('mine', anonymous_clients => true), herald.set_rule('plain', anonymous_clients => true);
            CREATE ROLE w_ann; CREATE ROLE w_bob; GRANT w_ann, w_bob TO herald_judge;
            CREATE TABLE doc (id int PRIMARY KEY, team int, owner name); GRANT SELECT ON doc TO w_ann, w_bob;
            ALTER TABLE doc ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON doc USING (owner = current_user);
            INSERT INTO doc VALUES (1, 7, 'w_ann'), (2, 7, 'w_bob'), (3, 8, 'w_ann');
            SELECT herald.watch('doc', channel => 'docs/{team}', visible => '"policy"', claims => '{org}', snapshot => true);
            CREATE TABLE mine (key text PRIMARY KEY, who int); INSERT INTO mine VALUES ('7', 34), ('it''s', 35);
            SELECT herald.watch('mine', channel => 'mine', visible => '{"who": {"eq": {"identity": "row_id", "dbo_id": 12}}}', snapshot => true);
            CREATE TABLE pair (a int, b text, c int, PRIMARY KEY (a, b)); INSERT INTO pair VALUES (1, 'x', 9); SELECT herald.watch('pair', channel => 'pair', snapshot => true),
                herald.set_rule('pair', anonymous_clients => true), herald.set_rule('gated', anonymous_clients => true);
            CREATE TABLE gated (id int PRIMARY KEY); INSERT INTO gated VALUES (1); GRANT SELECT ON gated TO w_ann; GRANT USAGE ON SCHEMA app TO w_ann;
            CREATE FUNCTION app.gate() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN false; END$$;
            ALTER TABLE gated ENABLE ROW LEVEL SECURITY; CREATE POLICY gate ON gated TO w_ann USING (app.gate());
            SELECT herald.watch('gated', channel => 'gated', visible => '"policy"', claims => '{}', snapshot => true);
            CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1); SELECT herald.watch('plain', channel => 'plain')`,
    });
});
after(() => world?.stop());

const ask = (...args) => pgherald(['why', ...args], {
    env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'herald_server' }), PGHERALD_HOOK_TIMEOUT: '1500ms', PGHERALD_ROLE_CLAIM: 'role', PGHERALD_JUDGE_ROLES: 'w_ann,w_bob', PGHERALD_LOG_LEVEL: 'error' },
});

const ANN = { as: ['--as', '12/34', '--extras', '{"role":"w_ann"}'], token: user(12, '34', { role: 'w_ann' }) };
const BOB = { as: ['--as', '12/35', '--extras', '{"role":"w_bob"}'], token: user(12, '35', { role: 'w_bob' }) };
const NOBODY = { as: ['--anonymous'] };

// What a session gets: allowed, or the code of the error.
async function session(who, channel, action, key) {
    const client = await world.client({ token: who.token });
    const filter = key && { snapshot: true, filter: { [channel === 'mine' ? 'key' : 'id']: channel === 'mine' ? key : Number(key) } };
    client.send('join', channel, filter ?? null, { ref: 'join' });
    let frame = await client.waitFor((f) => f.options?.ref === 'join');
    if (frame.action === 'join' && action === 'send') {
        client.send('message', channel, 'x', { ref: 'send' });
        frame = await client.waitFor((f) => f.options?.ref === 'send');
    } else if (frame.action === 'join' && action === 'see') {
        frame = await client.waitFor({ action: 'snapshot' });
        return frame.payload.rows.length > 0 ? 'allowed' : 'not seen';
    }
    return frame.action === 'error' ? frame.payload.code : 'allowed';
}

const cases = [
    // who, channel, action, key, what both say, who decided, what changes it; first the one that takes its time, beside all others
    [ANN, 'sleeps', 'join', undefined, 'hook_failed', /^authorize function app\.sleeps/, /hook-timeout \(1500 ms\)/],
    [NOBODY, 'open/1', 'join', undefined, 'allowed', /^rule open\/\*$/],
    [NOBODY, 'open/1', 'send', undefined, 'allowed', /^rule open\/\*$/],
    [NOBODY, 'nowhere', 'join', undefined, 'no_channel', /^no rule covers/, /^SELECT herald\.set_rule\('nowhere', anonymous_clients => true\)$/],
    [NOBODY, 'herald.canary', 'join', undefined, 'no_channel', /^no rule covers/, /^nothing: channels that begin with herald\./],
    [NOBODY, 'closed', 'join', undefined, 'anonymous_refused', /^rule closed: anonymous_clients is off/, /a token; or SELECT herald\.set_rule\('closed', anonymous_clients => true\)/],
    [ANN, 'closed', 'join', undefined, 'allowed', /^rule closed$/],
    [ANN, 'mute', 'send', undefined, 'send_refused', /^rule mute: public_messaging is off/, /public_messaging => true/],
    [NOBODY, 'known', 'send', undefined, 'send_refused', /public_auth/, /public_auth => false/],
    [ANN, 'known', 'send', undefined, 'allowed', /^rule known$/],
    [ANN, 'asked/1', 'join', undefined, 'allowed', /^authorize function app\.may\(text,json,text\) of rule asked\/\*$/],
    [BOB, 'asked/1', 'join', undefined, 'join_refused', /^authorize function app\.may/, /authorize => 0/],
    [ANN, 'asked/1', 'send', undefined, 'send_refused', /^authorize function app\.may/],
    [ANN, 'asked/talk', 'send', undefined, 'allowed', /^authorize function app\.may/],
    [ANN, 'words', 'join', undefined, 'hook_refused', /^authorize function app\.words/],
    [ANN, 'fails', 'join', undefined, 'hook_failed', /^authorize function app\.fails/],
    [ANN, 'docs/7', 'see', '1', 'allowed', /row level security/],
    [ANN, 'docs/7', 'see', '2', 'not seen', /row level security/, /a policy for SELECT on public\.doc/],
    [BOB, 'docs/7', 'see', '2', 'allowed', /row level security/],
    [NOBODY, 'docs/7', 'see', '1', 'not seen', /row level security/],
    [ANN, 'docs/7', 'see', '3', 'not seen', /no row with that key/],
    [ANN, 'mine', 'see', '7', 'allowed', /visible => .*row_id/],
    [ANN, 'mine', 'see', "it's", 'not seen', /visible => /, /herald\.watch\('"public"\."mine"', visible/],
    [BOB, 'mine', 'see', "it's", 'allowed', /visible => /],
    [ANN, 'plain', 'see', '1', 'snapshot_off', /./, /SELECT herald\.watch\('"public"\."plain"', snapshot => true\)/],
];

test('each verdict is what a session gets', async () => {
    const one = async ([who, channel, action, key, expected, by, change = /^/]) => {
        const [{ code, stdout, stderr }, got] = await Promise.all([ask(channel, ...who.as, action, ...(key ? [key] : []), '--json'), session(who, channel, action, key)]);
        const about = `${who.as} ${action} ${channel} ${key}: ${stdout}${stderr}`;
        const said = JSON.parse(stdout || '{}');
        assert.equal(got, expected, about);
        assert.equal(said.verdict === 'allowed' ? 'allowed' : (said.code ?? 'not seen'), got, about);
        assert.deepEqual([code, by.test(said.by), change.test(said.change ?? '')], [got === 'allowed' ? 0 : 1, true, true], about);
    };
    const left = [...cases];
    await Promise.all(Array.from({ length: 4 }, async () => {
        while (left.length > 0) {
            await one(left.shift());
        }
    }));
});

test('what writes is not let, and on_join not called, and what is printed for people', async () => {
    const { code, stdout } = await ask('writes', ...ANN.as);
    assert.equal(code, 1);
    assert.match(stdout, /^unknown: join writes as 12\/34\n {2}by {6}authorize function app\.writes[^]*note {4}The function writes, and here it may only read[^]*25006/);
    const hooked = await ask('hooked', '--anonymous');
    assert.equal(hooked.code, 0, hooked.stderr);
    assert.match(hooked.stdout, /^allowed: join hooked as anonymous\n {2}by {6}rule hooked\n {2}note {4}app\.enters\(text,text,json,json,json\) is asked as well/);
    assert.equal(await world.postgres.value('SELECT count(*) FROM app.seen'), '0');
    assert.match((await ask('words', ...ANN.as)).stdout, /says {4}Pay first\./);
    assert.match((await ask('open/1', '--as', '12/\u001b[31m')).stdout, /^allowed: join open\/1 as 12\/\\x1b\[31m\n/);
    await world.postgres.query('SELECT herald.set_enabled(false)');
    const off = await ask('open/1', '--anonymous');
    assert.deepEqual([off.code, off.stdout], [1, 'refused: join open/1 as anonymous\n  by      the switch of the whole database: realtime is off\n  change  SELECT herald.set_enabled(true)\n']);
    await world.postgres.query('SELECT herald.set_enabled(true)');
});

test('KEY is the whole key and nothing else', async () => {
    const see = async (key) => JSON.parse((await ask('pair', '--anonymous', 'see', key, '--json')).stdout);
    const allowed = ['{"a": 1, "b": "x"}', ' {"b":"x","a":"1"}\n'].map(async (key) => assert.equal((await see(key)).verdict, 'allowed', key));
    const refused = ['{"a":1}', '{"c":{"gt":1}}', '{"a":1,"b":{"gt":""}}', '{"a":1,"b":"x","c":9}', '{"a":1,"b":null}', '{}'].map(async (key) => {
        const { verdict, code, message } = await see(key);
        assert.deepEqual([verdict, code, /^KEY has to name the columns of the key and no others/.test(message)], ['unknown', 'bad_filter', true], key);
    });
    await Promise.all([...allowed, ...refused]);
    assert.match((await see('1')).message, /several columns: give KEY as a JSON object/);
    assert.match((await see('{"a":99999999999,"b":"x"}')).by, /^no row with that key/, 'more than the column can hold');
});

test('what could not be asked is unknown: a row that cannot be counted, a role that does not get in', async () => {
    const gate = await world.postgres.connect();
    await gate.query('SELECT pg_advisory_lock(42)');
    const asking = ask('gated', ...ANN.as, 'see', '1');
    await until('the row to be judged', () => world.postgres.value(`SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`));
    await gate.query('REVOKE SELECT ON gated FROM herald_reader; SELECT pg_advisory_unlock(42)');
    const uncounted = await asking;
    await gate.end();
    assert.deepEqual([uncounted.code, /^unknown: [^]*says {4}no such row is shown, and whether there is one could not be read/.test(uncounted.stdout)], [1, true], uncounted.stdout);
    await world.postgres.query('ALTER ROLE herald_hook NOLOGIN; ALTER ROLE herald_judge NOLOGIN');
    for (const [role, ...args] of [['herald_hook', 'asked/1', ...ANN.as], ['herald_judge', 'docs/7', ...ANN.as, 'see', '1']]) {
        const { code, stdout } = await ask(...args);
        assert.deepEqual([code, stdout.split(':')[0]], [1, 'unknown'], stdout);
        assert.match(stdout, new RegExp(`change  a login for ${role}: pg_hba[^]*note    It could not be asked, as ${role} does not get in from here: .*is not permitted to log in`));
    }
    await world.postgres.query('ALTER ROLE herald_hook LOGIN; ALTER ROLE herald_judge LOGIN');
});

test('a line in the log of Postgres says who asked what for whom', async () => {
    await ask('docs/7', ...ANN.as, 'see', '1');
    await ask('open/1', '--anonymous');
    const log = world.postgres.process.stderr;
    assert.match(log, /LOG: {2}herald: why: see 1 on docs\/7 as 12\/34: allowed\n/);
    assert.match(log, /LOG: {2}herald: why: join open\/1 as anonymous: allowed\n/);
});

test('bad usage, and not the rights', async () => {
    const mistakes = [[], ['x'], ['x', '--as', '12'], ['x', '--as', '12/34', '--anonymous'], ['x', '--as', '12/34', 'see'], ['x', '--as', '12/34', 'take'],
        ['x', '--as', '12/34', '--extras', '[]'], ['a*', '--anonymous']];
    await Promise.all(mistakes.map(async (args) => assert.equal((await ask(...args)).code, 64, `${args}`)));
    await world.postgres.query('CREATE ROLE w_admin LOGIN IN ROLE herald_admin');
    const denied = await pgherald(['why', 'open/1', '--anonymous'], { env: { PGHERALD_DATABASE_URL: world.postgres.url({ user: 'w_admin' }) } });
    assert.deepEqual([denied.code, /connect as herald_server/.test(denied.stderr)], [78, true], denied.stderr);
});
