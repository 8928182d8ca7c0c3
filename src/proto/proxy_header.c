/* SPDX-License-Identifier: PostgreSQL */
/* Who reads this header believes what it says about a client, so it is read strictly: one of the
 * two forms, byte for byte, and nothing is guessed. Whether the sender may be believed at all is
 * not judged here.
 *
 * Version 1 is a line of text, version 2 a signature, a fixed part with a length, addresses, and
 * extensions (TLVs). Of those only the checksum means something here (section 2.2.3: who knows it
 * must verify it); the others must add up to the length that was announced, and are skipped.
 *
 * A header may be valid and name no client: UNKNOWN and UNSPEC, UNIX sockets, datagrams, and LOCAL,
 * with which a proxy asks for itself (its health checks). The specification lets the receiver go on
 * with the real peer then, which is the proxy. */
#include "proto/proxy_header.h"

#include <string.h>

#include "base/str.h"

enum {
    V2_FIXED = 16, /* signature, version and command, family, length */
    V2_COMMAND_AT = 12,
    V2_FAMILY_AT = 13,
    V2_LENGTH_AT = 14,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    TLV_FIXED = 3, /* type and length */
    TLV_CRC32C = 0x03,
    CRC_BYTES = 4,
};

static const char v1_start[] = "PROXY ";
static const uint8_t v2_start[] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static size_t read_u16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

static bool begins_with(const uint8_t *data, size_t len, const void *start, size_t start_len)
{
    return memcmp(data, start, len < start_len ? len : start_len) == 0;
}

/* ---- version 1 ---- */

/* Takes the next word off, up to one space or the end. */
static struct str next_word(struct str *line)
{
    struct str word = *line;
    const char *space = line->len > 0 ? memchr(line->ptr, ' ', line->len) : NULL;
    if (space) {
        word.len = (size_t)(space - line->ptr);
        *line = (struct str){space + 1, line->len - word.len - 1};
    } else {
        *line = (struct str){0};
    }
    return word;
}

static bool read_v1_address(struct str word, bool is_v6, struct address *out)
{
    bool has_colon = word.len > 0 && memchr(word.ptr, ':', word.len);
    return has_colon == is_v6 && word.len > 0 && word.ptr[0] != '[' && address_parse(word, out);
}

static bool is_port(struct str word)
{
    uint64_t port;
    return word.len > 0 && (word.len == 1 || word.ptr[0] != '0') && str_to_u64(word, &port) &&
           port <= UINT16_MAX;
}

/* The line between "PROXY " and the CRLF. */
static enum proxy_header_state read_v1_line(struct str line, struct proxy_header *out)
{
    struct address client, ignored;
    struct str family = next_word(&line);
    if (str_equals(family, STR("UNKNOWN"))) {
        *out = (struct proxy_header){0}; /* whatever follows */
        return PROXY_HEADER_COMPLETE;
    }
    bool is_v6 = str_equals(family, STR("TCP6"));
    if ((!is_v6 && !str_equals(family, STR("TCP4"))) ||
        !read_v1_address(next_word(&line), is_v6, &client) ||
        !read_v1_address(next_word(&line), is_v6, &ignored) || !is_port(next_word(&line)) ||
        !is_port(line)) {
        return PROXY_HEADER_BAD;
    }
    *out = (struct proxy_header){.has_client = true, .client = client};
    return PROXY_HEADER_COMPLETE;
}

static enum proxy_header_state read_v1(const uint8_t *data, size_t len, struct proxy_header *out)
{
    size_t start = strlen(v1_start);
    size_t most = len < PROXY_HEADER_V1_MAX ? len : PROXY_HEADER_V1_MAX, end = start;
    while (end < most && data[end] != '\r' && data[end] != '\n') {
        end++;
    }
    if (end + 2 > PROXY_HEADER_V1_MAX || (end < most && data[end] == '\n')) {
        return PROXY_HEADER_BAD;
    }
    if (end + 2 > len) {
        return PROXY_HEADER_INCOMPLETE;
    }
    struct str line = {(const char *)data + start, end - start};
    enum proxy_header_state state =
        data[end + 1] == '\n' ? read_v1_line(line, out) : PROXY_HEADER_BAD;
    if (state == PROXY_HEADER_COMPLETE) {
        out->len = end + 2;
    }
    return state;
}

/* ---- version 2 ---- */

/* CRC-32C (RFC 9260, appendix A) of the header with zeros in place of the checksum itself. Bit by
 * bit: it is asked for once a connection at most. */
static uint32_t checksum(const uint8_t *data, size_t len, size_t field)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= i >= field && i < field + CRC_BYTES ? 0 : data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
        }
    }
    return ~crc;
}

/* The extensions from `at` on fill the header, and its checksum is right if there is one. */
static bool are_extensions_good(const uint8_t *data, size_t len, size_t at)
{
    size_t crc_at = 0;
    while (at < len) {
        if (len - at < TLV_FIXED || len - at - TLV_FIXED < read_u16(data + at + 1)) {
            return false;
        }
        size_t bytes = read_u16(data + at + 1);
        if (data[at] == TLV_CRC32C) {
            if (crc_at > 0 || bytes != CRC_BYTES) {
                return false;
            }
            crc_at = at + TLV_FIXED;
        }
        at += TLV_FIXED + bytes;
    }
    return crc_at == 0 || checksum(data, len, crc_at) == ((uint32_t)read_u16(data + crc_at) << 16 |
                                                          (uint32_t)read_u16(data + crc_at + 2));
}

/* The whole header of a PROXY command. */
static enum proxy_header_state read_v2_client(const uint8_t *data, size_t len,
                                              struct proxy_header *out)
{
    size_t addresses_len;
    struct proxy_header header = {.len = len};
    const char *source = (const char *)data + V2_FIXED;
    switch (data[V2_FAMILY_AT]) {
    case 0x00: /* of what follows nothing is known */
        *out = header;
        return PROXY_HEADER_COMPLETE;
    case 0x11: /* TCP over IPv4: addresses of 4 bytes, ports of 2 */
    case 0x12: /* UDP */
        addresses_len = 12;
        break;
    case 0x21: /* TCP over IPv6 */
    case 0x22: /* UDP */
        addresses_len = 36;
        break;
    case 0x31: /* UNIX, stream and datagram */
    case 0x32:
        addresses_len = 216;
        break;
    default:
        return PROXY_HEADER_BAD;
    }
    if (len < V2_FIXED + addresses_len ||
        !are_extensions_good(data, len, V2_FIXED + addresses_len)) {
        return PROXY_HEADER_BAD;
    }
    if (data[V2_FAMILY_AT] == 0x11) {
        address_of_v4((const uint8_t *)source, &header.client);
        header.has_client = true;
    } else if (data[V2_FAMILY_AT] == 0x21) {
        memcpy(header.client.bytes, source, sizeof(header.client.bytes));
        header.has_client = true;
    }
    *out = header;
    return PROXY_HEADER_COMPLETE;
}

static enum proxy_header_state read_v2(const uint8_t *data, size_t len, struct proxy_header *out)
{
    if (len > V2_COMMAND_AT && data[V2_COMMAND_AT] != V2_PROXY && data[V2_COMMAND_AT] != V2_LOCAL) {
        return PROXY_HEADER_BAD;
    }
    if (len < V2_FIXED) {
        return PROXY_HEADER_INCOMPLETE;
    }
    size_t whole = V2_FIXED + read_u16(data + V2_LENGTH_AT);
    if (whole > PROXY_HEADER_MAX) {
        return PROXY_HEADER_BAD;
    }
    if (len < whole) {
        return PROXY_HEADER_INCOMPLETE;
    }
    if (data[V2_COMMAND_AT] == V2_LOCAL) {
        *out = (struct proxy_header){.len = whole}; /* what it says of addresses is ignored */
        return PROXY_HEADER_COMPLETE;
    }
    return read_v2_client(data, whole, out);
}

enum proxy_header_state proxy_header_read(const uint8_t *data, size_t len, struct proxy_header *out)
{
    if (begins_with(data, len, v2_start, sizeof(v2_start))) {
        return len < sizeof(v2_start) ? PROXY_HEADER_INCOMPLETE : read_v2(data, len, out);
    }
    if (begins_with(data, len, v1_start, strlen(v1_start))) {
        return len < strlen(v1_start) ? PROXY_HEADER_INCOMPLETE : read_v1(data, len, out);
    }
    return PROXY_HEADER_BAD;
}
