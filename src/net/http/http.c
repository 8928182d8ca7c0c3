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

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "net/http/addresses.h"
#include "net/http/admission.h"
#include "net/http/handshake.h"
#include "net/worker.h"

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

/* ---- the upgrade ---- */

static void count_refusal(const struct socket *socket, unsigned reason)
{
    metrics_count(socket->worker->counts, METRIC_REFUSALS + reason);
}

/* Why new sessions are not taken now, or NULL. *cell is what to count then. */
static const char *refusal(const struct worker *worker, unsigned *cell)
{
    *cell = METRIC_REFUSAL_NOT_READY;
    if (worker->is_stopping) {
        *cell = METRIC_REFUSAL_STOPPING;
        return "the server is stopping";
    }
    if (!worker->gate) {
        return "the server is starting";
    }
    if (!worker->gate->is_ready) {
        return worker->gate->reason;
    }
    *cell = METRIC_REFUSAL_SWITCHED_OFF;
    return worker->gate->is_enabled ? NULL : "realtime is switched off";
}

static void answer_unavailable(struct socket *socket, const struct http_head *head,
                               const char *reason)
{
    struct buf text = {0};
    buf_literal(&text, reason);
    buf_char(&text, '\n');
    answer_text(socket, head, 503, RETRY_AFTER, buf_text(&text));
    buf_release(&text);
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
    answer_text(socket, head, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n" NO_STORE,
                text);
    free(text);
}

/* False: there are too many from its address, and it was told so (RFC 6585, 4). */
static bool is_admitted(struct socket *socket, const struct http_head *head)
{
    static const struct {
        unsigned refusal, limit;
        const char *text;
    } answers[2][2] = {
        {{METRIC_REFUSAL_ADDRESS_RATE, METRIC_LIMIT_ADDRESS_HANDSHAKES,
          "too many handshakes from your address\n"},
         {METRIC_REFUSAL_PROXY_RATE, METRIC_LIMIT_PROXY_HANDSHAKES,
          "too many handshakes through your proxy\n"}},
        {{METRIC_REFUSAL_ADDRESS_SESSIONS, METRIC_LIMIT_ADDRESS_SESSIONS,
          "too many sessions from your address\n"},
         {METRIC_REFUSAL_PROXY_SESSIONS, METRIC_LIMIT_PROXY_SESSIONS,
          "too many sessions through your proxy\n"}},
    };
    enum admission admission = admission_enter(socket, head);
    if (admission == ADMISSION_GRANTED) {
        return true;
    }
    unsigned which = admission == ADMISSION_SESSIONS;
    count_refusal(socket, answers[which][socket->is_proxy].refusal);
    metrics_count(socket->worker->counts, METRIC_LIMITS + answers[which][socket->is_proxy].limit);
    answer_text(socket, head, 429, RETRY_AFTER, answers[which][socket->is_proxy].text);
    return false;
}

/* The token is looked at last: who is turned away anyway costs no signature. */
static struct command *upgrade(struct socket *socket, const struct http_head *head,
                               struct str canonical)
{
    const struct worker *worker = socket->worker;
    const struct net_options *options = &worker->shared->options;
    unsigned cell;
    const char *reason = refusal(worker, &cell);
    if (reason) {
        count_refusal(socket, cell);
        answer_unavailable(socket, head, reason);
        return NULL;
    }
    if (!site_gate_has(worker->gate, canonical)) {
        count_refusal(socket, METRIC_REFUSAL_CANONICAL);
        answer_text(socket, head, 404, NULL, "no such canonical\n");
        return NULL;
    }
    if (!admission_has_origin(options->limits.origins, head)) {
        count_refusal(socket, METRIC_REFUSAL_ORIGIN);
        answer_text(socket, head, 403, NULL, "this origin may not connect\n");
        return NULL;
    }
    if (!is_admitted(socket, head)) {
        return NULL;
    }
    if (!take_place(socket)) {
        admission_leave(socket);
        count_refusal(socket, METRIC_REFUSAL_SESSIONS);
        metrics_count(worker->counts, METRIC_LIMITS + METRIC_LIMIT_SESSIONS);
        answer_unavailable(socket, head, "too many sessions");
        return NULL;
    }
    struct command *open = handshake_command(options, head);
    if (open->why && options->rejects_invalid_tokens) {
        give_place(socket);
        admission_leave(socket);
        count_refusal(socket, METRIC_REFUSAL_TOKEN);
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

static void answer_ready(struct socket *socket, const struct http_head *head)
{
    unsigned ignored;
    const char *reason = refusal(socket->worker, &ignored);
    struct buf json = {0};
    if (reason) {
        buf_literal(&json, "{\"status\":\"unavailable\",\"reason\":");
        buf_json_string(&json, str_of(reason));
        buf_char(&json, '}');
        answer_json(socket, head, 503, NO_STORE RETRY_AFTER, &json);
    } else {
        buf_literal(&json, "{\"status\":\"ready\"}");
        answer_json(socket, head, 200, NO_STORE, &json);
    }
}

static void answer_canonical(struct socket *socket, const struct http_head *head)
{
    const struct site_gate *gate = socket->worker->gate;
    if (!gate || gate->n_canonicals == 0) {
        answer_unavailable(socket, head, "the database has not answered yet");
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

/* Behind a proxy on this machine everybody seems to be local; but a proxy says that it is one. */
static bool may_see_metrics(const struct socket *socket, const struct http_head *head)
{
    enum net_metrics shown = socket->worker->shared->options.shows_metrics;
    return shown == NET_METRICS_ON ||
           (shown == NET_METRICS_LOOPBACK && admission_is_local(socket, head));
}

static void answer_metrics(struct socket *socket, const struct http_head *head)
{
    struct metrics *metrics = socket->worker->shared->options.metrics;
    struct buf text = {0};
    if (!metrics || !may_see_metrics(socket, head)) {
        answer_text(socket, head, 404, NULL, "not found\n");
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
        count_refusal(socket, head->status == 414 || head->status == 431
                                  ? METRIC_REFUSAL_HEAD_SIZE
                                  : METRIC_REFUSAL_BAD_REQUEST);
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
        answer_text(socket, head, 404, NULL, "WebSockets are at /rt/\n");
    } else {
        answer_path(socket, head);
    }
    return NULL;
}

void http_respond_timeout(struct socket *socket)
{
    count_refusal(socket, METRIC_REFUSAL_TIMEOUT);
    if (socket->reader->is_waiting) { /* it is we who are too slow */
        answer_unavailable(socket, &socket->reader->head, "too many requests at once");
        return;
    }
    struct buf bytes = {0};
    http_answer(&bytes, &(struct http_answer){.status = 408, .body = STR("too slow\n")});
    push_answer(socket, &bytes);
}
