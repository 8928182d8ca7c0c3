#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The sweep beside a sequencer that begins a backlog meanwhile. The sweep is stopped half-way, by a lock on a row that it wants to
# delete; ten rows are then listed and three of them taken; the sweep goes on. All ten must get into the log. (It took the list
# away: under load up to a tenth of a bulk insert was lost, without a word.)
# And a sequencer that has waited for another one.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

cluster_start
cluster_install broom
run_sql broom "CREATE TABLE t (id int PRIMARY KEY); SELECT herald.watch('t'); SELECT FROM herald.open(NULL)" >/dev/null
taken() { run_sql broom 'SELECT count(*) FROM herald.log'; }

run_sql broom 'INSERT INTO t VALUES (1)'
check 'a row is sequenced' '1 1' "$(drain broom) $(taken)"

coproc LOCK { exec "$bin/psql" -XqAt -d broom 2>&1; }
printf 'BEGIN; SELECT 1 FROM herald.outbox FOR UPDATE;\n' >&"${LOCK[1]}"
read -r -t 20 locked <&"${LOCK[0]}"
check 'a row that the sweep wants is locked' 1 "$locked"
run_sql broom 'SELECT herald.sweep()' >"$work/swept" &
sweeping=$!
wait_until 'the sweep waits' "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%herald.sweep%' AND wait_event_type = 'Lock'" broom

run_sql broom 'INSERT INTO t SELECT generate_series(2, 11)'
check 'a backlog is begun' '1 4' "$(drain broom 3 1000000 1) $(taken)"
printf 'COMMIT;\n\\q\n' >&"${LOCK[1]}"
wait "$sweeping"
# The row of watch() and that of the INSERT.
check 'the sweep has removed what was behind the cursor' 2 "$(cat "$work/swept")"
# Now the list has a part that is taken, and stays, as it says of a thousand ids where they are.
run_sql broom 'SELECT herald.sweep()' >/dev/null
drain broom 3 >/dev/null
check 'every row is in the log' '11 11' "$(run_sql broom "SELECT count(*) || ' ' || max(channel_offset) FROM herald.log")"
run_sql broom 'SELECT herald.sweep()' >/dev/null
check 'nothing is left of the backlog' 0 "$(run_sql broom 'SELECT count(*) FROM herald.backlog')"

# One takes the last piece of a backlog while another waits for the fence, which has not looked how much there is behind it.
run_sql broom 'INSERT INTO t SELECT generate_series(12, 21)'
drain broom 3 1000000 1 >/dev/null
coproc LAST { exec "$bin/psql" -XqAt -d broom 2>&1; }
printf 'BEGIN; SELECT 1 FROM herald.state FOR UPDATE; INSERT INTO herald.cursor (position, id, done) SELECT position + 1, id, reading FROM herald.cursor ORDER BY position DESC LIMIT 1;\n' >&"${LAST[1]}"
read -r -t 20 _ <&"${LAST[0]}"
run_sql broom 'INSERT INTO t SELECT generate_series(22, 31)'
run_sql broom 'SELECT action, old IS NULL FROM herald.take(3, 1000000, false)' >"$work/late" &
late=$!
wait_until 'another waits' "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%FROM herald.take%' AND wait_event_type = 'Lock'" broom
printf 'COMMIT;\n\\q\n' >&"${LAST[1]}"
wait "$late"
check 'it takes nothing, and looks again' 'l|t' "$(cat "$work/late")"
drain broom 3 >/dev/null
check '… at what came since' '24 24' "$(run_sql broom "SELECT count(*) || ' ' || max(channel_offset) FROM herald.log")"

# A shape that a migration has in hand, and one that nobody has: neither is waited for, and the second goes.
run_sql broom "INSERT INTO herald.shape (number, watch, description, retired_by, retired_at) SELECT n, 'gone', '{}', '3', now() - interval '2 days' FROM unnest(ARRAY[1, 2]) n"
coproc HELD { exec "$bin/psql" -XqAt -d broom 2>&1; }
printf 'BEGIN; SELECT number FROM herald.shape WHERE number = 1 FOR UPDATE;\n' >&"${HELD[1]}"
read -r -t 20 held <&"${HELD[0]}"
check 'a shape that the sweep wants is locked' 1 "$held"
run_sql broom 'DELETE FROM herald.log'
check 'the sweep does not wait for it' '' "$(PGOPTIONS='-c lock_timeout=5s' run_sql broom 'DO $$ BEGIN PERFORM herald.sweep(); END $$' 2>&1)"
check '… and takes the other' 1 "$(run_sql broom "SELECT string_agg(number::text, ' ') FROM herald.shape WHERE watch = 'gone'")"
printf 'COMMIT;\n\\q\n' >&"${HELD[1]}"
exit $((failures > 0))
