-- SPDX-License-Identifier: PostgreSQL
-- Tables change under their watches. Writes go on, what was hidden stays hidden, and nothing is lost in silence.
SELECT plan(33);

-- With event triggers.
CREATE TABLE s_a (id int PRIMARY KEY, name text, secret text, room int);
SELECT herald.watch('s_a', channel => 's/{room}', exclude => '{secret}');
INSERT INTO s_a VALUES (1, 'n', 'hush', 1);
ALTER TABLE s_a RENAME COLUMN secret TO open_now;
ALTER TABLE s_a RENAME COLUMN room TO place;
ALTER TABLE s_a ADD COLUMN extra bigint DEFAULT 5;
UPDATE s_a SET name = 'm';
SELECT is(rows_of('s/1'), '{"id":1,"name":"n","room":1} {"id":1,"name":"m","place":1,"extra":"5"}', 'renamed and added columns; an excluded one stays excluded');
ALTER TABLE s_a ALTER COLUMN name TYPE int USING 7, DROP COLUMN extra;
UPDATE s_a SET name = 8;
SELECT is(rows_of('s/1'), '{"id":1,"name":8,"place":1}', 'a retyped and a dropped column');
ALTER TABLE s_a DROP COLUMN open_now;
ALTER TABLE s_a ADD COLUMN secret text DEFAULT 'hush';
UPDATE s_a SET name = 9;
SELECT is(rows_of('s/1'), '{"id":1,"name":9,"place":1}', 'a column that comes back under an excluded name is excluded');
ALTER TABLE s_a RENAME TO s_b;
ALTER TABLE s_b RENAME COLUMN id TO nr;
UPDATE s_b SET name = 10;
SELECT is((SELECT concat(d ->> 'table', d ->> 'new') FROM news('s/1') d), 's_b{"nr":1,"name":10,"place":1}', 'a renamed table and key');
SELECT results_eq($$SELECT "table", channel, columns, mode, enabled FROM herald.watches WHERE "table" = 's_b'::regclass$$,
    $$VALUES ('s_b'::regclass, 's/{place}', '{nr,name,place}'::text[], 'row', true)$$, 'the view watches');
ALTER TABLE s_b DISABLE TRIGGER "!herald_row";
SELECT is((SELECT enabled FROM herald.watches WHERE "table" = 's_b'::regclass), false, '… shows a disabled trigger');
ALTER TABLE s_b ENABLE TRIGGER "!herald_row";
CREATE ROLE s_owner;
GRANT CREATE ON SCHEMA public TO s_owner;
ALTER TABLE s_b OWNER TO s_owner;
SELECT set_eq($$SELECT a.grantee::regrole::text FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
    WHERE p.proname = 'capture_' || (SELECT key FROM herald.watch WHERE relation = 's_b'::regclass)$$, ARRAY['s_owner', 'herald_capture'], 'EXECUTE moves with the owner');
SET client_min_messages = error;
ALTER TABLE s_b DROP COLUMN place;
UPDATE s_b SET name = 11;
RESET client_min_messages;
CREATE TEMP TABLE before AS SELECT skipped FROM herald.status;
SELECT is(drain(), 1, 'a column of the template is gone: consumed …');
SELECT is((SELECT s.skipped - b.skipped FROM herald.status s, before b), 1::bigint, '… without an event, but counted');
DROP TABLE s_b;
SELECT is_empty($$SELECT relation FROM herald.watch WHERE relation::text ~ '^[0-9]'$$, 'a dropped table takes its watch along …');
SELECT is((SELECT count(*) FROM pg_proc WHERE proname LIKE 'capture\_%' AND prorettype = 'trigger'::regtype), (SELECT count(*) FROM herald.watch), '… and its function');
CREATE TYPE s_kind AS ENUM ('a');
CREATE TABLE s_typed (id int PRIMARY KEY, kind s_kind);
SELECT herald.watch('s_typed');
DROP TYPE s_kind CASCADE;
INSERT INTO s_typed VALUES (1);
SELECT is(rows_of('public.s_typed'), '{"id":1}', 'a column dropped with its type');
CREATE SCHEMA s_old;
CREATE TABLE s_old.x (id int PRIMARY KEY);
SELECT herald.watch('s_old.x');
ALTER SCHEMA s_old RENAME TO s_new;
INSERT INTO s_new.x VALUES (1);
SELECT is(rows_of('s_new.x'), '{"id":1}', 'a renamed schema');

-- Parts that come by other statements than CREATE TABLE.
CREATE TABLE s_whole (id int, a text) PARTITION BY LIST (id);
SELECT herald.watch('s_whole');
CREATE SCHEMA s_with CREATE TABLE part PARTITION OF public.s_whole FOR VALUES IN (1);
CREATE FOREIGN DATA WRAPPER s_wrapper;
CREATE SERVER s_far FOREIGN DATA WRAPPER s_wrapper;
CREATE FOREIGN TABLE s_far_part PARTITION OF s_whole FOR VALUES IN (2) SERVER s_far;
SELECT is((SELECT stale FROM herald.watches WHERE "table" = 's_whole'::regclass), false, 'CREATE SCHEMA and CREATE FOREIGN TABLE are followed');
TRUNCATE s_with.part;
SELECT is((SELECT string_agg(o.action, ',') FROM herald.outbox o JOIN herald.shape s ON s.number = o.shape WHERE s.description ->> 'table' = 's_whole'), 'r', '… and a part of such a schema tells of its TRUNCATE');
SELECT drain();

-- Without event triggers, in old and new sessions' plans alike.
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER EVENT TRIGGER herald_drop DISABLE;
CREATE TABLE s_stale (id int PRIMARY KEY, a text, b text, room text);
SELECT herald.watch('s_stale', channel => 'stale/{room}', key_columns => '{id,a}');
CREATE TABLE s_stmt (id int PRIMARY KEY, a text);
SELECT herald.watch('s_stmt', mode => 'statement');
INSERT INTO s_stale VALUES (1, 'a', 'b', 'r');
INSERT INTO s_stmt VALUES (1, 'a'), (2, 'a');
SELECT drain();
ALTER TABLE s_stale DROP COLUMN b;
UPDATE s_stale SET a = 'aa';
SELECT is((SELECT d::text FROM (SELECT d FROM news('stale/r') d OFFSET 1) d(d)),
    '{"action":"update","schema":"public","table":"s_stale","new":{"id":1,"a":"aa"},"old":{"id":1,"a":"a"},"truncated_to_key":true,"reduced":"unprintable"}', 'stale: a dropped column: by key');
ALTER TABLE s_stale RENAME COLUMN a TO c;
INSERT INTO s_stale VALUES (2, 'x', 'r');
SELECT is((SELECT d::text FROM news('stale/r') d),
    '{"action":"insert","schema":"public","table":"s_stale","new":{},"old":null,"truncated_to_key":true,"reduced":"unprintable"}', 'stale: a renamed key: without columns');
ALTER TABLE s_stale RENAME COLUMN room TO place;
TRUNCATE before;
INSERT INTO before SELECT skipped FROM herald.status;
INSERT INTO s_stale VALUES (3, 'x', 'r');
SELECT drain();
SELECT is((SELECT s.skipped - b.skipped FROM herald.status s, before b), 1::bigint, 'stale: a renamed column of the template: counted');
ALTER TABLE s_stmt ALTER COLUMN a TYPE int USING 1, ALTER COLUMN id TYPE bigint;
UPDATE s_stmt SET a = 2;
ALTER TABLE s_stmt RENAME COLUMN a TO b;
UPDATE s_stmt SET b = 3;
SELECT is(actions('public.s_stmt'), 'insert insert update update update update', 'stale in statement mode: nothing is lost');
SELECT is(herald.refresh(), 0, 'refresh()');
UPDATE s_stale SET c = 'y' WHERE id = 2;
SELECT is((SELECT d ->> 'new' FROM news('stale/r') d), '{"id":2,"c":"y","place":"r"}', '… follows the renames');
UPDATE s_stmt SET b = 4 WHERE id = 1;
SELECT is((SELECT d ->> 'new' FROM news('public.s_stmt') d), '{"id":"1","b":4}', '… in statement mode too');
ALTER TABLE s_stale ALTER COLUMN c TYPE int USING 1;
UPDATE s_stale SET c = 3 WHERE id = 2;
SELECT is(actions('stale/r'), 'update', 'stale: a retyped column in a session that knows the old type');
DROP TABLE s_stale;
SELECT is(herald.refresh(), 0, 'refresh() after a DROP TABLE that nobody saw');
SELECT is((SELECT count(*) FROM pg_proc WHERE proname LIKE 'capture\_%' AND prorettype = 'trigger'::regtype), (SELECT count(*) FROM herald.watch), '… removes what is left');
ALTER EVENT TRIGGER herald_ddl ENABLE;
ALTER EVENT TRIGGER herald_drop ENABLE;

-- Odd pieces.
CREATE TABLE s_copy (LIKE s_typed INCLUDING ALL);
SELECT drain();
INSERT INTO s_copy VALUES (1);
SELECT is(drain(), 0, 'a copy of a table is not watched');
SELECT herald.watch('s_typed', channel => 'again');
INSERT INTO s_typed VALUES (2);
SELECT is(actions('again') || actions('public.s_typed'), 'insert', 'watching again replaces the settings');
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid = 's_typed'::regclass), 2::bigint, '… and the triggers');
SELECT throws_ok($$SELECT herald.watch('s_typed', mode => 'x')$$, '22023', NULL, 'mode');
SELECT throws_ok($$SELECT herald.watch('s_typed', numbers => 'x')$$, '22023', NULL, 'numbers');
SELECT throws_ok($$SELECT herald.watch('s_typed', columns => '{nope}')$$, '42703', NULL, 'columns');
SELECT throws_ok($$SELECT herald.watch('s_typed', columns => '{}')$$, '22023', NULL, 'no columns');
SELECT throws_ok($$SELECT herald.watch('s_typed', exclude => '{id}', key_columns => '{id}')$$, '22023', NULL, 'a key column that is hidden');
SELECT * FROM finish();
