/* SPDX-License-Identifier: PostgreSQL */
/* The bus over NATS (core NATS, no JetStream): signed messages, who else is there, and the seam of
 * core/nodes/bus.h. On the loop's thread, like all that it calls. */
#ifndef HERALD_BUS_NATS_H
#define HERALD_BUS_NATS_H

#include "base/err.h"
#include "bus/options.h"
#include "bus/seal.h"
#include "core/metrics.h"
#include "core/nodes/bus.h"
#include "loop/loop.h"

struct nats_bus;

struct nats_bus_options {
    const struct bus_options *bus; /* outlives it, as what follows */
    const char *node_id;
    const char *node_name;        /* for people */
    struct metrics_block *counts; /* of the loop's thread; NULL: nothing is counted */
    void *arg;
    /* Messages are signed with a key that is none of ours: perhaps there is another one by now. At
     * most every five seconds. */
    void (*on_unknown_key)(void *arg);
    /* Another process speaks under our id: one of the two must end. */
    void (*on_double)(void *arg);
};

/* Checks options and files (exit code 78); connects only when it is started and has its keys. */
enum status nats_bus_new(struct loop *loop, const struct nats_bus_options *options,
                         struct nats_bus **out, struct err *err) MUST_CHECK;
/* Says good-bye, and waits for that, or until an attempt to connect has ended: a second for each server
 * at most, besides what looking its name up takes. NULL is fine. */
void nats_bus_free(struct nats_bus *bus);
struct bus nats_bus_seam(struct nats_bus *bus);
void nats_bus_start(struct nats_bus *bus, struct bus_sink sink);
/* Which database this is, as its own Postgres says, and its keys (herald.bus_keys). */
void nats_bus_set_keys(struct nats_bus *bus, struct str realm, const struct seal_keys *keys);
void nats_bus_reload(struct nats_bus *bus); /* the files are read again */
bool nats_bus_is_up(const struct nats_bus *bus);
unsigned nats_bus_n_foreign(const struct nats_bus *bus); /* nodes of versions that are not read */
void nats_bus_measure(struct nats_bus *bus);             /* brings metrics up to date */

#endif
