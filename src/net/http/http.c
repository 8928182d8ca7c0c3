/* SPDX-License-Identifier: PostgreSQL */
/* Answers to request heads: the upgrade on /rt/<canonical>, the two questions that operators'
 * tools ask (/health: is the process there; /ready: can it serve), and a few static pages.
 *
 * Every answer ends the connection. Requests other than the upgrade are rare here, and without
 * keep-alive and pipelining there is nothing to smuggle.
 *
 * Pages carry an ETag and no-cache: a browser asks each time and mostly gets 304, so a new build is
 * seen at once. The client module may be imported by pages of other origins. */
#include "net/http/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "core/site.h"
#include "net/http/admission.h"
#include "net/http/handshake.h"
#include "net/http/operator.h"
#include "net/http/refusals.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"

#define RETRY_AFTER "Retry-After: 2\r\n"
#define NO_STORE "Cache-Control: no-store\r\n"
/* The pages need their own scripts and styles, and WebSockets to wherever the server is. */
#define PAGE_POLICY                                                                                \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; "                             \
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "                    \
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "                           \
    "frame-ancestors 'none'\r\n"                                                                   \
    "Referrer-Policy: no-referrer\r\n"
#define ANY_ORIGIN                                                                                 \
    "Access-Control-Allow-Origin: *\r\nCross-Origin-Resource-Policy: cross-origin\r\n"

enum {
    ANSWER_MS = 30000, /* to fetch a page over a bad line */
    PATH_MAX_BYTES = 255,
};

const char http_refusal[] =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 21\r\nConnection: close\r\n" RETRY_AFTER "\r\ntoo many connections\n";

/* Queues the bytes as one frame and empties the buffer. */
static void push_bytes(struct socket *socket, struct buf *bytes)
{
    struct frame *frame = frame_new(bytes->len, NULL);
    memcpy(frame->bytes, bytes->data, bytes->len);
    output_push(socket, frame);
    buf_release(bytes);
}

static void push_answer(struct socket *socket, struct buf *bytes)
{
    socket_set_state(socket, SOCKET_ANSWER, ANSWER_MS);
    push_bytes(socket, bytes);
}

static void answer(struct socket *socket, const struct http_head *head,
                   const struct http_answer *what)
{
    struct http_answer whole = *what;
    struct buf bytes = {0};
    whole.is_head = whole.is_head || str_equals(head->method, STR("HEAD"));
    http_answer(&bytes, &whole);
    push_answer(socket, &bytes);
}

static void answer_text(struct socket *socket, const struct http_head *head, uint16_t status,
                        const char *extra_headers, const char *text)
{
    answer(socket, head,
           &(struct http_answer){
               .status = status, .extra_headers = extra_headers, .body = str_of(text)});
}

/* ---- refusals ---- */

void http_note_refusal(struct socket *socket, const struct http_head *head, unsigned reason,
                       const char *detail)
{
    const struct worker *worker = socket->worker;
    struct refused refused = {.reason = reason, .detail = detail};
    struct address client;
    refused.from = &socket->peer;
    if (admission_client(socket, head, &client) &&
        memcmp(&socket->peer, &client, sizeof(client)) != 0) {
        refused.from = &client;
        refused.proxy = &socket->peer;
    }
    if (head) {
        refused.origin = http_head_field(head, "origin");
    }
    if (head && head->is_complete && str_starts(head->path, STR("/rt/"))) {
        refused.canonical = (struct str){head->path.ptr + 4, head->path.len - 4};
    }
    metrics_count(worker->counts, METRIC_REFUSALS + reason);
    refusals_note(worker->shared->refusals, &refused, clock_ms());
}

void http_note_unread(const struct worker *worker, const struct address *peer, unsigned reason,
                      const char *detail)
{
    struct refused refused = {.reason = reason, .detail = detail, .from = peer};
    metrics_count(worker->counts, METRIC_REFUSALS + reason);
    refusals_note(worker->shared->refusals, &refused, clock_ms());
}

/* All that a stranger learns when he is refused, so that nothing else can get into it. */
static void request_refuse(struct socket *socket, const struct http_head *head, unsigned reason)
{
    static const struct {
        uint16_t status;
        const char *extra_headers, *text;
    } answers[METRIC_N_REFUSALS] = {
        [METRIC_REFUSAL_PATH] = {404, NULL, "WebSockets are at /rt/\n"},
        [METRIC_REFUSAL_METRICS] = {401, "WWW-Authenticate: Bearer\r\n" NO_STORE,
                                    "the token for metrics is needed\n"},
        [METRIC_REFUSAL_ORIGIN] = {403, NULL, "this origin may not connect\n"},
        [METRIC_REFUSAL_CANONICAL] = {404, NULL, "no such canonical\n"},
        [METRIC_REFUSAL_ADDRESS_RATE] = {429, RETRY_AFTER,
                                         "too many handshakes from your address\n"},
        [METRIC_REFUSAL_ADDRESS_SESSIONS] = {429, RETRY_AFTER,
                                             "too many sessions from your address\n"},
        [METRIC_REFUSAL_PROXY_RATE] = {429, RETRY_AFTER,
                                       "too many handshakes through your proxy\n"},
        [METRIC_REFUSAL_PROXY_SESSIONS] = {429, RETRY_AFTER,
                                           "too many sessions through your proxy\n"},
        [METRIC_REFUSAL_SESSIONS] = {503, RETRY_AFTER, "too many sessions\n"},
        [METRIC_REFUSAL_NOT_READY] = {503, RETRY_AFTER, "the server is not ready\n"},
        [METRIC_REFUSAL_SWITCHED_OFF] = {503, RETRY_AFTER, "realtime is switched off\n"},
        [METRIC_REFUSAL_STOPPING] = {503, RETRY_AFTER, "the server is stopping\n"},
    };
    assert(answers[reason].status != 0);
    http_note_refusal(socket, head, reason, NULL);
    answer_text(socket, head, answers[reason].status, answers[reason].extra_headers,
                answers[reason].text);
}

/* ---- the upgrade ---- */

/* Whether new sessions are taken now. False: *reason says why not. */
static bool is_open(const struct worker *worker, unsigned *reason)
{
    const struct site_gate *gate = worker->gate;
    if (worker->is_stopping) {
        *reason = METRIC_REFUSAL_STOPPING;
    } else if (!gate || !gate->is_ready) {
        *reason = METRIC_REFUSAL_NOT_READY;
    } else if (!gate->is_enabled) {
        *reason = METRIC_REFUSAL_SWITCHED_OFF;
    } else {
        return true;
    }
    return false;
}

static bool take_place(struct socket *socket)
{
    struct net_shared *shared = socket->worker->shared;
    if (atomic_fetch_add(&shared->n_sessions, 1) >= shared->options.max_sessions) {
        atomic_fetch_sub(&shared->n_sessions, 1);
        return false;
    }
    socket->is_counted = true;
    return true;
}

static void give_place(struct socket *socket)
{
    atomic_fetch_sub(&socket->worker->shared->n_sessions, 1);
    socket->is_counted = false;
}

/* A browser shows its page nothing of this (RFC 6750, section 3.1): it is for tools and logs of
 * proxies. */
static void answer_refused(struct socket *socket, const struct http_head *head, const char *why)
{
    char *text = mem_printf("the token was not accepted: %s\n", why);
    http_note_refusal(socket, head, METRIC_REFUSAL_TOKEN, why);
    answer_text(socket, head, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n" NO_STORE,
                text);
    free(text);
}

/* False: there are too many from its address, and it was told so (RFC 6585, 4). */
static bool is_admitted(struct socket *socket, const struct http_head *head)
{
    static const struct {
        unsigned refusal, limit;
    } reasons[2][2] = {
        {{METRIC_REFUSAL_ADDRESS_RATE, METRIC_LIMIT_ADDRESS_HANDSHAKES},
         {METRIC_REFUSAL_PROXY_RATE, METRIC_LIMIT_PROXY_HANDSHAKES}},
        {{METRIC_REFUSAL_ADDRESS_SESSIONS, METRIC_LIMIT_ADDRESS_SESSIONS},
         {METRIC_REFUSAL_PROXY_SESSIONS, METRIC_LIMIT_PROXY_SESSIONS}},
    };
    enum admission admission = admission_enter(socket, head);
    if (admission == ADMISSION_GRANTED) {
        return true;
    }
    unsigned is_sessions = admission == ADMISSION_SESSIONS, is_proxy = socket->is_proxy;
    metrics_count(socket->worker->counts, METRIC_LIMITS + reasons[is_sessions][is_proxy].limit);
    request_refuse(socket, head, reasons[is_sessions][is_proxy].refusal);
    return false;
}

/* The token is looked at last: who is turned away anyway costs no signature. */
static struct command *upgrade(struct socket *socket, const struct http_head *head,
                               struct str canonical)
{
    const struct worker *worker = socket->worker;
    const struct net_options *options = &worker->shared->options;
    unsigned reason;
    if (!is_open(worker, &reason)) {
        request_refuse(socket, head, reason);
        return NULL;
    }
    if (!site_gate_has(worker->gate, canonical)) {
        request_refuse(socket, head, METRIC_REFUSAL_CANONICAL);
        return NULL;
    }
    if (!admission_has_origin(options->limits.origins, head)) {
        request_refuse(socket, head, METRIC_REFUSAL_ORIGIN);
        return NULL;
    }
    if (!is_admitted(socket, head)) {
        return NULL;
    }
    if (!take_place(socket)) {
        admission_leave(socket);
        metrics_count(worker->counts, METRIC_LIMITS + METRIC_LIMIT_SESSIONS);
        request_refuse(socket, head, METRIC_REFUSAL_SESSIONS);
        return NULL;
    }
    struct command *open = handshake_command(options, head);
    if (open->why && options->rejects_invalid_tokens) {
        give_place(socket);
        admission_leave(socket);
        answer_refused(socket, head, open->why);
        command_free(open);
        return NULL;
    }
    struct buf bytes = {0};
    http_accept(&bytes, head);
    push_bytes(socket, &bytes);
    /* Now: the pong for a ping in the same packet would overtake it in the queue. */
    output_write_now(socket);
    return open;
}

/* ---- plain requests ---- */

static void answer_json(struct socket *socket, const struct http_head *head, uint16_t status,
                        const char *extra_headers, struct buf *json)
{
    answer(socket, head,
           &(struct http_answer){.status = status,
                                 .content_type = "application/json",
                                 .extra_headers = extra_headers,
                                 .body = {json->data, json->len}});
    buf_release(json);
}

static void answer_health(struct socket *socket, const struct http_head *head)
{
    struct buf json = {0};
    buf_literal(&json, "{\"status\":\"ok\"}");
    answer_json(socket, head, 200, NO_STORE, &json);
}

static bool is_operator(const struct socket *socket, const struct http_head *head)
{
    return operator_is(socket->worker->shared->metrics_token, head);
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

static void answer_ready(struct socket *socket, const struct http_head *head)
{
    unsigned reason;
    struct buf json = {0};
    if (is_open(socket->worker, &reason)) {
        const char *advice = socket->worker->gate->reason;
        buf_literal(&json, "{\"status\":\"ready\"");
        if (advice[0] && is_operator(socket, head)) {
            buf_literal(&json, ",\"advice\":");
            buf_json_string(&json, str_of(advice));
        }
        buf_char(&json, '}');
        answer_json(socket, head, 200, NO_STORE, &json);
    } else {
        buf_literal(&json, "{\"status\":\"unavailable\",\"reason\":");
        buf_json_string(&json, str_of(why_not(socket, head, reason)));
        buf_char(&json, '}');
        answer_json(socket, head, 503, NO_STORE RETRY_AFTER, &json);
    }
}

static void answer_canonical(struct socket *socket, const struct http_head *head)
{
    const struct site_gate *gate = socket->worker->gate;
    if (!gate || gate->n_canonicals == 0) {
        answer_text(socket, head, 503, RETRY_AFTER, "the database has not answered yet\n");
        return;
    }
    struct buf json = {0};
    buf_literal(&json, "{\"canonical\":");
    buf_json_string(&json, str_of(gate->canonicals[0]));
    buf_char(&json, '}');
    answer_json(socket, head, 200, NO_STORE, &json);
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
        answer_json(socket, head, 200, NO_STORE, &json);
    } else {
        buf_release(&json);
        answer_text(socket, head, 400, NULL, "the query is not what this takes\n");
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
    char *tag = mem_printf("\"%016llx\"",
                           (unsigned long long)shared->page_tags[page - shared->options.pages]);
    char *headers = mem_printf("ETag: %s\r\nCache-Control: no-cache\r\n%s%s", tag, PAGE_POLICY,
                               is_script ? ANY_ORIGIN : "");
    bool is_known = str_equals(http_head_field(head, "if-none-match"), str_of(tag));
    answer(socket, head,
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
    struct metrics *metrics = socket->worker->shared->options.metrics;
    struct buf text = {0};
    if (!metrics || !socket->worker->shared->metrics_token) {
        answer_text(socket, head, 404, NULL, "not found\n");
        return;
    }
    if (!is_operator(socket, head)) {
        request_refuse(socket, head, METRIC_REFUSAL_METRICS);
        return;
    }
    metrics_write(metrics, &text);
    answer(socket, head,
           &(struct http_answer){.status = 200,
                                 .content_type = METRICS_CONTENT_TYPE,
                                 .extra_headers = NO_STORE,
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
    const struct net_options *options = &worker->shared->options;
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
    answer_text(socket, head, 301, buf_text(&location), "moved\n");
    buf_release(&location);
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
    } else {
        answer_text(socket, head, 404, NULL, "not found\n");
    }
}

struct command *http_respond(struct socket *socket, const struct http_head *head)
{
    if (head->status != 0) {
        bool is_size = head->status == 414 || head->status == 431;
        http_note_refusal(socket, head,
                          is_size ? METRIC_REFUSAL_HEAD_SIZE : METRIC_REFUSAL_BAD_REQUEST,
                          head->reason);
        struct buf bytes = {0};
        http_answer_bad(&bytes, head);
        push_answer(socket, &bytes);
        return NULL;
    }
    bool is_realtime = str_starts(head->path, STR("/rt/"));
    if (is_realtime && head->is_upgrade) {
        return upgrade(socket, head, (struct str){head->path.ptr + 4, head->path.len - 4});
    }
    metrics_count(socket->worker->counts, METRIC_HTTP_REQUESTS);
    if (is_realtime) {
        http_note_refusal(socket, head, METRIC_REFUSAL_NO_UPGRADE,
                          head->is_1_0 ? "it came as HTTP/1.0" : NULL);
        answer_text(socket, head, 426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                    head->is_1_0 ? "a WebSocket needs HTTP/1.1: a proxy in between must ask with "
                                   "it, and pass on Upgrade and Connection\n"
                                 : "this is for WebSockets: Upgrade and Connection do not ask for "
                                   "one; a proxy in between must pass them on\n");
    } else if (str_equals(head->path, STR("/health"))) {
        answer_health(socket, head);
    } else if (str_equals(head->path, STR("/ready"))) {
        answer_ready(socket, head);
    } else if (str_equals(head->path, STR("/metrics"))) {
        answer_metrics(socket, head);
    } else if (head->is_upgrade) {
        request_refuse(socket, head, METRIC_REFUSAL_PATH);
    } else {
        answer_path(socket, head);
    }
    return NULL;
}

void http_respond_timeout(struct socket *socket, const struct http_head *head)
{
    http_note_refusal(socket, head, METRIC_REFUSAL_TIMEOUT, NULL);
    if (head) { /* it is we who are too slow */
        answer_text(socket, head, 503, RETRY_AFTER, "too many requests at once\n");
        return;
    }
    struct buf bytes = {0};
    http_answer(&bytes, &(struct http_answer){.status = 408, .body = STR("too slow\n")});
    push_answer(socket, &bytes);
}
