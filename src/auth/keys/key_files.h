/* SPDX-License-Identifier: PostgreSQL */
/* The keys that lie in files. */
#ifndef HERALD_AUTH_KEYS_KEY_FILES_H
#define HERALD_AUTH_KEYS_KEY_FILES_H

#include "auth/keys/keyset.h"
#include "auth/tokens.h"

/* The secret, the PEM file and the JWK set of the options, in this order; those that are NULL are
 * left out. A failure names option and file, and has exit code 78. */
enum status key_files_read(const struct tokens_options *options, enum key_use use,
                           struct keyset **out, struct err *err) MUST_CHECK;

#endif
