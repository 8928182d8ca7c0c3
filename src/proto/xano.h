/* SPDX-License-Identifier: PostgreSQL */
/* The Xano Realtime wire as an implementation of the protocol seam. */
#ifndef HERALD_PROTO_XANO_H
#define HERALD_PROTO_XANO_H

#include "core/protocol.h"

extern const struct protocol xano_protocol;

/* xano_protocol.decode: from a client's message to what it asks for. Any thread. */
struct command *xano_decode(struct str text, struct session_id session);

#endif
