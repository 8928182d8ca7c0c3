#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# One stage of the tests, to its end: scripts/stage.sh NAME. Prints one line with its numbers (scripts/numbers.sh), and of one that
# failed the end of its log. One that hangs is ended after STAGE_SECONDS (1500). What only computes is nice to those that wait.
#
# build/logs/NAME.log is its log, build/logs/NAME.numbers has its three numbers: passed, failed, skipped.
set -u
name=$1
log=build/logs/$name.log

of() { # VARIANT TARGET…
    variant=$1
    shift
    make --no-print-directory -j"$(nproc)" VARIANT="$variant" "$@"
}
# Everything that the stages run: two that build at the same time would meet in one file.
build() {
    of release programs && of asan programs && of tsan build && echo 'ok - built'
}
run() {
    case $1 in
    build) build ;;
    lint) nice scripts/lint.sh ;;
    unit) of asan unit ;;
    sql) of asan sql ;;
    integration) of asan integration ;;
    # What fits into a run of CI: the scripts that take longest run on the installed major alone.
    matrix-*) ROUNDS=1 SQL_WITHOUT='migrations filters visible' of release matrix MAJORS="${1#matrix-}" MATRIX_PARTS='sql smoke' ;;
    browser) of asan browser ;;
    tsan) of tsan tsan ;;
    corpus) of asan corpus ;;
    # A round of a few faults; CLUSTER_SEED=N of its log says again which came after which.
    cluster)
        CLUSTER_SECONDS=1 CHAOS_MIN_FAULTS=1 CHAOS_PAUSE=0.5 CHAOS_WRITERS=3 of release cluster \
            CLUSTER_FAULTS='the leader killed|a node stopped (SIGSTOP)|NATS restarted|the leader cut off from the database|Postgres restarted'
        ;;
    instructions) nice make --no-print-directory instructions ;;
    *) echo "there is no stage $1" && return 64 ;;
    esac
}
report() { # CODE SECONDS
    numbers=$(scripts/numbers.sh "${name%%-*}" "$log" "$1")
    echo "$numbers" >"build/logs/$name.numbers"
    read -r good bad skipped <<END
$numbers
END
    printf '%-12s %4d passed, %d failed, %d skipped  (%d s)\n' "$name" "$good" "$bad" "$skipped" "$2"
    if [ "$bad" != 0 ] || [ "$1" != 0 ]; then
        grep -E '^ *not ok|^FAILED|^\[  FAILED' "$log" | head -20 | sed 's/^ */    /'
        grep -v '^  CC  ' "$log" | sed 's/^/    /' | tail -n 200
    else
        grep -E '^    [^ ]' "$log" | head -20
    fi
}

# Again, under the deadline.
if [ "${2:-}" = under-deadline ]; then
    run "$name"
    exit
fi
start=$(date +%s)
timeout -k 30 "${STAGE_SECONDS:-1500}" "$0" "$name" under-deadline >"$log" 2>&1
code=$?
report "$code" $(($(date +%s) - start)) >"build/logs/$name.report"
flock build/logs cat "build/logs/$name.report" # whole, also when two end at once
