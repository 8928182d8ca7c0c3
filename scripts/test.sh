#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# All tests, in this order: build (release, and the sanitizers' variants where they are used), lint, unit, SQL,
# integration (ASan), browser, a ThreadSanitizer run, the fuzz corpora, instructions per delivery. Every stage runs, also after a failed one; each
# ends with a line "stage: N passed, N failed", and the sum of these is the last line here.
#
# A stage that says nothing of the kind is one failed test, and so is one whose exit code contradicts its numbers: no
# stage can fail silently. One that hangs is ended after STAGE_SECONDS (900). Full logs are in build/logs/.
# STAGES='unit sql' runs only those.
set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build/logs
passed=0
failed=0

# The numbers of a log: the stage's own summary if it wrote one, else TAP lines (numbered or not) and what pg_prove says.
numbers() {
    awk -v stage="$1" '
        $0 ~ "^" stage ": [0-9]+ passed, [0-9]+ failed$" { own = $2 " " $4 }
        /^ok( |$)/ { good++ }
        /^not ok( |$)/ { bad++ }
        /^Files=[0-9]+, Tests=[0-9]+/ { split($2, t, /[=,]/); good += t[2] }
        /^ *Failed [0-9]+\/[0-9]+ subtests/ { split($2, f, "/"); good -= f[1]; bad += f[1] }
        END { print own != "" ? own : good + 0 " " bad + 0 }' "$2"
}

stage() {
    name=$1
    shift
    case " ${STAGES:-build lint unit sql integration browser tsan corpus instructions} " in
    *" $name "*) ;;
    *) return ;;
    esac
    log=build/logs/$name.log
    start=$(date +%s)
    "$@" >"$log" 2>&1
    code=$?
    counts=$(numbers "$name" "$log")
    good=${counts% *}
    bad=${counts#* }
    if [ "$name" = build ] && [ "$code" = 0 ]; then
        good=1
    elif [ "$bad" = 0 ] && { [ "$code" != 0 ] || [ "$good" = 0 ]; }; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    printf '%-12s %4d passed, %d failed  (%d s)\n' "$name" "$good" "$bad" $(($(date +%s) - start))
    if [ "$bad" != 0 ] || [ "$code" != 0 ]; then
        grep -v '^  CC  ' "$log" | sed 's/^/    /' | tail -n 200
    else
        grep -E '^    [^ ]' "$log" | head -20
    fi
}

of() {
    variant=$1
    shift
    timeout -k 30 "${STAGE_SECONDS:-900}" make --no-print-directory -j"$(nproc)" VARIANT="$variant" "$@"
}
build() {
    of release build && of asan build && of tsan build
}
stage build build
stage lint timeout -k 30 "${STAGE_SECONDS:-900}" scripts/lint.sh
stage unit of asan unit
stage sql of asan sql
stage integration of asan integration
stage browser of asan browser
stage tsan of tsan tsan
stage corpus of asan corpus
stage instructions of release instructions

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
