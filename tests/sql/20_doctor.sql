-- SPDX-License-Identifier: PostgreSQL
-- The doctor: of a healthy database nothing is said; each cause is made, found, and mended by what the finding says.
SELECT plan(117);
CREATE EXTENSION dblink SCHEMA tap;

-- No server is here. Who holds the lock of the one that leads, as herald_server, is as good as one.
SELECT dblink_connect('server', format('dbname=%s user=herald_server host=%s port=%s', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')));
CREATE FUNCTION tap.found(about_ text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', f.severity, f.cause, f.about), ', ' ORDER BY f.severity, f.cause, f.about), '') FROM herald.doctor(about_) f
$$;
CREATE FUNCTION tap.remedy(cause_ text) RETURNS text LANGUAGE sql AS $$ SELECT f.remedy FROM herald.doctor() f WHERE f.cause = cause_ $$;
-- Does what the finding says, from the statement on.
CREATE FUNCTION tap.mend(cause_ text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE statement text := tap.remedy(cause_);
BEGIN EXECUTE substring(regexp_replace(statement, ' lets .*|, if .*|, with .*', '') FROM '(?:SELECT|ALTER|GRANT|ROLLBACK|VACUUM) .*'); END
$$;
CREATE FUNCTION tap.mends(cause_ text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM tap.mend(cause_); RETURN tap.ok(tap.remedy(cause_) IS NULL, '… ' || cause_ || ' is mended by what is said'); END
$$;

SELECT is(found(), '', 'a healthy database, without a watch');
SELECT dblink_disconnect('server');
-- Its process ends a moment later.
DO $$ BEGIN
    FOR i IN 1 .. 1000 LOOP
        EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename = 'herald_server');
        PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
    END LOOP;
END $$;
SELECT is(found(), 'error sequencer_absent', 'no server');
SELECT dblink_connect('server', format('dbname=%s user=herald_server host=%s port=%s', current_database(), split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')));
CREATE SCHEMA d;
CREATE TABLE d.orders (id int PRIMARY KEY, customer int NOT NULL, owner int);
SELECT herald.set_rule('orders/*');
SELECT herald.watch('d.orders', channel => 'orders/{customer}', snapshot => true);
SELECT herald.set_rule('d.*');
SELECT is(found(), '', 'with one');
SELECT is(found('orders') || found('d.orders') || found('orders/7') || found('d.other'), '', 'asked for a table or a channel');
SET ROLE herald_admin;
SELECT count(*) AS n FROM herald.doctor('orders') \gset
SET ROLE herald_server;
SELECT :n + count(*) AS n FROM herald.doctor('orders/1') \gset
RESET ROLE;
SELECT is(:n, 0, 'an admin may ask, and the server');

-- Asked for what is not there.
CREATE TABLE d.quiet (id int PRIMARY KEY);
SELECT is(found('quiet'), 'error not_watched d.quiet', 'a table that nothing watches');
SELECT is(found('room/1'), 'error nothing_there room/1', 'a channel that nothing is for');
SELECT is(found('no such "thing'), 'error nothing_there no such "thing', 'what can be no table');

-- The schema and its roles.
BEGIN;
DELETE FROM herald.schema_step WHERE step = 13;
SELECT is(found(), 'error schema_incomplete', 'a step is missing');
ROLLBACK;
ALTER ROLE herald_publisher RENAME TO somebody_else;
SELECT is(found(), 'error role_missing', 'a role is missing');
ALTER ROLE somebody_else RENAME TO herald_publisher;
ALTER ROLE herald_hook NOLOGIN;
SELECT is(found(), 'error login_refused', 'a role may not log in');
SELECT mends('login_refused');
ALTER ROLE herald_judge VALID UNTIL '2020-01-01';
SELECT is(found(), 'error login_refused', 'its password has expired');
SELECT mends('login_refused');
REVOKE EXECUTE ON FUNCTION herald.sweep() FROM herald_server;
SELECT is(found(), 'error right_missing', 'the server may not call a function of its own');
SELECT mends('right_missing');
REVOKE EXECUTE ON FUNCTION herald.call_function(text[], bytea) FROM herald_hook;
REVOKE INSERT (old, new) ON herald.outbox FROM herald_capture;
SELECT is(found(), 'error right_missing, error right_missing', 'nor may other roles');
GRANT EXECUTE ON FUNCTION herald.call_function(text[], bytea) TO herald_hook;
SELECT mends('right_missing');
REVOKE SELECT ON d.orders FROM herald_reader;
SELECT is(found(), 'error right_missing', 'snapshots cannot be read');
SELECT mends('right_missing');
ALTER EVENT TRIGGER herald_drop DISABLE;
SELECT is(found(), 'warning event_trigger_missing', 'an event trigger is disabled');
SELECT mends('event_trigger_missing');
BEGIN;
DROP EVENT TRIGGER herald_drop;
SELECT is(found(), 'note event_trigger_missing', 'an event trigger is missing, as where no superuser installs');
ROLLBACK;

-- Watched tables.
DROP TRIGGER "!herald_truncate" ON d.orders;
SELECT is(found(), 'error trigger_missing d.orders', 'a trigger is missing');
SELECT is(found('orders'), 'error trigger_missing d.orders', '… asked for its table');
SELECT is(found('orders/1'), 'error trigger_missing d.orders', '… or its channel');
SELECT is(found('d.quiet/1'), '', '… but not for another one');
SELECT herald.watch('d.orders', channel => 'orders/{customer}', snapshot => true);
ALTER TABLE d.orders DISABLE TRIGGER "!herald_row";
SELECT is(found(), 'error trigger_disabled d.orders', 'a trigger is disabled');
SELECT mends('trigger_disabled');
ALTER TABLE d.orders ENABLE REPLICA TRIGGER "!herald_row";
SELECT is(found(), 'error trigger_disabled d.orders', 'a trigger is for replication only');
SELECT mends('trigger_disabled');
SELECT drain(); -- here and below: on a slow machine what watches leave would wait for too long
ALTER EVENT TRIGGER herald_ddl DISABLE;
ALTER TABLE d.orders ADD COLUMN more text;
SELECT is(found('orders'), 'warning trigger_stale d.orders', 'a trigger function is stale');
SELECT mends('trigger_stale');
ALTER EVENT TRIGGER herald_ddl ENABLE;
SELECT format('ALTER FUNCTION herald.%I() SECURITY INVOKER', 'capture_' || w.key) AS alter FROM herald.watch w \gset
:alter;
SELECT is(found(), 'error trigger_altered d.orders', 'a trigger function is altered');
SELECT mends('trigger_altered');
DO $$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef(p.oid), '-- Written by', '-- Once written by') FROM pg_proc p WHERE p.proname LIKE 'capture\_%' AND p.prorettype = 'trigger'::regtype); END $$;
SELECT is(found(), 'warning trigger_outdated d.orders', 'a trigger function is of another version');
SELECT mends('trigger_outdated');
SELECT drain();
SELECT format('ALTER DATABASE %I SET session_replication_role = replica', current_database()) AS alter \gset
:alter;
SELECT is(found(), 'warning replica_role', 'sessions that fire no trigger');
SELECT mends('replica_role');
CREATE ROLE d_loader;
ALTER ROLE d_loader SET session_replication_role = replica;
SELECT is(found(), 'warning replica_role', '… of a role');
DROP ROLE d_loader;
SELECT drain();
CREATE TABLE d.bulk (id int PRIMARY KEY);
SELECT herald.watch('d.bulk', mode => 'statement');
CREATE TABLE d.bulk_child () INHERITS (d.bulk);
SELECT is(found('bulk'), 'warning child_missed d.bulk, warning statement_mode d.bulk', 'what statement triggers miss');
DROP TABLE d.bulk_child;
CREATE FUNCTION d.one_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE d."bulk" SET id = 0 WHERE id = 1; RETURN NEW; END';
CREATE FUNCTION d.any_only() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE format('update %I.%I set id = 0 where id = 1', TG_TABLE_SCHEMA, TG_TABLE_NAME); RETURN NEW; END$$;
CREATE FUNCTION d.others() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF TG_OP = 'UPDATE' AND false THEN UPDATE d.bulky SET id = 0; END IF; PERFORM FROM d.bulk; RETURN NEW; END$$;
CREATE TRIGGER fine BEFORE UPDATE ON d.bulk FOR EACH ROW EXECUTE FUNCTION d.others();
CREATE TRIGGER fine_too BEFORE INSERT ON d.bulk FOR EACH STATEMENT EXECUTE FUNCTION d.any_only();
SELECT is(found('bulk'), '', 'triggers that do not write their table row by row');
CREATE TRIGGER one_before BEFORE INSERT ON d.bulk FOR EACH ROW EXECUTE FUNCTION d.one_only();
CREATE TRIGGER any_before BEFORE INSERT ON d.bulk FOR EACH ROW EXECUTE FUNCTION d.any_only();
SELECT is(found('bulk'), 'warning trigger_rows d.bulk', 'those that do are told of');
SELECT matches((SELECT f.finding FROM herald.doctor('bulk') f), ': any_before, one_before\. ', '… by their names');
SELECT herald.watch('d.bulk');
SELECT is(found('bulk'), '', 'mode row keeps the order');
DROP TABLE d.bulk CASCADE;
CREATE TABLE d.bare (id int);
SELECT herald.watch('d.bare');
SELECT is(found(), 'note key_missing d.bare', 'no key');
DROP TABLE d.bare;
CREATE TABLE d.odd (id int PRIMARY KEY, n int);
SELECT herald.watch('d.odd', snapshot => true);
ALTER TABLE d.odd DROP CONSTRAINT odd_pkey;
SELECT is(found('odd'), 'note key_missing d.odd, warning snapshot_lost d.odd', 'snapshots without a key');
DROP TABLE d.odd;
CREATE TABLE d.parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE d.parts_1 PARTITION OF d.parts FOR VALUES FROM (1) TO (9);
SELECT herald.watch('d.parts_1');
SELECT herald.watch('d.parts');
SELECT is(found(), 'note part_apart d.parts', 'a part that is watched for itself');
SELECT herald.unwatch('d.parts_1'), herald.refresh();
ALTER TABLE d.parts DROP CONSTRAINT parts_pkey;
CREATE FOREIGN DATA WRAPPER d_wrapper;
CREATE SERVER d_far FOREIGN DATA WRAPPER d_wrapper;
CREATE FOREIGN TABLE d.parts_0 PARTITION OF d.parts FOR VALUES FROM (20) TO (30) SERVER d_far;
CREATE TABLE d.parts_2 PARTITION OF d.parts FOR VALUES FROM (10) TO (20);
SELECT lives_ok($$SELECT herald.watch('d.parts', key_columns => '{id}')$$, 'a part that is a foreign table');
SELECT is(found('parts'), 'note key_missing d.parts, note part_foreign d.parts', '… is told of');
SELECT is((SELECT count(*) FROM pg_trigger t WHERE t.tgrelid IN ('d.parts_1'::regclass, 'd.parts_2'::regclass) AND t.tgtype & 32 = 32), 2::bigint, '… and keeps no other part from its trigger');
DROP TABLE d.parts;
SELECT drain();
CREATE TABLE d.lost (id int PRIMARY KEY, room int);
SELECT herald.watch('d.lost', channel => 'd.lost/{room}', visible => '{"room": {"eq": 1}}');
SELECT is(found(), 'note template_column_null d.lost', 'a column of the template may be NULL');
ALTER TABLE d.lost DROP COLUMN room;
SELECT is(found(), 'error template_column_gone d.lost, error visible_nobody d.lost', 'a column of template and visible is gone');
DROP TABLE d.lost;
CREATE TABLE d.never (id int PRIMARY KEY, a int NOT NULL, b text);
CREATE FUNCTION tap.finds(visible text, finds text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN PERFORM herald.watch('d.never', visible => visible::jsonb); RETURN tap.is(tap.found(), finds, visible); END
$$;
SELECT finds(v.visible, v.finds)
  FROM (VALUES ('{"a": 1, "b": {"is": null}}', ''), ('{"a": {"in": [1]}}', ''), ('{"or": [{"a": {"in": []}}, {"a": 2}]}', ''), ('{"not": {"a": {"in": []}}}', ''),
               ('{"a": {"in": []}}', 'error visible_never d.never'), ('{"b": "x", "and": [{"a": {"is": null}}]}', 'error visible_never d.never'),
               ('{"or": []}', 'error visible_never d.never'), ('{"not": {}}', 'error visible_never d.never'),
               ('{"a": {"eq": {"identity": "row_id", "dbo_id": 1}}, "b": {"eq": {"identity": "row_id", "dbo_id": 1}}}', ''),
               ('{"a": {"eq": {"identity": "row_id", "dbo_id": 1}}, "b": {"eq": {"identity": "row_id", "dbo_id": 2}}}', 'error visible_never d.never')) v(visible, finds);
DROP TABLE d.never;
SELECT current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
\if :has_virtual
CREATE TABLE d.virtual (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL, place oid GENERATED ALWAYS AS (tableoid) VIRTUAL);
SELECT herald.watch('d.virtual');
SELECT is(found(), 'note column_virtual d.virtual', 'a virtual column that the trigger cannot compute');
DROP TABLE d.virtual;
\else
SELECT skip('there are no virtual columns', 1);
\endif
CREATE TABLE d.guarded (id int PRIMARY KEY);
ALTER TABLE d.guarded ENABLE ROW LEVEL SECURITY;
SELECT herald.watch('d.guarded', visible => '"everybody"');
SELECT is(found(), 'note row_security d.guarded', 'row level security that nobody asks');
SELECT herald.watch('d.guarded', visible => '"policy"', claims => '{}');
SELECT is(found(), 'error judge_roles_missing d.guarded', '… and that is asked, by nobody who may read it');
CREATE ROLE d_client;
GRANT d_client TO herald_judge;
GRANT SELECT ON d.guarded TO d_client;
SELECT is(found(), 'error judge_roles_missing d.guarded', '… nor go into its schema');
GRANT USAGE ON SCHEMA d TO d_client;
SELECT is(found(), '', '… and by who may');
DROP TABLE d.guarded;
DROP OWNED BY d_client;
DROP ROLE d_client;

SELECT drain();

-- Servers side by side.
SELECT * FROM dblink('server', $$SELECT herald.enter('node-1', 'one')::text, herald.stand('node-1', 'up', 2)::text$$) t(entered text, stands text);
SELECT * FROM dblink('server', $$SELECT herald.enter('node-2', 'two')::text, herald.stand('node-2', 'up', 2)::text$$) t(entered text, stands text);
SELECT is(found(), '', 'two servers side by side');
SELECT * FROM dblink('server', $$SELECT herald.stand('node-2', 'down', 2)::text$$) t(stands text);
SELECT is(found(), '', 'a bus that is away for a moment');
UPDATE herald.node SET bus_since = now() - interval '1 minute' WHERE id = 'node-2';
SELECT is(found(), 'warning bus_down', '… and for longer');
SELECT * FROM dblink('server', $$SELECT herald.stand('node-2', 'other_versions', 2)::text$$) t(stands text);
SELECT is(found(), 'warning bus_versions', 'servers that do not understand one another');
SELECT * FROM dblink('server', $$SELECT herald.stand('node-2', 'up', 3)::text$$) t(stands text);
SELECT is(found(), 'note bus_version_mixed', 'an upgrade that has not ended');
INSERT INTO herald.node (id, name, bus, bus_version, bus_since) VALUES ('node-3', 'gone', 'down', 1, '2020-01-01');
UPDATE herald.node SET bus_version = 3 WHERE id = 'node-1';
SELECT is(found(), '', 'a server that is gone is asked nothing');

-- What servers see.
SELECT * FROM dblink('server', $$SELECT herald.report('node-1', '{backlog}', '{"{\"rate\": 500, \"left_s\": 90}"}')::text$$) t(told text);
SELECT results_eq('SELECT drain_rate, drain_left FROM herald.status', $$VALUES (500::bigint, '90 seconds'::interval)$$, 'the progress of who leads');
SELECT is(found(), '', '… is nothing amiss');
SELECT * FROM dblink('server', $$SELECT herald.report('node-1', '{}', '{}')::text$$) t(told text);
SELECT results_eq('SELECT drain_rate, drain_left FROM herald.status', $$VALUES (NULL::bigint, NULL::interval)$$, '… until it is taken back');
SELECT * FROM dblink('server', $$SELECT herald.report('node-1', '{proxy_silent,proxy_untrusted}', ARRAY[
    '{"address": "10.0.0.9", "asked": "X-Forwarded-For"}', '{"address": "10.0.0.8", "asked": "X-Forwarded-For", "sent": "X-Real-IP"}'])::text$$) t(told text);
SELECT is(found(), 'warning proxy_silent, warning proxy_untrusted', 'proxies that make all clients one');
SELECT matches((SELECT f.finding FROM herald.doctor() f WHERE f.cause = 'proxy_silent'), '^the proxy 10.0.0.9 names no client to the server one, .*: it sends no X-Forwarded-For$', '… by the name of the server');
SELECT matches(remedy('proxy_untrusted'), 'add 10.0.0.8 to trusted-proxies and set proxy-header to x-real-ip$', '… with the options');
UPDATE herald.remark SET at = now() - interval '31 seconds';
SELECT is(found(), '', '… until the server says so no more');
SELECT * FROM dblink('server', $$SELECT herald.report('node-1', '{proxy_silent}', ARRAY['{"address": "10.0.0.9", "asked": "X-Forwarded-For", "sent": "Forwarded"}'])::text$$) t(told text);
SELECT matches(remedy('proxy_silent'), '^Set proxy-header to forwarded, ', 'the header that it does send');
SELECT * FROM dblink('server', $$SELECT herald.report('node-1', '{}', '{}')::text$$) t(told text);
SELECT * FROM dblink('server', $$SELECT concat(herald.report('node-1', '{retention}', '{"{\"hours\": 168}"}'), herald.report('node-2', '{retention}', '{"{\"hours\": 168}"}'))$$) t(told text);
SELECT is(found(), '', 'servers that keep the log for the same time');
SELECT * FROM dblink('server', $$SELECT herald.report('node-2', '{retention}', '{"{\"hours\": 0}"}')::text$$) t(told text);
SELECT is(found(), 'warning retention_differs', '… and for different ones');
SELECT matches((SELECT f.finding FROM herald.doctor() f), '\(one: 168 hours, two: for ever\)', '… by their names');
SELECT * FROM dblink('server', $$SELECT herald.report('node-2', '{}', '{}')::text$$) t(told text);
SELECT herald.publish('orders/1', '1');
SELECT drain();
UPDATE herald.log SET at = now() - interval '8 days';
SELECT is(found(), '', 'an old log that nobody has told how long to keep it');
BEGIN;
UPDATE herald.trim_position SET told_at = now(), keeps = '7 days';
SELECT is(found(), 'warning retention_behind', '… and that is not trimmed as told');
UPDATE herald.trim_position SET keeps = interval '8 days' - interval '59 minutes';
SELECT is(found(), '', '… where a trim may be under way');
ROLLBACK;
SELECT herald.trim('7 days', 1000);
SELECT is(found(), '', '… and is');
SELECT results_eq('SELECT keeps FROM herald.trim_position', $$VALUES ('7 days'::interval)$$, '… which is kept in mind');

-- Rules and the gate.
SELECT herald.set_rule('orders/*', active => false);
SELECT is(found(), 'error rule_inactive d.orders', 'a rule is inactive');
SELECT is(found('orders/1'), 'error rule_inactive d.orders, error rule_inactive orders/1', '… asked for the channel');
SELECT mends('rule_inactive');
SELECT herald.drop_rule('orders/*');
SELECT is(found(), 'error rule_missing d.orders', 'there is no rule');
SELECT mends('rule_missing');
SELECT drain();
SELECT herald.set_enabled(false);
SELECT is(found(), 'error realtime_off', 'realtime is off');
SELECT mends('realtime_off');
DELETE FROM herald.canonical;
SELECT is(found(), 'error canonical_missing', 'no canonical');
SELECT mends('canonical_missing');
CREATE FUNCTION d.may(text, json, text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
GRANT USAGE ON SCHEMA d TO herald_caller;
SELECT herald.set_rule('orders/*', authorize => 'd.may');
SELECT is(found(), '', 'a function of a rule');
REVOKE EXECUTE ON FUNCTION d.may FROM PUBLIC;
SELECT is(found(), 'error function_unusable orders/*', '… that may not be called');
SELECT mends('function_unusable');
ALTER FUNCTION d.may SECURITY INVOKER;
SELECT is(found('orders/3'), 'error function_unusable orders/*', '… that is not SECURITY DEFINER');
SELECT mends('function_unusable');
ALTER FUNCTION d.may OWNER TO herald_publisher;
SELECT is(found(), 'error function_unusable orders/*', '… of another owner');
DROP FUNCTION d.may;
SELECT is(found(), 'error function_unusable orders/*', '… that is gone');
SELECT herald.set_rule('orders/*', authorize => '-');

-- Sequencer, log, cluster.
SELECT pg_advisory_lock(1751478881, 2);
SELECT is(found(), 'error lock_held', 'a stranger holds the lock of the leading server');
SELECT pg_advisory_unlock(1751478881, 2);
UPDATE herald.state SET led_as = 'postgres';
SELECT is(found(), 'warning superuser_serves', 'a superuser serves');
UPDATE herald.state SET led_as = NULL;
INSERT INTO herald.outbox (action, channel, new, at) VALUES ('p', 'orders/1', '{}', now() - interval '1 hour');
SELECT is(found(), 'warning sequencer_behind', 'a change waits long');
SELECT drain();
SET herald.doorbell = off;
SELECT is(found(), 'note doorbell_off', 'writers do not ring');
RESET herald.doorbell;
CREATE PUBLICATION d_all FOR ALL TABLES;
SELECT is(found(), 'note publication', 'a publication has our tables');
DROP PUBLICATION d_all;

-- What takes gigabytes and hours: the functions that tell of it say so. (No plan is made anew when a function of Postgres' own is another.)
BEGIN;
DISCARD PLANS;
CREATE OR REPLACE FUNCTION pg_catalog.pg_total_relation_size(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint << 30';
CREATE OR REPLACE FUNCTION pg_catalog.pg_notification_queue_usage() RETURNS float8 LANGUAGE sql AS 'SELECT 0.4::float8';
CREATE OR REPLACE FUNCTION pg_catalog.pg_stat_get_dead_tuples(oid) RETURNS bigint LANGUAGE sql AS 'SELECT 200000::bigint';
SELECT is(found(), 'warning log_bloat, warning notify_queue_full, warning outbox_large', 'sizes');
CREATE OR REPLACE FUNCTION pg_catalog.pg_total_relation_size(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 200::bigint << 30';
DISCARD PLANS;
SELECT ok(found() LIKE 'note log_large, warning%', '… of the log');
SELECT herald.trim(NULL, 1000);
SELECT ok(found() LIKE 'note log_large, note retention_off, warning%', '… that nobody trims');
ROLLBACK;
DISCARD PLANS;
SELECT dblink_exec('server', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
SELECT FROM dblink('server', 'SELECT 1') x(n int);
SELECT is(found(), '', 'a transaction is open');
SELECT is((SELECT string_agg(f.cause, ',') FROM herald.doctor_horizon('0 s') f), 'horizon_held', '… for too long');
SELECT dblink_exec('server', 'COMMIT');
SELECT is(found(), '', 'all is well again');
SELECT dblink_disconnect('server');
DROP SCHEMA d CASCADE;
SELECT * FROM finish();
