/* SPDX-License-Identifier: PostgreSQL */
/* Where the token of a handshake stands, and what the verifier says about it.
 *
 * Browsers can set one header of a WebSocket handshake, the subprotocol, so that is where the
 * client puts it; servers and tools prefer Authorization; the query is for those who can do neither
 * and is off by default, because addresses end up in logs. The first road that has a token decides:
 * one that was refused is not made good by another. An empty token is none, and a scheme other than
 * Bearer belongs to somebody else (a proxy that asks for a password).
 *
 * Lengths and characters are checked here, before anybody parses: a token is visible ASCII on every
 * road, so it can also be handed to the database as text. */
#include "net/http/handshake.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "proto/http_query.h"

static const char bearer_scheme[] = "Bearer ";

/* ---- where it stands ---- */

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

/* ---- what is said about it ---- */

/* `opaque` is the token if the database is to be asked, else absent. */
static struct command *open_new(struct str opaque)
{
    struct command *command = mem_zalloc(sizeof(*command) + opaque.len);
    command->type = COMMAND_OPEN;
    if (opaque.ptr) {
        memcpy(command->data, opaque.ptr, opaque.len);
        command->payload = (struct str){command->data, opaque.len};
    }
    return command;
}

static struct command *open_refused(enum error_code error, const char *why)
{
    struct command *command = open_new((struct str){0});
    assert(why);
    command->error = error;
    command->why = why;
    return command;
}

static bool is_visible(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '!' || token.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static struct command *token_check(const struct authenticator *authenticator, struct str token)
{
    struct identity *identity = NULL;
    const char *why = NULL;
    struct command *command;
    switch (authenticator->check(authenticator->ctx, token, clock_wall_s(), &identity, &why)) {
    case VERDICT_ACCEPTED:
        command = open_new((struct str){0});
        command->identity = identity;
        return command;
    case VERDICT_REFUSED:
        return open_refused(ERROR_CODE_TOKEN_INVALID, why);
    case VERDICT_EXPIRED:
        return open_refused(ERROR_CODE_TOKEN_EXPIRED, why);
    case VERDICT_OPAQUE:
        break;
    }
    return open_new(token);
}

struct command *handshake_command(const struct net_options *options, const struct http_head *head)
{
    struct buf decoded = {0};
    struct str token = token_find(options, head, &decoded);
    struct command *command;
    if (token.len == 0 || !options->authenticator) {
        command = open_new((struct str){0});
    } else if (token.len > options->token_max_bytes) {
        command = open_refused(ERROR_CODE_TOKEN_INVALID, "it is too long");
    } else if (!is_visible(token)) {
        command = open_refused(ERROR_CODE_TOKEN_INVALID, "it holds characters that no token has");
    } else {
        command = token_check(options->authenticator, token);
    }
    buf_release(&decoded);
    return command;
}
