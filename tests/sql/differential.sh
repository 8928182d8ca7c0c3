#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The same rows in three databases: `old` has the schema and the sequencer of an old checkout, `new` and `plain` have those of this one.
# The logs must be equal, channel for channel and byte for byte: what a browser got yesterday it gets today. In `new` the settings of
# the writer's session vary, in the others they do not (the old one was not sure of itself there). By hand, not in CI; what it found to hold is
# kept for CI as literals and what they became (12_golden.sql).
#
#   tests/sql/differential.sh OLD_CHECKOUT [rows of each type, default 20] [seed] [rounds, each with the next seed, default 1]
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
rounds=${4:-1}
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

cluster_install new
sql new -f "$here/differential.sql"
run_sql postgres 'CREATE DATABASE plain TEMPLATE new'
node "$script" types | awk '{ print NR - 1 "\t" $0 }' >"$work/types"
sql new <<SQL
CREATE TABLE d_type_name (i int PRIMARY KEY, name text);
\\copy d_type_name FROM '$work/types'
CREATE TABLE log_old (tab text, id int, nth int, channel bytea, payload bytea, reduced text, PRIMARY KEY (tab, id, nth));
CREATE TABLE log_new (LIKE log_old INCLUDING ALL);
CREATE TABLE log_plain (LIKE log_old INCLUDING ALL);
CREATE TABLE found (seed int, name text, tab text, id int, nth int, old_channel text, new_channel text, old text, new text, is_meant bool);
CREATE VIEW difference AS
    SELECT t.name, tab, id, nth, encode(o.channel, 'escape') AS old_channel, encode(n.channel, 'escape') AS new_channel, encode(o.payload, 'escape') AS old, encode(n.payload, 'escape') AS new,
           o.payload IS NOT DISTINCT FROM n.payload AS is_same_payload, n.reduced
      FROM log_old o FULL JOIN log_new n USING (tab, id, nth) JOIN d_type_name t ON t.i::text = split_part(tab, '_', 2)
     WHERE (o.channel, o.payload) IS DISTINCT FROM (n.channel, n.payload);
SQL
for db in old new plain; do
    node "$script" schema | sql "$db" >/dev/null || touch "$work/failed" &
done
wait
[ ! -e "$work/failed" ]

# The log of a database, as tables of `new` have it. Bytes: what is no UTF-8 shall be seen.
read_log() { # DATABASE
    run_sql "$1" "COPY (SELECT tab, id, row_number() OVER (PARTITION BY tab, id ORDER BY nth), convert_to(channel, 'UTF8'),
            convert_to(regexp_replace(payload, ',\"reduced\":\"[a-z]+\"', ''), 'UTF8'), substring(payload, ',\"reduced\":\"([a-z]+)\"')
        FROM (SELECT id AS nth, channel, payload::text, substring(payload::text, '\"table\":\"([^\"]*)\"') AS tab, coalesce(substring(payload::text, '\"id\":([0-9]+)')::int, 0) AS id
                FROM herald.log) l) TO STDOUT" >"$work/log_$1"
    sql new -c "TRUNCATE log_$1" -c "\\copy log_$1 FROM '$work/log_$1'" >/dev/null
}

round() { # SEED
    local db
    for db in old new plain; do
        run_sql "$db" 'TRUNCATE herald.log' >/dev/null
        { echo '\o /dev/null' && node "$script" stage "$1" "$count" && node "$script" "$([ "$db" = new ] && echo writes || echo plain)" "$1"; } | sql "$db" || touch "$work/failed" &
    done
    wait
    [ ! -e "$work/failed" ]
    "$work/drain_old" "$(server_url old)" >/dev/null
    drain new >/dev/null
    drain plain >/dev/null
    for db in old new plain; do
        read_log "$db"
    done
    total=$((total + $(run_sql new 'SELECT count(*) FROM log_old')))
    sql new <<SQL
INSERT INTO found SELECT $1, name, tab, id, nth, old_channel, new_channel, old, new,
       -- The list of docs/values.md.
       name = 'pg_sequence' OR is_same_payload AND name ~ '^(inet|cidr|timestamp.*|d_when|char\(12\)|d_fixed)\$' OR name ~ '"char"|d_lists' AND reduced = 'unprintable'
  FROM difference;
SQL
    echo "# seed $1: $(run_sql new "SELECT concat(count(*), ' events, ', (SELECT count(*) FROM log_new WHERE reduced IS NOT NULL), ' reduced, ', (SELECT count(*) FROM found WHERE seed = $1 AND NOT is_meant), ' differ and must not, ',
        (SELECT count(*) FROM found WHERE seed = $1 AND is_meant), ' on purpose') FROM log_old")"
    check "the settings of the writer's session change no byte" '' "$(run_sql new "SELECT string_agg(DISTINCT concat_ws(' ', t.name, split_part(tab, '_', 3)), ', ')
        FROM log_plain o FULL JOIN log_new n USING (tab, id, nth) JOIN d_type_name t ON t.i::text = split_part(tab, '_', 2) WHERE (o.channel, o.payload, o.reduced) IS DISTINCT FROM (n.channel, n.payload, n.reduced)")"
}

total=0
for ((n = 0; n < rounds; n++)); do
    round $((seed + n))
done
sql new <<'SQL'
SELECT concat('# ', name, ' ', split_part(tab, '_', 3), ': ', count(*), ' differ', CASE WHEN is_meant THEN ', on purpose' ELSE concat('; the first:', E'\n#   old ',
    (min(ARRAY[lpad(length(concat(old, new))::text, 9), tab, coalesce(old_channel, '-'), left(coalesce(old, '-'), 700)]))[2:], E'\n#   new ',
    (min(ARRAY[lpad(length(concat(old, new))::text, 9), tab, coalesce(new_channel, '-'), left(coalesce(new, '-'), 700)]))[2:]) END)
  FROM found GROUP BY name, split_part(tab, '_', 3), is_meant ORDER BY is_meant, name, 1;
SQL
missing=$(run_sql new "SELECT string_agg(p.typname, ' ') FROM pg_type p WHERE p.typnamespace = 'pg_catalog'::regnamespace AND p.typtype IN ('b', 'r', 'm') AND p.typname NOT LIKE '\\_%'
    AND p.typname !~ '^(pg_node_tree|gtsvector|pg_ndistinct|pg_dependencies|pg_mcv_list|pg_brin_.*)\$' AND p.oid NOT IN (SELECT to_regtype(name) FROM d_type_name WHERE to_regtype(name) IS NOT NULL)")
check 'every type of this server has literals' '' "$missing"
[ "$count" -lt 8 ] || check 'every type has literals that it reads' '' "$(run_sql new "SELECT string_agg(name, ' ') FROM d_type_name t WHERE to_regtype(name || '[]') IS NOT NULL
    AND NOT EXISTS (SELECT FROM log_new WHERE tab = concat('d_', i, '_statement') AND encode(payload, 'escape') ~ '\"new\":\\{\"id\":[0-9]+,\"v\":[^n].*,\"a\":\\[')")"
echo "# $total events, $(run_sql new 'SELECT count(*) FROM d_unread') literals not read"
check 'the logs are equal, but for what differs on purpose' 0 "$(run_sql new 'SELECT count(*) FROM found WHERE NOT is_meant')"
exit $((failures > 0))
