-- SPDX-License-Identifier: PostgreSQL
-- Several nodes on one database: who does not lead stores messages without looking at the outbox, a term that is over is refused, and
-- how far the log has got can be asked by each.
SELECT plan(18);

CREATE TABLE public.n (id int PRIMARY KEY);
SELECT herald.watch('n');
SELECT drain();
SELECT f.epoch, f.id AS newest, f.term FROM herald.follow() f \gset
SELECT ok(f.is_open AND f.epoch = s.epoch AND f.id = c.id, 'follow() names the epoch and the newest id')
  FROM herald.follow() f, herald.state s, (SELECT k.id FROM herald.cursor k ORDER BY k.position DESC LIMIT 1) c;

-- Messages, while a row waits.
INSERT INTO public.n VALUES (1);
CREATE TEMP TABLE before AS SELECT * FROM herald.cursor k ORDER BY k.position DESC LIMIT 1;
BEGIN;
CREATE TEMP TABLE taken AS SELECT * FROM herald.take(0, 10, true);
SELECT is((SELECT count(*) FROM taken), 1::bigint, 'max_rows 0: the batch, and no row');
SELECT ok((SELECT t.old IS NULL AND t.action = 'b' FROM taken t), '… and no snapshot');
SELECT lives_ok($$SELECT herald.store('m', t.id, t.channel, t.old::pg_snapshot, NULL, t.new, false, now(), '{q/m}', '{1}', '{1}', NULL, NULL, NULL, NULL, NULL, 1) FROM taken t$$,
    'a message is stored without the outbox');
COMMIT;
SELECT is((SELECT f.id FROM herald.follow() f), :newest + 1::bigint, '… behind what was newest');
SELECT ok((c.done::text, c.reading::text, c.reading_fill, c.listed_xid, c.listed_id, c.reading_id, c.reading_channel)
          IS NOT DISTINCT FROM (b.done::text, b.reading::text, b.reading_fill, b.listed_xid, b.listed_id, b.reading_id, b.reading_channel),
          '… and the cursor is where it was in the outbox')
  FROM (SELECT * FROM herald.cursor k ORDER BY k.position DESC LIMIT 1) c, before b;
SELECT is((SELECT count(*) FROM herald.take(10, 1000, false) t WHERE t.action = 'i'), 1::bigint, '… where the row still is');
SELECT throws_ok($$SELECT herald.take(0, 10, false)$$, '22023', NULL, 'without rows and without messages it is no batch');

-- All that a snapshot has seen.
SELECT pg_current_snapshot() AS seen \gset
SELECT is(herald.sequenced(:'seen'), NULL, 'what a snapshot has seen is not in the log');
SELECT drain();
SELECT is(herald.sequenced(:'seen'), (SELECT f.id FROM herald.follow() f), '… it is, up to the newest id');
INSERT INTO public.n VALUES (2);
SELECT isnt(herald.sequenced(:'seen'), NULL, 'what came later is not waited for');
SELECT is(herald.sequenced(pg_current_snapshot()), NULL, '… but by who has seen it');

-- Terms.
SELECT o.term AS new_term FROM herald.open(NULL) o \gset
SELECT ok(:new_term > :term, 'each open() begins a term');
SELECT throws_ok(format('SELECT herald.take(10, 10, true, %s)', :new_term - 1), '55000', NULL, 'who led in an earlier one takes nothing');
SELECT lives_ok(format('SELECT herald.take(10, 1000, true, %s)', :new_term), 'who leads does');
DELETE FROM herald.canary;
SELECT ok(NOT f.is_open, 'after a crash nobody goes on before open()') FROM herald.follow() f;
SELECT FROM herald.open(NULL);
SELECT is(herald.depose('-'), NULL, 'nobody leads: nobody is deposed');

-- Keys.
UPDATE herald.bus_key SET at = now() + interval '1 hour';
SELECT array_agg(k) AS old_keys FROM herald.bus_keys() k \gset
SELECT FROM herald.rotate_bus_key();
SELECT ok((SELECT k FROM herald.bus_keys() k LIMIT 1) <> ALL (:'old_keys'::bytea[]), 'another key is the newest, although the clock was set back');
SELECT * FROM finish();
