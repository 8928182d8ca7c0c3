/* SPDX-License-Identifier: PostgreSQL */
/* Whether a request is the operator's, who may see what strangers may not: /metrics, and why the
 * server is not ready, and join the channel of the canary. */
#ifndef HERALD_NET_HTTP_OPERATOR_H
#define HERALD_NET_HTTP_OPERATOR_H

#include "base/err.h"
#include "base/str.h"

/* Reads the token: the first line of that file. */
enum status operator_read_token(const char *path, char **out, struct err *err) MUST_CHECK;
/* What somebody has given is it. token NULL: nobody has it. */
bool operator_has(const char *token, struct str given);

#endif
