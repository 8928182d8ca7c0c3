#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Who may include what (DESIGN.md, "Folders"). A folder includes itself and what stands behind its name below; adapters
# (pg, auth, proto, bus, net) meet in core's seams and in src/server.c, never in each other. Foreign headers stay in
# the one folder that owns the library: a CVE then has one folder to read.
# shellcheck disable=SC2013,SC2044  # no blanks in our file names
set -u
status=0
complain() {
    echo "floors: $*"
    status=1
}

own() {
    case $1 in
    base) echo ;;
    core | loop) echo base ;;
    pg | auth) echo base core loop ;;
    proto) echo base core ;;
    bus) echo base core loop ;;
    net) echo base core loop proto ;;
    config) echo base ;;
    cli) echo base core loop pg auth proto bus net config top ;;
    top) echo base core loop pg auth proto bus net config cli ;;
    *) echo unknown ;;
    esac
}

# header (a shell pattern) and the folders that may include it
foreign() {
    case $1 in
    uv.h | uv/*) echo loop ;;
    libpq-fe.h | libpq/* | pg_config*.h | postgres_ext.h) echo pg cli ;;
    libwebsockets.h | libwebsockets/*) echo net ;;
    jansson.h) echo auth proto pg cli ;;
    confuse.h) echo config ;;
    jose/* | curl/*) echo auth ;;
    openssl/*) echo base net auth proto cli ;;
    *) echo any ;;
    esac
}

for file in $(find src -name '*.[ch]' | sort); do
    folder=${file#src/}
    case $folder in
    */*) folder=${folder%%/*} ;;
    *) folder=top ;;
    esac
    allowed="$folder $(own "$folder")"
    [ "$(own "$folder")" != unknown ] || complain "$file: a folder that DESIGN.md does not know"
    for include in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
        [ -f "src/$include" ] || complain "$file: \"$include\" is not relative to src/"
        case $include in
        */*) target=${include%%/*} ;;
        *) target=top ;;
        esac
        case " $allowed " in
        *" $target "*) ;;
        *) complain "$file: $folder may not include \"$include\"" ;;
        esac
    done
    for include in $(sed -n 's/^ *# *include *<\([^>]*\)>.*/\1/p' "$file"); do
        owners=$(foreign "$include")
        case " $owners " in
        " any " | *" $folder "*) ;;
        *) complain "$file: <$include> belongs to $owners" ;;
        esac
    done
done
for folder in $(find src -type d); do
    n=$(find "$folder" -maxdepth 1 -name '*.c' | wc -l)
    [ "$n" -le 12 ] || complain "$folder: $n .c files, more than 12"
done
[ $status = 0 ] && echo "floors: ok"
exit $status
