/* SPDX-License-Identifier: PostgreSQL */
/* Whether a request is the operator's, who may see what strangers may not: /metrics, and why the
 * server is not ready. */
#ifndef HERALD_NET_HTTP_OPERATOR_H
#define HERALD_NET_HTTP_OPERATOR_H

#include "base/err.h"
#include "proto/http_head.h"

/* Reads the token: the first line of that file. */
enum status operator_read_token(const char *path, char **out, struct err *err) MUST_CHECK;
/* The request carries it as Authorization: Bearer. token NULL: nobody does. */
bool operator_is(const char *token, const struct http_head *head);

#endif
