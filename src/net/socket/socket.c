/* SPDX-License-Identifier: PostgreSQL */
/* What everybody who has to do with a socket needs of it. Its life is libwebsockets' to tell:
 * worker/callbacks.c. */
#include "net/socket/socket.h"

#include <libwebsockets.h>

#include "base/clock.h"

void socket_end(struct socket *socket)
{
    /* The reason is only a label; "sync" closes inside the call. */
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

void socket_set_state(struct socket *socket, enum socket_state state, uint64_t cut_after_ms)
{
    socket->state = state;
    socket->at_ms = clock_ms() + cut_after_ms;
}

/* Reading is on or off, as the flags want it. */
static void set_reading(struct socket *socket)
{
    bool is_read = socket->flow != SOCKET_FLOW_BLOCKED && !socket->is_paused;
    lws_rx_flow_control(socket->wsi, is_read);
}

void socket_set_flow(struct socket *socket, enum socket_flow flow)
{
    socket->flow = flow;
    set_reading(socket);
}

void socket_set_paused(struct socket *socket, bool is_paused)
{
    if (socket->is_paused != is_paused) {
        socket->is_paused = is_paused;
        set_reading(socket);
    }
}
