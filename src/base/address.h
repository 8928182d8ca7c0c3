/* SPDX-License-Identifier: PostgreSQL */
/* Where a client comes from: IPv4 and IPv6 in one shape, and ranges of them. */
#ifndef HERALD_BASE_ADDRESS_H
#define HERALD_BASE_ADDRESS_H

#include "base/str.h"

struct address {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2) */
};

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

struct address_range {
    struct address first;
    unsigned bits;
};

/* A number, not a name; no port. IPv6 with or without brackets. */
bool address_parse(struct str text, struct address *out);
void address_of_v4(const uint8_t bytes[4], struct address *out); /* in network order */
struct sockaddr;
void address_of_socket(const struct sockaddr *socket, struct address *out); /* of TCP */
bool address_is_loopback(const struct address *address);
/* What counts as one client: an IPv6 customer has at least 64 bits to himself, so only the first 64
 * count (RFC 6177). */
struct address address_owner(const struct address *address);

/* "10.0.0.0/8, ::1": a heap array, NULL for an empty list. False: *bad is the word that is none. */
bool address_ranges_parse(const char *list, struct address_range **out, size_t *n, struct str *bad);
/* The first range that holds it, or NULL. */
const struct address_range *address_range_of(const struct address *address,
                                             const struct address_range *ranges, size_t n);
bool address_is_in(const struct address *address, const struct address_range *ranges, size_t n);
void address_write(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

#endif
