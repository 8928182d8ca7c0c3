/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald check-token`: what a token says, and what it is worth to a server with these options.
 * Claims that no key has opened are shown as what they are: anybody may have written them. The
 * token itself is printed nowhere. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth/tokens.h"
#include "base/mem.h"
#include "cli/ask/print.h"
#include "cli/command.h"
#include "cli/input.h"

#define MAX_TIME 253402300799.0         /* the end of the year 9999 */
#define MAX_INPUT ((size_t)1024 * 1024) /* far more than any token that is accepted */

static const char *verdict_name(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_ACCEPTED:
        return "accepted";
    case VERDICT_REFUSED:
        return "refused";
    case VERDICT_EXPIRED:
        return "expired";
    case VERDICT_OPAQUE:
        return "opaque";
    }
    return "?";
}

static const char *why_of(const struct tokens_look *look)
{
    return look->verdict == VERDICT_OPAQUE
               ? "it is neither JWT nor JWE: a server asks token-function about it, or refuses it"
               : look->why;
}

/* NULL: the text is no JSON. */
static json_t *parse(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

/* exp, in seconds since 1970, and none beyond the year 9999, as a server takes it; false: there is
 * none. */
static bool expiry_of(const json_t *claims, int64_t *out)
{
    const json_t *exp = json_object_get(claims, "exp");
    double time = json_number_value(exp);
    *out = (int64_t)(time > MAX_TIME ? MAX_TIME : time < -MAX_TIME ? -MAX_TIME : time);
    return json_is_number(exp);
}

/* ---- for programs ---- */

static void print_json(const struct tokens_look *look, json_t *header, json_t *claims)
{
    const struct identity *identity = look->identity;
    json_t *row_id = identity && identity->row_id.ptr
                         ? json_stringn(identity->row_id.ptr, identity->row_id.len)
                         : NULL;
    int64_t expiry;
    bool has_expiry = expiry_of(claims, &expiry);
    json_t *all = json_pack(
        "{s:b, s:s, s:s?, s:o?, s:o?, s:o?, s:b, s:s?, s:s?, s:O?, s:O?}", "ok",
        look->verdict == VERDICT_ACCEPTED, "verdict", verdict_name(look->verdict), "why",
        why_of(look), "dbo_id", identity ? json_integer(identity->dbo_id) : NULL, "row_id", row_id,
        "expires_at", has_expiry ? json_integer(expiry) : NULL, "is_opened", (int)look->is_opened,
        "algorithm", look->algorithm, "key_id", look->key_id, "header", header, "claims", claims);
    if (!all) {
        abort(); /* out of memory */
    }
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

/* ---- for people ---- */

static void print_field(const char *name, const char *text)
{
    struct buf shown = {0};
    print_escape(&shown, str_of(text));
    printf("%-8s  %s\n", name, buf_text(&shown));
    buf_release(&shown);
}

static void print_identity(const struct identity *identity)
{
    char *row_id = identity->row_id.ptr ? str_dup(identity->row_id) : mem_strdup("none");
    char *extras = str_dup(identity->extras);
    char *text = mem_printf("dbo_id %d, row_id %s, extras %s", identity->dbo_id, row_id, extras);
    print_field("identity", text);
    free(text);
    free(extras);
    free(row_id);
}

static void print_expiry(int64_t expiry, int64_t now)
{
    char at[32] = "";
    struct tm tm;
    time_t seconds = (time_t)expiry;
    if (!gmtime_r(&seconds, &tm) || strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        snprintf(at, sizeof(at), "%lld", (long long)expiry);
    }
    int64_t left = expiry - now;
    char *text = mem_printf("%s, %s%lld s%s", at, left < 0 ? "" : "in ",
                            (long long)(left < 0 ? -left : left), left < 0 ? " ago" : "");
    print_field("expires", text);
    free(text);
}

static void print_key(const struct tokens_look *look)
{
    char *text = mem_printf("%s%s%s", look->algorithm, look->key_id ? ", kid " : ", without a kid",
                            look->key_id ? look->key_id : "");
    print_field("key", text);
    free(text);
}

static void print_people(const struct tokens_look *look, const json_t *claims, int64_t now)
{
    int64_t expiry;
    print_field("verdict", verdict_name(look->verdict));
    if (why_of(look)) {
        print_field("why", why_of(look));
    }
    if (look->identity) {
        print_identity(look->identity);
    }
    if (expiry_of(claims, &expiry)) {
        print_expiry(expiry, now);
    }
    if (look->algorithm) {
        print_key(look);
    }
    if (look->header) {
        print_field("header", look->header);
    }
    if (look->claims) {
        print_field(look->is_opened ? "claims" : "claimed", look->claims);
    }
}

/* Without the end of the line, and of a file what is behind its first line. */
static enum status read_token(const char *word, char **out, struct err *err)
{
    struct buf text = {0};
    enum status status = STATUS_OK;
    if (strcmp(word, "-") == 0) {
        status = input_read(MAX_INPUT, &text, err);
    } else {
        buf_literal(&text, word);
    }
    *out = mem_strdup(buf_text(&text));
    (*out)[strcspn(*out, "\r\n")] = '\0';
    buf_release(&text);
    if (status == STATUS_OK && !**out) {
        status = err_set(err, EXIT_CODE_USAGE, "check-token: the first line of stdin is empty");
    }
    return status;
}

static enum exit_code look_at(const struct invocation *invocation, struct tokens *tokens,
                              const char *token)
{
    int64_t now = (int64_t)time(NULL);
    struct tokens_look look;
    tokens_look(tokens, str_of(token), now, &look);
    json_t *header = parse(look.header), *claims = parse(look.claims);
    if (invocation->is_json) {
        print_json(&look, header, claims);
    } else {
        print_people(&look, claims, now);
    }
    bool is_accepted = look.verdict == VERDICT_ACCEPTED;
    json_decref(claims);
    json_decref(header);
    tokens_look_release(&look);
    return is_accepted ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

static enum exit_code check_token_run(const struct invocation *invocation, struct err *err)
{
    struct tokens_options options = invocation->config->tokens;
    struct tokens *tokens = NULL;
    char *token = NULL;
    if (options.jwks_url && log_is_on(LOG_LEVEL_INFO)) {
        fprintf(stderr, "Keys of token-jwks-url are not fetched here: name them by "
                        "--token-jwks-file.\n");
    }
    options.jwks_url = NULL;
    if (read_token(invocation->arguments->words[0], &token, err) != STATUS_OK ||
        tokens_new(&options, &tokens, err) != STATUS_OK) {
        free(token);
        return err->code;
    }
    enum exit_code code = look_at(invocation, tokens, token);
    tokens_free(tokens);
    free(token);
    return code;
}

const struct subcommand check_token_command = {
    .name = "check-token",
    .group = COMMAND_GROUP_TOOLS,
    .usage = "TOKEN|- [--json] [-c FILE] [KEY OPTIONS]",
    .summary = "what a token says, and whether it is accepted",
    .about = "Checks a token as a server with the same options does, and prints the verdict and "
             "why, the identity, when\n"
             "it expires, the key that opened it, its header and its claims. Those that no key has "
             "opened are printed\n"
             "as claimed: anybody may have written them. - reads the token from stdin, so that it "
             "stands in no list of\n"
             "processes.\n\n"
             "Exit codes: 0 it is accepted, 1 it is not, 78 a key cannot be read.",
    .options = CONFIG_FOR_CHECK_TOKEN,
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = check_token_run,
};
