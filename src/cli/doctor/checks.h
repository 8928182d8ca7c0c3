/* SPDX-License-Identifier: PostgreSQL */
/* What only a client sees: each adds what it finds. */
#ifndef HERALD_CLI_DOCTOR_CHECKS_H
#define HERALD_CLI_DOCTOR_CHECKS_H

#include "cli/admin.h"
#include "cli/doctor/findings.h"
#include "config/config.h"

/* session.c: the connection. Causes: pooler, clock_differs, schema_old,
 * program_old. */
enum status check_session(struct admin *admin, struct findings *findings,
                          struct err *err) MUST_CHECK;
/* files.c: certificate and keys of the configuration. Causes: certificate_unusable,
 * certificate_expired, certificate_expiring, keys_unusable. */
void check_files(const struct config *config, struct findings *findings);
/* token.c: what a token is worth to a server with these options, and whether its owner may join
 * `channel` (NULL: none was named). Causes: token_refused, token_expired, token_opaque,
 * token_accepted, join_refused, join_asked. */
enum status check_token(struct admin *admin, const struct config *config, const char *token,
                        const char *channel, struct findings *findings, struct err *err) MUST_CHECK;
/* canary.c: an event that no client gets, from its commit to the log; and from there to a session of
 * ours, if the configuration names the operator's token. url: where the server is, as where_find has
 * it. Causes: canary_landed, canary_lost, canary_refused, canary_undelivered. */
struct canary_wish {
    const struct config *config;
    const char *url, *ca_file; /* NULL: none was given */
};
enum status check_canary(struct admin *admin, const struct canary_wish *wish,
                         struct findings *findings, struct err *err) MUST_CHECK;

#endif
