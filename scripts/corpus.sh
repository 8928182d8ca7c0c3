#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Replays tests/fuzz/corpus/<name>/ through build/…/fuzz_<name>.replay and ends with "corpus: N passed, N failed", where
# one fuzz target with its whole corpus is one test. A target without a corpus is a failure: it would test nothing.
set -u
export UBSAN_OPTIONS=print_stacktrace=1
passed=0
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for program in "$@"; do
    name=$(basename "$program" .replay)
    corpus=tests/fuzz/corpus/${name#fuzz_}
    n=$(find "$corpus" -type f 2>/dev/null | wc -l)
    if [ "$n" = 0 ]; then
        echo "--- $name: no corpus in $corpus"
        failed=$((failed + 1))
    elif find "$corpus" -type f -print0 | sort -z | xargs -0 timeout 300 "$program" >"$output" 2>&1; then
        passed=$((passed + 1))
        echo "$name: $n inputs"
    else
        echo "--- $name failed"
        tail -60 "$output"
        failed=$((failed + 1))
    fi
done
[ $# != 0 ] || failed=1
echo "corpus: $passed passed, $failed failed"
[ "$failed" = 0 ]
