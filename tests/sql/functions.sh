#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# A race: the owner of a rule's function makes it SECURITY INVOKER and back, thousands of times, while the server calls it. A
# call that comes between would run as herald_caller, who may call every function of a rule. Whatever it does then must be
# rolled back: here it leaves a row that says who it was, and calls another owner's function with arguments of its own.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
n_calls=3000

cluster_start
cluster_install functions
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d functions <<'SQL'
CREATE ROLE mallory;
CREATE SCHEMA m AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA m TO PUBLIC;
SET ROLE mallory;
CREATE TABLE m.seen (who text);
GRANT INSERT ON m.seen TO PUBLIC;
RESET ROLE;
CREATE ROLE bob;
CREATE SCHEMA b AUTHORIZATION bob;
SET ROLE bob;
CREATE TABLE b.asked (channel text);
CREATE FUNCTION b.f(channel text, identity json, action text) RETURNS boolean LANGUAGE sql SECURITY DEFINER AS
    'INSERT INTO b.asked VALUES (channel) RETURNING true';
REVOKE EXECUTE ON FUNCTION b.f FROM PUBLIC;
GRANT EXECUTE ON FUNCTION b.f TO herald_caller;
GRANT USAGE ON SCHEMA b TO PUBLIC;
SET ROLE mallory;
CREATE FUNCTION m.f(channel text, identity json, action text) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN
         INSERT INTO m.seen VALUES (current_user);
         IF current_user <> $$mallory$$ THEN PERFORM nextval($$m.n_raced$$), b.f($$forged$$, NULL, $$join$$); END IF;
         RETURN true;
     END';
CREATE SEQUENCE m.n_raced; -- no rollback takes a number back
GRANT USAGE ON SEQUENCE m.n_raced TO PUBLIC;
SQL
for kind in DEFINER INVOKER; do echo "ALTER FUNCTION m.f(text, json, text) SECURITY $kind; SELECT pg_sleep(0.001 * random());"; done >"$work/toggle.sql"
(while [ ! -e "$work/stop" ]; do "$bin/pgbench" -n -t 500 -f "$work/toggle.sql" functions >/dev/null 2>&1 || true; done) &
toggler=$!
call='{"m.f(text,json,text)",authorize,r,NULL,join}'
signature=$(run_sql functions "SELECT sha256(outer_pad || sha256(inner_pad || array_send('$call'::text[]))) FROM herald.signing_key")
for _ in $(seq $n_calls); do echo "SELECT herald.call_function('$call', '$signature');"; done >"$work/calls.sql"
PGUSER=herald_hook "$bin/psql" -XqAt -v VERBOSITY=sqlstate -d functions -f "$work/calls.sql" >"$work/answers" 2>&1
touch "$work/stop"
wait $toggler

count() { run_sql functions "SELECT count(*) FROM m.seen WHERE who $1"; }
n_refused=$(grep -c 42501 "$work/answers" || true)
echo "# $n_calls calls: $(count "= 'mallory'") as the owner, $n_refused refused, $(run_sql functions 'SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM m.n_raced') of them after they had run as herald_caller"
check 'the function ran, and was refused' t "$([ "$(count "= 'mallory'")" -gt 0 ] && [ "$n_refused" -gt 0 ] && echo t)"
check 'every call ended in one of these ways' $n_calls "$(($(count "= 'mallory'") + n_refused))"
check 'what ran as anybody else was rolled back' 0 "$(count "<> 'mallory'")"
check "nobody else's function was called" 0 "$(run_sql functions 'SELECT count(*) FROM b.asked')"
exit $((failures > 0))
