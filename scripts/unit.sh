#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Runs the unit test programs it is given and ends with one line: "unit: N passed, N failed". A program counts its cases
# in TAP (cmocka writes it); one that ends badly without a failed case, or without any case, counts as one failure.
set -u
export CMOCKA_MESSAGE_OUTPUT=TAP
export UBSAN_OPTIONS=print_stacktrace=1
LSAN_OPTIONS="suppressions=$(dirname "$0")/../tests/lsan.supp:print_suppressions=0"
export LSAN_OPTIONS
passed=0
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for program in "$@"; do
    timeout 400 "$program" >"$output" 2>&1
    code=$?
    ok=$(grep -c '^ok ' "$output")
    not_ok=$(grep -c '^not ok ' "$output")
    if [ "$not_ok" = 0 ] && { [ "$code" != 0 ] || [ "$ok" = 0 ]; }; then
        not_ok=1
    fi
    if [ "$not_ok" != 0 ]; then
        echo "--- $program (exit code $code)"
        grep -v '^ok ' "$output"
    fi
    passed=$((passed + ok))
    failed=$((failed + not_ok))
done
[ $# != 0 ] || failed=1
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ]
