/* SPDX-License-Identifier: PostgreSQL */
/* How a column's text becomes JSON: a tree, built once per shape and never changed. Domains are
 * their base types here, and everything that JSON has no word for is text. */
#ifndef HERALD_CORE_ROW_TYPE_H
#define HERALD_CORE_ROW_TYPE_H

#include "base/str.h"

#define ROW_DEPTH_MAX 64 /* types around each other; what is deeper is printed as text */

enum row_kind {
    ROW_KIND_TEXT,
    ROW_KIND_BOOL,    /* t or f */
    ROW_KIND_INT,     /* always a JSON number */
    ROW_KIND_BIGINT,  /* a string, or a number where the shape's numbers are native */
    ROW_KIND_NUMERIC, /* the same, but NaN and Infinity are always strings */
    ROW_KIND_FLOAT,   /* a number; NaN and Infinity are strings */
    ROW_KIND_DATE,
    ROW_KIND_TIMESTAMP,
    ROW_KIND_TIMESTAMPTZ,
    ROW_KIND_JSON,       /* carried verbatim */
    ROW_KIND_HSTORE,     /* contrib/hstore */
    ROW_KIND_ARRAY,      /* of `element`, between `delimiter`s */
    ROW_KIND_VECTOR,     /* int2vector and oidvector: `element`s between blanks */
    ROW_KIND_TSTZ_RANGE, /* the text, its bounds in UTC */
    ROW_KIND_TSTZ_MULTIRANGE,
    ROW_KIND_COMPOSITE,
};

struct row_type {
    enum row_kind kind;
    char delimiter;
    struct row_type *element;
    struct row_field *fields;
    size_t n_fields;
};

/* A column of a table, or a field of a composite. */
struct row_field {
    char *name;
    char *label; /* ,"name": as it stands in an object, escaped; not terminated */
    size_t label_len;
    struct row_type *type;
};

struct row_type *row_type_new(enum row_kind kind); /* one without parts */
struct row_type *row_type_array(struct row_type *element_take, char delimiter);
struct row_type *row_type_vector(struct row_type *element_take);
/* Takes the heap array and what its fields own. */
struct row_type *row_type_composite(struct row_field *fields_take, size_t n_fields);
void row_type_free(struct row_type *type); /* NULL is fine */

struct row_field row_field_make(const char *name, struct row_type *type_take);
void row_field_release(struct row_field *field);

#endif
