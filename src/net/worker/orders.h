/* SPDX-License-Identifier: PostgreSQL */
/* What travels from the hub to a worker, as a value in a mailbox, and is done to the worker's
 * sessions. An order owns the reference to its frame, gate, identity, pair or settings until then. */
#ifndef HERALD_NET_WORKER_ORDERS_H
#define HERALD_NET_WORKER_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/transport.h"

struct worker;

enum order_type {
    ORDER_SEND,
    ORDER_PUBLISH,
    ORDER_ATTACH,
    ORDER_RESUME_LIVE,
    ORDER_DETACH,
    ORDER_AWAIT_DRAIN,
    ORDER_IDENTIFY,
    ORDER_CLOSE,
    ORDER_GATE,
    ORDER_CLOSE_ALL,
    ORDER_CERTIFICATE, /* not of the transport: net_reload_tls */
    ORDER_SETTINGS,    /* net_set_options */
    ORDER_STOP,        /* net_stop */
};

struct order {
    enum order_type type;
    /* The session: SEND, ATTACH, RESUME_LIVE, DETACH, AWAIT_DRAIN, IDENTIFY, CLOSE; else 0 */
    uint32_t slot, generation;
    union {
        uint32_t roster; /* PUBLISH, ATTACH, RESUME_LIVE, DETACH */
        uint32_t code;   /* CLOSE, CLOSE_ALL */
    };
    union {
        struct frame *frame;       /* SEND, PUBLISH */
        struct site_gate *gate;    /* GATE */
        struct identity *identity; /* IDENTIFY */
        struct tls_pair *pair;     /* CERTIFICATE */
        struct net_settings *settings;
        const char *reason; /* CLOSE, CLOSE_ALL: a literal */
        uint64_t skip_to;   /* RESUME_LIVE */
        bool is_held;       /* ATTACH */
    };
    enum presence_wish wish; /* RESUME_LIVE */
    uint32_t spread_ms;      /* CLOSE_ALL, STOP */
};

size_t order_bytes(const struct order *order); /* what it costs while it waits, about */
void order_release(struct order *order);       /* lets go of what it owns */

/* As much as belongs into one turn. False: there is more, and nobody will wake us for it (a sender
 * wakes only for the first order in an empty box). */
bool orders_carry_out(struct worker *worker);
void orders_drop(struct worker *worker); /* lets go of what was not carried out */

#endif
