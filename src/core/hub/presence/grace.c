/* SPDX-License-Identifier: PostgreSQL */
/* A page that is loaded again, or a phone that changes its network, is a session that drops and
 * another one that opens a second later. Without more the others see somebody leave and somebody
 * come. With a grace the entries of the dropped session stay listed; a new session of the same user
 * goes on under the old socketId, and for each channel that it joins again nothing is announced.
 * What it has not joined again when the time is over leaves then.
 *
 * The wire has no word for this, so it is a matter of the server alone, and only for users that a
 * token names: an anonymous client cannot be told from another one. Two tabs of one user are two
 * dropped sessions; each is taken up once. */
#include "core/hub/presence/grace.h"

#include <utlist.h>

#include "core/hub/presence/dropped.h"
#include "core/hub/presence/nodes/room.h"
#include "core/hub/presence/nodes/share.h"
#include "core/hub/presence/presence.h"

enum { HAND_OVER_MS = 10000 };

static void grace_let_go(struct hub *hub, struct dropped *dropped)
{
    while (dropped->members) {
        presence_leave(hub, dropped->members); /* takes it out by dropped_forget */
    }
    dropped_free(&hub->presence->grace, dropped);
}

/* A server that stops tells its sessions to go to another one: what they leave is kept until its
 * good-bye, and then by the others. */
static uint64_t grace_ms_of(const struct hub *hub)
{
    uint64_t grace_ms = hub->options.presence_grace_ms;
    bool is_handed_over = hub->is_draining && share_is_on(hub);
    return is_handed_over && grace_ms < HAND_OVER_MS ? HAND_OVER_MS : grace_ms;
}

static void grace_put(struct hub *hub, struct dropped *dropped, struct member *member)
{
    dropped_put(dropped, member);
    if (!room_vacate(hub, member)) {
        share_flags(hub, member);
    }
}

void grace_keep(struct hub *hub, struct session *session)
{
    uint64_t grace_ms = grace_ms_of(hub);
    if (grace_ms == 0 || !dropped_can_return(session->identity)) {
        presence_leave_all(hub, session);
        return;
    }
    struct dropped *dropped = dropped_new(hub, session, hub->now_ms + grace_ms);
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        if (session->subscriptions[i].member) {
            grace_put(hub, dropped, session->subscriptions[i].member);
            session->subscriptions[i].member = NULL;
        }
    }
    /* What it had left behind before and not joined again in this life waits on with the rest. */
    while (session->left_behind && session->left_behind->members) {
        struct member *member = session->left_behind->members;
        dropped_forget(member);
        grace_put(hub, dropped, member);
    }
    grace_end(hub, session);
}

void grace_adopt(struct hub *hub, struct session *session)
{
    char socket_id[ID_TEXT_SIZE];
    struct dropped *dropped = dropped_adopt(&hub->presence->grace, session);
    if (dropped) {
        session->left_behind = dropped;
        session->is_taken = dropped->is_taken;
        session_table_rename(&hub->sessions, session, dropped->socket_id);
    } else if (room_claim(hub, session->identity, socket_id)) {
        session->left_behind = dropped_come_back(&hub->presence->grace, session, socket_id);
        session->is_taken = true;
        session_table_rename(&hub->sessions, session, socket_id);
    } else {
        return;
    }
    share_adopt(hub, session);
}

void grace_end(struct hub *hub, struct session *session)
{
    struct dropped *dropped = session->left_behind;
    session->left_behind = NULL;
    if (dropped) {
        grace_let_go(hub, dropped);
    }
}

void grace_disconnect(struct hub *hub, const struct directive *directive)
{
    struct dropped *dropped;
    DL_FOREACH(hub->presence->grace.oldest, dropped)
    {
        struct member *member = dropped->members;
        while (member) {
            struct member *next = member->next_dropped;
            if (directive_means(directive, member->identity, member->socket_id) &&
                (!directive->channel.ptr || str_equals(directive->channel, member->name))) {
                presence_leave(hub, member);
            }
            member = next;
        }
    }
    room_disconnect(hub, directive);
}

void grace_tick(struct hub *hub)
{
    while (hub->presence->grace.oldest && hub->presence->grace.oldest->until_ms <= hub->now_ms) {
        struct dropped *dropped = hub->presence->grace.oldest;
        struct session *adopter = dropped->adopter.generation
                                      ? session_table_find(&hub->sessions, dropped->adopter)
                                      : NULL;
        if (adopter) {
            adopter->left_behind = NULL;
        }
        grace_let_go(hub, dropped);
    }
}
