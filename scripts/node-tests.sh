#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Runs test files of node's test runner, one after the other, each with a deadline: scripts/node-tests.sh NAME FILE…
# Ends with "NAME: N passed, N failed, N skipped". What passed is one line a file; of a file with a failure everything is shown.
# A file that ends badly without a failed test (a crash, the deadline) counts as one failure.
set -u
name=$1
shift
passed=0
failed=0
skipped=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for file in "$@"; do
    start=$(date +%s)
    timeout -k 10 "${FILE_SECONDS:-400}" node --test-reporter=tap "$file" >"$output" 2>&1
    code=$?
    # Only leaves are tests: a describe() block has "type: 'suite'" and its own ok line.
    counts=$(awk '
        /^ *(ok|not ok) [0-9]+/ { is_bad = $1 == "not"; is_skip = / # SKIP( |$)/; is_open = 1 }
        is_open && /^ *type: .suite./ { is_open = 0 }
        is_open && /^ *\.\.\.$/ { if (is_bad) bad++; else if (is_skip) skip++; else good++; is_open = 0 }
        END { print good + 0, bad + 0, skip + 0 }' "$output")
    read -r good bad skip <<END
$counts
END
    if [ "$bad" = 0 ] && { [ "$code" != 0 ] || [ $((good + skip)) = 0 ]; }; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
    if [ "$bad" != 0 ]; then
        echo "--- $file (exit code $code)"
        cat "$output"
    fi
    echo "$name $(basename "$file"): $good passed, $bad failed, $skip skipped ($(($(date +%s) - start)) s)"
    sed -n 's/^ *ok [0-9]* - \(.* # SKIP .*\)/    \1/p' "$output"
    grep '^# ' "$output" | grep -vE '^# (Subtest|tests|suites|pass|fail|cancelled|skipped|todo|duration_ms|Test)\b' | sed 's/^# /    /'
done
[ $# != 0 ] || failed=1
echo "$name: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
