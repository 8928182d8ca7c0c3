/* SPDX-License-Identifier: PostgreSQL */
/* Where the token of a handshake stands, and what the verifier says about it.
 *
 * Browsers can set one header of a WebSocket handshake, the subprotocol, so that is where the
 * client puts it; servers and tools prefer Authorization; the query is for those who can do neither
 * and is off by default, because addresses end up in logs. The first road that has a token decides:
 * one that was refused is not made good by another. A scheme other than Bearer belongs to somebody
 * else (a proxy that asks for a password). */
#include "net/http/handshake.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/http/operator.h"
#include "net/session/verify.h"
#include "proto/http_query.h"

static const char bearer_scheme[] = "Bearer ";

struct str handshake_bearer(const struct http_head *head)
{
    size_t scheme_len = strlen(bearer_scheme);
    struct str value = http_head_field(head, "authorization");
    if (value.len < scheme_len || strncasecmp(value.ptr, bearer_scheme, scheme_len) != 0) {
        return (struct str){0};
    }
    value = (struct str){value.ptr + scheme_len, value.len - scheme_len};
    while (value.len > 0 && value.ptr[0] == ' ') {
        value = (struct str){value.ptr + 1, value.len - 1};
    }
    return value;
}

static struct str token_find(const struct net_options *options, const struct http_head *head,
                             struct buf *decoded)
{
    struct str token = head->protocol;
    if (token.len == 0) {
        token = handshake_bearer(head);
    }
    if (token.len == 0 && options->takes_token_in_query) {
        token = http_query_value(head->query, "access_token", decoded);
    }
    return token;
}

struct command *handshake_command(const struct net_options *options, const char *operators,
                                  const struct http_head *head)
{
    struct buf decoded = {0};
    struct str token = token_find(options, head, &decoded);
    struct command *command = mem_zalloc(sizeof(*command) + token.len);
    command->type = COMMAND_OPEN;
    if (token.len > 0) {
        memcpy(command->data, token.ptr, token.len);
    }
    command->is_operator = operator_has(operators, token);
    if (!command->is_operator) {
        verify_token(options, (struct str){command->data, token.len}, command);
    }
    buf_release(&decoded);
    return command;
}
