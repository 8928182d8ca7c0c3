/* SPDX-License-Identifier: PostgreSQL */
/* What the verifier says about a token, of a handshake or of a session that renews its own. */
#ifndef HERALD_NET_SESSION_VERIFY_H
#define HERALD_NET_SESSION_VERIFY_H

#include "core/command.h"
#include "net/options.h"

/* Judges the token, whose text the command holds or gets: its payload is the token afterwards if the
 * database is to be asked, else absent; `identity` is set if it was accepted, `error` and `why` if
 * it was not. Nothing of this: there is no token. */
void verify_token(const struct net_options *options, struct str token, struct command *command);

#endif
