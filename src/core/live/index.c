/* SPDX-License-Identifier: PostgreSQL */
/* A group with an eq or in (in its filter or in what is visible to it) can only be passed by rows with
 * one of these values in that column; one with an `or` by rows that answer to one of its branches. It
 * is posted under each of these values:
 *
 *   index -> columns -> shelves (one value of a column) -> postings -> group
 *
 * A look takes the value that the old and the new row have in each of the columns. A column that a
 * row lacks could hold any value: then all groups of that column are named. Groups without such
 * conditions are tried for each row, those that no row can pass never.
 *
 * Of several ways to be found the one is taken whose shelves hold fewest groups by then. So a column that
 * is the same for all of a channel is not chosen twice, and nobody has to guess which one parts best. */
#include "core/live/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/live/value/key.h"

#include <uthash.h>
#include <utlist.h>

struct shelf {
    struct posting *postings;
    size_t n_postings;
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

struct posting {
    struct entry *entry;
    struct column *column;
    struct shelf *shelf;
    struct posting *prev, *next;     /* on the shelf */
    struct posting *before, *behind; /* in the column */
};

struct column {
    size_t column;
    struct shelf *shelves; /* by key */
    struct posting *postings;
    struct column *prev, *next;
};

struct entry {
    void *group;
    uint64_t number;          /* in the order of adding */
    uint64_t named;           /* the look that has named it */
    struct posting *postings; /* none: it is tried for each row, or never */
    size_t n_postings;
    struct entry *prev, *next; /* of those that are tried */
    UT_hash_handle hh;
};

struct live_index {
    struct entry *groups; /* by group */
    struct column *columns;
    struct entry *tried;
    uint64_t n_added;
    uint64_t n_looks;
    struct entry **found;
    size_t n_found;
    void **names; /* of those found */
    size_t cap;
};

struct live_index *live_index_new(void)
{
    return mem_zalloc(sizeof(struct live_index));
}

/* ---- shelves ---- */

static struct column *find_column(const struct live_index *index, size_t number)
{
    struct column *column;
    DL_FOREACH(index->columns, column)
    {
        if (column->column == number) {
            break;
        }
    }
    return column;
}

static struct shelf *find_shelf(const struct column *column, struct str key)
{
    struct shelf *shelf = NULL;
    const char *bytes = key.len > 0 ? key.ptr : "";
    if (column) {
        HASH_FIND(hh, column->shelves, bytes, key.len, shelf);
    }
    return shelf;
}

static struct column *make_column(struct live_index *index, size_t number)
{
    struct column *column = find_column(index, number);
    if (!column) {
        column = mem_zalloc(sizeof(*column));
        column->column = number;
        DL_APPEND(index->columns, column);
    }
    return column;
}

static struct shelf *make_shelf(struct column *column, struct str key)
{
    struct shelf *shelf = find_shelf(column, key);
    if (!shelf) {
        shelf = mem_zalloc(sizeof(*shelf) + key.len + 1);
        if (key.len > 0) {
            memcpy(shelf->key, key.ptr, key.len);
        }
        shelf->key_len = key.len;
        HASH_ADD_KEYPTR(hh, column->shelves, shelf->key, shelf->key_len, shelf);
    }
    return shelf;
}

/* ---- groups ---- */

/* What a look would find by it, about. */
static size_t shelves_hold(const void *arg, const struct judge_probe *probe)
{
    const struct live_index *index = arg;
    const struct column *column = find_column(index, probe->column);
    size_t n = probe->n_keys;
    for (size_t i = 0; column && i < probe->n_keys; i++) {
        const struct shelf *shelf = find_shelf(column, probe->keys[i]);
        n += shelf ? shelf->n_postings : 0;
    }
    return n;
}

static void post(struct live_index *index, struct entry *entry, size_t column, struct str key)
{
    struct posting *posting = &entry->postings[entry->n_postings++];
    *posting = (struct posting){.entry = entry, .column = make_column(index, column)};
    posting->shelf = make_shelf(posting->column, key);
    posting->shelf->n_postings++;
    DL_APPEND(posting->shelf->postings, posting);
    DL_APPEND2(posting->column->postings, posting, before, behind);
}

static void post_all(struct live_index *index, struct entry *entry,
                     const struct judge_probe *probes, size_t n)
{
    size_t n_keys = 0;
    for (size_t i = 0; i < n; i++) {
        n_keys += probes[i].n_keys;
    }
    entry->postings = mem_array(NULL, n_keys, sizeof(*entry->postings));
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < probes[i].n_keys; k++) {
            post(index, entry, probes[i].column, probes[i].keys[k]);
        }
    }
}

/* False: each row has to be tried. */
static bool find_cover(const struct live_index *index, const struct judge *const *judges,
                       size_t n_judges, struct judge_probe out[JUDGE_PROBES_MAX], size_t *n)
{
    const struct judge_cost cost = {shelves_hold, index};
    const struct judge *best = NULL;
    size_t price, least = 0;
    for (size_t i = 0; i < n_judges; i++) {
        if (judge_cover(judges[i], &cost, out, n, &price) && (!best || price < least)) {
            best = judges[i];
            least = price;
        }
    }
    return best && judge_cover(best, &cost, out, n, &price);
}

void live_index_add(struct live_index *index, const struct judge *const *judges, size_t n_judges,
                    void *group)
{
    struct judge_probe probes[JUDGE_PROBES_MAX];
    struct entry *entry = mem_zalloc(sizeof(*entry));
    size_t n;
    entry->group = group;
    entry->number = ++index->n_added;
    HASH_ADD_PTR(index->groups, group, entry);
    if (!find_cover(index, judges, n_judges, probes, &n)) {
        DL_APPEND(index->tried, entry);
    } else if (n > 0) {
        post_all(index, entry, probes, n);
    }
}

static void unpost(struct live_index *index, struct posting *posting)
{
    struct column *column = posting->column;
    struct shelf *shelf = posting->shelf;
    DL_DELETE(shelf->postings, posting);
    DL_DELETE2(column->postings, posting, before, behind);
    if (--shelf->n_postings == 0) {
        assert(column->shelves); /* it is one of them */
        HASH_DELETE(hh, column->shelves, shelf);
        free(shelf);
    }
    if (!column->postings) {
        DL_DELETE(index->columns, column);
        free(column);
    }
}

static void remove_entry(struct live_index *index, struct entry *entry)
{
    HASH_DELETE(hh, index->groups, entry);
    for (size_t i = 0; i < entry->n_postings; i++) {
        unpost(index, &entry->postings[i]);
    }
    if (entry->prev) { /* also of a list's first */
        DL_DELETE(index->tried, entry);
    }
    free(entry->postings);
    free(entry);
}

void live_index_remove(struct live_index *index, void *group)
{
    struct entry *entry;
    HASH_FIND_PTR(index->groups, &group, entry);
    if (entry) {
        remove_entry(index, entry);
    }
}

void live_index_free(struct live_index *index)
{
    struct entry *entry, *next;
    if (!index) {
        return;
    }
    HASH_ITER(hh, index->groups, entry, next)
    {
        remove_entry(index, entry);
    }
    free(index->found);
    free(index->names);
    free(index);
}

/* ---- looks ---- */

static void name(struct live_index *index, struct entry *entry)
{
    if (entry->named != index->n_looks) {
        entry->named = index->n_looks;
        index->found[index->n_found++] = entry;
    }
}

static void look_in_column(struct live_index *index, const struct column *column,
                           const struct live_rows *rows, enum live_side side)
{
    struct posting *posting;
    struct str key = {0};
    enum live_state state = live_rows_value(rows, side, column->column, &key);
    if (state == LIVE_LACKING) {
        DL_FOREACH2(column->postings, posting, behind)
        {
            name(index, posting->entry);
        }
    }
    if (state != LIVE_VALUE) {
        return;
    }
    const struct shelf *shelf = find_shelf(column, key);
    struct posting *postings = shelf ? shelf->postings : NULL;
    DL_FOREACH(postings, posting)
    {
        name(index, posting->entry);
    }
}

static int compare_entries(const void *a, const void *b)
{
    uint64_t x = (*(struct entry *const *)a)->number, y = (*(struct entry *const *)b)->number;
    return (x > y) - (x < y);
}

/* Room for all groups that there are. */
static void make_room(struct live_index *index)
{
    size_t n = HASH_COUNT(index->groups);
    if (n > index->cap || !index->found) {
        index->cap = n * 2 + 1;
        index->found = mem_array(index->found, index->cap, sizeof(struct entry *));
        index->names = mem_array(index->names, index->cap, sizeof(void *));
    }
}

size_t live_index_find(struct live_index *index, const struct live_rows *rows, void *const **groups)
{
    struct column *column;
    struct entry *entry;
    make_room(index);
    index->n_looks++;
    index->n_found = 0;
    DL_FOREACH(index->tried, entry)
    {
        name(index, entry);
    }
    DL_FOREACH(index->columns, column)
    {
        for (size_t side = 0; side < N_LIVE_SIDES; side++) {
            if (rows->has[side]) {
                look_in_column(index, column, rows, (enum live_side)side);
            }
        }
    }
    qsort(index->found, index->n_found, sizeof(struct entry *), compare_entries);
    for (size_t i = 0; i < index->n_found; i++) {
        index->names[i] = index->found[i]->group;
    }
    *groups = index->names;
    return index->n_found;
}
