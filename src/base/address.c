/* SPDX-License-Identifier: PostgreSQL */
/* Addresses are compared as 16 bytes whatever they are, so one table holds both kinds and an IPv4
 * client that reaches an IPv6 socket is the same one. */
#include "base/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

enum { V4_BITS = 96 }; /* of ::ffff:0:0/96 */

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct address *address)
{
    return memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool address_parse(struct str text, struct address *out)
{
    char terminated[INET6_ADDRSTRLEN];
    struct address parsed;
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        text = (struct str){text.ptr + 1, text.len - 2};
    }
    if (text.len == 0 || text.len >= sizeof(terminated) || memchr(text.ptr, '\0', text.len)) {
        return false;
    }
    memcpy(terminated, text.ptr, text.len);
    terminated[text.len] = '\0';
    if (inet_pton(AF_INET, terminated, parsed.bytes + sizeof(v4_prefix)) == 1) {
        memcpy(parsed.bytes, v4_prefix, sizeof(v4_prefix));
    } else if (inet_pton(AF_INET6, terminated, parsed.bytes) != 1) {
        return false;
    }
    *out = parsed;
    return true;
}

void address_of_v4(const uint8_t bytes[4], struct address *out)
{
    memcpy(out->bytes, v4_prefix, sizeof(v4_prefix));
    memcpy(out->bytes + sizeof(v4_prefix), bytes, 4);
}

void address_of_socket(const struct sockaddr *socket, struct address *out)
{
    if (socket->sa_family == AF_INET6) {
        memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)socket)->sin6_addr,
               sizeof(out->bytes));
    } else {
        const struct sockaddr_in *v4 = (const void *)socket;
        address_of_v4((const uint8_t *)&v4->sin_addr, out);
    }
}

void address_write(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    static_assert(ADDRESS_TEXT_SIZE >= INET6_ADDRSTRLEN, "an address must fit");
    const void *bytes = is_v4(address) ? address->bytes + sizeof(v4_prefix) : address->bytes;
    if (!inet_ntop(is_v4(address) ? AF_INET : AF_INET6, bytes, out, ADDRESS_TEXT_SIZE)) {
        out[0] = '\0';
    }
}

bool address_is_loopback(const struct address *address)
{
    static const struct address v6_loopback = {{[15] = 1}};
    return is_v4(address) ? address->bytes[sizeof(v4_prefix)] == 127
                          : memcmp(address, &v6_loopback, sizeof(*address)) == 0;
}

struct address address_owner(const struct address *address)
{
    struct address owner = *address;
    if (!is_v4(&owner)) {
        memset(owner.bytes + 8, 0, 8);
    }
    return owner;
}

/* ---- ranges ---- */

static bool parse_range(struct str word, struct address_range *out)
{
    const char *slash = memchr(word.ptr, '/', word.len);
    struct str base = {word.ptr, slash ? (size_t)(slash - word.ptr) : word.len};
    if (!address_parse(base, &out->first)) {
        return false;
    }
    unsigned family_bits = memchr(base.ptr, ':', base.len) ? 128 : 32;
    uint64_t bits = family_bits;
    if (slash && (!str_to_u64((struct str){slash + 1, word.len - base.len - 1}, &bits) ||
                  bits > family_bits)) {
        return false;
    }
    out->bits = (unsigned)bits + (family_bits == 32 ? V4_BITS : 0);
    return true;
}

bool address_ranges_parse(const char *list, struct address_range **out, size_t *n, struct str *bad)
{
    static const char separators[] = ", \t";
    struct address_range *ranges = NULL;
    size_t n_ranges = 0;
    for (const char *at = list + strspn(list, separators); *at; at += strspn(at, separators)) {
        struct str word = {at, strcspn(at, separators)};
        ranges = mem_array(ranges, n_ranges + 1, sizeof(*ranges));
        if (!parse_range(word, &ranges[n_ranges])) {
            *bad = word;
            free(ranges);
            return false;
        }
        n_ranges++;
        at += word.len;
    }
    *out = ranges;
    *n = n_ranges;
    return true;
}

static bool is_covered(const struct address *address, const struct address_range *range)
{
    unsigned whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(address->bytes, range->first.bytes, whole) != 0) {
        return false;
    }
    unsigned mask = (0xff00U >> rest) & 0xff;
    return rest == 0 || ((address->bytes[whole] ^ range->first.bytes[whole]) & mask) == 0;
}

const struct address_range *address_range_of(const struct address *address,
                                             const struct address_range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_covered(address, &ranges[i])) {
            return &ranges[i];
        }
    }
    return NULL;
}

bool address_is_in(const struct address *address, const struct address_range *ranges, size_t n)
{
    return address_range_of(address, ranges, n) != NULL;
}
