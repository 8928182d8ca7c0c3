/* SPDX-License-Identifier: PostgreSQL */
/* NATS' keys for users: Ed25519 in base32 with a prefix and a check sum. libnats signs with the seed
 * but wants to be told the public key that belongs to it. */
#ifndef HERALD_BUS_NKEY_H
#define HERALD_BUS_NKEY_H

#include <stdbool.h>

#define NKEY_PUBLIC_SIZE 57 /* 56 characters and a NUL */

bool nkey_public(const char *seed, char out[NKEY_PUBLIC_SIZE]); /* false: it is no user's seed */

#endif
