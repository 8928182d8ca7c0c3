#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# Installing, watching, watching again, unwatching and uninstalling beside an application that goes on: it may wait for a moment, but
# no statement of its may fail. The application keeps its own order of tables (a, then b, c); ours is another one on purpose.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

rounds=${ROUNDS:-2}
cluster_start
[ -x "$bin/pgbench" ] || { skip 'uninstall under load' 'no pgbench'; exit 0; }
run_sql postgres 'CREATE DATABASE busy'
run_sql busy "CREATE TABLE c (id bigserial PRIMARY KEY, n int) PARTITION BY HASH (id); CREATE TABLE c_0 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE c_1 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE b (id bigserial PRIMARY KEY, n int); CREATE TABLE a (id bigserial PRIMARY KEY, n int)"
cat >"$work/app.sql" <<'SQL'
\set n random(1, 1000)
BEGIN;
SELECT count(*) FROM b WHERE id = :n;
INSERT INTO a (n) VALUES (:n);
INSERT INTO b (n) VALUES (:n);
INSERT INTO c (n) VALUES (:n);
DELETE FROM c WHERE id = currval('c_id_seq') - 100;
COMMIT;
SQL
cp "$work/app.sql" "$work/rollback.sql" && sed -i 's/^COMMIT/ROLLBACK/' "$work/rollback.sql"

"$bin/pgbench" -n -c 8 -j 2 -T 600 -l --log-prefix="$work/times" -f "$work/app.sql@9" -f "$work/rollback.sql@1" busy >"$work/app" 2>&1 &
app=$!
( # what a server does
    while :; do
        timeout 10 "$work/drain" "$(server_url busy)" 2000 1000000 20 || sleep 0.1
        run_sql busy "SET lock_timeout = '5s'; SELECT herald.sweep()" || sleep 0.1
    done
) >/dev/null 2>&1 &
left="SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'herald%') + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!herald\_%')"
for round in $(seq "$rounds"); do
    "$bin/psql" -Xq -d busy -f "$sql_dir/install.sql" >/dev/null
    for call in "watch('c')" "watch('a')" "watch('b')" "watch('a', channel => 'a/{n}')" "unwatch('b')" "watch('b', mode => 'statement')"; do
        run_sql busy "SELECT herald.$call" >/dev/null
    done
    wait_until 'the application is announced' "SELECT count(DISTINCT split_part(channel, '/', 1)) >= 3 FROM herald.log" busy
    "$bin/psql" -Xq -v ON_ERROR_STOP=1 -d busy -f "$sql_dir/uninstall.sql"
    check "round $round: everything is gone" 0 "$(run_sql busy "$left")"
done
check 'the application still runs' t "$(kill -0 $app 2>/dev/null && echo t)"
kill $app
wait $app || true
check 'none of its statements failed' '' "$(grep -aE 'ERROR|aborted' "$work/app" | head -3)"
check '… nor does the database say so' 0 "$(grep -acE 'ERROR:.*(deadlock|serialize)|relation "herald|canceling statement due to lock timeout.*INSERT' "$work/log" || true)"
echo "# transactions: $(cat "$work"/times.* | wc -l), the longest $(cat "$work"/times.* | awk '$3 > m { m = $3 } END { print int(m / 1000) }') ms"

# Writers of whom one holds the table for more than 0.1 s at any moment: it comes in all the same.
cat >"$work/slow.sql" <<'SQL'
\set ms random(150, 450)
BEGIN;
INSERT INTO a (n) VALUES (1);
\sleep :ms ms
COMMIT;
SQL
"$bin/psql" -Xq -d busy -f "$sql_dir/install.sql" >/dev/null
run_sql busy "SELECT herald.watch('a')" >/dev/null
"$bin/pgbench" -n -c 20 -j 1 -T 600 -f "$work/slow.sql" busy >"$work/app" 2>&1 &
app=$!
wait_until 'the slow writers are there' "SELECT count(*) > 20 FROM herald.log" busy
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d busy -f "$sql_dir/uninstall.sql"
check 'a table that writers always hold for over 0.1 s: everything is gone' 0 "$(run_sql busy "$left")"
kill $app
wait $app || true
check '… and none of their statements failed' '' "$(grep -aE 'ERROR|aborted' "$work/app" | head -3)"

# Somebody who stays: it gives up, says at what, and the next run goes on from there.
"$bin/psql" -Xq -d busy -f "$sql_dir/install.sql" >/dev/null
run_sql busy "SELECT herald.watch('a'), herald.watch('b')" >/dev/null
coproc STAYS { exec "$bin/psql" -XqAt -d busy 2>&1; }
printf 'BEGIN; SELECT count(*) > 0 FROM b;\n' >&"${STAYS[1]}"
read -r -t 20 _ <&"${STAYS[0]}"
check 'it cannot run in a transaction, and says so' 1 "$("$bin/psql" -Xq1 -d busy -f "$sql_dir/uninstall.sql" 2>&1 | grep -c 'run this outside of a transaction')"
sed 's/max_tries  CONSTANT int := 80/max_tries  CONSTANT int := 9/' "$sql_dir/uninstall.sql" >"$work/impatient.sql"
PGOPTIONS='' "$bin/psql" -Xq -d busy -f "$work/impatient.sql" >"$work/said" 2>&1
check 'it gives up at a table that is held for long' 1 "$(grep -c 'gave up at DROP FUNCTION' "$work/said")"
check '… having said how far it was, and what for it waited' t "$(grep -qE 'NOTICE: +herald: [0-9]+ of [0-9]+ done, about [0-9]+ s to go; gives way to others at DROP FUNCTION' "$work/said" && echo t)"
check '… having done what could be done' 2 "$(run_sql busy "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!herald\_%' AND tgrelid = 'b'::regclass")"
printf 'COMMIT;\n\\q\n' >&"${STAYS[1]}"
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d busy -f "$sql_dir/uninstall.sql"
check '… and the next run goes on' 0 "$(run_sql busy "$left")"
exit $((failures > 0))
