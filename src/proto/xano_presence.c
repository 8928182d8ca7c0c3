/* SPDX-License-Identifier: PostgreSQL */
/* The list of members and its news. The stock client's app would meet an action that it does not know
 * in an update, and an unknown member in a list: so what is told with states is other frames, for
 * those who asked for them. */
#include "proto/xano_presence.h"

#include "proto/xano_writer.h"

/* A client's JSON, with one more member if its state is told. */
static void put_member(struct writer *w, const struct protocol_member *member)
{
    if (!member->state.ptr) {
        put(w, member->client);
        return;
    }
    put(w, (struct str){member->client.ptr, member->client.len - 1});
    put(w, STR(",\"state\":"));
    put(w, member->state);
    put(w, STR("}"));
}

struct presence_full {
    struct str channel;
    const struct protocol_member *members;
    size_t n;
};

static void write_presence_full(struct writer *w, const void *what)
{
    const struct presence_full *full = what;
    put(w, STR("{\"action\":\"presence_full\",\"client\":null,\"options\":{\"channel\":"));
    put_quoted(w, full->channel);
    put(w, STR("},\"payload\":{\"presence\":["));
    for (size_t i = 0; i < full->n; i++) {
        if (i > 0)
            put(w, STR(","));
        put_member(w, &full->members[i]);
    }
    put(w, STR("]}}"));
}

struct frame *xano_presence_full(struct str channel, const struct protocol_member *members,
                                 size_t n)
{
    return frame_of(write_presence_full, &(struct presence_full){channel, members, n});
}

struct presence_update {
    struct str channel;
    const struct protocol_member *change;
};

static void write_presence_update(struct writer *w, const void *what)
{
    static const struct str actions[] = {
        [PROTOCOL_MEMBER_JOIN] = {"join", 4},
        [PROTOCOL_MEMBER_LEAVE] = {"leave", 5},
        [PROTOCOL_MEMBER_UPDATE] = {"update", 6},
    };
    const struct presence_update *update = what;
    put(w, STR("{\"action\":\"presence_update\",\"client\":null,\"options\":{\"channel\":"));
    put_quoted(w, update->channel);
    put(w, STR("},\"payload\":{\"action\":\""));
    put(w, actions[update->change->action]);
    put(w, STR("\",\"presence\":"));
    put_member(w, update->change);
    put(w, STR("}}"));
}

/* Several messages in one frame: a large channel's burst is one entry in each queue. */
struct frame *xano_presence_updates(struct str channel, const struct protocol_member *updates,
                                    size_t n)
{
    struct audience audience = {.kind = updates->state.ptr ? AUDIENCE_STATES : AUDIENCE_PRESENCE};
    uint8_t header[RFC6455_HEADER_MAX];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        struct writer counter = {0};
        write_presence_update(&counter, &(struct presence_update){channel, &updates[i]});
        len += rfc6455_header(header, RFC6455_OPCODE_TEXT, counter.len) + counter.len;
    }
    struct frame *frame = frame_new(len, &audience);
    uint8_t *to = frame->bytes;
    for (size_t i = 0; i < n; i++) {
        struct presence_update update = {channel, &updates[i]};
        struct writer counter = {0};
        write_presence_update(&counter, &update);
        size_t header_len = rfc6455_header(header, RFC6455_OPCODE_TEXT, counter.len);
        memcpy(to, header, header_len);
        struct writer writer = {.to = to + header_len};
        write_presence_update(&writer, &update);
        to += header_len + writer.len;
    }
    return frame;
}
