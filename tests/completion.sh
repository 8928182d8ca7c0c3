#!/bin/bash
# SPDX-License-Identifier: PostgreSQL
# Completion for bash, without a terminal: tests/completion.sh SCRIPT. Each case is a line as typed up to the cursor, and what of
# its offers must be there (+WORD) and must not (-WORD), or all of them (=WORDS, "=" is none).
set -u
# shellcheck source=/dev/null
. "$1"
failed=0

offers() { # WORDS…, the last one is being typed
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _pgherald pgherald "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}"
}

expect() { # LINE EXPECTATION…
    local line=$1 typed found expectation
    shift
    IFS=' ' read -r -a typed <<<"$line"
    [[ $line != *' ' ]] || typed+=('')
    found=$(offers "${typed[@]}")
    for expectation in "$@"; do
        case $expectation in
        +*) grep -qxF -- "${expectation#+}" <<<"$found" ;;
        -*) ! grep -qxF -- "${expectation#-}" <<<"$found" ;;
        =*) [ "$(tr '\n' ' ' <<<"$found" | sed 's/ *$//')" = "${expectation#=}" ] ;;
        esac || { echo "completion of \"$line\": not $expectation in: $found" && failed=1; }
    done
}

expect 'pgherald ' +serve +watch +doctor +help +config
expect 'pgherald ser' =serve
expect 'pgherald help ins' =install
expect 'pgherald serve ' +--listen +--help -serve ---dbo-id
expect 'pgherald serve --max-f' =--max-frame-bytes
expect 'pgherald token --dbo' =--dbo-id
expect 'pgherald watch --exc' =--exclude
expect 'pgherald serve --log-level ' '=error warn info debug'
expect 'pgherald serve --log-level w' =warn
expect 'pgherald serve --log-level = d' =debug
expect 'pgherald serve --max-sessions ' =
expect 'pgherald serve --tls-cert-file scripts/lin' =scripts/lint.sh
expect 'pgherald serve -c scripts/floo' =scripts/floors.sh
expect 'pgherald dev --data-dir script' =scripts
expect 'pgherald nonsense --' =
for command in $(offers pgherald ''); do
    [ "$command" = help ] || [ -n "$(offers pgherald "$command" '')" ] || { echo "completion: nothing for $command" && failed=1; }
done
exit $failed
