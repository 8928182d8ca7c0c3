/* SPDX-License-Identifier: PostgreSQL */
/* A request can be dear: to unwrap a key with RSA costs milliseconds, and strangers may ask for it.
 * So a turn answers requests for so long only, and the others wait for the next one; sessions get
 * their turn in between. */
#include "net/http/head_reader.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http/http.h"
#include "net/session/session.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"

enum { ANSWERING_US = 4000 };

void head_reader_free(struct socket *socket)
{
    if (socket->reader) {
        if (socket->reader->is_waiting) {
            DL_DELETE(socket->worker->waiting, socket->reader);
        }
        buf_release(&socket->reader->bytes);
        buf_release(&socket->reader->more);
        free(socket->reader);
        socket->reader = NULL;
    }
}

/* What follows the head in the same packet belongs to the session: a client may send its first
 * frame without waiting. */
static void answer_head(struct socket *socket)
{
    struct head_reader *reader = socket->reader;
    uint64_t began_us = clock_us();
    struct command *open = http_respond(socket, &reader->head);
    if (open) {
        size_t used = reader->head.line;
        session_open(socket, open);
        session_read(socket, (uint8_t *)reader->bytes.data + used, reader->bytes.len - used);
        if (reader->more.len > 0 && socket->state != SOCKET_LINGER) {
            session_read(socket, (uint8_t *)reader->more.data, reader->more.len);
        }
    }
    head_reader_free(socket);
    socket->worker->answering_us += clock_us() - began_us;
}

static void wait_for_answer(struct socket *socket)
{
    socket->reader->is_waiting = true;
    DL_APPEND(socket->worker->waiting, socket->reader);
    metrics_count(socket->worker->counts, METRIC_DEFERRED);
}

bool head_reader_answer_waiting(struct worker *worker)
{
    while (worker->waiting && worker->answering_us < ANSWERING_US) {
        struct socket *socket = worker->waiting->socket;
        socket_set_paused(socket, false);
        if (socket->state == SOCKET_HEAD) {
            answer_head(socket);
        } else {
            head_reader_free(socket); /* it waited for too long, and was told so */
        }
    }
    worker->answering_us = 0;
    return worker->waiting == NULL;
}

void head_reader_read(struct socket *socket, const uint8_t *data, size_t len)
{
    if (!socket->reader) {
        socket->reader = mem_zalloc(sizeof(*socket->reader));
        socket->reader->socket = socket;
    }
    struct head_reader *reader = socket->reader;
    if (reader->is_waiting) {
        buf_add(&reader->more, data, len);
        socket_set_paused(socket, true);
        return;
    }
    buf_add(&reader->bytes, data, len);
    if (http_head_read(&reader->head, reader->bytes.data, reader->bytes.len) ==
        HTTP_HEAD_INCOMPLETE) {
        return;
    }
    if (socket->worker->waiting || socket->worker->answering_us >= ANSWERING_US) {
        wait_for_answer(socket);
    } else {
        answer_head(socket);
    }
}

bool head_reader_time_out(struct socket *socket)
{
    const struct head_reader *reader = socket->reader;
    if (reader) {
        http_respond_timeout(socket, reader->is_waiting ? &reader->head : NULL);
    }
    return reader != NULL;
}
