/* SPDX-License-Identifier: PostgreSQL */
/* The fake database's rows, as reads for snapshots find them: those that the test says when it answers.
 * Reads and looks wait until then. Of a channel's events a snapshot sees those that are in the log. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "world_internal.h"

void world_fake_read_rows(void *ctx, const struct store_snapshot_query *query,
                          store_snapshot_fn *done, void *arg)
{
    struct world *world = ctx;
    assert(world->n_row_reads < sizeof(world->row_reads) / sizeof(world->row_reads[0]));
    world->row_reads[world->n_row_reads++] =
        (struct row_read){world_channel_index(query->channel), done, arg};
}

void world_fake_look(struct world *world, store_settled_fn *done, void *arg)
{
    assert(world->n_looks < sizeof(world->looks) / sizeof(world->looks[0]));
    world->looks[world->n_looks++] = (struct look){done, arg};
}

size_t world_n_row_reads(const struct world *world)
{
    return world->n_row_reads;
}

/* As record_out prints it: all columns, the kept one too. */
static void put_record(struct buf *out, const struct world_row *row)
{
    static const char *const names[] = {"", "Ann", "Anna"};
    buf_printf(out, "(%d,%d,%c,%s,", row->id, row->n, row->state, names[row->name]);
    if (row->owner) {
        buf_printf(out, "%d", row->owner);
    }
    buf_char(out, ')');
}

static struct row_read take_row_read(struct world *world)
{
    struct row_read read = world->row_reads[0];
    memmove(world->row_reads, world->row_reads + 1, --world->n_row_reads * sizeof(read));
    return read;
}

static void answer_with(struct world *world, const struct row_read *read)
{
    const struct world_row *rows = world->rows[read->channel];
    struct buf records[WORLD_MAX_ROWS] = {0};
    struct store_row found[WORLD_MAX_ROWS];
    char snapshot[48];
    size_t n = world->n_rows[read->channel];
    for (size_t i = 0; i < n; i++) {
        put_record(&records[i], &rows[i]);
        found[i] = (struct store_row){.text = buf_span(&records[i])};
    }
    snprintf(snapshot, sizeof(snapshot), "%zu:%zu:", world->n_log + 1, world->n_log + 1);
    read->done(read->arg, &(struct store_snapshot){.epoch = str_of(world->epoch),
                                                   .head = world->heads[read->channel],
                                                   .snapshot = str_of(snapshot),
                                                   .shape = world_shape_of(world, read->channel),
                                                   .rows = found,
                                                   .n_rows = n});
    for (size_t i = 0; i < n; i++) {
        buf_release(&records[i]);
    }
}

bool world_answer_rows(struct world *world, const struct world_row *rows, size_t n)
{
    if (world->n_row_reads == 0) {
        return false;
    }
    struct row_read read = take_row_read(world);
    assert(n <= WORLD_MAX_ROWS);
    if (rows) {
        memcpy(world->rows[read.channel], rows, n * sizeof(*rows));
        world->n_rows[read.channel] = n;
        answer_with(world, &read);
    } else {
        read.done(read.arg,
                  &(struct store_snapshot){.is_failed = true, .code = ERROR_CODE_UNAVAILABLE});
    }
    world_end_step(world);
    return true;
}

static bool look_end(struct world *world, bool is_settled)
{
    if (world->n_looks == 0) {
        return false;
    }
    struct look look = world->looks[0];
    memmove(world->looks, world->looks + 1, --world->n_looks * sizeof(look));
    look.done(look.arg, is_settled, (struct str){0});
    world_end_step(world);
    return true;
}

bool world_answer_look(struct world *world)
{
    return look_end(world, true);
}

void world_end_snapshots(struct world *world)
{
    while (world_answer_rows(world, NULL, 0) || look_end(world, false)) {
    }
}
