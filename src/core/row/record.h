/* SPDX-License-Identifier: PostgreSQL */
/* Reads what record_out prints: (1,"a ""b""",,"") — a field that is not there is NULL, an empty one
 * is quoted (PostgreSQL, rowtypes.c). */
#ifndef HERALD_CORE_ROW_RECORD_H
#define HERALD_CORE_ROW_RECORD_H

#include "base/buf.h"

struct record_reader {
    const char *p;
    const char *end; /* in front of the last parenthesis */
    bool is_over;
};

/* False: no record. */
bool record_open(struct record_reader *reader, struct str text);
/* The next field; absent: NULL. Its bytes lie in the record, or at the end of `unescaped` where
 * they had to be put together: what was read before stays there only if the buffer had room enough
 * from the start (that of the record's text does). False: there is none, or what is there is not
 * what record_out prints. */
bool record_next(struct record_reader *reader, struct buf *unescaped, struct str *field);
/* Whether all fields were read. A record without columns reads like one whose only field is NULL. */
bool record_is_over(const struct record_reader *reader, size_t n_read);

/* The text between quotes, of which the opening one is just behind *p: what a quote or a backslash
 * doubles or covers is unescaped. Steps behind the closing quote. False: there is none. */
bool literal_unquote(const char **p, const char *end, bool are_quotes_doubled,
                     struct buf *unescaped, struct str *out);

#endif
