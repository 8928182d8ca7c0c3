/* SPDX-License-Identifier: PostgreSQL */
/* A refused handshake is answered by a status and a line for tools; a browser shows its page
 * neither. So a page that was refused may ask why (entrance.c), and gets the sentence that stands
 * beside that line: the two are one row, so that none can be added without the other. */
#include "net/http/refuse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http/admission.h"
#include "net/http/refusals.h"
#include "net/http/respond.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"

const char refuse_unread[] =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 21\r\nConnection: close\r\n" RESPOND_RETRY "\r\ntoo many connections\n";

/* All that a stranger learns when he is refused, so that nothing else can get into it. */
static const struct {
    uint16_t status;
    const char *extra_headers, *text;
    const char *sentence; /* NULL: no handshake is refused for it */
} answers[METRIC_N_REFUSALS] = {
    /* Most of these are http_answer_bad's; this is of one that was read, OPTIONS. */
    [METRIC_REFUSAL_BAD_REQUEST] = {405, "Allow: GET, HEAD\r\n", "only GET and HEAD are possible\n",
                                    NULL},
    [METRIC_REFUSAL_PATH] = {404, NULL, "WebSockets are at /rt/\n", NULL},
    [METRIC_REFUSAL_METRICS] = {401, "WWW-Authenticate: Bearer\r\n" RESPOND_NO_STORE,
                                "the token for metrics is needed\n", NULL},
    [METRIC_REFUSAL_NO_UPGRADE] =
        {426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
         "this is for WebSockets: Upgrade and Connection do not ask for one; a proxy in between "
         "must pass them on\n",
         "A proxy in between asks with HTTP/1.0, and a WebSocket needs HTTP/1.1: the proxy must "
         "ask "
         "with it, and pass on Upgrade and Connection."},
    [METRIC_REFUSAL_ORIGIN] = {403, NULL, "this origin may not connect\n",
                               "Pages of this origin may not connect: the server's option origins "
                               "does not name it."},
    [METRIC_REFUSAL_CANONICAL] = {404, NULL, "no such canonical\n",
                                  "There is no such connection hash: it was replaced, or the "
                                  "address is mistyped."},
    [METRIC_REFUSAL_ADDRESS_RATE] = {429, RESPOND_RETRY, "too many handshakes from your address\n",
                                     "Too many connections were opened from your network address "
                                     "in a short time: wait a few seconds."},
    [METRIC_REFUSAL_ADDRESS_SESSIONS] =
        {429, RESPOND_RETRY, "too many sessions from your address\n",
         "Too many connections are open from your network address: close other pages."},
    [METRIC_REFUSAL_PROXY_RATE] =
        {429, RESPOND_RETRY, "too many handshakes through your proxy\n",
         "Too many connections were opened through your proxy in a short time: wait a few seconds, "
         "or let the proxy send its clients' addresses."},
    [METRIC_REFUSAL_PROXY_SESSIONS] =
        {429, RESPOND_RETRY, "too many sessions through your proxy\n",
         "Too many connections are open through your proxy: let it send its clients' addresses."},
    [METRIC_REFUSAL_SESSIONS] = {503, RESPOND_RETRY, "too many sessions\n",
                                 "The server has as many connections as its option max-sessions "
                                 "allows: try again later."},
    [METRIC_REFUSAL_NOT_READY] = {503, RESPOND_RETRY, "the server is not ready\n",
                                  "The server is not ready: try again in a few seconds. Its log "
                                  "says why."},
    [METRIC_REFUSAL_SWITCHED_OFF] = {503, RESPOND_RETRY, "realtime is switched off\n",
                                     "Realtime is switched off."},
    [METRIC_REFUSAL_STOPPING] = {503, RESPOND_RETRY, "the server is stopping\n",
                                 "The server is stopping: try again in a few seconds."},
};

const char *refuse_code(unsigned reason)
{
#define TEXT(id, text) text,
    static const char *const codes[METRIC_N_REFUSALS] = {METRIC_REFUSAL_VALUES(TEXT)};
#undef TEXT
    return codes[reason];
}

const char *refuse_sentence(unsigned reason)
{
    assert(answers[reason].sentence);
    return answers[reason].sentence;
}

static const char *text_of(const struct http_head *head, unsigned reason)
{
    return reason == METRIC_REFUSAL_NO_UPGRADE && head->is_1_0
               ? "a WebSocket needs HTTP/1.1: a proxy in between must ask with it, and pass on "
                 "Upgrade and Connection\n"
               : answers[reason].text;
}

void refuse_request(struct socket *socket, const struct http_head *head, unsigned reason)
{
    bool is_old = reason == METRIC_REFUSAL_NO_UPGRADE && head->is_1_0;
    assert(answers[reason].status != 0);
    refuse_note(socket, head, reason, is_old ? "it came as HTTP/1.0" : NULL);
    respond_text(socket, head, answers[reason].status, answers[reason].extra_headers,
                 text_of(head, reason));
}

/* RFC 6750, section 3.1. */
void refuse_token(struct socket *socket, const struct http_head *head, const char *why)
{
    char *text = mem_printf("the token was not accepted: %s\n", why);
    refuse_note(socket, head, METRIC_REFUSAL_TOKEN, why);
    respond_text(socket, head, 401,
                 "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n" RESPOND_NO_STORE, text);
    free(text);
}

void refuse_note(struct socket *socket, const struct http_head *head, unsigned reason,
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

void refuse_note_unread(const struct worker *worker, const struct address *peer, unsigned reason,
                        const char *detail)
{
    struct refused refused = {.reason = reason, .detail = detail, .from = peer};
    metrics_count(worker->counts, METRIC_REFUSALS + reason);
    refusals_note(worker->shared->refusals, &refused, clock_ms());
}
