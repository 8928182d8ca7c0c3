#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Everything that can be said about the source without running it. Each check is one test; all of them run, what a
# failed one printed is shown, and the last line is "lint: N passed, N failed". With arguments: only those checks.
# shellcheck disable=SC2046,SC2086  # lists of files are words here: no blanks in our file names
set -u
cd "$(dirname "$0")/.." || exit 1

c_files=$(find src tests -name node_modules -prune -o -name '*.c' -print | sort)
h_files=$(find src tests -name node_modules -prune -o -name '*.h' -print | sort)
js_files=$(find src examples clients tests -name node_modules -prune -o \( -name '*.js' -o -name '*.mjs' \) -print | sort)
sh_files=$(find scripts tests examples .ci -name node_modules -prune -o -type f -print | sort |
    while read -r f; do case $(head -c 20 "$f" | tr -d '\0') in '#!/bin/sh'* | '#!/usr/bin/env sh'* | '#!/usr/bin/env bash'* | '#!/bin/bash'*) echo "$f" ;; esac done)

check_format() {
    clang-format --dry-run -Werror $c_files $h_files 2>&1 | grep -E 'error:' | cut -d: -f1 | sort | uniq -c |
        sed 's/^ *\([0-9]*\) \(.*\)/\2: \1 places differ from clang-format (make format)/' | grep . && return 1
    return 0
}

# A ninth of the analyzer's budget for a function, of which ours have ten lines: where it goes over that, it takes most of the time, and finds the same.
check_tidy() {
    flags="-Xclang -analyzer-config -Xclang max-nodes=25000 -std=c17 -D_GNU_SOURCE -Isrc $(pkg-config --cflags libpq libwebsockets jansson openssl libuv libconfuse jose libcurl libnats)"
    echo $c_files | tr ' ' '\n' | grep '^src/' |
        xargs -P "$(nproc)" -I{} sh -c "clang-tidy --quiet {} -- $flags 2>/dev/null"
}

# cppcheck 2.10 stumbles over a compound literal after '?' (internalAstError) and over uthash's macros (uninitvar): for
# the latter gcc, clang's analyzer and the sanitizers have better eyes; and for returnDanglingLifetime: cppcheck takes what a function
# pointer is given for what it returns.
check_cppcheck() {
    cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=internalAstError --suppress=uninitvar --suppress=returnDanglingLifetime \
        --library=posix -D_GNU_SOURCE -Isrc src
}

check_shellcheck() {
    shellcheck $sh_files
}

# isnt is a function of pgTAP, upto a name in SQL, nin an operator of filters.
check_codespell() {
    codespell --quiet-level=3 --skip='*/node_modules,package-lock.json,*/corpus,*.png' --ignore-words-list=isnt,upto,nin \
        Makefile README.md CHANGELOG.md src sql scripts tests examples clients docs .ci
}

check_floors() {
    scripts/floors.sh
}

# Sizes: 600 lines of a file and 60 of a function are where an argument is needed (printed), 800 and 80 where it ends.
check_sizes() {
    awk '
        FNR == 1 { lines[FILENAME] = 0; start = 0 }
        { lines[FILENAME]++ }
        /^\{$/ && FILENAME ~ /\.c$/ { start = FNR }
        /^\}$/ && start { n = FNR - start - 1; start = 0
            if (n > 80) { print FILENAME ":" FNR - n ": function of " n " lines"; bad = 1 }
            else if (n > 60) print "(" FILENAME ":" FNR - n ": function of " n " lines)" }
        END { for (f in lines) {
                if (lines[f] > 800) { print f ": " lines[f] " lines"; bad = 1 }
                else if (lines[f] > 600) print "(" f ": " lines[f] " lines)" }
            exit bad }' $c_files $h_files $js_files $sh_files >"$work/sizes"
    code=$?
    cat "$work/sizes"
    return $code
}

check_banned() {
    grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca|rand)[ ]*\(' $c_files && return 1
    for f in $c_files $h_files; do
        head -1 $f | grep -q 'SPDX-License-Identifier: PostgreSQL' || { echo "$f: no SPDX line" && return 1; }
    done
}

# The manual pages as a reader gets them, without a complaint of the formatter; and completion, with the cases of its test.
check_made() {
    make -s made || return 1
    for page in build/release/pgherald.1 build/release/pgherald.conf.5; do
        LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>"$work/man" >"$work/page"
        grep -q . "$work/page" && ! grep . "$work/man" || return 1
    done
    shellcheck build/release/pgherald.bash && tests/completion.sh build/release/pgherald.bash
}

# Our modules are ES modules in .js files; tests/ says so in its package.json, a page by type="module".
check_javascript() {
    status=0
    for f in $js_files; do
        cp "$f" "$work/check.mjs"
        node --check "$work/check.mjs" 2>"$work/javascript" || { echo "$f:" && head -5 "$work/javascript" && status=1; }
    done
    return $status
}

# What counts the tests: a skip is no pass, and nothing fails silently. Exit code, a log with | for its line ends, numbers.
check_numbers() {
    status=0
    while read -r code log expected; do
        echo "$log" | tr '|_' '\n ' >"$work/numbers"
        found=$(scripts/numbers.sh sql "$work/numbers" "$code" | tr ' ' ,)
        [ "$found" = "$expected" ] || { echo "$code $log: $found instead of $expected" && status=1; }
    done <<'END'
0 ok_1_-_a|ok_-_b|okay|#_ok_c 2,0,0
1 ok_1_-_a|not_ok_2_-_b 1,1,0
1 ok_1_-_a 1,1,0
0 nothing 0,1,0
0 ok_-_a|ok_-_b_#_SKIP_why 1,0,1
0 ok_-_b_#_SKIP_why 0,0,1
0 x.sql_.._|ok_3_#_SKIP_why|ok|Files=1,_Tests=5,_0_secs|ok_-_b_#_SKIP_why 4,0,2
1 Failed_2/5_subtests_|Files=1,_Tests=5,_0_secs|ok_-_a 4,2,0
0 ok_1_-_a|sql:_7_passed,_0_failed|ok_2_-_b 7,0,0
0 sql:_7_passed,_0_failed,_2_skipped 7,0,2
1 sql:_7_passed,_0_failed 7,1,0
0 unit:_7_passed,_0_failed 0,1,0
END
    return $status
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
[ $# != 0 ] || set -- format floors sizes banned shellcheck codespell javascript numbers made cppcheck tidy
for check in "$@"; do
    if "check_$check" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        grep '^(' "$work/log"
    else
        failed=$((failed + 1))
        echo "--- $check"
        head -100 "$work/log"
    fi
done
echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
