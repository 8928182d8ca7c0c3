-- SPDX-License-Identifier: PostgreSQL
-- Messages that are sent once: their keys are written with them, found by their sender alone, and forgotten after an hour.
SELECT plan(11);

CREATE FUNCTION pg_temp.store(payloads json[], senders text[], keys text[]) RETURNS void LANGUAGE sql AS $$
    SELECT herald.take(10000, 100000000, true);
    SELECT herald.store('b', c.position, s.epoch, c.done, NULL, '', true, now(), array_fill('once'::text, ARRAY[cardinality(payloads)]),
                        (SELECT array_agg(h + n) FROM herald.heads('{once}') h, generate_series(1, cardinality(payloads)) n), payloads, NULL, NULL, NULL, NULL, NULL,
                        cardinality(payloads), senders, keys)
      FROM (SELECT * FROM herald.cursor ORDER BY position DESC LIMIT 1) c, herald.state s
$$;
PREPARE found(text[], text[]) AS SELECT f.nth, f.epoch IS NOT NULL, f.channel_offset FROM herald.state s, herald.find_sent($1, $2, array_fill('once'::text, ARRAY[cardinality($1)]), s.epoch) f;

SELECT drain();
SELECT lives_ok($$SELECT pg_temp.store('{1,2,3}', '{i:1/1,NULL,a:x}', '{k,NULL,k}')$$, 'some have keys');
SELECT is((SELECT string_agg(concat_ws(' ', sender, key, channel, channel_offset), ', ' ORDER BY channel_offset) COLLATE "default" FROM herald.sent),
    'i:1/1 k once 1, a:x k once 3', 'those that have, are kept');
SELECT lives_ok($$SELECT pg_temp.store('{4}', NULL, NULL)$$, 'none has');
SELECT is((SELECT count(*)::int FROM herald.sent), 2, '… and none is kept');
SELECT results_eq($$EXECUTE found('{i:1/1,i:1/2,NULL,a:x,a:y}', '{k,k,NULL,k,k}')$$, 'VALUES (4::bigint, true, 3::bigint), (1, true, 1)', 'found by who sent them, the last one first');
SELECT is_empty($$SELECT * FROM herald.find_sent('{i:1/1}', '{k}', '{other}', 'e')$$, '… where they were sent');
SELECT throws_ok($$SELECT pg_temp.store('{5}', '{i:1/1}', '{k}')$$, '23505', NULL, 'not twice, whatever the caller thinks');
UPDATE herald.sent SET epoch = 'before' WHERE sender = 'i:1/1';
SELECT results_eq($$EXECUTE found('{i:1/1}', '{k}')$$, 'VALUES (1::bigint, false, 1::bigint)', 'of another epoch it is known that it is there, and not where');
UPDATE herald.sent SET at = at - interval '61 minutes' WHERE sender = 'i:1/1';
SELECT lives_ok('SELECT herald.sweep()', 'an hour later');
SELECT is((SELECT string_agg(sender, ',') COLLATE "default" FROM herald.sent), 'a:x', '… it is forgotten');
SELECT ok(NOT has_table_privilege('herald_server', 'herald.sent', 'SELECT') AND NOT has_function_privilege('herald_publisher', 'herald.find_sent(text[], text[], text[], text)', 'EXECUTE'),
    'the secrets of anonymous clients are nobody''s');
SELECT * FROM finish();
