#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# What a call of a rule's function costs, milliseconds of one session that does nothing else: nothing at all, the function
# alone, a call as the server makes it (signed, in its transaction with what stands before and behind it), and the same with
# DISCARD ALL before, as when another owner's function was there before.
#
#   tests/bench/calls.sh [CALLS]      (4000)

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sql/cluster.sh"
n_calls=${1:-4000}

cluster_start
cluster_install calls
run_sql calls "CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO PUBLIC;
    CREATE FUNCTION app.may(channel text, identity json, action text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog AS 'BEGIN RETURN identity ->> ''dbo_id'' = ''12''; END';
    SELECT herald.set_rule('room/*', authorize => 'app.may')" >/dev/null
call='{"app.may(text,json,text)",authorize,room/1,"{\"dbo_id\":12}",join}'
signature=$(run_sql calls "SELECT sha256(outer_pad || sha256(inner_pad || array_send('$call'::text[]))) FROM herald.signing_key")
frame="SELECT set_config('statement_timeout', '2000', true), set_config('client_min_messages', 'error', true);
SELECT herald.call_function('$call', '$signature');
SET CONSTRAINTS ALL IMMEDIATE;"

measure() { # WHAT SCRIPT
    echo "$2" >"$work/script.sql"
    printf '%-60s %s\n' "$1" "$(PGUSER=herald_hook "$bin/pgbench" -n -t "$n_calls" -M extended -f "$work/script.sql" calls | sed -n 's/^latency average = //p')"
}
measure 'nothing (SELECT 1)' 'SELECT 1;'
measure 'the function alone' "SELECT app.may('room/1', '{\"dbo_id\":12}', 'join');"
measure 'the call alone' "SELECT herald.call_function('$call', '$signature');"
measure 'as the server makes it' "BEGIN;
$frame
COMMIT;"
measure 'after DISCARD ALL' "DISCARD ALL;
BEGIN;
$frame
COMMIT;"
