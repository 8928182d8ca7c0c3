/* SPDX-License-Identifier: PostgreSQL */
/* An entry in a list: whom it shows, as text that is made once. It outlives its place in the list
 * for as long as SQL has to be told of it. */
#include "core/hub/presence/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/nodes/book.h"

static struct member *member_make(struct channel *channel, struct str client)
{
    struct member *member = mem_zalloc(sizeof(*member) + client.len + channel->name_len);
    member->refs = 1;
    member->channel = channel;
    memcpy(member->data, client.ptr, client.len);
    memcpy(member->data + client.len, channel->name, channel->name_len);
    member->client = (struct str){member->data, client.len};
    member->name = (struct str){member->data + client.len, channel->name_len};
    return member;
}

struct member *member_new(const struct hub *hub, const struct session *session,
                          struct channel *channel)
{
    struct buf client = {0};
    struct member *member = member_make(channel, say_client_json(hub, session, &client));
    member->session = session->id;
    member->is_taken = session->is_taken;
    member->identity = identity_ref(session->identity);
    member->since_ms = hub->wall_ms;
    memcpy(member->socket_id, session->socket_id, sizeof(member->socket_id));
    buf_release(&client);
    return member;
}

struct member *member_new_remote(struct channel *channel, struct entry *entry)
{
    struct member *member = member_make(channel, entry->client);
    member->is_remote = true;
    member->entry = entry;
    member->identity = identity_ref(entry->identity);
    member->since_ms = entry->since_ms;
    memcpy(member->socket_id, entry->seat.socket_id, sizeof(entry->seat.socket_id));
    return member;
}

void member_unref(struct member *member)
{
    if (--member->refs == 0) {
        identity_unref(member->identity);
        free(member);
    }
}

bool member_shows(const struct hub *hub, const struct session *session, const struct member *member)
{
    struct buf client = {0};
    bool is_same = str_equals(say_client_json(hub, session, &client), member->client);
    buf_release(&client);
    return is_same;
}
