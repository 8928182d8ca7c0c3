/* SPDX-License-Identifier: PostgreSQL */
/* What is queued leaves: in as few system calls as possible, and never later than the turn's end.
 *
 * A turn is one round of the loop: sockets are read, orders carried out, and sessions that got
 * something are marked. At its end each marked session's frames leave in one write of up to 64 KiB.
 * So a lone message goes out at once, and under load, when a turn brings many, they go together:
 * ten frames in one write cost a sixth of ten writes (measured). There is no timer.
 *
 * Subscribers of a roster mostly wait for the same frames. The last concatenation is kept for the
 * turn, and a session whose queue begins with the same pointers is served from it without copying;
 * its references go over to the burst, which lets go of all at once.
 *
 * When the kernel takes only a part, the client is not read until it takes more. Then it gets one
 * round in which it is read before more is written: otherwise a session with a steady backlog would
 * be blocked again before its pongs and messages were ever looked at. */
#include "net/socket/output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/socket/socket.h"
#include "net/tls.h"
#include "net/transit.h"
#include "net/worker/worker.h"

enum {
    LINGER_MS = 5000,
    /* From here on waiting for the turn's end gains nothing: a write is full. */
    FULL_BYTES = WORKER_BURST_BYTES,
    /* So little left is as good as nothing: a write is full of it, and the next comes in time. */
    DRAINED_BYTES = WORKER_BURST_BYTES,
};

/* ---- marking ---- */

void output_mark(struct socket *socket)
{
    struct worker *worker = socket->worker;
    if (socket->dirty > 0) {
        return;
    }
    if (worker->n_dirty == worker->dirty_cap) {
        worker->dirty_cap = worker->dirty_cap > 0 ? worker->dirty_cap * 2 : 64;
        worker->dirty = mem_array(worker->dirty, worker->dirty_cap, sizeof(*worker->dirty));
    }
    worker->dirty[worker->n_dirty++] = socket;
    socket->dirty = (uint32_t)worker->n_dirty;
}

void output_unmark(struct socket *socket)
{
    if (socket->dirty > 0) {
        socket->worker->dirty[socket->dirty - 1] = NULL;
        socket->dirty = 0;
    }
}

void output_push(struct socket *socket, struct frame *frame)
{
    outqueue_push(&socket->out, frame);
    output_mark(socket);
    if (socket->out.bytes >= FULL_BYTES && socket->flow == SOCKET_FLOW_OPEN) {
        output_write_now(socket);
    }
}

struct control *output_control(struct socket *socket)
{
    if (!socket->control) {
        socket->control = mem_zalloc(sizeof(*socket->control));
    }
    return socket->control;
}

/* ---- the next piece to write ---- */

enum piece_source { PIECE_NONE, PIECE_BURST, PIECE_QUEUE, PIECE_PONG, PIECE_PING, PIECE_CLOSE };

struct piece {
    enum piece_source source;
    uint8_t *data;
    size_t len;
};

static void burst_clear(struct burst *burst)
{
    for (uint32_t i = 0; i < burst->n; i++) {
        frame_unref_many(burst->frames[i], burst->refs);
    }
    burst->n = 0;
    burst->is_cut = false;
}

/* The burst is what a write of this queue would be: all of it, or as much as there was room for.
 * (The room of a TLS record serves a plain session too, in more writes.) None of the queue's frames
 * has begun to be sent. */
static bool is_burst(const struct burst *burst, const struct outqueue *queue)
{
    return (queue->n == burst->n || (burst->is_cut && queue->n > burst->n)) &&
           memcmp(burst->frames, outqueue_frames(queue), burst->n * sizeof(*burst->frames)) == 0;
}

static void burst_make(struct burst *burst, const struct outqueue *queue, uint32_t n, size_t len)
{
    struct frame *const *frames = outqueue_frames(queue);
    burst_clear(burst);
    outqueue_copy(queue, n, burst->bytes);
    for (uint32_t i = 0; i < n; i++) {
        burst->frames[i] = frame_ref(frames[i]);
    }
    burst->n = n;
    burst->refs = 1;
    burst->is_cut = n < queue->n;
    burst->len = len;
}

static struct piece queue_piece(struct socket *socket)
{
    const struct outqueue *queue = &socket->out;
    struct burst *burst = &socket->worker->burst;
    struct piece piece = {.source = PIECE_QUEUE, .data = outqueue_data(queue)};
    uint32_t n;
    size_t most = socket->is_tls ? TLS_RECORD_BYTES : WORKER_BURST_BYTES;
    if (queue->n == 1) {
        piece.len = queue->bytes < most ? queue->bytes : most;
        return piece;
    }
    if (queue->sent == 0 && burst->len <= most && is_burst(burst, queue)) {
        return (struct piece){PIECE_BURST, burst->bytes, burst->len};
    }
    piece.len = outqueue_fit(queue, most, WORKER_BURST_FRAMES, &n);
    if (n > 1 && queue->sent > 0) { /* the end of a long frame goes by itself */
        piece.len = outqueue_frames(queue)[0]->len - queue->sent;
    } else if (n > 1) {
        burst_make(burst, queue, n, piece.len);
        return (struct piece){PIECE_BURST, burst->bytes, burst->len};
    }
    return piece;
}

/* Pings and pongs overtake whole frames, but never go into the middle of one. */
static struct piece next_piece(struct socket *socket)
{
    struct control *control = socket->control;
    if (control && socket->out.sent == 0 && control->pong_len > 0) {
        return (struct piece){PIECE_PONG, control->pong, control->pong_len};
    }
    if (control && socket->out.sent == 0 && control->ping_len > 0) {
        return (struct piece){PIECE_PING, control->ping, control->ping_len};
    }
    if (socket->out.n > 0) {
        return queue_piece(socket);
    }
    if (control && control->close_len > 0) {
        return (struct piece){PIECE_CLOSE, control->close, control->close_len};
    }
    return (struct piece){.source = PIECE_NONE};
}

static void consume(struct socket *socket, const struct piece *piece)
{
    struct control *control = socket->control;
    switch (piece->source) {
    case PIECE_NONE:
        break;
    case PIECE_BURST:
        outqueue_give(&socket->out, socket->worker->burst.n, piece->len);
        socket->worker->burst.refs++;
        break;
    case PIECE_QUEUE:
        outqueue_take(&socket->out, piece->len);
        break;
    case PIECE_PONG:
        control->pong_len = 0;
        break;
    case PIECE_PING:
        control->ping_len = 0;
        break;
    case PIECE_CLOSE:
        control->close_len = 0;
        break;
    }
    if (control && control->pong_len + control->ping_len + control->close_len == 0) {
        free(control);
        socket->control = NULL;
    }
}

/* The kernel took a part of it. The rest of a control frame becomes the queue's first frame: there
 * nothing can get between its two halves. */
static void consume_part(struct socket *socket, const struct piece *piece, size_t taken)
{
    if (piece->source == PIECE_BURST || piece->source == PIECE_QUEUE) {
        outqueue_take(&socket->out, taken);
    } else if (taken > 0) {
        struct frame *frame = frame_new(piece->len, NULL);
        memcpy(frame->bytes, piece->data, piece->len);
        outqueue_put_first(&socket->out, frame, (uint32_t)taken);
        consume(socket, piece);
    }
}

/* ---- writing ---- */

static void say_end(struct socket *socket)
{
    if (socket->is_tls) {
        tls_say_end(socket->wsi);
    }
}

static void linger(struct socket *socket)
{
    say_end(socket);
    shutdown(socket->fd, SHUT_WR);
    socket_set_state(socket, SOCKET_LINGER, LINGER_MS);
}

/* All is written. False: that was the end. */
static bool output_finish(struct socket *socket)
{
    switch (socket->state) {
    case SOCKET_ANSWER:
        linger(socket);
        return true;
    case SOCKET_CLOSING:
        if (socket->ending == SOCKET_ENDING_LINGER) {
            linger(socket);
        } else if (socket->ending == SOCKET_ENDING_NOW) {
            say_end(socket);
            return false;
        }
        return true;
    case SOCKET_HEAD:
    case SOCKET_SESSION:
    case SOCKET_LINGER:
        break;
    }
    return true;
}

static void look_drained(struct socket *socket)
{
    if (socket->awaits_drain && socket->state == SOCKET_SESSION &&
        socket->out.bytes <= DRAINED_BYTES) {
        socket->awaits_drain = false;
        transit_tell(socket, COMMAND_DRAINED);
    }
}

void output_await_drain(struct socket *socket)
{
    socket->awaits_drain = true;
    look_drained(socket);
}

bool output_write(struct socket *socket)
{
    while (socket->flow == SOCKET_FLOW_OPEN) {
        struct piece piece = next_piece(socket);
        if (piece.source == PIECE_NONE) {
            return output_finish(socket);
        }
        size_t taken;
        enum stream_state state = socket->stream->write(socket, piece.data, piece.len, &taken);
        if (state == STREAM_STATE_BROKEN) {
            return false;
        }
        metrics_count(socket->worker->counts, METRIC_WRITES);
        metrics_add(socket->worker->counts, METRIC_BYTES_SENT, taken);
        if (taken == piece.len) {
            consume(socket, &piece);
        } else {
            consume_part(socket, &piece, taken);
        }
        look_drained(socket);
        if (state == STREAM_STATE_FULL) {
            socket_set_flow(socket, SOCKET_FLOW_BLOCKED);
        }
    }
    return true;
}

void output_write_now(struct socket *socket)
{
    if (!socket->is_broken && !output_write(socket)) {
        socket->is_broken = true;
        output_mark(socket);
    }
}

bool output_on_writable(struct socket *socket)
{
    if (socket->flow == SOCKET_FLOW_BLOCKED) {
        socket_set_flow(socket, SOCKET_FLOW_RESUMING);
        return true;
    }
    socket_set_flow(socket, SOCKET_FLOW_OPEN);
    return output_write(socket);
}

void output_flush(struct worker *worker)
{
    for (size_t i = 0; i < worker->n_dirty; i++) {
        struct socket *socket = worker->dirty[i];
        if (!socket) {
            continue;
        }
        socket->dirty = 0;
        if (socket->is_broken || !output_write(socket)) {
            socket_end(socket);
        }
    }
    worker->n_dirty = 0;
    burst_clear(&worker->burst);
}
