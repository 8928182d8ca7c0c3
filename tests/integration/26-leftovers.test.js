// SPDX-License-Identifier: PostgreSQL
// What a rule's function leaves behind in the database session that called it. Mallory's function has more than ten ways to
// have code of hers run later; each time that code tries all that would be worth something, and notes what it could do. Then
// Bob's function, on the same connections, tells what it finds of her. Bob's other function must never hear what Mallory made up.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, OPEN } from './lib/world.js';
import { secretFlags } from './lib/token.js';
import { until, SECOND } from './lib/wait.js';

const WAYS = ['deferred', 'again', 'slow', 'cast', 'index', 'cursor', 'temp', 'settings', 'encoding', 'locks', 'listen', 'prepare'];
const ARGUMENTS = '(action text, channel text, client json, options json, payload json) RETURNS json';
const SETUP = `
    CREATE ROLE mallory; CREATE ROLE bob;
    CREATE SCHEMA m AUTHORIZATION mallory; CREATE SCHEMA b AUTHORIZATION bob;
    GRANT USAGE ON SCHEMA m, b TO PUBLIC;
    -- Functions may learn the parameters of their own call.
    ALTER ROLE herald_hook SET log_parameter_max_length_on_error = -1;
    SET ROLE bob;
    CREATE TABLE b.asked (channel text);
    CREATE FUNCTION b.may(channel text, identity json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
        'INSERT INTO b.asked VALUES (channel) RETURNING true';
    ${WAYS.map((way) => `CREATE FUNCTION b.look_${way}${ARGUMENTS} LANGUAGE sql SECURITY DEFINER AS $$
        SELECT json_build_object('pid', pg_backend_pid(), 'search_path', current_setting('search_path'), 'app', coalesce(current_setting('app.name', true), ''), 'encoding', current_setting('client_encoding'),
            'read_only', current_setting('default_transaction_read_only'), 'timeout', current_setting('statement_timeout'),
            'temp', (SELECT count(*) FROM pg_class WHERE relname = 'left_behind' AND pg_table_is_visible(oid)),
            'locks', (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), 'listens', (SELECT count(*) FROM pg_listening_channels()),
            'prepared', (SELECT count(*) FROM pg_prepared_statements WHERE from_sql), 'cursors', (SELECT count(*) FROM pg_cursors WHERE is_holdable)) $$;`).join('\n')}
    RESET ROLE;
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA b FROM PUBLIC;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA b TO herald_caller;

    SET ROLE mallory;
    CREATE TABLE m.seen (way text, who text, what text);
    CREATE TABLE m.called (way text, pid int);
    GRANT INSERT ON m.seen TO PUBLIC;
    -- With whoever's rights it runs.
    CREATE FUNCTION m.probe(way text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        attempt text;
    BEGIN
        INSERT INTO m.seen VALUES (way, current_user, 'ran');
        FOREACH attempt IN ARRAY ARRAY[
            'SELECT FROM herald.log', 'SELECT FROM herald.outbox', 'SELECT FROM herald.signing_key', 'SELECT herald.get_signing_key()', 'SELECT herald.publish(''x'', ''1''::json)',
            'SELECT herald.site()', 'SELECT herald.set_rule(''*'', true)', 'SELECT herald.disconnect(1)', 'SELECT b.may(''forged'', NULL, ''join'')',
            'SELECT herald.call_function(''{"b.may(text,json,text)",authorize,forged,NULL,join}'', NULL)',
            format('SELECT herald.call_function(''{"b.may(text,json,text)",authorize,forged,NULL,join}'', %L)', current_setting('m.captured')),
            'SET ROLE herald_server', 'SET ROLE herald_caller', 'SET ROLE herald_owner', 'SET SESSION AUTHORIZATION herald_server', 'CREATE FUNCTION herald.x() RETURNS int LANGUAGE sql AS ''SELECT 1''',
            'DO ''BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $_$herald_server$_$; END''',
            'ALTER FUNCTION herald.call_function(text[], bytea) SECURITY INVOKER', 'COPY (SELECT 1) TO PROGRAM ''true''']
        LOOP
            BEGIN
                EXECUTE attempt;
                INSERT INTO m.seen VALUES (way, current_user, attempt);
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END LOOP;
    END $$;
    CREATE FUNCTION m.late() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM m.probe(TG_ARGV[0]);
        IF TG_ARGV[0] = 'again' AND NEW.id < 3 THEN -- what SET CONSTRAINTS ran defers itself once more, to the commit
            SET CONSTRAINTS ALL DEFERRED;
            INSERT INTO m.again VALUES (NEW.id + 1);
        ELSIF TG_ARGV[0] = 'slow' THEN
            PERFORM pg_sleep(60);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TABLE m.deferred (id int); CREATE TABLE m.again (id int); CREATE TABLE m.slow (id int); CREATE TABLE m.by_cast (id int);
    GRANT INSERT ON m.again, m.by_cast TO PUBLIC;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON m.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.late('deferred');
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON m.again DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.late('again');
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON m.slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.late('slow');
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON m.by_cast DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.late('cast');
    -- A deferred foreign key whose check casts, and the cast writes where a deferred trigger is.
    CREATE TYPE m.kind AS ENUM ('a');
    CREATE FUNCTION m.as_text(m.kind) RETURNS text LANGUAGE plpgsql AS $$BEGIN INSERT INTO m.by_cast VALUES (1); RETURN 'a'; END $$;
    CREATE CAST (m.kind AS text) WITH FUNCTION m.as_text(m.kind) AS IMPLICIT;
    CREATE TABLE m.key (id text PRIMARY KEY); INSERT INTO m.key VALUES ('a');
    CREATE TABLE m.child (id m.kind REFERENCES m.key DEFERRABLE INITIALLY DEFERRED);
    CREATE FUNCTION m.held() RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM m.probe('cursor'); RETURN 1; END $$;
    CREATE FUNCTION m.own_index(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM m.probe('index'); RETURN id; END $$;
    CREATE TABLE m.excluded (id int, EXCLUDE USING btree (m.own_index(id) WITH =) DEFERRABLE INITIALLY DEFERRED);
    CREATE FUNCTION m.evil${ARGUMENTS} LANGUAGE plpgsql SECURITY DEFINER SET search_path = m AS $$
    DECLARE
        context text;
    BEGIN
        BEGIN -- the parameters of the call, with its signature, for the code that runs later
            RAISE EXCEPTION 'x';
        EXCEPTION WHEN raise_exception THEN
            GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
            PERFORM set_config('m.captured', '\\x' || substring(context from '\\\\x([0-9a-f]{64})'), true);
        END;
        INSERT INTO m.called VALUES (payload #>> '{}', pg_backend_pid());
        CASE payload #>> '{}'
        WHEN 'deferred' THEN INSERT INTO m.deferred VALUES (1);
        WHEN 'again' THEN INSERT INTO m.again VALUES (1);
        WHEN 'slow' THEN INSERT INTO m.slow VALUES (1);
        WHEN 'cast' THEN INSERT INTO m.child VALUES ('a');
        WHEN 'index' THEN INSERT INTO m.excluded VALUES ((random() * 1e9)::int);
        WHEN 'cursor' THEN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT m.held()';
        WHEN 'temp' THEN
            CREATE TEMP TABLE left_behind (id int);
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON left_behind DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.late('temp');
            INSERT INTO left_behind VALUES (1);
        WHEN 'settings' THEN PERFORM set_config('search_path', 'm', false), set_config('app.name', 'Ann', false), set_config('default_transaction_read_only', 'on', false),
                set_config('statement_timeout', '0', false);
        WHEN 'encoding' THEN PERFORM set_config('client_encoding', 'LATIN1', false);
        WHEN 'locks' THEN PERFORM pg_advisory_lock(4711), pg_advisory_lock_shared(7);
        WHEN 'listen' THEN EXECUTE 'LISTEN evil'; EXECUTE 'NOTIFY herald, ''site'''; EXECUTE 'NOTIFY evil';
        WHEN 'prepare' THEN EXECUTE 'PREPARE evil AS SELECT m.probe(''prepare'')';
        END CASE;
        RETURN payload;
    END $$;
    RESET ROLE;
    GRANT EXECUTE ON FUNCTION m.evil TO herald_caller;`;

const RUNS_LATER = ['deferred', 'again', 'cast', 'cursor', 'temp']; // and 'slow' rolls back
const CLEAN = { search_path: 'pg_catalog, pg_temp', app: '', encoding: 'UTF8', read_only: 'off', timeout: '1s', temp: 0, locks: 0, listens: 0, prepared: 0, cursors: 0 };

let world;
before(async () => {
    world = await World.start({
        sql: SETUP,
        rules: {
            'evil/*': { ...OPEN, on_message: 'm.evil' },
            ...Object.fromEntries(WAYS.map((way) => [`look/${way}`, { ...OPEN, on_message: `b.look_${way}` }])),
            'bob/*': { ...OPEN, authorize: 'b.may' },
        },
        // A function that has had no connection yet gets the first that is idle: the one that Mallory's has just had.
        flags: [...secretFlags(), '--hook-timeout', '1s', '--hook-connections', '2', '--authorize-cache', '0'],
    });
});
after(() => world?.stop());

const answer = async (client, channel, payload) => {
    client.message(channel, payload);
    return client.waitFor((f) => f.options?.channel === channel && ['message', 'error'].includes(f.action), 10 * SECOND);
};

test('whatever is left behind runs with no rights worth having, and the next owner meets none of it', async () => {
    const mallory = await world.member('evil/1');
    await world.member('bob/1');
    for (const way of WAYS) {
        const { action, payload } = await answer(mallory, 'evil/1', way);
        assert.deepEqual([way, action, payload.code ?? payload], [way, way === 'slow' ? 'error' : 'message', way === 'slow' ? 'hook_failed' : way]);
        const { pid, ...found } = (await answer(await world.member(`look/${way}`), `look/${way}`, 1)).payload;
        assert.deepEqual([way, found], [way, CLEAN]);
        const pids = await world.postgres.query('SELECT pid FROM m.called WHERE way = $1', [way]);
        assert.deepEqual([way, pids], [way, way === 'slow' ? [] : [{ pid }]], 'Bob was where Mallory had been');
    }
    const seen = await world.postgres.query('SELECT way, who, what FROM m.seen');
    const ran = new Set(seen.filter(({ what }) => what === 'ran').map(({ way }) => way));
    assert.deepEqual(RUNS_LATER.filter((way) => !ran.has(way)), [], 'what should have run later did');
    assert.deepEqual(seen.filter(({ who }) => !['herald_hook', 'mallory'].includes(who)), [], 'as whom it ran');
    assert.deepEqual(seen.filter(({ what }) => what !== 'ran'), [], 'what it could do');
    const asked = await world.postgres.query('SELECT DISTINCT channel FROM b.asked');
    assert.deepEqual(asked, [{ channel: 'bob/1' }], "Bob's function heard only of what the server asked");
});

test('a role that may not log in is said in one sentence, and what asks a function is refused', async () => {
    await world.postgres.query('ALTER ROLE herald_hook NOLOGIN');
    await world.postgres.terminate('true', 'herald_hook');
    await world.server.process.says(/no connection for rules' functions.*herald_hook.*pg_hba\.conf.*--hook-url/);
    const client = await world.client();
    client.send('join', 'bob/2');
    assert.equal(await client.error('bob/2'), 'hook_failed');
    await world.postgres.query('ALTER ROLE herald_hook LOGIN');
    await until('functions to be called again', async () => {
        client.send('join', 'bob/2');
        const { action } = await client.waitFor((f) => f.options?.channel === 'bob/2');
        return action === 'join';
    }, 20 * SECOND);
});
