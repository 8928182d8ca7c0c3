#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Who may include what (docs/architecture.md, "Where to look"). A folder includes itself and what stands behind its name below; adapters
# (pg, auth, proto, bus, net) meet in core's seams and in src/server.c, never in each other. Foreign headers stay in
# the one folder that owns the library: a CVE then has one folder to read.
#
# Inside core and net there are storeys: the walls below say which of core/hub's rooms sees which, and no file of the two
# folders includes, however far around, one that includes it. (A header counts with its .c file: each declares what that
# one defines.)
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
    config) echo base settings ;;
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
    nats/*) echo bus ;;
    openssl/*) echo base net auth proto bus cli ;;
    *) echo any ;;
    esac
}

# a folder of src, and the folders (with a slash) and headers of core that it may include
walls() {
    ground='core/ core/nodes/ core/hub/options.h core/hub/ground/'
    presence='core/hub/presence/presence.h core/hub/presence/grace.h core/hub/presence/state.h core/hub/presence/remote.h' # the rest are the lists' insides
    live='core/hub/live/scope.h core/hub/live/sight.h core/hub/live/view.h core/hub/live/place.h core/hub/live/tell.h core/hub/live/version.h core/hub/live/hearing.h core/hub/live/reread.h core/hub/live/gap.h'
    case $1 in
    core/hub/ground) echo "$ground core/live/filter.h" ;;
    core/hub/live) echo "$ground core/hub/live/ core/live/ core/row/" ;;
    core/hub/presence | core/hub/presence/nodes) echo "$ground core/hub/presence/ core/hub/presence/nodes/" ;;
    core/hub/resume) echo "$ground $presence $live core/hub/resume/" ;;
    core/hub/snapshot) echo "$ground $live core/hub/resume/replay.h core/hub/snapshot/ core/live/ core/row/" ;;
    core/hub/nodes) echo "$ground $presence core/hub/directive.h core/hub/nodes/" ;;
    core/hub) echo "$ground $presence $live core/hub/nodes/ core/hub/resume/ core/hub/snapshot/snapshot.h core/hub/snapshot/txid.h core/hub/snapshot/wish.h core/hub/" ;;
    core/row) echo core/row/ core/json_span.h ;; # pure: rows, and nothing of the server
    core/live) echo core/live/ core/live/value/ core/row/ core/identity.h core/json_span.h core/json_walk.h ;; # pure too
    core/live/value) echo core/live/value/ core/live/limits.h core/row/ core/json_span.h ;;
    core/nodes) echo core/nodes/ ;;
    core) echo core/ core/row/ ;;
    *) echo core/ core/hub/hub.h core/hub/options.h core/nodes/ core/row/ core/live/ ;;
    esac
}

for file in $(find src -name '*.[ch]' | sort); do
    folder=${file#src/}
    case $folder in
    */*) folder=${folder%%/*} ;;
    *) folder=top ;;
    esac
    allowed="$folder $(own "$folder")"
    [ "$(own "$folder")" != unknown ] || complain "$file: a folder that own() does not know: say here what it may include"
    for include in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
        [ -f "src/$include" ] || complain "$file: \"$include\" is not relative to src/"
        case $include in
        */*) target=${include%%/*} ;;
        *) target=top ;;
        esac
        case $include in # structs of settings, which the options fill
        auth/tokens.h | bus/options.h | core/hub/options.h | net/options.h | pg/database.h) [ "$folder" != config ] || target=settings ;;
        esac
        case " $allowed " in
        *" $target "*) ;;
        *) complain "$file: $folder may not include \"$include\"" ;;
        esac
        case $include in
        core/*)
            case " $(walls "$(dirname "${file#src/}")") " in
            *" $include "* | *" ${include%/*}/ "*) ;;
            *) complain "$file: \"$include\" is behind a wall" ;;
            esac
            ;;
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
circles=$(grep -r '^ *# *include *"' src/core src/net |
    sed 's|^src/\([^:]*\)\.[ch]: *# *include *"\(.*\)\.h".*|\1 \2|' | awk '$1 != $2' | tsort 2>&1 >/dev/null | sed -n 's|^tsort: \([a-z].*\)|\1|p' | tr '\n' ' ')
[ -z "$circles" ] || complain "a circle: $circles"
[ $status = 0 ] && echo "floors: ok"
exit $status
