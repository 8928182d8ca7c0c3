/* SPDX-License-Identifier: PostgreSQL */
/* Random identifiers: straight from the kernel, because a socketId must not be guessable (who knows
 * one may send private messages to it) and a generator of our own would be one more thing to seed
 * and to get wrong. Texts come from a few bytes in stock, of each thread's own, that a call brings
 * for twenty of them; what was used is wiped. */
#include "base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { RANDOM_BYTES = 12, STOCK = 20 };
static _Thread_local unsigned char stock[STOCK][RANDOM_BYTES];
static _Thread_local size_t n_left;

void id_random(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        p += got;
        len -= (size_t)got;
    }
}

void id_text(char out[ID_TEXT_SIZE])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (n_left == 0) {
        id_random(stock, sizeof stock);
        n_left = STOCK;
    }
    unsigned char *random = stock[--n_left];
    for (size_t i = 0; i < RANDOM_BYTES; i += 3) {
        unsigned group = (unsigned)random[i] << 16 | (unsigned)random[i + 1] << 8 | random[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = alphabet[group >> shift & 63];
    }
    *out = '\0';
    explicit_bzero(random, RANDOM_BYTES);
}

void id_forget(void)
{
    explicit_bzero(stock, sizeof stock);
    n_left = 0;
}
