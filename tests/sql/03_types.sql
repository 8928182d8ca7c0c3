-- SPDX-License-Identifier: PostgreSQL
-- Values exactly as Postgres prints them, whatever the session's settings, and no stranger's code on the way.
SELECT plan(29);

CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE TYPE t_mood AS ENUM ('glad', 'sa"d');
CREATE TYPE t_pair AS (n bigint, mood t_mood, amount numeric);
CREATE TYPE t_nest AS (p t_pair, l int[]);
CREATE DOMAIN t_big AS bigint;
CREATE DOMAIN t_bigs AS t_big[];
CREATE DOMAIN t_pairs AS t_pair;
CREATE TYPE t_span AS RANGE (subtype = date);

CREATE TABLE t_native (n numeric, b bigint, f float8, j json);
SELECT herald.watch('t_native', numbers => 'native');
INSERT INTO t_native VALUES (1.10, 9223372036854775807, 0.1, '{"a" : 1e400, "b":"\u0000", "b":12345678901234567890}'), ('NaN', -9223372036854775808, '-Infinity', NULL);
SELECT drain();
SELECT is((SELECT string_agg(payload::text, ' ' ORDER BY channel_offset) FROM herald.log WHERE channel = 'public.t_native'),
    '{"data":{"action":"insert","schema":"public","table":"t_native","new":{"n":1.10,"b":9223372036854775807,"f":0.1,'
    || '"j":{"a" : 1e400, "b":"\u0000", "b":12345678901234567890}},"old":null},"dbo_id":0,"row_id":0}'
    || ' {"data":{"action":"insert","schema":"public","table":"t_native","new":{"n":"NaN","b":-9223372036854775808,"f":"-Infinity","j":null},"old":null},"dbo_id":0,"row_id":0}',
    'native: byte for byte');
CREATE TABLE t_default (n numeric, b bigint, d t_big, l bigint[], m numeric[], ds t_bigs, dl t_big[], i int, s smallint, o oid);
SELECT herald.watch('t_default');
INSERT INTO t_default VALUES (1.10, 9223372036854775807, 5, '{{1,2},{3,NULL}}', '{1.50}', '{7}', '{8,NULL}', 1, 2, 3);
INSERT INTO t_default VALUES (NULL);
SELECT is(rows_of('public.t_default'),
    '{"n":"1.10","b":"9223372036854775807","d":"5","l":[["1","2"],["3",null]],"m":["1.50"],"ds":["7"],"dl":["8",null],"i":1,"s":2,"o":"3"}'
    || ' {"n":null,"b":null,"d":null,"l":null,"m":null,"ds":null,"dl":null,"i":null,"s":null,"o":null}',
    'text: bigint and numeric as strings, in domains and arrays too');

-- Built-in types print as row_to_json() prints them.
CREATE TABLE t_builtin (a bool, c date, d timestamp, e timestamptz, f time, g interval, h uuid, i bytea, j jsonb, k text[], l int4range, m inet, n bit(3),
    o xml, p "char", q name, r char(5), s point, t tsvector, u float4, v money, w int[][], x timestamptz[], y tstzrange, z json);
SELECT herald.watch('t_builtin', numbers => 'native');
INSERT INTO t_builtin VALUES (true, '2026-01-02', '2026-01-02 03:04:05.6', '2026-01-02 03:04:05+02', '03:04', '1 day 2 hours', '00000000-0000-0000-0000-000000000001',
    '\x00ff', '{"b": [1.10, null]}', '{"a,b",NULL,"c\"d"}', '[1,5)', '::1', '101', '<a/>', 'x', 'n', 'ab', '(1.5,2)', 'a b', 0.1, '1.00', '{{1,2},{3,4}}',
    '{"2026-01-02 03:04:05+02"}', '[2026-01-02 03:04:05+02,)', '[1 , 2]');
INSERT INTO t_builtin VALUES (NULL);
INSERT INTO t_builtin VALUES (false, '-infinity', 'infinity');
SET timezone = 'UTC';
CREATE TEMP TABLE expected AS SELECT string_agg(row_to_json(b)::text, ' ') AS j FROM t_builtin b;
SELECT is(rows_of('public.t_builtin'), (SELECT j FROM expected), 'built-in types as row_to_json()');
SET timezone = 'America/New_York'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'escape'; SET extra_float_digits = 0;
SET standard_conforming_strings = off; SET search_path = pg_temp, public, tap; SET plpgsql.extra_errors = 'all';
INSERT INTO t_builtin VALUES (true, '2026-01-02', '2026-01-02 03:04:05.6', '2026-01-02 03:04:05+02', '03:04', '1 day 2 hours', '00000000-0000-0000-0000-000000000001',
    E'\\x00ff', '{"b": [1.10, null]}', E'{"a,b",NULL,"c\\"d"}', '[1,5)', '::1', '101', '<a/>', 'x', 'n', 'ab', '(1.5,2)', 'a b', 0.1, '1.00', '{{1,2},{3,4}}',
    '{"2026-01-02 03:04:05+02"}', '[2026-01-02 03:04:05+02,)', '[1 , 2]');
RESET ALL;
SELECT is(rows_of('public.t_builtin'), (SELECT split_part(j, ' {"a":null', 1) FROM expected), 'whatever the session has set');

-- User-defined types.
CREATE TABLE t_user (id int, h hstore, c citext, m t_mood, p t_pair, n t_nest, d t_pairs, ms t_mood[], ps t_pair[], s t_span, hs hstore[]);
SELECT herald.watch('t_user');
INSERT INTO t_user VALUES (1, 'a=>1,b=>NULL', 'CiText', 'sa"d', ROW(9007199254740993, 'glad', 1.50), ROW(ROW(1, NULL, NULL), '{1,2}'), ROW(2, 'glad', NULL),
    '{glad,NULL,"sa\"d"}', ARRAY[ROW(1, 'glad', 2.50)::t_pair], '[2026-01-01,2026-02-01)', ARRAY['x=>y'::hstore]);
INSERT INTO t_user VALUES (2);
SELECT is(rows_of('public.t_user'),
    '{"id":1,"h":{"a": "1", "b": null},"c":"CiText","m":"sa\"d","p":{"n":"9007199254740993","mood":"glad","amount":"1.50"},'
    || '"n":{"p":{"n":"1","mood":null,"amount":null},"l":[1,2]},"d":{"n":"2","mood":"glad","amount":null},"ms":["glad",null,"sa\"d"],'
    || '"ps":["(1,glad,2.50)"],"s":"[2026-01-01,2026-02-01)","hs":["\"x\"=>\"y\""]}'
    || ' {"id":2,"h":null,"c":null,"m":null,"p":null,"n":null,"d":null,"ms":null,"ps":null,"s":null,"hs":null}', 'user-defined types');
UPDATE t_user SET c = 'citext' WHERE id = 1;
SELECT is(actions('public.t_user'), 'update', 'citext: another case is a change');
UPDATE t_user SET p = ROW(1, 'glad', 1.5), h = h WHERE id = 1;
SELECT is(actions('public.t_user'), 'update', 'a change inside a composite');
UPDATE t_user SET (h, c, m, p, n, d, ms, ps, s, hs) = (h, c, m, p, n, d, ms, ps, s, hs);
SELECT is(actions('public.t_user'), '', 'user-defined types that stay the same are no event');
CREATE TABLE t_enum (id int, m t_mood);
SELECT herald.watch('t_enum', channel => 't/{m}');
INSERT INTO t_enum VALUES (1, 'glad'), (2, NULL);
SELECT is(rows_of('t/glad'), '{"id":1,"m":"glad"}', 'a user-defined type in a template');

-- Odd shapes.
CREATE SCHEMA "Odd. Schema%";
CREATE TABLE "Odd. Schema%"."Tab ""le'" ("Select" int PRIMARY KEY, "a""b'\{}%" text, "ü" text, doubled text GENERATED ALWAYS AS (upper("ü")) STORED);
SELECT herald.watch('"Odd. Schema%"."Tab ""le''"');
INSERT INTO "Odd. Schema%"."Tab ""le'" VALUES (1, E'\x01\t"\\', '😀');
SELECT is((SELECT d::text FROM news('Odd%2E Schema%25.Tab "le''') d),
    '{"action":"insert","schema":"Odd. Schema%","table":"Tab \"le''","new":{"Select":1,"a\"b''\\{}%":"\u0001\t\"\\","ü":"😀","doubled":"😀"},"old":null}',
    'quoted identifiers, generated columns, emoji, control characters');
DO $$ BEGIN EXECUTE 'CREATE TABLE t_wide (' || (SELECT string_agg(format('c%s int DEFAULT %s', i, i), ', ') FROM generate_series(1, 1500) i) || ')'; END $$;
SELECT herald.watch('t_wide');
INSERT INTO t_wide DEFAULT VALUES;
SELECT is(rows_of('public.t_wide'), (SELECT row_to_json(x)::text FROM t_wide x), '1500 columns');
UPDATE t_wide SET c1500 = 0;
UPDATE t_wide SET c1500 = 0;
SELECT is(actions('public.t_wide'), 'update', '… of which one changed');
CREATE TABLE t_long (id int PRIMARY KEY, body text);
SELECT herald.watch('t_long', max_bytes => 4000000);
INSERT INTO t_long SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 32768) i;
SELECT is((SELECT md5(d -> 'new' ->> 'body') FROM news('public.t_long') d), (SELECT md5(body) FROM t_long), '1 MB of text');
CREATE TABLE t_zero ();
SELECT throws_ok($$SELECT herald.watch('t_zero')$$, '22023', NULL, 'a table without columns has nothing to announce');

-- Statement mode says the same.
CREATE TABLE t_stmt (LIKE t_user);
ALTER TABLE t_stmt ADD PRIMARY KEY (id);
SELECT herald.watch('t_stmt', channel => 's/{m}', mode => 'statement', max_bytes => 2000);
INSERT INTO t_stmt SELECT * FROM t_user;
INSERT INTO t_stmt (id, m) SELECT i, 'glad' FROM generate_series(10, 12) i;
SELECT is(replace(rows_of('s/sa"d'), '"c":"citext"', ''), (SELECT replace(payload #>> '{data,new}', '"c":"citext"', '') FROM herald.log WHERE channel = 'public.t_user' ORDER BY channel_offset DESC LIMIT 1),
    'statement mode: the same row');
UPDATE t_stmt SET m = 'glad', c = CASE id WHEN 10 THEN repeat('x', 3000) END;
SELECT is(actions('s/sa"d'), 'delete', '… that moves');
SELECT is((SELECT string_agg(concat(d ->> 'action', ' ', d #>> '{new,id}', ' ', d ->> 'truncated_to_key', ' ', d #>> '{old,id}'), ',') FROM news('s/glad') d),
    'insert 10  ,insert 11  ,insert 12  ,insert 2  ,insert 1  ,update 10 true 10', '… in order, by key where it is too big, nothing where nothing changed');
DELETE FROM t_stmt WHERE id > 10;
TRUNCATE t_stmt;
SELECT is(actions('s/glad'), 'delete delete truncate', '… DELETE and TRUNCATE');
DELETE FROM t_stmt;
SELECT is(drain(), 0, '… an empty statement is nothing');
CREATE TABLE t_part (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE t_part_1 PARTITION OF t_part FOR VALUES FROM (1) TO (10);
CREATE TABLE t_twice (id int PRIMARY KEY, n int);
CREATE FUNCTION t_again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t_later AFTER INSERT OR UPDATE ON t_twice FOR EACH ROW EXECUTE FUNCTION t_again();
-- A DELETE that cascades to its own table, in one statement with an INSERT of the same keys.
CREATE TABLE t_tree (id int PRIMARY KEY, up int REFERENCES t_tree ON DELETE CASCADE);
CREATE TABLE t_cycle (id int PRIMARY KEY, other int);
CREATE TABLE t_other (id int PRIMARY KEY, cycle int REFERENCES t_cycle ON UPDATE SET NULL);
ALTER TABLE t_cycle ADD FOREIGN KEY (other) REFERENCES t_other ON UPDATE CASCADE;
CREATE TABLE t_plain (id int PRIMARY KEY, up int REFERENCES t_plain, tree int REFERENCES t_tree ON DELETE CASCADE);
SELECT throws_ok(format('SELECT herald.watch(%L, mode => %L)', x, 'statement'), '0A000', NULL, 'refused where it would miss or reorder: ' || x)
  FROM unnest(ARRAY['t_part', 't_part_1', 't_twice', 't_tree', 't_cycle']) x;
SELECT lives_ok($$SELECT herald.watch('t_plain', mode => 'statement')$$, '… and not for other foreign keys');
SELECT herald.watch('t_tree');
INSERT INTO t_tree VALUES (1, NULL);
WITH gone AS (DELETE FROM t_tree RETURNING *) INSERT INTO t_tree TABLE gone;
SELECT is(actions('public.t_tree'), 'insert delete insert', '… in mode row it is announced in its order');
SELECT throws_ok($$SELECT herald.watch('t_stmt', mode => 'statement', always => true)$$, '0A000', NULL, '… with always');
SELECT throws_ok($$SELECT herald.watch('pg_class')$$, '42809', NULL, 'system tables are not watched');
SELECT throws_ok($$SELECT herald.watch('herald.watches')$$, '42809', NULL, '… nor views');
SELECT * FROM finish();
