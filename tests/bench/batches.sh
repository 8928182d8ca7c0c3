#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What a batch costs Postgres, by its size: one transaction writes a backlog, which a server with --batch-rows takes in batches of
# so many rows, without pauses and without a look that finds nothing. CPU is that of all sessions of the server (schedstat in /proc),
# with their part in listing the backlog; beside it the server's own. Prints microseconds a batch, three times.
#
#   tests/bench/batches.sh [ROWS …, default 1 50 1000]     after make and make build/release/tests/tools/drain

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"
[ $# != 0 ] || set -- 1 50 1000
pgherald=${PGHERALD_BIN:-$here/../../build/release/pgherald}
export CLUSTER_CONF="fsync = on
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 1h"

cpu_ns() { # PIDS
    local pid
    for pid in "$@"; do
        cat /proc/"$pid"/task/*/schedstat
    done | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

position() {
    run_sql bench 'SELECT max(position) FROM herald.cursor'
}

write_rows() { # HOW-MANY
    local target
    target=$(run_sql bench "SELECT $1 + max(id) FROM herald.cursor")
    run_sql bench "INSERT INTO rows (room, name, note, price) SELECT i % 100, 'some name', 'a note of medium length for this row', 12.50 FROM generate_series(1, $1) i"
    wait_until 'all rows are in the log' "SELECT max(id) >= $target FROM herald.cursor" bench
}

measure() { # ROWS
    local sessions before own first n
    "$pgherald" serve --listen 127.0.0.1:0 --batch-rows "$1" --database-url "host=$PGHOST user=herald_server dbname=bench" >"$work/server.out" 2>"$work/server.log" &
    server_pid=$!
    timeout 10 sh -c "until grep -q '^ready' '$work/server.out'; do sleep 0.05; done"
    write_rows $(($1 * 20)) # caches and plans are warm, and the channels are there
    sleep 1                 # it sleeps
    read -ra sessions <<<"$(run_sql bench "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE usename = 'herald_server'")"
    first=$(position)
    before=$(cpu_ns "${sessions[@]}")
    own=$(cpu_ns "$server_pid")
    write_rows $(($1 * (6000 / ($1 + 9) + 30)))
    n=$(($(position) - first))
    printf '%8s %8s %14s %14s\n' "$1" "$n" $((($(cpu_ns "${sessions[@]}") - before) / n / 1000)) $((($(cpu_ns "$server_pid") - own) / n / 1000))
    kill "$server_pid"
    wait "$server_pid"
}

cluster_start
cluster_install bench
run_sql bench "
    CREATE TABLE rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room int, name text, note text, price numeric, at timestamptz DEFAULT now());
    SELECT herald.watch('rows', channel => 'rooms/{room}')" >/dev/null
printf '%8s %8s %14s %14s\n' rows batches 'Postgres, µs' 'pgherald, µs'
for _ in 1 2 3; do
    for rows in "$@"; do
        measure "$rows"
    done
done
