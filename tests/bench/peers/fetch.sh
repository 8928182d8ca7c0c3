#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Brings the peers for PEERS=1 make bench: Debian's nginx with nchan is unpacked into build/bench/nginx and not installed,
# because its package starts a server on port 80; the others come from npm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../../../build/bench/nginx
"$here/../../../scripts/deps.sh" bench

if [ ! -x "$root/usr/sbin/nginx" ]; then
    mkdir -p "$root/packages"
    (cd "$root/packages" && apt-get download -q nginx libnginx-mod-nchan)
    for package in "$root"/packages/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
fi
# nchan insists on this directory: its directive that would name another one is broken (1.3.6 calls it a duplicate).
mkdir -p /var/lib/nginx 2>/dev/null || echo "/var/lib/nginx cannot be made: nchan will be left out" >&2
cd "$here"
[ -n "$(find node_modules/.package-lock.json -newer package-lock.json 2>/dev/null)" ] || npm ci --no-audit --no-fund --loglevel=error
