/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald token`: makes a token with the server's own keys and under its own rules, so that a
 * page can be tried before there is an application that signs people in. It prints the token and
 * nothing else: it is meant for $(…). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/tokens.h"
#include "cli/command.h"

static enum exit_code token_run(const struct invocation *invocation, struct err *err)
{
    const struct config *config = invocation->config;
    const struct tokens_claims claims = {
        .dbo_id = (int32_t)config->mint.dbo_id,
        .row_id = config->mint.row_id,
        .extras = config->mint.extras,
        .now_s = (int64_t)time(NULL),
        .expires_in_s = (int64_t)((config->mint.expires_ms + 999) / 1000),
    };
    char *token = NULL;
    if (tokens_mint(&config->tokens, &claims, &token, err) != STATUS_OK) {
        return err->code;
    }
    printf(invocation->is_json ? "{\"token\":\"%s\"}\n" : "%s\n", token); /* base64url and dots */
    free(token);
    return EXIT_CODE_OK;
}

const struct subcommand token_command = {
    .name = "token",
    .group = COMMAND_GROUP_TOOLS,
    .usage = "[--dbo-id N] [--row-id KEY] [--extras JSON] [--expires DURATION] [KEY OPTIONS]",
    .summary = "make a token to try things with",
    .about =
        "Makes a token that a server with the same options accepts, with the first key that can: "
        "the secret, the\n"
        "private key of the PEM file, or one of the JWK set's file; and prints it. With the secret "
        "of dev:\n\n"
        "    pgherald token --token-secret-file ./pgherald-data/token-secret --dbo-id 12 --row-id "
        "34\n\n"
        "It is meant for development: who has the key can be anybody. Exit code 78: there is no "
        "such key.",
    .options = CONFIG_FOR_TOKEN,
    .has_json = true,
    .run = token_run,
};
