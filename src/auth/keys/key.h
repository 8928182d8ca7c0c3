/* SPDX-License-Identifier: PostgreSQL */
/* One key for tokens with the one algorithm that it is for. Immutable and shared by threads. */
#ifndef HERALD_AUTH_KEYS_KEY_H
#define HERALD_AUTH_KEYS_KEY_H

#include <jansson.h>
#include <stdatomic.h>

#include "auth/keys/algorithm.h"
#include "base/err.h"
#include "base/str.h"

struct key {
    atomic_uint refs;
    const struct algorithm *algorithm;
    char *id;         /* kid; NULL: it has none */
    size_t key_bytes; /* of a secret or of an RSA modulus; else 0 */
    bool has_private; /* it can also make tokens */
    /* What is needed and no more, as libjose takes it. libjose gets a copy for each use
     * (key_copy_jwk): jansson promises that values may be read by many threads at once, but what a
     * library does with a value that it is given is its own affair. */
    const json_t *jwk;
};

enum key_use {
    KEY_FOR_CHECKS,  /* private parts are kept only where decryption needs them */
    KEY_FOR_MINTING, /* they are kept */
};

/* `jwk` is borrowed. `pinned` is the algorithm, whatever the JWK says; NULL: the one that it names,
 * or that its curve leaves. The sentence of a failure goes on after "the key …": "is too short". */
enum status key_from_jwk(const json_t *jwk, const struct algorithm *pinned, enum key_use use,
                         struct key **out, struct err *err) MUST_CHECK;
/* The first key or certificate of a PEM text. `pinned` NULL: RS256, or by the curve. */
enum status key_from_pem(struct str pem, const struct algorithm *pinned, enum key_use use,
                         struct key **out, struct err *err) MUST_CHECK;
/* The bytes of a shared secret. */
enum status key_from_secret(struct str secret, const struct algorithm *algorithm, struct key **out,
                            struct err *err) MUST_CHECK;
json_t *key_copy_jwk(const struct key *key); /* the caller's */
struct key *key_ref(struct key *key);
void key_unref(struct key *key); /* NULL is fine */

#endif
