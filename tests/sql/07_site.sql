-- SPDX-License-Identifier: PostgreSQL
-- Rules, canonicals, publishing, and what is refused until the next release.
SELECT plan(57);

SELECT herald.version() AS version \gset
SELECT herald.set_rule('chat/*', anonymous_clients => true, public_messaging => true, message_history => 25);
SELECT is(herald.version(), :version + 1::bigint, 'a change is the next version');
SELECT results_eq($$SELECT * FROM herald.rules WHERE channel = 'chat/*'$$, $$VALUES ('chat/*', true, true, false, false, false, false, false, 25, true)$$, 'a new rule starts from the defaults');
SELECT herald.set_rule('chat/*', message_history => 50, public_auth => true);
SELECT results_eq($$SELECT * FROM herald.rules WHERE channel = 'chat/*'$$, $$VALUES ('chat/*', true, true, true, false, false, false, false, 50, true)$$, 'arguments that are left out keep what is');
SELECT is((SELECT concat(kind, ' ', args ->> 'channel', ' ', args ->> 'message_history') FROM herald.command ORDER BY version DESC LIMIT 1), 'set_rule chat/* 50', 'the command says what');
SELECT lives_ok(format('SELECT herald.set_rule(%L)', x), 'a pattern: ' || x) FROM unnest(ARRAY['*', 'room', 'public.*', 'a/b/*', 'ä/*', 'chat/1']) x;
SELECT throws_ok(format('SELECT herald.set_rule(%L)', x), '22023', NULL, 'no pattern: ' || left(x, 9))
  FROM unnest(ARRAY['', '**', 'a*', 'a*b', '/*', '.*', 'a//*', E'a\tb', repeat('x', 256), 'chat/**']) x;
SELECT throws_ok('SELECT herald.set_rule(NULL)', '22023', NULL, 'no channel');
SELECT throws_ok($$SELECT herald.set_rule('a', message_history => -1)$$, '22023', NULL, 'message_history');
SELECT throws_ok(format('SELECT herald.set_rule(%L, %I => %s)', 'a', x, CASE WHEN x IN ('presence', 'private_messaging') THEN 'true' ELSE '''now''' END), '0A000', NULL, 'refused until the next release: ' || x)
  FROM unnest(ARRAY['presence', 'private_messaging', 'authorize', 'on_join', 'on_message', 'on_leave', 'on_connect', 'on_disconnect']) x;
SELECT is((SELECT count(*) FROM herald.rules WHERE channel = 'a'), 0::bigint, '… and nothing is changed');
SELECT is(herald.kept(c), n, 'the rule of ' || c) FROM (VALUES ('chat/1', 0), ('chat/2', 50), ('chat/', 0), ('chat', 0)) v(c, n);
SELECT herald.drop_rule('chat/1');
SELECT is(herald.kept('chat/1'), 50, 'drop_rule()');
SELECT throws_ok($$SELECT herald.drop_rule('chat/1')$$, '42704', NULL, '… of one that is not there');
SELECT herald.set_rule('room', active => false);
SELECT is((SELECT string_agg(r ->> 'channel', ' ') FROM json_array_elements(herald.site()::json -> 'rules') r), '* a/b/* chat/* public.* ä/*', 'site() has the active rules');
SELECT is((herald.site()::json -> 'rules' -> 2)::text, '{"channel" : "chat/*", "anonymous_clients" : true, "public_messaging" : true, "public_auth" : true, "private_messaging" : false, '
    || '"private_auth" : false, "auth_channel" : false, "presence" : false, "message_history" : 50}', '… whole');
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
SELECT is((SELECT string_agg(payload::text, ' ' ORDER BY seq) FROM herald.log WHERE channel = 'p/1'),
    '{"data":{"n": 12345678901234567890.10, "s": "ü"},"dbo_id":0,"row_id":0} {"data":null,"dbo_id":0,"row_id":0}', 'publish() goes with its transaction');
SELECT throws_ok(format('SELECT herald.publish(%L, %L)', x, '1'), '22023', NULL, 'not a channel: ' || coalesce(left(x, 9), 'NULL'))
  FROM unnest(ARRAY['', 'a*', E'a\x01', repeat('ä', 128), NULL]) x;
SELECT throws_ok($$SELECT herald.publish('p/1', '1', row_id => '5')$$, '22023', NULL, 'row_id without dbo_id');
SELECT throws_ok($$SELECT herald.publish('p/1', '1', 5)$$, '0A000', NULL, 'an audience');
SELECT throws_ok('SELECT herald.disconnect(socket_id => $$x$$)', '0A000', NULL, 'disconnect()');
SELECT throws_ok('SELECT herald.forget()', '0A000', NULL, 'forget()');
SELECT columns_are('herald', 'presence', ARRAY['channel', 'socket_id', 'dbo_id', 'row_id', 'extras', 'node', 'since']);
SELECT * FROM finish();
