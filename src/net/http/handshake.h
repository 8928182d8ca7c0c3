/* SPDX-License-Identifier: PostgreSQL */
/* Who asks for a session: the token of a handshake. */
#ifndef HERALD_NET_HTTP_HANDSHAKE_H
#define HERALD_NET_HTTP_HANDSHAKE_H

#include "core/command.h"
#include "net/options.h"
#include "proto/http_head.h"

/* The token of Authorization: Bearer, absent if there is none. */
struct str handshake_bearer(const struct http_head *head);
/* The COMMAND_OPEN of a COMPLETE upgrade, but for its session: with an identity, with a token for
 * the database, or with `why` if the token was not accepted. operators: the operator's token, or NULL. */
struct command *handshake_command(const struct net_options *options, const char *operators,
                                  const struct http_head *head);

#endif
