/* SPDX-License-Identifier: PostgreSQL */
/* A growing byte buffer. Zero-initialise it (`struct buf b = {0}`), append, then buf_release.
 * `data` is not terminated unless buf_text is called. */
#ifndef HERALD_BASE_BUF_H
#define HERALD_BASE_BUF_H

#include "base/str.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_reserve(struct buf *buf, size_t more); /* room for `more` further bytes */
void buf_add(struct buf *buf, const void *data, size_t len);
void buf_str(struct buf *buf, struct str text);
void buf_literal(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_u64(struct buf *buf, uint64_t number); /* decimal */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text as a JSON string with its quotes. The text must be valid UTF-8. */
void buf_json_string(struct buf *buf, struct str text);
/* One byte of UTF-8 as it stands inside a JSON string: itself or an escape. Returns how many bytes
 * that is. */
#define BUF_JSON_ESCAPE_MAX 6
size_t buf_json_escape(unsigned char c, char out[BUF_JSON_ESCAPE_MAX]);
const char *buf_text(struct buf *buf);      /* terminates; valid until the next append */
struct str buf_span(const struct buf *buf); /* the same without an end */
void buf_clear(struct buf *buf);            /* empty, keeps the memory */
void buf_release(struct buf *buf);

#endif
