#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Runs the unit test programs it is given, two at a time (many of them wait more than they compute), and ends with one line:
# "unit: N passed, N failed". A program counts its cases in TAP (cmocka writes it); one that ends badly without a failed case, or
# without any case, counts as one failure.
set -u
export CMOCKA_MESSAGE_OUTPUT=TAP
export UBSAN_OPTIONS=print_stacktrace=1
LSAN_OPTIONS="suppressions=$(dirname "$0")/../tests/lsan.supp:print_suppressions=0"
export LSAN_OPTIONS

# One program, in DIR: its output if something failed, and its two numbers in a file of its own.
run_one() { # DIR PROGRAM
    output=$(mktemp "$1/XXXXXX")
    timeout 400 "$2" >"$output" 2>&1
    code=$?
    ok=$(grep -c '^ok ' "$output")
    not_ok=$(grep -c '^not ok ' "$output")
    if [ "$not_ok" = 0 ] && { [ "$code" != 0 ] || [ "$ok" = 0 ]; }; then
        not_ok=1
    fi
    if [ "$not_ok" != 0 ]; then
        { echo "--- $2 (exit code $code)" && grep -v '^ok ' "$output"; } >"$output.failed"
        flock "$1" cat "$output.failed"
    fi
    echo "$ok $not_ok" >"$output.numbers"
}
if [ "${1:-}" = --one ]; then
    run_one "$2" "$3"
    exit
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
printf '%s\n' "$@" | xargs -r -P 2 -n 1 "$0" --one "$results"
cat "$results"/*.numbers 2>/dev/null | awk -v programs=$# '
    { passed += $1; failed += $2 }
    END { failed += programs - NR + (programs == 0); print "unit: " passed + 0 " passed, " failed " failed"; exit failed != 0 }'
