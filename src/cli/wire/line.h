/* SPDX-License-Identifier: PostgreSQL */
/* Frames of the server, read as far as a command needs, and printed one a line. */
#ifndef HERALD_CLI_WIRE_LINE_H
#define HERALD_CLI_WIRE_LINE_H

#include <stdio.h>

#include "base/buf.h"

struct told { /* a frame; the spans point into its text, and are absent where it has none */
    struct str text;
    struct str action; /* without quotes */
    struct str client, payload;
    struct str id, at, ref, moved; /* of its options */
};

/* False: it is no frame. */
bool told_read(struct str text, struct told *out);
/* The member of an object; absent if it is none. */
struct str told_member(struct str object, const char *key);
/* A JSON string as text that is harmless on a terminal; anything else gives "". */
void told_string(struct str value, struct buf *out);

/* time, offset, action, who, payload; or the frame as it came. Always one line, harmless on a
 * terminal. False: it could not be written. */
bool line_print(const struct told *told, bool is_json, FILE *out);

#endif
