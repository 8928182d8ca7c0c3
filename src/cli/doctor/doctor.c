/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald doctor`: why does nothing arrive? herald.doctor() says what the database knows; this
 * adds what only a client sees, and prints it. A healthy database gives no line and exit code 0, so
 * that it can stand in a monitor. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/doctor/checks.h"

struct doctor_arguments {
    char *token, *url, *ca_file;
    bool canary;
};

#define OPTIONS_OF struct doctor_arguments
#define DOCTOR (CONFIG_FOR_DOCTOR | ONLY_FLAG)
#include "config/rows.h"

static const struct option doctor_options[] = {
    TEXT(
        "token", token, "TOKEN", DOCTOR, NULL,
        "Say what this token is worth to a server with the same key options (-c FILE), and whether "
        "the channel's rule lets its owner join."),
    SWITCH("canary", canary, DOCTOR,
           "Publish an event that no client gets, and say how long it takes to the log; and, with "
           "metrics-token-file of the server, to a session."),
    TEXT("url", url, "URL", DOCTOR, NULL,
         "With --canary: the server, ws://HOST:PORT or wss://HOST. Default: listen of the "
         "configuration on this machine."),
    PATH("ca-file", ca_file, DOCTOR,
         "With it: the certificates, PEM, that one of must have signed that of the server."),
};
#define DOCTOR_TABLE                                                                               \
    ((struct option_table){doctor_options, sizeof(doctor_options) / sizeof(doctor_options[0])})

#define ASK "SELECT coalesce(pg_catalog.json_agg(f), '[]') FROM herald.doctor($1) f"

static enum status examine(struct admin *admin, const struct invocation *invocation,
                           const struct doctor_arguments *asked, struct findings *findings,
                           struct err *err)
{
    const struct arguments *words = invocation->arguments;
    const char *about = words->n_words > 0 ? words->words[0] : NULL;
    char *json = NULL;
    enum status status = admin_value(admin, ASK, 1, &about, &json, err);
    if (status == STATUS_OK) {
        status = findings_init(findings, json, err);
    }
    free(json);
    if (status != STATUS_OK || check_session(admin, findings, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    check_files(invocation->config, findings);
    if (asked->token &&
        check_token(admin, invocation->config, asked->token, about, findings, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    const struct canary_wish wish = {invocation->config, asked->url, asked->ca_file};
    return asked->canary ? check_canary(admin, &wish, findings, err) : STATUS_OK;
}

static enum exit_code consult(const struct invocation *invocation,
                              const struct doctor_arguments *arguments, struct err *err)
{
    struct admin *admin = NULL;
    struct findings findings = {0};
    if (admin_open(invocation->config->database.url, -1, &admin, err) != STATUS_OK) {
        return err->code = EXIT_CODE_CONFIG;
    }
    enum exit_code code = EXIT_CODE_OK;
    if (examine(admin, invocation, arguments, &findings, err) != STATUS_OK) {
        admin_explain(admin, admin_was_denied(admin) ? "herald_admin" : NULL, err);
        code = err->code;
    } else {
        bool is_bad = findings_are_bad(&findings);
        findings_print(&findings, invocation->is_json, stdout);
        code = is_bad ? EXIT_CODE_FAILED : EXIT_CODE_OK;
    }
    findings_release(&findings);
    admin_close(admin);
    return code;
}

/* Who names a server means that it is to be asked, and that all is well is no answer then. */
static enum status check_url(const struct invocation *invocation,
                             const struct doctor_arguments *asked, struct err *err)
{
    bool is_used = asked->canary && invocation->config->net.metrics_token_file;
    return !asked->url || is_used
               ? STATUS_OK
               : err_set(err, EXIT_CODE_USAGE,
                         "doctor: --url is where --canary opens a session, and that takes "
                         "metrics-token-file of that server (-c FILE)");
}

static enum exit_code run_doctor(const struct invocation *invocation, struct err *err)
{
    struct doctor_arguments arguments = {0};
    enum exit_code code;
    if (arguments_apply(invocation->arguments, DOCTOR_TABLE, &arguments, err) != STATUS_OK ||
        check_url(invocation, &arguments, err) != STATUS_OK) {
        code = err->code;
    } else {
        code = consult(invocation, &arguments, err);
    }
    option_release(doctor_options, DOCTOR_TABLE.n, &arguments);
    return code;
}

const struct subcommand doctor_command = {
    .name = "doctor",
    .group = COMMAND_GROUP_LOOK,
    .usage = "[TABLE|CHANNEL] [--token TOKEN] [--canary] [--json] [--database-url URL] [-c FILE]",
    .summary = "say why nothing arrives",
    .about =
        "Looks at the database, and at what the configuration names, and prints what is amiss, "
        "each with what\n"
        "mends it; nothing, if all is well. TABLE or CHANNEL: what concerns it, and whether "
        "anything is\n"
        "announced there at all. Whoever connects is a member of herald_admin, or "
        "herald_server. With -c the\n"
        "server's file says where certificate and keys are. --json: an array of objects with "
        "severity, cause,\n"
        "finding, remedy and about.\n\n"
        "Exit codes: 0 nothing but notes, 1 an error or a warning, 64 bad usage, 78 no "
        "connection, or the\n"
        "schema is missing or old.",
    .options = CONFIG_FOR_DOCTOR,
    .own = {doctor_options, sizeof(doctor_options) / sizeof(doctor_options[0])},
    .has_json = true,
    .max_words = 1,
    .run = run_doctor,
};
