#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# Two migrations of different tables at the same time. The first does one thing to its table and stays open; whatever the second
# does to another table must be done at once, as it is without watches; and the first may then touch the second's table. (They
# waited for one lock of ours, the second with its own table locked exclusively, and then for each other.)

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# A lock of ours shows itself by the time-out, not by a deadlock of some runs: nothing here is waited for.
CLUSTER_CONF="deadlock_timeout = 20s" cluster_start
cluster_install two
export PGOPTIONS='-c client_min_messages=error -c lock_timeout=8s'

kinds='alter rename drop part attach watch again unwatch type refresh'
make() { # TABLE: watched, partitioned, with a type of its own
    echo "CREATE TYPE $1_kind AS (n int); CREATE TABLE $1 (id int PRIMARY KEY, kind $1_kind) PARTITION BY RANGE (id);
          CREATE TABLE $1_1 PARTITION OF $1 FOR VALUES FROM (1) TO (1000); CREATE TABLE $1_new (LIKE $1);
          CREATE TABLE $1_bare (id int PRIMARY KEY); SELECT herald.watch('$1');"
}
do_it() { # KIND TABLE
    case $1 in
    alter) echo "ALTER TABLE $2 ADD COLUMN more text" ;;
    rename) echo "ALTER TABLE $2 RENAME COLUMN kind TO sort" ;;
    drop) echo "DROP TABLE $2" ;;
    part) echo "CREATE TABLE $2_2 PARTITION OF $2 FOR VALUES FROM (1000) TO (2000)" ;;
    attach) echo "ALTER TABLE $2 ATTACH PARTITION $2_new FOR VALUES FROM (2000) TO (3000)" ;;
    watch) echo "SELECT herald.watch('$2_bare')" ;;
    again) echo "SELECT herald.watch('$2', channel => '$2/{id}')" ;;
    unwatch) echo "SELECT herald.unwatch('$2')" ;;
    type) echo "ALTER TYPE $2_kind ADD ATTRIBUTE m int" ;;
    refresh) echo "SELECT herald.refresh()" ;;
    esac
}

coproc FIRST { exec "$bin/psql" -XqAt -v VERBOSITY=terse -d two 2>&1; }
first() { # SQL: runs it in the first session and prints its last line
    local line last=''
    printf '%s;\n\\echo end\n' "$1" >&"${FIRST[1]}"
    while read -r -t 30 line <&"${FIRST[0]}" && [ "$line" != end ]; do last=$line; done
    echo "$last"
}

n_pairs=0
stale=
for x in $kinds; do
    all='CREATE SCHEMA s;'
    for y in $kinds; do
        all="$all $(make "s.a_$y") $(make "s.b_$y")"
    done
    run_sql two "$all" >/dev/null
    for y in $kinds; do
        said="$(first "BEGIN; $(do_it "$x" "s.a_$y")")$(run_sql two "$(do_it "$y" "s.b_$y")" 2>&1 | grep ERROR || true)"
        said="$said$(first "LOCK TABLE s.b_${y}_bare IN ACCESS EXCLUSIVE MODE")$(first COMMIT)"
        case $said in *ERROR*) check "$x of one table stays open, $y of another" '' "$said" ;; esac
        n_pairs=$((n_pairs + 1))
    done
    stale="$stale$(run_sql two "SELECT \"table\" FROM herald.watches WHERE stale")"
    run_sql two 'DROP SCHEMA s CASCADE'
done
check 'every pair was tried' 100 "$n_pairs"
check 'every trigger function fits its table' '' "$stale"
check 'dropped tables took their watches along' 0 "$(run_sql two "SELECT count(*) FROM herald.watch w WHERE w.relation::text ~ '^[0-9]'")"
check 'and their functions' t "$(run_sql two "SELECT (SELECT count(*) FROM pg_proc WHERE proname LIKE 'capture\_%' AND prorettype = 'trigger'::regtype) = (SELECT count(*) FROM herald.watch)")"
check 'nothing stays where they are made' 0 "$(run_sql two "SELECT count(*) FROM pg_proc WHERE pronamespace = 'herald_cradle'::regnamespace")"

# What one transaction has to change for two tables may not stop a second one either; what that leaves behind is named.
run_sql two "CREATE TYPE shared AS (n int); CREATE TABLE one (id int PRIMARY KEY, kind shared); CREATE TABLE other (id int PRIMARY KEY, kind shared);
             SELECT herald.watch('one'), herald.watch('other')" >/dev/null
first 'BEGIN; ALTER TYPE shared ADD ATTRIBUTE m int' >/dev/null
check 'a type of two tables is altered, and one of them by another transaction: it is told' 1 \
    "$(PGOPTIONS='-c lock_timeout=8s' run_sql two 'ALTER TABLE other ADD COLUMN more text' 2>&1 | grep -c 'WARNING.*could not follow: herald: another transaction')"
first 'LOCK TABLE other IN ACCESS EXCLUSIVE MODE' >/dev/null
check '… no deadlock' '' "$(first COMMIT)"
check '… the table is known to be stale' other "$(run_sql two "SELECT \"table\" FROM herald.watches WHERE stale")"
check '… and what the server does mends it' public.other "$(run_sql two 'SELECT "table" || problem IS NULL, "table" FROM herald.refresh_stale()' | cut -d'|' -f2)"
run_sql two "INSERT INTO other VALUES (1, ROW(1, 2), 'x')"
check '… its events are whole' 'public.other {"id":1,"kind":{"n":1,"m":2},"more":"x"}' "$(news two)"

# Stale tables, no event triggers: a refresh that stays open is in nobody's way.
run_sql two "ALTER EVENT TRIGGER herald_ddl DISABLE"
run_sql two "ALTER TABLE one ADD COLUMN more text; ALTER TABLE other ADD COLUMN most text"
first 'BEGIN; SELECT herald.refresh()' >/dev/null
run_sql two "ALTER EVENT TRIGGER herald_ddl ENABLE"
check 'a refresh of stale tables stays open, and one is altered' '' "$(run_sql two 'ALTER TABLE other DROP COLUMN most' 2>&1)"
first COMMIT >/dev/null
run_sql two "SELECT herald.refresh(); UPDATE other SET more = 'y'" >/dev/null
check '… and both are followed in the end' 'public.other {"id":1,"kind":{"n":1,"m":2},"more":"y"}' "$(news two)"

# Who has read a table and then writes it, while it is watched again or no more.
for call in "watch('one', channel => 'again')" "unwatch('one')"; do
    first 'BEGIN; SELECT count(*) FROM one' >/dev/null
    run_sql two "SELECT herald.$call" >"$work/call" 2>&1 &
    pending=$!
    wait_until 'it waits for the table' "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')" two
    check "a reader writes while $call waits" '' "$(first 'INSERT INTO one SELECT coalesce(max(id), 0) + 1 FROM one')$(first COMMIT)"
    wait "$pending"
done

# watch() of many tables: what the last one looks at does not grow with those before.
run_sql two "DO \$\$ BEGIN FOR i IN 1 .. 300 LOOP EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY, a text)', i); END LOOP; END \$\$"
blocks() { # FROM TO: shared blocks that watching these tables touches
    run_sql two "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT herald.watch(('many_' || i)::regclass) FROM generate_series($1, $2) i" |
        sed -n 's/.*"Shared Hit Blocks": \([0-9]*\).*/\1/p' | sort -n | tail -1
}
blocks 1 20 >/dev/null # caches
early=$(blocks 21 40)
run_sql two "SELECT count(herald.watch(('many_' || i)::regclass)) FROM generate_series(41, 280) i" >/dev/null
late=$(blocks 281 300)
echo "# blocks to watch twenty tables: $early with 50 watches, $late with 300"
check 'watching a table costs the same with six times as many watches' t "$([ "$late" -lt $((early * 3 / 2)) ] && echo t)"
exit $((failures > 0))
