#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The doorbell. A sequencer's life is played in one psql session, writers in another: twelve rounds of a transaction that
# inserts while the sequencer is awake and commits when that wants to sleep, and twelve of one that inserts while it sleeps.
# Each change must be found because of the lock or of a NOTIFY: the safety look does not exist here, so a lost wake-up
# ends the test at its deadline. Then writers are cancelled, and must leave no lock behind.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

export CLUSTER_CONF='max_prepared_transactions = 2'
cluster_start
cluster_install bell
run_sql bell "CREATE TABLE t (id int PRIMARY KEY); SELECT herald.watch('t'); ALTER ROLE herald_server SET client_min_messages = warning" >/dev/null

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
look() { sequencer "SELECT count(*) FROM herald.sequence('b', 1000, 1000000, '{}', '{}', '{}', '{}');"; }

is_notified=0
sequencer 'LISTEN herald; SELECT herald.lead();'
check 'the server leads' t "$answer"
sequencer 'SELECT is_renewed FROM herald.open(NULL);'

for round in $(seq 12); do
    # Awake: the writer takes the shared lock and does not ring.
    writer "BEGIN; SAVEPOINT a; INSERT INTO t VALUES ($round); ROLLBACK TO a; INSERT INTO t VALUES ($round);"
    look
    [ "$answer" = 0 ] || check "round $round: an uncommitted change is not seen" 0 "$answer"
    for _ in 1 2 3; do
        sequencer 'SELECT herald.try_sleep();'
        [ "$answer" = f ] && n_refused=$((n_refused + 1))
    done
    writer 'COMMIT;'
    is_notified=0
    sequencer 'SELECT herald.try_sleep();'
    [ "$answer" = t ] || check "round $round: after the commit it may sleep" t "$answer"
    look
    [ "$answer" = 1 ] || check "round $round: the look after falling asleep finds the late commit" 1 "$answer"
    [ $is_notified = 0 ] || check "round $round: without a notification" 0 $is_notified

    # Asleep: the writer is refused and rings, at its commit.
    writer "BEGIN; INSERT INTO t VALUES (100 + $round);"
    sequencer "SELECT 1;"
    [ $is_notified = 0 ] || check "round $round: nobody rings before the commit" 0 $is_notified
    writer 'COMMIT;'
    deadline=$((SECONDS + 20))
    while [ $is_notified = 0 ] && [ $SECONDS -lt $deadline ]; do
        sequencer 'SELECT 1;'
    done
    n_notified=$((n_notified + is_notified))
    sequencer 'SELECT herald.wake();'
    look
    [ "$answer" = 1 ] || check "round $round: the notification is true" 1 "$answer"
done
check 'twelve late commits: each kept the sequencer awake until it was visible' 36 $n_refused
check 'twelve commits while it slept: each rang' 12 $n_notified

sequencer 'SELECT herald.try_sleep();'
is_notified=0
writer 'BEGIN; INSERT INTO t VALUES (1000); ROLLBACK; UPDATE t SET id = id;'
sequencer 'SELECT 1;'
check 'a rollback and an empty update do not ring' 0 $is_notified
writer "SET herald.doorbell = off; INSERT INTO t VALUES (1000); SET herald.doorbell = on;"
sequencer 'SELECT 1;'
check 'herald.doorbell = off: nobody rings' 0 $is_notified
writer "SET herald.doorbell = off; BEGIN; INSERT INTO t VALUES (1001); PREPARE TRANSACTION 'x'; COMMIT PREPARED 'x'; SET herald.doorbell = on;"
check '… and a two-phase commit goes through' '' "$answer"
sequencer 'SELECT herald.wake();'

# A cancelled writer on a pooled connection.
for round in $(seq 20); do
    writer "SET statement_timeout = $((round + 5)); INSERT INTO t SELECT i FROM generate_series(10000, 90000) i; RESET statement_timeout;"
done
check 'the writers were really cancelled' 0 "$(run_sql bell 'SELECT count(*) FROM t WHERE id >= 10000')"
writer 'BEGIN; INSERT INTO t VALUES (2000); SELECT 1 / 0; ROLLBACK;'
check 'cancelled and failed writers leave no lock' 0 "$(run_sql bell "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1")"
sequencer 'SELECT herald.try_sleep();'
check '… so the sequencer can sleep at once' t "$answer"

# A second server does not lead; it does when the first is gone.
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
