/* SPDX-License-Identifier: PostgreSQL */
/* The computations: one signature or one decryption a call, which is what a check of a token costs.
 * Any thread. */
#ifndef HERALD_AUTH_CRYPTO_H
#define HERALD_AUTH_CRYPTO_H

#include "auth/compact.h"
#include "auth/keys/key.h"

/* Whether the three parts were signed with `key`, whose algorithm the caller has compared. */
bool crypto_verify(const struct key *key, const struct compact *jws);
/* Decrypts the five parts; the caller has compared the algorithm and the lengths of the parts.
 * Appends the plaintext. */
bool crypto_decrypt(const struct key *key, const struct compact *jwe, struct buf *out);

/* For minting. `header` (alg, and what else is to be in it) and the payload make a compact token.
 * The key must have its private part. */
bool crypto_sign(const struct key *key, json_t *header, struct str payload, struct buf *out);
bool crypto_encrypt(const struct key *key, json_t *header, struct str plaintext, struct buf *out);

#endif
