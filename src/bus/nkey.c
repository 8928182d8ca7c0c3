/* SPDX-License-Identifier: PostgreSQL */
/* The format: github.com/nats-io/nkeys. A seed is base32 (RFC 4648, no padding) of two bytes that say
 * "seed" and "of a user", 32 bytes and a CRC-16/XMODEM, low byte first; a public key has one byte
 * in front. */
#include "bus/nkey.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum {
    KEY_SIZE = 32,
    SEED_BYTES = 2 + KEY_SIZE + 2,
    SEED_CHARS = 58,
    PUBLIC_BYTES = 1 + KEY_SIZE + 2,
    PREFIX_SEED = 18 << 3, /* "S" */
    PREFIX_USER = 20 << 3, /* "U" */
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const unsigned char *data, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)(data[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

static bool decode(const char *text, unsigned char *out, size_t n_out)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;
    for (; *text; text++) {
        const char *at = strchr(alphabet, *text);
        if (!at) {
            return false;
        }
        bits = bits << 5 | (uint32_t)(at - alphabet);
        n_bits += 5;
        if (n_bits >= 8 && n < n_out) {
            n_bits -= 8;
            out[n++] = (unsigned char)(bits >> n_bits);
        }
    }
    return n == n_out;
}

static void encode(const unsigned char *data, size_t len, char *out)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | data[i];
        n_bits += 8;
        while (n_bits >= 5) {
            n_bits -= 5;
            *out++ = alphabet[bits >> n_bits & 31];
        }
    }
    *out = '\0';
}

static bool is_user_seed(const unsigned char *bytes)
{
    uint16_t sum = (uint16_t)(bytes[SEED_BYTES - 2] | bytes[SEED_BYTES - 1] << 8);
    /* The user's prefix stands five bits behind the seed's. */
    bool is_user = (bytes[0] & 0xf8) == PREFIX_SEED &&
                   ((bytes[0] & 7) << 5 | (bytes[1] & 0xf8) >> 3) == PREFIX_USER;
    return is_user && crc16(bytes, SEED_BYTES - 2) == sum;
}

static bool public_of(const unsigned char *key, unsigned char *out)
{
    size_t len = KEY_SIZE;
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, KEY_SIZE);
    bool is_good = pair && EVP_PKEY_get_raw_public_key(pair, out, &len) == 1 && len == KEY_SIZE;
    EVP_PKEY_free(pair);
    return is_good;
}

bool nkey_public(const char *seed, char out[NKEY_PUBLIC_SIZE])
{
    unsigned char bytes[SEED_BYTES], public[PUBLIC_BYTES] = {PREFIX_USER};
    bool is_good = strlen(seed) == SEED_CHARS && decode(seed, bytes, sizeof(bytes)) &&
                   is_user_seed(bytes) && public_of(bytes + 2, public + 1);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (is_good) {
        uint16_t sum = crc16(public, PUBLIC_BYTES - 2);
        public[PUBLIC_BYTES - 2] = (unsigned char)(sum & 0xff);
        public[PUBLIC_BYTES - 1] = (unsigned char)(sum >> 8);
        encode(public, sizeof(public), out);
    }
    return is_good;
}
