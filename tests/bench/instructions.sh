#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
# Instructions per delivery, per row on its way into the log, and per message and handshake that is read, counted by callgrind, against limits:
# instructions.sh DIRECTORY, with the three programs. The limits stand a fifth over what was measured with gcc 12 (release): other
# compilers may differ a little, a mistake differs by more. Whoever makes it cheaper lowers them. callgrind_annotate
# build/instructions/CASE.out shows where they go.
set -euo pipefail
programs=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p build/instructions
passed=0
failed=0

#     program      case     what it is                                  at most
cases='instructions lone    one channel of 1000, message by message     435 per delivery
       instructions burst   one channel of 1000, 32 messages a turn     185 per delivery
       instructions rooms   1000 rooms of 10, 2 messages each a turn    1725 per delivery
       instructions sorted  10 channels of 100, one after the other     291 per delivery
       instructions durable one channel of 1000, 32 events a turn       167 per delivery
       rows         insert  an INSERT, six columns                      5900 per row
       rows         update  an UPDATE, six columns                      10900 per row
       rows         batch   the same, with its place in a batch         14300 per row
       decode       plain   reading the message of a client              4540 per message
       decode       keyed   the same, with a ref and a key              7000 per message
       decode       handshake the request of a browser, and its answer       20400 per handshake'

while read -r program name what; do
    per=${what#"${what%per *}"}
    what=${what% per*}
    limit=${what##* }
    what=${what%"${what##*[! 0-9]}"}
    out=build/instructions/$name.out
    n=$(valgrind --tool=callgrind --toggle-collect='measured*' --callgrind-out-file="$out" "$programs/$program" "$name" 2>"$out.log") || {
        cat "$out.log"
        exit 1
    }
    total=$(sed -n 's/^\(summary\|totals\): *\([0-9]*\).*/\2/p' "$out" | head -1)
    each=$((total / n))
    printf '%-45s %5d instructions %s, limit %d\n' "$what" "$each" "$per" "$limit"
    if [ "$each" -gt 0 ] && [ "$each" -le "$limit" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done <<<"$cases"
echo "instructions: $passed passed, $failed failed"
[ "$failed" = 0 ]
