/* SPDX-License-Identifier: PostgreSQL */
/* What the server counts, for /metrics: one table gives the names, types and words of docs and
 * answer.
 *
 * Each thread counts in a block of its own, so counting is an addition without a lock, and whoever
 * is asked adds the blocks up. A metric with a label has one cell for each of the label's values:
 * METRIC_ERRORS + ERROR_CODE_NO_CHANNEL. */
#ifndef HERALD_CORE_METRICS_H
#define HERALD_CORE_METRICS_H

#include <stdatomic.h>
#include <stdio.h>

#include "base/buf.h"
#include "core/metrics_table.h"

enum metric_cell {
#define METRIC_CELL(id, name, type, label, n, help)                                                \
    METRIC_##id, METRIC_##id##_LAST = METRIC_##id + (n)-1,
    METRICS(METRIC_CELL)
#undef METRIC_CELL
        METRIC_CELLS
};

struct metrics_block { /* of one thread */
    _Alignas(64) atomic_uint_fast64_t cells[METRIC_CELLS];
};

struct metrics;
struct metrics *metrics_new(uint32_t n_blocks);
void metrics_free(struct metrics *metrics); /* NULL is fine */
/* NULL if metrics is. */
struct metrics_block *metrics_block(struct metrics *metrics, uint32_t index);

/* Block's own thread only; block NULL: nobody counts. No read-modify-write of the hardware's: there
 * is one writer. */
static inline void metrics_add(struct metrics_block *block, unsigned cell, uint64_t n)
{
    if (block) {
        uint64_t value = atomic_load_explicit(&block->cells[cell], memory_order_relaxed);
        atomic_store_explicit(&block->cells[cell], value + n, memory_order_relaxed);
    }
}

static inline void metrics_count(struct metrics_block *block, unsigned cell)
{
    metrics_add(block, cell, 1);
}

static inline void metrics_set(struct metrics_block *block, unsigned cell, uint64_t value)
{
    if (block) {
        atomic_store_explicit(&block->cells[cell], value, memory_order_relaxed);
    }
}

/* The cell of a close code, ours or a client's. */
unsigned metrics_close(uint16_t code);

/* Prometheus' text format 0.0.4. Any thread. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_write(struct metrics *metrics, struct buf *out);
void metrics_reference(FILE *out); /* Markdown: docs/metrics.md */

#endif
