/* SPDX-License-Identifier: PostgreSQL */
/* Pure: bytes, keys and nothing else. A head has one length, so there is nothing to get wrong about
 * where its parts are; who reads looks at the signature before he believes a word of them. */
#include "bus/seal.h"

#include <string.h>

#include <openssl/crypto.h>

#include "bus/version.h"

enum { ID_SIZE = ID_TEXT_SIZE - 1, SEQ_AT = 2, SENT_AT = 10, FROM_AT = 18, TO_AT = 34 };

static void put_u64(char *out, uint64_t number)
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (char)(number & 0xff);
        number >>= 8;
    }
}

static uint64_t get_u64(const char *in)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | (unsigned char)in[i];
    }
    return number;
}

bool seal_is_id(struct str text)
{
    if (text.len != ID_SIZE) {
        return false;
    }
    for (size_t i = 0; i < ID_SIZE; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

static struct str key_of(const struct seal_keys *keys, unsigned i)
{
    return (struct str){(const char *)keys->keys[i], SEAL_KEY_SIZE};
}

void seal_close(const struct seal_head *head, const struct seal_keys *keys, char *data, size_t len)
{
    data[0] = (char)head->version;
    data[1] = (char)head->kind;
    put_u64(data + SEQ_AT, head->seq);
    put_u64(data + SENT_AT, head->sent_ms);
    memcpy(data + FROM_AT, head->from, ID_SIZE);
    memset(data + TO_AT, 0, ID_SIZE);
    if (head->to[0]) {
        memcpy(data + TO_AT, head->to, ID_SIZE);
    }
    size_t signed_len = len - HMAC_SIZE;
    hmac_sha256(key_of(keys, 0), (struct str){data, signed_len},
                (unsigned char *)data + signed_len);
}

static bool is_signed(const struct seal_keys *keys, struct str data)
{
    unsigned char mac[HMAC_SIZE];
    struct str text = {data.ptr, data.len - HMAC_SIZE};
    for (unsigned i = 0; i < keys->n; i++) {
        hmac_sha256(key_of(keys, i), text, mac);
        if (CRYPTO_memcmp(mac, text.ptr + text.len, HMAC_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static bool names_nodes(const char *data)
{
    static const char nobody[ID_SIZE];
    return seal_is_id((struct str){data + FROM_AT, ID_SIZE}) &&
           (memcmp(data + TO_AT, nobody, ID_SIZE) == 0 ||
            seal_is_id((struct str){data + TO_AT, ID_SIZE}));
}

enum seal_verdict seal_open(const struct seal_keys *keys, struct str data, struct seal_head *head,
                            struct str *body)
{
    if (data.len < SEAL_SIZE) {
        return SEAL_MALFORMED;
    }
    if (!names_nodes(data.ptr)) {
        return SEAL_MALFORMED;
    }
    if (!is_signed(keys, data)) {
        return SEAL_UNSIGNED;
    }
    *head = (struct seal_head){
        .version = (uint8_t)data.ptr[0],
        .kind = (uint8_t)data.ptr[1],
        .seq = get_u64(data.ptr + SEQ_AT),
        .sent_ms = get_u64(data.ptr + SENT_AT),
    };
    memcpy(head->from, data.ptr + FROM_AT, ID_SIZE);
    memcpy(head->to, data.ptr + TO_AT, ID_SIZE);
    *body = (struct str){data.ptr + SEAL_HEAD_SIZE, data.len - SEAL_SIZE};
    return version_is_read(head->version) ? SEAL_GOOD : SEAL_FOREIGN;
}
