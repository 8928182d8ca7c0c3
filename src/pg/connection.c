/* SPDX-License-Identifier: PostgreSQL */
/* The life of one libpq connection: WAITING → CONNECTING → OPEN → (lost) → WAITING …
 *
 * Nothing here blocks but the resolution of a host name, which libpq does inside PQconnectPoll by
 * getaddrinfo; who cannot accept that writes hostaddr. libpq's own connect_timeout is for its
 * blocking calls only, so the deadline of an attempt is kept here, connect_timeout for each host of
 * the list.
 *
 * While connecting libpq may close its socket and open another one (next host, TLS refused), even
 * under the same number; and it closes a socket whose connection has broken, wherever that is found
 * out, after which another thread may get the number. So what is polled is a descriptor of our own
 * for the same socket, made anew around every step.
 *
 * Under TLS a record can be decrypted in part, with the rest inside OpenSSL, where no poll sees it:
 * PQconsumeInput reads at least 8 KiB a call and a record has at most 16 KiB, so two calls more
 * than needed always empty it.
 *
 * What libpq says about an error may quote what it was given. The password is cut out, and a URL
 * that cannot be parsed is not quoted at all. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/connection_internal.h"

enum {
    BACKOFF_FIRST_MS = 200, /* drawn from half of it to all of it */
    BACKOFF_MAX_MS = 5000,
    CONNECT_TIMEOUT_S = 10, /* for each host, when the URL says nothing */
    REASON_SIZE = 180,      /* a sentence that fits into /ready */
};

static void on_timer(void *arg);
static void on_poll(void *arg, bool is_readable, bool is_writable);

void connection_set_timeout(struct connection *connection, uint32_t query_timeout_ms)
{
    connection->options.query_timeout_ms = query_timeout_ms;
}

struct connection *connection_new(struct loop *loop, const struct connection_options *options)
{
    struct connection *connection = mem_zalloc(sizeof(*connection));
    connection->loop = loop;
    connection->options = *options;
    connection->url = mem_strdup(options->url ? options->url : "");
    connection->state = CONNECTION_STATE_STOPPED;
    connection->poll_fd = -1;
    connection->timer = loop_timer_new(loop, on_timer, connection);
    connection->queries_end = &connection->queries;
    return connection;
}

void connection_free(struct connection *connection)
{
    if (!connection) {
        return;
    }
    connection_stop(connection);
    loop_timer_free(connection->timer);
    free(connection->last_warning);
    free(connection->url);
    free(connection);
}

bool connection_is_open(const struct connection *connection)
{
    return connection->state == CONNECTION_STATE_OPEN && !connection->is_broken;
}

int connection_backend_pid(const struct connection *connection)
{
    return PQbackendPID(connection->conn);
}

void connection_settle(struct connection *connection)
{
    connection->n_failures = 0;
}

/* ---- why it was lost, in one sentence ---- */

/* Lines become one; libpq's hints (they start with a tab) are left out. */
static void one_line(const char *text, struct buf *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len > 0 && text[0] != '\t') {
            if (out->len > 0) {
                buf_literal(out, "; ");
            }
            buf_add(out, text, len);
        }
        text += len + (text[len] == '\n');
    }
}

static void scrub(char *text, const char *secret)
{
    size_t len = secret ? strlen(secret) : 0;
    for (char *at = text; len > 0 && (at = strstr(at, secret)) != NULL; at += len) {
        memset(at, '*', len);
    }
}

static void describe_error(const struct connection *connection, char out[REASON_SIZE])
{
    const char *text =
        connection->last_words ? connection->last_words : PQerrorMessage(connection->conn);
    struct buf line = {0};
    one_line(text, &line);
    char *clean = mem_strdup(buf_text(&line));
    scrub(clean, PQpass(connection->conn));
    snprintf(out, REASON_SIZE, "%s", *clean ? clean : "the connection was closed");
    free(clean);
    buf_release(&line);
}

/* The same warning may come with each try of something. */
static void warn_once(struct connection *connection, const char *message)
{
    if (!connection->last_warning || strcmp(connection->last_warning, message) != 0) {
        log_warn("Postgres warns: %s", message);
        free(connection->last_warning);
        connection->last_warning = mem_strdup(message);
    }
}

/* The server's last words (FATAL: terminating connection …) come as a notice when no query is under
 * way, otherwise as its result. */
bool connection_note_last_words(struct connection *connection, const PGresult *result)
{
    const char *plain = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    /* PgBouncer has it only as Postgres would translate it. */
    const char *severity = plain ? plain : PQresultErrorField(result, PG_DIAG_SEVERITY);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool is_last =
        severity && message && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
    if (is_last) {
        free(connection->last_words);
        connection->last_words = mem_strdup(message);
    }
    return is_last;
}

static void on_notice(void *arg, const PGresult *notice)
{
    struct connection *connection = arg;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (connection_note_last_words(connection, notice)) {
        return;
    }
    if (severity && message && strcmp(severity, "WARNING") == 0 && !connection->options.is_quiet) {
        warn_once(connection, message);
    } else {
        log_debug("%s: %s", connection->options.name,
                  message ? message : PQresultErrorMessage(notice));
    }
}

/* ---- ending ---- */

static void end_poll(struct connection *connection)
{
    loop_poll_free(connection->poll);
    connection->poll = NULL;
    if (connection->poll_fd >= 0) {
        close(connection->poll_fd);
        connection->poll_fd = -1;
    }
}

static void close_socket(struct connection *connection)
{
    end_poll(connection);
    loop_timer_stop(connection->timer);
    PQfinish(connection->conn);
    connection->conn = NULL;
    free(connection->last_words);
    connection->last_words = NULL;
    connection->is_broken = false;
    connection->generation++;
}

static uint64_t next_backoff(struct connection *connection)
{
    uint32_t most = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < connection->n_failures && most < BACKOFF_MAX_MS; i++) {
        most *= 2;
    }
    most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
    connection->n_failures++;
    uint32_t random;
    id_random(&random, sizeof(random));
    return most / 2 + random % (most / 2 + 1);
}

void connection_lose(struct connection *connection, const char *reason)
{
    char copy[REASON_SIZE]; /* what it points to may go with the connection */
    snprintf(copy, sizeof(copy), "%s", reason);
    close_socket(connection);
    connection->state = CONNECTION_STATE_WAITING;
    uint64_t wait_ms = next_backoff(connection);
    loop_timer_start(connection->timer, wait_ms, 0);
    log_debug("%s: %s; trying again in %u ms", connection->options.name, copy, (unsigned)wait_ms);
    query_fail_all(connection);
    if (connection->state == CONNECTION_STATE_WAITING) {
        connection->options.on_lost(connection->options.arg, copy);
    }
}

void connection_lose_libpq(struct connection *connection)
{
    char reason[REASON_SIZE];
    describe_error(connection, reason);
    connection_lose(connection, reason);
}

void connection_lose_soon(struct connection *connection)
{
    connection->is_broken = true;
    loop_timer_start(connection->timer, 0, 0);
}

void connection_drop(struct connection *connection, const char *reason)
{
    if (connection->state == CONNECTION_STATE_CONNECTING ||
        connection->state == CONNECTION_STATE_OPEN) {
        connection_lose(connection, reason);
    }
}

void connection_stop(struct connection *connection)
{
    if (connection->state != CONNECTION_STATE_STOPPED) {
        close_socket(connection);
        connection->state = CONNECTION_STATE_STOPPED;
        connection->n_failures = 0;
        query_fail_all(connection);
    }
}

/* ---- connecting ---- */

/* As in libpq: what has neither a scheme nor an equals sign is the name of a database. */
bool connection_is_url_valid(const char *url)
{
    bool is_name = !strchr(url, '=') && strncmp(url, "postgresql://", 13) != 0 &&
                   strncmp(url, "postgres://", 11) != 0;
    PQconninfoOption *options = is_name ? NULL : PQconninfoParse(url, NULL);
    PQconninfoFree(options);
    return is_name || options;
}

/* Words before dbname can be overridden by the URL in it, those after it cannot. A silent peer is
 * given up after 10 + 3 × 5 seconds when idle, and after tcp_user_timeout when it owes us an
 * acknowledgement. */
static PGconn *begin_connect(const char *url, const char *user)
{
    const char *const words[] = {
        "fallback_application_name",
        "target_session_attrs",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "dbname",
        "client_encoding",
        user ? "user" : NULL,
        NULL,
    };
    const char *const values[] = {"pgherald", "read-write", "1",    "10", "5", "3",
                                  "15000",    url,          "UTF8", user, NULL};
    return PQconnectStartParams(words, values, 1);
}

static uint64_t connect_deadline_ms(PGconn *conn)
{
    uint64_t n_hosts = 1;
    uint64_t timeout_s = 0;
    PQconninfoOption *options = PQconninfo(conn);
    for (const PQconninfoOption *option = options; option && option->keyword; option++) {
        if (option->val &&
            (strcmp(option->keyword, "host") == 0 || strcmp(option->keyword, "hostaddr") == 0)) {
            uint64_t n = 1;
            for (const char *c = option->val; *c; c++) {
                n += *c == ',';
            }
            n_hosts = n > n_hosts ? n : n_hosts;
        } else if (option->val && strcmp(option->keyword, "connect_timeout") == 0) {
            (void)str_to_u64(str_of(option->val), &timeout_s);
        }
    }
    PQconninfoFree(options);
    return n_hosts * (timeout_s > 0 && timeout_s < 3600 ? timeout_s : CONNECT_TIMEOUT_S) * 1000;
}

static void opened(struct connection *connection)
{
    connection->state = CONNECTION_STATE_OPEN;
    loop_timer_stop(connection->timer);
    if (PQsetnonblocking(connection->conn, 1) != 0 ||
        (connection->options.is_pipelined && PQenterPipelineMode(connection->conn) != 1)) {
        connection_lose_libpq(connection);
        return;
    }
    loop_poll_set(connection->poll, true, false);
    connection->options.on_open(connection->options.arg);
}

static void connect_step(struct connection *connection, bool is_first)
{
    end_poll(connection);
    PostgresPollingStatusType status =
        is_first ? PGRES_POLLING_WRITING : PQconnectPoll(connection->conn);
    if (status == PGRES_POLLING_FAILED) {
        connection_lose_libpq(connection);
        return;
    }
    connection->poll_fd = fcntl(PQsocket(connection->conn), F_DUPFD_CLOEXEC, 0);
    if (connection->poll_fd < 0) {
        connection_lose(connection, "too many open files");
        return;
    }
    connection->poll = loop_poll_new(connection->loop, connection->poll_fd, on_poll, connection);
    if (status == PGRES_POLLING_OK) {
        opened(connection);
    } else {
        loop_poll_set(connection->poll, status == PGRES_POLLING_READING,
                      status == PGRES_POLLING_WRITING);
    }
}

static void try_connect(struct connection *connection)
{
    connection->generation++;
    connection->state = CONNECTION_STATE_CONNECTING;
    connection->conn = begin_connect(connection->url, connection->options.user);
    assert(connection->conn); /* NULL is exhausted memory only */
    PQsetNoticeReceiver(connection->conn, on_notice, connection);
    if (PQstatus(connection->conn) == CONNECTION_BAD) {
        connection_lose_libpq(connection);
        return;
    }
    loop_timer_start(connection->timer, connect_deadline_ms(connection->conn), 0);
    connect_step(connection, true);
}

void connection_start(struct connection *connection)
{
    if (connection->state == CONNECTION_STATE_STOPPED) {
        connection->state = CONNECTION_STATE_WAITING;
        loop_timer_start(connection->timer, 0, 0);
    }
}

/* ---- open ---- */

void connection_flush(struct connection *connection)
{
    int left = PQflush(connection->conn);
    if (left < 0) {
        connection_lose_soon(connection);
    } else if (connection->poll) {
        loop_poll_set(connection->poll, true, left > 0);
    }
}

/* False: end of the connection. */
static bool consume(PGconn *conn)
{
    int n_reads = PQsslInUse(conn) ? 3 : 1;
    bool is_alive = true;
    while (is_alive && n_reads-- > 0) {
        is_alive = PQconsumeInput(conn) == 1;
    }
    return is_alive;
}

/* False: the connection is no longer the one it was. */
static bool take_notifications(struct connection *connection)
{
    unsigned generation = connection->generation;
    bool has_some = false, says_something = false;
    PGnotify *notification;
    while ((notification = PQnotifies(connection->conn)) != NULL) {
        has_some = true;
        says_something |= *notification->extra != '\0';
        PQfreemem(notification);
    }
    if (has_some && connection->options.on_notify) {
        connection->options.on_notify(connection->options.arg, says_something);
    }
    return connection->generation == generation;
}

static void on_poll(void *arg, bool is_readable, bool is_writable)
{
    struct connection *connection = arg;
    if (connection->state == CONNECTION_STATE_CONNECTING) {
        connect_step(connection, false);
        return;
    }
    if (connection->is_broken) {
        return;
    }
    /* Even at its end the stream may hold results that came before it: they are handed out first.
     */
    bool is_alive = !is_readable || consume(connection->conn);
    if (!take_notifications(connection) || !query_pump(connection)) {
        return;
    }
    /* Notifications behind a result are parsed only when the result has been taken. */
    if (!take_notifications(connection)) {
        return;
    }
    if (!is_alive) {
        connection_lose_libpq(connection);
    } else if (is_writable) {
        connection_flush(connection);
    }
}

static void on_timer(void *arg)
{
    struct connection *connection = arg;
    switch (connection->state) {
    case CONNECTION_STATE_STOPPED:
        break;
    case CONNECTION_STATE_WAITING:
        try_connect(connection);
        break;
    case CONNECTION_STATE_CONNECTING:
        connection_lose(connection, "the server did not answer the attempt to connect in time");
        break;
    case CONNECTION_STATE_OPEN:
        if (connection->is_broken) {
            connection_lose_libpq(connection);
        } else {
            connection_lose(connection, "the server did not answer a query in time");
        }
        break;
    }
}
