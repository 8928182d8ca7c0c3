/* SPDX-License-Identifier: PostgreSQL */
/* Lengths and characters are checked here, before anybody parses: a token is visible ASCII on every
 * road, so it can also be handed to the database as text. An empty one is none. */
#include "net/session/verify.h"

#include "base/clock.h"

static bool is_visible(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '!' || token.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static void refuse(struct command *command, enum error_code error, const char *why)
{
    command->error = error;
    command->why = why;
}

static void check(const struct authenticator *authenticator, struct str token,
                  struct command *command)
{
    const char *why = NULL;
    switch (
        authenticator->check(authenticator->ctx, token, clock_wall_s(), &command->identity, &why)) {
    case VERDICT_ACCEPTED:
        break;
    case VERDICT_REFUSED:
        refuse(command, ERROR_CODE_TOKEN_INVALID, why);
        break;
    case VERDICT_EXPIRED:
        refuse(command, ERROR_CODE_TOKEN_EXPIRED, why);
        break;
    case VERDICT_OPAQUE:
        command->payload = token;
        break;
    }
}

void verify_token(const struct net_options *options, struct str token, struct command *command)
{
    command->payload = (struct str){0};
    if (token.len == 0 || !options->authenticator) {
        return;
    }
    if (token.len > options->token_max_bytes) {
        refuse(command, ERROR_CODE_TOKEN_INVALID, "it is too long");
    } else if (!is_visible(token)) {
        refuse(command, ERROR_CODE_TOKEN_INVALID, "it holds characters that no token has");
    } else {
        check(options->authenticator, token, command);
    }
}
