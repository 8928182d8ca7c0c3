/* SPDX-License-Identifier: PostgreSQL */
#include "wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MAX_ENDS = 4, MAX_QUEUED = 100000, BEAT_MS = 100 };

struct end {
    struct wire *wire;
    struct bed *bed;
    struct bus bus;
};

struct parcel_under_way {
    const struct end *from; /* NULL: a stranger's */
    size_t len;
    char *body;
};

struct wire {
    struct loop *loop;
    struct loop_timer *turn, *beat;
    struct end ends[MAX_ENDS];
    size_t n_ends, n_sent;
    struct parcel_under_way queue[MAX_QUEUED];
    size_t n_queued;
    enum wire_mode mode;
};

static void bring(struct wire *wire, const struct parcel_under_way *parcel)
{
    for (size_t i = 0; i < wire->n_ends; i++) {
        struct bed *bed = wire->ends[i].bed;
        if (&wire->ends[i] != parcel->from && bed->database) {
            database_hear(bed->database, "another", (struct str){parcel->body, parcel->len});
        }
    }
}

static void on_turn(void *arg)
{
    struct wire *wire = arg;
    size_t n = wire->n_queued;
    for (size_t i = 0; i < n; i++) {
        bool is_last = i + 1 == n;
        size_t nth = wire->mode == WIRE_SWAPPING && !(is_last && i % 2 == 0) ? i ^ 1 : i;
        if (wire->mode == WIRE_LOSING && i % 2 == 0) {
            continue;
        }
        bring(wire, &wire->queue[nth]);
        if (wire->mode == WIRE_DOUBLING) {
            bring(wire, &wire->queue[nth]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        free(wire->queue[i].body);
    }
    assert(wire->n_queued == n);
    wire->n_queued = 0;
}

static void queue(struct wire *wire, const struct end *from, struct str body)
{
    assert(wire->n_queued < MAX_QUEUED);
    char *copy = mem_alloc(body.len);
    memcpy(copy, body.ptr, body.len);
    wire->queue[wire->n_queued++] = (struct parcel_under_way){from, body.len, copy};
    loop_timer_start(wire->turn, wire->mode == WIRE_SWAPPING ? 2 : 0, 0);
}

static bool end_send(void *ctx, enum bus_kind kind, const char *to, struct str body)
{
    const struct end *end = ctx;
    assert(kind == BUS_KIND_ROWS && !to);
    if (end->wire->mode == WIRE_CUT) {
        return false;
    }
    end->wire->n_sent++;
    queue(end->wire, end, body);
    return true;
}

static size_t end_max_body(void *ctx)
{
    const struct end *end = ctx;
    return end->wire->mode == WIRE_CUT ? 0 : SIZE_MAX;
}

static enum bus_company end_company(void *ctx)
{
    const struct end *end = ctx;
    return end->wire->mode == WIRE_CUT ? BUS_COMPANY_UNKNOWN : BUS_COMPANY_WHOLE;
}

static void on_beat(void *arg)
{
    struct wire *wire = arg;
    for (size_t i = 0; i < wire->n_ends && wire->mode != WIRE_CUT; i++) {
        struct bus_beat beat = {0};
        if (!wire->ends[i].bed->database) {
            continue;
        }
        database_fill_beat(wire->ends[i].bed->database, &beat);
        for (size_t j = 0; j < wire->n_ends; j++) {
            if (j != i && wire->ends[j].bed->database) {
                database_hear_beat(wire->ends[j].bed->database, "another", &beat);
            }
        }
    }
}

struct wire *wire_new(struct loop *loop)
{
    struct wire *wire = mem_zalloc(sizeof(*wire));
    wire->loop = loop;
    wire->turn = loop_timer_new(loop, on_turn, wire);
    wire->beat = loop_timer_new(loop, on_beat, wire);
    loop_timer_start(wire->beat, BEAT_MS, BEAT_MS);
    return wire;
}

const struct bus *wire_join(struct wire *wire, struct bed *bed)
{
    assert(wire->n_ends < MAX_ENDS);
    struct end *end = &wire->ends[wire->n_ends++];
    *end = (struct end){wire,
                        bed,
                        {.ctx = end,
                         .send = end_send,
                         .max_body = end_max_body,
                         .version = 1,
                         .company = end_company}};
    return &end->bus;
}

void wire_set_mode(struct wire *wire, enum wire_mode mode)
{
    wire->mode = mode;
}

void wire_send(struct wire *wire, struct str body)
{
    queue(wire, NULL, body);
}

size_t wire_n_sent(const struct wire *wire)
{
    return wire->n_sent;
}

void wire_free(struct wire *wire)
{
    for (size_t i = 0; i < wire->n_queued; i++) {
        free(wire->queue[i].body);
    }
    loop_timer_free(wire->turn);
    loop_timer_free(wire->beat);
    free(wire);
}
