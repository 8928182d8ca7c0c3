/* SPDX-License-Identifier: PostgreSQL */
/* The answers of xano_protocol: see struct protocol. */
#ifndef HERALD_PROTO_XANO_ANSWER_H
#define HERALD_PROTO_XANO_ANSWER_H

#include "core/protocol.h"

struct frame *xano_joined(const struct protocol_joined *joined);
struct frame *xano_left(struct str channel, struct str view, struct str ref);
struct frame *xano_error(const struct protocol_error *error);
struct frame *xano_receipt(const struct protocol_receipt *receipt);
struct frame *xano_pong(struct str ref);
struct frame *xano_txid(struct str ref, uint64_t xid);
struct frame *xano_token(const struct protocol_renewal *renewal);

#endif
