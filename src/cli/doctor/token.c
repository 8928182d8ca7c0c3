/* SPDX-License-Identifier: PostgreSQL */
/* One token, judged by what judges it in the server, with the keys of the options; then the rule of
 * a channel, as far as a rule says it: functions are not called. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/doctor/checks.h"

static void add_identity(const struct identity *identity, struct findings *findings)
{
    findings_add(findings, "note", "token_accepted", "Nothing: it is good.",
                 "the token is accepted: dbo_id %d, row_id %.*s", identity->dbo_id,
                 identity->row_id.ptr ? (int)identity->row_id.len : 4,
                 identity->row_id.ptr ? identity->row_id.ptr : "none");
}

static enum verdict judge(const struct config *config, const char *token, struct findings *findings)
{
    struct err err;
    struct tokens *tokens = NULL;
    struct tokens_options options = config->tokens;
    options.jwks_url = NULL;
    if (tokens_new(&options, &tokens, &err) != STATUS_OK) {
        return VERDICT_REFUSED; /* check_files has said why */
    }
    struct authenticator authenticator = tokens_authenticator(tokens);
    struct identity *identity = NULL;
    const char *why = "";
    enum verdict verdict =
        authenticator.check(authenticator.ctx, str_of(token), clock_wall_s(), &identity, &why);
    switch (verdict) {
    case VERDICT_ACCEPTED:
        add_identity(identity, findings);
        break;
    case VERDICT_EXPIRED:
        findings_add(findings, "error", "token_expired", "Issue a new one.", "the token: %s", why);
        break;
    case VERDICT_REFUSED:
        findings_add(findings, "error", "token_refused",
                     "Give doctor the server's key options (-c FILE); else sign it with a key that "
                     "the server has.",
                     "the token: %s%s", why,
                     config->tokens.jwks_url ? " (token-jwks-url is not fetched here)" : "");
        break;
    case VERDICT_OPAQUE:
        findings_add(findings, "note", "token_opaque", "Call that function with it in SQL.",
                     "the token is neither JWT nor JWE: the server asks token-function about it");
        break;
    }
    identity_unref(identity);
    tokens_free(tokens);
    return verdict;
}

/* The rule of a channel, as "anonymous_clients function": the exact name wins, then the longest. */
#define RULE                                                                                       \
    "SELECT concat(CASE WHEN r.anonymous_clients THEN 'all ' ELSE 'known ' END, "                  \
    "coalesce(r.authorize, r.on_join)) FROM herald.rules r "                                       \
    "WHERE r.active AND herald.covers(r.channel, $1) "                                             \
    "ORDER BY r.channel = $1 DESC, pg_catalog.length(r.channel) DESC LIMIT 1"

enum status check_token(struct admin *admin, const struct config *config, const char *token,
                        const char *channel, struct findings *findings, struct err *err)
{
    enum verdict verdict = judge(config, token, findings);
    char *rule = NULL;
    if (!channel) {
        return STATUS_OK;
    }
    if (admin_value(admin, RULE, 1, &channel, &rule, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    bool is_known = verdict == VERDICT_ACCEPTED || verdict == VERDICT_OPAQUE;
    if (rule && !is_known && strncmp(rule, "all ", 4) != 0) {
        findings_add(findings, "error", "join_refused",
                     "A token that is accepted, or set_rule(…, anonymous_clients => true).",
                     "the rule of %s lets only clients with an identity join", channel);
    } else if (rule && strchr(rule, ' ')[1]) {
        findings_add(findings, "note", "join_asked", "Call it in SQL to see.",
                     "whether this client may join %s is said by %s", channel,
                     strchr(rule, ' ') + 1);
    }
    free(rule);
    return STATUS_OK;
}
