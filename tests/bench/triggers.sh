#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What capture costs a writer, counted by callgrind in a Postgres of one session (--single): instructions of a statement on a
# watched table less those of the same on one without a trigger, by row, against limits. The table has six columns, the channel's
# name one of them. Two runs differ by one in a hundred; the limits stand a twentieth over what Postgres 15 needs. Whoever makes it
# cheaper lowers them. KEEP=DIR keeps what was counted, for callgrind_annotate --inclusive=yes.
#
#   tests/bench/triggers.sh      after make build/release/tests/tools/drain; 20 s of one core

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"

#      table and statement              at most
cases='watched   insert single          119500
       watched   update single          155000
       watched   delete single          127000
       watched   insert 1000            73500
       watched   update 1000            89000
       statement insert 1000            27500
       statement update 1000            46500'
row="(room, name, note, price)"

statement() { # TABLE KIND HOW-MANY NUMBER
    case "$2 $3" in
    'insert single') echo "INSERT INTO $1 $row VALUES ($4 % 10, 'some name', 'a note of medium length for this row', 12.50)" ;;
    'update single') echo "UPDATE $1 SET note = 'another note of medium length' WHERE id = $4" ;;
    'delete single') echo "DELETE FROM $1 WHERE id = $4" ;;
    'insert 1000') echo "INSERT INTO $1 $row SELECT i % 10, 'some name', 'a note of medium length for this row', 12.50 FROM generate_series(1, 1000) i" ;;
    'update 1000') echo "UPDATE $1 SET note = note || '!' WHERE id BETWEEN 31 AND 1030" ;;
    esac
}

# Each thing warm, then counted: callgrind writes a dump at each call of pg_backend_pid(). Many rows come after single ones, as the
# plans that a session keeps must be good for both.
script() {
    local table kind many n rows i
    for table in plain watched statement; do
        for what in 'insert single' 'update single' 'delete single' 'insert 1000' 'update 1000'; do
            read -r kind many <<<"$what"
            n=1 rows=2000
            [ "$many" != single ] || n=10 rows=20
            for ((i = 1; i <= 3 * n; i++)); do
                statement "$table" "$kind" "$many" "$i"
                if [ $i = "$n" ] || [ $i = $((3 * n)) ]; then
                    echo 'SELECT pg_backend_pid()'
                    echo "$table $kind $many $rows" >>"$work/dumps"
                fi
            done
        done
    done
}

count() {
    if ! as_postgres valgrind --tool=callgrind --dump-before=pg_backend_pid --callgrind-out-file="$work/out" "$server/postgres" --single \
        -D "$work/data" -c fsync=off -c jit=off -c log_min_messages=error bench <"$work/script" >"$work/stdout" 2>"$work/stderr" || grep -q 'ERROR\|FATAL' "$work/stderr"; then
        cat "$work/stderr" >&2
        exit 1
    fi
    [ -z "${KEEP:-}" ] || cp "$work"/out.* "$KEEP"
    local number=0 what n total
    while read -r table kind many n; do
        number=$((number + 1))
        [ $((number % 2)) = 0 ] || continue
        total=$(sed -n 's/^\(summary\|totals\): *\([0-9]*\).*/\2/p' "$work/out.$number" | head -1)
        echo "$table $kind $many $((total / n))"
    done <"$work/dumps" >"$work/counts"
}

cluster_start
cluster_install bench
for table in plain watched statement; do
    run_sql bench "CREATE TABLE $table (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room int, name text, note text, price numeric, at timestamptz DEFAULT now())"
done
run_sql bench "SELECT herald.watch('watched', channel => 'rooms/{room}'), herald.watch('statement', channel => 'rooms/{room}', mode => 'statement')" >/dev/null
run_sql bench 'VACUUM ANALYZE'
as_postgres "$server/pg_ctl" -D "$work/data" -m fast -w stop >/dev/null
script >"$work/script"
chmod a+r "$work/script"
count
of() { sed -n "s/^$* //p" "$work/counts"; }
while read -r table kind many limit; do
    each=$(($(of "$table" "$kind" "$many") - $(of plain "$kind" "$many")))
    printf '%-9s %s, %-6s rows %7d instructions more a row than without a trigger, limit %d\n' "$table" "$kind" "$many" "$each" "$limit"
    if [ "$each" -le 0 ] || [ "$each" -gt "$limit" ]; then
        failures=$((failures + 1))
    fi
done <<<"$cases"
[ "$failures" = 0 ] || echo "triggers: $failures cost more than their limit: see docs/performance.md, \"Writers\"" >&2
exit "$failures"
