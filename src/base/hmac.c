/* SPDX-License-Identifier: PostgreSQL */
/* One call of openssl, here because those who need a signature (src/pg) own another library: each
 * network-facing library has one folder, but digests are everybody's. */
#include "base/hmac.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

void hmac_sha256(struct str key, struct str message, unsigned char out[HMAC_SIZE])
{
    unsigned len = HMAC_SIZE;
    if (!HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)message.ptr, message.len,
              out, &len)) {
        abort(); /* out of memory: nothing else can fail */
    }
}
