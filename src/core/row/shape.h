/* SPDX-License-Identifier: PostgreSQL */
/* What a captured row consists of: the columns, types, template and key of one generated version of
 * a watch. Immutable after it was made. Hub thread only, so the count needs no atomics. */
#ifndef HERALD_CORE_ROW_SHAPE_H
#define HERALD_CORE_ROW_SHAPE_H

#include "base/buf.h"
#include "core/row/type.h"

struct shape_part { /* of the template: a literal text, or a column */
    char *literal;  /* NULL: a column */
    size_t column;
};

/* How the values of a column are compared, where that can be done here exactly as Postgres does. */
enum shape_compares {
    SHAPE_COMPARES_NOT, /* filters cannot name it */
    SHAPE_COMPARES_BOOL,
    SHAPE_COMPARES_INT, /* smallint, integer and bigint */
    SHAPE_COMPARES_NUMERIC,
    SHAPE_COMPARES_FLOAT4,
    SHAPE_COMPARES_FLOAT8,
    SHAPE_COMPARES_UUID,
    SHAPE_COMPARES_DATE,
    SHAPE_COMPARES_TIME,
    SHAPE_COMPARES_TIMESTAMP,
    SHAPE_COMPARES_TIMESTAMPTZ,
    SHAPE_COMPARES_TEXT,   /* under a deterministic collation: equal or not, and patterns */
    SHAPE_COMPARES_TEXT_C, /* by bytes: in an order too */
    SHAPE_COMPARES_CHAR,   /* char(n): equal or not, without trailing blanks */
    SHAPE_COMPARES_ENUM,   /* in the order of its labels */
};

struct shape_column {
    struct row_field field;
    bool is_announced;
    bool is_kept; /* for who judges visibility; no client sees it */
    enum shape_compares compares;
    char **labels; /* of an enum, in its order; NULL: no enum */
    size_t n_labels;
};

/* Who, of those that may join, may see a row. */
enum shape_visible {
    SHAPE_VISIBLE_EVERYBODY,
    SHAPE_VISIBLE_TREE, /* whom a filter tree with identity parameters lets (core/live/filter.h) */
    SHAPE_VISIBLE_FUNCTION,
    SHAPE_VISIBLE_POLICY, /* who could select it, by the table's row level security */
    SHAPE_VISIBLE_NOBODY, /* the owner has not said who, or in words that are not known here */
};

struct shape_list { /* indexes of columns */
    size_t *items;
    size_t n;
};

struct shape_fields {
    int64_t number;
    char *watch;  /* its key */
    char *schema; /* the table's */
    char *table;
    struct shape_part *template;
    size_t n_template;
    struct shape_list key; /* announced, in the key's order */
    bool are_numbers_text; /* bigint and numeric as strings */
    size_t max_bytes;      /* of a payload */
    struct shape_column *columns;
    size_t n_columns;
    enum shape_visible visible_by;
    char *visible; /* the JSON text of a tree, or of {"function":"schema.name(types)"}; else NULL */
    bool
        has_claims; /* FUNCTION, POLICY: it is said what of an identity is looked at; else all is */
    char **claims;  /* names of claims */
    size_t n_claims;
};

struct shape {
    unsigned refs;
    struct shape_fields f;
    struct buf head; /* ","schema":…,"table":…,"new": as a payload has it behind its action */
    struct shape_list all; /* these are in the columns' order */
    struct shape_list announced;
    struct shape_list kept;
    struct shape_list in_template; /* what a row of template columns only consists of */
    struct shape_list brief;       /* key, template and kept: what a reduced row consists of */
};

/* One reference. Takes what the fields own, also where it fails: all of it is from the heap. NULL:
 * *reason says what is wrong (a column that there is not, a key that is not announced, a template
 * without parts or with two texts in a row). */
struct shape *shape_new(const struct shape_fields *fields_take, const char **reason);
void shape_fields_release(struct shape_fields *fields);
struct shape *shape_ref(struct shape *shape);
void shape_unref(struct shape *shape); /* NULL is fine */

#endif
