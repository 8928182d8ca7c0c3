/* SPDX-License-Identifier: PostgreSQL */
/* A bus between beds of one program (bed.h): what one sends reaches the others in a later turn of the
 * loop, as the mode says; and beats, ten a second. */
#ifndef HERALD_TESTS_FAKES_WIRE_H
#define HERALD_TESTS_FAKES_WIRE_H

#include "bed.h"
#include "core/nodes/bus.h"

enum wire_mode {
    WIRE_WHOLE,
    WIRE_CUT,      /* send says false, and nothing is heard */
    WIRE_LOSING,   /* each second parcel is lost, without a word */
    WIRE_DOUBLING, /* each comes twice */
    WIRE_SWAPPING, /* each second one comes before the first */
};

struct wire;

struct wire *wire_new(struct loop *loop);
/* What this bed's database is to be given as its bus; the bed hears what the others send. */
const struct bus *wire_join(struct wire *wire, struct bed *bed);
void wire_set_mode(struct wire *wire, enum wire_mode mode);
void wire_send(struct wire *wire, struct str body); /* as from another node */
size_t wire_n_sent(const struct wire *wire);
void wire_free(struct wire *wire); /* after the beds' databases */

#endif
