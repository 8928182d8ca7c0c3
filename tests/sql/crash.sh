#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The epoch of a database that was copied on the file level, that crashed and that was restarted.

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

cluster_start
cluster_install crash
run_sql crash "CREATE TABLE thing (id int PRIMARY KEY); SELECT herald.watch('thing'); SELECT FROM herald.open(NULL)" >/dev/null
run_sql crash 'INSERT INTO thing VALUES (1)'
check 'an event is sequenced' 1 "$(drain crash)"
run_sql postgres 'CREATE DATABASE twin TEMPLATE crash'
check 'a database made from a template has an epoch of its own' t "$(run_sql twin 'SELECT is_renewed FROM herald.open(NULL)')"
run_sql crash "INSERT INTO thing VALUES (2); SELECT FROM herald.open(NULL, 'me')"
cluster_restart immediate
check 'a server that saw all keeps the epoch' f "$(run_sql crash "SELECT is_renewed FROM herald.open((SELECT max(id) FROM herald.log), 'me')")"
check 'and the change from before the crash arrives' '1 2' "$(drain crash) $(run_sql crash 'SELECT max(id) FROM herald.log')"
cluster_restart fast
check 'a clean restart keeps the epoch' f "$(run_sql crash 'SELECT is_renewed FROM herald.open(NULL)')"
exit $((failures > 0))
