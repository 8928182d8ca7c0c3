/* SPDX-License-Identifier: PostgreSQL */
/* xano_protocol's frames about members (core/protocol.h). */
#ifndef HERALD_PROTO_XANO_PRESENCE_H
#define HERALD_PROTO_XANO_PRESENCE_H

#include "core/protocol.h"

struct frame *xano_presence_full(struct str channel, const struct protocol_member *members,
                                 size_t n);
struct frame *xano_presence_updates(struct str channel, const struct protocol_member *updates,
                                    size_t n);

#endif
