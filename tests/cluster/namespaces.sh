#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Runs a program of node in a network of its own, in which it may make hosts (hosts.js), and with processes of its own: when it
# ends, in whatever way, nothing of it is left. Where that cannot be (it takes root), it runs as it is and says so:
# tests/cluster/namespaces.sh FILE…
set -u
if unshare --net --pid --mount --fork --mount-proc sh -c 'mount -t tmpfs none /run && ip link add name bridge type bridge' 2>/dev/null; then
    # shellcheck disable=SC2016  # for the inner shell
    CLUSTER_NETWORK=namespaces exec unshare --net --pid --mount --fork --kill-child --mount-proc \
        sh -c 'mount -t tmpfs none /run && mkdir /run/netns && exec node "$@"' sh "$@"
fi
echo "No network namespaces here (root and iproute2 are needed): all hosts are addresses of the loopback, and no line can be cut." >&2
exec node "$@"
