/* SPDX-License-Identifier: PostgreSQL */
/* What SQL is told of the lists (the view herald.presence): the changes that clients are told, a
 * few times a second and many in one write. It is for people and queries, so a database that is
 * away misses nothing: it is told all when it is back. */
#include "core/hub/presence/told.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/presence/member.h"

enum {
    TELL_MS = 500,   /* between two writes */
    TELL_MAX = 5000, /* changes in one of them */
};

void told_note(struct hub *hub, struct member *member, bool is_join)
{
    struct told *told = &hub->presence->told;
    if (!hub->is_up || member->is_remote) {
        return; /* it is told all when it is up again; of those of other nodes by these */
    }
    if (told->n == told->cap) {
        told->cap = told->cap > 0 ? told->cap * 2 : 64;
        told->list = mem_array(told->list, told->cap, sizeof(*told->list));
    }
    told->list[told->n++] = (struct told_change){member, is_join};
    member->refs++;
}

static void told_forget(struct told *told)
{
    for (size_t i = 0; i < told->n; i++) {
        member_unref(told->list[i].member);
    }
    free(told->list);
    *told = (struct told){.is_reset = told->is_reset, .at_ms = told->at_ms};
}

static void told_send(struct hub *hub)
{
    struct told *told = &hub->presence->told;
    struct presence_news *members = mem_array(NULL, TELL_MAX, sizeof(*members));
    bool is_reset = told->is_reset;
    for (size_t i = 0; i < told->n || is_reset;) {
        size_t n = 0;
        for (; n < TELL_MAX && i < told->n; n++, i++) {
            const struct member *member = told->list[i].member;
            members[n] = (struct presence_news){
                .is_join = told->list[i].is_join,
                .channel = member->name,
                .socket_id = str_of(member->socket_id),
                .identity = member->identity,
                .since_ms = member->since_ms,
            };
        }
        hub->store->presence.tell(hub->store->presence.ctx, is_reset, members, n);
        is_reset = false;
    }
    free(members);
    told->is_reset = false;
    told->at_ms = hub->now_ms;
    told_forget(told);
}

void told_reset(struct told *told)
{
    told_forget(told);
    told->is_reset = true;
}

void told_tick(struct hub *hub)
{
    const struct told *told = &hub->presence->told;
    bool has_news = told->n > 0 || told->is_reset;
    if (hub->is_up && has_news && hub->now_ms - told->at_ms >= TELL_MS) {
        told_send(hub);
    }
}

void told_release(struct told *told)
{
    told_forget(told);
}
