#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# A database with watches and rules is dumped and restored: the watches work at once, the rules have their functions, the log
# and its offsets are there, the epoch is another, and what is captured before the first server comes is not lost.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# Other transactions, so that the xids of the two differ.
burn() { for _ in $(seq "$2"); do echo 'SELECT pg_current_xact_id();'; done | "$bin/psql" -Xq -d "$1" >/dev/null; }

major_of() { "$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'; }

# pg_dump refuses a server that is newer than itself. Then the dump is of an older one, and goes into a new cluster of the
# newer, as in an upgrade; else into another database.
tested=$server
[ "$(major_of "$bin/pg_dump")" -ge "$(major_of "$server/postgres")" ] || server=$bin
cluster_start
cluster_install old
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d old >/dev/null <<'SQL'
CREATE ROLE app;
GRANT CREATE ON SCHEMA public TO app;
CREATE TABLE filler (id int);
CREATE TABLE thing (id int PRIMARY KEY, secret text, room int, body text);
ALTER TABLE thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT herald.watch('thing', channel => 'things/{room}', exclude => '{secret}', keep => '{secret}', snapshot => true,
                    visible => '{"or": [{"secret": "hush"}, {"room": {"eq": {"identity": "extras.room"}}}]}');
ALTER TABLE thing DROP COLUMN body;
ALTER TABLE thing RENAME COLUMN secret TO hidden;
ALTER TABLE thing RENAME COLUMN room TO place;
ALTER TABLE thing OWNER TO app;
CREATE TABLE part (id int, PRIMARY KEY (id)) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT herald.watch('part');
CREATE TABLE guarded (id int PRIMARY KEY);
SELECT herald.watch('guarded');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE TABLE bulk (id int PRIMARY KEY);
SELECT herald.watch('bulk', mode => 'statement');
CREATE SCHEMA app;
CREATE FUNCTION app.may(channel text, identity jsonb, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS 'SELECT true';
CREATE FUNCTION app."On Join"(action text, channel text, client json, options json, payload json) RETURNS void LANGUAGE sql SECURITY DEFINER AS '';
GRANT USAGE ON SCHEMA app TO herald_caller;
ALTER FUNCTION app.may(text, jsonb, text) OWNER TO app;
SELECT herald.set_rule('things/*', message_history => 10, authorize => 'app.may', on_join => 'app."On Join"');
SELECT FROM pg_advisory_lock(1751478881, 2), herald.write_presence('n', true, '{t}', '{things/5}', '{s}', '{1}', '{2}', '{NULL}', '{1000}');
INSERT INTO thing VALUES (1, 'hush', 5), (2, 'hush', 5);
SQL
drain old >/dev/null
run_sql old "INSERT INTO thing VALUES (3, 'hush', 5)" # stays in the outbox
epoch=$(run_sql old 'SELECT epoch FROM herald.state')
as_postgres "$bin/pg_dump" -h "$PGHOST" -U postgres -Fc -f "$work/dump" old
if [ "$server" != "$tested" ]; then
    cluster_replace "$tested"
    "$bin/psql" -Xq -v ON_ERROR_STOP=1 -f "$sql_dir/roles.sql"
    run_sql postgres 'CREATE ROLE app'
fi
burn postgres 500
run_sql postgres 'CREATE DATABASE new'
run_sql new 'CREATE TABLE shifts_oids (id int)'
as_postgres "$bin/pg_restore" -h "$PGHOST" -U postgres -d new --exit-on-error "$work/dump"

check 'the schema is there' 15 "$(run_sql new 'SELECT herald.schema_version()')"
check 'the watches are there' 'bulk,guarded,part,thing' "$(run_sql new "SELECT string_agg(\"table\"::text, ',' ORDER BY \"table\"::text) FROM herald.watches WHERE enabled")"
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d new >/dev/null <<'SQL'
INSERT INTO thing VALUES (4, 'hush', 5);
INSERT INTO part VALUES (1), (2);
BEGIN; SAVEPOINT a; INSERT INTO bulk VALUES (1); RELEASE a; COMMIT;
SQL
check 'open() makes a new epoch' t "$(run_sql new "SELECT is_renewed AND epoch <> '$epoch' FROM herald.open(NULL)")"
before=$(run_sql new 'SELECT max(id) FROM herald.log')
check 'what was captured since the restore is taken, what the dump brought is not' '1 4' "$(drain new) $(run_sql new "SELECT count(*) FROM herald.log WHERE id > $before")"
check 'the log goes on after the old one' 'things/5:1 things/5:2 things/5:3' \
    "$(run_sql new "SELECT string_agg(channel || ':' || channel_offset, ' ' ORDER BY id) FROM herald.log WHERE channel = 'things/5'")"
check 'renamed columns are still excluded and still in the template' '{"id":4,"place":5}' \
    "$(run_sql new "SELECT payload #>> '{data,new}' FROM herald.log WHERE channel = 'things/5' ORDER BY id DESC LIMIT 1")"
check 'who may see rows is said as before, of renamed columns too' 'nobody {"or": [{"hidden": "hush"}, {"place": {"eq": {"identity": "extras.room"}}}]}' \
    "$(run_sql new "SELECT string_agg(s.description ->> 'visible', ' ' ORDER BY w.relation::text) FROM herald.watch w JOIN herald.shape s ON s.watch = w.key AND s.retired_by IS NULL")"
check '… and the server is told' 'true 1' "$(run_sql new "SELECT bool_and(w ->> 'shape' <> '') || ' ' || count(*) FILTER (WHERE (w ->> 'snapshot')::boolean) FROM json_array_elements(herald.site()::json -> 'watches') w")"
check '… what was kept came with the log' hush "$(run_sql new "SELECT kept #>> '{new,hidden}' FROM herald.log WHERE channel = 'things/5' ORDER BY id DESC LIMIT 1")"
check 'snapshots are read as before' '(1,hush,5) (2,hush,5) (3,hush,5) (4,hush,5)' "$("$bin/psql" -XqAt -d new <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT string_agg(r.body, ' ' ORDER BY r.body) FROM herald.watch w, herald.read_snapshot(w.key, 'things/5', NULL, NULL, NULL) r WHERE w.relation = 'thing'::regclass AND r.kind = 'r';
SQL
)"
check 'a resume with the old epoch is a gap' t "$(run_sql new "SELECT gap FROM herald.read_channel('things/5', 'since', 100, 10000, '$epoch', 2)")"
check 'the rules are there' 1 "$(run_sql new "SELECT count(*) FROM herald.rules WHERE message_history = 10")"
check 'the rules have their functions' 'app.may(text,jsonb,text) app."On Join"(text,text,json,json,json)' \
    "$(run_sql new "SELECT concat(r ->> 'authorize', ' ', r ->> 'on_join') FROM json_array_elements(herald.site()::json -> 'rules') r")"
called() { # DATABASE CALL
    PGUSER=herald_hook run_sql "$1" "SELECT herald.call_function('$2', '$(run_sql "$1" "SELECT sha256(outer_pad || sha256(inner_pad || array_send('$2'::text[]))) FROM herald.signing_key")')"
}
check '… and they can be called' true "$(called new '{"app.may(text,jsonb,text)",authorize,things/5,NULL,join}')"
check '… both of them' '' "$(called new '{"app.\"On Join\"(text,text,json,json,json)",on_join,join,things/5,"{}","{}",null}')"
check '… which is still said of whom' 'app postgres' "$(run_sql new "SELECT string_agg(owner, ' ' ORDER BY owner) FROM herald.hook")"
check 'nobody is present' 0 "$(run_sql new 'SELECT count(*) FROM herald.presence')"
check 'the trigger functions know the new oids' t "$(run_sql new "SELECT bool_and(strpos(p.prosrc, w.relation::oid::text) > 0) FROM herald.watch w JOIN pg_proc p ON p.proname = 'capture_' || w.key")"
check 'owners and rights are as before' '{app=X/herald_capture,herald_capture=X/herald_capture}' \
    "$(run_sql new "SELECT ARRAY(SELECT a::text FROM unnest(p.proacl) a ORDER BY 1) FROM herald.watch w JOIN pg_proc p ON p.proname = 'capture_' || w.key WHERE w.relation = 'thing'::regclass")"
run_sql new "ALTER TABLE thing ADD COLUMN more int; INSERT INTO thing VALUES (5, 'hush', 5, 6)"
drain new >/dev/null
check 'event triggers are there' '{"id":5,"place":5,"more":6}' \
    "$(run_sql new "SELECT payload #>> '{data,new}' FROM herald.log WHERE channel = 'things/5' ORDER BY id DESC LIMIT 1")"
check 'the second open() keeps the epoch' f "$(run_sql new 'SELECT is_renewed FROM herald.open(NULL)')"

# The functions go, their rules stay.
run_sql postgres 'CREATE DATABASE gone TEMPLATE new'
run_sql gone 'DROP SCHEMA app CASCADE'
check 'site() is whole without the functions' 'app.may(text,jsonb,text)' "$(run_sql gone "SELECT herald.site()::json -> 'rules' -> 0 ->> 'authorize'")"
check '… and a call fails cleanly' 1 "$(called gone '{"app.may(text,jsonb,text)",authorize,things/5,NULL,join}' 2>&1 | grep -c 'there is no function app.may')"
exit $((failures > 0))
