#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What capture costs the writers: pgbench with single-row INSERTs into the same table without and with a watch, at 16 and 32
# clients, while pgherald sequences and stores what they change; once with commits as they are here, once with commits that
# cost 1 ms more, as on a typical cloud volume. Prints tps and the ratio. Then: the bytes that a pending change takes in the
# outbox while no server is there, and how fast they are sequenced.
#
# The millisecond: Postgres is started with a preloaded fdatasync() that sleeps first. commit_delay would not do: it makes one
# leader wait for others to join him, which is another thing than a slow disk.
#
# Beside a server that stands still while it sleeps (SIGSTOP), with 16 clients: right after it stopped, while writers ring, and when
# its lease is over, which is how it stays. And beside a stranger who holds the doorbell's lock.
#
#   tests/bench/writers.sh [seconds per run, default 5] [stopped: only that case]

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"
seconds=${1:-5}
only=${2:-}
pgherald=${PGHERALD_BIN:-$here/../../build/release/pgherald}
export CLUSTER_CONF="fsync = on
wal_sync_method = fdatasync
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 1h"

tps() { # CLIENTS TABLE
    "$bin/pgbench" -n -M prepared -c "$1" -j 2 -T "$seconds" -f "$work/$2.sql" bench 2>/dev/null | sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

serve() {
    "$pgherald" serve --listen 127.0.0.1:0 --database-url "host=$PGHOST user=herald_server dbname=bench" >"$work/server.out" 2>"$work/server.log" &
    server_pid=$!
    local deadline=$((SECONDS + 10))
    until grep -q '^ready' "$work/server.out"; do
        if [ $SECONDS -ge $deadline ]; then
            cat "$work/server.log" >&2
            exit 1
        fi
        sleep 0.05
    done
}

# The cost of the sequencer is in the ratio only if it keeps up.
check_sequenced() {
    wait_until 'everything is sequenced' "SELECT (SELECT count(*) FROM watched) = (SELECT max(id) FROM herald.log)" bench
}

cluster_start
cluster_install bench
columns="(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room int, name text, note text, price numeric, at timestamptz DEFAULT now())"
run_sql bench "CREATE TABLE plain $columns; CREATE TABLE watched $columns; SELECT herald.watch('watched', channel => 'rooms/{room}')" >/dev/null
for table in plain watched; do
    echo "INSERT INTO $table (room, name, note, price) VALUES ((random() * 1000)::int, 'some name', 'a note of medium length for this row', 12.50);" >"$work/$table.sql"
done
cat >"$work/slow.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd)
{
    usleep(1000);
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
C
cc -O2 -shared -fPIC -o "$work/slow.so" "$work/slow.c" -ldl
chmod a+rx "$work/slow.so"

# Only while it sleeps are its locks a lease: 128 keys from 16 on (sql/0007_sequencer.sql).
lease_is() { # t or f
    wait_until "the lease to be valid: $1" "SELECT $1 = EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = herald.doorbell_slot() AND mode = 'ExclusiveLock')" bench
}

stopped() {
    local without standing
    serve
    without=$(tps 16 plain)
    wait_until 'everything is sequenced' "SELECT pending_rows = 0 FROM herald.status" bench
    lease_is true
    kill -STOP "$server_pid"
    seconds=1 standing=$(tps 16 watched)
    lease_is false
    printf '%-42s %12s tps\n' 'no trigger' "$without" 'beside a stopped server, its first second' "$standing" 'beside a stopped server, from then on' "$(tps 16 watched)"
    kill -KILL "$server_pid"
    wait "$server_pid" 2>/dev/null || true
    "$bin/psql" -XqAt -d bench -c 'SELECT pg_advisory_lock(1751478881, 1); SELECT pg_sleep(3600)' >/dev/null &
    stranger=$!
    wait_until 'the stranger has it' "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND mode = 'ExclusiveLock')" bench
    serve
    printf '%-42s %12s tps\n' "a stranger holds the doorbell's lock" "$(tps 16 watched)"
    check_sequenced
    kill "$server_pid" "$stranger"
    wait "$server_pid" "$stranger" || true
}
if [ "$only" = stopped ]; then
    stopped
    exit
fi

printf '%-18s %8s %12s %12s %7s\n' commit clients without with ratio
for commit in 'as it is' '1 ms more'; do
    if [ "$commit" = '1 ms more' ]; then
        LD_PRELOAD=$work/slow.so cluster_restart fast
    fi
    serve
    for clients in 16 32; do
        without=$(tps $clients plain)
        with=$(tps $clients watched)
        printf '%-18s %8s %12s %12s %7s\n' "$commit" $clients "$without" "$with" "$(awk -v a="$with" -v b="$without" 'BEGIN { printf "%.2f", a / b }')"
    done
    check_sequenced
    kill "$server_pid"
    wait "$server_pid"
done

cluster_restart fast
stopped

# Nobody there: the outbox grows.
cluster_restart fast
run_sql bench 'SELECT FROM herald.open(NULL); TRUNCATE herald.outbox' >/dev/null
run_sql bench 'VACUUM herald.outbox'
echo "INSERT INTO watched (room, name, note, price) VALUES (1, 'some name', 'a note of medium length for this row', 12.50);" >"$work/watched.sql"
"$bin/pgbench" -n -M prepared -c 8 -j 2 -t 10000 -f "$work/watched.sql" bench >/dev/null 2>&1
run_sql bench "SELECT format('outbox: %s bytes per pending change, of which %s are the row', pg_total_relation_size('herald.outbox') / count(*), avg(octet_length(new))::int) FROM herald.outbox"
start=$(date +%s%N)
drain bench 2000 10000000 45 >/dev/null
n=$(run_sql bench 'SELECT count(*) FROM herald.log')
echo "sequencer: $n events in batches of 2000: $((n * 1000000000 / ($(date +%s%N) - start))) a second"
