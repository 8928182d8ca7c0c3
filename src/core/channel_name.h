/* SPDX-License-Identifier: PostgreSQL */
/* What a channel may be called, and how rules' patterns match names (CONTRACT of the SQL side: the
 * same checks). */
#ifndef HERALD_CORE_CHANNEL_NAME_H
#define HERALD_CORE_CHANNEL_NAME_H

#include "base/str.h"

#define CHANNEL_NAME_MAX 255 /* bytes */

/* 1-255 bytes of UTF-8 without control characters (U+0000-001F, U+007F-009F) and without '*'. */
bool channel_name_is_valid(struct str name);

/* The literal prefix of a pattern: an exact name gives itself; "chat/" and a star gives "chat/";
 * "*" gives "". */
struct str channel_pattern_prefix(struct str pattern, bool *is_exact);

/* Does a rule with this pattern cover the channel? None, not even a star, covers one that begins
 * with "herald.": those are the server's own, and no client's. */
bool channel_pattern_matches(struct str pattern, struct str name);

#endif
