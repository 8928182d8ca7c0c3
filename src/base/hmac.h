/* SPDX-License-Identifier: PostgreSQL */
/* HMAC-SHA256 (RFC 2104, FIPS 180-4), by openssl. */
#ifndef HERALD_BASE_HMAC_H
#define HERALD_BASE_HMAC_H

#include "base/str.h"

#define HMAC_SIZE 32

void hmac_sha256(struct str key, struct str message, unsigned char out[HMAC_SIZE]);

#endif
