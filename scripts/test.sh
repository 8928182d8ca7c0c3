#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# All tests: builds everything, then runs the stages (scripts/stage.sh), the longest first, JOBS at a time (as many as there are
# cores; with more, tests begin to wait for the machine). Each says its numbers when it ends, and their sum is the last line here.
# All of them run, also after a failed one. Full logs are in build/logs/.
#
# STAGES='unit sql' runs only those. JOBS=1: one after the other.
set -u
cd "$(dirname "$0")/.." || exit 1
rm -rf build/logs
mkdir -p build/logs

scripts/stage.sh build
if [ "$(cat build/logs/build.numbers)" = '1 0 0' ]; then
    for stage in ${STAGES:-lint integration sql browser matrix-13 matrix-18 cluster unit tsan instructions corpus}; do
        echo 0 1 0 >"build/logs/$stage.numbers" # until it says otherwise
        echo "$stage"
    done | xargs -P "${JOBS:-$(nproc)}" -n 1 scripts/stage.sh
fi

awk '{ passed += $1; failed += $2; skipped += $3 }
    END { print passed " passed, " failed " failed, " skipped " skipped"; exit !(failed == 0 && passed > 0) }' build/logs/*.numbers
