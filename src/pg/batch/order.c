/* SPDX-License-Identifier: PostgreSQL */
/* A trigger that runs row by row may change other rows of its own statement. Postgres runs the triggers
 * of that change at once, those of what the statement did to these rows later: captured is "from A to
 * B", and behind it "inserted: A". Whoever shows the rows would be left with A. So the later one goes
 * back in front of the earlier one.
 *
 * It is known by the rows' texts: in one transaction a change makes a row what an earlier one has found,
 * and the row had not become, in between, what this change has found (from A to B, from B to A is in
 * order). With a key that is another one behind the change it could be two rows, so that stays as it
 * is; so does a deleted row that is inserted as it was, which is what it seems to be. */
#include "pg/batch/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/row/record.h"
#include "pg/batch/batch.h"
#include "pg/rows.h"

/* What a change has found. */
struct trace {
    int row;
    struct trace *next, *last; /* of the same text; `last` of the first one only */
    UT_hash_handle hh;
};

struct sorter {
    const PGresult *rows;
    const struct shapes *shapes;
    int *order; /* by place */
    int *place; /* by row */
    struct trace *traces, *by_text;
    int n_traces;
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

/* A change of a row that is whole and has a key. */
static bool is_change(const struct sorter *sorter, int row)
{
    struct str action = text_of(sorter, row, TAKE_COLUMN_ACTION);
    const struct shape *shape = shape_of(sorter, row);
    return action.len == 1 && strchr("iuwd", action.ptr[0]) && shape && shape->f.key.n > 0;
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

static bool keeps_key(const struct sorter *sorter, int row)
{
    struct buf unescaped[2] = {0};
    struct str old = text_of(sorter, row, TAKE_COLUMN_OLD);
    struct str new = text_of(sorter, row, TAKE_COLUMN_NEW);
    if (!old.ptr || !new.ptr) {
        return true;
    }
    buf_reserve(&unescaped[0], old.len);
    buf_reserve(&unescaped[1], new.len);
    bool keeps = have_one_key(shape_of(sorter, row), old, new, unescaped);
    buf_release(&unescaped[0]);
    buf_release(&unescaped[1]);
    return keeps;
}

/* ---- what became of it ---- */

/* The first change of the same transaction and table as `row` behind a place that has found this text;
 * 0: none. */
static int found_by(const struct sorter *sorter, int row, struct str text, int place)
{
    struct trace *trace;
    int first = 0;
    HASH_FIND(hh, sorter->by_text, text.ptr, text.len, trace);
    for (; trace; trace = trace->next) {
        int at = sorter->place[trace->row];
        bool is_first = first == 0 || at < sorter->place[first];
        if (at > place && is_first && are_of_one(sorter, trace->row, row)) {
            first = trace->row;
        }
    }
    return first;
}

/* Whether the changes of a row, from this one on, have made of it what `row` has found; or that cannot be
 * told. Each is behind the one before it, so there is an end. */
static bool leads_to(const struct sorter *sorter, int change, int row)
{
    struct str text;
    for (int next = change; next > 0;) {
        change = next;
        if (!keeps_key(sorter, change)) {
            return true;
        }
        text = text_of(sorter, change, TAKE_COLUMN_NEW);
        next = text.ptr ? found_by(sorter, row, text, sorter->place[change]) : 0;
    }
    return are_same(text_of(sorter, change, TAKE_COLUMN_NEW),
                    text_of(sorter, row, TAKE_COLUMN_OLD));
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
    struct trace *trace = &sorter->traces[sorter->n_traces++], *first;
    *trace = (struct trace){.row = row, .last = trace};
    HASH_FIND(hh, sorter->by_text, text.ptr, text.len, first);
    if (first) {
        first->last->next = trace;
        first->last = trace;
    } else {
        HASH_ADD_KEYPTR(hh, sorter->by_text, text.ptr, text.len, trace);
    }
}

static void sort_row(struct sorter *sorter, int row)
{
    struct str old = text_of(sorter, row, TAKE_COLUMN_OLD);
    struct str new = text_of(sorter, row, TAKE_COLUMN_NEW);
    int change = new.ptr && sorter->by_text ? found_by(sorter, row, new, 0) : 0;
    if (change > 0 && keeps_key(sorter, row) && !leads_to(sorter, change, row)) {
        put_in_front(sorter, row, sorter->place[change]);
    }
    if (old.ptr) {
        note(sorter, row, old);
    }
}

static void forget(struct sorter *sorter)
{
    HASH_CLEAR(hh, sorter->by_text);
    sorter->n_traces = 0;
}

int *batch_order(const PGresult *rows, const struct shapes *shapes, int n)
{
    size_t size = (size_t)n + 1;
    struct sorter sorter = {
        .rows = rows,
        .shapes = shapes,
        .order = mem_array(NULL, size, sizeof(int)),
        .place = mem_array(NULL, size, sizeof(int)),
        .traces = mem_array(NULL, size, sizeof(struct trace)),
    };
    sorter.order[0] = sorter.place[0] = 0;
    for (int row = 1; row <= n; row++) {
        sorter.order[row] = sorter.place[row] = row;
        if (str_equals(rows_text(rows, row, TAKE_COLUMN_ACTION), STR("t"))) {
            forget(&sorter);
        } else if (is_change(&sorter, row)) {
            sort_row(&sorter, row);
        }
    }
    forget(&sorter);
    free(sorter.place);
    free(sorter.traces);
    return sorter.order;
}
