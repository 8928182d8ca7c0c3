/* SPDX-License-Identifier: PostgreSQL */
/* SipHash-1-3: a keyed hash for tables whose keys come from strangers.
 *
 * With a fixed hash function anybody can compute ten thousand channel names that fall into one
 * bucket and make each look-up a walk through all of them. With a secret key nobody can. One round
 * per word and three at the end is the variant that Rust, Python and Ruby use for their tables:
 * enough against collisions made on purpose, and fast on short keys. It is not for signatures.
 *
 * After J.-P. Aumasson, D. J. Bernstein: SipHash, a fast short-input PRF (2012). The key is the one
 * file-level state besides the log level: drawn once, never changed, and of use only if it is the
 * same for the whole process. */
#include "base/hash.h"

#include <pthread.h>

#include "base/id.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, int bits)
{
    return (word << bits) | (word >> (64 - bits));
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Up to eight bytes as a little-endian number. */
static uint64_t load(const unsigned char *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

uint64_t hash_keyed(const uint64_t key[2], const void *data, size_t len)
{
    const unsigned char *p = data;
    struct sip s = {
        .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key[1] ^ UINT64_C(0x7465646279746573),
    };
    size_t left = len;
    for (; left >= 8; left -= 8, p += 8)
        sip_word(&s, load(p, 8));
    sip_word(&s, load(p, left) | (uint64_t)len << 56);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void draw_process_key(void)
{
    id_random(process_key, sizeof process_key);
}

uint64_t hash_bytes(const void *data, size_t len)
{
    pthread_once(&process_key_once, draw_process_key);
    return hash_keyed(process_key, data, len);
}
