/* SPDX-License-Identifier: PostgreSQL */
/* Patterns of LIKE: % stands for any characters, _ for one, \ takes what follows as it is. */
#ifndef HERALD_CORE_LIVE_VALUE_LIKE_H
#define HERALD_CORE_LIVE_VALUE_LIKE_H

#include <stdbool.h>

#include "base/str.h"

/* Characters of a piece with _ that has a % before and behind it. Such a piece is tried at each place
 * of the text, so its length is what a row's text costs; pieces without _ have no limit. */
#define LIKE_PIECE_MAX 64

struct like;

/* NULL: it ends with a backslash that nothing follows, or has a piece over LIKE_PIECE_MAX. The
 * pattern must be valid UTF-8. */
struct like *like_new(struct str pattern);
void like_free(struct like *like);                           /* NULL is fine */
bool like_matches(const struct like *like, struct str text); /* valid UTF-8 */

#endif
