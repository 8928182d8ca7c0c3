/* SPDX-License-Identifier: PostgreSQL */
/* base64url without padding (RFC 7515, appendix C), in its one strict form. */
#ifndef HERALD_AUTH_BASE64URL_H
#define HERALD_AUTH_BASE64URL_H

#include "base/buf.h"
#include "base/str.h"

/* Appends the bytes; false leaves `out` as it was: another character, an impossible length, or bits
 * at the end that mean nothing and are not zero. */
bool base64url_decode(struct str text, struct buf *out);
void base64url_encode(struct str bytes, struct buf *out);
/* How many bytes a text of that many characters stands for. */
size_t base64url_bytes(size_t n_chars);

#endif
