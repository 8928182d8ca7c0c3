-- SPDX-License-Identifier: PostgreSQL
-- The functions that rules name: which are taken, how they are called, and what they cannot do with the server's session.
SELECT plan(118);

CREATE ROLE h_owner;
CREATE ROLE h_admin;
CREATE ROLE h_other;
GRANT herald_admin TO h_admin;
CREATE SCHEMA h AUTHORIZATION h_owner;
GRANT USAGE ON SCHEMA h TO PUBLIC;
GRANT CREATE ON SCHEMA h TO h_other;
GRANT USAGE ON SCHEMA tap TO h_owner, h_admin, h_other, herald_hook;
SELECT drain();
-- A session as the server's, which logs in as herald_hook.
CREATE EXTENSION dblink SCHEMA tap;
SELECT dblink_connect('server', format('host=%s port=%s dbname=%s user=herald_hook', current_setting('unix_socket_directories'), current_setting('port'), current_database()));
CREATE FUNCTION pg_temp.server(query text) RETURNS text LANGUAGE sql AS $$SELECT t.x FROM dblink('server', query) t(x text)$$;
CREATE FUNCTION pg_temp.called(call text[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.server(format('SELECT herald.call_function(%L, %L)', call, signature(call))) $$;
CREATE FUNCTION pg_temp.call(function text, action text, channel text, payload text, client text DEFAULT '{}', options text DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.called(ARRAY[CASE WHEN function ~ '[(]' THEN function ELSE 'h.' || function || '(text,text,json,json,json)' END, 'on_' || action,
                                action, channel, client, options, coalesce(payload, 'null')]) $$;
CREATE FUNCTION pg_temp.authorize(function text, channel text, identity text, action text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.called(ARRAY[function, 'authorize', channel, identity, action]) $$;
CREATE FUNCTION pg_temp.token(function text, token text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.called(ARRAY[function, 'token', token])::jsonb $$;

SET ROLE h_owner;
CREATE TABLE h.seen (what text);
CREATE FUNCTION h.may(channel text, identity json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER
    AS $$SELECT CASE channel WHEN 'null' THEN NULL ELSE concat_ws(' ', channel, identity ->> 'dbo_id', identity ->> 'row_id', action) = '34 12 34 join' OR identity IS NULL AND action = 'send' END$$;
CREATE FUNCTION h.mayb(channel text, identity jsonb, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$SELECT identity @> '{"dbo_id":12}'$$;
CREATE FUNCTION h.on_any(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql SECURITY DEFINER
    AS $$SELECT json_build_object('action', action, 'channel', channel, 'client', client, 'options', options, 'payload', payload, 'is_null', payload IS NULL)$$;
CREATE FUNCTION h.on_b(action text, channel text, client jsonb, options json, payload jsonb) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS 'SELECT payload';
CREATE FUNCTION h.on_void(action text, channel text, client json, options json, payload json) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    AS $$BEGIN INSERT INTO h.seen VALUES (concat_ws(' ', action, channel, client, payload)); END$$;
CREATE FUNCTION h.on_stable(action text, channel text, client json, options json, payload json) RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER
    AS $$BEGIN RAISE EXCEPTION 'it ran'; END$$;
CREATE FUNCTION h.on_null(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql SECURITY DEFINER AS 'SELECT NULL::json';
CREATE FUNCTION h.on_strict(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql STRICT SECURITY DEFINER AS 'SELECT payload';
CREATE FUNCTION h.on_raise(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql SECURITY DEFINER
    AS $$BEGIN IF channel = 'code' THEN RAISE EXCEPTION 'hidden' USING ERRCODE = '55000'; ELSIF channel = 'zero' THEN RETURN to_json(1 / 0); END IF; RAISE EXCEPTION 'not %', channel; END$$;
CREATE FUNCTION h.who(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql SECURITY DEFINER
    AS $$SELECT to_json(concat_ws(' ', current_user, session_user, current_setting('search_path')))$$;
CREATE FUNCTION h.token(token text) RETURNS json LANGUAGE sql SECURITY DEFINER AS $$SELECT json_build_object('dbo_id', 12) WHERE token = 'good'$$;

-- What is no function for a rule.
CREATE TYPE h.json AS ENUM ('a');
CREATE DOMAIN h.dom AS json;
CREATE FUNCTION h.to_own(json) RETURNS h.json LANGUAGE sql AS 'SELECT NULL::h.json';
CREATE CAST (json AS h.json) WITH FUNCTION h.to_own(json) AS IMPLICIT;
CREATE FUNCTION h.bad_count(text, json) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_order(json, text, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_own(text, h.json, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_domain(text, h.dom, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_array(text, json[], text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_any(text, anyelement, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_variadic(text, json, VARIADIC text[]) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_default(text, json, text, int DEFAULT 1) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_set(text, json, text) RETURNS SETOF boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_result(text, json, text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT $$true$$';
CREATE PROCEDURE h.bad_kind(text, json, text) LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION h.bad_rights(text, json, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION h.bad_text(text, text, json, json, json) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT $$1$$';
RESET ROLE;
SET ROLE h_admin;
SELECT throws_ok(format('SELECT herald.set_rule(%L, authorize => %L)', 'h/no', 'h.bad_' || f), '22023', NULL, 'authorize: ' || f)
  FROM unnest(ARRAY['count', 'order', 'own', 'domain', 'array', 'any', 'variadic', 'default', 'set', 'result', 'kind']) f;
SELECT throws_ok($$SELECT herald.set_rule('h/no', authorize => 'h.bad_rights')$$, '42501', 'herald: function h.bad_rights(text,json,text) is not SECURITY DEFINER', 'authorize: with the caller''s rights');
SELECT throws_ok(format('SELECT herald.set_rule(%L, %s => %L)', 'h/no', k, f), '22023', NULL, concat(k, ': ', f))
  FROM (VALUES ('on_message', 'h.on_void'), ('on_message', 'h.bad_text'), ('on_join', 'h.bad_text'), ('on_join', 'h.may'), ('authorize', 'h.on_any'), ('on_leave', 'h.token'),
               ('on_connect', 'h.on_strict'), ('on_disconnect', 'h.on_strict')) v(k, f);
SELECT throws_ok($$SELECT herald.set_rule('h/no', authorize => 'h.none')$$, '42883', NULL, 'no such function');
SELECT throws_ok($$SELECT herald.set_rule('h/no', authorize => 4000000000::oid)$$, '42883', NULL, 'no such oid');
SELECT is((SELECT count(*) FROM herald.rules WHERE channel = 'h/no'), 0::bigint, 'nothing of that made a rule');

-- Rights: the caller's, and those of herald_caller.
RESET ROLE;
REVOKE EXECUTE ON FUNCTION h.may(text, json, text) FROM PUBLIC;
SET ROLE h_admin;
SELECT throws_ok($$SELECT herald.set_rule('h/1', authorize => 'h.may')$$, '42501', 'herald: permission denied for function h.may(text,json,text)', 'a function that the caller may not call');
RESET ROLE;
GRANT EXECUTE ON FUNCTION h.may(text, json, text) TO h_admin;
SET ROLE h_admin;
SELECT throws_ok($$SELECT herald.set_rule('h/1', authorize => 'h.may')$$, '42501', 'herald: role herald_caller may not call function h.may(text,json,text)', '… that herald_caller may not');
RESET ROLE;
GRANT EXECUTE ON FUNCTION h.may(text, json, text) TO herald_caller;
REVOKE USAGE ON SCHEMA h FROM PUBLIC;
GRANT USAGE ON SCHEMA h TO h_admin;
SET ROLE h_admin;
SELECT throws_ok($$SELECT herald.set_rule('h/1', authorize => 'h.may')$$, '42501', NULL, '… in a schema that it may not use');
RESET ROLE;
GRANT USAGE ON SCHEMA h TO PUBLIC;
SET ROLE h_admin;
SELECT lives_ok($$SELECT herald.set_rule('h/1', authorize => 'h.may')$$, '… and with all rights');
SELECT lives_ok($$SELECT herald.set_rule('h/1', on_join => 'h.on_void', on_message => 'h.on_b', on_leave => 'h.on_any', on_connect => 'h.on_void', on_disconnect => 'h.on_any')$$, 'every kind');
SELECT is((SELECT concat_ws(' ', authorize, on_join, on_message, on_leave, on_connect, on_disconnect) FROM herald.rules WHERE channel = 'h/1'),
    'h.may(text,json,text) h.on_void(text,text,json,json,json) h.on_b(text,text,jsonb,json,jsonb) h.on_any(text,text,json,json,json) h.on_void(text,text,json,json,json) h.on_any(text,text,json,json,json)',
    'rules shows them; those left out stay');
SELECT herald.set_rule('h/1', authorize => '-', on_leave => '-');
SELECT is((SELECT concat_ws(' ', authorize, on_join, on_leave) FROM herald.rules WHERE channel = 'h/1'), 'h.on_void(text,text,json,json,json)', 'a dash takes one away');
SELECT set_eq('SELECT name FROM herald.hook', ARRAY['h.on_void(text,text,json,json,json)', 'h.on_b(text,text,jsonb,json,jsonb)', 'h.on_any(text,text,json,json,json)'], '… and it is forgotten');
RESET ROLE;
SELECT is((SELECT r ->> 'on_message' FROM json_array_elements(herald.site()::json -> 'rules') r WHERE r ->> 'channel' = 'h/1'), 'h.on_b(text,text,jsonb,json,jsonb)', 'site() names them');
SET ROLE h_owner;
CREATE FUNCTION h.may(channel text, identity jsonb, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
RESET ROLE;
SET ROLE h_admin;
SELECT throws_ok($$SELECT herald.set_rule('h/1', authorize => 'h.may')$$, '42725', NULL, 'an overloaded name');
SELECT lives_ok($$SELECT herald.set_rule('h/1', authorize => 'h.may(text,json,text)'::regprocedure)$$, '… with its types');
SELECT herald.set_rule('h/2', authorize => 'h.mayb', on_leave => 'h.on_null', on_join => 'h.who');
RESET ROLE;

-- Calls.
SELECT is(pg_temp.authorize('h.may(text,json,text)', c, i, a), answer, format('authorize(%s, %s, %s)', c, i, a))
  FROM (VALUES ('34', '{"dbo_id":12,"row_id":"34","extras":{}}', 'join', 'true'), ('34', '{"dbo_id":12,"row_id":"34","extras":{}}', 'send', 'false'),
               ('34', NULL, 'send', 'true'), ('34', NULL, 'join', 'false'), ('null', NULL, 'send', NULL)) v(c, i, a, answer);
SELECT is(pg_temp.authorize('h.mayb(text,jsonb,text)', 'x', '{"dbo_id":12,"row_id":null}', 'join'), 'true', 'authorize with jsonb');
SELECT is(pg_temp.call('on_any', 'leave', 'r/1', NULL, '{"socketId":"s"}', '{"channel":"r/1"}')::jsonb,
    '{"action":"leave","channel":"r/1","client":{"socketId":"s"},"options":{"channel":"r/1"},"payload":null,"is_null":false}', 'what a function is given: no payload is null');
SELECT is(pg_temp.call('on_any', 'connect', NULL, NULL, '{"socketId":"s"}', NULL)::jsonb,
    '{"action":"connect","channel":null,"client":{"socketId":"s"},"options":null,"payload":null,"is_null":false}', '… of a connect');
SELECT is(pg_temp.call('on_strict', 'message', 'r', '{"a" : 1e400, "b":"\u0000"}'), '{"a" : 1e400, "b":"\u0000"}', 'json goes through byte for byte');
SELECT is(pg_temp.call('h.on_b(text,text,jsonb,json,jsonb)', 'message', 'r', '{"b":1,"a":2}'), '{"a": 2, "b": 1}', 'jsonb');
SELECT throws_ok($$SELECT pg_temp.call('h.on_b(text,text,jsonb,json,jsonb)', 'message', 'r', '"\u0000"')$$, '22P05', NULL, 'what jsonb cannot hold');
SELECT is(pg_temp.call('on_null', 'message', 'r', '1'), NULL, 'NULL');
SELECT is(pg_temp.call('on_void', 'join', 'r', NULL), NULL, 'void');
SELECT throws_ok($$SELECT pg_temp.call('on_stable', 'join', 'r', NULL)$$, 'P0001', 'it ran', 'a void function runs even if it is STABLE');
SELECT throws_ok($$SELECT pg_temp.call('on_raise', 'join', 'for you', NULL)$$, 'P0001', 'not for you', 'a refusal has its reason');
SELECT throws_ok($$SELECT pg_temp.call('on_raise', 'join', 'code', NULL)$$, '55000', 'hidden', 'other errors keep their code');
SELECT throws_ok($$SELECT pg_temp.call('on_raise', 'join', 'zero', NULL)$$, '22012', NULL, 'a failure');
SELECT throws_ok($$SELECT pg_temp.call('on_any', 'message', 'r', '{')$$, '22P02', NULL, 'a payload that is no JSON');
SELECT is(pg_temp.call('who', 'join', 'r', NULL), '"h_owner herald_hook pg_catalog, pg_temp"', 'it runs as its owner');
SELECT is(pg_temp.token('h.token(text)', 'good'), '{"dbo_id":12}', 'a token');
SELECT is(pg_temp.token('h.token(text)', 'bad'), NULL, 'no token');
SELECT throws_ok($$SELECT pg_temp.call('on_void', 'message', 'r', '1')$$, '22023', NULL, 'void is no answer to a message');
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L, %L)', 'on_any', a, 'r', '1'), '22023', NULL, 'no action: ' || coalesce(a, 'NULL'))
  FROM unnest(ARRAY['authorize', 'Join', '', NULL]) a;
-- Before 16 to_regprocedure() raises an error of its own for what is no name of a function.
SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN '42883' ELSE '22P02' END AS unreadable \gset
SELECT throws_ok(format('SELECT pg_temp.authorize(%L, NULL, NULL, NULL)', f), code, NULL, 'no function: ' || coalesce(f, 'NULL'))
  FROM (VALUES ('h.none(text,json,text)', '42883'), ('may(text,json,text)', '42883'), ('on_any', :'unreadable'), ('', :'unreadable'), (NULL, '42883'), ('h.may(text,json,text);', :'unreadable'),
               ('16384', :'unreadable'), ('h.bad_rights(text,json,text)', '42501'), ('h.bad_result(text,json,text)', '22023'), ('h.on_any(text,text,json,json,json)', '22023'),
               ('none.may(text,json,text)', '42883'), ('pg_catalog.pg_sleep(double precision)', '22023')) v(f, code);
RESET ROLE;
SELECT is((SELECT string_agg(what, ',') FROM h.seen), 'join r {} null', 'what it wrote is there');

-- Whatever became of a function since.
SET ROLE h_owner;
ALTER FUNCTION h.who(text, text, json, json, json) SECURITY INVOKER;
SELECT throws_ok($$SELECT pg_temp.call('who', 'join', 'r', NULL)$$, '42501', NULL, 'it lost SECURITY DEFINER');
RESET ROLE;
SET ROLE h_owner;
DROP FUNCTION h.who(text, text, json, json, json);
CREATE FUNCTION h.who(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql SECURITY DEFINER AS 'SELECT $$1$$::json';
SELECT is(pg_temp.call('who', 'join', 'r', NULL), '1', 'its owner made it anew');
RESET ROLE;
SET ROLE h_owner;
DROP FUNCTION h.who(text, text, json, json, json);
SELECT throws_ok($$SELECT pg_temp.call('who', 'join', 'r', NULL)$$, '42883', NULL, 'it is gone');
RESET ROLE;
SET ROLE h_other;
CREATE FUNCTION h.who(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE sql SECURITY DEFINER AS 'SELECT $$2$$::json';
SELECT throws_ok($$SELECT pg_temp.call('who', 'join', 'r', NULL)$$, '42501', 'herald: function h.who(text,text,json,json,json) belongs to h_other and no longer to h_owner', 'somebody else took its name');
RESET ROLE;
SET ROLE h_admin;
SELECT herald.set_rule('h/2', on_join => 'h.who');
SELECT is(pg_temp.call('who', 'join', 'r', NULL), '2', '… and an admin agreed');
RESET ROLE;
SELECT herald.drop_rule('h/1'), herald.drop_rule('h/2');
SELECT is((SELECT count(*) FROM herald.hook), 0::bigint, 'dropped rules leave no function behind');

-- Nothing is called without a signature, and that of one call is that of no other.
SELECT throws_ok(format('SELECT pg_temp.server(%L)', format('SELECT herald.call_function(%L, %s)', c, t)), '42501', 'herald: the server did not sign this call', 'not signed: ' || concat(c, ' ', w))
  FROM (SELECT '{"h.may(text,jsonb,text)",authorize,r,NULL,join}'::text[] AS c) x
 CROSS JOIN LATERAL (VALUES ('NULL', 'with nothing'), ('''''', 'with an empty one'), (quote_literal(sha256('')), 'with another one'), (quote_literal(signature(c[1:4])), 'with that of fewer arguments'),
    (quote_literal(signature(array_append(c, NULL))), 'with that of more'), (quote_literal(signature(ARRAY['h.may(text,jsonb,text)', 'authorize', 'r', '', 'join'])), 'with that of an empty one'),
    (quote_literal(signature(ARRAY['h.may(text,jsonb,text)', 'authorize', 'r,', NULL, 'join'])), 'with that of another channel')) v(t, w);
SELECT is(pg_temp.authorize('h.may(text,jsonb,text)', 'r', NULL, 'join'), 'true', '… signed it is called');
SELECT key AS old_key FROM herald.signing_key \gset
SELECT herald.renew_signing_key();
SELECT isnt((SELECT key FROM herald.signing_key), :'old_key'::bytea, 'another key is another');
SELECT is(herald.get_signing_key(), (SELECT key FROM herald.signing_key), '… which a server gets');
-- RFC 4231, case 1, and HMAC of the same by SQL: the blocks are made as HMAC makes them.
BEGIN;
UPDATE herald.signing_key SET inner_pad = decode(repeat('3d', 20) || repeat('36', 44), 'hex'), outer_pad = decode(repeat('57', 20) || repeat('5c', 44), 'hex');
SELECT is((SELECT sha256(outer_pad || sha256(inner_pad || 'Hi There'::bytea)) FROM herald.signing_key), '\xb0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'::bytea, 'it is HMAC-SHA256');
ROLLBACK;
SELECT is((SELECT bool_and(get_byte(inner_pad, i) = (get_byte(key || decode(repeat('00', 32), 'hex'), i) # 54) AND get_byte(outer_pad, i) = (get_byte(key || decode(repeat('00', 32), 'hex'), i) # 92))
             FROM herald.signing_key, generate_series(0, 63) i), true, '… of this key');

-- What a function leaves behind runs later as herald_hook, and finds nothing that that role may do.
CREATE ROLE h_mallory;
CREATE SCHEMA hm AUTHORIZATION h_mallory;
GRANT USAGE ON SCHEMA hm TO PUBLIC;
SET ROLE h_mallory;
CREATE TABLE hm.seen (what text);
GRANT INSERT ON hm.seen TO PUBLIC;
RESET ROLE;
SET ROLE h_mallory;
CREATE FUNCTION hm.late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO hm.seen VALUES ('trigger as ' || current_user); RETURN NULL; END$$;
CREATE FUNCTION hm.late_cursor() RETURNS int LANGUAGE plpgsql AS $$BEGIN INSERT INTO hm.seen VALUES ('cursor as ' || current_user); RETURN 1; END$$;
CREATE FUNCTION hm.late_index(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN IF current_user <> 'h_mallory' THEN RAISE EXCEPTION 'index as %', current_user; END IF; RETURN $1; END$$;
CREATE TABLE hm.deferred (id int);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON hm.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hm.late();
CREATE TABLE hm.switched (id int);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON hm.switched DEFERRABLE FOR EACH ROW EXECUTE FUNCTION hm.late();
CREATE TABLE hm.excluded (id int, EXCLUDE USING btree (hm.late_index(id) WITH =) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO hm.excluded VALUES (1);
CREATE TABLE hm.parted (id int) PARTITION BY LIST (id);
CREATE TABLE hm.parted_1 PARTITION OF hm.parted FOR VALUES IN (1);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON hm.parted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hm.late();
CREATE TABLE hm.fine (id int PRIMARY KEY, other int REFERENCES hm.fine DEFERRABLE INITIALLY DEFERRED, UNIQUE (other) DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION hm.later(action text, channel text, client json, options json, payload json) RETURNS json LANGUAGE plpgsql SECURITY DEFINER SET search_path = hm AS $$
BEGIN
    CASE channel
    WHEN 'deferred' THEN INSERT INTO hm.deferred VALUES (1);
    WHEN 'switched' THEN SET CONSTRAINTS ALL DEFERRED; INSERT INTO hm.switched VALUES (1);
    WHEN 'again' THEN INSERT INTO hm.deferred VALUES (1); SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; INSERT INTO hm.deferred VALUES (1);
    WHEN 'excluded' THEN INSERT INTO hm.excluded VALUES (1);
    WHEN 'parted' THEN INSERT INTO hm.parted VALUES (1);
    WHEN 'temp' THEN
        CREATE TEMP TABLE t (id int);
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hm.late();
        INSERT INTO t VALUES (1);
    WHEN 'savepoint' THEN
        BEGIN INSERT INTO hm.deferred VALUES (1); EXCEPTION WHEN division_by_zero THEN NULL; END;
    WHEN 'rolled back' THEN
        BEGIN INSERT INTO hm.deferred VALUES (1); PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END;
    WHEN 'cursor' THEN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT hm.late_cursor()';
    WHEN 'foreign key' THEN INSERT INTO hm.fine VALUES (1, 2), (2, 1);
    WHEN 'role' THEN SET ROLE herald_server;
    WHEN 'local role' THEN PERFORM set_config('role', 'herald_hook', true);
    WHEN 'no role' THEN RESET ROLE;
    WHEN 'session' THEN SET SESSION AUTHORIZATION herald_server;
    WHEN 'log' THEN PERFORM FROM herald.log;
    WHEN 'members' THEN INSERT INTO herald.member VALUES ('c', 's', 1, '1', '{}', 'n', now());
    WHEN 'directive' THEN INSERT INTO herald.directive VALUES (1, now(), 'disconnect', '{}');
    WHEN 'open' THEN PERFORM herald.open(NULL);
    WHEN 'call' THEN PERFORM herald.call_function('{"h.may(text,jsonb,text)",authorize,r,NULL,join}', '');
    WHEN 'alter' THEN ALTER FUNCTION herald.call_function(text[], bytea) SECURITY INVOKER;
    WHEN 'commit' THEN COMMIT;
    END CASE;
    RETURN payload;
END$$;
RESET ROLE;
SELECT throws_ok(format('SELECT pg_temp.call(%L, %L, %L, NULL)', 'hm.later(text,text,json,json,json)', 'join', c), '42501', NULL, 'a function: ' || c)
  FROM unnest(ARRAY['role', 'local role', 'no role', 'session', 'log', 'members', 'directive', 'open', 'call', 'alter']) c;
SELECT throws_ok($$SELECT pg_temp.call('hm.later(text,text,json,json,json)', 'join', 'commit', NULL)$$, '2D000', NULL, 'a function: commit');
SELECT lives_ok($$SELECT pg_temp.call('hm.later(text,text,json,json,json)', 'join', 'rolled back', NULL)$$, 'what was rolled back does not run later');
SELECT is_empty('SELECT what FROM hm.seen', '… so nothing did');
SELECT lives_ok($$SELECT pg_temp.call('hm.later(text,text,json,json,json)', 'join', 'foreign key', NULL)$$, 'deferred keys');
SELECT is((SELECT string_agg(concat(id, '>', other), ' ' ORDER BY id) FROM hm.fine), '1>2 2>1', '… and what was written is there');
DO $do$
DECLARE
    c text;
BEGIN
    FOREACH c IN ARRAY ARRAY['deferred', 'switched', 'again', 'excluded', 'parted', 'temp', 'savepoint', 'cursor'] LOOP
        BEGIN
            PERFORM pg_temp.call('hm.later(text,text,json,json,json)', 'join', c, NULL);
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE '%: %', c, SQLERRM; -- an index function that refuses whoever is not h_mallory
        END;
    END LOOP;
END
$do$;
SELECT cmp_ok((SELECT count(*) FROM hm.seen), '>=', 6::bigint, 'deferred triggers and a held cursor did run later');
SELECT is_empty($$SELECT what FROM hm.seen WHERE what !~ ' as (herald_hook|h_mallory)$'$$, '… as herald_hook or as who wrote them');
SET ROLE h_mallory;
ALTER FUNCTION hm.later(text, text, json, json, json) SET role = herald_server;
RESET ROLE;
SELECT throws_ok($$SELECT pg_temp.call('hm.later(text,text,json,json,json)', 'join', 'log', NULL)$$, '42501', NULL, 'a role among its settings');
SELECT throws_ok(format('SELECT pg_temp.server(%L)', q), '42501', NULL, 'herald_hook: ' || q)
  FROM unnest(ARRAY['SELECT count(*)::text FROM herald.log', 'SELECT herald.site()', 'SELECT herald.get_signing_key()::text', 'SELECT key::text FROM herald.signing_key', 'SELECT herald.set_rule($$a$$)::text',
                    'SELECT herald.is_signed($${a}$$, NULL)::text', 'SET ROLE herald_caller', 'SET ROLE herald_server', 'SET SESSION AUTHORIZATION herald_owner']) q;
SELECT dblink_disconnect('server');
SELECT * FROM finish();
