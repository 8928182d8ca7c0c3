-- SPDX-License-Identifier: PostgreSQL
-- For whom an event is, what live servers are told to do, who is present.
SELECT plan(48);

SELECT drain();
SELECT epoch FROM herald.state \gset

-- A channel with something for everyone.
SELECT herald.publish('a/1', '1'), herald.publish('a/1', '2', 12), herald.publish('a/1', '3', 12, '34'), herald.publish('a/1', '4', 13);
SELECT drain();
SELECT drain(messages => '{a/1,-,"{\"authenticated\":true}",5}');
SELECT herald.publish('a/1', '6');
SELECT drain();
-- Reads leave out nothing: whom an event is for stands in its options, and is judged by the server (tests/unit/pg/test_rows.c, test_reads.c).
CREATE FUNCTION pg_temp.reading(channel text, kind text, max_rows int, max_bytes int, since bigint DEFAULT NULL, epoch text DEFAULT NULL, max_missed int DEFAULT 1000) RETURNS text LANGUAGE sql AS $$
    SELECT concat(r.head, ' ', r.gap, ' ', string_agg(r.channel_offset::text, ',')) FROM herald.read_channel($1, $2, $3, $4, $6, $5, $7) r GROUP BY r.head, r.gap
$$;
SELECT is(pg_temp.reading('a/1', 'last', 100, 10000), '6 f 1,2,3,4,5,6', 'last');
SELECT is((SELECT string_agg(coalesce(options, '-'), ' ') FROM herald.read_channel('a/1', 'last', 100, 10000, NULL, NULL)),
          '- {"dbo_id":12} {"dbo_id":12,"row_id":"34"} {"dbo_id":13} {"authenticated":true} -', '… with whom they are for');
SELECT is(pg_temp.reading('a/1', 'last', 2, 10000), '6 f 1,2,3,4,5,6', 'last counts what is for everybody');
SELECT is(pg_temp.reading('a/1', 'last', 1, 10000), '6 f 6', '… from the newest back');
SELECT is(pg_temp.reading('a/1', 'last', 9, (SELECT octet_length(payload::text) FROM herald.log WHERE channel = 'a/1' AND channel_offset = 6)), '6 f 2,3,4,5,6', '… in bytes too');
SELECT is(pg_temp.reading('a/1', 'since', 9, 10000, 1, :'epoch', 4), '6 t ', 'a gap is judged on all events');
SELECT is(pg_temp.reading('a/1', 'since', 9, 10000, 1, :'epoch', 5), '6 f 2,3,4,5,6', '… that lie between');
SELECT is((SELECT count(*) FROM herald.history('a/1')), 6::bigint, 'history() is for those who publish: it has all');

-- Far back, behind thousands for others; through a backlog, in batches.
SELECT count(*) FROM (SELECT herald.publish('a/2', '1', CASE WHEN n > 3 THEN 12 END) FROM generate_series(1, 5003) n) p;
SELECT ok(drain(1000) > 5, 'a backlog');
SELECT is((SELECT string_agg(DISTINCT coalesce(options::text, ''), ' ') FROM herald.log WHERE channel = 'a/2' AND channel_offset > 3), '{"dbo_id":12}', '… keeps the options');
CREATE FUNCTION pg_temp.extent(n int) RETURNS text LANGUAGE sql AS $$ SELECT concat(min(r.channel_offset), '-', max(r.channel_offset)) FROM herald.read_channel('a/2', 'last', n, 10000, NULL, NULL) r $$;
SELECT is(pg_temp.extent(2), '2-5003', 'last passes over 5000 for somebody');
SELECT herald.publish('a/2', '1', 12) FROM generate_series(1, 5) n;
SELECT drain();
SELECT is(pg_temp.extent(2), '7-5008', '… and no more');
SELECT is(pg_temp.extent(0), '-', 'none wanted');
SELECT herald.publish('a/3', to_json(repeat('x', 3000000)), CASE WHEN n > 1 THEN 12 END) FROM generate_series(1, 4) n;
SELECT drain();
SELECT is((SELECT string_agg(r.channel_offset::text, ',') FROM herald.read_channel('a/3', 'last', 9, 10000000, NULL, NULL) r), '3,4', '… nor more than 8 MiB of them');

-- Orders.
SELECT herald.version() AS version \gset
SELECT is(herald.site(NULL)::json ->> 'directives', '[]', 'at the start there are no directives');
SELECT herald.disconnect(12, '34', reason => 'gone "for" good'), herald.disconnect(socket_id => 's1', channel => 'room/1'), herald.disconnect(channel => 'room/1'), herald.disconnect(0);
SELECT herald.forget(), herald.forget('room/*'), herald.forget('room/1');
SELECT herald.set_enabled(true);
BEGIN; SELECT herald.disconnect(13); ROLLBACK;
CREATE TEMP TABLE given (nth int, told jsonb);
INSERT INTO given VALUES
    (1, '{"kind":"disconnect","dbo_id":12,"row_id":"34","socket_id":null,"channel":null,"reason":"gone \"for\" good"}'),
    (2, '{"kind":"disconnect","dbo_id":null,"row_id":null,"socket_id":"s1","channel":"room/1","reason":null}'),
    (3, '{"kind":"disconnect","dbo_id":null,"row_id":null,"socket_id":null,"channel":"room/1","reason":null}'),
    (4, '{"kind":"disconnect","dbo_id":0,"row_id":null,"socket_id":null,"channel":null,"reason":null}'),
    (5, '{"kind":"forget","channel":null}'), (6, '{"kind":"forget","channel":"room/*"}'), (7, '{"kind":"forget","channel":"room/1"}');
PREPARE directives(bigint) AS SELECT o.nth::int, o.told::jsonb - 'version' FROM json_array_elements(herald.site($1)::json -> 'directives') WITH ORDINALITY o(told, nth) ORDER BY 1;
SELECT results_eq(format('EXECUTE directives(%s)', :version), 'SELECT * FROM given ORDER BY 1', 'directives since a version, in order');
SELECT results_eq(format('EXECUTE directives(%s)', :version + 3), 'SELECT nth - 3, told FROM given WHERE nth > 3 ORDER BY 1', '… since a later one');
SELECT is((SELECT json_agg(o.told -> 'version') FROM json_array_elements(herald.site(:version)::json -> 'directives') o(told))::jsonb, (SELECT jsonb_agg(:version + n) FROM generate_series(1, 7) n), '… each with its version');
SELECT is(herald.site(herald.version())::json ->> 'directives', '[]', '… since the newest');
SELECT is(herald.version(), :version + 8::bigint, 'each is a version');
SELECT throws_ok('SELECT herald.disconnect' || a, '22023', NULL, 'disconnect' || left(a, 20))
  FROM unnest(ARRAY['()', '(reason => $$x$$)', '(row_id => $$1$$)', '(row_id => $$1$$, socket_id => $$s$$)', '(channel => $$room/*$$)', '(channel => $$$$)',
                    '(socket_id => repeat($$x$$, 256))', '(1, repeat($$x$$, 256))', '(1, reason => repeat($$x$$, 1001))']) a;
SELECT throws_ok(format('SELECT herald.forget(%L)', a), '22023', NULL, format('forget(%L)', left(a, 9))) FROM unnest(ARRAY['', 'a*', repeat('x', 256)]) a;

-- Presence.
CREATE FUNCTION pg_temp.present() RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws('|', p.channel, p.socket_id, p.dbo_id, p.row_id, p.extras, p.node, extract(epoch FROM p.since)::numeric(20, 3)), ' ' ORDER BY p.channel, p.socket_id), '') FROM herald.presence p
$$;
SELECT columns_are('herald', 'presence', ARRAY['channel', 'socket_id', 'dbo_id', 'row_id', 'extras', 'node', 'since']);
SELECT col_type_is('herald', 'presence', 'extras', 'json', 'extras are json');
SELECT lives_ok($$SELECT herald.write_presence('n1', true, '{t,t,t}', '{r/1,r/1,r/2}', '{s1,s2,s1}', '{12,NULL,12}', '{34,NULL,NULL}', '{"{\"a\": 1e400}",NULL,"{}"}', '{1700000000123,1,2}')$$, 'a first reset');
SELECT is(pg_temp.present(), '', 'nobody is there while no server serves');
SELECT pg_advisory_lock(1751478881, 2);
SELECT is(pg_temp.present(), 'r/1|s1|12|34|{"a": 1e400}|n1|1700000000.123 r/1|s2|{}|n1|0.001 r/2|s1|12|{}|n1|0.002', 'members, anonymous ones too');
SELECT herald.write_presence('n1', false, '{f,t,f,t,t}', '{r/1,r/3,r/3,r/1,r/1}', '{s1,s1,s1,s2,s2}', '{NULL,1,NULL,5,6}', '{NULL,1,NULL,5,6}', '{NULL,"{}",NULL,"{}","{}"}', '{NULL,1,NULL,3,4}');
SELECT is(pg_temp.present(), 'r/1|s2|6|6|{}|n1|0.004 r/2|s1|12|{}|n1|0.002', 'the last word on a member counts');
SELECT herald.write_presence('n1', false, '{f,t}', '{r/2,r/2}', '{s1,s1}', '{NULL,7}', '{NULL,a}', '{NULL,"{}"}', '{NULL,9}');
SELECT is(pg_temp.present(), 'r/1|s2|6|6|{}|n1|0.004 r/2|s1|7|a|{}|n1|0.009', 'gone and back');
SELECT herald.write_presence('n1', false, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT herald.write_presence('n1', false, '{f}', '{r/9}', '{s9}', '{NULL}', '{NULL}', '{NULL}', '{NULL}');
SELECT is(pg_temp.present(), 'r/1|s2|6|6|{}|n1|0.004 r/2|s1|7|a|{}|n1|0.009', 'nothing, and somebody unknown');
SELECT herald.write_presence('n2', true, '{t}', '{r/1}', '{s5}', '{NULL}', '{NULL}', '{NULL}', '{5}');
SELECT is(pg_temp.present(), 'r/1|s5|{}|n2|0.005', 'a reset: of every node');
SELECT herald.write_presence('n2', true, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT is(pg_temp.present(), '', '… to nobody');
SELECT throws_ok($$SELECT herald.write_presence('n', true, '{t}', '{a,b}', '{s}', '{1}', '{1}', '{"{}"}', '{1}')$$, '22023', NULL, 'arrays of different lengths');
SELECT throws_ok($$SELECT herald.write_presence('n', true, NULL, '{a}', '{s}', '{1}', '{1}', '{"{}"}', '{1}')$$, '22023', NULL, 'no array');
SELECT lives_ok($$SELECT herald.write_presence('n', true, array_fill('t'::text, ARRAY[10000]), ARRAY(SELECT 'big/' || n % 3 FROM generate_series(1, 10000) n), ARRAY(SELECT 's' || n FROM generate_series(1, 10000) n),
    array_fill('1'::text, ARRAY[10000]), ARRAY(SELECT n::text FROM generate_series(1, 10000) n), array_fill('{}'::text, ARRAY[10000]), array_fill('1'::text, ARRAY[10000]))$$, 'ten thousand members');
SELECT is((SELECT count(*) FROM herald.presence), 10000::bigint, '… are there');
SELECT lives_ok($$SELECT herald.write_presence('n', false, array_fill('f'::text, ARRAY[10000]), ARRAY(SELECT 'big/' || n % 3 FROM generate_series(1, 10000) n), ARRAY(SELECT 's' || n FROM generate_series(1, 10000) n),
    array_fill(NULL::text, ARRAY[10000]), array_fill(NULL::text, ARRAY[10000]), array_fill(NULL::text, ARRAY[10000]), array_fill(NULL::text, ARRAY[10000]))$$, 'they leave');
SELECT is((SELECT count(*) FROM herald.member), 0::bigint, '… and are gone');
SELECT pg_advisory_unlock(1751478881, 2);
SELECT * FROM finish();
