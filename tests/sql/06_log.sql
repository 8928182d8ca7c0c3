-- SPDX-License-Identifier: PostgreSQL
-- Reading a channel and trimming the log.
SELECT plan(48);

SELECT drain();
CREATE FUNCTION pg_temp.trim_all(keep interval, n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE removed bigint; calls int := 0; BEGIN LOOP removed := herald.trim(keep, n); calls := calls + 1; EXIT WHEN removed < n; END LOOP; RETURN calls; END $$;
-- What other files left in the log grows old and goes: time is made to pass by aging the rows.
UPDATE herald.log SET at = at - interval '8 days';
SELECT pg_temp.trim_all('7 days', 20000);
SELECT is((SELECT count(*) FROM herald.log), 0::bigint, 'without rules everything that is old goes');
SELECT say('l/a', '"x"', 10);
SELECT epoch FROM herald.state \gset

-- head, last, since
PREPARE reading(text, text, int, int, text, bigint) AS SELECT concat(head, ' ', gap, ' ', string_agg(channel_offset::text, ',')) FROM herald.read_channel($1, $2, $3, $4, $5, $6) GROUP BY head, gap;
SELECT results_eq($$EXECUTE reading('l/a', 'head', 5, 1000, NULL, NULL)$$, $$VALUES ('10 f ')$$, 'head');
SELECT results_eq($$EXECUTE reading('l/none', 'head', 5, 1000, NULL, NULL)$$, $$VALUES ('0 f ')$$, 'head of an unknown channel');
SELECT is((SELECT epoch FROM herald.read_channel('l/none', 'head', 1, 1, NULL, NULL)), :'epoch', '… has the epoch');
SELECT results_eq($$EXECUTE reading('l/a', 'last', 3, 1000, NULL, NULL)$$, $$VALUES ('10 f 8,9,10')$$, 'last: the newest, oldest first');
SELECT results_eq($$EXECUTE reading('l/a', 'last', 100, 9, NULL, NULL)$$, $$VALUES ('10 f 8,9,10')$$, 'last: that fit');
SELECT results_eq($$EXECUTE reading('l/a', 'last', 100, 2, NULL, NULL)$$, $$VALUES ('10 f ')$$, 'last: none fits');
SELECT results_eq($$EXECUTE reading('l/a', 'last', 0, 1000, NULL, NULL)$$, $$VALUES ('10 f ')$$, 'last: none wanted');
SELECT results_eq($$EXECUTE reading('l/a', 'last', 100, 1000, NULL, NULL)$$, $$VALUES ('10 f 1,2,3,4,5,6,7,8,9,10')$$, 'last: all there are');
SELECT results_eq(format('EXECUTE reading(%L, %L, %s, %s, %L, %s)', 'l/a', 'since', t.rows, t.bytes, t.epoch, t.channel_offset), format('VALUES (%L)', t.answer), t.name)
  FROM (VALUES (100, 1000, :'epoch', 7, '10 f 8,9,10', 'since'), (100, 1000, :'epoch', 10, '10 f ', 'since the head'), (100, 1000, :'epoch', 0, '10 f 1,2,3,4,5,6,7,8,9,10', 'since the start'),
       (100, 1000, 'other', 7, '10 t ', 'another epoch: gap'), (100, 1000, :'epoch', 11, '10 t ', 'ahead of the head: gap'), (100, 1000, :'epoch', -1, '10 t ', 'below the start: gap'),
       (3, 1000, :'epoch', 7, '10 f 8,9,10', 'as many as allowed'), (2, 1000, :'epoch', 7, '10 f 8,9', 'a page of rows'), (100, 9, :'epoch', 7, '10 f 8,9,10', 'as many bytes as allowed'),
       (100, 8, :'epoch', 7, '10 f 8,9', 'a page of bytes'), (100, 1, :'epoch', 7, '10 f 8', 'one always fits')) t(rows, bytes, epoch, channel_offset, answer, name);
SELECT is((SELECT count(*) FROM herald.read_channel('l/a', 'since', 2, 1000, :'epoch', 10)), 1::bigint, 'nothing since: one row all the same');
SELECT is((SELECT gap FROM herald.read_channel('l/a', 'since', 1, 1000, :'epoch', 7, 3)), false, 'as many missed as allowed');
SELECT is((SELECT gap FROM herald.read_channel('l/a', 'since', 1, 1000, :'epoch', 7, 2)), true, 'more missed than allowed: gap');
SELECT results_eq($$EXECUTE reading('l/a', 'since', 100, 1000, NULL, 7)$$, $$VALUES ('10 t ')$$, 'no epoch: gap');
SELECT throws_ok($$SELECT herald.read_channel('l/a', 'all', 1, 1, NULL, NULL)$$, '22023', NULL, 'unknown kind');
SELECT results_eq($$SELECT channel_offset, action, payload::text FROM herald.history('l/a', 2)$$, $$VALUES (9::bigint, 'message', '"x"'), (10, 'message', '"x"')$$, 'history()');
SELECT is((SELECT count(*) FROM herald.history('l/a')), 10::bigint, '… 100 by default');

-- Of a row: who wrote it, how it was captured, and what is kept for the server alone.
CREATE TABLE l_kept (id int PRIMARY KEY, owner text);
SELECT herald.watch('l_kept', channel => 'k/l', columns => '{id}', keep => '{owner}');
INSERT INTO l_kept VALUES (1, repeat('o', 100)), (2, repeat('o', 100));
SELECT drain();
SELECT results_eq(format('SELECT r.xid, r.shape, r.kept FROM herald.%s r WHERE r.id IS NOT NULL', f), $$SELECT l.xid::text, s.number, l.kept::text FROM herald.log l, herald.shape s
    WHERE l.channel = 'k/l' AND s.watch = (SELECT key FROM herald.watch WHERE relation = 'l_kept'::regclass) AND l.kept #>> '{new,owner}' ~ '^o{100}$' ORDER BY l.id$$, f || ' has it')
  FROM unnest(ARRAY[$$read_channel('k/l', 'last', 9, 10000, NULL, NULL)$$, format($$read_log(%s, 9, 10000)$$, (SELECT min(id) - 1 FROM herald.log WHERE channel = 'k/l'))]) f;
SELECT is((SELECT count(*) FROM herald.read_log((SELECT min(id) - 1 FROM herald.log WHERE channel = 'k/l'), 9, 200)), 1::bigint, '… and what is kept counts');
SELECT results_eq(format('EXECUTE reading(%L, %L, 100, 200, %L, 0)', 'k/l', 'since', :'epoch'), $$VALUES ('2 f 1')$$, '… in a page of a channel, too');
DROP TABLE l_kept;

-- Trimming.
SELECT herald.set_rule('l/*', message_history => 3);
SELECT say('l/a', '"x"', 10), say('l/b', '"x"', 2), say('other/a', '"x"', 4);
CREATE FUNCTION pg_temp.kept() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat(channel, ':', a, '-', b), ' ') FROM (SELECT channel, min(channel_offset) a, max(channel_offset) b FROM herald.log WHERE channel ~ '^(l|other)/' GROUP BY channel ORDER BY channel) x
$$;
SELECT is(herald.trim(NULL, 1000), 0::bigint, 'no retention: nothing is trimmed');
SELECT is(herald.trim('7 days', 1000), 0::bigint, 'nothing is old');
UPDATE herald.log SET at = at - interval '8 days';
SELECT ok(herald.trim('7 days', 5) = 5, 'at most max_rows at once');
SELECT ok(pg_temp.trim_all('7 days', 7) > 1, '… again while it removed so many');
SELECT is(pg_temp.kept(), 'l/a:18-20 l/b:1-2', 'what the rule keeps is kept, all else old is gone');
SELECT results_eq($$EXECUTE reading('other/a', 'head', 1, 1, NULL, NULL)$$, $$VALUES ('4 f ')$$, 'the head outlives its rows');
SELECT results_eq(format('EXECUTE reading(%L, %L, 100, 1000, %L, 16)', 'l/a', 'since', :'epoch'), $$VALUES ('20 t ')$$, 'since before the floor: gap');
SELECT results_eq(format('EXECUTE reading(%L, %L, 100, 1000, %L, 17)', 'l/a', 'since', :'epoch'), $$VALUES ('20 f 18,19,20')$$, 'since the floor: no gap');
SELECT results_eq(format('EXECUTE reading(%L, %L, 100, 1000, %L, 4)', 'other/a', 'since', :'epoch'), $$VALUES ('4 f ')$$, 'since the head of an empty channel: no gap');
SELECT say('other/a', '"x"', 1), say('l/a', '"x"', 2);
SELECT is(pg_temp.kept(), 'l/a:18-22 l/b:1-2 other/a:5-5', 'offsets go on after the floor');
SELECT pg_temp.trim_all('7 days', 100);
SELECT is(pg_temp.kept(), 'l/a:20-22 l/b:1-2 other/a:5-5', 'new events push old survivors out');
SELECT herald.set_rule('l/a', message_history => 1);
SELECT pg_temp.trim_all('7 days', 100);
SELECT is(pg_temp.kept(), 'l/a:21-22 l/b:1-2 other/a:5-5', 'a rule that keeps less: only what is old goes');
SELECT herald.set_rule('l/*', active => false);
SELECT pg_temp.trim_all('7 days', 100);
SELECT is(pg_temp.kept(), 'l/a:21-22 other/a:5-5', 'an inactive rule keeps nothing');
UPDATE herald.log SET at = at - interval '8 days';
SELECT pg_temp.trim_all('7 days', 100);
SELECT is(pg_temp.kept(), 'l/a:22-22', 'the exact rule');
SELECT herald.drop_rule('l/a'), herald.drop_rule('l/*');
SELECT pg_temp.trim_all('7 days', 100);
SELECT is(pg_temp.kept(), NULL, 'no rule: nothing');
SELECT throws_ok($$SELECT herald.trim('1 day', 0)$$, '22023', NULL, 'limits');
CREATE TEMP TABLE steps AS SELECT (SELECT idx_scan + seq_scan FROM pg_stat_user_tables WHERE relid = 'herald.log'::regclass) AS n;
SELECT is(pg_temp.trim_all('7 days', 100), 1, 'once all is judged, one call does nothing');
SELECT * FROM finish();
