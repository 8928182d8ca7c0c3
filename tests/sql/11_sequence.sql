-- SPDX-License-Identifier: PostgreSQL
-- What only a direct call of herald.sequence() can say: its refusals, and what a look at nothing costs. All else that it does
-- is tested through the sequencer that calls it (05_sequencer.sql). Goes with the function.
SELECT plan(7);

SELECT drain();
SELECT throws_ok($$SELECT herald.sequence('b', 10, 10, '{q/m}', '{NULL}', '{NULL}', '{"{"}')$$, '22P02', NULL, 'a message that is not JSON');
SELECT throws_ok($$SELECT herald.sequence('b', 10, 10, '{q/m}', '{}', '{NULL}', '{1}')$$, '22023', NULL, 'arrays of other lengths');
DELETE FROM herald.canary;
SELECT throws_ok($$SELECT herald.sequence('b', 10, 10, '{q/m}', '{NULL}', '{NULL}', '{1}')$$, '55000', NULL, 'after a crash it wants open()');
SELECT FROM herald.open(NULL);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT throws_ok($$SELECT herald.sequence('b', 10, 10, '{q/m}', '{NULL}', '{NULL}', '{1}')$$, '25001', NULL, 'not in REPEATABLE READ');
ROLLBACK;
BEGIN;
SELECT count(*) AS n_rows FROM herald.sequence('b', 10, 10, '{}', '{}', '{}', '{}') \gset
SELECT pg_current_xact_id_if_assigned() IS NULL AS is_idle,
       NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = 'herald.state'::regclass) AS is_unlocked \gset
COMMIT;
SELECT is(:n_rows, 0, 'nothing pending: no row');
SELECT ok(:'is_idle', '… no transaction number');
SELECT ok(:'is_unlocked', '… and no lock on the fence');
SELECT * FROM finish();
