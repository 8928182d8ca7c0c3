/* SPDX-License-Identifier: PostgreSQL */
/* Where a server is, as people write it: wss://chat.example, ws://127.0.0.1:8080/rt/<canonical>. */
#ifndef HERALD_NET_CLIENT_TARGET_H
#define HERALD_NET_CLIENT_TARGET_H

#include <stdbool.h>

#include "base/err.h"

struct target {
    bool is_tls;
    char host[256]; /* a name or an address, without brackets */
    char port[6];
    char path[512]; /* /rt/<canonical>; "": the URL names none */
};

/* ws and wss, and http and https for the same; the port may be left out. Fails with
 * EXIT_CODE_USAGE. The sentence holds nothing of the path. */
enum status target_parse(const char *url, struct target *out, struct err *err) MUST_CHECK;
/* The path of the canonical, if the URL had none. */
enum status target_complete(struct target *target, const char *canonical,
                            struct err *err) MUST_CHECK;

#endif
