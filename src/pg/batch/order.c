/* SPDX-License-Identifier: PostgreSQL */
/* A trigger that runs row by row may change other rows of its own statement. Postgres runs the triggers
 * of that change at once, those of what the statement did to these rows later: captured is "from A to
 * B", and behind it "inserted: A". Whoever shows the rows would be left with A. So the later one goes
 * back in front of the earlier one, and with it all that led to what it found.
 *
 * Tables on which that can happen are captured with the versions of their rows (action_code in
 * sql/0004): a version is made by one change and found by one, of the same transaction here. Not known is the order
 * of two rows of which one takes the key that the other has left: a trigger that inserts anew, too early,
 * what its own statement has deleted and not told yet. */
#include "pg/batch/order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "pg/batch/batch.h"
#include "pg/rows.h"

#include <uthash.h>

/* A change, by the version that it has found or by the one that it has made. */
struct change {
    int row;
    UT_hash_handle hh;
};

struct sorter {
    const PGresult *rows;
    int *makers; /* by row: the one that made what it found; 0: it goes where it is */
    struct change *finders, *found, *builders, *made;
    int *order, *waiting;
    bool *is_placed;
    int place;
};

static struct str text_of(const struct sorter *sorter, int row, enum take_column column)
{
    return rows_text(sorter->rows, row, column);
}

/* Behind the action's letters: <16385(0,1)>16385(0,7) is a row of the file 16385 that was found at (0,1)
 * and is now at (0,7). What is inserted was not found, what is deleted is nowhere; a row of a foreign
 * table is at (4294967295,0). An absent span: there is none. */
static struct str version(const struct sorter *sorter, int row, char mark)
{
    struct str action = text_of(sorter, row, TAKE_COLUMN_ACTION);
    const char *at = action.len > 0 ? memchr(action.ptr, mark, action.len) : NULL;
    const char *end = at ? memchr(at, ')', (size_t)(action.ptr + action.len - at)) : NULL;
    bool is_none = !end || end - at < 3 || memcmp(end - 2, ",0", 2) == 0;
    return is_none ? (struct str){0} : (struct str){at + 1, (size_t)(end - at - 1)};
}

static bool are_of_one(const struct sorter *sorter, int a, int b)
{
    return str_equals(text_of(sorter, a, TAKE_COLUMN_XID), text_of(sorter, b, TAKE_COLUMN_XID));
}

/* The newest is the one that counts: what another transaction had at that place is gone. */
static void note(struct change **changes, struct change *change, int row, struct str version)
{
    struct change *former;
    change->row = row;
    HASH_FIND(hh, *changes, version.ptr, version.len, former);
    if (former) {
        HASH_DEL(*changes, former);
    }
    HASH_ADD_KEYPTR(hh, *changes, version.ptr, version.len, change);
}

static int row_at(const struct sorter *sorter, struct change *changes, int row, struct str version)
{
    struct change *change;
    HASH_FIND(hh, changes, version.ptr, version.len, change);
    return change && are_of_one(sorter, change->row, row) ? change->row : 0;
}

static void link_row(struct sorter *sorter, int row)
{
    struct str found = version(sorter, row, '<'), made = version(sorter, row, '>');
    if (made.ptr) {
        sorter->makers[row_at(sorter, sorter->found, row, made)] = row;
        note(&sorter->made, &sorter->builders[row], row, made);
    }
    if (found.ptr) {
        sorter->makers[row] = row_at(sorter, sorter->made, row, found);
        note(&sorter->found, &sorter->finders[row], row, found);
    }
}

static void forget(struct sorter *sorter)
{
    HASH_CLEAR(hh, sorter->found);
    HASH_CLEAR(hh, sorter->made);
}

/* Behind all that led to what it found. What somebody writes by hand may lead in a circle. */
static void place_row(struct sorter *sorter, int row)
{
    int n = 0;
    for (; row > 0 && !sorter->is_placed[row]; row = sorter->makers[row]) {
        sorter->is_placed[row] = true;
        sorter->waiting[n++] = row;
    }
    while (n > 0) {
        sorter->order[sorter->place++] = sorter->waiting[--n];
    }
}

/* Of a whole, or of a part. A file that its own transaction has made is emptied as it is, and counts
 * its places anew. */
static bool is_truncate(const struct sorter *sorter, int row)
{
    struct str action = text_of(sorter, row, TAKE_COLUMN_ACTION);
    return str_equals(action, STR("t")) ||
           (str_equals(action, STR("r")) && !PQgetisnull(sorter->rows, row, TAKE_COLUMN_SHAPE));
}

static void sort_rows(struct sorter *sorter, int n)
{
    for (int row = 1; row <= n; row++) {
        if (is_truncate(sorter, row)) {
            forget(sorter);
        } else {
            link_row(sorter, row);
        }
    }
    forget(sorter);
    sorter->order[sorter->place++] = 0;
    for (int row = 1; row <= n; row++) {
        place_row(sorter, row);
    }
}

int *batch_order(const PGresult *rows, int n)
{
    size_t size = (size_t)n + 1;
    struct sorter sorter = {
        .rows = rows,
        .makers = mem_array(NULL, size, sizeof(int)),
        .finders = mem_array(NULL, size, sizeof(struct change)),
        .builders = mem_array(NULL, size, sizeof(struct change)),
        .order = mem_array(NULL, size, sizeof(int)),
        .waiting = mem_array(NULL, size, sizeof(int)),
        .is_placed = mem_array(NULL, size, sizeof(bool)),
    };
    memset(sorter.makers, 0, size * sizeof(int));
    memset(sorter.is_placed, 0, size * sizeof(bool));
    sort_rows(&sorter, n);
    free(sorter.makers);
    free(sorter.finders);
    free(sorter.builders);
    free(sorter.waiting);
    free(sorter.is_placed);
    return sorter.order;
}
