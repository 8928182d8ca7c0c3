-- SPDX-License-Identifier: PostgreSQL
-- Batches: order, limits, messages, TRUNCATE in pieces, the epoch.
SELECT plan(66);

SELECT drain();
CREATE TABLE q (id int PRIMARY KEY, room int, body text);
SELECT herald.watch('q', channel => 'q/{room}');

-- What is new in the log.
CREATE FUNCTION pg_temp.new_rows() RETURNS SETOF herald.log LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT l.* FROM herald.log l WHERE l.id > coalesce(nullif(current_setting('tap.seen', true), ''), '0')::bigint ORDER BY l.id;
    PERFORM set_config('tap.seen', (SELECT coalesce(max(l.id), 0) FROM herald.log l)::text, false);
END
$$;
SELECT count(*) FROM pg_temp.new_rows();

-- Messages.
SELECT is(drain(messages => ARRAY['q/m', '{"socketId":"a"}', '{"authenticated":true}', '{"a":1e400,"b":"\u0000"}', 'q/n', '-', '-', '12345678901234567890', 'q/m', '-', '-', ' null ']),
    1, 'messages are stored in one batch');
CREATE TEMP TABLE got AS SELECT * FROM pg_temp.new_rows();
SELECT results_eq('SELECT channel COLLATE "default", channel_offset, action, client::text, options::text, payload::text FROM got ORDER BY id', $$VALUES
    ('q/m', 1::bigint, 'message', '{"socketId":"a"}', '{"authenticated":true}', '{"a":1e400,"b":"\u0000"}'),
    ('q/n', 1::bigint, 'message', NULL, NULL, '12345678901234567890'),
    ('q/m', 2::bigint, 'message', NULL, NULL, ' null ')$$, '… byte for byte, numbered per channel');
SELECT is((SELECT max(id) - min(id) FROM got), 2::bigint, 'ids are dense');
SELECT is(herald.find_batch((SELECT batch FROM herald.cursor ORDER BY position DESC LIMIT 1)), (SELECT max(id) FROM got), 'find_batch() finds a committed batch');
SELECT is(herald.find_batch('another'), NULL, '… and no other');
SELECT results_eq($$SELECT id, channel, channel_offset, action, client, options, payload, xid, shape, kept FROM herald.read_log((SELECT min(id) - 1 FROM got), 10, 1000000)$$,
    $$SELECT id, channel COLLATE "default", channel_offset, action, client::text, options::text, payload::text, xid::text, shape, kept::text FROM got ORDER BY id$$, 'read_log() says the same');
SELECT matches((SELECT at FROM herald.read_log((SELECT min(id) - 1 FROM got), 1, 1)), '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'at is RFC 3339');
SELECT is((SELECT count(*) FROM herald.read_log((SELECT min(id) - 1 FROM got), 10, 1)), 1::bigint, '… at least one row');
SELECT is((SELECT count(*) FROM herald.read_log((SELECT min(id) - 1 FROM got), 2, 1000000)), 2::bigint, '… at most so many rows');
SELECT is((SELECT count(*) FROM herald.read_log((SELECT max(id) FROM got), 2, 1000000)), 0::bigint, '… none at the end');
SELECT throws_ok($$SELECT say('q/m', '{')$$, 'P0001', 'drain: a message was refused', 'a message that is not JSON');
SELECT is(drain(), 0, '… leaves nothing behind');
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 0::bigint, '… and is not stored');

-- Outbox rows and messages, in pieces.
INSERT INTO q SELECT i, i % 3, 'x' FROM generate_series(1, 100) i;
INSERT INTO q SELECT i, i % 3, 'y' FROM generate_series(101, 105) i;
SELECT drain(40, max_batches => 1, messages => '{q/0,-,-,1}');
SELECT is((SELECT string_agg(concat(n, ' ', action), ', ' ORDER BY first) FROM (SELECT action, count(*) AS n, min(id) AS first FROM pg_temp.new_rows() GROUP BY action) x),
    '40 event, 1 message', 'at most max_rows outbox rows, and the message after them');
INSERT INTO q VALUES (200, 0, 'late');
SELECT is((SELECT pending_rows FROM herald.lag()), 66::bigint, 'lag() counts what is left');
SELECT is(drain(40), 3, 'the rest in pieces: 40, 25, and what came later');
SELECT is((SELECT string_agg(payload #>> '{data,new,id}', ' ' ORDER BY id) FROM herald.log WHERE channel ~ '^q/[012]$' AND action = 'event'),
    (SELECT string_agg(i::text, ' ') FROM generate_series(1, 105) i) || ' 200', 'all in order');
SELECT is_empty($$SELECT channel FROM herald.log GROUP BY channel HAVING max(channel_offset) <> count(*) OR min(channel_offset) <> 1$$, 'offsets are dense in every channel');
SELECT is((SELECT count(*) FROM herald.log), (SELECT max(id) FROM herald.log), 'ids are dense in the log');
SELECT is((SELECT pending_rows + pending_bytes FROM herald.lag()), 0::bigint, 'nothing is pending');
-- A large transaction that is in progress costs the others nothing.
CREATE EXTENSION dblink SCHEMA tap;
SELECT dblink_connect('writer', format('host=%s port=%s dbname=%s user=%s', current_setting('unix_socket_directories'), current_setting('port'), current_database(), current_user));
SELECT dblink_exec('writer', 'BEGIN');
SELECT dblink_exec('writer', 'INSERT INTO q SELECT i, 8, NULL FROM generate_series(1001, 6000) i');
INSERT INTO q VALUES (201, 0, 'later');
SELECT drain();
INSERT INTO q VALUES (202, 0, 'later');
BEGIN;
SELECT set_config('tap.read', pg_stat_get_xact_tuples_returned('herald.outbox_by_xid'::regclass)::text, true);
SELECT is((SELECT count(*)::int FROM herald.take(100, 1000000, false) WHERE action <> 'b'), 1, 'who commits beside a large transaction is found');
SELECT ok(pg_stat_get_xact_tuples_returned('herald.outbox_by_xid'::regclass) - current_setting('tap.read')::bigint < 100, '… without a look at what it has written');
ROLLBACK;
SELECT dblink_exec('writer', 'ROLLBACK');
SELECT dblink_disconnect('writer');
SELECT drain();
BEGIN; -- In the middle of a difference; a transaction that took its id early was in progress then, and commits now.
INSERT INTO herald.cursor (position, id, done, reading, reading_id)
    SELECT max(c.position) + 1, 0, '1:1:', (pg_current_xact_id()::text || ':' || pg_current_xact_id()::text || ':')::pg_snapshot, 1000000 FROM herald.cursor c;
INSERT INTO q VALUES (299, 9, 'late');
SELECT ok((SELECT max(o.id) FROM herald.outbox o) < 1000000 AND (SELECT pending_rows FROM herald.lag()) = 1,
    'lag() counts what committed while a backlog was read, whatever its id');
ROLLBACK;
INSERT INTO q SELECT i, 9, repeat('x', 1000) FROM generate_series(300, 309) i;
SELECT count(*) FROM pg_temp.new_rows();
SELECT drain(100, 3500, 1);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 4::bigint, 'no more when max_bytes are reached');
SELECT drain(100, 10, 1);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 1::bigint, '… but at least one');
SELECT is(drain(100, 3500), 2, '… and all in the end');

-- TRUNCATE.
INSERT INTO q SELECT i, i, 't' FROM generate_series(1000, 1049) i;
TRUNCATE q;
INSERT INTO q VALUES (2000, 1000, 'after');
SELECT drain(20);
SELECT is((SELECT count(*) FROM herald.log WHERE payload #>> '{data,action}' = 'truncate' AND channel ~ '^q/[0-9]+$'), 54::bigint, 'TRUNCATE: every known channel once, in pieces');
SELECT is(actions('q/1000'), 'insert truncate insert', '… between what came before and after');
CREATE TABLE q_never (id int, room int);
SELECT herald.watch('q_never', channel => 'never/{room}');
SELECT drain();
TRUNCATE q_never;
SELECT count(*) FROM pg_temp.new_rows();
SELECT is(concat(drain(), ' ', drain(), ' ', (SELECT count(*) FROM pg_temp.new_rows())), '1 0 0', 'no known channel: taken once, without an event');

-- A backlog that is listed in portions: transactions of one row that took their ids in another order than they began in, three that took
-- theirs in turn, and one whose every row is in a block of ids of its own.
DO $$ BEGIN
    FOR i IN 1..3000 LOOP
        INSERT INTO herald.outbox (id, action, channel, new) OVERRIDING SYSTEM VALUE VALUES (800000000 + i * 7 % 3001, 'p', 'bulk', (i * 7 % 3001)::text);
        COMMIT;
    END LOOP;
END $$;
INSERT INTO herald.outbox (id, action, channel, new) OVERRIDING SYSTEM VALUE SELECT 900000000 + i, 'p', 'bulk', (3000 + i)::text FROM generate_series(1, 30000, 3) i;
INSERT INTO herald.outbox (id, action, channel, new) OVERRIDING SYSTEM VALUE SELECT 900000000 + i, 'p', 'bulk', (3000 + i)::text FROM generate_series(3, 30000, 3) i;
INSERT INTO herald.outbox (id, action, channel, new) OVERRIDING SYSTEM VALUE SELECT 900000000 + i, 'p', 'bulk', (3000 + i)::text FROM generate_series(2, 30000, 3) i;
INSERT INTO herald.outbox (id, action, channel, new) OVERRIDING SYSTEM VALUE SELECT 1000000000 + i * 1000, 'p', 'bulk', (33000 + i)::text FROM generate_series(1, 20001) i;
SELECT drain(max_batches => 1);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 0::bigint, 'a large backlog is listed first');
SELECT say('bulk/said');
SELECT is((SELECT max(channel) FROM pg_temp.new_rows() WHERE action = 'message'), 'bulk/said', '… while messages go on');
SELECT drain(1999, max_batches => 1);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 1999::bigint, '… and is taken in the end');
SELECT drain(700, 10, 1);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 3::bigint, '… no more of it at once when max_bytes are reached');
SELECT drain(1700, 4000, 3);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 3000::bigint, '… nor after a whole block');
SELECT drain(700, max_batches => 3);
SELECT is((SELECT count(*) FROM pg_temp.new_rows()), 2100::bigint, '… nor when max_rows are, in the middle of a block');
SELECT drain(20000);
SELECT results_eq($$SELECT count(*), sum((payload::text::bigint = channel_offset)::int) FROM herald.log WHERE channel = 'bulk'$$, 'VALUES (53001::bigint, 53001::bigint)', '… and all arrives in order');

-- Nothing in the outbox can stop it, not even what a superuser writes there.
SELECT s.skipped AS skipped FROM herald.status s \gset
SELECT s.number AS shape FROM herald.shape s WHERE s.description ->> 'table' = 'q' \gset
INSERT INTO herald.outbox (action, channel, new) SELECT 'p', 'q/fine', i::text FROM generate_series(1, 20) i;
INSERT INTO herald.outbox (action, channel, new) VALUES ('p', repeat('x', 300), '1'), ('p', '', '1'), ('?', 'q/x', '1'), ('p', NULL, NULL);
INSERT INTO herald.outbox (action, channel, new) VALUES ('p', 'q/x', '{'), ('p', 'q/x', repeat('[', 1000000));
INSERT INTO herald.outbox (shape, action, old, new) VALUES (:shape, 'i', NULL, '(1'), (:shape, 'i', NULL, '(1,2)'), (:shape, 'u', NULL, NULL), (:shape, 'dx', '(1,2,3)', NULL),
    (:shape, '?', NULL, NULL), (:shape, '', NULL, NULL), (1234, 'i', NULL, '(1)'), (NULL, 'i', NULL, '(1)'), (NULL, 't', NULL, NULL), (:shape, 'i', NULL, '(x,7,)');
INSERT INTO herald.outbox (action, channel, new) SELECT 'p', 'q/fine', i::text FROM generate_series(21, 40) i;
INSERT INTO herald.outbox (xid, action, channel, new) VALUES ('999999999', 'p', 'q/future', '1');
SELECT drain();
SELECT is((SELECT string_agg(payload::text, ' ' ORDER BY id) FROM herald.log WHERE channel = 'q/fine'), (SELECT string_agg(i::text, ' ') FROM generate_series(1, 40) i), 'odd rows of the outbox are skipped');
SELECT is((SELECT s.skipped - :skipped FROM herald.status s), 15::bigint, '… and counted');
SELECT is((SELECT payload #>> '{data,reduced}' FROM herald.log WHERE channel = 'q/7'), 'stale', '… or announced as they are, if they can be');
DELETE FROM herald.outbox WHERE xid = '999999999';
SELECT is(herald.sweep(), 50000::bigint, 'sweep() removes what is behind the cursor, in portions');
DO $$ BEGIN WHILE herald.sweep() = 50000 LOOP END LOOP; END $$;
SELECT is((SELECT count(*) FROM herald.outbox), 0::bigint, '… all of it');
SELECT is(herald.sweep(), 0::bigint, '… once');

-- The epoch.
CREATE TEMP TABLE era AS SELECT epoch, (SELECT max(id) FROM herald.log) AS newest FROM herald.state;
SELECT results_eq('SELECT o.epoch, o.id, o.is_renewed FROM herald.open(NULL) o', 'SELECT epoch, newest, false FROM era', 'open() keeps the epoch');
SELECT is((SELECT o.is_renewed FROM era, herald.open(newest) o), false, '… for one who saw all');
SELECT is((SELECT o.is_renewed FROM era, herald.open(newest + 1) o), true, '… but not for one who saw more');
SELECT is((SELECT led_by FROM herald.state), NULL, 'who opens without a name is no server');
SELECT FROM herald.open(NULL, 'first');
DELETE FROM herald.canary;
SELECT is((SELECT o.is_renewed FROM era, herald.open(newest, 'first') o), false, 'a witness keeps the epoch over a crash');
SELECT FROM herald.open(NULL, 'second');
SELECT results_eq('SELECT led_by, led_as FROM herald.state', $$VALUES ('second', 'postgres')$$, 'who leads is recorded');
DELETE FROM herald.canary;
SELECT is((SELECT o.is_renewed FROM era, herald.open(newest, 'first') o), true, 'who was away while another one led is no witness');
SELECT FROM herald.open(NULL);
DELETE FROM herald.canary;
SELECT is((SELECT o.is_renewed FROM era, herald.open(newest) o), true, '… nor is one without a name');
SELECT FROM herald.open(NULL, 'first');
DELETE FROM herald.canary;
SELECT is((SELECT o.is_renewed FROM herald.open(NULL) o), true, 'without one it changes');
UPDATE herald.canary SET epoch = epoch;
SELECT is((SELECT o.is_renewed FROM herald.open(NULL) o), true, 'a canary that was written again is no canary');
SELECT is((SELECT epoch FROM herald.canary), (SELECT epoch FROM herald.state), 'the canary vouches for the new epoch');
SELECT is((SELECT rings FROM herald.status), true, 'status: writers ring');
SET herald.doorbell = off;
SELECT is((SELECT rings FROM herald.status), false, '… as status says');

-- What status warns of.
SET herald.doorbell = on;
SELECT results_eq('SELECT event_triggers, warnings FROM herald.status', $$VALUES (true, '{}'::text[])$$, 'nothing to warn of');
SELECT FROM herald.open(NULL, 'as a superuser');
SELECT matches((SELECT warnings[1] FROM herald.status), '^the server logs in as postgres, a superuser: .* let it log in as herald_server', 'a superuser');
CREATE ROLE q_owner LOGIN;
GRANT herald_owner TO q_owner;
UPDATE herald.state SET led_as = 'q_owner';
SELECT matches((SELECT warnings[1] FROM herald.status), '^the server logs in as q_owner, a member of the owner of schema herald: ', 'a member of the owner');
SELECT pg_advisory_lock(1751478881, 1);
SELECT matches((SELECT warnings[2] FROM herald.status), format('^postgres \(pid %s\) holds a lock of the server.s \(doorbell\): .*SELECT pg_terminate_backend\(%1$s\)$', pg_backend_pid()),
    'somebody with a lock of the server''s');
SELECT pg_advisory_unlock(1751478881, 1);
UPDATE herald.state SET led_as = 'herald_server';
SELECT is((SELECT warnings FROM herald.status), '{}', 'herald_server is as it should be');
DROP ROLE q_owner;

-- The doorbell's settings (what they do: doorbell.sh).
SELECT is(herald.doorbell_obstacle(), NULL, 'writers ring');
SET herald.doorbell = off;
SELECT is(herald.doorbell_obstacle(), 'the setting herald.doorbell is off', 'herald.doorbell = off');
SET herald.doorbell = TRUE;
SELECT is(herald.doorbell_obstacle(), NULL, '… or on');
SELECT is((SELECT rings FROM herald.status), true, '… as status says');
RESET herald.doorbell;
SELECT ok(herald.doorbell_slot() BETWEEN 16 AND 143, 'the lease has 128 keys');
SELECT is(herald.stay_asleep(16 + (herald.doorbell_slot() + 10) % 128), NULL, 'a lease that is over is not prolonged');
SELECT * FROM finish();
