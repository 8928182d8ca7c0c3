/* SPDX-License-Identifier: PostgreSQL */
/* An entry in a list: whom it shows, as text that is made once. It outlives its place in the list
 * for as long as SQL has to be told of it. */
#include "core/hub/presence/member.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"

struct member *member_new(const struct hub *hub, const struct session *session,
                          struct channel *channel)
{
    struct buf client = {0};
    struct str json = say_client_json(hub, session, &client);
    struct member *member = mem_zalloc(sizeof(*member) + json.len + channel->name_len);
    member->refs = 1;
    member->channel = channel;
    member->session = session->id;
    member->identity = identity_ref(session->identity);
    member->since_ms = hub->wall_ms;
    memcpy(member->socket_id, session->socket_id, sizeof(member->socket_id));
    memcpy(member->data, json.ptr, json.len);
    memcpy(member->data + json.len, channel->name, channel->name_len);
    member->client = (struct str){member->data, json.len};
    member->name = (struct str){member->data + json.len, channel->name_len};
    buf_release(&client);
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
