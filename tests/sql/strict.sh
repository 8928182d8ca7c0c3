#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# Databases that are set up strictly, before pgherald came or after: row level security on every new table, a publication of all
# tables, owners that are replaced, partitions that are watched themselves. No write of the application may fail by it.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

CLUSTER_CONF='wal_level = logical' cluster_start
run_sql postgres 'CREATE DATABASE strict'
run_sql strict "CREATE SCHEMA strict; CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app;
    CREATE FUNCTION strict.guard() RETURNS event_trigger LANGUAGE plpgsql AS \$\$
    DECLARE t record;
    BEGIN
        FOR t IN SELECT * FROM pg_event_trigger_ddl_commands() d WHERE d.classid = 'pg_class'::regclass AND d.object_type = 'table' AND NOT d.in_extension LOOP
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t.object_identity);
        END LOOP;
    END \$\$;
    CREATE EVENT TRIGGER strict_guard ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS') EXECUTE FUNCTION strict.guard();
    CREATE PUBLICATION everything FOR ALL TABLES"
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d strict -f "$sql_dir/install.sql" >/dev/null
export PGOPTIONS='-c client_min_messages=error'
run_sql strict "GRANT herald_admin, herald_publisher TO app; SELECT FROM herald.open(NULL)"
as_app() { PGUSER=app run_sql strict "$1" 2>&1; }
go_round() { # a change, a publish, a batch, a sweep, as the server does them: prints how many events, swept rows (watch() leaves one, too) and trimmed ones
    drain strict >/dev/null 2>&1
    run_sql strict 'SELECT count(*) FROM herald.log'
    run_sql strict "SET ROLE herald_server; SELECT herald.sweep(); SELECT herald.trim(interval '0', 100)" 2>&1
}
as_app "CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; SELECT herald.watch('t')" >/dev/null
check 'a watched table takes a write, with row level security on every new table' '' "$(as_app "INSERT INTO t VALUES (1); SELECT herald.publish('a', '1')")"
check '… also where a dump is loaded' '' "$(as_app 'SET row_security = off; INSERT INTO t VALUES (2)')"
check '… the server takes the rows, sweeps and trims, with a publication of all tables' '3 4 3' "$(go_round | xargs)"
check '… and a truncate and rules work' '' "$(as_app "TRUNCATE t; SELECT herald.set_rule('*', anonymous_clients => true); SELECT herald.drop_rule('*')")"
check '… so does presence' '' "$(run_sql strict "SET ROLE herald_server; SELECT herald.write_presence('n', true, '{t}', '{a}', '{s}', '{NULL}', '{NULL}', '{\"{}\"}', '{1}')" 2>&1)"
go_round >/dev/null
run_sql strict "DO \$\$ DECLARE c record; BEGIN FOR c IN SELECT oid::regclass AS t FROM pg_class WHERE relnamespace = 'herald'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', c.t); END LOOP; END \$\$"
check 'somebody enables it on our tables later' '' "$(as_app "INSERT INTO t VALUES (1); SELECT herald.publish('a', '1'); SELECT herald.set_rule('*', anonymous_clients => true)")"
check '… and the server goes on' '2 2 2' "$(go_round | xargs)"
run_sql strict 'SELECT herald.harden_tables()' >/dev/null
check '… and it can be put right' '' "$(as_app 'SET row_security = off; INSERT INTO t VALUES (2)')"

# Owners. No event trigger fires for REASSIGN OWNED.
run_sql strict "CREATE ROLE heir; GRANT CREATE ON SCHEMA public TO heir"
check 'a table with row level security is refused without a word who may see its rows' 1 "$(as_app "CREATE TABLE whole (id int PRIMARY KEY, who text) PARTITION BY RANGE (id);
    SELECT herald.watch('whole')" | grep -c 'whole has row level security: say who may see')"
as_app "CREATE TABLE whole (id int PRIMARY KEY, who text) PARTITION BY RANGE (id); SELECT herald.watch('whole', visible => '\"everybody\"')" >/dev/null
run_sql strict 'REASSIGN OWNED BY app TO heir'
check 'the server notices a new owner' 'public.whole' "$(run_sql strict "SET ROLE herald_server; SELECT herald.refresh_stale(), herald.refresh_stale()" >/dev/null; \
    run_sql strict "SET ROLE herald_server; SELECT \"table\" FROM herald.refresh_stale()"; run_sql strict "SELECT 'public.whole' WHERE NOT EXISTS (SELECT FROM herald.watches WHERE stale)")"
check 'the new owner can create partitions' '' "$(run_sql strict 'SET ROLE heir; CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (10)' 2>&1)"

# A part that is watched itself. The nearest watch announces; nothing twice.
run_sql strict "SET ROLE heir; ALTER TABLE whole_1 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; ALTER TABLE whole DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
    CREATE TABLE whole_2 (id int PRIMARY KEY, who text); ALTER TABLE whole_2 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
run_sql strict "GRANT herald_admin TO heir"
news strict >/dev/null
as_heir() { PGOPTIONS="-c client_min_messages=${2:-error} -c role=heir" run_sql strict "$1" 2>&1; }
as_heir "SELECT herald.watch('whole_2')" >/dev/null
check 'a watched table becomes a part of another, and that is told' 1 \
    "$(as_heir 'ALTER TABLE whole ATTACH PARTITION whole_2 FOR VALUES FROM (10) TO (20)' warning | grep -c 'WARNING.*whole_2 is a part of .*whole, but watched itself')"
as_heir "INSERT INTO whole VALUES (1, 'a'), (11, 'b')"
check '… each change is announced once' 'public.whole {"id":1,"who":"a"} public.whole_2 {"id":11,"who":"b"}' "$(news strict)"
run_sql strict 'ALTER EVENT TRIGGER herald_ddl DISABLE; ALTER EVENT TRIGGER herald_drop DISABLE'
as_heir "CREATE TABLE whole_3 (id int PRIMARY KEY, who text); ALTER TABLE whole_3 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; SELECT herald.watch('whole_3');
    ALTER TABLE whole ATTACH PARTITION whole_3 FOR VALUES FROM (20) TO (30); INSERT INTO whole VALUES (21, 'c')" >/dev/null
check '… also without event triggers' 'public.whole_3 {"id":21,"who":"c"}' "$(news strict)"
run_sql strict 'ALTER EVENT TRIGGER herald_ddl ENABLE; ALTER EVENT TRIGGER herald_drop ENABLE'
check 'unwatching the part gives it to the whole' t "$(as_heir "SELECT herald.unwatch('whole_2')")"
as_heir "INSERT INTO whole VALUES (12, 'd')"
check '… at once' 'public.whole {"id":12,"who":"d"}' "$(news strict)"
check 'a part of a watched table is refused, with what to do' 1 "$(as_heir "SELECT herald.watch('whole_2')" | grep -c 'whole_2 is a part of .*whole, which is watched')"
as_heir "SELECT herald.unwatch('whole'); SELECT herald.watch('whole_2', channel => 'two')" >/dev/null
check 'watching the whole over watched parts is told' 2 "$(as_heir "SELECT herald.watch('whole')" warning | grep -c 'WARNING.*is a part of')"
as_heir "INSERT INTO whole VALUES (2, 'e'), (13, 'f'), (22, 'g')" >/dev/null
check '… and each change is announced once' 'public.whole {"id":2,"who":"e"} two {"id":13,"who":"f"} public.whole_3 {"id":22,"who":"g"}' "$(news strict)"
as_heir "ALTER TABLE whole DETACH PARTITION whole_2; INSERT INTO whole_2 VALUES (14, 'h')"
check 'a part that leaves keeps its watch' 'two {"id":14,"who":"h"}' "$(news strict)"
# A row in herald.watch without a trigger is anybody's: it must not silence a part.
run_sql strict "SET ROLE herald_admin; SELECT herald.prepare_watch('whole_1')" >/dev/null
run_sql strict 'ALTER EVENT TRIGGER herald_ddl DISABLE'
as_heir "CREATE TABLE whole_4 PARTITION OF whole FOR VALUES FROM (40) TO (50); ALTER TABLE whole_4 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
run_sql strict "SET ROLE herald_admin; SELECT herald.prepare_watch('whole_4')" >/dev/null
as_heir "INSERT INTO whole VALUES (3, 'i'), (41, 'j')"
check 'a stranger cannot take a part away' 'public.whole {"id":3,"who":"i"} public.whole {"id":41,"who":"j"}' "$(news strict)"
exit $((failures > 0))
