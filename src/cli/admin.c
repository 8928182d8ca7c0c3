/* SPDX-License-Identifier: PostgreSQL */
/* The blocking side of libpq, for people at a terminal. Statements are sent and then waited for in
 * poll(), so that a Ctrl-C in the middle of `dev`'s start cancels what runs instead of waiting for
 * it. */
#include "cli/admin.h"

#include <errno.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/ask/print.h"
#include "cli/url.h"

#define OID_TEXT 25
#define MAX_PARAMS 16

struct admin {
    PGconn *conn;
    int stop_fd;
    json_t *warnings; /* NULL: they go to stderr */
    bool was_denied;  /* the last failure was */
};

static bool ends_sentence(const struct buf *text)
{
    return text->len == 0 || strchr(" .:;,?!", text->data[text->len - 1]);
}

/* libpq's and Postgres's messages may have several lines; a sentence has one. A line of libpq's is a
 * sentence of its own, one of Postgres' may be inside of a name. */
static char *one_line(const char *text, bool are_sentences)
{
    struct buf out = {0};
    for (const char *c = text; *c; c++) {
        if (are_sentences && *c == '\n' && c[1] && !ends_sentence(&out)) {
            buf_char(&out, '.');
        }
        bool is_space = *c == '\n' || *c == '\t' || *c == ' ';
        if (!is_space) {
            buf_char(&out, *c);
        } else if (out.len > 0 && out.data[out.len - 1] != ' ') {
            buf_char(&out, ' ');
        }
    }
    while (out.len > 0 && out.data[out.len - 1] == ' ') {
        out.len--;
    }
    char *line = mem_strdup(buf_text(&out));
    buf_release(&out);
    return line;
}

static void say(const char *message)
{
    if (log_is_on(LOG_LEVEL_INFO)) {
        struct buf line = {0};
        print_escape(&line, str_of(message));
        fprintf(stderr, "%s\n", buf_text(&line));
        buf_release(&line);
    }
}

static void warn(struct admin *admin, const char *message)
{
    if (admin->warnings) {
        json_array_append_new(admin->warnings, json_string(message));
    } else {
        say(message);
    }
}

/* Details and hints end with a full stop, messages do not. */
static void add_sentence(struct buf *text, const char *beginning, const char *sentence)
{
    bool has_stop = text->len > 0 && strchr(".?", text->data[text->len - 1]);
    buf_printf(text, "%s %s%s", has_stop ? "" : ".", beginning, sentence);
}

static void on_notice(void *arg, const PGresult *result)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    struct buf text = {0};
    buf_literal(&text, message ? message : "");
    if (hint) {
        add_sentence(&text, "Hint: ", hint);
    }
    if (severity && strcmp(severity, "WARNING") == 0) {
        warn(arg, buf_text(&text));
    } else if (message) {
        say(buf_text(&text));
    }
    buf_release(&text);
}

/* Neither the URL nor libpq's variables say where. */
static bool says_nothing(const char *url)
{
    static const char *const variables[] = {"PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE"};
    bool is_said = *url != '\0';
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        is_said = is_said || getenv(variables[i]);
    }
    return !is_said;
}

static void fail_to_connect(const PGconn *conn, const char *url, struct err *err)
{
    struct buf text = {0};
    char *message = one_line(PQerrorMessage(conn), true);
    buf_printf(&text, "cannot connect to the database: %s", message);
    if (says_nothing(url)) {
        add_sentence(&text, "",
                     "Nothing says where it is: --database-url, or PGHERALD_DATABASE_URL, or "
                     "PGHOST and what else psql takes");
    }
    err_set(err, EXIT_CODE_FAILED, "%s", buf_text(&text));
    buf_release(&text);
    free(message);
}

/* user NULL: as the URL says. */
static enum status open_as(const char *url, const char *user, int stop_fd, struct admin **out,
                           struct err *err)
{
    PQconninfoOption *parsed = NULL;
    if (url_parse(url, &parsed, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    PQconninfoFree(parsed);
    /* Later entries win, and the URL is expanded in its place. The steps are written in UTF-8,
     * whatever PGCLIENTENCODING and the role's settings say. */
    const char *const keywords[] = {"connect_timeout", "fallback_application_name", "dbname",
                                    "client_encoding", user ? "user" : NULL,        NULL};
    const char *const values[] = {"10", "pgherald", url, "UTF8", user, NULL};
    PGconn *conn = PQconnectdbParams(keywords, values, 1);
    if (!conn) {
        abort(); /* out of memory */
    }
    if (PQstatus(conn) != CONNECTION_OK) {
        fail_to_connect(conn, url, err);
        PQfinish(conn);
        return STATUS_FAILED;
    }
    struct admin *admin = mem_alloc(sizeof(*admin));
    *admin = (struct admin){.conn = conn, .stop_fd = stop_fd};
    PQsetNoticeReceiver(conn, on_notice, admin);
    *out = admin;
    return STATUS_OK;
}

enum status admin_open(const char *url, int stop_fd, struct admin **out, struct err *err)
{
    return open_as(url, NULL, stop_fd, out, err);
}

enum status admin_open_as(const char *url, const char *user, struct admin **out, struct err *err)
{
    return open_as(url, user, -1, out, err);
}

void admin_keep_warnings(struct admin *admin, json_t *list)
{
    admin->warnings = list;
}

int admin_pid(const struct admin *admin)
{
    return PQbackendPID(admin->conn);
}

void admin_close(struct admin *admin)
{
    if (admin) {
        PQfinish(admin->conn);
        free(admin);
    }
}

static int line_of(const char *sql, const char *position)
{
    char *end;
    long at = strtol(position, &end, 10);
    int line = 1;
    for (const char *c = sql; *c && at > 1; c++) {
        line += *c == '\n';
        at -= ((unsigned char)*c & 0xC0) != 0x80; /* Postgres counts characters, not bytes */
    }
    return line;
}

static bool is_state_among(const PGresult *result, const char *states)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state && strstr(states, state);
}

/* Invalid schema name, undefined function, undefined table: of ours, so it was never installed
 * here, or it is old. */
static bool is_schema_missing(const PGresult *result, const char *message)
{
    bool is_ours = strstr(message, "\"herald\"") || strstr(message, "\"herald.") ||
                   strstr(message, " herald.");
    /* A column that our own statement names: of a statement inside of a function there is a context. */
    bool is_column = is_state_among(result, "42703") &&
                     PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION) &&
                     !PQresultErrorField(result, PG_DIAG_CONTEXT);
    return is_column || (is_ours && is_state_among(result, "3F000 42883 42P01"));
}

static enum status admin_fail(struct admin *admin, const PGresult *result, const char *what,
                              const char *sql, struct err *err)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    struct buf text = {0};
    admin->was_denied = is_state_among(result, "42501");
    if (what) {
        buf_literal(&text, what);
        if (position) {
            buf_printf(&text, ":%d", line_of(sql, position));
        }
        buf_literal(&text, ": ");
    }
    buf_literal(&text, message ? message : PQerrorMessage(admin->conn));
    if (detail) {
        add_sentence(&text, "", detail);
    }
    if (hint) {
        add_sentence(&text, "Hint: ", hint);
    }
    if (what && context) {
        buf_printf(&text, " (%.*s)", (int)strcspn(context, "\n"), context);
    }
    enum exit_code code = EXIT_CODE_FAILED;
    if (!what && message && is_schema_missing(result, message)) {
        add_sentence(&text, "",
                     "The schema of pgherald is missing or old here: run pgherald install");
        code = EXIT_CODE_CONFIG;
    } else if (!what && is_state_among(result, "3F000 42P01")) {
        add_sentence(&text, "Hint: ",
                     "Names are as in SQL: sales.orders; one with capitals in double quotes, which "
                     "the shell must leave: '\"Orders\"'");
    } else if (is_state_among(result, "25006")) {
        add_sentence(&text, "Hint: ",
                     "This is a standby, or default_transaction_read_only is on: connect to the "
                     "primary, to write");
    }
    char *line = one_line(buf_text(&text), false);
    err_set(err, code, "%s", line);
    free(line);
    buf_release(&text);
    return STATUS_FAILED;
}

static void cancel(PGconn *conn)
{
    char ignored[256];
    PGcancel *handle = PQgetCancel(conn);
    if (handle) {
        PQcancel(handle, ignored, sizeof(ignored));
        PQfreeCancel(handle);
    }
}

/* Waits until the next result can be taken without blocking. A stop cancels once; the error comes
 * as the result. */
static void wait_for_result(struct admin *admin)
{
    bool is_cancelled = false;
    while (PQisBusy(admin->conn)) {
        struct pollfd fds[] = {
            {.fd = PQsocket(admin->conn), .events = POLLIN},
            {.fd = is_cancelled ? -1 : admin->stop_fd, .events = POLLIN},
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (fds[1].revents) {
            cancel(admin->conn);
            is_cancelled = true;
        }
        if (fds[0].revents && !PQconsumeInput(admin->conn)) {
            return;
        }
    }
}

/* The last result of what was sent, or the first bad one; the caller clears it. NULL: the
 * connection is gone. */
static PGresult *collect(struct admin *admin)
{
    PGresult *kept = NULL;
    for (;;) {
        wait_for_result(admin);
        PGresult *result = PQgetResult(admin->conn);
        if (!result) {
            return kept;
        }
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            PQclear(kept);
            return result; /* not a thing we ever send */
        }
        bool keeps_old = kept && PQresultStatus(kept) == PGRES_FATAL_ERROR;
        PQclear(keeps_old ? result : kept);
        kept = keeps_old ? kept : result;
    }
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

enum status admin_run(struct admin *admin, const char *what, const char *sql, struct err *err)
{
    PGresult *result = PQsendQuery(admin->conn, sql) ? collect(admin) : NULL;
    enum status status = is_good(result) ? STATUS_OK : admin_fail(admin, result, what, sql, err);
    PQclear(result);
    return status;
}

enum status admin_value(struct admin *admin, const char *sql, int n_params,
                        const char *const *params, char **out, struct err *err)
{
    int sent = PQsendQueryParams(admin->conn, sql, n_params, NULL, params, NULL, NULL, 0);
    PGresult *result = sent ? collect(admin) : NULL;
    if (!is_good(result)) {
        admin_fail(admin, result, NULL, sql, err);
        PQclear(result);
        return STATUS_FAILED;
    }
    bool is_there = PQntuples(result) > 0 && PQnfields(result) > 0 && !PQgetisnull(result, 0, 0);
    *out = is_there ? mem_strdup(PQgetvalue(result, 0, 0)) : NULL;
    PQclear(result);
    return STATUS_OK;
}

enum status admin_rows(struct admin *admin, const char *sql, int n_params,
                       const char *const *params, PGresult **out, struct err *err)
{
    Oid types[MAX_PARAMS];
    for (int i = 0; i < n_params && i < MAX_PARAMS; i++) {
        types[i] = OID_TEXT;
    }
    int sent = PQsendQueryParams(admin->conn, sql, n_params, types, params, NULL, NULL, 0);
    PGresult *result = sent ? collect(admin) : NULL;
    if (!is_good(result)) {
        admin_fail(admin, result, NULL, sql, err);
        PQclear(result);
        return STATUS_FAILED;
    }
    *out = result;
    return STATUS_OK;
}

bool admin_was_denied(const struct admin *admin)
{
    return admin->was_denied;
}

#define LACKING                                                                                    \
    "SELECT pg_catalog.format('%s lacks the role %s: GRANT %2$s TO %1$I', current_user, "          \
    "r.rolname) FROM pg_catalog.pg_roles r WHERE r.rolname = $1 "                                  \
    "AND NOT pg_catalog.pg_has_role(current_user, r.oid, 'USAGE')"

void admin_explain(struct admin *admin, const char *role, struct err *err)
{
    struct err found = *err, ignored;
    char *lacking = NULL;
    if (found.code == EXIT_CODE_FAILED && role &&
        admin_value(admin, LACKING, 1, &role, &lacking, &ignored) == STATUS_OK && lacking) {
        err_set(err, found.code, "%s. %s", found.text, lacking);
    }
    free(lacking);
}

enum status admin_tell_following(struct admin *admin, struct err *err)
{
    char *follows = NULL;
    if (admin_value(admin, "SELECT herald.follows_ddl()", 0, NULL, &follows, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (!follows || strcmp(follows, "t") != 0) {
        warn(admin,
             "The event triggers of pgherald are missing or disabled (creating them takes a "
             "superuser): after an ALTER TABLE of a watched table, events come by key only until "
             "a running server has noticed, within seconds, or herald.refresh() is called.");
    }
    free(follows);
    return STATUS_OK;
}

enum status admin_set_password(struct admin *admin, const char *role, const char *password,
                               struct err *err)
{
    char *hash = PQencryptPasswordConn(admin->conn, password, role, "scram-sha-256");
    if (!hash) {
        char *message = one_line(PQerrorMessage(admin->conn), true);
        err_set(err, EXIT_CODE_FAILED, "cannot hash the password: %s", message);
        free(message);
        return STATUS_FAILED;
    }
    char *name = PQescapeIdentifier(admin->conn, role, strlen(role));
    char *literal = PQescapeLiteral(admin->conn, hash, strlen(hash));
    if (!name || !literal) {
        abort(); /* out of memory: both texts are ours */
    }
    char *sql = mem_printf("ALTER ROLE %s PASSWORD %s", name, literal);
    enum status status = admin_run(admin, NULL, sql, err);
    free(sql);
    PQfreemem(literal);
    PQfreemem(name);
    PQfreemem(hash);
    return status;
}
