/* SPDX-License-Identifier: PostgreSQL */
/* What everybody who has to do with a socket needs of it. Its life is told in stream/life.c. */
#include "net/socket/socket.h"

#include "base/clock.h"

void socket_end(struct socket *socket)
{
    socket->stream->end(socket);
}

void socket_set_state(struct socket *socket, enum socket_state state, uint64_t cut_after_ms)
{
    socket->state = state;
    socket->at_ms = clock_ms() + cut_after_ms;
}

bool socket_is_read(const struct socket *socket)
{
    return socket->flow != SOCKET_FLOW_BLOCKED && !socket->is_paused;
}

static void tell_wants(struct socket *socket)
{
    socket->stream->want(socket, socket_is_read(socket), socket->flow != SOCKET_FLOW_OPEN);
}

void socket_set_flow(struct socket *socket, enum socket_flow flow)
{
    socket->flow = flow;
    tell_wants(socket);
}

void socket_set_paused(struct socket *socket, bool is_paused)
{
    if (socket->is_paused != is_paused) {
        socket->is_paused = is_paused;
        tell_wants(socket);
    }
}
