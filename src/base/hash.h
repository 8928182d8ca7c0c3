/* SPDX-License-Identifier: PostgreSQL */
/* A keyed hash (SipHash-1-3) for tables whose keys strangers choose: without the key they cannot
 * make collisions. The key is drawn once per process, at the first use. Include this before
 * <uthash.h>: it sets uthash's function. */
#ifndef HERALD_BASE_HASH_H
#define HERALD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_keyed(const uint64_t key[2], const void *data,
                    size_t len); /* the same with a given key */

#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = (unsigned)hash_bytes((keyptr), (keylen)))

#endif
