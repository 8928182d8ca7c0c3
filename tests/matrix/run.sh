#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
#
# The tests that meet Postgres, on other majors than the installed one: tests/matrix/run.sh MAJOR…
#
# Each major's server is fetched (fetch.sh), and PGBIN tells every test where it is; clients are the installed ones. What
# they refuse (a pg_dump of 15 and a server of 16) the tests do in another way, or skip by name. A line for
# each major and part, the last lines of what failed behind it, then the sum. Full logs: build/logs/matrix-MAJOR-PART.log.
#
#   MATRIX_PARTS   sql (all of tests/sql/run.sh), unit (the unit tests that meet Postgres), integration (all of it), smoke (the
#                  part of integration that fits into CI); default: sql unit integration
#   VARIANT        of the server under test; default: asan
set -euo pipefail
export VARIANT=${VARIANT:-asan}
# The files in which the server meets most of what differs between majors.
SMOKE=(tests/integration/{01-wire,04-doorbell,06-capture-exact,11-rights,13-functions,15-epoch}.test.js)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
mkdir -p build/logs
passed=0
failed=0
skipped=0
copies=
trap '[ -z "$copies" ] || rm -rf "$copies"' EXIT

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
    else
        "$@"
    fi
}

# The directory of a server's programs, where user postgres can run them: a clone in root's home is not such a place.
server_of() {
    local bin
    bin=$("$here/fetch.sh" "$1") || return
    if ! as_postgres test -x "$bin/postgres"; then
        [ -d "$copies/$1" ] || cp -a "$bin/.." "$copies/$1"
        bin=$copies/$1/bin
    fi
    echo "$bin"
}

part() { # MAJOR PART
    local log=build/logs/matrix-$1-$2.log start=$SECONDS code=0 good bad skip
    case $2 in
    sql) tests/sql/run.sh ;;
    unit) make unit UNIT_TESTS="$(grep -l 'cluster\.h"' tests/unit/*/*.c | sed "s|^\(.*\)\.c\$|build/$VARIANT/\1|" | xargs)" ;;
    integration) make integration ;;
    smoke) make integration STAGE=smoke INTEGRATION_TESTS="${SMOKE[*]}" ;;
    esac >"$log" 2>&1 || code=$?
    read -r good bad skip < <(scripts/numbers.sh "$2" "$log" "$code")
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
    printf '    %2d %-12s %4d passed, %d failed, %d skipped  (%d s)\n' "$1" "$2" "$good" "$bad" "$skip" $((SECONDS - start))
    if [ "$bad" != 0 ]; then
        { grep -vE '^(ok|  CC) |\.\. ok$|^ok$|, 0 failed, ' "$log" || true; } | sed 's/^/        /' | tail -n 120
    fi
}

copies=$(mktemp -d /tmp/pgherald-matrix.XXXXXX)
chmod 755 "$copies"
for major in "$@"; do
    status=0
    PGBIN=$(server_of "$major") || status=$?
    export PGBIN
    if [ "$status" = 69 ]; then
        echo "    $major: skipped" # why stands above
        skipped=$((skipped + 1))
        continue
    elif [ "$status" != 0 ]; then
        echo "    $major: its server could not be fetched"
        failed=$((failed + 1))
        continue
    fi
    for part in ${MATRIX_PARTS:-sql unit integration}; do
        part "$major" "$part"
    done
done
echo "matrix: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ $((passed + skipped)) != 0 ]
