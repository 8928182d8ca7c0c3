#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# All tests of sql/: installs the schema twice into a fresh cluster, runs the pgTAP files with pg_prove, each in a copy of that
# database, uninstalls there and looks for what was left behind; then the scripts that need clusters or many sessions of their own.
#
#   tests/sql/run.sh [pgTAP files …]      with files: only those, and no scripts; SQL_WITHOUT='migrations visible': not these scripts

# shellcheck source=tests/sql/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

cluster_start
cluster_install herald_test
"$bin/psql" -Xq -d herald_test -f "$sql_dir/install.sql" >/dev/null
check 'the second install changes nothing' 15 "$(run_sql herald_test 'SELECT count(*) FROM herald.schema_step')"
run_sql herald_test 'CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap'
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -v program="$work/drain" -v host="$PGHOST" -v port="$PGPORT" \
    -v channel_names="$(cat "$here/../channel-names.json")" -d herald_test -f "$here/helpers.sql"

left_behind="SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'herald%')
    + (SELECT count(*) FROM pg_proc p WHERE p.proname LIKE 'capture\_%' AND p.prorettype = 'trigger'::regtype)
    + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!herald\_%')
    + (SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'herald\_%') + (SELECT count(*) FROM pg_default_acl)
    + (SELECT count(*) FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
        WHERE r.rolname LIKE 'herald\_%' AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))"
# Uninstalls, with all that is watched, while other databases of the cluster still use the roles.
uninstall_beside_others() { # DATABASE
    local kept
    kept=$(PGOPTIONS='' "$bin/psql" -Xq -v ON_ERROR_STOP=1 -d "$1" -f "$sql_dir/uninstall.sql" 2>&1 | grep -c 'kept role' || true)
    check "$1: roles that another database uses are kept, and named" 9 "$kept"
    check "$1: uninstall leaves nothing in the database" 0 "$(run_sql "$1" "$left_behind")"
}
# A pgTAP file, in a copy of the database: what one watches makes no other one slow.
run_file() { # FILE
    local database
    database=$(basename "$1" .sql)
    run_sql postgres "CREATE DATABASE \"$database\" TEMPLATE herald_test"
    run_sql postgres "ALTER DATABASE \"$database\" SET search_path = public, tap"
    pg_prove --directives -d "$database" "$1" || failures=$((failures + 1))
    uninstall_beside_others "$database"
    run_sql postgres "DROP DATABASE \"$database\""
}
if [ $# -gt 0 ]; then
    for file in "$@"; do run_file "$file"; done
    exit $((failures > 0))
fi
for file in "$here"/[0-9]*.sql; do run_file "$file"; done

cluster_install herald_other
run_sql herald_other "CREATE TABLE public.a (id int PRIMARY KEY); SELECT herald.watch('a')" >/dev/null
uninstall_beside_others herald_test
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d herald_other -f "$sql_dir/uninstall.sql"
check 'the second uninstall leaves nothing in its database' 0 "$(run_sql herald_other "$left_behind")"
check 'the last uninstall drops the roles' 0 "$(run_sql postgres "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'herald\_%'")"
check 'a watched table survives the uninstall' 1 "$(run_sql herald_other 'INSERT INTO public.a VALUES (1) RETURNING id')"
"$bin/psql" -Xq -v ON_ERROR_STOP=1 -d herald_other -f "$sql_dir/uninstall.sql"
cluster_install herald_again
check 'it can be installed again' 15 "$(run_sql herald_again 'SELECT herald.schema_version()')"
# As it was before the release: payloads in the outbox.
run_sql herald_again 'ALTER TABLE herald.outbox RENAME COLUMN new TO payload; DELETE FROM herald.schema_step WHERE step >= 10'
check 'an unreleased schema is not upgraded' 1 "$("$bin/psql" -Xq -d herald_again -f "$sql_dir/install.sql" 2>&1 | grep -c 'Uninstall and install again')"
for encoding in LATIN1 EUC_JP EUC_KR SQL_ASCII; do
    run_sql postgres "CREATE DATABASE \"in $encoding\" ENCODING '$encoding' LOCALE 'C' TEMPLATE template0"
    check "a database in $encoding is refused" 1 "$("$bin/psql" -Xq -d "in $encoding" -f "$sql_dir/install.sql" 2>&1 | grep -c "needs a database in UTF8, this one is in $encoding")"
done
# Settings that make the files read differently.
run_sql postgres 'CREATE DATABASE odd'
run_sql postgres "ALTER DATABASE odd SET standard_conforming_strings = off; ALTER DATABASE odd SET client_encoding = 'LATIN1'; ALTER DATABASE odd SET escape_string_warning = off"
"$bin/psql" -Xq -d odd -f "$sql_dir/install.sql" >/dev/null
texts="SELECT md5(string_agg(concat(p.oid::regprocedure, p.prosrc, obj_description(p.oid)), ',' ORDER BY p.oid::regprocedure::text COLLATE \"C\")) FROM pg_proc p WHERE p.pronamespace = 'herald'::regnamespace"
check 'strings and encodings of the session change nothing of what is installed' "$(run_sql herald_again "$texts")" "$(run_sql odd "$texts")"
check '… and it works' t "$(run_sql odd "CREATE TABLE public.o (id int PRIMARY KEY, c text); SELECT herald.watch('o', channel => 'odd/{c}');
    INSERT INTO public.o VALUES (1, 'a/' || chr(92) || 'b'); SELECT new = '(1,\"a/' || repeat(chr(92), 2) || 'b\")' FROM herald.outbox" | tail -1)"
run_sql postgres 'DROP DATABASE odd'

# Without superuser: everything but the event triggers.
run_sql postgres 'CREATE ROLE plain LOGIN CREATEROLE'
run_sql postgres 'CREATE DATABASE plain OWNER plain'
"$bin/psql" -Xq -d herald_again -f "$sql_dir/uninstall.sql"
PGOPTIONS='' "$bin/psql" -Xq -U plain -d plain -f "$sql_dir/install.sql" >"$work/plain" 2>&1 || cat "$work/plain"
check 'a role with CREATEROLE can install' 15 "$(run_sql plain 'SELECT herald.schema_version()')"
check '… which stays no member of herald_reader, or policies for snapshots would show it all rows' f "$(run_sql plain "SELECT pg_has_role('plain', 'herald_reader', 'USAGE')")"
check '… and is told what is missing' 1 "$(grep -c 'may not create event triggers' "$work/plain")"
"$bin/psql" -XqAt -v ON_ERROR_STOP=1 -U plain -d plain >/dev/null <<'SQL'
CREATE TABLE public.thing (id int PRIMARY KEY, name text, secret text);
GRANT herald_admin TO CURRENT_USER;
SELECT herald.watch('thing', exclude => '{secret}');
ALTER TABLE thing RENAME COLUMN secret TO hidden;
ALTER TABLE thing DROP COLUMN name;
INSERT INTO thing VALUES (1, 'hush');
SELECT herald.refresh();
INSERT INTO thing VALUES (2, 'hush');
SQL
check 'without event triggers a stale trigger announces keys only, and a refresh mends it' \
    'public.thing {"id":1} true public.thing {"id":2} ' "$(news plain "concat(payload #>> '{data,new}', ' ', payload #>> '{data,truncated_to_key}')")"

# Without CREATEROLE: somebody else has made the roles, and granted those that own things.
run_sql postgres 'CREATE ROLE plainer LOGIN; GRANT herald_owner, herald_capture, herald_caller, herald_reader TO plainer'
run_sql postgres 'CREATE DATABASE plainer OWNER plainer'
PGOPTIONS='' "$bin/psql" -Xq -U plainer -d plainer -f "$sql_dir/install.sql" >"$work/plainer" 2>&1 || cat "$work/plainer"
check 'a role that was granted the roles can install' 15 "$(run_sql plainer 'SELECT herald.schema_version()')"

for script in "$here"/*.sh; do
    case ${script##*/} in cluster.sh | run.sh) continue ;; esac
    case " ${SQL_WITHOUT:-} " in *" $(basename "$script" .sh) "*) echo "# ${script##*/}: left out" && continue ;; esac
    echo "# ${script##*/}"
    "$script" || { failures=$((failures + 1)) && echo "FAILED: ${script##*/}"; } # also if nothing in it was not ok
done
[ "$failures" = 0 ] || echo "$failures failed"
exit $((failures > 0))
