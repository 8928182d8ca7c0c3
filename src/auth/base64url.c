/* SPDX-License-Identifier: PostgreSQL */
/* Our own, because every token of a stranger goes through it: libjose 11 searches its alphabet from
 * the start for each character, and reads one byte behind the text. Strict: two texts for the same
 * bytes would be two tokens that are the same. */
#include "auth/base64url.h"

/* 0 to 63; 64 for what is no digit. */
static unsigned digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (unsigned)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (unsigned)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0') + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : 64;
}

size_t base64url_bytes(size_t n_chars)
{
    return n_chars / 4 * 3 + (n_chars % 4) * 3 / 4;
}

bool base64url_decode(struct str text, struct buf *out)
{
    if (text.len % 4 == 1) {
        return false;
    }
    size_t before = out->len;
    unsigned bits = 0, n_bits = 0;
    buf_reserve(out, base64url_bytes(text.len));
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = digit(text.ptr[i]);
        if (value > 63) {
            out->len = before;
            return false;
        }
        bits = (bits << 6 | value) & 0xFFFF;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            buf_char(out, (char)(bits >> n_bits & 0xFF));
        }
    }
    if ((bits & ((1U << n_bits) - 1)) != 0) {
        out->len = before;
        return false;
    }
    return true;
}

void base64url_encode(struct str bytes, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, n_bits = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = (bits << 8 | (unsigned char)bytes.ptr[i]) & 0xFFFF;
        n_bits += 8;
        while (n_bits >= 6) {
            n_bits -= 6;
            buf_char(out, digits[bits >> n_bits & 63]);
        }
    }
    if (n_bits > 0) {
        buf_char(out, digits[bits << (6 - n_bits) & 63]);
    }
}
