/* SPDX-License-Identifier: PostgreSQL */
/* A reader over a text: what it takes it has read, and what it does not take is where it stands. For
 * texts of a fixed shape, as dates have it: whoever is told no gives the text up, and only cursor_char
 * is sure to stand still then. */
#ifndef HERALD_CORE_ROW_CURSOR_H
#define HERALD_CORE_ROW_CURSOR_H

#include "base/str.h"

struct cursor {
    const char *p;
    const char *end;
};

static inline struct cursor cursor_over(struct str text)
{
    return (struct cursor){text.ptr, text.ptr + text.len};
}

static inline bool cursor_is_at_end(const struct cursor *c)
{
    return c->p == c->end;
}

static inline struct str cursor_rest(const struct cursor *c)
{
    return (struct str){c->p, (size_t)(c->end - c->p)};
}

static inline bool cursor_char(struct cursor *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted) {
        return false;
    }
    c->p++;
    return true;
}

/* How many digits there were, up to `most`, which is at most 18. */
static inline size_t cursor_digits(struct cursor *c, size_t most, int64_t *out)
{
    size_t n = 0;
    for (*out = 0; n < most && c->p < c->end && *c->p >= '0' && *c->p <= '9'; n++) {
        *out = *out * 10 + (*c->p++ - '0');
    }
    return n;
}

/* Two digits from `least` to `most`. */
static inline bool cursor_two(struct cursor *c, int64_t least, int64_t most, int64_t *out)
{
    return cursor_digits(c, 2, out) == 2 && *out >= least && *out <= most;
}

#endif
