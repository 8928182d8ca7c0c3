/* SPDX-License-Identifier: PostgreSQL */
/* A group with a top-level eq or in (in its filter or in what is visible to it) can only be passed by
 * rows with one of these values in that column. It is posted under each of them:
 *
 *   index -> columns -> shelves (one value of a column) -> postings -> group
 *
 * A look takes the value that the old and the new row have in each of the columns. A column that a
 * row lacks could hold any value: then all groups of that column are named. Groups without such a
 * conjunct are tried for each row, those that no row can pass never.
 *
 * Of several conjuncts the one is taken whose shelves hold fewest groups by then. So a column that is
 * the same for all of a channel is not chosen twice, and nobody has to guess which one parts best. */
#include "core/live/index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/live/value/key.h"

#include <uthash.h>
#include <utlist.h>

enum { PROBES_MAX = 2 * FILTER_LEAVES_MAX };

struct shelf {
    struct posting *postings;
    size_t n_postings;
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};

struct posting {
    struct entry *entry;
    struct shelf *shelf;
    struct posting *prev, *next; /* on the shelf */
};

struct column {
    size_t column;
    struct shelf *shelves; /* by key */
    struct entry *entries; /* all that are posted under the column */
    struct column *prev, *next;
};

struct entry {
    void *group;
    uint64_t number;       /* in the order of adding */
    uint64_t named;        /* the look that has named it */
    bool is_residue;       /* has judges, but nothing to be found by */
    struct column *column; /* NULL: tried for each row, or never */
    struct posting *postings;
    size_t n_postings;
    struct entry *prev, *next; /* of the column, or of those that are tried */
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

static size_t shelves_hold(const struct live_index *index, const struct judge_probe *probe)
{
    const struct column *column = find_column(index, probe->column);
    size_t n = probe->n_keys;
    for (size_t i = 0; column && i < probe->n_keys; i++) {
        const struct shelf *shelf = find_shelf(column, probe->keys[i]);
        n += shelf ? shelf->n_postings : 0;
    }
    return n;
}

static const struct judge_probe *choose(const struct live_index *index,
                                        const struct judge_probe *probes, size_t n_probes)
{
    const struct judge_probe *best = NULL;
    size_t least = 0;
    for (size_t i = 0; i < n_probes; i++) {
        size_t n = shelves_hold(index, &probes[i]);
        if (!best || n < least) {
            best = &probes[i];
            least = n;
        }
    }
    return best;
}

static void post(struct live_index *index, struct entry *entry, const struct judge_probe *probe)
{
    entry->column = make_column(index, probe->column);
    entry->postings = mem_array(NULL, probe->n_keys, sizeof(*entry->postings));
    entry->n_postings = probe->n_keys;
    for (size_t i = 0; i < probe->n_keys; i++) {
        struct posting *posting = &entry->postings[i];
        *posting = (struct posting){entry, make_shelf(entry->column, probe->keys[i]), NULL, NULL};
        DL_APPEND(posting->shelf->postings, posting);
        posting->shelf->n_postings++;
    }
    DL_APPEND(entry->column->entries, entry);
}

static bool is_never(const struct judge *const *judges, size_t n_judges)
{
    for (size_t i = 0; i < n_judges; i++) {
        if (judge_is_never(judges[i])) {
            return true;
        }
    }
    return false;
}

void live_index_add(struct live_index *index, const struct judge *const *judges, size_t n_judges,
                    void *group)
{
    struct judge_probe probes[PROBES_MAX];
    struct entry *entry = mem_zalloc(sizeof(*entry));
    size_t n_probes = 0;
    entry->group = group;
    entry->number = ++index->n_added;
    HASH_ADD_PTR(index->groups, group, entry);
    if (is_never(judges, n_judges)) {
        return;
    }
    for (size_t i = 0; i < n_judges; i++) {
        n_probes += judge_probes(judges[i], probes + n_probes, PROBES_MAX - n_probes);
    }
    const struct judge_probe *probe = choose(index, probes, n_probes);
    if (probe) {
        post(index, entry, probe);
        return;
    }
    DL_APPEND(index->tried, entry);
    entry->is_residue = n_judges > 0;
}

static void unpost(struct live_index *index, struct entry *entry)
{
    struct column *column = entry->column;
    for (size_t i = 0; i < entry->n_postings; i++) {
        struct shelf *shelf = entry->postings[i].shelf;
        DL_DELETE(shelf->postings, &entry->postings[i]);
        if (--shelf->n_postings == 0) {
            assert(column->shelves); /* it is one of them */
            HASH_DELETE(hh, column->shelves, shelf);
            free(shelf);
        }
    }
    DL_DELETE(column->entries, entry);
    if (!column->entries) {
        DL_DELETE(index->columns, column);
        free(column);
    }
}

static void remove_entry(struct live_index *index, struct entry *entry)
{
    HASH_DELETE(hh, index->groups, entry);
    if (entry->column) {
        unpost(index, entry);
    } else if (entry->prev) { /* also of a list's first */
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

static void name_all(struct live_index *index, struct entry *entries)
{
    struct entry *entry;
    DL_FOREACH(entries, entry)
    {
        name(index, entry);
    }
}

static void look_in_column(struct live_index *index, const struct column *column,
                           const struct live_rows *rows, enum live_side side)
{
    struct posting *posting;
    struct str key = {0};
    enum live_state state = live_rows_value(rows, side, column->column, &key);
    if (state == LIVE_LACKING) {
        name_all(index, column->entries);
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
    make_room(index);
    index->n_looks++;
    index->n_found = 0;
    name_all(index, index->tried);
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
