/* SPDX-License-Identifier: PostgreSQL */
/* The bus that the options ask for, and who gets what comes over it. For server.c alone. */
#ifndef HERALD_NODES_H
#define HERALD_NODES_H

#include "bus/nats.h"
#include "core/hub/hub.h"
#include "pg/database.h"

struct nodes;

struct nodes_options {
    const struct bus_options *bus; /* outlives them, as what follows */
    const char *node_id;
    const char *node_name;
    struct metrics_block *counts;
    void *arg;
    void (*on_double)(void *arg); /* another process speaks under our id: it must be another one */
};

enum status nodes_new(struct loop *loop, const struct nodes_options *options, struct nodes **out,
                      struct err *err) MUST_CHECK;
void nodes_stop(struct nodes *nodes); /* says good-bye; the seam stays. NULL is fine, as below */
void nodes_free(struct nodes *nodes); /* nobody has the seam any more */
const struct bus *nodes_bus(const struct nodes *nodes);
bool nodes_is_shared(const struct nodes *nodes);                  /* there may be others */
const struct standing *nodes_standing(const struct nodes *nodes); /* for /ready, any thread */
void nodes_start(struct nodes *nodes, struct database *database, struct hub *hub);
/* What database_options.on_bus_keys says; arg is the nodes. */
void nodes_on_keys(void *arg, struct str realm, const struct str *keys, size_t n);
void nodes_reload(struct nodes *nodes);
void nodes_measure(struct nodes *nodes);

#endif
