-- SPDX-License-Identifier: PostgreSQL
-- What only direct calls of herald.take() and store() can say: their refusals, and what a look at nothing costs. All else that they
-- do is tested through the sequencer that calls them (05_sequencer.sql).
SELECT plan(13);

SELECT drain();
BEGIN;
SELECT count(*) AS n_rows FROM herald.take(10, 10, false) \gset
SELECT pg_current_xact_id_if_assigned() IS NULL AS is_idle,
       NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = 'herald.state'::regclass) AS is_unlocked \gset
COMMIT;
SELECT is(:n_rows, 0, 'nothing pending: no row');
SELECT ok(:'is_idle', '… no transaction number');
SELECT ok(:'is_unlocked', '… and no lock on the fence');
SELECT throws_ok($$SELECT herald.take(0, 10, false)$$, '22023', NULL, 'no positive limit');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT throws_ok($$SELECT herald.take(10, 10, true)$$, '25001', NULL, 'not in REPEATABLE READ');
ROLLBACK;

CREATE FUNCTION tap.store_now(payloads json[], offsets bigint[], ahead int DEFAULT 0, epoch_ text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    SELECT herald.store('b', c.position + ahead, coalesce(epoch_, s.epoch), c.done, NULL, '', true, now(), '{q/m}', offsets, payloads, NULL, NULL, NULL, NULL, NULL, 0)
      FROM (SELECT * FROM herald.cursor k ORDER BY k.position DESC LIMIT 1) c, herald.state s
$$;
SELECT throws_ok($$SELECT store_now('{"{"}', '{1}')$$, '22P02', NULL, 'a payload that is not JSON');
SELECT throws_ok($$SELECT store_now('{1}', '{}')$$, '23502', NULL, 'arrays of other lengths');
SELECT throws_ok($$SELECT store_now('{1}', '{1}', 1)$$, '55000', NULL, 'another position than take() said');
SELECT throws_ok($$SELECT store_now('{1}', '{1}', 0, 'another')$$, '55000', NULL, 'another epoch');
DELETE FROM herald.canary;
SELECT throws_ok($$SELECT herald.take(10, 10, true)$$, '55000', NULL, 'after a crash take() wants open()');
SELECT FROM herald.open(NULL);
BEGIN;
SELECT FROM herald.take(10, 10, true);
SELECT is(current_setting('idle_in_transaction_session_timeout'), '5s', 'who stands still with the fence does not keep it for ever');
COMMIT;
DROP FUNCTION tap.store_now;

-- Two texts that one answer cannot hold, and that nobody reads: without them it is a row that was skipped.
CREATE TEMP TABLE text_of AS SELECT repeat('x', 140000000) AS huge;
INSERT INTO herald.outbox (shape, action, old, new) SELECT 4711, 'u', t.huge, t.huge FROM text_of t;
INSERT INTO herald.outbox (action, new) VALUES ('p', '1');
BEGIN;
SELECT string_agg(concat_ws(' ', t.action, octet_length(t.old), octet_length(t.new)), ', ') AS together FROM herald.take(10, 1000, false) t WHERE t.action <> 'b' \gset
ROLLBACK;
BEGIN;
SELECT string_agg(concat_ws(' ', t.action, octet_length(t.old), octet_length(t.new)), ', ') AS in_pieces FROM herald.take(1, 1000, false) t WHERE t.action <> 'b' \gset
ROLLBACK;
SELECT is(:'together'::text, 'sk', 'a row that is larger than any trigger writes comes without its texts');
SELECT is(:'in_pieces'::text, 'sk', '… and so in pieces');
DELETE FROM herald.outbox o WHERE o.shape = 4711;
SELECT * FROM finish();
