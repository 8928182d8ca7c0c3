-- SPDX-License-Identifier: PostgreSQL
-- Rules, canonicals, publishing, and the commands that tell servers.
SELECT plan(87);

SELECT herald.version() AS version \gset
PREPARE rule(text) AS SELECT r::text FROM herald.rules r WHERE r.channel = $1;
SELECT herald.set_rule('chat/*', anonymous_clients => true, public_messaging => true, message_history => 25);
SELECT is(herald.version(), :version + 1::bigint, 'a change is the next version');
SELECT results_eq($$EXECUTE rule('chat/*')$$, $$VALUES ('(chat/*,t,t,f,f,f,f,f,25,t,,,,,,,0)')$$, 'a new rule starts from the defaults');
SELECT herald.set_rule('chat/*', message_history => 50, public_auth => true);
SELECT results_eq($$EXECUTE rule('chat/*')$$, $$VALUES ('(chat/*,t,t,t,f,f,f,f,50,t,,,,,,,0)')$$, 'arguments that are left out keep what is');
SELECT is((SELECT concat(kind, ' ', args ->> 'channel', ' ', args ->> 'message_history') FROM herald.directive ORDER BY version DESC LIMIT 1), 'set_rule chat/* 50', 'the command says what');
SELECT lives_ok(format('SELECT herald.set_rule(%L)', x), 'a pattern: ' || x) FROM unnest(ARRAY['*', 'room', 'public.*', 'a/b/*', 'ä/*', 'chat/1']) x;
SELECT throws_ok(format('SELECT herald.set_rule(%L)', x), '22023', NULL, 'no pattern: ' || left(x, 9))
  FROM unnest(ARRAY['', '**', 'a*', 'a*b', '/*', '.*', 'a//*', E'a\tb', repeat('x', 256), 'chat/**']) x;
SELECT throws_ok('SELECT herald.set_rule(NULL)', '22023', NULL, 'no channel');
SELECT throws_ok($$SELECT herald.set_rule('a', message_history => -1)$$, '22023', NULL, 'message_history');
SELECT throws_ok($$SELECT herald.set_rule('a', messages_per_minute => -1)$$, '22023', NULL, 'messages_per_minute');
SELECT is((SELECT count(*) FROM herald.rules WHERE channel = 'a'), 0::bigint, '… and nothing is changed');
SELECT herald.set_rule('b', private_messaging => true, private_auth => true, auth_channel => true, presence => true);
SELECT results_eq($$EXECUTE rule('b')$$, $$VALUES ('(b,f,f,f,t,t,t,t,0,t,,,,,,,0)')$$, 'private messages, presence, an authenticated channel');
SELECT herald.set_rule('b', messages_per_minute => 20); SELECT herald.set_rule('b', presence => false);
SELECT results_eq('SELECT presence, messages_per_minute FROM herald.rules WHERE channel = $$b$$', 'VALUES (false, 20)', 'a rate stays when something else is set');
SELECT is((SELECT r ->> 'messages_per_minute' FROM json_array_elements(herald.site()::json -> 'rules') r WHERE r ->> 'channel' = 'b'), '20', '… and servers are told of it');
SELECT herald.set_rule('b', messages_per_minute => 0);
SELECT is((SELECT messages_per_minute FROM herald.rules WHERE channel = 'b'), 0, '… until it is taken away');
SELECT herald.drop_rule('b');
SELECT is(herald.kept(c), n, 'the rule of ' || c) FROM (VALUES ('chat/1', 0), ('chat/2', 50), ('chat/', 0), ('chat', 0)) v(c, n);
SELECT herald.drop_rule('chat/1');
SELECT is(herald.kept('chat/1'), 50, 'drop_rule()');
SELECT throws_ok($$SELECT herald.drop_rule('chat/1')$$, '42704', NULL, '… of one that is not there');
SELECT herald.set_rule('room', active => false);
SELECT is((SELECT string_agg(r ->> 'channel', ' ') FROM json_array_elements(herald.site()::json -> 'rules') r), '* a/b/* chat/* public.* ä/*', 'site() has the active rules');
SELECT is((herald.site()::json -> 'rules' -> 2)::text, '{"channel" : "chat/*", "anonymous_clients" : true, "public_messaging" : true, "public_auth" : true, "private_messaging" : false, '
    || '"private_auth" : false, "auth_channel" : false, "presence" : false, "message_history" : 50, "authorize" : null, "on_join" : null, "on_message" : null, "on_leave" : null, '
    || '"on_connect" : null, "on_disconnect" : null, "messages_per_minute" : 0}', '… whole');
SELECT is((herald.site()::json ->> 'version')::bigint, herald.version(), '… and its version');

SELECT herald.site()::json -> 'canonicals' ->> 0 AS canonical \gset
SELECT matches(:'canonical'::text, '^[A-Za-z0-9_-]{27}$', 'a canonical of 20 bytes as base64url');
SELECT herald.rotate_canonical() AS rotated \gset
SELECT ok(:'rotated' <> :'canonical', 'rotate_canonical() returns another');
SELECT is((herald.site()::json -> 'canonicals')::text, format('["%s"]', :'rotated'), '… the only one from now on');
SELECT herald.set_enabled(false);
SELECT is(herald.site()::json ->> 'enabled', 'false', 'set_enabled(false)');
SELECT herald.set_enabled(true);
SELECT is(herald.site()::json ->> 'enabled', 'true', 'set_enabled(true)');
SELECT throws_ok('SELECT herald.set_enabled(NULL)', '22023', NULL, 'set_enabled(NULL)');

SELECT herald.publish('p/1', '{"n": 12345678901234567890.10, "s": "ü"}'), herald.publish('p/1', NULL);
BEGIN; SELECT herald.publish('p/1', '"rolled back"'); ROLLBACK;
SELECT drain();
SELECT is((SELECT string_agg(payload::text, ' ' ORDER BY channel_offset) FROM herald.log WHERE channel = 'p/1'),
    '{"data":{"n": 12345678901234567890.10, "s": "ü"},"dbo_id":0,"row_id":0} {"data":null,"dbo_id":0,"row_id":0}', 'publish() goes with its transaction');
SELECT throws_ok(format('SELECT herald.publish(%L, %L)', x, '1'), '22023', NULL, 'not a channel: ' || coalesce(left(x, 9), 'NULL'))
  FROM unnest(ARRAY['', 'a*', E'a\x01', repeat('ä', 128), NULL]) x;
SELECT throws_ok($$SELECT herald.publish('p/1', '1', row_id => '5')$$, '22023', NULL, 'row_id without dbo_id');
SELECT throws_ok(format('SELECT herald.publish(%L, %L, %s)', 'p/1', '1', x), '22023', NULL, 'no audience: ' || left(x, 9))
  FROM unnest(ARRAY['0', '-1', '5, $$$$', '5, repeat($$x$$, 256)']) x;

-- For whom: in the payload as on the wire, in the options as the log keeps it.
SELECT herald.publish('p/2', '1', 12), herald.publish('p/2', '1', 12, x) FROM unnest(ARRAY['34', '9007199254740991', '-5']) x;
SELECT herald.publish('p/3', '1', 12, x) FROM unnest(ARRAY['9007199254740992', '007', '-0', '1.0', '99999999999999999999', 'a"b', ' 1', '0']) x;
SELECT drain();
SELECT is((SELECT string_agg(DISTINCT payload::text, ' ') FROM herald.log WHERE channel = 'p/2'),
    '{"data":1,"dbo_id":12,"row_id":-5} {"data":1,"dbo_id":12,"row_id":0} {"data":1,"dbo_id":12,"row_id":34} {"data":1,"dbo_id":12,"row_id":9007199254740991}',
    'an audience in the payload: keys that a browser holds exactly are numbers');
SELECT is((SELECT string_agg(DISTINCT options::text, ' ') FROM herald.log WHERE channel = 'p/2'),
    '{"dbo_id":12,"row_id":"-5"} {"dbo_id":12,"row_id":"34"} {"dbo_id":12,"row_id":"9007199254740991"} {"dbo_id":12}', '… and in the options');
SELECT is((SELECT string_agg(payload ->> 'row_id', ',' ORDER BY channel_offset) FROM herald.log WHERE channel = 'p/3' AND json_typeof(payload -> 'row_id') = 'string'),
    '9007199254740992,007,-0,1.0,99999999999999999999,a"b, 1', 'all other keys are strings');
SELECT is((SELECT count(*) FROM herald.log WHERE channel = 'p/1' AND options IS NOT NULL), 0::bigint, 'for everybody: no options');

-- However a call is written, Postgres knows which function is meant; json keeps its bytes.
CREATE TABLE form (id bigint, small int2, code uuid, name varchar, made json, kept jsonb, said text);
INSERT INTO form VALUES (34, 3, '00000000-0000-0000-0000-000000000001', 'n', '{"b":1,  "b":1e400}', '{"b": 2}', '[ 3 ]');
CREATE TEMP TABLE call (arguments text, sent text, nth serial);
INSERT INTO call VALUES
    ($$'{"a":1}'$$, '{"data":{"a":1},"dbo_id":0,"row_id":0}'), ($$json '{"a":  1}'$$, '{"data":{"a":  1},"dbo_id":0,"row_id":0}'),
    ($$jsonb '[1,2]'$$, '{"data":[1, 2],"dbo_id":0,"row_id":0}'), ($$'{}', 12, 34$$, '{"data":{},"dbo_id":12,"row_id":34}'),
    ($$'{}', 12, '34'$$, '{"data":{},"dbo_id":12,"row_id":34}'), ($$'{}', 12, NULL$$, '{"data":{},"dbo_id":12,"row_id":0}'),
    ($$'{}', NULL, NULL$$, '{"data":{},"dbo_id":0,"row_id":0}'), ($$NULL$$, '{"data":null,"dbo_id":0,"row_id":0}'),
    ($$NULL, 12, 5$$, '{"data":null,"dbo_id":12,"row_id":5}'), ($$row_id => code, data => kept, dbo_id => 12$$, '{"data":{"b": 2},"dbo_id":12,"row_id":"00000000-0000-0000-0000-000000000001"}'),
    ($$'1', row_id => '00000000-0000-0000-0000-000000000001'::uuid, dbo_id => 12$$, '{"data":1,"dbo_id":12,"row_id":"00000000-0000-0000-0000-000000000001"}'),
    ($$made, 12, id$$, '{"data":{"b":1,  "b":1e400},"dbo_id":12,"row_id":34}'), ($$made, 12, name$$, '{"data":{"b":1,  "b":1e400},"dbo_id":12,"row_id":"n"}'),
    ($$kept, 12, small$$, '{"data":{"b": 2},"dbo_id":12,"row_id":3}'), ($$said, 12, id$$, '{"data":[ 3 ],"dbo_id":12,"row_id":34}'),
    ($$to_json(name)$$, '{"data":"n","dbo_id":0,"row_id":0}'), ($$to_jsonb(id), 12$$, '{"data":34,"dbo_id":12,"row_id":0}'),
    ($$json_build_array(id), 12, 9007199254740992$$, '{"data":[34],"dbo_id":12,"row_id":"9007199254740992"}');
DO $$ DECLARE c record; BEGIN FOR c IN SELECT * FROM call ORDER BY nth LOOP EXECUTE format('SELECT herald.publish(''p/4'', %s) FROM form', c.arguments); END LOOP; END $$;
SELECT drain();
SELECT is(l.payload::text, c.sent, 'publish: ' || c.arguments) FROM call c LEFT JOIN herald.log l ON l.channel = 'p/4' AND l.channel_offset = c.nth ORDER BY c.nth;
SELECT throws_ok(format('SELECT herald.publish(%L, %s) FROM form', 'p/4', x), '22023', NULL, 'publish: ' || x || ': of which table?') FROM unnest(ARRAY['''1'', NULL, 5', 'made, row_id => ''5''']) x;
SELECT throws_ok($$SELECT herald.publish('p/4', '1,"dbo_id":7')$$, '22P02', NULL, 'text that is not JSON');
SELECT is((SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND p.proname = 'publish' AND has_function_privilege('herald_publisher', p.oid, 'EXECUTE')), 9::bigint,
    'a publisher may call every form');
SELECT herald.version() AS version \gset
SELECT herald.disconnect(12, 34), herald.disconnect(12, '34'), herald.disconnect(12, id), herald.disconnect(12, code, reason => 'r'), herald.disconnect(row_id => small, dbo_id => 12, channel => 'p/4'),
    herald.disconnect(12, NULL) FROM form;
SELECT is((SELECT string_agg(concat_ws('/', c.args ->> 'row_id', c.args ->> 'channel', c.args ->> 'reason'), ' ' ORDER BY c.version) FROM herald.directive c WHERE c.version > :version),
    '34 34 34 00000000-0000-0000-0000-000000000001/r 3/p/4 ', 'disconnect: a key of any type');
SELECT is((SELECT count(*) FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace AND p.proname = 'disconnect' AND has_function_privilege('herald_publisher', p.oid, 'EXECUTE')), 3::bigint,
    '… and a publisher may call them all');

-- Which channels a rule covers: what the server's own search says (tests/unit/core/test_site.c), for the notice of publish().
CREATE TEMP TABLE was AS SELECT * FROM herald.rule;
DELETE FROM herald.rule;
SELECT herald.set_rule('r/a/*'), herald.set_rule('r.c.*'), herald.set_rule('r/off', active => false), herald.set_rule('r/exact');
SELECT is((SELECT string_agg(c, ' ' ORDER BY c COLLATE "C") FROM unnest(ARRAY['r', 'r/a', 'r/a/', 'r/a/b', 'r/a/b/c', 'r/ab', 'r.c', 'r.c.d', 'xr.c.d', 'r/off', 'r/exact', 'r/exact/x', 'é/', '/']) c WHERE herald.is_ruled(c)),
    'r.c.d r/a/b r/a/b/c r/exact', 'channels that a rule covers');
SELECT herald.set_rule('*');
SELECT ok(herald.is_ruled('r') AND herald.is_ruled('/'), '… a star covers all');
DELETE FROM herald.rule;
INSERT INTO herald.rule SELECT * FROM was;

-- Commands are not kept for ever, but none that a server may still have to see.
SELECT herald.set_enabled(true) FROM generate_series(1, 1100);
SELECT ok((SELECT count(*) FROM herald.directive) > 1100, 'what is young is kept');
UPDATE herald.directive SET at = at - interval '2 days';
SELECT herald.version() AS version \gset
SELECT herald.set_enabled(true);
SELECT is((SELECT count(*) FROM herald.directive), 1000::bigint, 'what is old goes, but the newest thousand');
SELECT is(herald.version(), :version + 1::bigint, '… and versions go on');
SELECT * FROM finish();
