/* SPDX-License-Identifier: PostgreSQL */
/* The connection to a NATS server, on threads of its own between two bounded queues: libnats waits
 * where it likes (for a lock, a name, a server that was stopped), and the loop never does.
 *
 * All functions are for the loop's thread. */
#ifndef HERALD_BUS_LINK_H
#define HERALD_BUS_LINK_H

#include "bus/options.h"
#include "bus/post.h"
#include "core/nodes/bus.h"

struct link;

struct link_options {
    const struct bus_options *bus;
    const char *node_id;
    void (*wake)(void *arg); /* from any thread: something came, or the connection changed */
    void *arg;
};

struct link_counts { /* since the start */
    uint64_t n_sent, sent_bytes, n_received, received_bytes;
    uint64_t n_malformed, n_foreign, n_unsigned, n_full, n_unsent;
};

struct link *link_new(const struct link_options *options);
/* Says what waits, for a moment, then closes. NULL is fine. */
void link_free(struct link *link);
/* Connects, with the first keys; from then on with others. `realm` is which database it is: nodes of
 * another one are not heard. */
void link_set_keys(struct link *link, struct str realm, const struct seal_keys *keys);
/* With what is in the files now: another connection, and then the end of the old one. */
void link_reload(struct link *link);
void link_speak(struct link *link, uint8_t version); /* from the next message on */
/* Which connection it is; 0: there is none. */
uint64_t link_number(const struct link *link);
/* False: there is no connection, or too much waits, or the body is more than the server takes.
 * `is_urgent`: may wait behind more than POST_MAX_OUT. */
bool link_send(struct link *link, enum bus_kind kind, const char *to, struct str body,
               uint64_t now_ms, bool is_urgent);
size_t link_max_body(const struct link *link); /* 0: there is no connection */
/* post.h */
size_t link_take(struct link *link, struct incoming ***letters);
void link_count(const struct link *link, struct link_counts *out);

#endif
