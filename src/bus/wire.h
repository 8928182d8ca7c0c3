/* SPDX-License-Identifier: PostgreSQL */
/* One connection to a NATS server and the thread that reads what comes on it. The only place that
 * knows libnats. For one thread, which may wait. */
#ifndef HERALD_BUS_WIRE_H
#define HERALD_BUS_WIRE_H

#include "base/err.h"
#include "base/str.h"
#include "bus/address.h"

struct wire;

struct wire_options {
    const struct bus_address *address;
    const char *name;    /* of the connection, for the server's monitoring */
    const char *subject; /* to hear; ends in .> */
    const char *probe;   /* to publish to: an empty message that nobody looks at */
    void *arg;
    /* On the wire's own thread. */
    void (*on_message)(void *arg, const char *subject, struct str data);
    void (*on_over)(void *arg); /* it has broken: nothing more will come */
};

/* Waits a second for each server, at most. It has been tried then that the server lets us hear and
 * publish, and takes as much at once as we have. err: why there is none, a sentence. From then on
 * all that comes is kept, and told from wire_start on. */
enum status wire_open(const struct wire_options *options, struct wire **out,
                      struct err *err) MUST_CHECK;
void wire_start(struct wire *wire);
/* Waits, two seconds at most, until all is sent and told that has gone to it. */
void wire_drain(struct wire *wire);
void wire_close(struct wire *wire); /* afterwards no callback comes. NULL is fine */
bool wire_is_over(const struct wire *wire);
size_t wire_max_message(const struct wire *wire); /* bytes, as the server said */
/* Waits at most 300 ms. False: the connection cannot be used any more. */
bool wire_publish(struct wire *wire, const char *subject, struct str data);
const char *
wire_complaint(struct wire *wire); /* why it is over, or what the server complained of */

#endif
