#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# For the scripts beside it, which source it: a Postgres cluster of their own in a temporary directory, on a unix socket
# only, and the psql calls they share. Started by root it runs Postgres as user postgres, who must be able to read sql/;
# otherwise as whoever calls. Everything ends with the script, however that ends.
#
#   cluster_start            sets PGHOST, PGPORT, PGUSER (a superuser) and $work, a directory for the script's files
#   cluster_install NAME     creates a database with schema herald
#   cluster_restart MODE     fast or immediate (a crash)
#   cluster_replace DIR      a new cluster, of the server in DIR, and the old one is gone
#   wait_until TEXT SQL DB   waits until a query says t, at most 30 s
#   drain DB [arguments]     the sequencer takes what is pending, as herald_server; prints how many batches (tests/tools/drain.c)
#   rivals DB                from now on every sequencer of the database believes that it leads
#
# $server has the server's programs, $bin those of its clients. PGBIN=DIR: of another Postgres than the installed one. It
# may have no client programs (make matrix): then $bin has the installed one's, of whatever major that is.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sql_dir=$(cd "$here/../../sql" && pwd)
server=${PGBIN:-$(pg_config --bindir)}
bin=$server
[ -x "$bin/psql" ] || bin=$(pg_config --bindir)
# Made by `make sql`; cluster_start puts a copy where user postgres can run it.
DRAIN=${DRAIN:-$here/../../build/${VARIANT:-release}/tests/tools/drain}
work=
failures=0

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        # From a directory of its own: it may not be allowed into ours.
        (cd "$work" && exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@")
    else
        "$@"
    fi
}

cluster_stop() {
    local status=$?
    trap - EXIT
    if [ -n "$work" ]; then
        # Only the jobs of this script: they would hold the socket open.
        jobs -p | xargs -r kill 2>/dev/null || true
        as_postgres "$server/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true
        rm -rf "$work"
    fi
    exit "$status"
}

cluster_start() {
    work=$(mktemp -d /tmp/herald-sql.XXXXXX)
    trap cluster_stop EXIT
    trap 'exit 130' INT TERM HUP
    # Whoever reads our output may be killed together with us, and the cleaning must not die of that.
    trap '' PIPE
    [ "$(id -u)" != 0 ] || chown postgres: "$work"
    cp "$DRAIN" "$work/drain"
    export PGHOST=$work PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PGOPTIONS='-c client_min_messages=error'
    unset PGSERVICE PGPASSWORD
    cluster_init
}

cluster_init() {
    as_postgres "$server/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
    as_postgres tee -a "$work/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
port = 5432
unix_socket_directories = '$work'
fsync = off
max_connections = 60
log_min_messages = log
${CLUSTER_CONF:-}
CONF
    as_postgres "$server/pg_ctl" -D "$work/data" -l "$work/log" -w start >/dev/null
}

# Another cluster in place of the one that runs, by the programs of another server.
cluster_replace() { # DIR
    as_postgres "$server/pg_ctl" -D "$work/data" -m fast -w stop >/dev/null
    rm -rf "$work/data"
    server=$1
    cluster_init
}

cluster_restart() {
    as_postgres "$server/pg_ctl" -D "$work/data" -m "$1" -w stop >/dev/null
    as_postgres "$server/pg_ctl" -D "$work/data" -l "$work/log" -w start >/dev/null
}

run_sql() { # DATABASE SQL
    "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}

cluster_install() {
    run_sql postgres "CREATE DATABASE $1"
    "$bin/psql" -Xq -d "$1" -f "$sql_dir/install.sql" >/dev/null
}

server_url() { # DATABASE
    echo "host=$PGHOST port=$PGPORT dbname=$1 user=herald_server"
}

drain() { # DATABASE [MAX_ROWS [MAX_BYTES [MAX_BATCHES [CHANNEL CLIENT OPTIONS PAYLOAD]…]]]
    local url
    url=$(server_url "$1")
    shift
    "$work/drain" "$url" "$@"
}

# What is pending, sequenced: the channels and new rows of the log, which is emptied.
news() { # DATABASE [SQL for what is told of an event, default the new row]
    drain "$1" >/dev/null
    local told="payload #>> '{data,new}'"
    run_sql "$1" "WITH gone AS (DELETE FROM herald.log RETURNING *)
        SELECT coalesce(string_agg(channel || ' ' || (${2:-$told}), ' ' ORDER BY id), '-') FROM gone"
}

# As behind a pooler, where who leads is asked, but nothing is held.
rivals() { # DATABASE
    run_sql "$1" 'CREATE OR REPLACE FUNCTION herald.lead(is_held boolean DEFAULT true) RETURNS boolean LANGUAGE sql AS '\''SELECT true'\'''
}

wait_until() { # WHAT SQL DATABASE
    local deadline=$((SECONDS + 30))
    while [ "$(run_sql "$3" "$2")" != t ]; do
        if [ $SECONDS -ge $deadline ]; then
            echo "gave up waiting until $1" >&2
            return 1
        fi
        sleep 0.02
    done
}

check() { # NAME EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1: expected '$2', got '$3'"
        failures=$((failures + 1))
    fi
}
