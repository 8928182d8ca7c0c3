/* SPDX-License-Identifier: PostgreSQL */
/* A trigger that runs row by row may change other rows of its own statement. Postgres runs the triggers
 * of that change at once, those of what the statement did to these rows later: captured is "from A to
 * B", and behind it "inserted: A". Whoever shows the rows would be left with A. So the later one goes
 * back in front of the earlier one.
 *
 * Tables on which that can happen are captured with the versions of their rows (action_code in
 * sql/0004): a version is made by one change and found by one, of the same transaction here. Not known is the order
 * of two rows of which one takes the key that the other has left: a trigger that inserts anew, too early,
 * what its own statement has deleted and not told yet. */
#include "pg/batch/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "pg/batch/batch.h"
#include "pg/rows.h"

#include <uthash.h>

/* A change, by the version that it has found. */
struct finder {
    int row;
    UT_hash_handle hh;
};

struct sorter {
    const PGresult *rows;
    int *order; /* by place */
    int *place; /* by row */
    struct finder *finders, *found;
};

static struct str text_of(const struct sorter *sorter, int row, enum take_column column)
{
    return rows_text(sorter->rows, row, column);
}

/* Behind the action's letters: <16385(0,1)>16385(0,7) is a row of the table 16385 that was found at (0,1)
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

static void put_in_front(struct sorter *sorter, int row, int place)
{
    for (int at = sorter->place[row]; at > place; at--) {
        sorter->order[at] = sorter->order[at - 1];
        sorter->place[sorter->order[at]] = at;
    }
    sorter->order[place] = row;
    sorter->place[row] = place;
}

static void note_finder(struct sorter *sorter, int row, struct str found)
{
    struct finder *finder = &sorter->finders[row], *former;
    finder->row = row;
    HASH_FIND(hh, sorter->found, found.ptr, found.len, former);
    if (former) {
        HASH_DEL(sorter->found,
                 former); /* of another transaction, which had the same place for it */
    }
    HASH_ADD_KEYPTR(hh, sorter->found, found.ptr, found.len, finder);
}

static void sort_row(struct sorter *sorter, int row)
{
    struct str found = version(sorter, row, '<'), made = version(sorter, row, '>');
    struct finder *finder = NULL;
    if (made.ptr) {
        HASH_FIND(hh, sorter->found, made.ptr, made.len, finder);
    }
    if (finder && are_of_one(sorter, finder->row, row)) {
        put_in_front(sorter, row, sorter->place[finder->row]);
    }
    if (found.ptr) {
        note_finder(sorter, row, found);
    }
}

static void sort_rows(struct sorter *sorter, int n)
{
    sorter->order[0] = sorter->place[0] = 0;
    for (int row = 1; row <= n; row++) {
        sorter->order[row] = sorter->place[row] = row;
        if (str_equals(text_of(sorter, row, TAKE_COLUMN_ACTION), STR("t"))) {
            HASH_CLEAR(hh, sorter->found);
        } else {
            sort_row(sorter, row);
        }
    }
    HASH_CLEAR(hh, sorter->found);
}

int *batch_order(const PGresult *rows, int n)
{
    size_t size = (size_t)n + 1;
    struct sorter sorter = {
        .rows = rows,
        .order = mem_array(NULL, size, sizeof(int)),
        .place = mem_array(NULL, size, sizeof(int)),
        .finders = mem_array(NULL, size, sizeof(struct finder)),
    };
    sort_rows(&sorter, n);
    free(sorter.place);
    free(sorter.finders);
    return sorter.order;
}
