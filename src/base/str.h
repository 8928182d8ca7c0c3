/* SPDX-License-Identifier: PostgreSQL */
/* A span of bytes that somebody else owns: not terminated, may hold any byte. `ptr` NULL means
 * absent. */
#ifndef HERALD_BASE_STR_H
#define HERALD_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

struct str str_of(const char *text); /* NULL gives the absent span */
bool str_equals(struct str a, struct str b);
bool str_starts(struct str text, struct str prefix);
char *str_dup(struct str text); /* terminated heap copy; NULL for an absent span */
/* A file's first line without its end, a heap text; NULL: errno says why it cannot be read. */
char *str_first_line(const char *path);
bool str_is_utf8(struct str text); /* RFC 3629: no overlong forms, no surrogates */
/* Decimal digits only, whole span, no sign, no overflow. Writes *out only on success. */
bool str_to_u64(struct str text, uint64_t *out);

#endif
