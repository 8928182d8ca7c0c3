#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What the server's C says of rows (src/core/live) is what Postgres says: random filters over random rows of every type that can be
# compared, as JSON and as SQL (filters.js). The rows go the way of all rows: a trigger captures them, under settings that vary, and the
# server's code prints and judges them. Each cell (a filter and a row) must be yes, no or unknown in both.
#
#   tests/sql/filters.sh                           100 000 cells
#   FILTER_CELLS=1000000 FILTER_SEED=5 tests/sql/filters.sh
#
# Before: make build/release/tests/tools/judge (make sql does).

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

judge=$(dirname "$DRAIN")/judge
script=$here/filters.js
seed=${FILTER_SEED:-$RANDOM}
rows=200
filters=250 # of one round, against each of two tables
cluster_start
cluster_install filters
major=$(run_sql filters "SELECT current_setting('server_version_num')::int / 10000")
# A deterministic collation whose order is not that of bytes, if there is one.
collation=$(run_sql filters "SELECT quote_ident(collname) FROM pg_collation WHERE collname IN ('und-x-icu', 'en_US.utf8', 'C.utf8', 'C.UTF-8')
    ORDER BY collname <> 'und-x-icu', collname <> 'en_US.utf8', collname LIMIT 1")
node "$script" table "$collation" | "$bin/psql" -Xq -v ON_ERROR_STOP=1 -d filters >/dev/null

# The shape and the captured rows of a table.
dump() { # TABLE
    run_sql filters "SELECT regexp_replace(description::text, '\n', '', 'g') FROM herald.shape s JOIN herald.watch w ON w.key = s.watch WHERE w.relation = '$1'::regclass" >"$work/$1.shape"
    run_sql filters "SELECT encode(convert_to(o.new, 'UTF8'), 'hex') FROM herald.outbox o JOIN herald.shape s ON s.number = o.shape JOIN herald.watch w ON w.key = s.watch
        WHERE w.relation = '$1'::regclass AND o.action = 'i' ORDER BY o.id" >"$work/$1.rows"
}

# Prints what differs: the filter, its SQL, and of the first row that differs both verdicts and its text.
compare() { # TABLE
    "$judge" "$work/$1.shape" "$work/json" "$work/$1.rows" >"$work/$1.judged"
    paste -d '\n' "$work/judged.sql" "$work/$1.judged" | awk -v table="$1" 'NR % 2 { expected = $0; next } expected != $0 {
        for (i = 1; substr(expected, i, 1) == substr($0, i, 1); i++);
        print NR / 2, i - 1, table ": Postgres says " substr(expected, i, 1) ", C says " substr($0, i, 1) }' >"$work/differ"
    while read -r line row what; do
        echo "# seed $seed, row $row of $what"
        sed -n "${line}s/^/#   /p" "$work/json" "$work/sql"
        sed -n "${line}s/^/#   /p" "$work/sql"
        run_sql filters "SELECT '#   ' || t::text FROM $1 t WHERE id = $row"
    done <"$work/differ"
    differences=$((differences + $(wc -l <"$work/differ")))
    cells=$((cells + $(tr -d '\n' <"$work/$1.judged" | wc -c)))
}

cells=0
differences=0
yes=0
unknown=0
while [ "$cells" -lt "${FILTER_CELLS:-100000}" ]; do
    run_sql filters 'TRUNCATE f_text, f_native, herald.outbox' >/dev/null
    node "$script" rows "$seed" "$rows" "$major" | "$bin/psql" -Xq -v ON_ERROR_STOP=1 -d filters
    node "$script" json "$seed" "$filters" "$major" >"$work/json"
    node "$script" sql "$seed" "$filters" "$major" >"$work/sql"
    "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d filters -f "$work/sql" >"$work/judged.sql"
    for table in f_text f_native; do
        dump "$table"
        compare "$table"
    done
    yes=$((yes + $(tr -cd y <"$work/judged.sql" | wc -c)))
    unknown=$((unknown + $(tr -cd u <"$work/judged.sql" | wc -c)))
    seed=$((seed + 1))
done
echo "# $cells cells, the last seed was $((seed - 1)): $yes yes and $unknown unknown of $((cells / 2))"
check 'Postgres and C judge alike' 0 "$differences"
check 'enough of the cells are yes, and unknown' t "$([ "$yes" -gt $((cells / 20)) ] && [ "$unknown" -gt $((cells / 100)) ] && echo t)"
exit $((failures > 0))
