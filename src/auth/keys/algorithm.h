/* SPDX-License-Identifier: PostgreSQL */
/* The algorithms that tokens may use: a list of what is allowed, so that everything else, `none`
 * in any spelling included, is unknown. */
#ifndef HERALD_AUTH_KEYS_ALGORITHM_H
#define HERALD_AUTH_KEYS_ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>

enum key_type { KEY_TYPE_OCT, KEY_TYPE_RSA, KEY_TYPE_EC, KEY_TYPE_OKP };

struct algorithm {
    const char *name; /* as in `alg` (RFC 7518, RFC 8037) */
    enum key_type type;
    bool is_encryption;          /* for a JWE; else a signature or MAC of a JWS */
    const char *curve;           /* the only one that fits; NULL: any that we know */
    size_t min_bytes, max_bytes; /* of a symmetric key */
};

/* The content encryption of a JWE, with the lengths that its parts must have. */
struct encryption {
    const char *name;  /* as in `enc` */
    size_t key_bytes;  /* of the content encryption key */
    size_t iv_bytes;   /* of the initialisation vector */
    size_t tag_bytes;  /* of the authentication tag */
    size_t block_size; /* what the length of the ciphertext is a multiple of */
};

const struct algorithm *algorithm_find(const char *name); /* NULL: not one of ours */
/* The one signature algorithm of a curve; NULL: a curve that we do not know. */
const struct algorithm *algorithm_of_curve(const char *curve);
/* Whether anybody who has the public key can make such a token: it then proves nothing. */
bool algorithm_is_public(const struct algorithm *algorithm);

const struct encryption *encryption_find(const char *name);
/* The usual encryption under a key of that many bytes; NULL: no such length. */
const struct encryption *encryption_of_size(size_t key_bytes);

#endif
