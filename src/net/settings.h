/* SPDX-License-Identifier: PostgreSQL */
/* What the workers go by. It is immutable, and shared by them: when options change, each is ordered
 * to take the next one, and the last that lets go of the old one frees it. So nothing of it is read
 * under a lock, and a worker sees all of a change at once, between two orders. */
#ifndef HERALD_NET_SETTINGS_H
#define HERALD_NET_SETTINGS_H

#include <stdatomic.h>

#include "base/err.h"
#include "net/http/proxies.h"
#include "net/options.h"

enum { SETTINGS_EXTRA_SOCKETS = 1024 }; /* over max_sessions: handshakes and plain requests */

struct net_settings {
    atomic_uint refs;
    struct net_options options;  /* origins, proxies and the names of files are its own */
    char *metrics_token;         /* NULL: none */
    atomic_bool *is_proxy_named; /* each range's: one of it was named in the log */
    struct proxy_finds *finds;
    uint32_t max_sockets;
};

/* Reads the metrics token's file. A failure has EXIT_CODE_CONFIG. */
enum status net_settings_new(const struct net_options *options, struct net_settings **out,
                             struct err *err) MUST_CHECK;
struct net_settings *net_settings_ref(struct net_settings *settings);
void net_settings_unref(struct net_settings *settings); /* NULL is fine */

#endif
