-- SPDX-License-Identifier: PostgreSQL
-- Rows judged by row level security and by functions: the same verdicts as a SELECT of that role has, and no row by mistake.
SELECT plan(60);

CREATE EXTENSION IF NOT EXISTS dblink SCHEMA tap;
SELECT dblink_connect('judge', format('host=%s port=%s dbname=%s user=herald_judge', current_setting('unix_socket_directories'), current_setting('port'), current_database()));
CREATE ROLE j_team;
CREATE ROLE j_ann IN ROLE j_team;
CREATE ROLE j_bob;
CREATE ROLE j_owner;
CREATE ROLE j_over BYPASSRLS;
CREATE ROLE j_none;
CREATE ROLE j_some;
CREATE ROLE j_out;
CREATE ROLE j_stranger;
GRANT j_team, j_ann, j_bob, j_owner, j_over, j_none, j_some, j_out TO herald_judge;
GRANT herald_admin TO j_owner;
GRANT USAGE ON SCHEMA tap TO j_owner;
CREATE SCHEMA j AUTHORIZATION j_owner;
GRANT USAGE ON SCHEMA j TO j_team, j_ann, j_bob, j_over, j_none, j_some, j_stranger;
SET ROLE j_owner;
CREATE TYPE j.mood AS ENUM ('sad', 'glad', 'a "b"');
CREATE DOMAIN j.amount AS numeric(10, 2) CHECK (VALUE < 1000000);
CREATE TABLE j.member (who name, team int);
INSERT INTO j.member VALUES ('j_ann', 1), ('j_ann', 3), ('j_bob', 2);
CREATE FUNCTION j.claim(name text) RETURNS text LANGUAGE sql STABLE AS $$SELECT nullif(current_setting('request.jwt.claims', true), '')::json ->> name$$;
CREATE TABLE j.doc (id int PRIMARY KEY, owner name, team int, mood j.mood, amount j.amount, big bigint, at timestamptz, tags text[], meta jsonb, code char(4), f float8, deleted_at timestamptz, secret text);
INSERT INTO j.doc
SELECT i, (ARRAY['j_ann', 'j_bob', 'j_owner', NULL])[1 + i % 4], nullif(i % 5, 0), (ARRAY['sad', 'glad', 'a "b"', NULL])[1 + i / 3 % 4]::j.mood, i * 1.5, i * 100000000000,
       '2026-01-01 00:00+00'::timestamptz + i * interval '1 hour', (ARRAY['{}', '{x,"a,b"}', '{NULL,y}', NULL])[1 + i / 7 % 4]::text[],
       (ARRAY['{"team": 1}', 'null', NULL, '{"a": [1.10]}'])[1 + i / 5 % 4]::jsonb, (ARRAY['a', 'b  ', '', NULL])[1 + i / 2 % 4], (ARRAY['NaN', '-0', '0.1', 'Infinity'])[1 + i / 9 % 4]::float8,
       CASE WHEN i % 6 = 0 THEN '2026-02-01 00:00+00'::timestamptz END, md5(i::text)
  FROM generate_series(1, 300) i;
GRANT SELECT ON j.doc, j.member TO j_team, j_ann, j_bob, j_over, j_out;
GRANT SELECT (id, owner, team, mood, amount, big, at, tags, meta, code, f) ON j.doc TO j_some;
GRANT SELECT ON j.member TO j_some;
ALTER TABLE j.doc ENABLE ROW LEVEL SECURITY;
SELECT herald.watch('j.doc', columns => '{id,owner,team,mood,amount,big,at,tags,meta,code,f}', keep => '{deleted_at}', visible => '"policy"', claims => '{team}');
RESET ROLE;

-- Images as the server has them: of the log, announced and kept columns together.
CREATE FUNCTION pg_temp.images(side text, after bigint) RETURNS TABLE (id int, image text) LANGUAGE sql AS $$
    SELECT (l.payload #>> ARRAY['data', side, 'id'])::int, concat(rtrim(l.payload #>> ARRAY['data', side], '}'), ',', ltrim(l.kept ->> side, '{'))
      FROM herald.log l WHERE l.channel = 'j.doc' AND l.id > after ORDER BY l.id $$;
CREATE FUNCTION pg_temp.here() RETURNS bigint LANGUAGE sql AS $$SELECT coalesce(max(id), 0) FROM herald.log$$;
CREATE FUNCTION pg_temp.judge(tab regclass, roles text[], claims text[], images text[], visible text DEFAULT '"policy"', of_shape bigint DEFAULT NULL) RETURNS TABLE (verdicts text, problem text)
LANGUAGE sql AS $$
    SELECT t.* FROM dblink('judge', format('SELECT verdicts, problem FROM herald.judge(%L, %L, %L, %L, %L, %L)', (SELECT w.key FROM herald.watch w WHERE w.relation = tab),
        coalesce(of_shape, (SELECT s.number FROM herald.shape s JOIN herald.watch w ON w.key = s.watch WHERE w.relation = tab AND s.retired_by IS NULL)), visible, roles, claims, images))
        t(verdicts text, problem text) $$;
CREATE TABLE pg_temp.asker AS SELECT row_number() OVER () AS nth, r AS role, c AS claims
  FROM unnest('{j_team,j_ann,j_bob,j_owner,j_over,j_none,j_some,j_out}'::text[]) r, unnest(ARRAY['{"team": 1}', '{"team": 4, "id": "x"}']) c;
-- What a SELECT of a role gives; an error sees nothing.
CREATE FUNCTION pg_temp.visible(role text, claims text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    ids int[];
BEGIN
    PERFORM set_config('role', role, true), set_config('request.jwt.claims', claims, true);
    EXECUTE 'SELECT array_agg(id) FROM (SELECT id, owner, team, mood, amount, big, at, tags, meta, code, f FROM j.doc) d' INTO ids;
    PERFORM set_config('role', 'none', true);
    RETURN coalesce(ids, '{}');
EXCEPTION WHEN OTHERS THEN
    RETURN '{}';
END
$$;
CREATE TEMP TABLE real_one (nth bigint, ids int[]);
CREATE TEMP TABLE n_verdicts (n bigint);
CREATE FUNCTION pg_temp.look() RETURNS void LANGUAGE sql AS $$
    TRUNCATE real_one;
    INSERT INTO real_one SELECT a.nth, pg_temp.visible(a.role, a.claims) FROM pg_temp.asker a ORDER BY a.nth;
$$;
-- Where judged and real differ; u counts as not shown.
CREATE FUNCTION pg_temp.differences(side text, after bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    listed int[];
    images text[];
    found_ text;
    n      bigint;
BEGIN
    SELECT array_agg(i.id), array_agg(i.image) INTO listed, images FROM pg_temp.images(side, after) i;
    SELECT string_agg(concat(a.role, ' ', a.claims, ' ', listed[v.nth], ' ', v.letter, ' ', j.problem), '; ') FILTER (WHERE (listed[v.nth] = ANY (r.ids)) <> (v.letter = 't')), count(*)
      INTO found_, n
      FROM (SELECT row_number() OVER () AS nth, t.* FROM pg_temp.judge('j.doc', (SELECT array_agg(role ORDER BY nth) FROM pg_temp.asker), (SELECT array_agg(claims ORDER BY nth) FROM pg_temp.asker), images) t) j
      JOIN pg_temp.asker a USING (nth) JOIN real_one r USING (nth)
     CROSS JOIN LATERAL regexp_split_to_table(j.verdicts, '') WITH ORDINALITY v(letter, nth);
    INSERT INTO n_verdicts VALUES (n);
    RETURN left(coalesce(found_, ''), 1000);
END
$$;
CREATE FUNCTION pg_temp.set_policies(policies text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    p text;
BEGIN
    FOR p IN SELECT polname FROM pg_policy WHERE polrelid = 'j.doc'::regclass LOOP
        EXECUTE format('DROP POLICY %I ON j.doc', p);
    END LOOP;
    FOREACH p IN ARRAY policies LOOP
        EXECUTE 'CREATE POLICY ' || p;
    END LOOP;
END
$$;
CREATE TEMP TABLE policies (nth serial, list text[]);
INSERT INTO policies (list) VALUES
    ('{}'),
    (ARRAY['a ON j.doc USING (owner = current_user)', 'b ON j.doc FOR SELECT TO j_team USING (mood = ''glad'')', 'c ON j.doc FOR UPDATE USING (true)', 'd ON j.doc FOR INSERT WITH CHECK (true)']),
    (ARRAY['a ON j.doc USING (EXISTS (SELECT FROM j.member m WHERE m.who = current_user AND m.team = doc.team))', 'b ON j.doc AS RESTRICTIVE USING (deleted_at IS NULL)']),
    (ARRAY['a ON j.doc USING (team = j.claim(''team'')::int)', 'b ON j.doc AS RESTRICTIVE FOR SELECT TO j_bob, j_team USING (amount < 300)', 'c ON j.doc AS RESTRICTIVE FOR DELETE USING (false)']),
    (ARRAY['a ON j.doc USING (''x'' = ANY (tags) OR code = ''b'' OR f = ''NaN'' OR big > 20000000000000)', 'b ON j.doc AS RESTRICTIVE USING (at < ''2026-01-10T00:00Z'' OR NULL)']),
    (ARRAY['a ON j.doc USING (meta ->> ''team'' = j.claim(''team'') OR team IN (SELECT team FROM j.member))', 'b ON j.doc TO j_bob USING (amount = 15.00 OR mood > ''sad'')']),
    (ARRAY['a ON j.doc TO j_ann, j_some USING (10 / (id - 5) >= 0 OR true)', 'b ON j.doc TO j_team, j_out USING (true)']),
    (ARRAY['a ON j.doc FOR ALL TO j_owner USING (id % 2 = 0)', 'b ON j.doc USING ((SELECT count(*) FROM j.member m WHERE m.team = doc.team OR doc.team IS NULL) > 0)']);
-- Each commits its policies before the other session looks.
CREATE FUNCTION pg_temp.rounds(numbers int[]) RETURNS TABLE (set_ text, look text, compare text) LANGUAGE sql AS $$
    SELECT format('SELECT pg_temp.set_policies((SELECT list FROM policies WHERE nth = %s))', n), 'SELECT pg_temp.look()',
           format($q$SELECT is(pg_temp.differences('new', (SELECT id FROM first_head)), '', (SELECT left(list::text, 100) FROM policies WHERE nth = %s))$q$, n) FROM unnest(numbers) n $$;
-- The log has all rows: each is changed once, and back.
UPDATE j.doc SET big = big + 1;
CREATE TEMP TABLE first_head AS SELECT pg_temp.here() AS id;
SELECT drain();
UPDATE first_head SET id = pg_temp.here();
UPDATE j.doc SET big = big - 1;
SELECT drain();
SELECT * FROM pg_temp.rounds('{1,2,3,4,5,6,7,8}') \gexec
ALTER TABLE j.doc FORCE ROW LEVEL SECURITY;
SELECT * FROM pg_temp.rounds('{2,8}') \gexec
ALTER TABLE j.doc NO FORCE ROW LEVEL SECURITY;
-- Who may what is asked when judging.
REVOKE j_team FROM j_ann;
GRANT j_team TO j_bob;
SELECT * FROM pg_temp.rounds('{2}') \gexec
REVOKE j_team FROM j_bob;
GRANT j_team TO j_ann;
REVOKE SELECT (f) ON j.doc FROM j_some;
SELECT * FROM pg_temp.rounds('{2}') \gexec
GRANT SELECT (f) ON j.doc TO j_some;
ALTER TABLE j.doc DISABLE ROW LEVEL SECURITY;
SELECT pg_temp.look();
SELECT is(pg_temp.differences('new', (SELECT id FROM first_head)), '', 'without row level security the grants decide');
ALTER TABLE j.doc ENABLE ROW LEVEL SECURITY;
-- OLD: who saw the row before it changed.
SELECT pg_temp.set_policies((SELECT list FROM policies WHERE nth = 3));
SELECT pg_temp.look();
CREATE TEMP TABLE then_ AS SELECT pg_temp.here() AS id;
UPDATE j.doc SET team = CASE WHEN team = 1 THEN 2 ELSE 1 END, deleted_at = CASE WHEN deleted_at IS NULL AND id % 3 = 0 THEN now() END, owner = 'j_bob';
SELECT drain();
SELECT is(pg_temp.differences('old', (SELECT id FROM then_)), '', 'OLD: who saw the row before');
SELECT pg_temp.look();
SELECT is(pg_temp.differences('new', (SELECT id FROM then_)), '', 'NEW: who sees it now');
-- Columns are renamed, and the policies with them.
ALTER TABLE j.doc RENAME COLUMN team TO "team ""x";
ALTER TABLE j.member RENAME TO "Mem ber";
UPDATE then_ SET id = pg_temp.here();
UPDATE j.doc SET big = big + 1;
SELECT drain();
CREATE OR REPLACE FUNCTION pg_temp.visible(role text, claims text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    ids int[];
BEGIN
    PERFORM set_config('role', role, true), set_config('request.jwt.claims', claims, true);
    EXECUTE 'SELECT array_agg(id) FROM (SELECT id, owner, "team ""x", mood, amount, big, at, tags, meta, code, f FROM j.doc) d' INTO ids;
    PERFORM set_config('role', 'none', true);
    RETURN coalesce(ids, '{}');
EXCEPTION WHEN OTHERS THEN
    RETURN '{}';
END
$$;
SELECT pg_temp.look();
SELECT is(pg_temp.differences('new', (SELECT id FROM then_)), '', 'renamed columns and tables');
SELECT cmp_ok((SELECT sum(n) FROM n_verdicts), '>', 70000::numeric, 'so many verdicts');
SELECT cmp_ok((SELECT count(*) FROM real_one WHERE cardinality(ids) BETWEEN 1 AND 299), '>', 2::bigint, '… of which some are yes and some no');

-- ------------------------------------------------------------------------------------------- what cannot be judged

CREATE TABLE j.t (id int PRIMARY KEY, owner name, doc jsonb, gone timestamptz, hidden int);
ALTER TABLE j.t OWNER TO j_owner;
GRANT SELECT ON j.t TO j_ann;
ALTER TABLE j.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY a ON j.t USING (gone IS NULL);
SET ROLE j_owner;
SELECT throws_ok($$SELECT herald.watch('j.t', columns => '{id,owner}', visible => '"policy"', claims => '{team}')$$, '0A000', 'herald: a policy of j.t needs column gone, which is neither announced nor kept', 'a policy''s columns must be captured');
SELECT herald.watch('j.t', columns => '{id,owner,doc}', keep => '{gone}', visible => '"policy"', claims => '{team}');
RESET ROLE;
CREATE FUNCTION pg_temp.one(image text, claims text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$SELECT concat_ws(' ', verdicts, left(problem, 5)) FROM pg_temp.judge('j.t', '{j_ann}', ARRAY[claims], ARRAY[image])$$;
SELECT is(pg_temp.one('{"id":1,"owner":"x","doc":null,"gone":null}'), 't', 'a whole image');
SELECT is(pg_temp.one('{"id":1,"owner":"x","doc":null}'), 'u', 'one that lacks what the policy needs is not filled up with NULL');
SELECT is(pg_temp.one('{"id":1'), 'u 22P02', 'one that is no JSON');
ALTER POLICY a ON j.t USING (doc IS NULL);
SELECT is(pg_temp.one('{"id":1,"owner":"x","doc":null,"gone":null}'), 'u', 'null of a json column may be either null');
SELECT is(pg_temp.one('{"id":1,"owner":"x","doc":{},"gone":null}'), 'f', '… or is none');
ALTER POLICY a ON j.t USING (coalesce(doc ->> 'x', '1') = '1');
SELECT is(pg_temp.one('{"id":1,"owner":"x","doc":null,"gone":null}'), 't', '… which makes no difference here');
ALTER POLICY a ON j.t USING (hidden = 1);
SELECT throws_ok($$SELECT pg_temp.one('{"id":1}')$$, '42501', NULL, 'a policy that was altered to need what is not captured: nobody is shown rows');
ALTER POLICY a ON j.t USING (id > 0);
SELECT is(pg_temp.one('{"id":1}'), 't', '… until it does not');
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER POLICY a ON j.t USING (hidden = 1);
SELECT throws_ok($$SELECT pg_temp.one('{"id":1}')$$, '0A000', NULL, 'without event triggers: a policy that was altered to need more');
ALTER POLICY a ON j.t USING (ctid IS NOT NULL);
SELECT throws_ok($$SELECT pg_temp.one('{"id":1}')$$, '0A000', NULL, '… or a system column');
CREATE FUNCTION j.sees(j.t) RETURNS boolean LANGUAGE sql STABLE AS $$SELECT $1.id > 5$$;
ALTER POLICY a ON j.t USING (j.sees(t));
SELECT throws_ok($$SELECT pg_temp.one('{"id":1}')$$, '0A000', NULL, '… or the whole row, where it is not captured');
ALTER EVENT TRIGGER herald_ddl ENABLE;
SET ROLE j_owner;
SELECT herald.watch('j.t', visible => '"policy"', claims => '{team}');
RESET ROLE;
SELECT is(pg_temp.one(format('{"id":%s,"owner":null,"doc":null,"gone":null,"hidden":1}', i)), expected, 'the whole row: ' || i) FROM (VALUES (5, 'f'), (6, 't')) v(i, expected);
SELECT is(pg_temp.one('{"id":6,"owner":null,"doc":null,"gone":null}'), 'u', '… of which nothing may be missing');
ALTER POLICY a ON j.t USING (10 / id > 1);
SELECT results_eq($$SELECT verdicts, left(problem, 5) FROM pg_temp.judge('j.t', '{j_ann,j_owner}', '{NULL,NULL}', ARRAY['{"id":5,"hidden":1}', '{"id":0,"hidden":1}', '{"id":10,"hidden":1}'])$$,
    $$VALUES ('tuf', '22012'), ('ttt', NULL)$$, 'an error is one row''s and one role''s');
CREATE FUNCTION j.waits() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(10) IS NOT NULL';
ALTER POLICY a ON j.t USING (j.waits());
SELECT dblink_exec('judge', 'SET statement_timeout = 200');
CREATE FUNCTION pg_temp.is_cut_off() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN pg_temp.one('{"id":1}') IS NULL;
EXCEPTION WHEN query_canceled THEN
    RETURN true;
END
$$;
SELECT ok(pg_temp.is_cut_off(), 'a policy that sleeps is cut off, and with it the call');
SELECT dblink_exec('judge', 'RESET statement_timeout');
REVOKE EXECUTE ON FUNCTION j.waits() FROM PUBLIC;
SELECT is(pg_temp.one('{"id":1}'), 'u 42501', 'a policy that the role may not call');
DROP POLICY a ON j.t;
SELECT is(pg_temp.one('{"id":1}'), 'f', 'no policy: nobody');
CREATE POLICY a ON j.t USING (owner = current_user AND session_user = 'herald_judge' AND current_setting('request.jwt.claims') = '{"a":1}');
SELECT is(pg_temp.one('{"id":1,"owner":"j_ann"}', '{"a":1}'), 't', 'as whom, and with which claims');
SELECT is((SELECT problem FROM pg_temp.judge('j.t', '{j_stranger}', '{NULL}', '{"{}"}')), '42501 permission denied to set role "j_stranger"', 'a role that herald_judge was not granted');
SELECT is((SELECT verdicts FROM pg_temp.judge('j.t', '{NULL}', '{NULL}', ARRAY['{"id":1,"owner":"herald_judge"}'])), 'f', 'no role: herald_judge itself, which may read nothing');
SELECT is((SELECT t.who FROM dblink('judge', 'SELECT current_user::text') t(who text)), 'herald_judge', 'the session is nobody''s else afterwards');
SELECT is(pg_temp.one('{"id":1,"owner":"j_ann"}', '{"a":1}'), 't', '… and goes on');

-- A shape from before: names that have been swapped since are not believed.
ALTER TABLE j.t ADD COLUMN creator name;
CREATE TEMP TABLE old_shape AS SELECT s.number FROM herald.shape s JOIN herald.watch w ON w.key = s.watch WHERE w.relation = 'j.t'::regclass AND s.retired_by IS NULL;
ALTER TABLE j.t ADD COLUMN more int;
SELECT is((SELECT verdicts FROM pg_temp.judge('j.t', '{j_ann}', '{"{\"a\":1}"}', ARRAY['{"id":1,"owner":"j_ann","creator":"x"}'], '"policy"', (SELECT number FROM old_shape))), 't', 'an image of an older shape');
BEGIN;
ALTER TABLE j.t RENAME COLUMN owner TO x;
ALTER TABLE j.t RENAME COLUMN creator TO owner;
ALTER TABLE j.t RENAME COLUMN x TO creator;
COMMIT;
SELECT throws_ok($$SELECT pg_temp.judge('j.t', '{j_ann}', '{"{\"a\":1}"}', ARRAY['{"id":1,"owner":"j_ann","creator":"x"}'], '"policy"', (SELECT number FROM old_shape))$$, '0A000', NULL, '… of which a name means another column now');
SELECT is(pg_temp.one('{"id":1,"creator":"j_ann","owner":"x"}', '{"a":1}'), 't', '… while the newest is known');

-- ------------------------------------------------------------------------------------------------ functions

SET ROLE j_owner;
CREATE TABLE j.f (id int PRIMARY KEY, owner text);
CREATE FUNCTION j.may("row" json, claims json) RETURNS boolean LANGUAGE sql STABLE AS $$SELECT "row" ->> 'owner' = claims ->> 'id'$$;
CREATE FUNCTION j.may_row(f j.f, claims jsonb) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$SELECT f.id > 5 AND session_user = 'herald_judge'$$;
CREATE FUNCTION j.may_not(a int, b json) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
CREATE FUNCTION j.may_text("row" json, claims json) RETURNS text LANGUAGE sql STABLE AS $$SELECT 't'$$;
GRANT USAGE ON SCHEMA j TO herald_judge;
SELECT throws_ok(format($$SELECT herald.watch('j.f', visible => %L, claims => '{}')$$, json_build_object('function', f)), '42883', NULL, 'no function for this: ' || f)
  FROM unnest(ARRAY['j.may_not(integer,json)', 'j.may_text(json,json)', 'j.nothing(json,json)', 'may(json,json)', 'j.may(json,json) OR true', '', 'pg_catalog.jsonb_exists(jsonb,text)']) f;
SELECT herald.watch('j.f', visible => '{"function":"j.may(json,json)"}', claims => '{id}');
RESET ROLE;
SELECT is((SELECT verdicts FROM pg_temp.judge('j.f', '{j_ann}', '{"{\"id\":\"x\"}"}', ARRAY['{"id":1,"owner":"x"}', '{"id":1,"owner":"y"}', '{"id":1,"owner":null}'], '{"function":"j.may(json,json)"}')), 'tff', 'a function of the row as JSON; NULL is no');
SELECT is((SELECT verdicts FROM pg_temp.judge('j.f', '{NULL}', '{"{\"id\":\"x\"}"}', ARRAY['{"id":1,"owner":"x"}'], '{"function":"j.may(json,json)"}')), 't', '… as herald_judge itself, where no roles are');
SELECT throws_ok($$SELECT pg_temp.judge('j.f', '{j_ann}', '{NULL}', '{"{}"}', '{"function":"j.may_row(j.f,jsonb)"}')$$, '42501', NULL, 'not one that nobody named');
SELECT throws_ok($$SELECT pg_temp.judge('j.f', '{j_ann}', '{NULL}', '{"{}"}')$$, '42501', NULL, '… nor policies');
SET ROLE j_owner;
SELECT herald.watch('j.f', visible => '{"function":"j.may_row(j.f,jsonb)"}', claims => '{id}');
RESET ROLE;
SELECT is((SELECT verdicts FROM pg_temp.judge('j.f', '{j_ann}', '{"{}"}', ARRAY['{"id":1,"owner":"x"}', '{"id":6,"owner":null}', '{"id":6}'], '{"function":"j.may_row(j.f,jsonb)"}')), 'ftu', 'a function of the row itself');
DROP FUNCTION j.may_row(j.f, jsonb);
SELECT throws_ok($$SELECT pg_temp.judge('j.f', '{j_ann}', '{NULL}', '{"{}"}', '{"function":"j.may_row(j.f,jsonb)"}')$$, '42883', NULL, 'a function that is gone');

-- Nobody else judges, and herald_judge does nothing else.
SELECT set_eq($$SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND has_function_privilege('herald_judge', p.oid, 'EXECUTE')$$,
    ARRAY['schema_version', 'judge', 'judge_as', 'judge_some', 'judgement_of'], 'herald_judge may judge');
SELECT is_empty($$SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'herald'::regnamespace AND c.relkind IN ('r', 'v', 'S') AND has_table_privilege('herald_judge', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')$$,
    '… and has no right on any table');
SELECT dblink_disconnect('judge');
SELECT * FROM finish();
