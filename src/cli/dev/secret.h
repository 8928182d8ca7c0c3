/* SPDX-License-Identifier: PostgreSQL */
/* The secret that dev signs and checks its tokens with, so that signing in works without any
 * preparation: DIR/token-secret, made at the first start. */
#ifndef HERALD_CLI_DEV_SECRET_H
#define HERALD_CLI_DEV_SECRET_H

#include "base/err.h"

#define SECRET_ALGORITHM "HS256"

/* Makes the file if it is not there: 32 random bytes as hexadecimal text, readable by the owner
 * only. *path is a heap text. */
enum status secret_open(const char *dir, char **path, struct err *err) MUST_CHECK;

#endif
