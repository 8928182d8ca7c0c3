#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The order test. Sixteen writers commit out of order: random delays, savepoints, rollbacks, rows they fight for; some of
# their changes are publishes. Two rival sequencers, which also append messages of their own, and sweep and trim beside
# them, are killed at random, and the whole server once. Then the log is compared with the tables: nothing lost, doubled,
# made up or reordered, and no gap in any offset.
#
#   tests/sql/order.sh [rounds per writer, default 12] [seed]

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

n_writers=16
n_rounds=${1:-12}
seed=${2:-$RANDOM}
n_kills=0
echo "# seed $seed"

cluster_start
cluster_install herald_order
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d herald_order >/dev/null <<'SQL'
CREATE TABLE ledger (writer int, n int, room int, PRIMARY KEY (writer, n));
CREATE TABLE counter (id int PRIMARY KEY, v int NOT NULL);
CREATE TABLE said (writer int, n int, PRIMARY KEY (writer, n));
INSERT INTO counter SELECT i, 0 FROM generate_series(1, 8) i;
SELECT herald.watch('ledger', channel => 'ledger/{room}'), herald.watch('counter', channel => 'counter/{id}');
SQL
rivals herald_order

# One round of one writer: twenty-five transactions.
writer_script() { # WRITER ROUND
    awk -v writer="$1" -v round="$2" -v seed="$((seed * 7919 + $1 * 1000 + $2))" '
    function delay() { if (rand() < 0.25) printf "SELECT pg_sleep(%.4f);\n", rand() * 0.02 }
    function row() { n++; printf "INSERT INTO ledger VALUES (%d, %d, %d);\n", writer, n, int(rand() * 3) }
    BEGIN {
        srand(seed); n = round * 1000
        for (i = 0; i < 25; i++) {
            print "BEGIN;"
            row(); delay()
            if (rand() < 0.4) { print "SAVEPOINT a;"; row(); delay(); if (rand() < 0.5) print "ROLLBACK TO a;"; row() }
            if (rand() < 0.3) { n++; printf "INSERT INTO said VALUES (%d, %d); SELECT herald.publish($$said$$, $${\"w\": %d, \"n\": %d}$$);\n", writer, n, writer, n }
            if (rand() < 0.5) { delay(); printf "UPDATE counter SET v = v + 1 WHERE id = %d;\n", 1 + int(rand() * 8) }
            delay()
            print (rand() < 0.15) ? "ROLLBACK;" : "COMMIT;"
        }
    }'
}
writer() { # WRITER
    local round
    for round in $(seq "$n_rounds"); do
        writer_script "$1" "$round" >"$work/writer-$1.sql"
        "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d herald_order -f "$work/writer-$1.sql" >/dev/null 2>>"$work/writers.err" ||
            sleep 0.2 # its server died: the next round goes on
    done
}
# A sequencer, life after life, each with messages that name it. What it says at its end is what was told to be stored.
sequencer() { # NAME
    local life=0 messages i
    while [ ! -e "$work/stop" ]; do
        life=$((life + 1))
        messages=()
        for i in 1 2 3 4 5; do
            messages+=("said/$1" - - "\"$1-$life-$i\"")
        done
        drain herald_order 150 20000 $((RANDOM % 20 + 1)) "${messages[@]}" >/dev/null 2>>"$work/sequencers.err" || continue
        for i in 1 2 3 4 5; do echo "$1-$life-$i"; done >>"$work/acked"
        [ $((life % 10)) != 0 ] || PGUSER=herald_server run_sql herald_order "SELECT herald.sweep(), herald.trim('7 days', 100)" >/dev/null 2>>"$work/sequencers.err" || true
    done
}

touch "$work/acked"
sequencer a &
sequencers=$!
sequencer b &
sequencers+=" $!"
writers=
for w in $(seq $n_writers); do
    writer "$w" &
    writers+=" $!"
done

RANDOM=$seed
crash_at=$((n_rounds * 3))
while [ "$(for p in $writers; do kill -0 "$p" 2>/dev/null && echo alive; done)" ]; do
    sleep "0.0$((RANDOM % 90 + 10))"
    if [ $n_kills = $crash_at ]; then
        n_kills=$((n_kills + 1))
        cluster_restart immediate
        echo "# the server crashed once"
    fi
    n_kills=$((n_kills + $(run_sql herald_order "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
        WHERE usename = 'herald_server' ORDER BY random() LIMIT 1) s" 2>/dev/null || echo 0)))
done
touch "$work/stop"
# shellcheck disable=SC2086
wait $sequencers

# The rest.
drain herald_order >/dev/null

"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d herald_order <<SQL
CREATE TABLE acked (batch text);
\\copy acked FROM '$work/acked'
CREATE VIEW caught AS SELECT id, channel_offset, channel, (payload #>> '{data,new,writer}')::int AS writer, (payload #>> '{data,new,n}')::int AS n,
    (payload #>> '{data,new,room}')::int AS room FROM herald.log WHERE channel LIKE 'ledger/%';
CREATE VIEW heard AS SELECT id, (payload #>> '{data,w}')::int AS writer, (payload #>> '{data,n}')::int AS n FROM herald.log WHERE channel = 'said';
CREATE VIEW counted AS SELECT id, channel_offset, channel, (payload #>> '{data,new,v}')::int AS v, (payload #>> '{data,old,v}')::int AS was FROM herald.log WHERE channel LIKE 'counter/%';
CREATE VIEW message AS SELECT id, channel_offset, channel, payload #>> '{}' AS batch FROM herald.log WHERE channel LIKE 'said/%';
SQL
count() { run_sql herald_order "SELECT count(*) FROM $1"; }
echo "# $(count ledger) rows, $(count said) publishes, $(run_sql herald_order 'SELECT sum(v) FROM counter') counts, $(count message) messages" \
    "($(count acked) acknowledged), $(count herald.log) events; sequencers killed $n_kills times"
check 'the test had something to do' t "$(run_sql herald_order "SELECT (SELECT count(*) FROM herald.log) > $((n_rounds * 100)) AND (SELECT count(*) FROM acked) > $((n_rounds / 2))")"
check 'sequencers failed only because they were killed' '' \
    "$(grep -E 'ERROR|FATAL' "$work/sequencers.err" | grep -vE 'terminating connection|crashed or was restored|in recovery mode|not yet accepting|starting up|shutting down' | head -n 3)"
check 'sequencers were killed' t "$([ "$n_kills" -ge $((n_rounds / 2)) ] && echo t)"
check 'rows lost' 0 "$(count '(SELECT writer, n, room FROM ledger EXCEPT SELECT writer, n, room FROM caught) x')"
check 'rows made up' 0 "$(count '(SELECT writer, n, room FROM caught EXCEPT SELECT writer, n, room FROM ledger) x')"
check 'rows doubled' 0 "$(count '(SELECT FROM caught GROUP BY writer, n HAVING count(*) > 1) x')"
check 'rows of one writer reordered' 0 "$(count '(SELECT n < lag(n) OVER (PARTITION BY writer ORDER BY id) AS bad FROM caught) x WHERE bad')"
check 'publishes lost' 0 "$(count '(SELECT writer, n FROM said EXCEPT SELECT writer, n FROM heard) x')"
check 'publishes made up' 0 "$(count '(SELECT writer, n FROM heard EXCEPT SELECT writer, n FROM said) x')"
check 'publishes doubled' 0 "$(count '(SELECT FROM heard GROUP BY writer, n HAVING count(*) > 1) x')"
check 'publishes reordered, also among rows' 0 \
    "$(count '(SELECT n < lag(n) OVER (PARTITION BY writer ORDER BY id) AS bad FROM (SELECT * FROM heard UNION ALL SELECT id, writer, n FROM caught) y) x WHERE bad')"
check 'changes of one row lost, doubled or reordered' 0 "$(count 'counted WHERE v <> channel_offset OR was <> channel_offset - 1')"
check 'changes of one row, all of them' 0 "$(count "counter c WHERE v <> (SELECT count(*) FROM counted x WHERE x.channel = 'counter/' || c.id)")"
check 'acknowledged messages lost' 0 "$(count '(SELECT batch FROM acked EXCEPT SELECT batch FROM message) x')"
check 'messages doubled' 0 "$(count '(SELECT FROM message GROUP BY batch HAVING count(*) > 1) x')"
check 'gaps in offsets' 0 "$(count '(SELECT FROM herald.log GROUP BY channel HAVING max(channel_offset) <> count(*) OR min(channel_offset) <> 1) x')"
check 'gaps in ids' t "$(run_sql herald_order 'SELECT max(id) = count(*) AND min(id) = 1 FROM herald.log')"
check 'ids and offsets in one order' 0 "$(count '(SELECT id < lag(id) OVER (PARTITION BY channel ORDER BY channel_offset) AS bad FROM herald.log) x WHERE bad')"
check 'the outbox can be emptied' 0 "$(run_sql herald_order 'SELECT FROM herald.sweep(); SELECT count(*) FROM herald.outbox')"
exit $((failures > 0))
