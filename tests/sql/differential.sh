#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The same rows in two databases: one has the schema and the sequencer of an old checkout, the other those of this one. The logs must
# be equal, channel for channel and byte for byte: what a browser got yesterday it gets today. By hand, not in CI; what it found to hold is
# kept for CI as literals and what they became (12_golden.sql).
#
#   tests/sql/differential.sh OLD_CHECKOUT [rows of each type, default 20] [seed]
#   tests/sql/differential.sh OLD_CHECKOUT golden [literals of each type, default 6] [seed]      writes 12_golden.sql anew, from the old one
#
# In the old checkout and in this one: make build/release/tests/tools/drain. Without an old checkout, as run.sh calls it, it is skipped.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

if [ ! -x "${1:-}/build/release/tests/tools/drain" ]; then
    echo "ok - differential # SKIP no old checkout with a built tests/tools/drain"
    exit 0
fi
old=$(cd "$1" && pwd)
is_golden=
[ "${2:-}" != golden ] || { is_golden=1 && shift; }
count=${2:-$([ "$is_golden" ] && echo 6 || echo 20)}
seed=${3:-$RANDOM}
script=$here/differential.js
cluster_start
cp "$old/build/release/tests/tools/drain" "$work/drain_old"
sql() { "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "$@"; }

run_sql postgres 'CREATE DATABASE old'
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d old -f "$old/sql/install.sql" >/dev/null
sql old -f "$here/differential.sql"

if [ "$is_golden" ]; then
    node "$script" golden "$seed" "$count" | sql old
    run_sql old 'SELECT golden_write()' >/dev/null
    "$work/drain_old" "$(server_url old)" >/dev/null
    run_sql old 'DELETE FROM golden WHERE (type, literal) IN (SELECT * FROM d_unread);
        UPDATE golden g SET as_text = r.as_text, as_native = r.as_native FROM golden_read r WHERE r.nth = g.nth'
    {
        sed '/^COPY golden/q' "$here/12_golden.sql"
        run_sql old 'COPY (SELECT * FROM golden ORDER BY nth) TO STDOUT'
        sed -n '/^\\\.$/,$p' "$here/12_golden.sql"
    } >"$work/golden.sql"
    cp "$work/golden.sql" "$here/12_golden.sql"
    echo "# $(run_sql old 'SELECT count(*) FROM golden') literals of $(run_sql old 'SELECT count(DISTINCT type) FROM golden') types"
    exit 0
fi

echo "# seed $seed"
cluster_install new
sql new -f "$here/differential.sql"
for db in old new; do
    node "$script" schema | sql "$db" >/dev/null
    node "$script" writes "$seed" "$count" | sql "$db" >/dev/null
done
"$work/drain_old" "$(server_url old)" >/dev/null
drain new >/dev/null
for db in old new; do
    run_sql "$db" "COPY (SELECT tab, row_number() OVER (PARTITION BY tab ORDER BY id), channel, regexp_replace(payload, ',\"reduced\":\"[a-z]+\"', '')
        FROM (SELECT id, channel, payload::text, substring(payload::text, '\"table\":\"([^\"]*)\"') AS tab FROM herald.log) l) TO STDOUT" >"$work/log_$db"
done
node "$script" types | awk '{ print NR - 1 "\t" $0 }' >"$work/types"
sql new <<SQL
CREATE TABLE d_type_name (i int, name text);
CREATE TABLE log_old (tab text, nth int, channel text, payload text, PRIMARY KEY (tab, nth));
CREATE TABLE log_new (LIKE log_old INCLUDING ALL);
\\copy d_type_name FROM '$work/types'
\\copy log_old FROM '$work/log_old'
\\copy log_new FROM '$work/log_new'
CREATE VIEW difference AS SELECT t.name, tab, nth, o.channel AS old_channel, n.channel AS new_channel, o.payload AS old, n.payload AS new,
        t.name IN ('money', 'inet', 'cidr', 'timestamp', 'timestamp(0)', 'timestamptz', 'd_when') AND o.payload IS NOT DISTINCT FROM n.payload
        OR t.name = 'money' OR t.name LIKE '%multirange' AS is_meant
    FROM log_old o FULL JOIN log_new n USING (tab, nth) JOIN d_type_name t ON t.i::text = split_part(tab, '_', 2)
   WHERE (o.channel, o.payload) IS DISTINCT FROM (n.channel, n.payload);
SELECT concat('# ', name, ': ', count(*), ' differ', CASE WHEN bool_and(is_meant) THEN ', on purpose' END, '; the first:', E'\n#   old ',
    (min(ARRAY[lpad(nth::text, 9), coalesce(old_channel, '-'), left(coalesce(old, '-'), 1000)]))[2:], E'\n#   new ', (min(ARRAY[lpad(nth::text, 9), coalesce(new_channel, '-'), left(coalesce(new, '-'), 1000)]))[2:])
  FROM difference GROUP BY name ORDER BY bool_and(is_meant), name;
SQL
missing=$(run_sql new "SELECT string_agg(p.typname, ' ') FROM pg_type p WHERE p.typnamespace = 'pg_catalog'::regnamespace AND p.typtype IN ('b', 'r', 'm') AND p.typname NOT LIKE '\\_%'
    AND p.typname !~ '^(pg_node_tree|gtsvector|pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin_.*)\$' AND p.oid NOT IN (SELECT to_regtype(name) FROM d_type_name WHERE to_regtype(name) IS NOT NULL)")
check 'every type of this server has literals' '' "$missing"
[ "$count" -lt 8 ] || check 'every type has literals that it reads' '' "$(run_sql new "SELECT string_agg(name, ' ') FROM d_type_name t WHERE to_regtype(name) IS NOT NULL
    AND NOT EXISTS (SELECT FROM log_new WHERE split_part(tab, '_', 2) = i::text AND payload ~ '\"new\":\\{\"id\":[0-9]+,\"v\":[^n].*,\"a\":\\[')")"
echo "# $(run_sql new 'SELECT count(*) FROM log_old') events, $(run_sql new 'SELECT count(*) FROM d_unread') literals not read"
check 'the logs are equal, but for what differs on purpose' 0 "$(run_sql new 'SELECT count(*) FROM difference WHERE NOT is_meant')"
exit $((failures > 0))
