-- SPDX-License-Identifier: PostgreSQL
-- Who may see a row, and snapshots: what watch() takes and refuses, what becomes of it when the table is altered, row level security,
-- and what of it the server reads.
SELECT no_plan();
SET client_min_messages = error;

CREATE ROLE v_owner;
GRANT herald_admin TO v_owner;
GRANT USAGE ON SCHEMA tap TO v_owner;
CREATE SCHEMA v AUTHORIZATION v_owner;
CREATE FUNCTION pg_temp.description(table_ regclass) RETURNS json LANGUAGE sql AS $$
    SELECT s.description FROM herald.shape s JOIN herald.watch w ON w.key = s.watch WHERE w.relation = table_ AND s.retired_by IS NULL
$$;
CREATE FUNCTION pg_temp.visible(table_ regclass) RETURNS jsonb LANGUAGE sql AS $$
    SELECT CASE WHEN w.visible IS NOT DISTINCT FROM (pg_temp.description(table_) -> 'visible')::jsonb THEN w.visible ELSE '"the shape says otherwise"' END
      FROM herald.watches w WHERE w."table" = table_
$$;
CREATE FUNCTION pg_temp.of_site(table_ regclass) RETURNS json LANGUAGE sql AS $$
    SELECT w FROM json_array_elements(herald.site()::json -> 'watches') w WHERE w ->> 'key' = (SELECT key FROM herald.watch WHERE relation = table_)
$$;

-- ----------------------------------------------------------------------------------------------- what a filter may be

SET ROLE v_owner;
CREATE TYPE v.kind AS ENUM ('open', 'late', 'new');
CREATE DOMAIN v.age AS int CHECK (VALUE > 0);
CREATE COLLATION v.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION v.ordered (provider = icu, locale = 'de');
CREATE TABLE v.a (id int PRIMARY KEY, owner text, b bool, i2 int2, i8 int8, n numeric(10,2), f4 float4, f8 float8, u uuid, d date, t time, ts timestamp, tz timestamptz,
    p char(3), de text COLLATE v.ordered, loose text COLLATE v.loose, k v.kind, age v.age, j jsonb, iv interval, hidden text, "odd ""'\name" text, room int);
CREATE FUNCTION pg_temp.watch(visible text) RETURNS void LANGUAGE sql AS $$
    SELECT herald.watch('v.a', channel => 'v/{room}', exclude => '{hidden,owner,room}', keep => '{owner}', visible => visible::jsonb)
$$;
SELECT lives_ok(format('SELECT pg_temp.watch(%L)', f), 'taken: ' || f) FROM unnest(ARRAY[
    '{}', '"everybody"', 'null', '{"and": []}', '{"or": []}', '{"id": {"in": []}}', '{"id": 5}', '{"id": "5", "b": true}', '{"owner": "x"}',
    '{"status": 1}'::text, '{"b": {"is": true}, "n": {"is": null}}', '{"not": {"or": [{"id": {"lt": 3, "gt": -1}}, {"and": [{"i8": {"nin": ["9223372036854775807", 5]}}]}]}}',
    '{"i2": 32767, "i8": -9223372036854775808}', '{"n": {"lte": "1e3"}, "f4": {"gt": 1e30}, "f8": {"neq": "NaN"}}', '{"n": "NaN", "f8": "-Infinity"}',
    '{"u": "A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"}', '{"d": {"gte": "2024-02-29"}}', '{"d": {"lt": "infinity"}, "ts": {"gt": "-infinity"}}', '{"d": "0044-03-15 BC"}',
    '{"t": "10:30", "ts": {"lt": "2024-02-29T10:30:05.123456"}, "tz": {"lt": "2024-02-29 10:30:05+05:30"}}', '{"tz": "2024-02-29T10:30:00Z"}',
    '{"p": {"in": ["ab", "abcdef"]}}', '{"de": {"prefix": "a%", "like": "a\\%_%"}}', '{"owner": {"gt": "a", "prefix": ""}}', '{"k": {"gte": "late", "nin": ["new"]}}',
    '{"age": {"gt": -5}}', '{"odd \"''\\name": {"isdistinct": "x"}, "id": {"isdistinct": null}}',
    '{"owner": {"eq": {"identity": "row_id", "dbo_id": 12}}}', '{"i8": {"neq": {"identity": "row_id", "dbo_id": 2147483647}}}',
    '{"owner": {"eq": {"identity": "extras.org"}}, "id": {"in": {"identity": "extras.team.ids"}}, "de": {"prefix": {"identity": "extras.a b"}}}']) f
 WHERE f <> '{"status": 1}';
SELECT lives_ok(format('SELECT pg_temp.watch(%L)', f), 'taken: ' || n) FROM (VALUES
    ('8 deep', repeat('{"not":', 7) || '{"id":1}' || repeat('}', 7)),
    ('64 comparisons', (SELECT json_build_object('or', json_agg(json_build_object('id', i)))::text FROM generate_series(1, 64) i)),
    ('100 values', (SELECT json_build_object('id', json_build_object('in', json_agg(i)))::text FROM generate_series(1, 100) i)),
    ('4 KiB', (SELECT jsonb_build_object('owner', repeat('x', 4096 - 13))::text))) v(n, f);
SELECT throws_like(format('SELECT pg_temp.watch(%L)', f), 'herald: visible%' || e || '%', 'refused: ' || f) FROM (VALUES
    ('[]', 'a filter is an object'), ('5', 'a filter is an object'), ('"nobody"', 'a filter is an object'), ('true', 'a filter is an object'), ('"Everybody"', 'a filter is an object'),
    ('{"not": []}', 'not: a filter is an object'), ('{"or": {"id": 1}}', 'or: a list of filters'), ('{"or": [{"id": 1}, 5]}', 'or[1]: a filter is an object'), ('{"and": null}', 'and: a list'),
    ('{"id": {}}', 'id: an operator is missing'), ('{"id": {"equals": 1}}', 'id.equals: ''equals'' is no operator'), ('{"id": {"EQ": 1}}', 'is no operator'),
    ('{"id": {"identity": "row_id", "dbo_id": 1}}', 'is no operator'), ('{"or": [{"id": {"gt": "x"}}]}', 'or[0].id.gt: "x" is no integer'),
    ('{"id": 1.5}', 'is no integer'), ('{"id": "1 "}', 'is no integer'), ('{"id": "007"}', 'is no integer'), ('{"id": "0x10"}', 'is no integer'), ('{"id": "1_0"}', 'is no integer'),
    ('{"id": true}', 'is no integer'), ('{"id": 2147483648}', 'is no integer'), ('{"i2": -32769}', 'is no smallint'), ('{"i8": 9223372036854775808}', 'is no bigint'), ('{"id": [1]}', 'is no integer'),
    ('{"id": {"in": [1, "x"]}}', 'id.in[1]: "x" is no integer'), ('{"id": {"in": 5}}', 'id.in: in takes a list'), ('{"id": {"in": [[1]]}}', 'is no integer'), ('{"id": {"eq": {"a": 1}}}', 'no value can be an object'),
    ('{"id": null}', 'id: null is not compared'), ('{"id": {"in": [null]}}', 'id.in[0]: null is not compared'), ('{"id": {"nin": [1, null]}}', 'null is not compared'),
    ('{"id": {"is": 5}}', 'is takes null'), ('{"id": {"is": true}}', 'is takes null'), ('{"id": {"is": "null"}}', 'is takes null'), ('{"b": 1}', 'is no boolean'), ('{"b": "true"}', 'is no boolean'),
    ('{"n": "1e999999"}', 'is no numeric'), ('{"n": "1e1000"}', 'is no numeric'), ('{"n": "abc"}', 'is no numeric'), ('{"n": ".5"}', 'is no numeric'), ('{"f4": 1e39}', 'is no real'), ('{"f8": "1e309"}', 'is no double'), ('{"f8": "infinity"}', 'is no double'),
    ('{"u": "a0eebc999c0b4ef8bb6d6bb9bd380a1"}', 'is no uuid'), ('{"u": 5}', 'is no uuid'), ('{"d": "today"}', 'is no date'), ('{"d": "2024-02-30"}', 'is no date'), ('{"d": "29.02.2024"}', 'is no date'), ('{"d": 20240229}', 'is no date'), ('{"d": "Infinity"}', 'is no date'),
    ('{"t": "25:00:00"}', 'is no time'), ('{"ts": "2024-02-29T24:00:00"}', 'is no timestamp'), ('{"tz": "2024-02-29T10:30:05+16:00"}', 'is no timestamp with'), ('{"t": "allballs"}', 'is no time'), ('{"ts": "now"}', 'is no timestamp'), ('{"ts": "2024-02-29T10:30:05Z"}', 'is no timestamp'), ('{"tz": "2024-02-29T10:30:05"}', 'is no timestamp with'), ('{"tz": "2024-02-29T10:30:60Z"}', 'is no timestamp with'),
    ('{"owner": 5}', 'is no text'), ('{"owner": true}', 'is no text'), ('{"de": {"gt": "a"}}', 'de.gt: gt does not compare text'), ('{"p": {"lt": "a"}}', 'lt does not compare character'), ('{"p": {"like": "a"}}', 'like does not compare character'), ('{"id": {"prefix": "1"}}', 'prefix does not compare integer'),
    ('{"de": {"like": "a\\"}}', 'a pattern does not end'), ('{"de": {"like": "a\\\\\\"}}', 'a pattern does not end'), ('{"de": {"like": 5}}', 'is no text'),
    ('{"k": "gone"}', 'is no v.kind'), ('{"k": 1}', 'is no v.kind'), ('{"age": "x"}', 'is no v.age'),
    ('{"j": {"is": null}}', 'j.is: column j of type jsonb cannot be compared'), ('{"iv": "1 day"}', 'cannot be compared'), ('{"loose": "a"}', 'cannot be compared'),
    ('{"hidden": "x"}', 'column hidden is neither announced nor kept'), ('{"not": {"hidden": {"is": null}}}', 'not.hidden.is: column hidden is neither'), ('{"room": 1}', 'column room is neither announced nor kept'),
    ('{"nope": 1}', 'nope: table v.a has no column nope'), ('{"xmin": 1}', 'has no column xmin'), ('{"ID": 1}', 'has no column "ID"'),
    ('{"owner": {"eq": {"identity": "row_id"}}}', 'row_id needs the dbo_id'), ('{"owner": {"eq": {"identity": "row_id", "dbo_id": 1, "x": 1}}}', 'row_id needs the dbo_id'),
    ('{"owner": {"eq": {"identity": "row_id", "dbo_id": 0}}}', 'dbo_id is an integer'), ('{"owner": {"eq": {"identity": "row_id", "dbo_id": "12"}}}', 'dbo_id is an integer'), ('{"owner": {"eq": {"identity": "row_id", "dbo_id": 1.5}}}', 'dbo_id is an integer'),
    ('{"owner": {"eq": {"identity": "row_id", "dbo_id": 2147483648}}}', 'dbo_id is an integer'), ('{"owner": {"in": {"identity": "row_id", "dbo_id": 1}}}', 'row_id is one value'),
    ('{"owner": {"eq": {"identity": "extras"}}}', 'no value can be an object'), ('{"owner": {"eq": {"identity": "extras."}}}', 'no value can'), ('{"owner": {"eq": {"identity": "extras..a"}}}', 'no value can'), ('{"owner": {"eq": {"identity": "dbo_id"}}}', 'no value can'),
    ('{"owner": {"eq": {"identity": "extras.org", "dbo_id": 1}}}', 'no value can'), ('{"owner": {"eq": {"identity": ["row_id"], "dbo_id": 1}}}', 'no value can'), ('{"owner": {"in": [{"identity": "extras.org"}]}}', 'is no text'),
    ('{"owner": {"is": {"identity": "extras.org"}}}', 'is takes no value'), ('{"owner": {"isdistinct": {"identity": "extras.org"}}}', 'isdistinct takes no value'),
    ('{"function": {"eq": 1}}', 'has no column function')) v(f, e);
SELECT throws_like(format('SELECT pg_temp.watch(%L)', f), 'herald: visible: ' || e, 'refused: ' || n) FROM (VALUES
    ('9 deep', repeat('{"not":', 8) || '{"id":1}' || repeat('}', 8), '%a filter is at most 8 deep'),
    ('65 comparisons', (SELECT json_build_object('or', json_agg(json_build_object('id', i)))::text FROM generate_series(1, 65) i), 'a filter has at most 64 comparisons'),
    ('101 values', (SELECT json_build_object('id', json_build_object('in', json_agg(i)))::text FROM generate_series(1, 101) i), 'id.in: a list has at most 100 values'),
    ('over 4 KiB', (SELECT jsonb_build_object('owner', repeat('x', 4096 - 12))::text), 'a filter has at most 4096 bytes'),
    ('very deep', repeat('{"not":', 1500) || '{"id":1}' || repeat('}', 1500), 'a filter has at most 4096 bytes'),
    ('a long pattern', format('{"de": {"like": "%s_"}}', repeat('x', 64)), 'de.like: a pattern does not end%')) v(n, f, e);
SELECT throws_ok($$SELECT pg_temp.watch('{"hidden": "x"}')$$, '22023', NULL, 'what cannot be is 22023');
SELECT throws_ok($$SELECT pg_temp.watch('{"nope": "x"}')$$, '42703', NULL, '… a column that there is not 42703');
SELECT throws_ok($$SELECT pg_temp.watch('"policy"')$$, '22023', 'herald: visible => ''"policy"'': say which claims tell clients apart', 'policies need claims');
SELECT throws_ok($$SELECT pg_temp.watch('{"function": "v.may(v.a,json)"}')$$, '22023', NULL, '… and functions');
SELECT throws_ok($$SELECT herald.watch('v.a', claims => '{org}')$$, '22023', NULL, 'claims without them');
SELECT throws_ok($$SELECT herald.watch('v.a', visible => '{"id": 1}', claims => '{org}')$$, '22023', NULL, '… and with a filter');
SELECT throws_ok($$SELECT herald.watch('v.a', visible => '"everybody"', claims => '{org}')$$, '22023', NULL, '… and with everybody');
SELECT pg_temp.watch('"everybody"');
RESET ROLE;
SELECT is(pg_temp.visible('v.a'), NULL, 'everybody is what there is without a word');
SET ROLE v_owner;
SELECT pg_temp.watch('{"owner": {"eq": {"identity": "row_id", "dbo_id": 12}}, "or": [{"id": {"in": [2, 1]}}, {"not": {"b": true}}]}');
RESET ROLE;
SELECT is(pg_temp.visible('v.a'), '{"owner": {"eq": {"identity": "row_id", "dbo_id": 12}}, "or": [{"id": {"in": [2, 1]}}, {"not": {"b": true}}]}', 'a filter stands in the shape, and in the view');
SELECT is((SELECT string_agg(c ->> 'name', ' ') FROM json_array_elements(pg_temp.description('v.a') -> 'columns') c WHERE (c ->> 'kept')::boolean), 'owner', 'nothing is kept that its owner did not say');

-- ------------------------------------------------------------------------------------------------------ altered tables

CREATE FUNCTION pg_temp.rename(a text, b text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('ALTER TABLE v.r RENAME COLUMN %I TO %I', a, b); END $$;
CREATE TABLE v.r (id int PRIMARY KEY, owner int, team text, eq int);
SELECT herald.watch('v.r', visible => '{"owner": {"eq": {"identity": "row_id", "dbo_id": 12}}, "or": [{"not": {"team": "a"}}, {"owner": 5, "eq": 7}]}');
SELECT pg_temp.rename('owner', 'holder'), pg_temp.rename('team', E'q"a''m\x01'), pg_temp.rename('eq', 'owner');
SELECT is(pg_temp.visible('v.r'), '{"holder": {"eq": {"identity": "row_id", "dbo_id": 12}}, "or": [{"not": {"q\"a''m\u0001": "a"}}, {"holder": 5, "owner": 7}]}', 'renamed columns stay the ones that are meant');
SELECT pg_temp.rename('owner', 'eq'), pg_temp.rename('holder', 'not');
SELECT is(pg_temp.visible('v.r'), '"nobody"', 'a column that would read as a word of filters');
SELECT pg_temp.rename('not', 'owner'), pg_temp.rename(E'q"a''m\x01', 'team');
SELECT is(pg_temp.visible('v.r'), '{"owner": {"eq": {"identity": "row_id", "dbo_id": 12}}, "or": [{"not": {"team": "a"}}, {"owner": 5, "eq": 7}]}', '… and back');
ALTER TABLE v.r ALTER COLUMN owner TYPE bigint;
SELECT is(pg_temp.visible('v.r') IS NOT NULL AND pg_temp.visible('v.r') <> '"nobody"', true, 'another type that compares as well');
ALTER TABLE v.r ALTER COLUMN team TYPE jsonb USING NULL;
SELECT is(pg_temp.visible('v.r'), '"nobody"', 'a type that does not compare: nobody is shown rows');
SELECT is((SELECT finding FROM herald.surprises('v.r') WHERE cause = 'visible_nobody'), 'visible of v.r needs a column that is gone, not captured or of another type: nobody is shown its rows', '… which is told');
ALTER TABLE v.r ALTER COLUMN team TYPE text;
SELECT isnt(pg_temp.visible('v.r'), '"nobody"', '… until it does again');
ALTER TABLE v.r DROP COLUMN eq;
SELECT is(pg_temp.visible('v.r'), '"nobody"', 'a column that is gone');
SELECT pg_temp.rename('team', 'eq');
SELECT is(pg_temp.visible('v.r'), '"nobody"', '… also when another one takes its name');
-- A label that goes, and a filter on one that another type has.
CREATE TABLE v.e (id int PRIMARY KEY, k v.kind);
SELECT herald.watch('v.e', visible => '{"k": "late"}');
ALTER TYPE v.kind RENAME VALUE 'late' TO 'Late';
SELECT is(pg_temp.visible('v.e'), '"nobody"', 'a label that is gone');
ALTER TYPE v.kind RENAME VALUE 'Late' TO 'late';
SELECT is(pg_temp.visible('v.e'), '{"k": "late"}', '… and comes back');

-- Without event triggers, by the server's look.
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER EVENT TRIGGER herald_drop DISABLE;
ALTER TABLE v.e RENAME COLUMN k TO l;
SELECT is(herald.follow('v.e', false), NULL, 'without event triggers');
SELECT is(pg_temp.visible('v.e'), '{"l": "late"}', '… renamed columns too');
ALTER EVENT TRIGGER herald_ddl ENABLE;
ALTER EVENT TRIGGER herald_drop ENABLE;

-- ------------------------------------------------------------------------------------------------- row level security

SET ROLE v_owner;
CREATE TABLE v.s (id int PRIMARY KEY, owner int);
ALTER TABLE v.s ENABLE ROW LEVEL SECURITY;
SELECT throws_ok($$SELECT herald.watch('v.s')$$, '42501', 'herald: v.s has row level security: say who may see the rows that are announced', 'a table with row level security is refused');
SELECT throws_ok($$SELECT herald.watch('v.s', visible => 'null')$$, '42501', NULL, '… null says nothing');
SELECT is((SELECT count(*) FROM herald.watches WHERE "table" = 'v.s'::regclass), 0::bigint, '… and nothing is left');
SELECT lives_ok($$SELECT herald.watch('v.s', visible => '"everybody"')$$, '… everybody, and that is meant');
RESET ROLE;
SELECT is(pg_temp.visible('v.s'), NULL, '… is what it says');
SELECT herald.watch('v.s', visible => '{"owner": {"eq": {"identity": "extras.id"}}}');
SELECT is(pg_temp.visible('v.s'), '{"owner": {"eq": {"identity": "extras.id"}}}', 'or a filter');
ALTER TABLE v.s DISABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT lives_ok($$SELECT herald.watch('v.s')$$, 'forced, but not enabled, it is off');
CREATE FUNCTION pg_temp.switch(table_ regclass, what text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', table_, what);
    RETURN NULL;
END $$;
INSERT INTO v.s VALUES (1, 1);
SELECT pg_temp.switch('v.s', 'ENABLE');
SELECT is(pg_temp.visible('v.s'), '"nobody"', 'enabled later: out of service');
SELECT is((SELECT finding FROM herald.surprises('v.s') WHERE cause = 'visible_nobody'), 'v.s has row level security, and watch() was not told who may see its rows: nobody is shown them', '… which is told');
SELECT is((SELECT count(*) FROM unnest((SELECT warnings FROM herald.status)) x WHERE x LIKE 'v.s has row level security, % nobody is shown them. Call herald.watch() again with visible.'), 1::bigint, '… to an operator, too');
SELECT is(herald.follow('v.s', true), NULL, 'a refresh …');
SELECT is(pg_temp.visible('v.s'), '"nobody"', '… changes nothing');
INSERT INTO v.s VALUES (2, 1);
SELECT is(actions('v.s'), 'insert insert', 'its rows are captured all the same');
SELECT isnt((SELECT shape FROM herald.log WHERE channel = 'v.s' ORDER BY id DESC LIMIT 1), (SELECT shape FROM herald.log WHERE channel = 'v.s' ORDER BY id LIMIT 1), '… under a shape that says so');
SELECT throws_ok($$SELECT herald.watch('v.s')$$, '42501', NULL, 'watch() without a word is refused');
SELECT is(pg_temp.visible('v.s'), '"nobody"', '… and puts nothing back into service');
SELECT herald.watch('v.s', visible => '{"owner": 1}');
SELECT is(pg_temp.visible('v.s'), '{"owner": 1}', 'watch() with a word does');
SELECT is((SELECT count(*) FROM unnest(herald.warnings()) x WHERE x LIKE 'v.s %'), 0::bigint, '… and there is nothing to tell');
SELECT herald.watch('v.s', visible => '"everybody"');
SELECT pg_temp.switch('v.s', 'DISABLE');
SELECT herald.watch('v.s');
SELECT pg_temp.switch('v.s', 'ENABLE'), pg_temp.switch('v.s', 'DISABLE');
SELECT is(pg_temp.visible('v.s'), NULL, 'disabled again, it is as it was');
ALTER EVENT TRIGGER herald_ddl DISABLE;
SELECT pg_temp.switch('v.s', 'ENABLE');
SELECT is((SELECT stale FROM herald.watches WHERE "table" = 'v.s'::regclass), true, 'without event triggers it is stale');
SELECT is(herald.follow('v.s', false), NULL, '… until the server looks');
SELECT is(pg_temp.visible('v.s'), '"nobody"', '… and takes it out of service');
ALTER EVENT TRIGGER herald_ddl ENABLE;

-- Parts, children, and what a table is a part of.
CREATE TABLE v.whole (id int PRIMARY KEY, owner int) PARTITION BY RANGE (id);
CREATE TABLE v.mid PARTITION OF v.whole FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE v.part PARTITION OF v.mid FOR VALUES FROM (0) TO (10);
CREATE TABLE v.other PARTITION OF v.mid FOR VALUES FROM (10) TO (20);
SELECT pg_temp.switch('v.part', 'ENABLE');
SELECT throws_ok($$SELECT herald.watch('v.whole')$$, '42501', 'herald: v.part has row level security: say who may see the rows that are announced', 'a part with row level security');
SELECT herald.watch('v.whole', visible => '"everybody"');
SELECT herald.unwatch('v.whole');
SELECT pg_temp.switch('v.part', 'DISABLE');
SELECT herald.watch('v.whole');
SELECT pg_temp.switch('v.part', 'ENABLE');
SELECT is(pg_temp.visible('v.whole'), '"nobody"', 'on a part, later');
SELECT pg_temp.switch('v.part', 'DISABLE');
SELECT is(pg_temp.visible('v.whole'), NULL, '… and off again');
CREATE TABLE v.late (id int PRIMARY KEY, owner int);
SELECT pg_temp.switch('v.late', 'ENABLE');
ALTER TABLE v.mid ATTACH PARTITION v.late FOR VALUES FROM (20) TO (30);
SELECT is(pg_temp.visible('v.whole'), '"nobody"', 'a part that brings it along');
ALTER TABLE v.mid DETACH PARTITION v.late;
SELECT is(pg_temp.visible('v.whole'), NULL, '… and goes');
SELECT herald.unwatch('v.whole');
SELECT herald.watch('v.part');
SELECT pg_temp.switch('v.whole', 'ENABLE');
SELECT is(pg_temp.visible('v.part'), '"nobody"', 'a part whose rows are read through a guarded whole');
SELECT throws_ok($$SELECT herald.watch('v.other')$$, '42501', NULL, '… and it cannot be watched without a word');
SELECT pg_temp.switch('v.whole', 'DISABLE');
SELECT herald.watch('v.whole');
SELECT herald.watch('v.part', visible => '"everybody"');
SELECT pg_temp.switch('v.part', 'ENABLE');
SELECT is(pg_temp.visible('v.whole'), NULL, 'a part that is watched itself answers for itself');

-- ---------------------------------------------------------------------------------------------------------- snapshots

CREATE TABLE v.k (id int, sub int, note text, PRIMARY KEY (id, sub));
CREATE TABLE v.no_key (id int, note text);
SELECT lives_ok($$SELECT herald.watch('v.k', snapshot => true)$$, 'a snapshot');
SELECT results_eq($$SELECT snapshot, max_snapshot FROM herald.watches WHERE "table" = 'v.k'::regclass$$, $$VALUES (true, 10000)$$, '… stands in the view');
SELECT throws_ok(q, '22023', NULL, 'refused: ' || q) FROM unnest(ARRAY[$$SELECT herald.watch('v.no_key', snapshot => true)$$, $$SELECT herald.watch('v.k', snapshot => true, exclude => '{sub}')$$,
    $$SELECT herald.watch('v.k', snapshot => true, columns => '{id,note}', keep => '{sub}')$$, $$SELECT herald.watch('v.k', max_snapshot => 0)$$, $$SELECT herald.watch('v.k', max_snapshot => 1000001)$$,
    $$SELECT herald.watch('v.k', max_snapshot => NULL)$$]) q;
SELECT lives_ok($$SELECT herald.watch('v.no_key', snapshot => true, key_columns => '{id}', max_snapshot => 1000000)$$, 'key_columns are a key');
SELECT is(pg_temp.of_site('v.no_key') ->> 'max_snapshot', '1000000', 'and the most there may be');
ALTER TABLE v.no_key DROP COLUMN id;
SELECT is(pg_temp.of_site('v.no_key') ->> 'snapshot', 'false', 'a key that is gone: none any more');
SELECT is((SELECT count(*) FROM herald.surprises('v.no_key') WHERE cause = 'snapshot_lost'), 1::bigint, '… which is told');
ALTER TABLE v.k DROP CONSTRAINT k_pkey;
SELECT is(pg_temp.of_site('v.k') ->> 'snapshot', 'false', '… a primary key too');
ALTER TABLE v.k ADD PRIMARY KEY (id);
SELECT is(pg_temp.of_site('v.k') ->> 'snapshot', 'true', '… until there is one again');
SELECT herald.watch('v.k', snapshot => NULL);
SELECT is(pg_temp.of_site('v.k') ->> 'snapshot', 'false', 'NULL is false');

-- --------------------------------------------------------------------------------------------- what the server reads

CREATE FUNCTION pg_temp.restated(table_ regclass) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat(s.description ->> 'visible', CASE WHEN s.restated THEN ' restated' END, CASE WHEN s.retired_by IS NULL THEN ' now' END), ', ' ORDER BY s.description ->> 'visible', s.restated, s.retired_by IS NOT NULL)
      FROM herald.shape s WHERE s.watch = (SELECT key FROM herald.watch WHERE relation = table_)
$$;
CREATE TABLE v.w (id int PRIMARY KEY, a int);
CREATE TABLE v.w2 (id int PRIMARY KEY);
CREATE TEMP TABLE versions (nth serial, version text);
CREATE FUNCTION pg_temp.is_news() RETURNS boolean LANGUAGE sql AS $$
    INSERT INTO versions (version) VALUES (herald.watches_version());
    SELECT count(DISTINCT v.version) = 2 FROM (SELECT version FROM versions ORDER BY nth DESC LIMIT 2) v
$$;
SELECT pg_temp.is_news();
SELECT herald.watch('v.w', visible => '{"a": 1}');
SELECT ok(pg_temp.is_news(), 'watch() is another version');
SELECT ok(NOT pg_temp.is_news(), '… nothing is none');
SELECT is(pg_temp.of_site('v.w')::text, format('{"key" : "%s", "shape" : "%s", "changed" : "%s", "snapshot" : false, "max_snapshot" : 10000, "restated" : []}', w.key,
    (SELECT s.number FROM herald.shape s WHERE s.watch = w.key AND s.retired_by IS NULL), w.changed), 'site() has the watch') FROM herald.watch w WHERE w.relation = 'v.w'::regclass;
SELECT is(herald.site()::json ->> 'watches_version', herald.watches_version(), '… and the version of all of them');
SELECT herald.watch('v.w2');
SELECT ok(pg_temp.is_news(), 'another watch is another version');
ALTER TABLE v.w2 ADD COLUMN b int;
SELECT ok(pg_temp.is_news(), '… an altered table');
SELECT herald.watch('v.w2', max_snapshot => 5);
SELECT ok(pg_temp.is_news(), '… a setting that changes no shape');
SELECT herald.follow('v.w2', true);
SELECT ok(NOT pg_temp.is_news(), 'a refresh that changes nothing is none');
BEGIN; ALTER TABLE v.w2 ADD COLUMN c int; ROLLBACK;
SELECT ok(NOT pg_temp.is_news(), '… nor what is rolled back');
SELECT herald.unwatch('v.w2');
SELECT ok(pg_temp.is_news(), 'unwatch() is another version');
SELECT is(pg_temp.of_site('v.w2')::text, NULL, '… and the watch is gone');
SELECT herald.prepare_watch('v.w2'); -- which every admin may
SELECT is(pg_temp.of_site('v.w2')::text, NULL, 'what its owner does not watch is no watch');
SELECT herald.clean_watches();

SELECT herald.watch('v.w', visible => '{"a": 2}');
SELECT is(pg_temp.restated('v.w'), '{"a": 1}, {"a": 2} now', 'another visible: older rows need both');
SELECT herald.watch('v.w', visible => '{"a": 3}', restate => true);
SELECT is(pg_temp.restated('v.w'), '{"a": 1} restated, {"a": 2} restated, {"a": 3} now', 'restate: what is said now alone');
SELECT set_eq($$SELECT x::bigint FROM json_array_elements_text(pg_temp.of_site('v.w') -> 'restated') x$$,
    $$SELECT s.number FROM herald.shape s WHERE s.watch = (SELECT key FROM herald.watch WHERE relation = 'v.w'::regclass) AND s.retired_by IS NOT NULL$$, '… as site() says');
SELECT throws_ok($$SELECT herald.watch('v.w', visible => '{"a": 4}')$$, '55000', NULL, 'another visible would be for those rows as well: refused');
SELECT throws_ok($$SELECT herald.watch('v.w')$$, '55000', NULL, '… everybody, too');
SELECT lives_ok($$SELECT herald.watch('v.w', visible => '{"a": 3}', max_bytes => 1000)$$, '… the same with other settings is none');
SELECT is(pg_temp.restated('v.w'), '{"a": 1} restated, {"a": 2} restated, {"a": 3} now, {"a": 3}', '… and leaves what is restated');
SELECT herald.watch('v.w', visible => '{"a": 1}', restate => true);
SELECT is(pg_temp.restated('v.w'), '{"a": 1} now, {"a": 2} restated, {"a": 3} restated, {"a": 3} restated', 'a shape that comes back is no older one');
SELECT herald.watch('v.w', visible => '{"a": 1}', restate => true);
SELECT ok(NOT EXISTS (SELECT FROM herald.shape s WHERE s.watch = (SELECT key FROM herald.watch WHERE relation = 'v.w'::regclass) AND NOT s.restated AND s.retired_by IS NOT NULL), 'all older ones');

-- ------------------------------------------------------------------------------------------------------------- attacks

-- A wish can be written by hand, past watch(): it is the owner's table. What cannot be judged shows nothing, and nothing is run.
SET ROLE v_owner;
CREATE TABLE v.x (id int PRIMARY KEY, c text);
SELECT herald.watch('v.x', visible => '{"c": "a"}');
CREATE FUNCTION v.trap() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'ran'; END $$;
RESET ROLE;
SELECT 'capture_' || key AS capture FROM herald.watch WHERE relation = 'v.x'::regclass \gset
CREATE FUNCTION pg_temp.wish(wish text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE capture text := (SELECT 'capture_' || key FROM herald.watch WHERE relation = 'v.x'::regclass);
BEGIN
    SET LOCAL ROLE v_owner;
    DROP TRIGGER IF EXISTS "!herald_aaa" ON v.x;
    EXECUTE format('CREATE TRIGGER "!herald_aaa" AFTER TRUNCATE ON v.x FOR EACH STATEMENT EXECUTE FUNCTION herald.%I(%L)', capture, wish);
    PERFORM herald.generate_capture('v.x');
    RESET ROLE;
    RETURN pg_temp.visible('v.x');
END $$;
SELECT is(pg_temp.wish(format('{"visible": %s}', f)), '"nobody"', 'by hand: ' || left(f, 60)) FROM unnest(ARRAY['5', '[]', '"nobody"', '{"function": "v.trap()"}', '{"c": {"eq": {"identity": "v.trap()"}}}',
    '{"c''||v.trap()||''": 1}', '{"id": "1; SELECT v.trap()"}', '{"c": {"v.trap()": 1}}', '{"hidden": 1}', '{"or": 5}', '{"not": [1, {"c": null}]}', '{"c": "\u0000"}', repeat('{"not":', 3000) || '1' || repeat('}', 3000)]) f WHERE f <> '{"c": "\u0000"}';
SELECT is(pg_temp.wish('{"visible": {"c": "\u0000"}}'), '{"c": "a"}', 'what is no text of Postgres is no wish: the one that watch() wrote counts');
SELECT is(pg_temp.wish('{"visible": {"c": "v.trap()"}}'), '{"c": "v.trap()"}', 'a constant is a constant');
SET ROLE v_owner;
DROP TRIGGER "!herald_aaa" ON v.x;
CREATE TABLE v."x'y" (id int PRIMARY KEY, "c'||v.trap()||'" text);
SELECT lives_ok($$SELECT herald.watch('v."x''y"', visible => jsonb_build_object('c''||v.trap()||''', ''');SELECT v.trap();--'))$$, 'quotes in names and constants');
RESET ROLE;
SELECT is(pg_temp.visible('v."x''y"'), jsonb_build_object('c''||v.trap()||''', ''');SELECT v.trap();--'), '… stay text');
-- Somebody else cannot say who may see rows.
CREATE ROLE v_mallory;
GRANT herald_admin TO v_mallory;
GRANT USAGE ON SCHEMA v, tap TO v_mallory;
SET ROLE v_mallory;
SELECT throws_ok($$SELECT herald.watch('v.x', visible => '"everybody"')$$, '42501', NULL, 'a stranger is refused');
SELECT throws_ok(q, '42501', NULL, 'a stranger: ' || q) FROM unnest(ARRAY['UPDATE herald.watch SET visible = NULL', 'UPDATE herald.shape SET restated = true', 'SELECT * FROM herald.shape']) q;
SELECT lives_ok($$SELECT herald.generate_capture('v.x'), herald.refresh()$$, 'and what helpers he may call …');
RESET ROLE;
SELECT is(pg_temp.visible('v.x'), '{"c": "a"}', '… change nothing');
DROP SCHEMA v CASCADE;
SELECT * FROM finish();
