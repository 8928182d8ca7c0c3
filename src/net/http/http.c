/* SPDX-License-Identifier: PostgreSQL */
/* Answers to request heads: the upgrade on /rt/<canonical>, the two questions that operators'
 * tools ask (/health: is the process there; /ready: can it serve), a few static pages, and at the
 * top, where none of them is, what a person asks (front.h).
 *
 * Every answer ends the connection. Requests other than the upgrade are rare here, and without
 * keep-alive and pipelining there is nothing to smuggle.
 *
 * Pages carry an ETag and no-cache: a browser asks each time and mostly gets 304, so a new build is
 * seen at once. The client module may be imported by pages of other origins. */
#include "net/http/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/nodes/standing.h"
#include "core/site.h"
#include "net/http/entrance.h"
#include "net/http/front.h"
#include "net/http/handshake.h"
#include "net/http/operator.h"
#include "net/http/refuse.h"
#include "net/http/respond.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"

/* The pages need their own scripts and styles, and WebSockets to wherever the server is. */
#define PAGE_POLICY                                                                                \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; "                             \
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "                    \
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "                           \
    "frame-ancestors 'none'\r\n"                                                                   \
    "Referrer-Policy: no-referrer\r\n"

enum {
    PATH_MAX_BYTES = 255,
};

/* ---- plain requests ---- */

static void answer_health(struct socket *socket, const struct http_head *head)
{
    struct buf json = {0};
    buf_literal(&json, "{\"status\":\"ok\"}");
    respond_json(socket, head, 200, RESPOND_NO_STORE, &json);
}

static bool is_operator(const struct socket *socket, const struct http_head *head)
{
    return operator_has(socket->worker->settings->metrics_token, handshake_bearer(head));
}

/* The gate's reason may name the database and quote its errors: the operator's to see. */
static const char *why_not(const struct socket *socket, const struct http_head *head,
                           unsigned reason)
{
    const struct site_gate *gate = socket->worker->gate;
    switch (reason) {
    case METRIC_REFUSAL_STOPPING:
        return "the server is stopping";
    case METRIC_REFUSAL_SWITCHED_OFF:
        return "realtime is switched off";
    default:
        return !gate                       ? "the server is starting"
               : is_operator(socket, head) ? gate->reason
                                           : "the server is not ready; its log says why";
    }
}

static void write_backlog(const struct standing *standing, struct buf *json)
{
    unsigned long long rows = atomic_load(&standing->backlog_rows);
    unsigned long long left_s = atomic_load(&standing->backlog_left_s);
    if (rows == 0) {
        return;
    }
    buf_printf(json, ",\"backlog\":{\"rows\":%llu", rows);
    if (left_s > 0) {
        buf_printf(json, ",\"rows_per_second\":%llu,\"seconds_left\":%llu",
                   (unsigned long long)atomic_load(&standing->backlog_rate), left_s);
    }
    buf_char(json, '}');
}

static void write_standing(const struct standing *standing, struct buf *json)
{
    static const char *const roles[] = {
        [STANDING_ROLE_NONE] = NULL,
        [STANDING_ROLE_LEADER] = "leader",
        [STANDING_ROLE_FOLLOWER] = "follower",
    };
    static const char *const buses[] = {
        [STANDING_BUS_LOCAL] = "local",
        [STANDING_BUS_UP] = "up",
        [STANDING_BUS_DOWN] = "down",
    };
    if (!standing) {
        return;
    }
    const char *role = roles[atomic_load(&standing->role)];
    if (role) {
        buf_printf(json, ",\"role\":\"%s\",\"lag_events\":%llu", role,
                   (unsigned long long)atomic_load(&standing->lag_events));
    }
    buf_printf(json, ",\"bus\":\"%s\"", buses[atomic_load(&standing->bus)]);
    if (atomic_load(&standing->bus) != STANDING_BUS_LOCAL) {
        buf_printf(json, ",\"other_versions\":%u", atomic_load(&standing->other_versions));
    }
    write_backlog(standing, json);
}

static void answer_ready(struct socket *socket, const struct http_head *head)
{
    unsigned reason;
    struct buf json = {0};
    if (entrance_is_open(socket->worker, &reason)) {
        const char *advice = socket->worker->gate->reason;
        buf_literal(&json, "{\"status\":\"ready\"");
        write_standing(socket->worker->settings->options.standing, &json);
        if (advice[0] && is_operator(socket, head)) {
            buf_literal(&json, ",\"advice\":");
            buf_json_string(&json, str_of(advice));
        }
        buf_char(&json, '}');
        respond_json(socket, head, 200, RESPOND_NO_STORE, &json);
    } else {
        buf_literal(&json, "{\"status\":\"unavailable\",\"reason\":");
        buf_json_string(&json, str_of(why_not(socket, head, reason)));
        buf_char(&json, '}');
        respond_json(socket, head, 503, RESPOND_NO_STORE RESPOND_RETRY, &json);
    }
}

static void answer_canonical(struct socket *socket, const struct http_head *head)
{
    const struct site_gate *gate = socket->worker->gate;
    if (!gate || gate->n_canonicals == 0) {
        respond_text(socket, head, 503, RESPOND_RETRY, "the database has not answered yet\n");
        return;
    }
    struct buf json = {0};
    buf_literal(&json, "{\"canonical\":");
    buf_json_string(&json, str_of(gate->canonicals[0]));
    buf_char(&json, '}');
    respond_json(socket, head, 200, RESPOND_NO_STORE, &json);
}

uint64_t http_page_tag(const struct net_page *page)
{
    /* Not secret, but the same in every process: servers behind one name must agree. */
    static const uint64_t key[2] = {0, 0};
    return page->body ? hash_keyed(key, page->body, page->len) : 0;
}

static void answer_made(struct socket *socket, const struct http_head *head,
                        const struct net_page *page)
{
    struct buf json = {0};
    if (page->make(page->ctx, head->query, &json)) {
        respond_json(socket, head, 200, RESPOND_NO_STORE, &json);
    } else {
        buf_release(&json);
        respond_text(socket, head, 400, NULL, "the query is not what this takes\n");
    }
}

static void answer_page(struct socket *socket, const struct http_head *head,
                        const struct net_page *page)
{
    if (page->make) {
        answer_made(socket, head, page);
        return;
    }
    if (!page->body) {
        answer_canonical(socket, head);
        return;
    }
    const struct net_shared *shared = socket->worker->shared;
    bool is_script = strncmp(page->content_type, "text/javascript", 15) == 0;
    char *tag = mem_printf(
        "\"%016llx\"",
        (unsigned long long)shared->page_tags[page - socket->worker->settings->options.pages]);
    char *headers = mem_printf("ETag: %s\r\nCache-Control: no-cache\r\n%s%s", tag, PAGE_POLICY,
                               is_script ? RESPOND_ANY_ORIGIN : "");
    bool is_known = str_equals(http_head_field(head, "if-none-match"), str_of(tag));
    respond(socket, head,
            &(struct http_answer){.status = is_known ? 304 : 200,
                                  .content_type = page->content_type,
                                  .extra_headers = headers,
                                  .body = {page->body, page->len},
                                  .is_head = is_known});
    free(headers);
    free(tag);
}

static void answer_metrics(struct socket *socket, const struct http_head *head)
{
    struct metrics *metrics = socket->worker->settings->options.metrics;
    struct buf text = {0};
    if (!metrics || !socket->worker->settings->metrics_token) {
        respond_text(socket, head, 404, NULL, "not found\n");
        return;
    }
    if (!is_operator(socket, head)) {
        refuse_request(socket, head, METRIC_REFUSAL_METRICS);
        return;
    }
    metrics_write(metrics, &text);
    respond(socket, head,
            &(struct http_answer){.status = 200,
                                  .content_type = METRICS_CONTENT_TYPE,
                                  .extra_headers = RESPOND_NO_STORE,
                                  .body = {text.data, text.len}});
    buf_release(&text);
}

static int compare_path(const void *key, const void *element)
{
    const struct net_page *page = element;
    return strcmp(key, page->path);
}

/* The page at path + suffix, or NULL. */
static const struct net_page *find_page(const struct worker *worker, struct str path,
                                        const char *suffix)
{
    const struct net_options *options = &worker->settings->options;
    char text[PATH_MAX_BYTES + 1];
    size_t suffix_len = strlen(suffix);
    if (options->n_pages == 0 || path.len + suffix_len > PATH_MAX_BYTES) {
        return NULL;
    }
    memcpy(text, path.ptr, path.len);
    memcpy(text + path.len, suffix, suffix_len + 1);
    return bsearch(text, options->pages, options->n_pages, sizeof(*options->pages), compare_path);
}

/* Relative links of a page in a directory work only behind its slash. */
static void answer_redirect(struct socket *socket, const struct http_head *head)
{
    struct buf location = {0};
    buf_literal(&location, "Location: ");
    buf_str(&location, head->path);
    buf_char(&location, '/');
    if (head->query.ptr) {
        buf_char(&location, '?');
        buf_str(&location, head->query);
    }
    buf_literal(&location, "\r\n");
    respond_text(socket, head, 301, buf_text(&location), "moved\n");
    buf_release(&location);
}

/* Where no page of its own lies at the top. */
static void answer_front(struct socket *socket, const struct http_head *head)
{
    unsigned reason;
    bool is_ready = entrance_is_open(socket->worker, &reason);
    front_answer(socket, head, is_ready ? NULL : why_not(socket, head, reason));
}

static void answer_path(struct socket *socket, const struct http_head *head)
{
    const struct worker *worker = socket->worker;
    bool is_directory = head->path.ptr[head->path.len - 1] == '/';
    const struct net_page *page = find_page(worker, head->path, is_directory ? "index.html" : "");
    if (page) {
        answer_page(socket, head, page);
    } else if (!is_directory && find_page(worker, head->path, "/index.html")) {
        answer_redirect(socket, head);
    } else if (head->path.len == 1) {
        answer_front(socket, head);
    } else {
        respond_text(socket, head, 404, NULL, "not found\n");
    }
}

struct command *http_respond(struct socket *socket, const struct http_head *head)
{
    if (head->status != 0) {
        bool is_size = head->status == 414 || head->status == 431;
        refuse_note(socket, head, is_size ? METRIC_REFUSAL_HEAD_SIZE : METRIC_REFUSAL_BAD_REQUEST,
                    head->reason);
        struct buf bytes = {0};
        http_answer_bad(&bytes, head);
        respond_whole(socket, &bytes);
        return NULL;
    }
    bool is_realtime = str_starts(head->path, STR("/rt/"));
    if (is_realtime && head->is_upgrade) {
        return entrance_upgrade(socket, head);
    }
    metrics_count(socket->worker->counts, METRIC_HTTP_REQUESTS);
    if (is_realtime && entrance_is_why(head)) {
        entrance_tell_why(socket, head);
    } else if (str_equals(head->method, STR("OPTIONS"))) {
        refuse_request(socket, head, METRIC_REFUSAL_BAD_REQUEST);
    } else if (is_realtime) {
        refuse_request(socket, head, METRIC_REFUSAL_NO_UPGRADE);
    } else if (str_equals(head->path, STR("/health"))) {
        answer_health(socket, head);
    } else if (str_equals(head->path, STR("/ready"))) {
        answer_ready(socket, head);
    } else if (str_equals(head->path, STR("/metrics"))) {
        answer_metrics(socket, head);
    } else if (head->is_upgrade) {
        refuse_request(socket, head, METRIC_REFUSAL_PATH);
    } else {
        answer_path(socket, head);
    }
    return NULL;
}

void http_respond_timeout(struct socket *socket, const struct http_head *head)
{
    refuse_note(socket, head, METRIC_REFUSAL_TIMEOUT, NULL);
    if (head) { /* it is we who are too slow */
        respond_text(socket, head, 503, RESPOND_RETRY, "too many requests at once\n");
        return;
    }
    struct buf bytes = {0};
    http_answer(&bytes, &(struct http_answer){.status = 408, .body = STR("too slow\n")});
    respond_whole(socket, &bytes);
}
