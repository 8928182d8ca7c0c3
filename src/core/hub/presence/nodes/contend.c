/* SPDX-License-Identifier: PostgreSQL */
/* Of a seat (entry.h) one is shown. A session that has dropped, or whose node is gone, gives its seat to who
 * goes on with it: a member changes its owner in the list, and nobody is told. Between two that are alive
 * the one whose socketId it was from the beginning has it, else the one with the lower node: each node
 * comes to the same result, and the one whose session has lost closes it, or names it anew, if nobody
 * was told its name yet. */
#include "core/hub/presence/nodes/contend.h"

#include <stdlib.h>

#include "core/close_code.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/dropped.h"
#include "core/hub/presence/list.h"
#include "core/hub/presence/member.h"
#include "core/hub/presence/nodes/absent.h"
#include "core/hub/presence/nodes/share.h"
#include "core/hub/presence/states.h"

/* ---- who is shown ---- */

void entry_show(struct hub *hub, struct entry *entry, bool is_told)
{
    struct member *member = member_new_remote(entry->seat.room->channel, entry);
    entry->member = member;
    list_put(hub, member);
    if (entry->state.ptr) {
        state_put(hub, member, entry->state);
    }
    if (is_told) {
        list_note_change(hub, member);
    } else {
        member->state = MEMBER_STATE_LISTED;
    }
}

void entry_unshow(struct hub *hub, struct entry *entry)
{
    struct member *member = entry->member;
    entry->member = NULL;
    member->entry = NULL;
    list_leave(hub, member);
}

/* The member is another one's from now on; nobody is told, unless it shows something else. */
void entry_succeed(struct hub *hub, struct entry *entry, struct entry *holder)
{
    struct member *member = holder->member;
    holder->is_over = true;
    absent_remove(&hub->presence->rooms->absent, holder);
    if (!str_equals(member->client, entry->client)) {
        entry_unshow(hub, holder);
        entry_show(hub, entry, true);
        return;
    }
    holder->member = NULL;
    entry->member = member;
    member->entry = entry;
    if (!str_equals(state_or_null(entry->state), state_or_null(holder->state))) {
        state_put(hub, member, state_or_null(entry->state));
    }
}

/* ---- this node's own ---- */

/* Nobody may know a session by this name any more. Who was told it, or is in a list with it, closes. */
static void session_yield(struct hub *hub, struct session *session)
{
    char socket_id[ID_TEXT_SIZE];
    if (session->is_closing) {
        return;
    }
    if (session->has_joined || session->arriving) {
        say_close(hub, session, CLOSE_CODE_SERVICE_RESTART,
                  "another session goes on with what this one took up");
        return;
    }
    if (session->left_behind) {
        dropped_go_elsewhere(&hub->presence->grace, session->left_behind);
        session->left_behind = NULL;
    }
    id_text(socket_id);
    session_table_rename(&hub->sessions, session, socket_id);
    session->is_taken = false;
}

/* True: it has what the other one claims. False: it is not there, or has just lost it. */
bool session_keeps(struct hub *hub, struct str socket_id, bool other_is_taken, const char *other)
{
    struct session *session = session_table_find_socket(&hub->sessions, socket_id);
    if (!session) {
        return false;
    }
    if (!session->is_closing &&
        claim_is_before(session->is_taken, hub->options.node_id, other_is_taken, other)) {
        share_adopt(hub, session); /* the other one may not have heard of it */
        return true;
    }
    session_yield(hub, session);
    return false;
}

/* What a session of this node has in the list under the entry's socketId, or has left there; NULL:
 * nothing. */
static struct member *own_member(const struct hub *hub, const struct entry *entry)
{
    const struct channel *channel = entry->seat.room->channel;
    const struct session *session = session_table_find_socket(&hub->sessions, entry_socket(entry));
    const struct subscription *in = session ? session_in(session, channel) : NULL;
    const struct dropped *dropped =
        session && session->left_behind
            ? session->left_behind
            : dropped_find(&hub->presence->grace, entry->identity, entry_socket(entry));
    if (in && in->member) {
        return in->member;
    }
    if (session && session->arriving && session->arriving->channel == channel) {
        return session->arriving;
    }
    return dropped ? dropped_member(dropped, channel) : NULL;
}

/* It is that session's no more. */
static void own_let_go(struct hub *hub, struct member *member)
{
    struct session *session = session_table_find(&hub->sessions, member->session);
    struct subscription *in = session ? session_in(session, member->channel) : NULL;
    if (member->dropped) {
        dropped_forget(member);
    }
    if (in && in->member == member) {
        in->member = NULL;
    }
    if (session && session->arriving == member) {
        session->arriving = NULL;
    }
    if (member->state == MEMBER_STATE_ARRIVING) {
        list_wake(hub, member->session);
    }
    member->session = (struct session_id){0};
}

void entry_take_over(struct hub *hub, struct entry *entry, struct member *member)
{
    const struct presence *presence = member->channel->presence;
    own_let_go(hub, member);
    share_leave(hub, member, true);
    if (!str_equals(member->client, entry->client)) {
        list_leave(hub, member);
        if (entry->seat.room->channel) { /* the list has not ended with it */
            entry_show(hub, entry, true);
        }
        return;
    }
    member->entry = entry;
    entry->member = member;
    if (!str_equals(state_of(presence, member), state_or_null(entry->state))) {
        state_put(hub, member, state_or_null(entry->state));
    }
    list_disown(hub, member);
}

/* ---- contending ---- */

bool entry_may_show(const struct entry *entry)
{
    return entry->seat.room->channel && !entry->member &&
           (entry_is_alive(entry) || !entry->is_over);
}

/* It is there, or alive, as it was not before. */
void entry_contend(struct hub *hub, struct entry *entry)
{
    struct rooms *rooms = hub->presence->rooms;
    bool is_kept =
        entry_is_alive(entry) &&
        session_keeps(hub, entry_socket(entry), entry->flags & OP_TAKEN, entry->replica->id);
    struct member *own = entry_may_show(entry) ? own_member(hub, entry) : NULL;
    if (!entry_may_show(entry) || (is_kept && own)) {
        return;
    }
    struct entry *holder = seat_shown(seat_find(rooms, entry->seat.room, entry_socket(entry)));
    if (holder) {
        if (entry_is_alive(entry) && (!entry_is_alive(holder) || entry_is_before(entry, holder))) {
            entry_succeed(hub, entry, holder);
        }
    } else if (!own) {
        entry_show(hub, entry, true);
    } else if (entry_is_alive(entry)) {
        entry_take_over(hub, entry, own);
    }
}
