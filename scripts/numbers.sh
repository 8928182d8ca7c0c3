#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# What a log of tests says, as three numbers, passed, failed and skipped: scripts/numbers.sh NAME LOG EXIT-CODE
#
# The tests' own summary ("NAME: N passed, N failed, N skipped") if they wrote one, else TAP lines (numbered or not) and
# what pg_prove says. A skip is no pass, and nothing fails silently: no test at all, or an exit code that contradicts the
# numbers, is one failed test.
awk -v name="$1" -v code="$3" '
    $0 ~ "^" name ": [0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$" { own = 1; good = $2 + 0; bad = $4 + 0; skipped = $6 + 0; next }
    own { next }
    /^ok .*# SKIP/ { skipped++; if (/^ok [0-9]/) proved++; next }
    /^ok / { good++ }
    /^not ok( |$)/ { bad++ }
    /^Files=[0-9]+, Tests=[0-9]+/ { split($2, t, /[=,]/); good += t[2] - proved; proved = 0 } # its sum has the skipped ones
    /^ *Failed [0-9]+\/[0-9]+ subtests/ { split($2, f, "/"); good -= f[1]; bad += f[1] }
    END {
        if (!bad && (code != 0 || good + skipped == 0)) {
            bad = 1
        }
        print good + 0, bad + 0, skipped + 0
    }' "$2"
