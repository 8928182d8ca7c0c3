-- SPDX-License-Identifier: PostgreSQL
-- Snapshots: the rows that a trigger would have captured, of one moment with the log, and nobody's who may not have them.
SELECT plan(101);

CREATE EXTENSION IF NOT EXISTS dblink SCHEMA tap;
CREATE ROLE y_owner;
CREATE ROLE y_other;
GRANT herald_admin TO y_owner, y_other;
GRANT USAGE ON SCHEMA tap TO y_owner, y_other, herald_server, herald_reader;
GRANT USAGE ON SCHEMA public TO herald_reader;
CREATE SCHEMA y AUTHORIZATION y_owner;
CREATE FUNCTION pg_temp.connect(name text, who text) RETURNS void LANGUAGE sql AS $$
    SELECT dblink_connect(name, format('host=%s port=%s dbname=%s user=%s', current_setting('unix_socket_directories'), current_setting('port'), current_database(), who)) $$;
SELECT pg_temp.connect('server', 'herald_server'), pg_temp.connect('writer', current_user::text);
-- As the server reads. On the connection a transaction may be open already.
CREATE FUNCTION pg_temp.call(tab regclass, channel text, conditions json DEFAULT '[]', ord json DEFAULT NULL, max_rows int DEFAULT NULL) RETURNS TABLE (kind "char", body text)
LANGUAGE sql AS $$
    SELECT t.kind, t.body FROM dblink('server', format('SELECT kind, body FROM herald.read_snapshot(%L, %L, %L, %L, %L)',
        (SELECT w.key FROM herald.watch w WHERE w.relation = tab), channel, conditions, ord, max_rows)) t(kind "char", body text) $$;
CREATE FUNCTION pg_temp.read(tab regclass, channel text DEFAULT '', conditions json DEFAULT '[]', ord json DEFAULT NULL, max_rows int DEFAULT NULL) RETURNS TABLE (kind "char", body text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dblink_exec('server', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    RETURN QUERY SELECT c.* FROM pg_temp.call(tab, channel, conditions, ord, max_rows) c;
    PERFORM dblink_exec('server', 'COMMIT');
EXCEPTION WHEN OTHERS THEN
    PERFORM dblink_exec('server', 'ROLLBACK');
    RAISE;
END
$$;
CREATE FUNCTION pg_temp.rows(tab regclass, conditions json DEFAULT '[]', ord json DEFAULT '[]', max_rows int DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(r.body, ' '), '') FROM pg_temp.read(tab, '', conditions, ord, max_rows) r WHERE r.kind <> 'h' $$;
CREATE FUNCTION pg_temp.head(tab regclass, channel text DEFAULT '') RETURNS json LANGUAGE sql AS $$
    SELECT r.body::json FROM pg_temp.read(tab, channel) r WHERE r.kind = 'h' $$;
CREATE FUNCTION pg_temp.granted(tab regclass) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN has_table_privilege('herald_reader', tab, 'SELECT') THEN 'table' END,
                     (SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute a
                       WHERE a.attrelid = tab AND NOT a.attisdropped AND a.attacl::text ~ 'herald_reader'),
                     (SELECT string_agg(concat(p.polname, '=', p.polcmd), ' ') FROM pg_policy p WHERE p.polrelid = tab AND p.polroles = ARRAY['herald_reader'::regrole::oid])) $$;

-- ------------------------------------------------------------------------------------------------ what it is made of

SET ROLE y_owner;
CREATE TABLE y.plain (id int PRIMARY KEY, room text, secret text, seen int);
INSERT INTO y.plain VALUES (1, 'a', 'x', 7), (2, 'b', NULL, 8);
SELECT herald.watch('y.plain', channel => 'plain/{room}', columns => '{id}', keep => '{seen}');
RESET ROLE;
SELECT throws_ok($$SELECT pg_temp.read('y.plain')$$, '0A000', 'herald: y.plain gives no snapshots', 'a table gives snapshots if its owner said so');
SELECT is(pg_temp.granted('y.plain'), '', '… and grants nothing');
SELECT throws_ok($$SELECT pg_temp.read('pg_class')$$, '42704', NULL, 'no watch, no snapshot');
SET ROLE y_owner;
SELECT herald.watch('y.plain', channel => 'plain/{room}', columns => '{id}', keep => '{seen}', snapshot => true);
RESET ROLE;
SELECT is(pg_temp.granted('y.plain'), 'id,room,seen', 'herald_reader may read what is announced, in the template or kept');
SELECT ok(has_schema_privilege('herald_reader', 'y', 'USAGE'), '… in that schema');
SELECT is(pg_temp.rows('y.plain'), '(1,a,7) (2,b,8)', 'rows as a trigger captures them');
SELECT results_eq($$SELECT h ->> 'epoch', (h ->> 'shape')::bigint, (h ->> 'moved')::boolean, (h ->> 'head')::int FROM pg_temp.head('y.plain', 'plain/a') h$$,
    $$SELECT st.epoch, sh.number, false, 0 FROM herald.state st, herald.shape sh JOIN herald.watch w ON w.key = sh.watch AND w.relation = 'y.plain'::regclass WHERE sh.retired_by IS NULL$$,
    'epoch, shape, and the head of a channel that nobody knows');
SELECT drain();
UPDATE y.plain SET seen = seen + 1;
UPDATE y.plain SET id = id + 10;
SELECT drain();
SELECT results_eq($$SELECT (h ->> 'head')::int, (h ->> 'id')::bigint FROM pg_temp.head('y.plain', 'plain/a') h$$,
    $$SELECT (SELECT max(channel_offset)::int FROM herald.log WHERE channel = 'plain/a'), (SELECT max(id) FROM herald.log)$$, 'the head of a channel, and of the log');
SELECT throws_ok($$SELECT pg_temp.call('y.plain', '')$$, '25001', NULL, 'it needs a transaction of one snapshot');
SET ROLE herald_server;
SELECT throws_ok(q, '42501', NULL, 'the server: ' || q) FROM unnest(ARRAY['SELECT * FROM y.plain', $$SELECT herald.fetch_rows('SELECT 1', NULL)$$, $$SELECT herald.hold_rows('y.plain')$$,
    $$SELECT herald.grant_rows('y.plain', true)$$]) q;
RESET ROLE;
SET ROLE y_other;
SELECT throws_ok(q, '42501', NULL, 'somebody else: ' || q) FROM unnest(ARRAY[$$SELECT herald.grant_rows('y.plain', true)$$, $$SELECT herald.revoke_rows('y.plain')$$,
    $$SELECT herald.fetch_rows('SELECT 1', NULL)$$, $$SELECT herald.read_snapshot('', '', NULL, NULL, 1)$$]) q;
RESET ROLE;
SET ROLE herald_reader;
SELECT throws_ok(q, '42501', NULL, 'herald_reader: ' || q) FROM unnest(ARRAY['SELECT secret FROM y.plain', 'SELECT * FROM herald.log', 'SELECT herald.refresh()', 'CREATE TABLE herald.x ()']) q;
RESET ROLE;

-- What is printed depends on nothing that a session can set.
CREATE TABLE y_types (id int PRIMARY KEY, a bool, c date, d timestamp, e timestamptz, f time, g interval, h uuid, i bytea, j jsonb, k text[], l int4range, m inet, n bit(3),
    o xml, p "char", q name, r char(5), s point, t tsvector, u float4, v money, w int[][], x timestamptz[], y tstzrange, z json, "A b" float8, b2 numeric, b3 regclass, b4 regproc[]);
SELECT herald.watch('y_types', channel => 't/{x}', snapshot => true);
SELECT is(pg_temp.granted('y_types'), 'table', 'where all columns are announced, those that come are granted, too');
SET timezone = 'UTC';
INSERT INTO y_types VALUES (1, true, '2026-01-02', '2026-01-02 03:04:05.6', '2026-01-02 03:04:05+02', '03:04', '1 day 2 hours', '00000000-0000-0000-0000-000000000001',
    '\x00ff', '{"b": [1.10, null]}', '{"a,b",NULL,"c\"d"}', '[1,5)', '::1', '101', '<a/>', 'x', 'n', 'ab', '(1.5,2)', 'a b', 0.1, '1.00', '{{1,2},{3,4}}',
    '{"2026-01-02 03:04:05+02"}', '[2026-01-02 03:04:05+02,)', '[1 , 2]', 0.30000000000000004, 1.10, 'pg_class', '{now}');
INSERT INTO y_types VALUES (2);
INSERT INTO y_types VALUES (3, false, '-infinity', 'infinity');
CREATE TEMP TABLE captured AS SELECT string_agg(o.new, ' ' ORDER BY o.id) AS rows FROM herald.outbox o JOIN herald.shape sh ON sh.number = o.shape JOIN herald.watch w ON w.key = sh.watch WHERE w.relation = 'y_types'::regclass;
RESET timezone;
SELECT dblink_exec('server', $$SET timezone = 'America/New_York'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'escape'; SET extra_float_digits = -3;
    SET standard_conforming_strings = off; SET search_path = public; SET quote_all_identifiers = on; SET row_security = off; SET xmloption = content; SET array_nulls = off;
    SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET default_transaction_deferrable = on$$);
SELECT is(pg_temp.rows('y_types'), (SELECT rows FROM captured), 'the same bytes, whatever the session has set');
SELECT dblink_exec('server', 'RESET quote_all_identifiers');

-- ------------------------------------------------------------------------------------------- conditions and order

CREATE TYPE y_mood AS ENUM ('sad', 'glad');
CREATE DOMAIN y_number AS int;
CREATE TABLE y_narrow (id int PRIMARY KEY, t text, c text COLLATE "C", n numeric, f float8, f4 float4, b char(4), m y_mood, d y_number, z timestamptz, q name, v varchar(3), j json, bo bool, u uuid);
CREATE INDEX ON y_narrow (t);
INSERT INTO y_narrow SELECT i, 't' || i, chr(90 + i), i / 2.0, i, i / 10.0, i, CASE WHEN i > 3 THEN 'glad' ELSE 'sad' END::y_mood, i, '2026-01-01T00:00:00Z'::timestamptz + i * interval '1 day',
    'q' || i, i, '1', i = 1, NULL FROM generate_series(1, 6) i;
INSERT INTO y_narrow VALUES (7);
SELECT herald.watch('y_narrow', snapshot => true);
CREATE FUNCTION pg_temp.ids(conditions json, ord json DEFAULT '[]', max_rows int DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(substring(r.body FROM '^\((\d+)'), ' '), '') FROM pg_temp.read('y_narrow', '', conditions, ord, max_rows) r WHERE r.kind <> 'h' $$;
SELECT is(pg_temp.ids(c::json), expected, c) FROM (VALUES
    ('[{"column":0,"op":"eq","values":["3"]}]', '3'), ('[{"column":0,"op":"in","values":["3","5"]}]', '3 5'), ('[{"column":0,"op":"in","values":[]}]', ''),
    ('[{"column":0,"op":"gt","values":["3"]},{"column":8,"op":"lte","values":["5"]}]', '4 5'), ('[{"column":1,"op":"eq","values":["t2"]}]', '2'),
    ('[{"column":2,"op":"gt","values":["\\"]}]', '3 4 5 6'), ('[{"column":3,"op":"lt","values":["1.50"]}]', '1 2'),
    ('[{"column":3,"op":"lt","values":["1e-20000"]}]', '1 2 3 4 5 6 7'), ('[{"column":5,"op":"eq","values":["0.2"]}]', '2'), ('[{"column":6,"op":"in","values":["1","2   "]}]', '1 2'),
    ('[{"column":7,"op":"eq","values":["glad"]}]', '1 2 3 4 5 6 7'), ('[{"column":8,"op":"eq","values":["4"]}]', '4'), ('[{"column":9,"op":"gte","values":["2026-01-06T02:00:00+02:00"]}]', '5 6'),
    ('[{"column":10,"op":"eq","values":["q1"]}]', '1'), ('[{"column":11,"op":"in","values":["2","2222"]}]', '2'), ('[{"column":12,"op":"eq","values":["1"]}]', '1 2 3 4 5 6 7'),
    ('[{"column":13,"op":"eq","values":["true"]}]', '1'), ('[{"column":14,"op":"eq","values":["x"]}]', '1 2 3 4 5 6 7'), ('[{"column":0,"op":"eq","values":["1.0"]}]', '1 2 3 4 5 6 7'),
    ('[{"column":0,"op":"eq","values":["99999999999"]}]', '1 2 3 4 5 6 7'), ('[{"column":0,"op":"like","values":["3"]}]', '1 2 3 4 5 6 7'), ('[{"column":99,"op":"eq","values":["3"]}]', '1 2 3 4 5 6 7'),
    ('[{"column":1,"op":"eq","values":["'') OR true --"]}]', ''), ('[{"column":1,"op":"eq","values":[null]}]', '')) v(c, expected);
SELECT is(pg_temp.ids('[]', o::json), expected, 'order ' || o) FROM (VALUES
    ('[{"column":0,"desc":true}]', '7 6 5 4 3 2 1'), ('[{"column":7,"desc":true}]', '4 5 6 1 2 3 7'), ('[{"column":7},{"column":1,"desc":true}]', '3 2 1 6 5 4 7'),
    ('[{"column":2}]', '1 2 3 4 5 6 7'), ('[{"column":14}]', '1 2 3 4 5 6 7'), ('[]', '1 2 3 4 5 6 7')) v(o, expected);
SELECT is(pg_temp.ids('[]', '[{"column":1,"desc":true}]', 2), '6 5', 'as many as were asked for');
SELECT throws_ok($$SELECT pg_temp.ids('[]', '[{"column":12}]')$$, '22023', NULL, 'json has no order');
SELECT throws_ok($$SELECT pg_temp.ids('[]', '[{"column":99}]')$$, '22023', NULL, '… nor has a column that is not there');
-- A condition reaches an index, as it would not after being evaluated row by row.
INSERT INTO y_narrow (id, t) SELECT i, 'x' || i FROM generate_series(100, 20000) i;
ANALYZE y_narrow;
SELECT matches((SELECT string_agg(l, ' ') FROM (SELECT herald.rows_query('y_narrow'::regclass, sh.description, '[{"column":1,"op":"eq","values":["t2"]}]', NULL, NULL) AS q
      FROM herald.shape sh JOIN herald.watch w ON w.key = sh.watch WHERE w.relation = 'y_narrow'::regclass AND sh.retired_by IS NULL) x
     CROSS JOIN LATERAL dblink(format('dbname=%s host=%s port=%s user=postgres', current_database(), current_setting('unix_socket_directories'), current_setting('port')),
         'EXPLAIN ' || replace((q).code, '$1', quote_literal((q).args) || '::text[]')) e(l text)), 'y_narrow_t_idx', 'a condition uses an index');

-- A virtual generated column is computed, as the trigger does.
SELECT current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
\if :has_virtual
CREATE TABLE y_virtual (id int PRIMARY KEY, secret int, double int GENERATED ALWAYS AS (secret * 2));
INSERT INTO y_virtual VALUES (1, 21);
SELECT herald.watch('y_virtual', exclude => '{secret}', snapshot => true);
SELECT is(pg_temp.rows('y_virtual'), '(1,42)', 'a virtual generated column');
\else
SELECT skip('virtual generated columns are there from 18 on', 1);
\endif

-- Rows over max_bytes, tables with parts, with children, without order.
CREATE TABLE y_large (id int PRIMARY KEY, room text, body text);
SELECT herald.watch('y_large', channel => 'large/{room}', max_bytes => 300, snapshot => true);
INSERT INTO y_large VALUES (1, 'a', 'x'), (2, 'b', repeat('x', 300));
SELECT results_eq($$SELECT kind, body FROM pg_temp.read('y_large', '', '[]', '[]') OFFSET 1$$, $$VALUES ('r'::"char", '(1,a,x)'), ('k', '(2,b)')$$, 'over max_bytes: the short columns');
CREATE TABLE y_parent (id int PRIMARY KEY);
CREATE TABLE y_child () INHERITS (y_parent);
INSERT INTO y_parent VALUES (1);
INSERT INTO y_child VALUES (2);
SELECT herald.watch('y_parent', snapshot => true);
SELECT is(pg_temp.rows('y_parent'), '(1)', 'rows of tables that inherit are not announced, and not read');
CREATE TABLE y_whole (id int, secret text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE y_low PARTITION OF y_whole FOR VALUES FROM (0) TO (10);
CREATE TABLE y_high PARTITION OF y_whole FOR VALUES FROM (10) TO (20);
INSERT INTO y_whole VALUES (1, 's'), (11, 's');
SELECT herald.watch('y_high');
SELECT herald.watch('y_whole', exclude => '{secret}', snapshot => true);
SELECT is(pg_temp.rows('y_whole'), '(1)', 'a part that is watched itself is not read with the whole');
SELECT herald.unwatch('y_high');
SELECT herald.refresh();
SELECT is(pg_temp.rows('y_whole'), '(1) (11)', '… otherwise it is');

-- ------------------------------------------------------------------------------------------------- one snapshot

-- What rows and log say together: events after the head whose transaction the snapshot sees are in the rows already.
CREATE TABLE y_race (id int PRIMARY KEY);
SELECT herald.watch('y_race', snapshot => true);
SELECT drain();
SELECT dblink_exec('writer', 'BEGIN');
SELECT dblink_exec('writer', 'INSERT INTO y_race VALUES (1)'); -- has the lowest id of the outbox, and commits last
INSERT INTO y_race VALUES (2);
CREATE TEMP TABLE race AS SELECT kind, body FROM pg_temp.read('y_race', 'public.y_race');
CREATE TEMP TABLE outbox_head AS SELECT max(id) AS id FROM herald.outbox;
SELECT dblink_exec('writer', 'COMMIT');
SELECT is((SELECT string_agg(body, ' ') FROM race WHERE kind = 'r'), '(2)', 'the snapshot has what is committed');
SELECT is((SELECT string_agg(o.new, ' ') FROM herald.outbox o WHERE o.new = '(1)' AND o.id > (SELECT id FROM outbox_head)), NULL, 'by ids alone the late row would be lost');
SELECT drain();
SELECT is((SELECT string_agg(l.payload #>> '{data,new,id}', ' ' ORDER BY l.id) FROM herald.log l WHERE l.channel = 'public.y_race' AND l.channel_offset > (SELECT (body::json ->> 'head')::bigint FROM race WHERE kind = 'h')),
    '1 2', 'by offsets alone the other would come twice');
SELECT is((SELECT string_agg(l.payload #>> '{data,new,id}', ' ' ORDER BY l.id) FROM herald.log l, race h WHERE h.kind = 'h' AND l.channel = 'public.y_race'
              AND l.channel_offset > (h.body::json ->> 'head')::bigint AND NOT pg_visible_in_snapshot(l.xid, (h.body::json ->> 'snapshot')::pg_snapshot)), '1', 'by both each comes once');

-- A table that is altered under a snapshot.
CREATE FUNCTION pg_temp.under(tab regclass, ddl text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    PERFORM dblink_exec('server', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    PERFORM * FROM dblink('server', 'SELECT 1') t(x int);
    PERFORM dblink_exec('writer', ddl);
    said := (SELECT concat(max(c.body::json ->> 'moved') FILTER (WHERE c.kind = 'h'), ' ', count(*) FILTER (WHERE c.kind = 'r')) FROM pg_temp.call(tab, '') c);
    PERFORM dblink_exec('server', 'COMMIT');
    RETURN said;
EXCEPTION WHEN OTHERS THEN
    PERFORM dblink_exec('server', 'ROLLBACK');
    RAISE;
END
$$;
CREATE TABLE y_ddl (id int PRIMARY KEY, a int, b int);
INSERT INTO y_ddl SELECT i, 1, 2 FROM generate_series(1, 1000) i;
SELECT herald.watch('y_ddl', snapshot => true);
SELECT is(pg_temp.under('y_ddl', 'ANALYZE y_ddl'), 'false 1000', 'nothing was altered');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM y_race;
SELECT dblink_exec('writer', 'ALTER TABLE y_ddl ALTER COLUMN a TYPE bigint');
SELECT is((SELECT count(*) FROM y_ddl), 0::bigint, 'the naive way: no row is left of a table that was rewritten');
COMMIT;
SELECT is(pg_temp.under('y_ddl', d), 'true 0', 'it is found: ' || d) FROM unnest(ARRAY['ALTER TABLE y_ddl ALTER COLUMN a TYPE int', 'ALTER TABLE y_ddl RENAME COLUMN a TO x',
    'BEGIN; ALTER TABLE y_ddl RENAME COLUMN x TO y; ALTER TABLE y_ddl RENAME COLUMN b TO x; ALTER TABLE y_ddl RENAME COLUMN y TO b; COMMIT',
    'BEGIN; ALTER TABLE y_ddl RENAME TO y_away; CREATE TABLE y_ddl (LIKE y_away); ALTER TABLE y_ddl RENAME TO y_other; ALTER TABLE y_away RENAME TO y_back; ALTER TABLE y_other RENAME TO y_ddl; GRANT SELECT ON y_ddl TO herald_reader; COMMIT']) d;
SELECT is(pg_temp.under('y_back', 'ALTER TABLE y_back RENAME TO y_renamed'), 'true 0', '… a table that is not found by its name');
SELECT is(pg_temp.under('y_renamed', 'TRUNCATE y_renamed'), 'true 0', '… TRUNCATE');
CREATE TABLE y_new (id int NOT NULL, secret text);
INSERT INTO y_new VALUES (21);
SELECT is(pg_temp.under('y_whole', d), 'true 0', 'it is found: ' || d) FROM unnest(ARRAY['ALTER TABLE y_whole ATTACH PARTITION y_new FOR VALUES FROM (20) TO (30)',
    'ALTER TABLE y_whole DETACH PARTITION y_new', 'TRUNCATE y_low', 'DROP TABLE y_low']) d;
SELECT herald.refresh(); -- no event trigger tells of what a dropped part was a part of
SELECT is(pg_temp.under('y_whole', 'ANALYZE y_whole'), 'false 1', '… and nothing where nothing is');
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER TABLE y_renamed RENAME COLUMN b TO c;
SELECT throws_ok($$SELECT pg_temp.read('y_renamed')$$, '55000', NULL, 'a watch that is stale is written anew first');
ALTER EVENT TRIGGER herald_ddl ENABLE;
SELECT herald.refresh();
SELECT lives_ok($$SELECT pg_temp.read('y_renamed')$$, '… and then read');

-- ------------------------------------------------------------------------------------------- row level security

CREATE TABLE y.guarded (id int PRIMARY KEY, owner text, secret text);
INSERT INTO y.guarded VALUES (1, 'x'), (2, 'y_owner');
ALTER TABLE y.guarded OWNER TO y_owner;
ALTER TABLE y.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON y.guarded USING (owner = current_user);
SET ROLE y_owner;
SELECT herald.watch('y.guarded', exclude => '{secret}', visible => '"everybody"', snapshot => true);
SELECT is((SELECT count(*) FROM y.guarded), 1::bigint, 'its owner sees no more than before');
RESET ROLE;
SELECT is(pg_temp.granted('y.guarded'), 'id,owner herald_reader=r', 'herald_reader has a policy that shows all rows');
SELECT is(pg_temp.rows('y.guarded'), '(1,x) (2,y_owner)', '… and reads them');
CREATE POLICY narrow ON y.guarded AS RESTRICTIVE USING (id = 1);
SELECT throws_ok($$SELECT pg_temp.read('y.guarded')$$, '42501', 'herald: row level security of y.guarded hides rows from herald_reader', 'a RESTRICTIVE policy: an error, and no fewer rows');
SET ROLE y_owner;
SELECT throws_ok($$SELECT herald.watch('y.guarded', exclude => '{secret}', visible => '"everybody"', snapshot => true)$$, '42501', NULL, '… which watch() tells');
RESET ROLE;
ALTER POLICY narrow ON y.guarded TO y_other;
SELECT lives_ok($$SELECT pg_temp.read('y.guarded')$$, '… unless it is for others');
DROP POLICY herald_reader ON y.guarded;
SELECT throws_ok($$SELECT pg_temp.read('y.guarded')$$, '42501', NULL, 'without its policy: an error, and not 0 rows');
SELECT is(pg_temp.under('y.plain', 'ANALYZE y.plain'), 'false 2', 'without row level security …');
SELECT throws_ok($$SELECT pg_temp.under('y.plain', 'ALTER TABLE y.plain ENABLE ROW LEVEL SECURITY')$$, '42501', NULL, '… and enabled under the snapshot');
ALTER TABLE y.plain DISABLE ROW LEVEL SECURITY;

-- ------------------------------------------------------------------------------------------------ taking it back

SET ROLE y_owner;
SELECT herald.watch('y.guarded', exclude => '{secret}', visible => '"everybody"', snapshot => true);
SELECT herald.watch('y.guarded', exclude => '{secret}', visible => '"everybody"');
SELECT is(pg_temp.granted('y.guarded'), '', 'snapshot => false takes everything back');
SELECT throws_ok($$SELECT pg_temp.read('y.guarded')$$, '0A000', NULL, '… and there are no snapshots');
SELECT herald.watch('y.plain', snapshot => true, exclude => '{secret}');
SELECT is(pg_temp.granted('y.plain'), 'id,room,seen', 'other columns, other grants');
ALTER TABLE y.plain ADD COLUMN more int;
SELECT is(pg_temp.rows('y.plain'), '(11,a,8,) (12,b,9,)', 'a column that came, where some are excluded');
SELECT is(pg_temp.granted('y.plain'), 'id,more,room,seen', '… is granted by whoever adds it');
RESET ROLE;
ALTER EVENT TRIGGER herald_owner DISABLE;
ALTER TABLE y.plain ADD COLUMN other int;
ALTER EVENT TRIGGER herald_owner ENABLE;
SET ROLE y_owner;
SELECT throws_ok($$SELECT pg_temp.read('y.plain')$$, '42501', NULL, 'without event triggers it needs its owner''s word');
SELECT herald.watch('y.plain', snapshot => true, exclude => '{secret}');
SELECT is(pg_temp.rows('y.plain'), '(11,a,8,,) (12,b,9,,)', '… which watch() is');
SELECT herald.unwatch('y.plain');
RESET ROLE;
SELECT is(pg_temp.granted('y.plain'), '', 'unwatch() takes it back');
SELECT ok(NOT has_schema_privilege('herald_reader', 'y', 'USAGE'), '… and the use of the schema, if it was the last table there');
CREATE SCHEMA y_closed;
CREATE TABLE y_closed.t (id int PRIMARY KEY);
ALTER TABLE y_closed.t OWNER TO y_owner;
GRANT USAGE ON SCHEMA y_closed TO y_owner;
SET ROLE y_owner;
SELECT throws_ok($$SELECT herald.watch('y_closed.t', snapshot => true)$$, '42501', 'herald: herald_reader, which reads snapshots, may not use schema y_closed', 'who may not grant it is told');
RESET ROLE;
GRANT USAGE ON SCHEMA y_closed TO herald_reader;
SET ROLE y_owner;
SELECT lives_ok($$SELECT herald.watch('y_closed.t', snapshot => true)$$, '… and who was granted it by others, not');
RESET ROLE;
SELECT herald.watch('y.guarded', visible => '"everybody"', snapshot => true); -- stays, for the uninstall
SELECT dblink_disconnect('server'), dblink_disconnect('writer');
SELECT * FROM finish();
