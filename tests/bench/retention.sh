#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What trimming costs, and that it does not grow with the log: logs of so many rows in 1000 channels, the older half beyond
# the retention; then trim() takes 2000 rows a call, and a resume reads the last 100 events of a channel. Prints the medians
# of 20 calls.
#
#   tests/bench/retention.sh [ROWS …, default 100000 1000000]      10000000 takes minutes and 3 GB in /tmp

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"
[ $# != 0 ] || set -- 100000 1000000
export CLUSTER_CONF="shared_buffers = 256MB
max_wal_size = 8GB
checkpoint_timeout = 1h"

median_ms() { # SQL, a call of it; psql's \timing tells
    for _ in $(seq 20); do
        printf '%s;\n' "$1"
    done | "$bin/psql" -XqAt -d "log_$rows" -c '\timing on' -f - -o /dev/null | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | sort -n | sed -n 10p
}

cluster_start
printf '%10s %16s %16s %10s\n' rows 'trim 2000, ms' 'resume 100, ms' 'removed'
for rows in "$@"; do
    cluster_install "log_$rows"
    run_sql "log_$rows" "
        INSERT INTO herald.channel (name) SELECT 'room/' || i FROM generate_series(0, 999) i;
        INSERT INTO herald.log (id, channel, channel_offset, epoch, at, action, payload)
            SELECT i, 'room/' || i % 1000, i / 1000 + 1, s.epoch, now() - CASE WHEN i <= $rows / 2 THEN interval '2 days' ELSE interval '0' END,
                   'event', '{\"data\":{\"action\":\"insert\",\"new\":{\"id\":1,\"name\":\"some name\"}},\"dbo_id\":0,\"row_id\":0}'
              FROM generate_series(1, $rows) i, herald.state s;
        INSERT INTO herald.cursor (position, id, done) SELECT position + 1, $rows, done FROM herald.cursor ORDER BY position DESC LIMIT 1"
    run_sql "log_$rows" 'VACUUM ANALYZE herald.log'
    before=$(run_sql "log_$rows" 'SELECT count(*) FROM herald.log')
    trim=$(median_ms "SELECT herald.trim('1 day', 2000)")
    removed=$((before - $(run_sql "log_$rows" 'SELECT count(*) FROM herald.log')))
    read=$(median_ms "SELECT count(*) FROM herald.read_channel('room/7', 'since', 1000, 1048576, (SELECT epoch FROM herald.state), (SELECT max(channel_offset) - 100 FROM herald.log WHERE channel = 'room/7'))")
    printf '%10s %16s %16s %10s\n' "$rows" "$trim" "$read" "$removed"
done
