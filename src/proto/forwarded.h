/* SPDX-License-Identifier: PostgreSQL */
/* For whom a proxy asks. */
#ifndef HERALD_PROTO_FORWARDED_H
#define HERALD_PROTO_FORWARDED_H

#include "base/address.h"
#include "proto/http_head.h"

/* The last address in Forwarded (RFC 7239), or else X-Forwarded-For, that is not one of the
 * proxies: what stands before it anybody could have written. False: there is none. */
bool forwarded_client(const struct http_head *head, const struct address_range *proxies,
                      size_t n_proxies, struct address *out);
bool forwarded_is(const struct http_head *head); /* some proxy says that it is one */

#endif
