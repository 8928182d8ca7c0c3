/* SPDX-License-Identifier: PostgreSQL */
/* A trigger that runs row by row may change other rows of its own statement. Postgres runs the triggers
 * of that change at once, those of what the statement did to these rows later: captured is "from A to
 * B", and behind it "inserted: A". Whoever shows the rows would be left with A. So the later one goes
 * back in front of the earlier one.
 *
 * It is known by the rows' texts: in one transaction a change makes a row what an earlier one has found,
 * and the row had not become, in between, what this change has found (from A to B, from B to A is in
 * order). With a key that is another one behind the change it could be two rows, so that stays as it
 * is; so does a deleted row that is inserted as it was, which is what it seems to be. And so does one
 * that changes back and forth more often than is worth looking at. */
#include "pg/batch/order.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/row/record.h"
#include "pg/batch/batch.h"
#include "pg/rows.h"

enum { LOOKS_MAX = 32 }; /* at texts of one mark, and at changes of one row */

/* What a change has found. */
struct trace {
    int row;
    int next;      /* another one with such a mark; -1: none */
    uint64_t mark; /* of the text: others may have it, too */
};

struct sorter {
    const PGresult *rows;
    const struct shapes *shapes;
    int *order; /* by place */
    int *place; /* by row */
    struct trace *traces;
    int n_traces;
    int *newest; /* of the traces, by their marks; -1: none */
    size_t mask;
    int start; /* the place of the last TRUNCATE */
};

/* ---- a row of the outbox ---- */

static struct str text_of(const struct sorter *sorter, int row, enum take_column column)
{
    return rows_text(sorter->rows, row, column);
}

static bool are_same(struct str a, struct str b)
{
    return !a.ptr == !b.ptr && (!a.ptr || str_equals(a, b));
}

static bool are_of_one(const struct sorter *sorter, int a, int b)
{
    return str_equals(text_of(sorter, a, TAKE_COLUMN_XID), text_of(sorter, b, TAKE_COLUMN_XID)) &&
           str_equals(text_of(sorter, a, TAKE_COLUMN_SHAPE), text_of(sorter, b, TAKE_COLUMN_SHAPE));
}

static const struct shape *shape_of(const struct sorter *sorter, int row)
{
    return PQgetisnull(sorter->rows, row, TAKE_COLUMN_SHAPE)
               ? NULL
               : shapes_find(sorter->shapes, rows_i64(sorter->rows, row, TAKE_COLUMN_SHAPE));
}

/* A change of a row that is whole. */
static bool is_change(const struct sorter *sorter, int row)
{
    struct str action = text_of(sorter, row, TAKE_COLUMN_ACTION);
    return action.len == 1 && strchr("iuwd", action.ptr[0]);
}

static bool is_key(const struct shape *shape, size_t column)
{
    bool is = false;
    for (size_t i = 0; i < shape->f.key.n; i++) {
        is = is || shape->f.key.items[i] == column;
    }
    return is;
}

static bool have_one_key(const struct shape *shape, struct str old, struct str new,
                         struct buf unescaped[2])
{
    struct record_reader readers[2];
    struct str values[2];
    if (!record_open(&readers[0], old) || !record_open(&readers[1], new)) {
        return false;
    }
    for (size_t i = 0; i < shape->f.n_columns; i++) {
        if (!record_next(&readers[0], &unescaped[0], &values[0]) ||
            !record_next(&readers[1], &unescaped[1], &values[1]) ||
            (is_key(shape, i) && !are_same(values[0], values[1]))) {
            return false;
        }
    }
    return true;
}

/* Whether the row has a key, and the same one as before. */
static bool keeps_key(const struct sorter *sorter, int row)
{
    struct buf unescaped[2] = {0};
    const struct shape *shape = shape_of(sorter, row);
    struct str old = text_of(sorter, row, TAKE_COLUMN_OLD);
    struct str new = text_of(sorter, row, TAKE_COLUMN_NEW);
    if (!shape || shape->f.key.n == 0 || !old.ptr || !new.ptr) {
        return shape && shape->f.key.n > 0;
    }
    buf_reserve(&unescaped[0], old.len);
    buf_reserve(&unescaped[1], new.len);
    bool keeps = have_one_key(shape, old, new, unescaped);
    buf_release(&unescaped[0]);
    buf_release(&unescaped[1]);
    return keeps;
}

/* ---- what became of it ---- */

/* A plain hash, as it is made twice for each row: who makes texts of one mark has them looked at LOOKS_MAX
 * times. */
static uint64_t mark_of(struct str text)
{
    uint64_t mark = text.len;
    for (size_t at = 0; at < text.len; at += sizeof(mark)) {
        uint64_t word = 0;
        size_t rest = text.len - at;
        memcpy(&word, text.ptr + at, rest < sizeof(word) ? rest : sizeof(word));
        mark = (mark ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        mark ^= mark >> 32;
    }
    return mark;
}

static bool has_found(const struct sorter *sorter, const struct trace *trace, uint64_t mark,
                      struct str text)
{
    return trace->mark == mark && str_equals(text_of(sorter, trace->row, TAKE_COLUMN_OLD), text);
}

/* The first change of the same transaction and table as `row` behind a place that has found this text;
 * 0: none; -1: there are too many to tell. */
static int found_by(const struct sorter *sorter, int row, struct str text, int place)
{
    int first = 0, n_looks = 0;
    uint64_t mark = mark_of(text);
    for (int i = sorter->newest[mark & sorter->mask]; i >= 0; i = sorter->traces[i].next) {
        const struct trace *trace = &sorter->traces[i];
        int at = sorter->place[trace->row];
        if (++n_looks > LOOKS_MAX) {
            return -1;
        }
        bool is_first = at > place && (first == 0 || at < sorter->place[first]);
        if (is_first && has_found(sorter, trace, mark, text) &&
            are_of_one(sorter, trace->row, row)) {
            first = trace->row;
        }
    }
    return first;
}

/* Whether the changes of a row, from this one on, have made of it what `row` has found; or that cannot be
 * told. */
static bool leads_to(const struct sorter *sorter, int change, int row)
{
    for (int n_looks = 0; n_looks < LOOKS_MAX && keeps_key(sorter, change); n_looks++) {
        struct str text = text_of(sorter, change, TAKE_COLUMN_NEW);
        int next = text.ptr ? found_by(sorter, row, text, sorter->place[change]) : 0;
        if (next == 0) {
            return are_same(text, text_of(sorter, row, TAKE_COLUMN_OLD));
        } else if (next < 0) {
            return true;
        }
        change = next;
    }
    return true;
}

/* ---- order ---- */

static void put_in_front(struct sorter *sorter, int row, int place)
{
    for (int at = sorter->place[row]; at > place; at--) {
        sorter->order[at] = sorter->order[at - 1];
        sorter->place[sorter->order[at]] = at;
    }
    sorter->order[place] = row;
    sorter->place[row] = place;
}

static void note(struct sorter *sorter, int row, struct str text)
{
    uint64_t mark = mark_of(text);
    int *newest = &sorter->newest[mark & sorter->mask];
    sorter->traces[sorter->n_traces] = (struct trace){.row = row, .next = *newest, .mark = mark};
    *newest = sorter->n_traces++;
}

static void sort_row(struct sorter *sorter, int row)
{
    struct str old = text_of(sorter, row, TAKE_COLUMN_OLD);
    struct str new = text_of(sorter, row, TAKE_COLUMN_NEW);
    int change = new.ptr && sorter->n_traces > 0 ? found_by(sorter, row, new, sorter->start) : 0;
    if (change > 0 && keeps_key(sorter, row) && !leads_to(sorter, change, row)) {
        put_in_front(sorter, row, sorter->place[change]);
    }
    if (old.ptr) {
        note(sorter, row, old);
    }
}

static void sort_rows(struct sorter *sorter, int n)
{
    memset(sorter->newest, 0xff, (sorter->mask + 1) * sizeof(int));
    sorter->order[0] = sorter->place[0] = 0;
    for (int row = 1; row <= n; row++) {
        sorter->order[row] = sorter->place[row] = row;
        if (str_equals(text_of(sorter, row, TAKE_COLUMN_ACTION), STR("t"))) {
            sorter->start = row;
        } else if (is_change(sorter, row)) {
            sort_row(sorter, row);
        }
    }
}

int *batch_order(const PGresult *rows, const struct shapes *shapes, int n)
{
    size_t size = (size_t)n + 1, n_marks = 2;
    while (n_marks < size) {
        n_marks *= 2;
    }
    struct sorter sorter = {
        .rows = rows,
        .shapes = shapes,
        .order = mem_array(NULL, size, sizeof(int)),
        .place = mem_array(NULL, size, sizeof(int)),
        .traces = mem_array(NULL, size, sizeof(struct trace)),
        .newest = mem_array(NULL, n_marks, sizeof(int)),
        .mask = n_marks - 1,
    };
    sort_rows(&sorter, n);
    free(sorter.place);
    free(sorter.traces);
    free(sorter.newest);
    return sorter.order;
}
