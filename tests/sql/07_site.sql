-- SPDX-License-Identifier: PostgreSQL
-- Rules, canonicals, publishing, and the commands that tell servers.
SELECT plan(57);

SELECT herald.version() AS version \gset
PREPARE rule(text) AS SELECT r::text FROM herald.rules r WHERE r.channel = $1;
SELECT herald.set_rule('chat/*', anonymous_clients => true, public_messaging => true, message_history => 25);
SELECT is(herald.version(), :version + 1::bigint, 'a change is the next version');
SELECT results_eq($$EXECUTE rule('chat/*')$$, $$VALUES ('(chat/*,t,t,f,f,f,f,f,25,t,,,,,,)')$$, 'a new rule starts from the defaults');
SELECT herald.set_rule('chat/*', message_history => 50, public_auth => true);
SELECT results_eq($$EXECUTE rule('chat/*')$$, $$VALUES ('(chat/*,t,t,t,f,f,f,f,50,t,,,,,,)')$$, 'arguments that are left out keep what is');
SELECT is((SELECT concat(kind, ' ', args ->> 'channel', ' ', args ->> 'message_history') FROM herald.command ORDER BY version DESC LIMIT 1), 'set_rule chat/* 50', 'the command says what');
SELECT lives_ok(format('SELECT herald.set_rule(%L)', x), 'a pattern: ' || x) FROM unnest(ARRAY['*', 'room', 'public.*', 'a/b/*', 'ä/*', 'chat/1']) x;
SELECT throws_ok(format('SELECT herald.set_rule(%L)', x), '22023', NULL, 'no pattern: ' || left(x, 9))
  FROM unnest(ARRAY['', '**', 'a*', 'a*b', '/*', '.*', 'a//*', E'a\tb', repeat('x', 256), 'chat/**']) x;
SELECT throws_ok('SELECT herald.set_rule(NULL)', '22023', NULL, 'no channel');
SELECT throws_ok($$SELECT herald.set_rule('a', message_history => -1)$$, '22023', NULL, 'message_history');
SELECT is((SELECT count(*) FROM herald.rules WHERE channel = 'a'), 0::bigint, '… and nothing is changed');
SELECT herald.set_rule('b', private_messaging => true, private_auth => true, auth_channel => true, presence => true);
SELECT results_eq($$EXECUTE rule('b')$$, $$VALUES ('(b,f,f,f,t,t,t,t,0,t,,,,,,)')$$, 'private messages, presence, an authenticated channel');
SELECT herald.drop_rule('b');
SELECT is(herald.kept(c), n, 'the rule of ' || c) FROM (VALUES ('chat/1', 0), ('chat/2', 50), ('chat/', 0), ('chat', 0)) v(c, n);
SELECT herald.drop_rule('chat/1');
SELECT is(herald.kept('chat/1'), 50, 'drop_rule()');
SELECT throws_ok($$SELECT herald.drop_rule('chat/1')$$, '42704', NULL, '… of one that is not there');
SELECT herald.set_rule('room', active => false);
SELECT is((SELECT string_agg(r ->> 'channel', ' ') FROM json_array_elements(herald.site()::json -> 'rules') r), '* a/b/* chat/* public.* ä/*', 'site() has the active rules');
SELECT is((herald.site()::json -> 'rules' -> 2)::text, '{"channel" : "chat/*", "anonymous_clients" : true, "public_messaging" : true, "public_auth" : true, "private_messaging" : false, '
    || '"private_auth" : false, "auth_channel" : false, "presence" : false, "message_history" : 50, "authorize" : null, "on_join" : null, "on_message" : null, "on_leave" : null, '
    || '"on_connect" : null, "on_disconnect" : null}', '… whole');
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
SELECT is((SELECT string_agg(payload ->> 'row_id', ',' ORDER BY seq) FROM herald.log WHERE channel = 'p/3' AND json_typeof(payload -> 'row_id') = 'string'),
    '9007199254740992,007,-0,1.0,99999999999999999999,a"b, 1', 'all other keys are strings');
SELECT is((SELECT count(*) FROM herald.log WHERE channel = 'p/1' AND options IS NOT NULL), 0::bigint, 'for everybody: no options');

-- Commands are not kept for ever, but none that a server may still have to see.
SELECT herald.set_enabled(true) FROM generate_series(1, 1100);
SELECT ok((SELECT count(*) FROM herald.command) > 1100, 'what is young is kept');
UPDATE herald.command SET at = at - interval '2 days';
SELECT herald.version() AS version \gset
SELECT herald.set_enabled(true);
SELECT is((SELECT count(*) FROM herald.command), 1000::bigint, 'what is old goes, but the newest thousand');
SELECT is(herald.version(), :version + 1::bigint, '… and versions go on');
SELECT * FROM finish();
