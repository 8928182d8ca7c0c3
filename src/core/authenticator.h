/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the verification of tokens. Called on every worker's thread at once; does no I/O. */
#ifndef HERALD_CORE_AUTHENTICATOR_H
#define HERALD_CORE_AUTHENTICATOR_H

#include "core/identity.h"

enum verdict {
    VERDICT_ACCEPTED,
    VERDICT_REFUSED, /* it is invalid */
    VERDICT_EXPIRED, /* it was valid once */
    VERDICT_OPAQUE,  /* not for this verifier: the database is to be asked (token-function) */
};

struct authenticator {
    void *ctx;
    /* ACCEPTED: *out is an identity with one reference for the caller. REFUSED and EXPIRED: *why is
     * a literal, half a sentence for the client ("its signature does not match"), which tells
     * nothing about keys. now_s: seconds since 1970. */
    enum verdict (*check)(void *ctx, struct str token, int64_t now_s, struct identity **out,
                          const char **why);
};

#endif
