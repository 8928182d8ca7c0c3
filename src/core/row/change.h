/* SPDX-License-Identifier: PostgreSQL */
/* From what a trigger caught to what a channel's subscribers get: the names of the channels and the
 * payloads. A pure function of the row and its shape. */
#ifndef HERALD_CORE_ROW_CHANGE_H
#define HERALD_CORE_ROW_CHANGE_H

#include "core/row/shape.h"

/* Why a row came by its key only, or not at all. */
enum change_fault {
    CHANGE_FAULT_NONE,
    CHANGE_FAULT_SIZE,        /* over max_bytes */
    CHANGE_FAULT_STALE,       /* not what the shape says: the table has changed since */
    CHANGE_FAULT_UNPRINTABLE, /* could not be printed, or is no UTF-8 */
    CHANGE_FAULT_CHANNEL,     /* only skipped: the channel's name is empty or too long */
    CHANGE_FAULT_TEMPLATE,    /* only skipped: a column of the template is gone */
};

const char *change_fault_name(enum change_fault fault); /* "size" …; NONE: "" */

struct
    change_row { /* as in herald.outbox, whose action has both letters; spans absent where there is NULL */
    char action;  /* i insert, u and w update (w: of nothing announced), d delete, s skipped */
    char reduced; /* 0: whole rows; k K key, template and kept; c C template; s: u or t */
    struct str old;
    struct str new;
};

struct change_event {
    struct str channel;
    struct str payload; /* JSON */
    /* {"new":{…},"old":{…}} of the kept columns, null where there is no row; absent if the shape has
     * none, or they are not to be had: then nobody can judge this event. Silent if only kept
     * columns differ: then it is nobody's but who sees one of the rows and not the other. */
    struct str kept;
};

/* What a payload and a kept text are, by their first and last bytes, without a parser. */
bool change_is_truncate(struct str payload); /* it has no rows */
bool change_is_silent(struct str kept);

/* Memory that is used again and again; zero-initialise it. After a large row it stays large, until
 * it is released. */
struct change_scratch {
    struct str *values[2]; /* of the old and the new row: one per column */
    size_t n_values;
    struct buf texts[2];
    struct buf names[2];
    struct buf payloads[2];
    struct buf levels[ROW_DEPTH_MAX];
};

void change_scratch_release(struct change_scratch *scratch);

/* How many events came of the row: an update that moves it to another channel is a delete there
 * (first) and an insert here; one that changes nothing announced is none. Spans are valid until the
 * next call with this scratch. *fault: why something was reduced (the payload says so too) or, if
 * fewer events came than had to, skipped; NONE with 0 events is nothing to count. */
size_t change_events(const struct shape *shape, const struct change_row *row,
                     struct change_scratch *scratch, struct change_event out[2],
                     enum change_fault *fault);

/* The payload of a TRUNCATE, appended. Its channels are all that shape_matches. */
void change_truncate(const struct shape *shape, struct buf *payload);

#endif
