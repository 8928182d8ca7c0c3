-- SPDX-License-Identifier: PostgreSQL
-- What trigger functions write into the outbox, and that nothing of a stranger's runs while they do.
SELECT no_plan();
SET client_min_messages = error;

-- The newest rows of a table's shapes: action, old, new.
CREATE FUNCTION pg_temp.taken(table_ text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found_ text;
BEGIN
    WITH gone AS (DELETE FROM herald.outbox o USING herald.shape s WHERE s.number = o.shape AND s.description ->> 'table' = table_ RETURNING o.*)
    SELECT string_agg(concat_ws(' ', g.action, g.old, g.new), E'\n' ORDER BY g.id) INTO found_ FROM gone g;
    RETURN coalesce(found_, '');
END
$$;
CREATE FUNCTION pg_temp.code(table_ regclass) RETURNS text LANGUAGE sql AS $$
    SELECT p.prosrc FROM herald.watch w JOIN pg_proc p ON p.proname = 'capture_' || w.key WHERE w.relation = table_
$$;
CREATE FUNCTION pg_temp.description(table_ text) RETURNS json LANGUAGE sql AS $$
    SELECT s.description FROM herald.shape s WHERE s.description ->> 'table' = table_ AND s.retired_by IS NULL
$$;

-- ------------------------------------------------------------------------------------- what is captured, in which form

CREATE TABLE g_row (id int PRIMARY KEY, room text, secret text, note text, quiet text);
CREATE TABLE g_stmt (LIKE g_row INCLUDING ALL);
SELECT herald.watch('g_row', channel => 'g/{room}', columns => '{id,note}', keep => '{quiet}', max_bytes => 1000);
SELECT herald.watch('g_stmt', channel => 'g/{room}', columns => '{id,note}', keep => '{quiet}', max_bytes => 1000, mode => 'statement');
SELECT is(pg_temp.description('g_row')::text, format('{"watch":"%s","schema":"public","table":"g_row","template":["g/",1],"numbers":"text","max_bytes":1000,"key":[0],'
    '"columns":[{"name":"id","num":1,"type":"int","announced":true,"kept":false,"compares":"int"},{"name":"room","num":2,"type":"text","announced":false,"kept":false,"compares":"text_c"},'
    '{"name":"note","num":4,"type":"text","announced":true,"kept":false,"compares":"text_c"},{"name":"quiet","num":5,"type":"text","announced":false,"kept":true,"compares":"text_c"}]}',
    (SELECT w.key FROM herald.watch w WHERE w.relation = 'g_row'::regclass)), 'a shape');
SELECT is((SELECT s.number FROM herald.shape s WHERE s.description ->> 'table' = 'g_row'),
    (SELECT ('x' || left(encode(sha256(s.description::text::bytea), 'hex'), 16))::bit(64)::bigint FROM herald.shape s WHERE s.description ->> 'table' = 'g_row'), '… has its hash for a number');
CREATE FUNCTION pg_temp.write(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($sql$INSERT INTO %1$I VALUES (1, 'r', 'hush', 'a', 'k'), (2, NULL, 'hush', '', NULL)$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET secret = 'hush2'$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET note = 'b' WHERE id = 1$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET room = 's' WHERE id = 1$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET quiet = 'l' WHERE id = 1$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET note = repeat('x', 600) WHERE id = 1$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET quiet = repeat('q', 300)$sql$, t);
    EXECUTE format($sql$UPDATE %1$I SET quiet = repeat('q', 1100)$sql$, t);
    EXECUTE format($sql$DELETE FROM %1$I$sql$, t);
    EXECUTE format($sql$INSERT INTO %1$I VALUES (3, repeat('r', 1001), 'hush', 'a', 'k')$sql$, t);
    EXECUTE format($sql$TRUNCATE %1$I$sql$, t);
    RETURN replace(replace(replace(replace(pg_temp.taken(t), repeat('x', 600), 'XX'), repeat('q', 1100), 'QQQ'), repeat('q', 300), 'QQ'), 'hush', 'HUSH');
END
$$;
CREATE TEMP TABLE written AS SELECT t AS t, pg_temp.write(t) AS rows FROM unnest(ARRAY['g_row', 'g_stmt']) t;
SELECT is(rows, $$i (1,r,a,k)
i (2,,"",)
u (1,r,a,k) (1,r,b,k)
u (1,r,b,k) (1,s,b,k)
u (1,s,b,k) (1,s,b,l)
u (1,s,b,l) (1,s,XX,l)
u (2,,"",) (2,,"",QQ)
wk (1,s,l) (1,s,QQ)
wc () ()
wc (s) (s)
dc ()
dc (s)
sk
t$$, 'captured columns only, in the order of the table; reduced by and by: ' || t) FROM written;
SELECT is((SELECT s.description -> 'columns' -> 0 ->> 'name' FROM herald.shape s WHERE s.description ->> 'table' = 'g_stmt'), 'id', 'names stand in the shape');

-- ------------------------------------------------------------------------------------------------- the code's rules

CREATE TYPE g_mood AS ENUM ('glad');
CREATE TABLE g_all (id bigint, m g_mood, "begin" int, "x"" = 'y'" text, d date, f float8, i interval, b bytea, ts timestamptz[], c money, r regclass, PRIMARY KEY (id));
SELECT herald.watch('g_all', channel => 'x = %s {m}/{id}{begin}', mode => 'statement');
CREATE TABLE g_parts (id int, at timestamp, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE g_part PARTITION OF g_parts DEFAULT;
SELECT herald.watch('g_parts');
-- Without what is quoted, comments, labels and what is qualified. What is left may have no operator, and no function but these.
CREATE FUNCTION pg_temp.bare(code text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(replace(code, ':=', ';'), '--[^\n]*|#variable_conflict use_column|(ERRCODE|HINT) =', '', 'g'), '''(?:[^'']|'''')*''', '_', 'g'),
               '"(?:[^"]|"")*"', '_', 'g'), 'OPERATOR\(pg_catalog\.[^)]*\)|::pg_catalog\.[a-z0-9_]+(\[\])?|pg_catalog\.[a-z0-9_]+|herald\.[a-z_]+|<<[a-z_]+>>|SELECT \*|-\d+', ' ', 'g')
$$;
SELECT is(ARRAY(SELECT DISTINCT m[1] FROM regexp_matches(pg_temp.bare(pg_temp.code(t)), '[<>=+*/%~!@#&|^?:-]', 'g') m), '{}', 'no operator without a schema: ' || t) FROM unnest(ARRAY['g_row', 'g_stmt', 'g_all', 'g_parts']) t;
SELECT is(ARRAY(SELECT DISTINCT lower(m[1]) FROM regexp_matches(pg_temp.bare(pg_temp.code(t)), '([A-Za-z_0-9]+)\s*\(', 'g') m
                 WHERE lower(m[1]) NOT IN ('row', 'coalesce', 'values', 'exists', 'if', 'and', 'or', 'not', 'any', 'over', 'from', 'when', 'then', 'else', 'elsif', 'join', 'select', 'perform', 'on', 'where', 'into')), '{}',
    'no function without a schema: ' || t) FROM unnest(ARRAY['g_row', 'g_stmt', 'g_all', 'g_parts']) t;
SELECT ok(pg_temp.bare(pg_temp.code(t)) !~* '\m(in|between|like|ilike|similar|nullif|distinct|using\s*\(|case\s+(?!when))\M', 'nothing that looks for an operator by its bare name: ' || t)
  FROM unnest(ARRAY['g_row', 'g_stmt', 'g_all', 'g_parts']) t;
SELECT ok(pg_temp.bare(pg_temp.code('g_row') || ' a = b') ~ '=' AND pg_temp.bare('SELECT concat(1)') ~ 'concat\(', '… and the rules find what they look for');
SELECT is((SELECT count(*) FROM pg_proc p WHERE p.proname LIKE 'capture\_%' AND p.proconfig IS NOT NULL
              AND p.prosrc = ANY (ARRAY[pg_temp.code('g_row'), pg_temp.code('g_stmt'), pg_temp.code('g_parts')])), 0::bigint, 'no settings of its own in the usual case');
SELECT isnt((SELECT p.proconfig FROM pg_proc p WHERE p.prosrc = pg_temp.code('g_all')), NULL, '… but where money and reg types are printed');

-- ----------------------------------------------------------------------------------------- a hostile search_path

CREATE ROLE g_mallory;
GRANT herald_admin TO g_mallory;
CREATE SCHEMA g_evil AUTHORIZATION g_mallory;
GRANT USAGE ON SCHEMA g_evil, tap TO PUBLIC;
CREATE SEQUENCE g_evil.hits;
GRANT ALL ON g_evil.hits TO PUBLIC;
SET ROLE g_mallory;
DO $do$
DECLARE
    t text;
    o text;
    f text;
BEGIN
    FOREACH t IN ARRAY ARRAY['int4', 'int8', 'text', 'oid', 'name', 'bool', 'float8', 'record'] LOOP
        EXECUTE format($f$CREATE FUNCTION g_evil.op(%1$s, %1$s) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN true; END'$f$, t);
        FOREACH o IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '+', '-', '*<>', '||', '~', '~~', '%', '/'] LOOP
            EXECUTE format('CREATE OPERATOR g_evil.%1$s (LEFTARG = %2$s, RIGHTARG = %2$s, FUNCTION = g_evil.op)', o, t);
        END LOOP;
        FOREACH f IN ARRAY ARRAY['concat', 'octet_length', 'starts_with', 'current_setting', 'pg_typeof', 'plain_text', 'lower', 'format', 'n', 'gone', 'id', 'herald_row'] LOOP
            EXECUTE format($f$CREATE FUNCTION g_evil.%1$I(%2$s) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN current_user; END'$f$, f, t);
        END LOOP;
    END LOOP;
    CREATE FUNCTION g_evil.row_number() RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN 1; END';
    CREATE FUNCTION g_evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN now(); END';
    CREATE FUNCTION g_evil.pg_notification_queue_usage() RETURNS float8 LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN 0; END';
    CREATE FUNCTION g_evil.pg_try_advisory_xact_lock_shared(int, int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN true; END';
    FOREACH t IN ARRAY ARRAY['text', 'record', 'int4', 'bool', 'oid', 'name'] LOOP
        CONTINUE WHEN t = 'record';
        EXECUTE format('CREATE DOMAIN g_evil.%1$I AS pg_catalog.%1$I', t);
    END LOOP;
    CREATE VIEW g_evil.n AS SELECT nextval('g_evil.hits');
    CREATE VIEW g_evil.o AS SELECT nextval('g_evil.hits');
    CREATE VIEW g_evil.outbox AS SELECT nextval('g_evil.hits');
    CREATE VIEW g_evil.pg_trigger AS SELECT nextval('g_evil.hits');
END
$do$;
SELECT 'has hits' FROM (SELECT 1 OPERATOR(g_evil.=) 1) x;
RESET ROLE;
SELECT is((SELECT last_value FROM g_evil.hits), 1::bigint, 'what the hostile schema has, runs');
SELECT setval('g_evil.hits', 1, false);
-- Every road of the code is planned anew, under this path.
DISCARD PLANS;
SET search_path = g_evil, pg_catalog, public, tap;
INSERT INTO public.g_row VALUES (1, 'r', 'hush', 'a', 'k'), (2, NULL, 'hush', '', NULL);
UPDATE public.g_row SET note = 'b';
UPDATE public.g_row SET note = pg_catalog.repeat('x', 1200);
DELETE FROM public.g_row;
TRUNCATE public.g_row;
INSERT INTO public.g_stmt VALUES (1, 'r', 'hush', 'a', 'k'), (2, NULL, 'hush', '', NULL);
UPDATE public.g_stmt SET note = 'b';
UPDATE public.g_stmt SET note = pg_catalog.repeat('x', 1200);
DELETE FROM public.g_stmt;
TRUNCATE public.g_stmt;
SET datestyle = 'German';
SET extra_float_digits = 0;
INSERT INTO public.g_all (id, m, d, f, c, r) VALUES (1, 'glad', '2026-01-31', 0.1, '1.5', 'pg_class');
UPDATE public.g_all SET d = '2026-02-28';
INSERT INTO public.g_parts VALUES (1, '2026-01-31');
INSERT INTO public.g_part VALUES (2, '2026-01-31');
UPDATE public.g_parts SET id = 3 WHERE id OPERATOR(pg_catalog.=) 1;
RESET datestyle;
RESET extra_float_digits;
SET ROLE herald_capture;
SELECT herald.ring();
RESET ROLE;
RESET search_path;
SELECT is((SELECT is_called FROM g_evil.hits), false, 'a hostile search_path: nothing of it ran');
SELECT is((SELECT string_agg(o.action, ' ' ORDER BY o.id) FROM herald.outbox o JOIN herald.shape s ON s.number = o.shape WHERE s.description ->> 'table' = t),
    'i i u u uk uk dk dk t', '… and every change is there: ' || t) FROM unnest(ARRAY['g_row', 'g_stmt']) t;
SELECT is((SELECT string_agg(coalesce(o.old, o.new), ' ' ORDER BY o.id) FROM herald.outbox o JOIN herald.shape s ON s.number = o.shape WHERE s.description ->> 'table' = 'g_parts'),
    '(1,"2026-01-31 00:00:00") (2,"2026-01-31 00:00:00") (1,"2026-01-31 00:00:00")', '… as it always prints');
DELETE FROM herald.outbox;

-- A column that is gone from under the code, and a function of its name that takes a record.
SET ROLE g_mallory;
CREATE TABLE g_evil.stale (id int PRIMARY KEY, gone text, n text, secret text);
SELECT herald.watch('g_evil.stale', exclude => '{secret}', mode => 'statement');
SET search_path = g_evil, pg_catalog;
RESET ROLE;
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER EVENT TRIGGER herald_drop DISABLE;
SET ROLE g_mallory;
ALTER TABLE g_evil.stale DROP COLUMN gone;
INSERT INTO g_evil.stale VALUES (1, 'n', 'hush');
ALTER TABLE g_evil.stale RENAME COLUMN n TO m;
INSERT INTO g_evil.stale VALUES (2, 'n', 'hush');
UPDATE g_evil.stale SET m = 'm';
DELETE FROM g_evil.stale WHERE id OPERATOR(pg_catalog.=) 2;
RESET ROLE;
ALTER EVENT TRIGGER herald_ddl ENABLE;
ALTER EVENT TRIGGER herald_drop ENABLE;
RESET search_path;
SELECT is((SELECT string_agg(concat_ws(' ', o.action, o.old, o.new), E'\n' ORDER BY o.id) FROM herald.outbox o WHERE o.action <> 'a'),
    E'iK (1)\niK (2)\nuK (1) (1)\nuK (2) (2)\ndK (2)', 'statement mode without a column: by key');
SELECT is((SELECT is_called FROM g_evil.hits), false, '… and no function of its name was called');
DELETE FROM herald.outbox;
SELECT herald.refresh();
SELECT 'capture_' || key AS capture FROM herald.watch WHERE relation = 'g_evil.stale'::regclass \gset
SET ROLE g_mallory;
CREATE TRIGGER bare AFTER INSERT ON g_evil.stale FOR EACH STATEMENT EXECUTE FUNCTION herald.:capture();
SET search_path = g_evil, pg_catalog;
PREPARE attached AS INSERT INTO g_evil.stale VALUES (3, 'n', 'hush');
RESET search_path;
SELECT throws_ok('EXECUTE attached', '42501', NULL, 'its function under a trigger without transition tables raises');
CREATE TEMP VIEW n AS SELECT nextval('g_evil.hits');
SELECT throws_ok('EXECUTE attached', '42501', NULL, '… whatever is called n');
DROP TRIGGER bare ON g_evil.stale;
RESET ROLE;
SELECT is((SELECT is_called FROM g_evil.hits), false, '… and reads no view of that name');

-- Casts of the row's type, and of a column's.
SET ROLE g_mallory;
CREATE TYPE g_evil.kind AS ENUM ('a');
CREATE TABLE g_evil.cast_row (id int PRIMARY KEY, k g_evil.kind, ks g_evil.kind[]);
CREATE FUNCTION g_evil.row_text(g_evil.cast_row) RETURNS pg_catalog.text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN ''evil''; END';
CREATE FUNCTION g_evil.kind_text(g_evil.kind) RETURNS pg_catalog.text LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN ''evil''; END';
CREATE FUNCTION g_evil.kind_json(g_evil.kind) RETURNS json LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN ''1''; END';
CREATE FUNCTION g_evil.row_json(g_evil.cast_row) RETURNS json LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''g_evil.hits''); RETURN ''1''; END';
CREATE CAST (g_evil.cast_row AS pg_catalog.text) WITH FUNCTION g_evil.row_text(g_evil.cast_row) AS IMPLICIT;
CREATE CAST (g_evil.cast_row AS json) WITH FUNCTION g_evil.row_json(g_evil.cast_row) AS IMPLICIT;
CREATE CAST (g_evil.kind AS pg_catalog.text) WITH FUNCTION g_evil.kind_text(g_evil.kind) AS IMPLICIT;
CREATE CAST (g_evil.kind AS json) WITH FUNCTION g_evil.kind_json(g_evil.kind) AS IMPLICIT;
CREATE TABLE g_evil.cast_stmt (LIKE g_evil.cast_row INCLUDING ALL);
SELECT herald.watch('g_evil.cast_row', channel => 'c/{k}'), herald.watch('g_evil.cast_stmt', channel => 'c/{k}', mode => 'statement');
INSERT INTO g_evil.cast_row VALUES (1, 'a', '{a}');
INSERT INTO g_evil.cast_stmt VALUES (1, 'a', '{a}');
UPDATE g_evil.cast_row SET ks = '{a,a}';
UPDATE g_evil.cast_stmt SET ks = '{a,a}';
RESET ROLE;
SELECT is(pg_temp.taken2, E'i (1,a,{a})\ni (1,a,{a})\nu (1,a,{a}) (1,a,"{a,a}")\nu (1,a,{a}) (1,a,"{a,a}")', 'casts of users'' types: printed')
  FROM (SELECT string_agg(concat_ws(' ', o.action, o.old, o.new), E'\n' ORDER BY o.id) AS taken2 FROM herald.outbox o WHERE o.action <> 'a') AS pg_temp;
SELECT is((SELECT is_called FROM g_evil.hits), false, '… and not called');
DELETE FROM herald.outbox;

-- ------------------------------------------------------------------------------------------ settings of the session

CREATE TYPE g_pair AS (at timestamptz, n float8);
CREATE TYPE g_times AS RANGE (subtype = timestamptz);
CREATE TABLE g_plain (id int PRIMARY KEY, d date, t timestamp, f float8, f4 real, p point, i interval, b bytea, da date[], fa float8[], ia interval[], dr daterange, x xml, bits bit(3), tt time, n numeric, j jsonb,
    ba bytea[], q tsvector, u uuid, nw inet, ch "char", bp char(3), nm name, o oid, l int8[], box box[]);
CREATE TABLE g_helped (LIKE g_plain INCLUDING ALL, c money, r regclass, rt regtype[], a g_pair[], s g_times[]);
CREATE TABLE g_stmts (LIKE g_helped INCLUDING ALL);
CREATE TABLE g_zoned (id int PRIMARY KEY, z timestamptz, zr tstzrange, g g_times, zp g_pair);
SELECT herald.watch('g_plain'), herald.watch('g_helped'), herald.watch('g_stmts', mode => 'statement'), herald.watch('g_zoned');
CREATE FUNCTION pg_temp.print(t text, expected text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found_ text;
BEGIN
    EXECUTE format('UPDATE public.%I SET id = -id', t);
    DELETE FROM herald.outbox o
        RETURNING CASE WHEN o.action <> 'u' THEN o.action WHEN o.new <> expected THEN o.new END INTO STRICT found_;
    RETURN found_;
END
$$;
CREATE TEMP TABLE other_setting (name text, value text);
INSERT INTO other_setting
SELECT s.name, v.value
  FROM pg_settings s
 CROSS JOIN LATERAL (
     SELECT CASE s.setting WHEN 'on' THEN 'off' ELSE 'on' END WHERE s.vartype = 'bool'
     UNION ALL SELECT e FROM unnest(s.enumvals) e WHERE e <> s.setting
     UNION ALL SELECT x FROM unnest(ARRAY[s.min_val, s.max_val]) x WHERE s.vartype IN ('integer', 'real')
     UNION ALL SELECT x FROM unnest(ARRAY['German', 'SQL, DMY', 'Postgres, MDY', 'ISO, DMY']) x WHERE s.name = 'DateStyle'
     UNION ALL SELECT x FROM unnest(ARRAY['America/New_York', '+05:45', 'UTC']) x WHERE s.name = 'TimeZone'
     UNION ALL SELECT x FROM unnest(ARRAY['', 'public', 'g_evil, public']) x WHERE s.name = 'search_path'
     UNION ALL SELECT x FROM unnest(ARRAY['C', 'POSIX', 'C.UTF-8', 'en_US.UTF-8', 'de_DE.UTF-8']) x WHERE s.name LIKE 'lc\_%'
     UNION ALL SELECT 'x' WHERE s.vartype = 'string' AND s.name NOT LIKE 'lc\_%') v(value)
 WHERE s.context IN ('user', 'superuser') AND s.name NOT IN ('role', 'session_authorization', 'session_replication_role', 'transaction_read_only', 'transaction_deferrable', 'transaction_isolation',
       'transaction_timeout', 'statement_timeout', 'default_transaction_isolation', 'temp_tablespaces', 'zero_damaged_pages', 'ignore_checksum_failure', 'exit_on_error', 'log_min_messages', 'client_min_messages',
       'jit_provider', 'max_stack_depth', 'work_mem', 'allow_in_place_tablespaces') AND s.name NOT LIKE 'debug%' AND s.name NOT LIKE 'trace%' AND s.name NOT LIKE 'log\_%';
CREATE FUNCTION pg_temp.differences(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    expected text;
    other    record;
    found_   text := '';
    n        int := 0;
BEGIN
    EXECUTE format('UPDATE public.%I SET id = -id', t);
    DELETE FROM herald.outbox RETURNING replace(new, '(-1', '(1') INTO STRICT expected;
    FOR other IN SELECT * FROM other_setting o LOOP
        BEGIN
            PERFORM set_config(other.name, other.value, true);
            found_ := concat(found_, other.name || '=' || other.value || ': ' || pg_temp.print(t, expected) || ' ');
            n := n + 1;
            RAISE EXCEPTION 'undo' USING ERRCODE = 'P9999';
        EXCEPTION WHEN SQLSTATE 'P9999' THEN
            NULL;
        WHEN invalid_parameter_value OR undefined_object THEN
            NULL; -- no such locale here
        END;
    END LOOP;
    RETURN CASE WHEN n < 100 OR expected IS NULL THEN 'only ' || n ELSE found_ END;
END
$$;
SET timezone = 'UTC';
INSERT INTO g_plain VALUES (1, '2026-01-31', '2026-01-31 01:02:03.456', 0.1, 1.1, '(0.1,1e300)', '1 mon 2 days 03:04:05', '\x00ff', '{2026-01-31}', '{0.1,NULL}', '{"1 day"}', '[2026-01-01,2026-02-01)', '<a/>', '101', '01:02', 1.50,
    '{"a": 1.10}', '{"\\x00"}', 'a b', '00000000-0000-0000-0000-000000000001', '10.0.0.1/8', 'x', 'a', 'n', 4294967295, '{1,NULL}', '{(1,1),(0.1,0);(2,2),(1,1)}');
INSERT INTO g_helped SELECT p.*, '1234.56', 'g_plain', '{pg_class,g_pair}', ARRAY[ROW('2026-01-31 00:00:00+00', 0.1)::g_pair], '{"[2026-01-31 00:00:00+00,)"}' FROM g_plain p;
INSERT INTO g_stmts SELECT * FROM g_helped;
INSERT INTO g_zoned VALUES (1, '2026-01-31 00:00:00+00', '[2026-01-31 00:00:00+00,)', '[2026-01-31 00:00:00+00,)', ROW('2026-01-31 00:00:00+00', 0.1));
SELECT is((SELECT o.new FROM herald.outbox o JOIN herald.shape s ON s.number = o.shape WHERE s.description ->> 'table' = 'g_helped'),
    '(1,2026-01-31,"2026-01-31 01:02:03.456",0.1,1.1,"(0.1,1e+300)","1 mon 2 days 03:04:05","\\x00ff",{2026-01-31},"{0.1,NULL}","{""1 day""}","[2026-01-01,2026-02-01)",<a/>,101,01:02:00,1.50,'
    '"{""a"": 1.10}","{""\\\\x00""}","''a'' ''b''",00000000-0000-0000-0000-000000000001,10.0.0.1/8,x,"a  ",n,4294967295,"{1,NULL}","{(1,1),(0.1,0);(2,2),(1,1)}",'
    '"$1,234.56",public.g_plain,"{pg_class,public.g_pair}","{""(\\""2026-01-31 00:00:00+00\\"",0.1)""}","{""[\\""2026-01-31 00:00:00+00\\"",)""}")', 'a row of many types');
DELETE FROM herald.outbox;
SELECT is(pg_temp.differences(t), '', 'no setting of the session changes what is printed: ' || t) FROM unnest(ARRAY['g_plain', 'g_helped', 'g_stmts']) t;
-- Where the server puts the time into UTC, the text may have the session's zone, but always its offset.
SELECT is(pg_temp.differences('g_zoned'), 'TimeZone=America/New_York: (1,"2026-01-30 19:00:00-05","[""2026-01-30 19:00:00-05"",)","[""2026-01-30 19:00:00-05"",)","(""2026-01-30 19:00:00-05"",0.1)")'
    ' TimeZone=+05:45: (1,"2026-01-30 18:15:00-05:45","[""2026-01-30 18:15:00-05:45"",)","[""2026-01-30 18:15:00-05:45"",)","(""2026-01-30 18:15:00-05:45"",0.1)") ', '… but times with a zone have their offset');

CREATE TYPE g_around AS (p g_pair, l timestamptz[]);
CREATE TABLE g_named (id int PRIMARY KEY, zs timestamptz[], p g_around);
SELECT herald.watch('g_named', channel => 'z/{zs}/{p}');
SET timezone = 'Asia/Kolkata';
INSERT INTO g_named VALUES (1, '{2026-01-31 00:00:00+00}', ROW(ROW('2026-01-31 00:00:00+00', 0.1)::g_pair, '{2026-01-31 00:00:00+00}'));
RESET timezone;
SELECT tap.drain();
SELECT is((SELECT max(channel) FROM herald.log WHERE channel LIKE 'z/%'),
    'z/%7B"2026-01-31 00:00:00+00"%7D/("(""2026-01-31 00:00:00+00"",0%2E1)","%7B""2026-01-31 00:00:00+00""%7D")', 'a channel that names times inside of something has them in UTC');
DROP TABLE g_named;

-- ---------------------------------------------------------------------------------- errors of the outbox's own INSERT

CREATE FUNCTION tap.fail_insert() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    code text := current_setting('tap.fault', true);
BEGIN
    PERFORM nextval('tap.tries');
    IF code <> '' THEN
        RAISE EXCEPTION 'simulated' USING ERRCODE = code;
    END IF;
    RETURN NEW;
END
$$;
CREATE SEQUENCE tap.tries;
CREATE TRIGGER fail BEFORE INSERT ON herald.outbox FOR EACH ROW EXECUTE FUNCTION tap.fail_insert();
CREATE FUNCTION pg_temp.fault(code text, t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('tap.fault', code, true), setval('tap.tries', 1, false);
    EXECUTE format('INSERT INTO %I (id) VALUES (100), (101)', t);
    PERFORM set_config('tap.fault', '', true);
    RETURN 'written';
EXCEPTION WHEN OTHERS THEN
    PERFORM set_config('tap.fault', '', true);
    RETURN concat(SQLSTATE, ' after ', (SELECT last_value FROM tap.tries));
END
$$;
SELECT is(pg_temp.fault(c, t), c || ' after 1', format('%s of the outbox fails the write: %s', c, t))
  FROM unnest(ARRAY['40P01', '40001', '53100', '55P03', '58030']) c, unnest(ARRAY['g_row', 'g_stmt']) t;
SELECT is(pg_temp.fault(c, 'g_stmt'), c || ' after 2', format('%s, too, the second time', c)) FROM unnest(ARRAY['53200', '22023', 'XX000', '42501']) c;
SELECT is(pg_temp.fault('', 'g_stmt'), 'written', '… and without a fault it is written');
DROP TRIGGER fail ON herald.outbox;
DELETE FROM herald.outbox;

-- ---------------------------------------------------------------------------------------------- what cannot be printed

-- A value of an enum that is no more: its output function raises, as others do for what is too long.
CREATE TYPE g_broken AS ENUM ('fine', 'gone');
CREATE TABLE g_hard (id int PRIMARY KEY, room text, body g_broken);
CREATE TABLE g_hards (LIKE g_hard INCLUDING ALL);
CREATE TABLE g_harder (LIKE g_hard INCLUDING ALL);
INSERT INTO g_hard VALUES (1, 'r', 'fine'), (2, 'r', 'gone');
INSERT INTO g_hards TABLE g_hard;
INSERT INTO g_harder TABLE g_hard;
SELECT herald.watch('g_hard', channel => 'l/{room}'), herald.watch('g_hards', channel => 'l/{room}', mode => 'statement'), herald.watch('g_harder', channel => 'l/{body}', key_columns => '{body}');
DELETE FROM pg_enum WHERE enumtypid = 'g_broken'::regtype AND enumlabel = 'gone';
UPDATE g_hard SET room = 's';
UPDATE g_hards SET room = 's';
UPDATE g_harder SET room = 's';
SELECT is(pg_temp.taken(t), E'u (1,r,fine) (1,s,fine)\nuK (2,r) (2,s)', 'what cannot be printed: by key, and only its row: ' || t) FROM unnest(ARRAY['g_hard', 'g_hards']) t;
SELECT is(pg_temp.taken('g_harder'), E'u (1,r,fine) (1,s,fine)\nsu', '… in the template: counted');
DROP TABLE g_hard, g_hards, g_harder;

-- ----------------------------------------------------------------------------------------------- names and channels

-- The cases that C (tests/unit/core/test_row_channel.c) and the client (tests/browser/client.test.mjs) are held to as well.
GRANT USAGE ON SCHEMA tap TO herald_publisher;
GRANT SELECT ON tap.channel_name_case TO herald_publisher;
SET ROLE herald_publisher;
SELECT is(herald.channel_name(template, "row"), channel, format('channel_name(%L, %L)', template, "row")) FROM tap.channel_name_case WHERE 'sql' <> ALL (refused_by);
SELECT throws_ok(format('SELECT herald.channel_name(%L, %L)', template, "row"), '22023', NULL, format('channel_name(%L, %L): refused', template, "row"))
  FROM tap.channel_name_case WHERE 'sql' = ANY (refused_by);
RESET ROLE;
SELECT throws_ok($q$SELECT herald.channel_name('a{b', '{}')$q$, '22023', NULL, 'channel_name: no template');
CREATE TABLE g_begin (id int PRIMARY KEY, "begin" text, "loop" int);
SELECT herald.watch('g_begin', channel => 'b/{begin}/{loop}');
INSERT INTO g_begin VALUES (1, 'b', 2);
SELECT is(pg_temp.taken('g_begin'), 'i (1,b,2)', 'columns called begin and loop');
DO $$ BEGIN
    EXECUTE 'CREATE TYPE g_fifty AS (' || (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(1, 50) i) || ')';
    EXECUTE $c$CREATE COLLATION g_ci (provider = icu, locale = 'en-u-ks-level2', deterministic = false)$c$;
END $$;
CREATE TABLE g_alias (id int PRIMARY KEY, herald_row0 text, n text, secret text);
SELECT herald.watch('g_alias', exclude => '{secret}', mode => 'statement');
INSERT INTO g_alias VALUES (1, 'a', 'b', 'hush');
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER TABLE g_alias RENAME COLUMN herald_row0 TO other;
ALTER TABLE g_alias RENAME COLUMN n TO o;
INSERT INTO g_alias VALUES (2, 'a', 'b', 'hush');
ALTER EVENT TRIGGER herald_ddl ENABLE;
SELECT is(pg_temp.taken('g_alias'), E'i (1,a,b)\niK (2)', 'a column that is called as our alias, gone: no whole row');
SELECT herald.refresh();
CREATE TABLE g_odd (id int PRIMARY KEY, c text COLLATE g_ci, f g_fifty);
SELECT herald.watch('g_odd', channel => 'o/{c}');
INSERT INTO g_odd (id, c, f.c2) VALUES (1, 'Ab', 7);
UPDATE g_odd SET c = 'aB', f = NULL;
SELECT is(pg_temp.taken('g_odd'), format(E'i (1,Ab,"(,7%1$s)")\nu (1,Ab,"(,7%1$s)") (1,aB,)', repeat(',', 48)), 'a collation that knows no case, a composite of 50 fields');

-- ------------------------------------------------------------------------------------------------------- following

CREATE TABLE g_parent (id int PRIMARY KEY, a text);
CREATE TABLE g_child () INHERITS (g_parent);
SELECT herald.watch('g_child', key_columns => '{id}');
ALTER TABLE g_parent ADD COLUMN b int;
ALTER TABLE g_parent RENAME COLUMN a TO aa;
INSERT INTO g_child VALUES (1, 'a', 2);
SELECT is(pg_temp.taken('g_child'), 'i (1,a,2)', 'a child follows its parent');
SELECT is((SELECT columns FROM herald.watches WHERE "table" = 'g_child'::regclass), '{id,aa,b}', '… by name');
CREATE TABLE g_whole (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);
CREATE TABLE g_piece PARTITION OF g_whole DEFAULT;
SELECT herald.watch('g_piece');
ALTER TABLE g_whole RENAME COLUMN a TO aa;
ALTER TABLE g_whole ADD COLUMN b int;
INSERT INTO g_whole VALUES (1, 'a', 2);
SELECT is(pg_temp.taken('g_piece'), 'i (1,a,2)', 'a partition follows the whole');
CREATE TABLE g_inner (a int);
CREATE DOMAIN g_inner_domain AS g_inner;
CREATE TABLE g_outer (id int PRIMARY KEY, i g_inner, d g_inner_domain, l g_inner[]);
SELECT herald.watch('g_outer');
ALTER TABLE g_inner ADD COLUMN b text;
SELECT is(pg_temp.description('g_outer') #>> '{columns,1,type}', '{"composite":[["a","int"],["b","text"]]}', 'a row type follows its table');
SELECT is(pg_temp.description('g_outer') #>> '{columns,2,type}', '{"composite":[["a","int"],["b","text"]]}', '… under a domain');
SELECT is((SELECT count(*) FROM herald.watches w WHERE w.stale AND w."table"::text LIKE 'g\_%'), 0::bigint, 'nothing is stale');
SELECT is((SELECT count(*) FROM herald.shape s WHERE s.description ->> 'table' = 'g_outer'), 2::bigint, 'the shape of before is kept');
SELECT is(herald.shape_number(pg_temp.description('g_outer')), (SELECT s.number FROM herald.shape s WHERE s.description ->> 'table' = 'g_outer' AND s.retired_by IS NULL), '… and one is in use');
ALTER TABLE g_inner DROP COLUMN b;
SELECT is((SELECT count(*) FROM herald.shape s WHERE s.description ->> 'table' = 'g_outer' AND s.retired_by IS NULL), 1::bigint, 'a shape that comes back is in use again');

CREATE FUNCTION pg_temp.n_shapes() RETURNS bigint LANGUAGE sql AS $$SELECT count(*) FROM herald.shape s WHERE s.description ->> 'table' = 'g_outer'$$;
ALTER TABLE g_inner ADD COLUMN b text;
INSERT INTO g_outer VALUES (1);
ALTER TABLE g_inner DROP COLUMN b;
UPDATE herald.shape SET retired_by = '3' WHERE retired_by IS NOT NULL;
SELECT drain();
SELECT FROM herald.sweep();
SELECT is(pg_temp.n_shapes(), 2::bigint, 'a shape that was retired today stays');
UPDATE herald.shape SET retired_at = now() - interval '2 days' WHERE description ->> 'table' = 'g_outer' AND retired_by IS NOT NULL;
SELECT FROM herald.sweep();
SELECT is(pg_temp.n_shapes(), 2::bigint, '… and one that rows of the log may have');
DELETE FROM herald.log;
SELECT FROM herald.sweep();
SELECT is(pg_temp.n_shapes(), 1::bigint, '… and then it goes');

-- ------------------------------------------------------------------------------------------------ types of the shape

CREATE EXTENSION IF NOT EXISTS hstore;
CREATE DOMAIN g_hdomain AS hstore;
CREATE DOMAIN g_big AS bigint;
SELECT 'CREATE TABLE g_types (id int PRIMARY KEY, a int2vector, b oidvector, c box[], d bigint[], e g_big, f g_big[], g hstore, h g_hdomain, i hstore[], j tstzrange, k int4range, l g_times, m g_mood[], n numeric, o json,
    p bool, q text[], r float4, s varchar(3), t g_fifty[], u timestamptz[], v tstzrange[], w date, x timestamp, y interval)' \gexec
SELECT herald.watch('g_types');
SELECT is((SELECT string_agg(c.col ->> 'type', ' ' ORDER BY c.nth) FROM json_array_elements(pg_temp.description('g_types') -> 'columns') WITH ORDINALITY c(col, nth)),
    'int {"vector":"int"} {"vector":"text"} {"array":"text","delimiter":";"} {"array":"bigint"} bigint {"array":"bigint"} hstore text {"array":"text"} {"range":"timestamptz"} text {"range":"timestamptz"}'
    ' {"array":"text"} numeric json bool {"array":"text"} float text {"array":"text"} {"array":"timestamptz"} {"array":{"range":"timestamptz"}} date timestamp text', 'types as the server reads them');

DELETE FROM herald.watch_count;
SELECT is((SELECT concat(w.reduced, ' ', w.skipped) FROM herald.watches w WHERE w."table" = 'g_types'::regclass), '0 0', 'nothing was reduced or skipped …');
SELECT herald.count_events(ARRAY[w.key, w.key, w.key, '', 'nobody'], '{size,size,channel,shape,size}', '{1,2,0,5,5}', '{0,4,8,5,5}') FROM herald.watch w WHERE w.relation = 'g_types'::regclass;
SELECT herald.count_events(ARRAY[w.key], '{size}', '{16}', '{32}') FROM herald.watch w WHERE w.relation = 'g_types'::regclass;
SELECT is((SELECT concat(w.reduced, ' ', w.skipped) FROM herald.watches w WHERE w."table" = 'g_types'::regclass), '19 44', '… until the server counted it');
SELECT is((SELECT string_agg(concat(c.key, c.reduced), ' ') FROM herald.watch_count c WHERE c.key IN ('', 'nobody')), '5', '… and what nobody watches is not kept');

-- Left as it was found.
DELETE FROM herald.watch_count;
SELECT herald.unwatch(w."table") FROM herald.watches w WHERE w."table"::text ~ 'g_';
DELETE FROM herald.outbox;
SELECT * FROM finish();
