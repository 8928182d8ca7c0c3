/* SPDX-License-Identifier: PostgreSQL */
/* The keys that tokens are checked with. Immutable and shared by threads: a change is a new set. */
#ifndef HERALD_AUTH_KEYS_KEYSET_H
#define HERALD_AUTH_KEYS_KEYSET_H

#include "auth/keys/key.h"

struct keyset {
    atomic_uint refs;
    size_t n;
    struct key *keys[];
};

#define KEYSET_MAX_KEYS 64 /* of one source */
#define KEYSET_MAX_TRIES 4 /* how many keys one token may be tried with */

enum keyset_answer {
    KEYSET_FOUND,
    KEYSET_NO_ALGORITHM, /* no key is for that algorithm */
    KEYSET_NO_ID,        /* keys are for it, but none has that kid, and all have one */
};

struct keyset *keyset_new(struct key *const *keys, size_t n); /* takes the references */
struct keyset *keyset_join(const struct keyset *a, const struct keyset *b);
struct keyset *keyset_ref(struct keyset *set);
void keyset_unref(struct keyset *set); /* NULL is fine */

/* The keys to try a token with, borrowed from the set. `id` is the token's kid, or NULL. A key
 * without a kid fits every token of its algorithm, but only where no key has the token's kid. */
enum keyset_answer keyset_select(const struct keyset *set, const struct algorithm *algorithm,
                                 const char *id, const struct key *out[KEYSET_MAX_TRIES],
                                 size_t *n_out);

/* A JWK set (RFC 7517), or a single JWK. Keys that are of no use are left out with a warning that
 * begins with `origin`. A failure's sentence begins with it too. */
enum status keyset_parse(struct str text, const char *origin, enum key_use use, struct keyset **out,
                         struct err *err) MUST_CHECK;

#endif
