#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The doorbell, first on paper (doorbell-model.js), then in Postgres. A sequencer's life is played in one psql session, writers
# in another: twelve rounds of a transaction that inserts while the sequencer is awake and commits when that wants to sleep,
# and twelve of one that inserts while it sleeps.
# Each change must be found because of the lock or of a NOTIFY: the safety look does not exist here, so a lost wake-up
# ends the test at its deadline. Then the sequencer stands still, or a stranger holds a lock, and nobody may ring; and writers are
# cancelled, and must leave no lock behind.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

node "$here/doorbell-model.js" || failures=1

export CLUSTER_CONF='max_prepared_transactions = 2'
cluster_start
cluster_install bell
run_sql bell "CREATE TABLE t (id int PRIMARY KEY); SELECT herald.watch('t'); ALTER ROLE herald_server SET client_min_messages = warning; ALTER DATABASE bell SET herald.doorbell = on" >/dev/null

coproc SEQUENCER { PGUSER=herald_server exec "$bin/psql" -XqAt -d bell 2>&1; }
# bash warns about a second one, and only about that.
{ coproc WRITER { exec "$bin/psql" -XqAt -d bell 2>&1; }; } 2>/dev/null
n_notified=0
n_refused=0

# Sends SQL, puts the lines of the answer into $answer; counts notifications on the way.
ask() { # OUT IN SQL
    local line
    answer=
    printf '%s\n\\echo --\n' "$3" >&"$2"
    while IFS= read -r -t 20 line <&"$1"; do
        case $line in
        --) return 0 ;;
        Asynchronous*) is_notified=1 ;;
        *) answer+=$line ;;
        esac
    done
    echo "no answer to: $3" >&2
    return 1
}
sequencer() { ask "${SEQUENCER[0]}" "${SEQUENCER[1]}" "$1"; }
writer() { ask "${WRITER[0]}" "${WRITER[1]}" "$1"; }
# Falls asleep, or stays so; $slot is empty if it may not. The doorbell's keys are a lease: between two steps of this script, which
# takes its time, it is prolonged as the server does, or it would run out now and then.
slot=
doze() {
    local renewed=
    [ -z "$slot" ] || { sequencer "SELECT herald.stay_asleep($slot);" && renewed=$answer; }
    [ -z "$slot" ] || [ -n "$renewed" ] || sequencer "SELECT herald.wake($slot);"
    slot=$renewed
    [ -n "$slot" ] || { sequencer 'SELECT herald.try_sleep();' && slot=$answer; }
}
wake() { sequencer "SELECT herald.wake($slot);" && slot=; }
# $answer: how many changes it finds. It is made in another session, which has left no lock when it ends.
look() {
    local before
    before=$(run_sql bell 'SELECT count(*) FROM herald.log')
    drain bell >/dev/null
    sequencer 'SELECT 1;'
    answer=$(($(run_sql bell 'SELECT count(*) FROM herald.log') - before))
}

is_notified=0
sequencer 'LISTEN herald;'
sequencer 'SELECT is_renewed FROM herald.open(NULL);'

for round in $(seq 12); do
    # Awake: the writer takes the shared lock and does not ring.
    writer "BEGIN; SAVEPOINT a; INSERT INTO t VALUES ($round); ROLLBACK TO a; INSERT INTO t VALUES ($round);"
    look
    [ "$answer" = 0 ] || check "round $round: an uncommitted change is not seen" 0 "$answer"
    for _ in 1 2 3; do
        doze
        [ -z "$slot" ] && n_refused=$((n_refused + 1))
    done
    writer 'COMMIT;'
    is_notified=0
    doze
    [ -n "$slot" ] || check "round $round: after the commit it may sleep" t f
    look
    [ "$answer" = 1 ] || check "round $round: the look after falling asleep finds the late commit" 1 "$answer"
    [ $is_notified = 0 ] || check "round $round: without a notification" 0 $is_notified

    # Asleep: the writer is refused and rings, at its commit.
    doze
    writer "BEGIN; INSERT INTO t VALUES (100 + $round);"
    sequencer "SELECT 1;"
    [ $is_notified = 0 ] || check "round $round: nobody rings before the commit" 0 $is_notified
    writer 'COMMIT;'
    deadline=$((SECONDS + 20))
    while [ $is_notified = 0 ] && [ $SECONDS -lt $deadline ]; do
        sequencer 'SELECT 1;'
    done
    n_notified=$((n_notified + is_notified))
    wake
    look
    [ "$answer" = 1 ] || check "round $round: the notification is true" 1 "$answer"
done
check 'twelve late commits: each kept the sequencer awake until it was visible' 36 $n_refused
check 'twelve commits while it slept: each rang' 12 $n_notified

# What rings, and what does not: whether a notification is there once SQL of the writer is through.
rings() { # SQL
    is_notified=0
    writer "$1"
    said=$answer
    sequencer 'SELECT 1;'
    sequencer 'SELECT 1;' # psql prints notifications after an answer
}
doze
rings 'BEGIN; INSERT INTO t VALUES (1000); ROLLBACK; UPDATE t SET id = id;'
check 'a rollback and an empty update do not ring' 0 $is_notified
doze
rings 'SET herald.doorbell = off; INSERT INTO t VALUES (1000); RESET herald.doorbell;'
check 'herald.doorbell = off: nobody rings' 0 $is_notified
doze
rings "SET herald.doorbell = off; BEGIN; INSERT INTO t VALUES (1001); PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'; RESET herald.doorbell;"
check '… and a two-phase commit goes through' '0 ' "$is_notified $said"
doze
writer "BEGIN; INSERT INTO t VALUES (1002); PREPARE TRANSACTION 'x'; ROLLBACK;"
check '… which one who rings cannot' 1 "$(grep -c 'cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY' <<<"$answer")"
wake
writer "BEGIN; INSERT INTO t VALUES (1003); PREPARE TRANSACTION 'x';"
doze
check 'a prepared transaction keeps the sequencer awake' '' "$slot"
writer "COMMIT PREPARED 'x';"
doze
look
check '… until it is committed, and then it is seen' 't 3' "${slot:+t} $answer"

# Unset, max_prepared_transactions decides, for the writers and for the server alike.
obstacle='SELECT left(herald.doorbell_obstacle(), 30)'
check 'with max_prepared_transactions nobody rings by default' 'max_prepared_transactions is 2' \
    "$(PGOPTIONS='-c herald.doorbell=' run_sql bell "$obstacle")"
check '… which the server hears' 'max_prepared_transactions is 2' "$(PGUSER=herald_server PGOPTIONS='-c herald.doorbell=' run_sql bell "$obstacle")"
doze
rings "SET herald.doorbell = ''; BEGIN; INSERT INTO t VALUES (1004); PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'; RESET herald.doorbell;"
check '… so a two-phase commit goes through while it sleeps' '0 ' "$is_notified $said"
check 'herald.doorbell decides otherwise' '' "$(run_sql bell "$obstacle")"
check '… either way' 'the setting herald.doorbell is' "$(PGOPTIONS='-c herald.doorbell=off' run_sql bell "$obstacle")"

# Rights that are open to all until somebody closes them.
run_sql bell "REVOKE EXECUTE ON FUNCTION pg_notify(text, text) FROM PUBLIC"
doze
rings "SET ROLE herald_publisher; SELECT herald.publish('a', '1'); RESET ROLE; INSERT INTO t VALUES (1005);"
check 'without EXECUTE on pg_notify writers write, and ring' '1 ' "$is_notified $said"
check '… and servers are told of rules' '' "$(run_sql bell "SELECT herald.set_rule('room', anonymous_clients => true)")"

# The sequencer stands still: its session keeps the doorbell, but nobody prolongs the lease.
doze
stood=$slot
wait_until 'the lease is over' "SELECT herald.doorbell_slot() NOT IN ($stood, 16 + ($stood - 15) % 128)" bell
rings 'INSERT INTO t VALUES (1100);'
check 'nobody rings for a server that stands still' 0 $is_notified
check '… which still holds its locks' 3 "$(run_sql bell "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objid <> 2")"
writer 'BEGIN; INSERT INTO t VALUES (1101);'
sequencer "SELECT herald.stay_asleep($stood);"
check 'when it goes on it is told' '' "$answer"
wake
look
check '… finds what came meanwhile' t "$([ "$answer" -ge 1 ] && echo t)"
doze
check '… may not sleep while a silent writer is under way' '' "$slot"
writer 'COMMIT;'
doze
look
check '… and finds him' 't 1' "${slot:+t} $answer"
wake

# A stranger's locks, one by one: 1 the doorbell, 3 silence, and all of the lease.
for keys in 1 3 'generate_series(16, 143)'; do
    { coproc STRANGER { exec "$bin/psql" -XqAt -d bell 2>&1; }; } 2>/dev/null
    ask "${STRANGER[0]}" "${STRANGER[1]}" "DO \$\$ BEGIN PERFORM pg_advisory_lock(1751478881, k) FROM (SELECT $keys AS k) s; END \$\$;"
    doze
    rings "INSERT INTO t SELECT max(id) + 1 FROM t WHERE id < 10000;"
    check "a stranger with $keys: the sequencer stays awake, nobody rings" ' 0' "$slot $is_notified"
    check '… and he is named' 1 "$(run_sql bell 'SELECT cardinality(foreign_lock_holders) FROM herald.status')"
    to_stranger=${STRANGER[1]}
    stranger=$STRANGER_PID
    exec {to_stranger}>&-
    wait "$stranger" || true
    wait_until 'the stranger is gone' "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND a.usename = 'postgres')" bell
done

# A cancelled writer on a pooled connection.
for round in $(seq 20); do
    writer "SET statement_timeout = $((round + 5)); INSERT INTO t SELECT i FROM generate_series(10000, 90000) i; RESET statement_timeout;"
done
check 'the writers were really cancelled' 0 "$(run_sql bell 'SELECT count(*) FROM t WHERE id >= 10000')"
writer 'BEGIN; INSERT INTO t VALUES (2000); SELECT 1 / 0; ROLLBACK;'
check 'cancelled and failed writers leave no lock' 0 "$(run_sql bell "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid <> 2")"
doze
check '… so the sequencer can sleep at once' t "${slot:+t}"

# A second server does not lead; it does when the first is gone.
sequencer 'SELECT herald.lead();'
check 'the server leads' t "$answer"
check 'a second server does not lead' f "$(PGUSER=herald_server run_sql bell 'SELECT herald.lead()')"
check '… nor behind a pooler' f "$(PGUSER=herald_server run_sql bell 'SELECT herald.lead(false)')"
check '… and is told whose lock it is' t "$(PGUSER=herald_server run_sql bell 'SELECT herald.leader() = pid FROM pg_locks WHERE objid = 2 AND granted')"
to_server=${SEQUENCER[1]}
exec {to_server}>&-
wait_until 'the first server is gone' "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'herald_server')" bell
check 'when the first is gone the second leads' t "$(PGUSER=herald_server run_sql bell 'SELECT herald.lead()')"
wait_until 'the second is gone, too' "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'herald_server')" bell
check 'behind a pooler no lock is left' 't 0' "$(PGUSER=herald_server "$bin/psql" -XqAt -d bell <<<"
    SELECT herald.lead(false); SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();" | xargs)"
exit $((failures > 0))
