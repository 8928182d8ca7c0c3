/* SPDX-License-Identifier: PostgreSQL */
/* Most members set none, and an idle one costs nothing: a table of the channel has those who did.
 *
 * A state that was set is news until it was told: at once, or when its member's last news are old enough, or when the channel may be told again. For
 * news of n members go to n members: what a channel is told in bytes, times its members, has a bound
 * in time. So the more there are the more is gathered, and of each member only the newest is told.
 *
 * An update is about somebody in the announced list: one who arrives brings his state with his join. The
 * list that somebody is sent may be ahead of the news, which then say the same once more; behind what
 * was told it never is. */
#include "core/hub/presence/states.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/nodes/share.h"

enum {
    STATES_BYTES = 256 * 1024, /* of a channel: so much more has its list */
    NEWS_MS = 200,             /* between two of a member: five a second */
    TOLD_BYTES_PER_MS = 50000, /* of a channel, to all its members */
};

struct stated { /* a member that has set one */
    UT_hash_handle hh;
    struct member *member;
    struct stated *prev, *next; /* among those with news, the oldest first */
    bool is_news;
    uint64_t told_ms; /* its last news, 0: none */
    size_t len;       /* of the text; 0: it has taken its state back */
    char *text;       /* JSON of an object */
};

struct states { /* of a channel */
    struct channel *channel;
    struct states *prev, *next; /* in the book, among those with news */
    struct stated *by_member;
    struct stated *news;
    size_t bytes;
    uint64_t next_ms;   /* not to be told before */
    struct frame *full; /* the list with states; NULL: to be encoded when somebody wants it */
    bool is_watched;
};

/* ---- the table ---- */

static struct states *states_open(struct channel *channel)
{
    struct presence *presence = channel->presence;
    if (!presence->states) {
        presence->states = mem_zalloc(sizeof(*presence->states));
        presence->states->channel = channel;
    }
    return presence->states;
}

static struct stated *stated_find(const struct presence *presence, const struct member *member)
{
    struct stated *stated = NULL;
    if (presence->states) {
        HASH_FIND_PTR(presence->states->by_member, &member, stated);
    }
    return stated;
}

static struct stated *stated_open(struct states *states, struct member *member)
{
    struct stated *stated = stated_find(states->channel->presence, member);
    if (!stated) {
        stated = mem_zalloc(sizeof(*stated));
        stated->member = member;
        HASH_ADD_PTR(states->by_member, member, stated);
    }
    return stated;
}

struct str state_of(const struct presence *presence, const struct member *member)
{
    const struct stated *stated = stated_find(presence, member);
    return state_or_null(stated ? (struct str){stated->text, stated->len} : (struct str){0});
}

bool states_are_watched(const struct presence *presence)
{
    return presence->states && presence->states->is_watched;
}

struct frame **states_watch(struct channel *channel)
{
    struct states *states = states_open(channel);
    states->is_watched = true;
    return &states->full;
}

void states_void(struct presence *presence)
{
    if (presence->states) {
        frame_unref(presence->states->full);
        presence->states->full = NULL;
    }
}

/* ---- news ---- */

static void news_add(struct hub *hub, struct states *states, struct stated *stated)
{
    if (stated->is_news) {
        return;
    }
    if (!states->news) {
        DL_APPEND(hub->presence->with_news, states);
    }
    stated->is_news = true;
    DL_APPEND(states->news, stated);
}

static void news_remove(struct hub *hub, struct states *states, struct stated *stated)
{
    if (!stated->is_news) {
        return;
    }
    stated->is_news = false;
    DL_DELETE(states->news, stated);
    if (!states->news) {
        DL_DELETE(hub->presence->with_news, states);
    }
}

void state_forget(struct hub *hub, struct presence *presence, const struct member *member)
{
    struct stated *stated = stated_find(presence, member);
    if (stated) {
        news_remove(hub, presence->states, stated);
        HASH_DEL(presence->states->by_member, stated);
        presence->states->bytes -= stated->len;
        free(stated->text);
        free(stated);
    }
}

void states_free(struct hub *hub, struct presence *presence)
{
    struct states *states = presence->states;
    while (states && states->by_member) {
        state_forget(hub, presence, states->by_member->member);
    }
    states_void(presence);
    free(states);
    presence->states = NULL;
}

static bool is_due(const struct hub *hub, const struct stated *stated)
{
    return stated->told_ms == 0 || hub->now_ms - stated->told_ms >= NEWS_MS;
}

/* Takes those that are due off the list. Returns how many. */
static size_t news_take(struct hub *hub, struct states *states, struct protocol_member *updates)
{
    struct stated *stated, *next;
    size_t n = 0;
    DL_FOREACH_SAFE(states->news, stated, next)
    {
        if (is_due(hub, stated)) {
            updates[n++] = (struct protocol_member){
                .action = PROTOCOL_MEMBER_UPDATE,
                .client = stated->member->client,
                .state = state_of(states->channel->presence, stated->member),
            };
            stated->told_ms = hub->now_ms;
            share_state(hub, stated->member, updates[n - 1].state);
            news_remove(hub, states, stated);
        }
    }
    return n;
}

static void states_tell(struct hub *hub, struct states *states)
{
    const struct channel *channel = states->channel;
    struct protocol_member *updates =
        mem_array(NULL, HASH_COUNT(states->by_member), sizeof(*updates));
    size_t n = news_take(hub, states, updates);
    states_void(channel->presence);
    if (n > 0 && states->is_watched && channel->groups.n_plain > 0) {
        struct frame *frame = hub->protocol->presence_updates(channel_name(channel), updates, n);
        uint64_t bytes = (uint64_t)frame->len * channel->groups.n_plain_subscribers;
        states->next_ms = hub->now_ms + bytes / TOLD_BYTES_PER_MS;
        say_to_channel(hub, channel, frame);
    }
    free(updates);
}

void states_tick(struct hub *hub)
{
    struct states *states, *next;
    DL_FOREACH_SAFE(hub->presence->with_news, states, next)
    {
        if (states->next_ms <= hub->now_ms) {
            states_tell(hub, states);
        }
    }
}

/* ---- setting one ---- */

static bool states_have_room(const struct states *states, const struct stated *stated, size_t len)
{
    return states->bytes - stated->len + len <= STATES_BYTES;
}

static size_t state_len(struct str text)
{
    return str_equals(text, STR("null")) ? 0 : text.len;
}

void state_put(struct hub *hub, struct member *member, struct str text)
{
    struct states *states = states_open(member->channel);
    struct stated *stated = stated_open(states, member);
    size_t len = state_len(text);
    states->bytes += len - stated->len;
    free(stated->text);
    stated->text = len > 0 ? str_dup(text) : NULL;
    stated->len = len;
    if (member->state == MEMBER_STATE_ARRIVING) {
        share_state(hub, member, state_of(member->channel->presence, member));
    } else if (member->state == MEMBER_STATE_LISTED) {
        news_add(hub, states, stated);
        if (is_due(hub, stated) && states->next_ms <= hub->now_ms) {
            states_tell(hub, states);
        }
    }
}

bool state_set(struct hub *hub, struct member *member, struct str text)
{
    struct states *states = states_open(member->channel);
    if (!states_have_room(states, stated_open(states, member), state_len(text))) {
        return false;
    }
    state_put(hub, member, text);
    return true;
}
