/* SPDX-License-Identifier: PostgreSQL */
/* What a row costs in the server between the outbox and the log: six columns become a channel's
 * name and a payload (insert, update); in a batch also an event with an offset, and the parameters
 * of herald.store (batch). Without libpq's reading and writing, and without Postgres.
 *
 *   rows CASE     prints the rows taken inside of measured(), which callgrind counts
 *
 * Every row must have become one event. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/batch/batch.h"
#include "pg/rows.h"
#include "pg/shapes/shape_loader.h"

enum { N_ROWS = 1000, N_COLUMNS = TAKE_COLUMN_OPTIONS + 1, SHAPE = 7 };

#define OLD "(1234,17,\"some name\",\"a note of medium length\",12.50,\"2026-01-01 10:00:00.5+00\")"
#define NEW "(1234,17,\"some name\",\"a note of other length\",12.75,\"2026-01-01 10:00:00.5+00\")"

static struct batch batch;
static struct shapes shapes;
static struct heads heads;
static struct emptied emptied;

static void require(bool is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void describe(struct buf *text)
{
    static const char *const columns[][2] = {{"id", "bigint"},     {"room", "int"},
                                             {"name", "text"},     {"note", "text"},
                                             {"price", "numeric"}, {"at", "timestamptz"}};
    buf_literal(text, "{\"watch\":\"a1b2c3d4e5f6\",\"schema\":\"public\",\"table\":\"orders\","
                      "\"template\":[\"rooms/\",1],\"numbers\":\"text\",\"max_bytes\":1048576,"
                      "\"key\":[0],\"columns\":");
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        buf_printf(text, "%c{\"name\":\"%s\",\"type\":\"%s\",\"announced\":true,\"kept\":false}",
                   i == 0 ? '[' : ',', columns[i][0], columns[i][1]);
    }
    buf_literal(text, "]}");
}

static PGresult *result_new(int n_columns)
{
    static char name[] = "c";
    PGresAttDesc columns[N_COLUMNS] = {0};
    for (int i = 0; i < n_columns; i++) {
        columns[i].name = name;
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    require(PQsetResultAttrs(rows, n_columns, columns) == 1, "out of memory");
    return rows;
}

static void add_row(PGresult *rows, int n_columns, const char *const *texts)
{
    int row = PQntuples(rows);
    for (int i = 0; i < n_columns; i++) {
        char *copy = texts[i] ? strdup(texts[i]) : NULL;
        int len = copy ? (int)strlen(copy) : -1;
        require(PQsetvalue(rows, row, i, copy, len) == 1, "out of memory");
        free(copy);
    }
}

static void know_shape(void)
{
    struct buf text = {0};
    describe(&text);
    PGresult *rows = result_new(2);
    add_row(rows, 2, (const char *[]){"7", buf_text(&text)});
    shapes_take(&shapes, &(struct shape_wish){0}, rows);
    PQclear(rows);
    buf_release(&text);
    require(shapes_find(&shapes, SHAPE) != NULL, "the shape cannot be read");
}

static void take_rows(void)
{
    batch.rows = result_new(N_COLUMNS);
    add_row(
        batch.rows, N_COLUMNS,
        (const char *[]){"5", "40", NULL, "b", "1:1:", "", "epoch", "2026-11-29T00:00:00.000Z"});
    for (int i = 0; i < N_ROWS; i++) {
        add_row(batch.rows, N_COLUMNS,
                (const char *[]){"100", "77", "7", "u", OLD, NEW, NULL, NULL});
    }
}

static void run_batch(void)
{
    struct batch_source source = {.heads = &heads,
                                  .shapes = &shapes,
                                  .emptied = &emptied,
                                  .max_rows = 2 * N_ROWS,
                                  .max_bytes = SIZE_MAX};
    struct params params = {0};
    batch_fill(&batch, &source);
    batch_number(&batch);
    batch_params(&batch, &params);
    params_release(&params);
}

static size_t run_rows(char action)
{
    struct change_event events[2];
    enum change_fault fault;
    struct change_row row = {.action = action, .new = STR(NEW)};
    if (action == 'u') {
        row.old = STR(OLD);
    }
    size_t n = 0;
    for (int i = 0; i < N_ROWS; i++) {
        n += change_events(shapes_find(&shapes, SHAPE), &row, &batch.scratch, events, &fault);
    }
    return n;
}

static size_t run(const char *name)
{
    if (strcmp(name, "batch") != 0) {
        return run_rows(name[0]);
    }
    run_batch();
    return batch.n;
}

/* Callgrind counts what happens in here. */
__attribute__((noipa)) static size_t measured(const char *name)
{
    size_t n = run(name);
    atomic_signal_fence(memory_order_seq_cst); /* so that it is a call, and not the last jump */
    return n;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 64;
    }
    know_shape();
    take_rows();
    run(argv[1]); /* buffers grow only once */
    batch_clear(&batch);
    take_rows();
    require(measured(argv[1]) == N_ROWS, "not every row has become one event");
    printf("%d\n", N_ROWS);
    batch_release(&batch);
    heads_clear(&heads);
    shapes_clear(&shapes);
    return 0;
}
