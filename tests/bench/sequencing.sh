#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# Instructions of Postgres for a batch of 1, 50 and 1000 rows over 100 channels: herald.take() and herald.store(), each called alone in a
# session under callgrind (postgres --single), as often as it takes until all plans are made. What the server does between the two,
# numbering, is done in SQL here and not counted.
#
#   tests/bench/sequencing.sh        after make build/release/tests/tools/drain

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"

payload='{"data":{"action":"insert","schema":"public","table":"watched","new":{"id":"1234","room":17,"name":"some name","note":"a note of medium length for this row","price":"12.50","at":"2026-11-29T21:00:00.123456+00:00"},"old":null},"dbo_id":0,"row_id":0}'

# One line each: postgres --single ends a command at the end of its line.
count() { # NAME: what was run since the last one
    echo 'SELECT pg_backend_pid()' # where callgrind writes its counts
    echo "$1" >>"$work/names"
}

batch() { # NUMBER OF ROWS, which time
    echo "INSERT INTO watched (room, name, note, price) SELECT i % 100, 'some name', 'a note of medium length for this row', 12.50 FROM generate_series(1, $1) i"
    count '-'
    echo 'BEGIN'
    echo 'EXECUTE take'
    echo 'ROLLBACK'
    count "take $1"
    echo 'BEGIN'
    echo "INSERT INTO taken SELECT t.*, row_number() OVER () FROM herald.take(2000, 100000000, false) t"
    echo "INSERT INTO sent SELECT b.id, b.channel, b.old, max(t.id), b.options, array_agg('rooms/' || t.nth % 100 ORDER BY t.nth), array_agg(herald.head_of('rooms/' || t.nth % 100) + 1 + (t.nth - 2) / 100 ORDER BY t.nth), array_agg('$payload'::text), array_agg(t.xid ORDER BY t.nth), array_agg(t.shape ORDER BY t.nth) FROM taken b JOIN taken t ON t.action <> 'b' WHERE b.action = 'b' GROUP BY b.id, b.channel, b.old, b.options"
    count '-'
    echo "EXECUTE store('$1-$2')"
    echo 'COMMIT'
    count "store $1"
    echo 'DELETE FROM taken'
    echo 'DELETE FROM sent'
}

cluster_start
cluster_install bench
run_sql bench "
    CREATE TABLE watched (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room int, name text, note text, price numeric, at timestamptz DEFAULT now());
    SELECT herald.watch('watched', channel => 'rooms/{room}');
    CREATE TABLE taken AS SELECT t.*, 0::bigint AS nth FROM herald.take(1, 1, false) t;
    CREATE TABLE sent (batch bigint, epoch text, seen text, last_id bigint, at text, channels text[], offsets bigint[], payloads text[], xids xid8[], shapes bigint[]);
    INSERT INTO herald.channel (name) SELECT 'rooms/' || i FROM generate_series(0, 99) i" >/dev/null
run_sql bench 'VACUUM ANALYZE'
as_postgres "$server/pg_ctl" -D "$work/data" -m fast -w stop >/dev/null
{
    # The server's session parses each of its statements once, and has told Postgres how long its transactions may stand still.
    echo "SET idle_in_transaction_session_timeout = '5s'"
    echo 'PREPARE take AS SELECT count(*) FROM herald.take(2000, 100000000, false)'
    echo "PREPARE store(text) AS SELECT herald.store(\$1, s.batch, s.epoch, s.seen::pg_snapshot, s.last_id, '', true, s.at::timestamptz, s.channels, s.offsets, s.payloads::json[], NULL, NULL, s.xids, s.shapes, NULL, 0) FROM sent s"
} >"$work/script"
for n in 1 50 1000; do
    for time in 1 2 3 4 5 6 7; do # the plan that stays is made in the sixth
        batch $n $time
    done
done >>"$work/script"
chmod a+r "$work/script"
as_postgres valgrind --tool=callgrind --dump-before=pg_backend_pid --callgrind-out-file="$work/out" \
    "$server/postgres" --single -D "$work/data" -c fsync=off -c log_min_messages=error bench <"$work/script" >"$work/stdout" 2>"$work/stderr"
if grep ERROR "$work/stderr"; then
    exit 1
fi
i=0
while read -r name; do
    i=$((i + 1))
    echo "$name $(sed -n 's/^\(summary\|totals\): *\([0-9]*\).*/\2/p' "$work/out.$i" | head -1)"
done <"$work/names" | awk '$1 != "-" { last[$1 " " $2] = $3 } END { for (name in last) print name, last[name] }' | sort -k1,1r -k2n
