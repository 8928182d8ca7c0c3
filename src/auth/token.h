/* SPDX-License-Identifier: PostgreSQL */
/* One token against one set of keys: a pure function of its arguments. */
#ifndef HERALD_AUTH_TOKEN_H
#define HERALD_AUTH_TOKEN_H

#include "auth/claims.h"
#include "auth/keys/keyset.h"
#include "base/buf.h"

/* What the dearest refusal may cost. A nested token costs a decryption and a signature. */
#define TOKEN_MAX_OPERATIONS (2 * KEYSET_MAX_TRIES)

struct token_check {
    const struct keyset *keyset;
    const struct claims_rules *rules;
    size_t max_bytes;
    int64_t now_s;
    struct buf *claims; /* the text of the claims is appended, once a key has opened it; or NULL */
    /* set by token_check */
    const struct key *key; /* the last that opened anything, of the keyset; NULL: none did */
    unsigned n_operations; /* signatures verified and keys used to decrypt, whatever came out */
    bool misses_key;       /* it names a key that is not in the set: it may be a newer one */
};

enum verdict token_check(struct token_check *check, struct str token, struct identity **out,
                         const char **why);

#endif
