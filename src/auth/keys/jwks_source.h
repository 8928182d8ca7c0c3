/* SPDX-License-Identifier: PostgreSQL */
/* A JWK set behind a URL, kept fresh by a thread of its own. */
#ifndef HERALD_AUTH_KEYS_JWKS_SOURCE_H
#define HERALD_AUTH_KEYS_JWKS_SOURCE_H

#include "auth/keys/keyset.h"

struct jwks_source;

struct jwks_source_options {
    const char *url;     /* copied */
    const char *ca_file; /* PEM, to check the server of the URL with; NULL: the system's; copied */
    uint32_t refresh_ms;
    uint32_t pause_ms;
    void *ctx;
    /* On the source's thread, with one reference to the set for the receiver. */
    void (*on_keys)(void *ctx, struct keyset *keys);
};

/* The first fetch begins at once. A failure is a URL that is not allowed, or a file that
 * cannot be read. */
enum status jwks_source_start(const struct jwks_source_options *options, struct jwks_source **out,
                              struct err *err) MUST_CHECK;
/* A token named a key that is not in the set: fetch soon, but never within the pause after the last
 * fetch. Any thread; does not block. */
void jwks_source_want(struct jwks_source *source);
void jwks_source_counts(struct jwks_source *source, uint64_t *n_fetches, uint64_t *n_failed);
void jwks_source_stop(struct jwks_source *source); /* NULL is fine; frees it */

#endif
