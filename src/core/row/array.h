/* SPDX-License-Identifier: PostgreSQL */
/* Reads what array_out prints: {1,2}, {"a \"b\"",NULL}, [2:3]={1,2}, {{1,2},{3,4}} (PostgreSQL,
 * arrayfuncs.c), brace by brace and element by element. Bounds are stepped over. */
#ifndef HERALD_CORE_ROW_ARRAY_H
#define HERALD_CORE_ROW_ARRAY_H

#include "base/buf.h"
#include "core/row/type.h"

enum array_token {
    ARRAY_TOKEN_BAD, /* not what array_out prints, or deeper than ROW_DEPTH_MAX */
    ARRAY_TOKEN_OPEN,
    ARRAY_TOKEN_CLOSE,
    ARRAY_TOKEN_ELEMENT,
    ARRAY_TOKEN_END,
};

struct array_reader {
    const char *p;
    const char *end;
    char delimiter;
    unsigned depth;
    enum array_token last; /* END: nothing was read yet */
};

struct array_reader array_open(struct str text, char delimiter);
/* An ELEMENT's text; absent: NULL. It lies in the array, or at the end of `unescaped`. */
enum array_token array_next(struct array_reader *reader, struct buf *unescaped,
                            struct str *element);

#endif
