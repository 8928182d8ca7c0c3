/* SPDX-License-Identifier: PostgreSQL */
/* The real sequencer, without a server around it: takes what is pending in a database and ends. For
 * tests of the schema, which have no server, and as a rival of one that is under test. */
#ifndef HERALD_TESTS_FAKES_DRAIN_H
#define HERALD_TESTS_FAKES_DRAIN_H

#include "base/err.h"
#include "core/event.h"

struct drain_options {
    const char *url;
    uint32_t max_rows, max_bytes; /* of a batch */
    uint32_t max_batches;         /* 0: until nothing is pending */
    const struct event_fields *messages;
    size_t n_messages;
};

/* Returns when a look has found nothing and the messages are stored, or after max_batches; the
 * database has forgotten the session by then. Waits for another server that leads. n_batches: how
 * many looks found something. Failures: the schema is missing, a message was refused, another server
 * took the lead before all were stored, a minute is over. */
enum status drain_run(const struct drain_options *options, unsigned *n_batches, struct err *err);

#endif
