#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# Nobody who asks for synchronous_commit = off, for the database, the role or a session, can make the server forget in a crash
# what it told: numbers of the log, who led, directives.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# What is committed asynchronously stays in memory until a page of WAL is full.
CLUSTER_CONF='wal_writer_delay = 10s
synchronous_commit = off
autovacuum = off'
cluster_start
cluster_install era
run_sql postgres 'ALTER ROLE herald_server SET synchronous_commit = off; ALTER DATABASE era SET synchronous_commit = off'
run_sql era 'CREATE TABLE kept (id int); CREATE TABLE lost (id int)'
as_server() { PGUSER=herald_server run_sql era "$1"; }

# CALL QUERY: what the query says after the call, before and after a crash. The WAL is flushed before, and a new page begun.
told() {
    run_sql era 'CHECKPOINT; SELECT pg_switch_wal()' >/dev/null
    "$1" "$2" >/dev/null
    before=$(run_sql era "$3")
    cluster_restart immediate
    after=$(run_sql era "$3")
    run_sql era 'SET synchronous_commit = on; INSERT INTO kept VALUES (1)'
}

# shellcheck disable=SC2317  # told calls it
run_plain() { run_sql era "$1"; }
told run_plain 'INSERT INTO lost VALUES (1)' 'SELECT count(*) FROM lost'
check 'the premise: such a commit is seen, and a crash takes it back' '1 0' "$before $after"

told as_server "SELECT FROM herald.open(NULL, 'a')" 'SELECT led_by FROM herald.state'
check 'who leads is on disk' 'a a' "$before $after"
check '… which makes it a witness' f "$(as_server "SELECT is_renewed FROM herald.open(0, 'a')")"

# shellcheck disable=SC2317  # told calls it
say() { drain era 10 10000 1 said - - "$1"; }
told say 1 'SELECT max(id) FROM herald.log'
first=$(run_sql era 'SELECT led_by FROM herald.state')
check 'a batch is on disk when it is told of' '1 1' "$before $after"
check '… and the one who led stands by it' f "$(as_server "SELECT is_renewed FROM herald.open(1, '$first')")"

# Another one leads for a while; the first was away, and knows nothing of what the second told.
told say 2 'SELECT max(id) FROM herald.log'
check 'what the second one told is on disk' '2 2' "$before $after"
check 'who was away is no witness' t "$(as_server "SELECT is_renewed FROM herald.open(1, '$first')")"

told run_plain "SELECT herald.disconnect(channel => 'said')" 'SELECT herald.version()'
check 'a directive is on disk when servers can see it' "$before" "$after"
check '… and there was one' t "$(run_sql era 'SELECT herald.version() > 0')"
told run_plain "BEGIN; SELECT herald.disconnect(channel => 'said'); INSERT INTO lost VALUES (2); COMMIT" 'SELECT count(*) FROM lost'
check '… with the transaction that gave it' '1 1' "$before $after"
check 'but other transactions are as quick as their owner wants them' off \
    "$(printf "SELECT herald.disconnect(channel => 'said');\nSHOW synchronous_commit;\n" | "$bin/psql" -XqAt -d era | tail -1)"
exit $((failures > 0))
