-- SPDX-License-Identifier: PostgreSQL
-- What an ordinary role, and one that may watch its own tables, cannot reach through us.
SELECT plan(229);

CREATE ROLE x_alice;
CREATE ROLE x_mallory;
CREATE ROLE x_nobody;
CREATE ROLE x_app;
GRANT herald_admin TO x_alice, x_mallory;
GRANT herald_publisher TO x_app;
GRANT USAGE ON SCHEMA tap TO x_alice, x_mallory, x_nobody, x_app;
CREATE SCHEMA x_alice AUTHORIZATION x_alice;
CREATE SCHEMA x_mallory AUTHORIZATION x_mallory;
GRANT USAGE ON SCHEMA x_mallory TO x_alice;
SELECT drain();

-- Nobody.
SET ROLE x_nobody;
SELECT throws_ok(q, '42501', NULL, 'nobody: ' || q) FROM unnest(ARRAY['SELECT * FROM herald.log', 'SELECT * FROM herald.outbox', 'SELECT * FROM herald.watches',
    'SELECT * FROM herald.status', 'SELECT herald.publish($$a$$, $$1$$)', 'SELECT * FROM herald.history($$a$$)', 'SELECT herald.watch($$pg_class$$)',
    'SELECT herald.open(NULL)', 'SELECT herald.site()',
    'INSERT INTO herald.outbox (action, channel, new) VALUES ($$p$$, $$a$$, $$1$$)', 'CREATE TABLE herald.x (id int)',
    'SELECT herald.disconnect(1)', 'SELECT herald.forget()', 'SELECT herald.set_rule($$a$$)', 'SELECT * FROM herald.presence',
    'INSERT INTO herald.directive VALUES (1, now(), $$disconnect$$, $$1$$)', 'SELECT herald.tell_servers($$disconnect$$, $$1$$)']) q;
NOTIFY herald, '{"action":"event"}';
RESET ROLE;
SELECT is(drain(), 0, 'a forged notification is no event');

-- A publisher.
SET ROLE x_app;
SELECT lives_ok($$SELECT herald.publish('x/app', '1')$$, 'a publisher publishes');
-- In the outbox a line end is between the channel and for whom it is.
SELECT throws_ok($$SELECT herald.publish(E'x/app\n{"dbo_id":1,"row_id":"2"}', '1')$$, '22023', NULL, '… on one channel, whose name says nothing else');
SELECT lives_ok($$SELECT herald.publish('x/app', '2', 1, E'2\n{"dbo_id":1,"row_id":"3"}\n')$$, '… to one user, whatever he is called');
SELECT throws_ok(q, '42501', NULL, 'a publisher: ' || q) FROM unnest(ARRAY['SELECT * FROM herald.log', 'SELECT * FROM herald.outbox',
    'INSERT INTO herald.outbox (action, channel, new) VALUES ($$p$$, $$a$$, $$1$$)', 'SELECT herald.rotate_canonical()', 'SELECT herald.trim($$0$$, 1)',
    'SELECT herald.site()', 'SELECT herald.forget()', 'SELECT * FROM herald.presence', 'SELECT herald.tell_servers($$forget$$, $$1$$)', 'SELECT * FROM herald.directive',
    'SELECT herald.call_function($${f,token,t}$$, NULL)', 'SELECT herald.get_signing_key()']) q;
RESET ROLE;
SELECT drain();
SELECT results_eq($$SELECT options ->> 'dbo_id', options ->> 'row_id' FROM herald.log WHERE channel = 'x/app' ORDER BY id$$,
    $$VALUES (NULL, NULL), ('1', E'2\n{"dbo_id":1,"row_id":"3"}\n')$$, '… and to no other');

-- An admin and other people's tables.
SET ROLE x_alice;
CREATE TABLE x_alice.t (id int PRIMARY KEY, open text, secret text);
SELECT lives_ok($$SELECT herald.watch('x_alice.t', channel => 'x/alice', exclude => '{secret}')$$, 'the owner watches her table');
CREATE TABLE x_alice.unwatched (id int PRIMARY KEY, secret text);
RESET ROLE;
SELECT 'capture_' || key AS capture FROM herald.watch WHERE relation = 'x_alice.t'::regclass \gset
SET ROLE x_mallory;
CREATE TABLE x_mallory.t (id int PRIMARY KEY, open text, secret text);
SELECT throws_ok(q, '42501', NULL, 'an admin: ' || q) FROM unnest(ARRAY['SELECT * FROM herald.log', 'SELECT * FROM herald.outbox',
    'INSERT INTO herald.directive VALUES (1, now(), $$disconnect$$, $$1$$)', 'SELECT herald.tell_servers($$disconnect$$, $$1$$)', 'SELECT herald.disconnect(1)', 'UPDATE herald.rule SET authorize = $$f$$',
    'INSERT INTO herald.hook VALUES ($$f$$, $$x_mallory$$)', 'INSERT INTO herald.member VALUES ($$c$$, $$s$$, 1, $$1$$, $${}$$, $$n$$, now())', 'SELECT * FROM herald.member',
    'SELECT herald.write_presence($$n$$, true, $${}$$, $${}$$, $${}$$, $${}$$, $${}$$, $${}$$, $${}$$)', 'SELECT herald.call_function($${f,token,t}$$, NULL)',
    'SELECT herald.get_signing_key()', 'SELECT * FROM herald.signing_key', 'SELECT herald.take_function($$token$$, 1, NULL)',
    'ALTER FUNCTION herald.call_function(text[], bytea) SECURITY INVOKER', 'SELECT herald.site()']) q;
RESET ROLE;
SELECT 'x_alice.t'::regclass::oid AS alice, 'x_alice.unwatched'::regclass::oid AS unwatched \gset
SET ROLE x_mallory;
SELECT throws_ok(format('SELECT herald.watch(%s::oid)', :alice), '42501', NULL, 'an admin cannot watch somebody else''s table');
SELECT throws_ok(format('SELECT herald.unwatch(%s::oid)', :alice), '42501', NULL, '… nor unwatch it');
SELECT throws_ok(format('CREATE TRIGGER x AFTER INSERT ON x_mallory.t FOR EACH ROW EXECUTE FUNCTION herald.%I()', :'capture'), '42501', NULL,
    '… nor attach its trigger function to a table of his own');
SELECT lives_ok(format('SELECT herald.prepare_watch(%s::oid), herald.generate_capture(%s::oid)', :unwatched, :unwatched), 'helpers called for a stranger''s table …');
SELECT lives_ok(format('SELECT herald.generate_capture(%s::oid), herald.clean_watches(), herald.refresh()', :alice), '… in any way …');
RESET ROLE;
SET ROLE x_alice;
INSERT INTO x_alice.t VALUES (1, 'o', 's');
INSERT INTO x_alice.unwatched VALUES (1, 's');
RESET ROLE;
SELECT is(rows_of('x/alice'), '{"id":1,"open":"o"}', '… do not change what is announced');
SELECT is((SELECT count(*) FROM herald.log WHERE payload::text LIKE '%unwatched%'), 0::bigint, '… or begin to announce');
CREATE TRIGGER x AFTER INSERT ON x_mallory.t FOR EACH ROW EXECUTE FUNCTION herald.:capture();
SELECT throws_ok($$INSERT INTO x_mallory.t VALUES (1)$$, '42501', NULL, 'the function refuses another table, even if a superuser attached it');
DROP TRIGGER x ON x_mallory.t;

-- Strangers' types in a watched table: no cast, no operator, no function of theirs may run.
SET ROLE x_mallory;
CREATE TABLE x_mallory.seen (what text);
GRANT INSERT ON x_mallory.seen TO PUBLIC;
GRANT USAGE ON SCHEMA x_mallory TO PUBLIC;
CREATE TYPE x_mallory.evil AS ENUM ('a', 'b');
CREATE TYPE x_mallory.pair AS (e x_mallory.evil, n int);
CREATE DOMAIN x_mallory.dom AS x_mallory.evil;
CREATE FUNCTION x_mallory.to_json(x_mallory.evil) RETURNS json LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO x_mallory.seen VALUES ('to_json as ' || current_user);
    INSERT INTO herald.outbox (shape, action, new) VALUES (1, 'i', '(1)'); RETURN '1'; END$$;
CREATE FUNCTION x_mallory.to_text(x_mallory.evil) RETURNS text LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO x_mallory.seen VALUES ('to_text as ' || current_user); RETURN 'evil'; END$$;
CREATE FUNCTION x_mallory.to_json(x_mallory.pair) RETURNS json LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO x_mallory.seen VALUES ('pair as ' || current_user); RETURN '2'; END$$;
CREATE FUNCTION x_mallory.same(x_mallory.evil, x_mallory.evil) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO x_mallory.seen VALUES ('same as ' || current_user); RETURN true; END$$;
CREATE CAST (x_mallory.evil AS json) WITH FUNCTION x_mallory.to_json(x_mallory.evil) AS IMPLICIT;
CREATE CAST (x_mallory.evil AS text) WITH FUNCTION x_mallory.to_text(x_mallory.evil) AS IMPLICIT;
CREATE CAST (x_mallory.pair AS json) WITH FUNCTION x_mallory.to_json(x_mallory.pair) AS IMPLICIT;
CREATE OPERATOR x_mallory.= (LEFTARG = x_mallory.evil, RIGHTARG = x_mallory.evil, FUNCTION = x_mallory.same);
RESET ROLE;
SET ROLE x_alice;
CREATE TABLE x_alice.typed (id int PRIMARY KEY, e x_mallory.evil, es x_mallory.evil[], p x_mallory.pair, ps x_mallory.pair[], d x_mallory.dom);
SELECT herald.watch('x_alice.typed', channel => 'x/{e}');
CREATE TABLE x_alice.typed_2 (LIKE x_alice.typed);
SELECT herald.watch('x_alice.typed_2', channel => 'x2/{e}', mode => 'statement');
SET search_path = x_mallory, public, tap;
CREATE TEMP TABLE outbox (shape bigint, action text, old text, new text);
INSERT INTO x_alice.typed VALUES (1, 'a', '{a,b}', ROW('a', 1), ARRAY[ROW('b', 2)::x_mallory.pair], 'a');
INSERT INTO x_alice.typed_2 SELECT * FROM x_alice.typed;
UPDATE x_alice.typed SET d = 'b';
UPDATE x_alice.typed_2 SET d = 'b';
RESET search_path;
RESET ROLE;
SELECT is_empty('SELECT what FROM x_mallory.seen', 'no function of a stranger''s type was called');
SELECT is(rows_of('x/a'), '{"id":1,"e":"a","es":["a","b"],"p":{"e":"a","n":1},"ps":["(b,2)"],"d":"a"} {"id":1,"e":"a","es":["a","b"],"p":{"e":"a","n":1},"ps":["(b,2)"],"d":"b"}',
    'its values are announced all the same');
SELECT is(actions('x2/a'), 'insert update', '… in statement mode too');
SELECT is((SELECT count(*) FROM herald.log WHERE channel = 'x/forged'), 0::bigint, 'and nothing was forged');
SET ROLE x_mallory;
ALTER TYPE x_mallory.pair ADD ATTRIBUTE late x_mallory.evil;
RESET ROLE;
SET ROLE x_alice;
UPDATE x_alice.typed SET p = ROW('a', 1, 'b');
RESET ROLE;
SELECT is((SELECT count(*) FROM x_mallory.seen), 0::bigint, 'nor after the type has grown');
SELECT is(actions('x/a'), 'update', '… and that is an event');

-- Code in wishes.
SET ROLE x_mallory;
CREATE TABLE x_mallory."odd'; $q$" (id int PRIMARY KEY, "c'||(SELECT 1)||'" text);
SELECT herald.watch('x_mallory."odd''; $q$"', channel => $$x'||(SELECT current_user)||'/$code$;%s{c'||(SELECT 1)||'}$$);
INSERT INTO x_mallory."odd'; $q$" VALUES (1, 'v');
SELECT throws_ok($$CREATE TRIGGER "!herald_row" AFTER INSERT ON x_mallory.t FOR EACH ROW EXECUTE FUNCTION herald.try_sleep()$$, '42501', NULL, 'other functions are no trigger functions');
RESET ROLE;
SELECT is(rows_of($$x'||(SELECT current_user)||'/$code$;%sv$$), $${"id":1,"c'||(SELECT 1)||'":"v"}$$, 'quotes in names and templates stay text');
SELECT is_empty($$SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'herald')
    AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege('herald_capture', c.oid, 'SELECT, UPDATE, DELETE') AND NOT has_table_privilege('public', c.oid, 'SELECT')$$,
    'herald_capture reads nobody''s tables');

-- Columns that get a stranger's type behind the back of the generated code. On each road there the write succeeds,
-- no cast runs, and the change is announced by key or counted.
CREATE TEMP TABLE before AS SELECT skipped FROM herald.status;
CREATE FUNCTION pg_temp.newly_skipped() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM drain();
    SELECT s.skipped - b.skipped INTO n FROM herald.status s, before b;
    UPDATE before SET skipped = (SELECT s.skipped FROM herald.status s);
    RETURN n;
END
$$;
SELECT pg_temp.newly_skipped();
SET client_min_messages = error;

-- A refresh that fails for ever: the wish of the first trigger asks for nonsense.
SET ROLE x_mallory;
CREATE TABLE x_mallory.failing (id text, c text, k int PRIMARY KEY);
SELECT herald.watch('x_mallory.failing', channel => 'xf/{c}', key_columns => '{id}');
INSERT INTO x_mallory.failing VALUES ('a', 'a', 1);
RESET ROLE;
SELECT 'capture_' || key AS capture FROM herald.watch WHERE relation = 'x_mallory.failing'::regclass \gset
SET ROLE x_mallory;
CREATE TRIGGER "!herald_aaa" AFTER TRUNCATE ON x_mallory.failing FOR EACH STATEMENT EXECUTE FUNCTION herald.:capture('nonsense');
ALTER TABLE x_mallory.failing ADD COLUMN late int;
INSERT INTO x_mallory.failing VALUES ('b', 'a', 2, 3);
RESET ROLE;
SELECT is(rows_of('xf/a'), '{"id":"a","c":"a","k":1} {"id":"b","c":"a","k":2,"late":3}', 'a wish that is not JSON is ignored');
SET ROLE x_mallory;
CREATE TRIGGER "!herald_aab" AFTER TRUNCATE ON x_mallory.failing FOR EACH STATEMENT EXECUTE FUNCTION herald.:capture('{"max_bytes":"x"}');
ALTER TABLE x_mallory.failing ALTER COLUMN id TYPE x_mallory.evil USING 'a';
INSERT INTO x_mallory.failing VALUES ('b', 'a', 3, 3);
UPDATE x_mallory.failing SET id = 'b' WHERE k = 1;
DELETE FROM x_mallory.failing WHERE k = 1;
RESET ROLE;
SELECT is((SELECT string_agg(d::text, ' ') FROM news('xf/a') d),
    '{"action":"insert","schema":"x_mallory","table":"failing","new":{"id":"b","c":"a","k":3,"late":3},"old":null}'
    || ' {"action":"update","schema":"x_mallory","table":"failing","new":{"id":"b","c":"a","k":1,"late":null},"old":{"id":"a","c":"a","k":1,"late":null}}'
    || ' {"action":"delete","schema":"x_mallory","table":"failing","new":null,"old":{"id":"b","c":"a","k":1,"late":null}}',
    'a retyped key column, and no refresh: announced as it prints');
SET ROLE x_mallory;
ALTER TABLE x_mallory.failing ALTER COLUMN c TYPE x_mallory.evil USING 'a';
INSERT INTO x_mallory.failing VALUES ('b', 'a', 4, 3);
UPDATE x_mallory.failing SET id = 'a' WHERE k = 4;
DELETE FROM x_mallory.failing WHERE k = 4;
RESET ROLE;
SELECT is(actions('xf/a'), 'insert update delete', 'a retyped column of the template, and no refresh: as it prints');

-- Wishes that watch() would never write, of a table whose rows nobody sees: who looks after all watches still can, and the next wish counts.
SET ROLE x_mallory;
CREATE TABLE x_mallory.blind (id int PRIMARY KEY, c text);
SELECT herald.watch('x_mallory.blind', channel => 'xn');
RESET ROLE;
CREATE FUNCTION pg_temp.wishes(wish text) RETURNS text LANGUAGE plpgsql AS $$BEGIN
    EXECUTE format('CREATE TRIGGER "!herald_aaa" AFTER TRUNCATE ON x_mallory.blind FOR EACH STATEMENT EXECUTE FUNCTION herald.%I(%L)',
                   (SELECT 'capture_' || key FROM herald.watch WHERE relation = 'x_mallory.blind'::regclass), wish);
    UPDATE herald.watch SET visible = '"nobody"' WHERE relation = 'x_mallory.blind'::regclass;
    PERFORM herald.warnings(), (SELECT count(*) FROM herald.doctor()), (SELECT s.skipped FROM herald.status s);
    PERFORM herald.follow('x_mallory.blind', true);
    DROP TRIGGER "!herald_aaa" ON x_mallory.blind;
    RETURN (SELECT w.channel FROM herald.watch w WHERE w.relation = 'x_mallory.blind'::regclass);
END$$;
SELECT is(pg_temp.wishes(wish), 'xn', 'a wish that cannot be read: ' || left(wish, 40)) FROM (VALUES ('{"channel":' || repeat('[', 100000) || repeat(']', 100000) || '}'),
    ('{"channel":"a\u0000"}'), ('{"channel":1e99999999}'), ('{"channel":"xn","snapshot":"maybe"}')) v(wish);
SET ROLE x_mallory;
SELECT herald.watch('x_mallory.blind', channel => 'xn');
RESET ROLE;
SELECT pg_temp.wishes('{"channel":"xn","numbers":"x","max_bytes":2147483647}');
SELECT is((SELECT concat_ws(' ', s.description ->> 'numbers', s.description ->> 'max_bytes') FROM herald.shape s JOIN herald.watch w ON w.key = s.watch
            WHERE w.relation = 'x_mallory.blind'::regclass AND s.retired_by IS NULL), 'text 268435456', 'what watch() would refuse makes no shape that the server does');

-- A child that leaves its parent.
SET ROLE x_mallory;
CREATE TABLE x_mallory.parent (id int PRIMARY KEY, c text);
CREATE TABLE x_mallory.child () INHERITS (x_mallory.parent);
SELECT herald.watch('x_mallory.parent', channel => 'xp/{c}');
RESET ROLE;
SELECT 'capture_' || key AS capture FROM herald.watch WHERE relation = 'x_mallory.parent'::regclass \gset
SET ROLE x_mallory;
CREATE TRIGGER x AFTER INSERT OR UPDATE ON x_mallory.child FOR EACH ROW EXECUTE FUNCTION herald.:capture();
INSERT INTO x_mallory.child VALUES (1, 'a');
ALTER TABLE x_mallory.child NO INHERIT x_mallory.parent;
ALTER TABLE x_mallory.child ALTER COLUMN c TYPE x_mallory.evil USING 'a';
INSERT INTO x_mallory.child VALUES (2, 'a');
RESET ROLE;
SELECT is(actions('xp/a'), 'insert insert', 'a child that left its parent, in plans that were made before: as it prints');

-- No event triggers: row mode and statement mode, with plans of before and with new ones.
CREATE TYPE x_mallory.inner AS (lower text, n int);
ALTER TYPE x_mallory.inner OWNER TO x_mallory;
ALTER EVENT TRIGGER herald_ddl DISABLE;
SET ROLE x_mallory;
CREATE FUNCTION x_mallory.inner_text(x_mallory.inner) RETURNS text LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO x_mallory.seen VALUES ('inner as ' || current_user); RETURN 'evil'; END$$;
CREATE CAST (x_mallory.inner AS text) WITH FUNCTION x_mallory.inner_text(x_mallory.inner) AS IMPLICIT;
CREATE TABLE x_mallory.rows (id int PRIMARY KEY, c text, cs int[], d timestamptz);
CREATE TABLE x_mallory.stmt (id int PRIMARY KEY, c text);
CREATE TABLE x_mallory.comp (id int PRIMARY KEY, p x_mallory.inner);
SELECT herald.watch('x_mallory.rows', channel => 'xr');
SELECT herald.watch('x_mallory.stmt', channel => 'xs/{c}', mode => 'statement');
SELECT herald.watch('x_mallory.comp', channel => 'xc');
INSERT INTO x_mallory.rows VALUES (1, 'a');
INSERT INTO x_mallory.stmt VALUES (1, 'a'), (2, 'a');
INSERT INTO x_mallory.comp VALUES (1, ROW('A', 1));
RESET ROLE;
SELECT drain();
SET ROLE x_mallory;
ALTER TABLE x_mallory.rows ALTER COLUMN c TYPE x_mallory.evil USING 'a', ALTER COLUMN cs TYPE x_mallory.evil[] USING NULL, ALTER COLUMN d TYPE x_mallory.evil USING 'b';
ALTER TABLE x_mallory.stmt ALTER COLUMN c TYPE x_mallory.evil USING 'a';
ALTER TYPE x_mallory.inner DROP ATTRIBUTE lower;
ALTER TYPE x_mallory.inner DROP ATTRIBUTE n;
ALTER TYPE x_mallory.inner ADD ATTRIBUTE n x_mallory.evil;
INSERT INTO x_mallory.rows VALUES (2, 'a', '{a,b}', 'a');
UPDATE x_mallory.rows SET c = 'b' WHERE id = 2;
INSERT INTO x_mallory.stmt VALUES (3, 'b');
UPDATE x_mallory.stmt SET c = 'b';
DELETE FROM x_mallory.stmt;
INSERT INTO x_mallory.comp VALUES (2, ROW('a'));
DISCARD PLANS;
SET ROLE x_mallory;
INSERT INTO x_mallory.rows VALUES (3, 'a', '{a,b}', 'a');
UPDATE x_mallory.rows SET c = 'a' WHERE id = 2;
INSERT INTO x_mallory.stmt VALUES (4, 'b');
INSERT INTO x_mallory.comp VALUES (3, ROW('a'));
ALTER TYPE x_mallory.inner ADD ATTRIBUTE lower int;
INSERT INTO x_mallory.comp VALUES (4, ROW('a', 1));
RESET ROLE;
ALTER EVENT TRIGGER herald_ddl ENABLE;
SELECT is(rows_of('xr'), '{"id":1,"c":"a","cs":null,"d":null} {"id":2,"c":"a","cs":["a","b"],"d":"a"} {"id":2,"c":"b","cs":["a","b"],"d":"a"} {"id":3,"c":"a","cs":["a","b"],"d":"a"} {"id":2,"c":"a","cs":["a","b"],"d":"a"}', 'row mode: as it prints');
SELECT is(rows_of('xc'), '{"id":1,"p":{"lower":"A","n":1}} {"id":2,"p":"(a)"} {"id":3,"p":"(a)"} {"id":4,"p":{"lower":"a","n":1}}', 'a composite: as it prints');
SELECT is(actions('xs/a') || ' ' || actions('xs/b'), 'insert insert delete delete insert insert insert delete delete delete insert', 'statement mode: as it prints');
SELECT is_empty('SELECT what FROM x_mallory.seen', 'no cast of a type that came later has run');
SELECT herald.refresh();
INSERT INTO x_mallory.rows VALUES (5, 'a', '{a,b}', 'a');
SELECT is(rows_of('xr'), '{"id":5,"c":"a","cs":["a","b"],"d":"a"}', 'a refresh mends it');

-- A stranger's casts of arrays of domains, and functions named like fields.
SET ROLE x_mallory;
CREATE DOMAIN x_mallory.big AS bigint;
CREATE FUNCTION x_mallory.to_texts(x_mallory.big[]) RETURNS text[] LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO x_mallory.seen VALUES ('texts as ' || current_user); RETURN '{evil}'; END$$;
CREATE CAST (x_mallory.big[] AS text[]) WITH FUNCTION x_mallory.to_texts(x_mallory.big[]) AS IMPLICIT;
CREATE TABLE x_mallory.bigs (id int PRIMARY KEY, l x_mallory.big[], d x_mallory.big);
SELECT herald.watch('x_mallory.bigs', channel => 'xb');
INSERT INTO x_mallory.bigs VALUES (1, '{1,NULL}', 2);
RESET ROLE;
SELECT is(rows_of('xb'), '{"id":1,"l":["1",null],"d":"2"}', 'an array of domains');
SELECT is_empty('SELECT what FROM x_mallory.seen', '… without its cast');

-- A type of others that grows with each level: ten fields of ten fields … are 100 000 in five.
SET ROLE x_mallory;
CREATE TYPE x_mallory.wide_0 AS (a int);
SELECT format('CREATE TYPE x_mallory.wide_%s AS (%s)', n, (SELECT string_agg(format('f%s x_mallory.wide_%s', i, n - 1), ', ') FROM generate_series(0, 9) i)) FROM generate_series(1, 4) n \gexec
CREATE TABLE x_mallory.wide (id int PRIMARY KEY, w x_mallory.wide_4, p x_mallory.wide_1);
SELECT herald.watch('x_mallory.wide', channel => 'xw', columns => '{id,p}');
INSERT INTO x_mallory.wide (id, p) VALUES (1, ROW(ROW(1), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
RESET ROLE;
SELECT is(left(rows_of('xw'), 34), '{"id":1,"p":{"f0":{"a":1},"f1":nul', 'a composite of composites');
SELECT cmp_ok(length(herald.type_tree('x_mallory.wide_4'::regtype)), '<', 60000, '… is told as one as far as a tree has room');
SELECT is(herald.type_tree('x_mallory.wide_4'::regtype, 0, 9), '"text"', '… and else as it prints');

-- Hundreds of columns, each of hundreds of types: how it looks is asked every few seconds.
SET ROLE x_mallory;
SELECT format('CREATE TYPE x_mallory.leaf_%s AS ENUM (''a'')', i) FROM generate_series(1, 100) i \gexec
SELECT format('CREATE TYPE x_mallory.leaves AS (%s)', string_agg(format('f%s x_mallory.leaf_%s', i, i), ', ')) FROM generate_series(1, 100) i \gexec
SELECT format('CREATE TABLE x_mallory.leafy (%s)', string_agg(format('c%s x_mallory.leaves', i), ', ')) FROM generate_series(1, 200) i \gexec
RESET ROLE;
SET statement_timeout = '2s';
SELECT isnt(herald.looks_of('x_mallory.leafy'::regclass), NULL, 'a table of 20 000 types is looked at in no time');
RESET statement_timeout;

-- A template that no regular expression can be made of.
SELECT throws_ok(format('SELECT herald.watch(%L, channel => %L)', 'x_mallory.bigs', 'x' || repeat('/{id}', 17)), '22023', NULL, 'a template of 17 columns');
SELECT throws_ok(format('SELECT herald.watch(%L, channel => %L)', 'x_mallory.bigs', 'x' || repeat('{' || repeat('i', 300) || '}', 4)), '22023', NULL, 'a template of 1200 bytes');

SELECT throws_ok($$SELECT herald.publish('x/app', to_jsonb(repeat('x', 16777215)))$$, '22023', 'herald: data of 16777217 bytes is too large to publish', 'data over 16 MiB');
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT lives_ok('SELECT herald.watch(''x_mallory.bigs''), herald.refresh()', 'standard_conforming_strings may be off');
RESET standard_conforming_strings;
RESET escape_string_warning;

-- Somebody without any right, who alters types and schemas of his own and goes to lunch in the transaction.
SELECT count(*) AS n_watched FROM herald.watch \gset
BEGIN;
SET LOCAL ROLE x_nobody;
CREATE TYPE pg_temp.lunch AS ENUM ('a');
CREATE TYPE pg_temp.menu AS (l pg_temp.lunch);
CREATE DOMAIN pg_temp.table AS int;
ALTER TYPE pg_temp.lunch RENAME VALUE 'a' TO 'b';
ALTER TYPE pg_temp.lunch ADD VALUE 'c';
ALTER TYPE pg_temp.menu ADD ATTRIBUTE n int;
ALTER DOMAIN pg_temp.table SET DEFAULT 1;
CREATE TEMP TABLE dish (id int);
ALTER TABLE dish ADD COLUMN n int;
DROP TABLE dish;
SELECT count(*) AS n_locks FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
 WHERE l.pid = pg_backend_pid() AND c.relnamespace = 'herald'::regnamespace AND l.mode <> 'AccessShareLock' \gset
ROLLBACK;
SELECT cmp_ok(:n_watched, '>', 5, 'there are watched tables');
SELECT is(:n_locks, 0, 'a stranger''s DDL locks nothing of ours');

-- The server's session in strange hands: it may not write, read other tables, become somebody else, or call what no rule names.
SELECT ok(NOT pg_has_role(a, b, 'MEMBER'), a || ' cannot become ' || b) FROM unnest(ARRAY['herald_server', 'herald_hook', 'herald_judge', 'herald_caller', 'herald_reader', 'herald_capture', 'herald_publisher', 'herald_admin']) a,
    unnest(ARRAY['herald_owner', 'herald_capture', 'herald_hook', 'herald_judge', 'herald_caller', 'herald_reader', 'herald_server', 'herald_admin']) b WHERE a <> b;
GRANT USAGE ON SCHEMA tap TO herald_server, herald_hook, herald_capture;
SET ROLE herald_server;
SELECT throws_ok(q, '42501', NULL, 'the server: ' || q) FROM unnest(ARRAY['INSERT INTO herald.log (id) VALUES (1)', 'DELETE FROM herald.log', 'TRUNCATE herald.log',
    'UPDATE herald.cursor SET batch = NULL', 'INSERT INTO herald.outbox (action, channel, new) VALUES ($$p$$, $$a$$, $$1$$)', 'DELETE FROM herald.outbox',
    'INSERT INTO herald.rule (channel) VALUES ($$*$$)', 'UPDATE herald.hook SET owner = current_user', 'DELETE FROM herald.directive', 'UPDATE herald.switch SET enabled = true',
    'INSERT INTO herald.canonical DEFAULT VALUES', 'DELETE FROM herald.member', 'SELECT herald.set_rule($$*$$, true)', 'SELECT herald.drop_rule($$*$$)', 'SELECT herald.rotate_canonical()',
    'SELECT herald.set_enabled(true)', 'SELECT herald.watch($$x_alice.t$$)', 'SELECT herald.refresh()', 'SELECT herald.ring()', 'SELECT herald.tell_servers($$forget$$, $$1$$)',
    'SELECT herald.call_function($${f,token,t}$$, NULL)', 'SELECT * FROM herald.signing_key', 'SELECT herald.renew_signing_key()', 'CREATE TABLE herald.x (id int)', 'CREATE FUNCTION herald.x() RETURNS int LANGUAGE sql AS $f$SELECT 1$f$',
    'CREATE OR REPLACE FUNCTION herald.ring() RETURNS void LANGUAGE sql AS $f$$f$', 'ALTER FUNCTION herald.call_function(text[], bytea) OWNER TO herald_server',
    'ALTER TABLE herald.log DISABLE TRIGGER ALL', 'DROP TABLE herald.log', 'GRANT SELECT ON herald.outbox TO PUBLIC', 'LOCK TABLE herald.log IN ACCESS EXCLUSIVE MODE', 'SELECT * FROM x_alice.t',
    'COPY (SELECT 1) TO PROGRAM $$true$$', 'SELECT pg_read_file($$/etc/passwd$$)', 'SET session_replication_role = replica']) q;
RESET ROLE;
-- What a server could be told to call, signed.
GRANT EXECUTE ON FUNCTION tap.signature(text[]) TO herald_hook;
SET ROLE herald_hook;
SELECT throws_ok(format('SELECT herald.call_function(%L, tap.signature(%L))', c, c), NULL, NULL, 'signed: ' || c::text) FROM (VALUES ('{pg_catalog.pg_ls_dir(text),token,/}'::text[]),
    ('{pg_catalog.to_json(anyelement),token,1}'), ('{"x(text); DROP TABLE herald.log; --",token,1}'), ('{pg_catalog.pg_reload_conf(),on_join,join,a,NULL,NULL,NULL}'),
    ('{"herald.publish(text,jsonb,integer,text)",on_join,join,a,NULL,NULL,NULL}'), ('{herald.rotate_canonical(),authorize,a,NULL,join}'), ('{"f(text)",on_sequence}'), ('{}'), (NULL)) v(c);
RESET ROLE;
SET ROLE herald_hook;
SELECT throws_ok(q, '42501', NULL, 'who calls functions: ' || q) FROM unnest(ARRAY['SELECT * FROM herald.log', 'SELECT * FROM herald.rule', 'SELECT * FROM herald.hook', 'SELECT * FROM herald.member',
    'SELECT * FROM herald.canonical', 'INSERT INTO herald.outbox (action, channel, new) VALUES ($$p$$, $$a$$, $$1$$)', 'SELECT herald.publish($$a$$, $$1$$)',
    'SELECT herald.disconnect(1)', 'SELECT herald.site()', 'SELECT herald.get_signing_key()', 'SELECT * FROM herald.signing_key', 'SELECT herald.is_signed($${f}$$, NULL)', 'SELECT herald.call_function($${f,token,t}$$, NULL)',
    'SELECT herald.call_function($${f,token,t}$$, $$x$$)', 'SELECT herald.set_rule($$*$$)', 'SELECT * FROM x_alice.t', 'CREATE TABLE herald.x (id int)',
    'CREATE OR REPLACE FUNCTION herald.call_function(call text[], signature bytea) RETURNS text LANGUAGE sql AS $f$SELECT $$x$$$f$']) q;
RESET ROLE;
SET ROLE herald_capture;
SELECT throws_ok(q, '42501', NULL, 'who owns trigger functions: ' || q) FROM unnest(ARRAY['SELECT * FROM herald.outbox', 'SELECT * FROM herald.log', 'DELETE FROM herald.outbox',
    'INSERT INTO herald.outbox (action, channel, new) VALUES ($$p$$, $$a$$, $$1$$)', 'INSERT INTO herald.outbox (id, shape, action) OVERRIDING SYSTEM VALUE VALUES (1, 1, $$i$$)',
    'SELECT herald.publish($$a$$, $$1$$)', 'SELECT * FROM herald.watch', 'SELECT * FROM x_alice.t', 'CREATE FUNCTION herald.x() RETURNS int LANGUAGE sql AS $f$SELECT 1$f$']) q;
RESET ROLE;
REVOKE USAGE ON SCHEMA tap FROM herald_server, herald_hook, herald_capture;

-- Temporary objects in front of ours, and operators: no SECURITY DEFINER function looks at them first.
SET ROLE x_alice;
CREATE TEMP TABLE rule (channel text);
CREATE TEMP TABLE pg_class (oid oid, relowner oid);
CREATE TEMP TABLE pg_proc (oid oid, proowner oid);
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (VALUE IS NULL);
CREATE DOMAIN pg_temp.json AS pg_catalog.json CHECK (VALUE IS NULL);
SET search_path = pg_temp, x_mallory, pg_catalog, tap;
SELECT lives_ok($$SELECT herald.set_rule('x/shadow', anonymous_clients => true), herald.watch('x_alice.unwatched', channel => 'x/unwatched'), herald.drop_rule('x/shadow'), herald.refresh()$$,
    'an admin with temporary tables and types before everything');
RESET search_path;
RESET ROLE;
INSERT INTO x_alice.unwatched VALUES (2, 's');
DROP DOMAIN pg_temp.text, pg_temp.json; -- or pgTAP's own functions take them
SELECT is(rows_of('x/unwatched'), '{"id":2,"secret":"s"}', '… gets what he asked for, and nothing of his was used');
SELECT is((SELECT count(*) FROM pg_temp.outbox), 0::bigint, '… nor written');

-- Somebody else's advisory locks can slow us down, so they are shown.
SELECT pg_advisory_lock(1751478881, 2);
SELECT matches((SELECT foreign_lock_holders[1] FROM herald.status), '^postgres \(pid \d+\)$', 'status names foreign holders of our locks');
SELECT pg_advisory_unlock(1751478881, 2);

-- A hardened database: functions that look at the server are taken from PUBLIC, and writers still write, all of it.
CREATE TABLE x_alice.hard (id int PRIMARY KEY, room text, big bigint, n numeric, f float8, at timestamptz, i interval, b bytea, j json, list bigint[], u uuid, r int4range);
CREATE TABLE x_alice.bulk (LIKE x_alice.hard INCLUDING ALL);
ALTER TABLE x_alice.hard OWNER TO x_alice;
ALTER TABLE x_alice.bulk OWNER TO x_alice;
SELECT herald.watch('x_alice.hard', channel => 'hard/{room}/{at}'), herald.watch('x_alice.bulk', channel => 'hard/{room}/{at}', mode => 'statement');
CREATE TEMP TABLE named AS
SELECT p.oid::regprocedure AS f FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
   AND (p.proname LIKE 'pg\_%advisory%' OR p.proname LIKE 'pg\_current\_%' OR p.proname LIKE 'pg\_noti%' OR p.proname LIKE 'txid\_%'
        OR p.proname IN ('clock_timestamp', 'current_setting', 'set_config', 'pg_sleep'));
SELECT cmp_ok((SELECT count(*) FROM named), '>', 30::bigint, 'functions that a strict database takes from PUBLIC');
DO $$ BEGIN EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', (SELECT string_agg(f::text, ', ') FROM named)); END $$;
SET ROLE x_alice;
SELECT throws_ok($$SELECT pg_try_advisory_xact_lock_shared(1, 2)$$, '42501', NULL, 'they were taken away');
INSERT INTO x_alice.hard VALUES (1, 'a/b', 5, 1.5, 0.1, '2026-01-01 00:00:00+00', '1 day', '\x01', '[1]', '{7}', '00000000-0000-0000-0000-000000000001', '[1,3)');
UPDATE x_alice.hard SET n = 2;
INSERT INTO x_alice.bulk SELECT * FROM x_alice.hard;
RESET ROLE;
SELECT herald.publish('hard/a%2Fb/2026-01-01T00:00:00+00:00', '1');
DO $$ BEGIN EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', (SELECT string_agg(f::text, ', ') FROM named)); END $$;
SELECT is((SELECT string_agg(concat_ws(' ', d ->> 'action', d #>> '{new,n}', d ->> 'truncated_to_key'), ', ') FROM news('hard/a%2Fb/2026-01-01T00:00:00+00:00') d),
    'insert 1.5, update 2, insert 2, ', '… from all, and writes are announced as ever');
SELECT * FROM finish();
