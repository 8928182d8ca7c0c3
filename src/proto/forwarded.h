/* SPDX-License-Identifier: PostgreSQL */
/* For whom a proxy asks. */
#ifndef HERALD_PROTO_FORWARDED_H
#define HERALD_PROTO_FORWARDED_H

#include "base/address.h"
#include "proto/http_head.h"

enum forwarded_header { /* which one the trusted proxies write; as the option's choices */
                        FORWARDED_X_FORWARDED_FOR,
                        FORWARDED_FORWARDED, /* RFC 7239 */
                        FORWARDED_X_REAL_IP,
                        FORWARDED_NONE,
};

const char *forwarded_name(enum forwarded_header header); /* "X-Forwarded-For" */
/* The last address in that header, and in no other, that is not one of the proxies: what stands
 * before it anybody could have written. False: there is none, and *out is as before. */
bool forwarded_client(const struct http_head *head, enum forwarded_header header,
                      const struct address_range *proxies, size_t n_proxies, struct address *out);

#endif
