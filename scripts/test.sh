#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# All tests, in this order: build (release, and the sanitizers' variants where they are used), lint, unit, SQL,
# integration (ASan), browser, a ThreadSanitizer run, the fuzz corpora, instructions per delivery. Every stage runs, also after a failed one; each
# ends with its numbers (scripts/numbers.sh), and the sum of these is the last line here. One that hangs is ended after
# STAGE_SECONDS (900). Full logs are in build/logs/.
#
# "matrix" is a part of make matrix: what fits into a run of CI, on the oldest and the newest Postgres.
# STAGES='unit sql' runs only those.
set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build/logs
passed=0
failed=0
skipped=0

stage() {
    name=$1
    shift
    case " ${STAGES:-build lint unit sql integration matrix browser tsan corpus instructions} " in
    *" $name "*) ;;
    *) return ;;
    esac
    log=build/logs/$name.log
    start=$(date +%s)
    "$@" >"$log" 2>&1
    code=$?
    [ "$name" != build ] || [ "$code" != 0 ] || echo 'ok - built' >>"$log"
    read -r good bad skip <<END
$(scripts/numbers.sh "$name" "$log" "$code")
END
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + skip))
    printf '%-12s %4d passed, %d failed, %d skipped  (%d s)\n' "$name" "$good" "$bad" "$skip" $(($(date +%s) - start))
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
stage matrix of release matrix MAJORS='13 18' MATRIX_PARTS='sql smoke'
stage browser of asan browser
stage tsan of tsan tsan
stage corpus of asan corpus
stage instructions of release instructions

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
