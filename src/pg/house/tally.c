/* SPDX-License-Identifier: PostgreSQL */
#include "pg/house/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg/query.h"

enum { LOG_MS = 60000 };

/* A watch, a reason, and whether anything was announced. Few watches have any, so a list does. */
struct line {
    struct line *next;
    char *watch; /* its key; "": nobody knows which */
    char *table;
    enum change_fault fault;
    bool is_skipped;
    uint64_t n_untold, n_sent; /* for the database; sent: with the call that is under way */
    uint64_t n_unlogged;
    uint64_t logged_ms;
};

struct tally {
    struct line *lines;
    struct metrics_block *counts;
    bool is_sending;
};

static const char *fault_sentence(enum change_fault fault)
{
    switch (fault) {
    case CHANGE_FAULT_NONE:
        break;
    case CHANGE_FAULT_SIZE:
        return "they are larger than max_bytes allows; see herald.watch()";
    case CHANGE_FAULT_STALE:
        return "the table was altered, and rows that were captured before do not fit what is known "
               "of it";
    case CHANGE_FAULT_UNPRINTABLE:
        return "a value could not be printed, or a column is gone; herald.refresh() writes the "
               "trigger function anew";
    case CHANGE_FAULT_CHANNEL:
        return "the channel's name would be empty or longer than 255 bytes";
    case CHANGE_FAULT_TEMPLATE:
        return "a column of the channel template is gone: call herald.watch() with another one";
    }
    return "";
}

static struct line *line_of(struct tally *tally, const struct blemish *blemish)
{
    const char *watch = blemish->shape ? blemish->shape->f.watch : "";
    struct line *line = tally->lines;
    while (line && (line->fault != blemish->fault || line->is_skipped != blemish->is_skipped ||
                    strcmp(line->watch, watch) != 0)) {
        line = line->next;
    }
    if (!line) {
        line = mem_zalloc(sizeof(*line));
        line->watch = mem_strdup(watch);
        line->table = blemish->shape
                          ? mem_printf("%s.%s", blemish->shape->f.schema, blemish->shape->f.table)
                          : mem_strdup("a table that is not known any more");
        line->fault = blemish->fault;
        line->is_skipped = blemish->is_skipped;
        line->next = tally->lines;
        tally->lines = line;
    }
    return line;
}

void tally_add(struct tally *tally, const struct blemish *blemish)
{
    struct line *line = line_of(tally, blemish);
    line->n_untold++;
    line->n_unlogged++;
    unsigned first = blemish->is_skipped ? METRIC_SKIPPED : METRIC_REDUCED;
    metrics_count(tally->counts, first + (unsigned)blemish->fault - 1);
}

static void log_lines(struct tally *tally, uint64_t now_ms)
{
    for (struct line *line = tally->lines; line; line = line->next) {
        if (line->n_unlogged > 0 && (line->logged_ms == 0 || now_ms - line->logged_ms >= LOG_MS)) {
            log_warn("%llu changes of %s were %s: %s", (unsigned long long)line->n_unlogged,
                     line->table,
                     line->is_skipped                    ? "not announced"
                     : line->fault == CHANGE_FAULT_STALE ? "announced with values of another type"
                                                         : "announced by their key only",
                     fault_sentence(line->fault));
            line->n_unlogged = 0;
            line->logged_ms = now_ms;
        }
    }
}

static void on_told(void *arg, const struct query_result *result)
{
    struct tally *tally = arg;
    tally->is_sending = false;
    if (!result->is_lost && !result->rows) {
        log_warn("herald.count_events failed: %s %s", result->sqlstate, result->message);
    }
    for (struct line *line = tally->lines; line; line = line->next) {
        line->n_untold -= result->rows ? line->n_sent : 0;
        line->n_sent = 0;
    }
}

static void add_texts(const struct tally *tally, struct params *params, size_t n, bool is_reason)
{
    params_array_begin(params, n);
    for (const struct line *line = tally->lines; line; line = line->next) {
        if (line->n_sent > 0) {
            params_array_add(params,
                             str_of(is_reason ? change_fault_name(line->fault) : line->watch));
        }
    }
    params_array_end(params);
}

static void add_counts(const struct tally *tally, struct params *params, size_t n, bool is_skipped)
{
    params_numbers_begin(params, PARAMS_NUMBERS_BIGINT, n);
    for (const struct line *line = tally->lines; line; line = line->next) {
        if (line->n_sent > 0) {
            params_numbers_add(params, line->is_skipped == is_skipped ? (int64_t)line->n_sent : 0);
        }
    }
    params_array_end(params);
}

void tally_tell(struct tally *tally, struct connection *connection, uint64_t now_ms)
{
    size_t n = 0;
    log_lines(tally, now_ms);
    for (struct line *line = tally->lines; line && !tally->is_sending; line = line->next) {
        line->n_sent = line->n_untold;
        n += line->n_sent > 0;
    }
    if (n == 0) {
        return;
    }
    tally->is_sending = true;
    struct params params = {0};
    add_texts(tally, &params, n, false);
    add_texts(tally, &params, n, true);
    add_counts(tally, &params, n, false);
    add_counts(tally, &params, n, true);
    connection_query(connection, "SELECT herald.count_events($1, $2, $3, $4)", &params, on_told,
                     tally);
}

struct tally *tally_new(struct metrics_block *counts)
{
    struct tally *tally = mem_zalloc(sizeof(*tally));
    tally->counts = counts;
    return tally;
}

void tally_free(struct tally *tally)
{
    while (tally && tally->lines) {
        struct line *line = tally->lines;
        tally->lines = line->next;
        free(line->watch);
        free(line->table);
        free(line);
    }
    free(tally);
}
