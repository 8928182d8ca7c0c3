#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Installs the Debian 12 packages that are missing: scripts/deps.sh build|nodes|test|chaos|bench
# Asks dpkg first and touches apt only if something is missing, so it costs nothing in everyday use. On a terminal sudo may ask for
# a password. Who is not root and has no sudo is shown the one line that somebody with rights has to run.
set -eu

build="gcc libc6-dev make pkg-config libpq-dev libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libjansson-dev
    libssl-dev libconfuse-dev libjose-dev libcurl4-openssl-dev libnats-dev uthash-dev cmark-gfm postgresql-15"
test="postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl libcmocka-dev clang libclang-rt-dev clang-tidy
    clang-format cppcheck shellcheck codespell chromium valgrind openssl nginx haproxy caddy apache2-bin nats-server pgbouncer man-db"
nodes="nats-server haproxy"
chaos="pgbouncer nats-server haproxy iproute2"
# For the peers that make bench can run beside us (tests/bench/peers/fetch.sh), and to look into a profile.
bench="openssl linux-perf libpcre2-8-0 libcrypt1 zlib1g"

case "${1:-}" in
build) wanted=$build ;;
nodes) wanted="$build $nodes" ;;
test) wanted="$build $test" ;;
chaos) wanted="$build $chaos" ;;
bench) wanted="$build $bench" ;;
*)
    echo "usage: scripts/deps.sh build|nodes|test|chaos|bench" >&2
    exit 64
    ;;
esac

# Node may well have come from elsewhere than Debian, and then its npm too: only its age matters.
if [ "$1" != build ] && [ "$1" != nodes ]; then
    node_major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
    if [ "${node_major:-0}" -lt 18 ] || ! command -v npm >/dev/null; then
        wanted="$wanted nodejs npm"
    fi
fi

command -v dpkg-query >/dev/null || {
    # shellcheck disable=SC2086  # words, to lose the line breaks
    echo "This is not Debian. Install what it calls:" $wanted >&2
    exit 1
}
# shellcheck disable=SC2086  # the lists are words
present=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null | sed -n 's/ installed$//p')
missing=
for package in $wanted; do
    echo "$present" | grep -qx "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
asks_for_password() {
    [ -t 0 ] && command -v sudo >/dev/null && echo "Packages are missing, and sudo installs them:$missing" >&2 && sudo -v
}
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null || asks_for_password; then
    as_root=sudo
else
    with="su - -c"
    ! command -v sudo >/dev/null || with="sudo sh -c"
    echo "These packages are missing, and installing them needs root. Run this, then try again:" >&2
    echo "  $with 'apt-get update && $install'" >&2
    exit 1
fi
echo "Installing:$missing" >&2
$as_root apt-get update -q >&2
# shellcheck disable=SC2086  # words again
$as_root env DEBIAN_FRONTEND=noninteractive $install >&2
