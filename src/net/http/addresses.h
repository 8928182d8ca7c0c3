/* SPDX-License-Identifier: PostgreSQL */
/* Who has how many sessions and how many handshakes: counted in one place for all workers. */
#ifndef HERALD_NET_HTTP_ADDRESSES_H
#define HERALD_NET_HTTP_ADDRESSES_H

#include "base/address.h"
#include "base/bucket.h"

struct addresses;

struct addresses *addresses_new(uint32_t max_sessions, const struct bucket_rate *handshakes);
/* For whoever comes from now on: who has more sessions than that keeps them. */
void addresses_set_limits(struct addresses *addresses, uint32_t max_sessions,
                          const struct bucket_rate *handshakes);
void addresses_free(struct addresses *addresses); /* NULL is fine */

enum admission { ADMISSION_GRANTED, ADMISSION_RATE, ADMISSION_SESSIONS };
/* What a handshake from there would get. Any thread, as the next. */
enum admission addresses_judge(struct addresses *addresses, const struct address *from,
                               uint64_t now_ms);
/* A handshake from there. GRANTED: a session counts until addresses_leave with the same address. */
enum admission addresses_enter(struct addresses *addresses, const struct address *from,
                               uint64_t now_ms);
void addresses_leave(struct addresses *addresses, const struct address *from, uint64_t now_ms);
/* Forgets whom there is nothing to know of. Each worker may call it as often as it likes. */
void addresses_sweep(struct addresses *addresses, uint64_t now_ms);
size_t addresses_n(struct addresses *addresses);

#endif
