/* SPDX-License-Identifier: PostgreSQL */
/* The header of the PROXY protocol, version 1 and 2, with which a proxy begins a connection to name
 * the client it stands for (HAProxy, "The PROXY protocol", doc/proxy-protocol.txt). No I/O. */
#ifndef HERALD_PROTO_PROXY_HEADER_H
#define HERALD_PROTO_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum {
    PROXY_HEADER_V1_MAX = 107, /* with its CRLF (section 2.1) */
    /* A v2 header could say 64 KiB; the addresses take 232 bytes at most, the rest are extensions
     * that are skipped here. The certificate of a client is the longest one in use. */
    PROXY_HEADER_MAX = 4096,
};

enum proxy_header_state { PROXY_HEADER_INCOMPLETE, PROXY_HEADER_COMPLETE, PROXY_HEADER_BAD };

struct proxy_header {
    size_t len;            /* of the header: the bytes behind it are the client's */
    bool has_client;       /* false: the proxy asks for itself, or does not know for whom */
    struct address client; /* if has_client */
};

/* Looks at the first bytes of a connection; call it again with all of them when more came. Says BAD
 * as soon as they cannot become a header. *out is written for COMPLETE only. */
enum proxy_header_state proxy_header_read(const uint8_t *data, size_t len,
                                          struct proxy_header *out);

#endif
