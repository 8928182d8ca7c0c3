#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# A server that comes back to a backlog: so many rows were written while it was away. Prints when the first of them was in the log,
# counted from the server's start, how many a second followed, what CPU time a row took (schedstat in /proc, which other programs change
# less than they do the rate), and the most memory that the server had.
#
#   tests/bench/backlog.sh [ROWS, default 1000000]     after make and make build/release/tests/tools/drain; 3 GB in /tmp

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"
n_rows=${1:-1000000}
pgherald=${PGHERALD_BIN:-$here/../../build/release/pgherald}
export CLUSTER_CONF="fsync = on
shared_buffers = 256MB
max_wal_size = 8GB
checkpoint_timeout = 1h"

seconds_since() { # NANOSECONDS
    awk -v a="$1" -v b="$(date +%s%N)" 'BEGIN { printf "%.2f", (b - a) / 1e9 }'
}

cpu_of() { # WHO PIDS
    local who=$1
    shift
    for pid in "$@"; do
        cat /proc/"$pid"/task/*/schedstat
    done | awk -v n="$n_rows" -v who="$who" '{ sum += $1 } END { printf "%s: %.1f µs CPU a row\n", who, sum / n / 1000 }'
}

cluster_start
cluster_install bench
run_sql bench "
    CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room int, name text, note text, price numeric, at timestamptz DEFAULT now());
    SELECT herald.watch('rows', channel => 'rooms/{room}')" >/dev/null
start=$(date +%s%N)
for _ in $(seq 10); do
    run_sql bench "INSERT INTO rows (room, name, note, price) SELECT i % 1000, 'some name', 'a note of medium length for this row', 12.50 FROM generate_series(1, $n_rows / 10) i"
done
echo "written in $(seconds_since "$start") s"
start=$(date +%s%N)
"$pgherald" serve --listen 127.0.0.1:0 --database-url "host=$PGHOST user=herald_server dbname=bench" >"$work/server.out" 2>"$work/server.log" &
server_pid=$!
timeout 60 "$bin/psql" -XqAt -d bench -c "DO \$\$ BEGIN WHILE NOT EXISTS (SELECT FROM herald.log) LOOP PERFORM pg_sleep(0.005); END LOOP; END \$\$"
echo "the first row after $(seconds_since "$start") s"
timeout 300 "$bin/psql" -XqAt -d bench -c "DO \$\$ BEGIN WHILE (SELECT max(id) < $n_rows FROM herald.cursor) LOOP PERFORM pg_sleep(0.05); END LOOP; END \$\$"
taken=$(seconds_since "$start")
echo "all after $taken s, $(awk -v n="$n_rows" -v t="$taken" 'BEGIN { printf "%d", n / t }') rows/s"
read -ra sessions <<<"$(run_sql bench "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE usename = 'herald_server'")"
cpu_of 'its sessions in Postgres' "${sessions[@]}"
cpu_of 'the server' "$server_pid"
sed -n 's/^VmHWM: */the server had at most /p' "/proc/$server_pid/status"
kill "$server_pid"
wait "$server_pid"
