/* SPDX-License-Identifier: PostgreSQL */
/* The demo's sign-in: GET /examples/token?name=Groot. */
#ifndef HERALD_DEMO_TOKEN_H
#define HERALD_DEMO_TOKEN_H

#include "auth/tokens.h"
#include "base/buf.h"

/* A page's `make` (net/net.h); ctx is a struct tokens_options. {"token":"…"}, for an hour: table 1,
 * a row that is the same for the same name, extras {"name":"…"}. False: no name of 1 to 60 bytes
 * of UTF-8, or no key that can make tokens. */
bool demo_token_make(void *ctx, struct str query, struct buf *json);

#endif
