/* SPDX-License-Identifier: PostgreSQL */
/* Two tables. What they leave out is left out on purpose: `none`; RSA1_5 and RSA-OAEP (SHA-1), of
 * which the first answers a padding oracle; PBES2, whose cost the sender chooses. */
#include "auth/keys/algorithm.h"

#include <string.h>

/* A secret is at least as long as the digest (RFC 7518, 3.2); libjose 11 takes no more than 1 024
 * bytes. */
#define MAX_SECRET 1024

static const struct algorithm algorithms[] = {
    {"HS256", KEY_TYPE_OCT, false, NULL, 32, MAX_SECRET},
    {"HS384", KEY_TYPE_OCT, false, NULL, 48, MAX_SECRET},
    {"HS512", KEY_TYPE_OCT, false, NULL, 64, MAX_SECRET},
    {"RS256", KEY_TYPE_RSA, false, NULL, 0, 0},
    {"RS384", KEY_TYPE_RSA, false, NULL, 0, 0},
    {"RS512", KEY_TYPE_RSA, false, NULL, 0, 0},
    {"PS256", KEY_TYPE_RSA, false, NULL, 0, 0},
    {"PS384", KEY_TYPE_RSA, false, NULL, 0, 0},
    {"PS512", KEY_TYPE_RSA, false, NULL, 0, 0},
    {"ES256", KEY_TYPE_EC, false, "P-256", 0, 0},
    {"ES384", KEY_TYPE_EC, false, "P-384", 0, 0},
    {"ES512", KEY_TYPE_EC, false, "P-521", 0, 0},
    {"EdDSA", KEY_TYPE_OKP, false, "Ed25519", 0, 0},
    {"dir", KEY_TYPE_OCT, true, NULL, 16, 64},
    {"A256KW", KEY_TYPE_OCT, true, NULL, 32, 32},
    {"RSA-OAEP-256", KEY_TYPE_RSA, true, NULL, 0, 0},
    {"ECDH-ES", KEY_TYPE_EC, true, NULL, 0, 0},
    {"ECDH-ES+A256KW", KEY_TYPE_EC, true, NULL, 0, 0},
};
#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

/* The first of a size is the usual one. */
static const struct encryption encryptions[] = {
    {"A128GCM", 16, 12, 16, 1},        {"A192GCM", 24, 12, 16, 1},
    {"A256GCM", 32, 12, 16, 1},        {"A128CBC-HS256", 32, 16, 16, 16},
    {"A192CBC-HS384", 48, 16, 24, 16}, {"A256CBC-HS512", 64, 16, 32, 16},
};
#define N_ENCRYPTIONS (sizeof(encryptions) / sizeof(encryptions[0]))

const struct algorithm *algorithm_find(const char *name)
{
    for (size_t i = 0; i < N_ALGORITHMS; i++) {
        if (strcmp(algorithms[i].name, name) == 0) {
            return &algorithms[i];
        }
    }
    return NULL;
}

const struct algorithm *algorithm_of_curve(const char *curve)
{
    for (size_t i = 0; i < N_ALGORITHMS; i++) {
        if (algorithms[i].curve && strcmp(algorithms[i].curve, curve) == 0) {
            return &algorithms[i];
        }
    }
    return NULL;
}

bool algorithm_is_public(const struct algorithm *algorithm)
{
    return algorithm->is_encryption && algorithm->type != KEY_TYPE_OCT;
}

const struct encryption *encryption_find(const char *name)
{
    for (size_t i = 0; i < N_ENCRYPTIONS; i++) {
        if (strcmp(encryptions[i].name, name) == 0) {
            return &encryptions[i];
        }
    }
    return NULL;
}

const struct encryption *encryption_of_size(size_t key_bytes)
{
    for (size_t i = 0; i < N_ENCRYPTIONS; i++) {
        if (encryptions[i].key_bytes == key_bytes) {
            return &encryptions[i];
        }
    }
    return NULL;
}
