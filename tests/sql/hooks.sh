#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# A race that no check wins: the owner of a rule's function makes it SECURITY INVOKER and back, thousands of times, while the
# server calls it. Some calls come between the check and the call; then the function must find itself in a role that may do
# nothing, and never in the server's.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
n_calls=3000

cluster_start
cluster_install hooks
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d hooks <<'SQL'
CREATE ROLE mallory;
CREATE SCHEMA m AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA m TO PUBLIC;
SET ROLE mallory;
CREATE TABLE m.seen (who text);
GRANT INSERT ON m.seen TO PUBLIC;
CREATE FUNCTION m.f(channel text, identity json, action text) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN INSERT INTO m.seen VALUES (current_user); RETURN true; END';
SQL
for kind in DEFINER INVOKER; do echo "ALTER FUNCTION m.f(text, json, text) SECURITY $kind;"; done >"$work/toggle.sql"
(while [ ! -e "$work/stop" ]; do "$bin/pgbench" -n -t 500 -f "$work/toggle.sql" hooks >/dev/null 2>&1 || true; done) &
toggler=$!
for _ in $(seq $n_calls); do echo "SELECT herald.call_authorize('m.f(text,json,text)', 'r', NULL, 'join');"; done >"$work/calls.sql"
PGUSER=herald_server "$bin/psql" -XqAt -v VERBOSITY=sqlstate -d hooks -f "$work/calls.sql" >"$work/answers" 2>&1
touch "$work/stop"
wait $toggler

count() { run_sql hooks "SELECT count(*) FROM m.seen WHERE who $1"; }
echo "# $n_calls calls: $(count "= 'mallory'") as the owner, $(count "= 'herald_hook'") as herald_hook, $(grep -c 42501 "$work/answers" || true) refused"
check 'the function ran, and was refused' t "$([ "$(count "= 'mallory'")" -gt 0 ] && grep -q 42501 "$work/answers" && echo t)"
check 'every call ended in one of these ways' $n_calls "$(($(count "IN ('mallory', 'herald_hook')") + $(grep -c 42501 "$work/answers")))"
check 'it never ran as the server' 0 "$(count "NOT IN ('mallory', 'herald_hook')")"
exit $((failures > 0))
