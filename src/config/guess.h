/* SPDX-License-Identifier: PostgreSQL */
/* "Did you mean": of known words the one that a misspelt word is nearest to. */
#ifndef HERALD_CONFIG_GUESS_H
#define HERALD_CONFIG_GUESS_H

#include "base/str.h"

struct guess {
    struct str typed;
    const char *best; /* NULL: nothing is near */
    size_t distance;  /* of best */
};

void guess_init(struct guess *guess, struct str typed);
void guess_try(struct guess *guess, const char *candidate); /* which must outlive the guess */

/* How many letters have to be added, left out, replaced or swapped with their neighbour to make one
 * word of the other; capitals are small letters. Words of more than GUESS_MAX bytes are far from everything: SIZE_MAX. */
#define GUESS_MAX 64
size_t guess_distance(struct str a, struct str b);

#endif
