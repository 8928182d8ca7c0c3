/* SPDX-License-Identifier: PostgreSQL */
/* Runs what a row of data says: takes the parameters off the command line, asks, tells the answer.
 * Whatever was typed travels as a parameter and never in the text of a statement. */
#include "cli/ask/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask/print.h"

#define MAX_PARAMS 8

static bool is_for_people(const struct invocation *invocation)
{
    return !invocation->is_json && log_is_on(LOG_LEVEL_INFO);
}

/* ---- the answer ---- */

static char *statement(const struct ask *ask, bool is_json)
{
    return is_json      ? mem_printf("SELECT pg_catalog.to_json(q)::text FROM (%s) q", ask->rows)
           : ask->shown ? mem_printf("SELECT %s FROM (%s) q", ask->shown, ask->rows)
                        : mem_strdup(ask->rows);
}

static void print_done(const char *done, const char *field, FILE *out)
{
    struct buf text = {0};
    size_t len = strcspn(done, "$");
    buf_add(&text, done, len);
    if (done[len]) {
        print_escape(&text, str_of(field));
        buf_literal(&text, done + len + 1);
    }
    fprintf(out, "%s\n", buf_text(&text));
    buf_release(&text);
}

static void tell_people(const struct ask *ask, const PGresult *rows, int n_rows)
{
    if (n_rows == 0 || ask->done) {
        const char *said = n_rows == 0 ? ask->empty : ask->done;
        if (said && log_is_on(LOG_LEVEL_INFO)) {
            print_done(said, n_rows == 0 ? "" : PQgetvalue(rows, 0, 0), stdout);
        }
    } else if (ask->is_record) {
        print_record(rows, stdout);
    } else {
        print_table(rows, n_rows, stdout);
    }
}

/* What --limit says, of a command that has it. */
static long limit_of(const struct invocation *invocation, const char *const *params)
{
    const struct subcommand *command = invocation->command;
    for (size_t i = 0; i < command->own.n; i++) {
        if (strcmp(command->own.options[i].name, "limit") == 0) {
            return strtol(params[command->max_words + i], NULL, 10);
        }
    }
    return 0;
}

static void tell_rows(const struct ask *ask, const struct invocation *invocation,
                      const char *const *params, const PGresult *rows)
{
    int n_rows = PQntuples(rows);
    bool has_more = ask->is_limited && n_rows > limit_of(invocation, params);
    n_rows -= has_more;
    if (invocation->is_json) {
        print_json_lines(rows, n_rows, stdout);
    } else {
        tell_people(ask, rows, n_rows);
    }
    if (has_more) {
        fprintf(stderr, "There are more than these %d: -n N shows N.\n", n_rows);
    }
}

/* "t", or as JSON {"ok":true…: to_json() keeps the order of the fields. */
static bool is_ok(const PGresult *rows)
{
    const char *first = PQntuples(rows) > 0 ? PQgetvalue(rows, 0, 0) : "";
    return *first == 't' || strncmp(first, "{\"ok\":true", strlen("{\"ok\":true")) == 0;
}

enum status ask_tell(struct admin *admin, const struct ask *ask,
                     const struct invocation *invocation, int n_params, const char *const *params,
                     bool *is_well, struct err *err)
{
    PGresult *rows = NULL;
    char *sql = statement(ask, invocation->is_json);
    enum status status = admin_rows(admin, sql, n_params, params, &rows, err);
    free(sql);
    if (status != STATUS_OK) {
        return STATUS_FAILED;
    }
    *is_well = !ask->is_verdict || is_ok(rows);
    tell_rows(ask, invocation, params, rows);
    PQclear(rows);
    return ask->tells_following && is_for_people(invocation) ? admin_tell_following(admin, err)
                                                             : STATUS_OK;
}

/* ---- the question ---- */

static int take_params(const struct invocation *invocation, const char *params[MAX_PARAMS])
{
    const struct subcommand *command = invocation->command;
    const struct arguments *arguments = invocation->arguments;
    size_t n = 0;
    for (; n < command->max_words; n++) {
        params[n] = n < arguments->n_words ? arguments->words[n] : NULL;
    }
    for (size_t i = 0; i < command->own.n; i++) {
        const char *text = arguments_text(arguments, command->own.options[i].name);
        params[n++] = text ? text : command->own.options[i].fallback;
    }
    return (int)n;
}

/* Whether an option is among names with a blank behind each. */
static bool is_among(const char *names, const char *name)
{
    for (size_t len = strlen(name); *names; names += strcspn(names, " ") + 1) {
        if (strncmp(names, name, len) == 0 && names[len] == ' ') {
            return true;
        }
    }
    return false;
}

static enum status check_needs(const struct invocation *invocation, struct err *err)
{
    const struct subcommand *command = invocation->command;
    const struct arguments *given = invocation->arguments;
    bool is_met = !command->ask->needs;
    for (size_t i = 0; i < given->n_given; i++) {
        const char *name = given->given[i].option->name;
        is_met = is_met || is_among(command->ask->needs, name);
        if (is_among("row-id socket-id channel ", name) && !*given->given[i].text) {
            return err_set(err, EXIT_CODE_USAGE, "%s: --%s is empty (a variable that is not set?)",
                           command->name, name);
        }
    }
    if (arguments_text(given, "row-id") && !arguments_text(given, "dbo-id")) {
        return err_set(err, EXIT_CODE_USAGE,
                       "%s: --row-id is a row of the table that --dbo-id names: give both",
                       command->name);
    }
    return is_met
               ? STATUS_OK
               : err_set(err, EXIT_CODE_USAGE, "%s: %s", command->name, command->ask->needs_said);
}

static enum status check_own(const struct invocation *invocation, struct err *err)
{
    const struct subcommand *command = invocation->command;
    struct ask_values values = {0};
    enum status status = arguments_apply(invocation->arguments, command->own, &values, err);
    option_release(command->own.options, command->own.n, &values);
    return status == STATUS_OK ? check_needs(invocation, err) : STATUS_FAILED;
}

static enum status ask_all(struct admin *admin, const struct invocation *invocation, int n_params,
                           const char *const *params, bool *is_well, struct err *err)
{
    const struct ask *ask = invocation->command->ask;
    PGresult *ignored = NULL;
    if (ask->call && admin_rows(admin, ask->call, n_params, params, &ignored, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    PQclear(ignored);
    return ask_tell(admin, ask, invocation, n_params, params, is_well, err);
}

enum exit_code ask_run(const struct invocation *invocation, struct err *err)
{
    const struct ask *ask = invocation->command->ask;
    const char *params[MAX_PARAMS];
    struct admin *admin = NULL;
    char *owned = NULL;
    bool is_well = true;
    int n_params = take_params(invocation, params);
    enum status status = check_own(invocation, err);
    if (status == STATUS_OK && ask->prepare) {
        status = ask->prepare(params, &owned, err);
    }
    if (status == STATUS_OK) {
        status = admin_open(invocation->config->database.url, -1, &admin, err);
    }
    if (status == STATUS_OK) {
        status = ask_all(admin, invocation, n_params, params, &is_well, err);
        if (status != STATUS_OK) {
            admin_explain(admin, ask->role, err);
        }
    }
    admin_close(admin);
    free(owned);
    return status != STATUS_OK ? err->code : is_well ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}
