/* SPDX-License-Identifier: PostgreSQL */
/* The distance is Damerau's and Levenshtein's (optimal string alignment): what fingers do wrong is
 * one letter too few, too many or another, and two letters in the wrong order. A word that is only
 * begun ("stat") is as near as one mistake. */
#include "config/guess.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Three rows of the table are enough: each cell looks two rows back at most. */
size_t guess_distance(struct str a, struct str b)
{
    size_t rows[3][GUESS_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    if (a.len > GUESS_MAX || b.len > GUESS_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.len; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool is_same = small(a.ptr[i - 1]) == small(b.ptr[j - 1]);
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + !is_same);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

void guess_init(struct guess *guess, struct str typed)
{
    /* One mistake in three letters: more, and it would be another word. Of one or two letters
     * nothing is guessed. */
    *guess = (struct guess){.typed = typed, .distance = typed.len / 3 + (typed.len >= 3)};
}

void guess_try(struct guess *guess, const char *candidate)
{
    struct str word = str_of(candidate);
    bool is_begun = guess->typed.len >= 3 && str_starts(word, guess->typed);
    size_t distance = is_begun ? 1 : guess_distance(guess->typed, word);
    if (distance < guess->distance) {
        guess->best = candidate;
        guess->distance = distance;
    }
}
