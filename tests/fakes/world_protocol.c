/* SPDX-License-Identifier: PostgreSQL */
/* The fake protocol: a frame is a struct note and, behind it, what it lists. A history lists the
 * numbers of its events in the log, and then their digests. A list of members and its news are written as texts, as the hub
 * gives them; the first one who reads the frame turns them into numbers of entries, which are then
 * shared by all readers: ten thousand members could not compare ten thousand lists of texts.
 *
 * A client's text is that of the real wire, and so are the sizes in wire_len. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/xano.h"
#include "world_internal.h"

struct note *world_note(struct frame *frame)
{
    return (struct note *)(void *)frame->bytes;
}

static struct frame *frame_of(struct note note, struct str channel, const struct audience *audience,
                              size_t n_items, const struct buf *texts)
{
    size_t items = n_items * sizeof(uint32_t);
    world_copy(note.channel, sizeof(note.channel), channel);
    struct frame *frame = frame_new(sizeof(note) + items + (texts ? texts->len : 0), audience);
    memcpy(frame->bytes, &note, sizeof(note));
    if (texts && texts->len > 0) {
        memcpy(frame->bytes + sizeof(note) + items, texts->data, texts->len);
    }
    return frame;
}

static struct frame *plain(struct note note, struct str channel)
{
    return frame_of(note, channel, NULL, 0, NULL);
}

static void copy_socket(char to[ID_TEXT_SIZE], struct str client)
{
    static const char head[] = "{\"socketId\":\"";
    assert(client.len > sizeof(head) + ID_TEXT_SIZE && memcmp(client.ptr, head, 13) == 0);
    memcpy(to, client.ptr + 13, ID_TEXT_SIZE - 1);
    to[ID_TEXT_SIZE - 1] = '\0';
}

static void fake_client(struct str socket_id, const struct identity *identity, void *out)
{
    xano_protocol.client(socket_id, identity, out);
}

static size_t n_replay_frames; /* a protocol has no context */

size_t world_n_replay_frames(void)
{
    return n_replay_frames;
}

static struct frame *fake_event(const struct protocol_event *told, struct str view,
                                bool is_replayed)
{
    const struct event_fields *event = told->f;
    struct note note = {
        .kind = event->action == EVENT_ACTION_EVENT ? NOTE_EVENT : NOTE_MESSAGE,
        .offset = event->offset,
        .is_replayed = is_replayed,
    };
    n_replay_frames += is_replayed;
    world_copy(note.text, sizeof(note.text), told->payload);
    world_copy(note.view, sizeof(note.view), view);
    world_copy(note.moved, sizeof(note.moved), str_of(told->moved));
    note.digest = world_digest(told->moved ? told->moved : "", told->payload);
    world_copy(note.to, sizeof(note.to), event->socket_id);
    if (event->client.ptr) {
        copy_socket(note.socket, event->client);
    }
    struct frame *frame = frame_of(note, event->channel, &event->audience, 0, NULL);
    frame->offset = event->offset;
    return frame;
}

static struct frame *fake_joined(const struct protocol_joined *joined)
{
    struct note note = {.kind = NOTE_JOINED,
                        .offset = joined->offset,
                        .is_resumed = joined->is_resumed,
                        .is_gap = joined->is_gap};
    world_copy(note.view, sizeof(note.view), joined->view);
    world_copy(note.ref, sizeof(note.ref), joined->ref);
    if (joined->client.ptr) {
        copy_socket(note.socket, joined->client);
    }
    struct buf text = {0};
    buf_str(&text, joined->client);
    note.n = text.len;
    struct frame *frame = frame_of(note, joined->channel, NULL, 0, &text);
    buf_release(&text);
    return frame;
}

static struct frame *fake_left(struct str channel, struct str view, struct str ref)
{
    struct note note = {.kind = NOTE_LEFT};
    world_copy(note.ref, sizeof(note.ref), ref);
    world_copy(note.view, sizeof(note.view), view);
    return plain(note, channel);
}

static struct frame *fake_history(struct str channel, struct str view,
                                  const struct protocol_event *events, size_t n)
{
    struct note note = {.kind = NOTE_HISTORY, .n = n};
    world_copy(note.view, sizeof(note.view), view);
    if (n > 0) {
        note.first = events[0].f->offset;
        note.last = events[n - 1].f->offset;
    }
    struct frame *frame = frame_of(note, channel, NULL, 2 * n, NULL);
    uint32_t *items = (uint32_t *)(void *)(frame->bytes + sizeof(note));
    for (size_t i = 0; i < n; i++) {
        items[i] = (uint32_t)events[i].f->id - 1;
        items[n + i] = world_digest(events[i].moved ? events[i].moved : "", events[i].payload);
    }
    return frame;
}

static struct frame *fake_snapshot(const struct protocol_snapshot *snapshot)
{
    struct note note = {.kind = NOTE_ROWS,
                        .offset = snapshot->offset,
                        .is_last = snapshot->is_last,
                        .is_complete = snapshot->is_complete,
                        .digest = world_digest("", snapshot->rows)};
    for (size_t i = 0; i < snapshot->rows.len; i++) {
        note.n += snapshot->rows.ptr[i] == '{';
    }
    world_copy(note.text, sizeof(note.text), snapshot->rows);
    world_copy(note.view, sizeof(note.view), snapshot->view);
    return plain(note, snapshot->channel);
}

static void add_text(struct buf *texts, const struct protocol_member *member, uint32_t flag)
{
    uint32_t digest = member->state.ptr ? world_digest("", member->state) : 0;
    uint32_t head[3] = {(uint32_t)member->client.len, flag, digest};
    buf_add(texts, head, sizeof(head));
    buf_str(texts, member->client);
}

/* The states, as far as they fit, with blanks between. */
static void note_states(struct note *note, const struct protocol_member *members, size_t n)
{
    struct buf states = {0};
    for (size_t i = 0; i < n && members[i].state.ptr; i++) {
        buf_literal(&states, i > 0 ? " " : "");
        buf_str(&states, members[i].state);
    }
    world_copy(note->text, sizeof(note->text), buf_span(&states));
    buf_release(&states);
}

static struct frame *fake_presence_full(struct str channel, const struct protocol_member *members,
                                        size_t n)
{
    struct buf texts = {0};
    struct frame *real = xano_protocol.presence_full(channel, members, n);
    struct note note = {.kind = NOTE_FULL, .n = n, .wire_len = real->len};
    for (size_t i = 0; i < n; i++) {
        add_text(&texts, &members[i], 0);
    }
    note_states(&note, members, n);
    struct frame *frame = frame_of(note, channel, NULL, 2 * n, &texts);
    frame_unref(real);
    buf_release(&texts);
    return frame;
}

static struct frame *fake_presence_updates(struct str channel,
                                           const struct protocol_member *updates, size_t n)
{
    static const uint32_t flags[] = {
        [PROTOCOL_MEMBER_JOIN] = 0,
        [PROTOCOL_MEMBER_LEAVE] = WORLD_IS_LEAVE,
        [PROTOCOL_MEMBER_UPDATE] = WORLD_IS_UPDATE,
    };
    struct buf texts = {0};
    struct frame *real = xano_protocol.presence_updates(channel, updates, n);
    struct note note = {.kind = NOTE_UPDATES, .n = n, .wire_len = real->len};
    assert(n > 0);
    copy_socket(note.socket, updates[0].client);
    for (size_t i = 0; i < n; i++) {
        assert(!updates[i].state.ptr == !updates[0].state.ptr);
        note.n_joins += updates[i].action == PROTOCOL_MEMBER_JOIN;
        note.n_changed += updates[i].action == PROTOCOL_MEMBER_UPDATE;
        add_text(&texts, &updates[i], flags[updates[i].action]);
    }
    note_states(&note, updates, n);
    struct frame *frame = frame_of(note, channel, &real->audience, 2 * n, &texts);
    frame_unref(real);
    buf_release(&texts);
    return frame;
}

static struct frame *fake_error(const struct protocol_error *error)
{
    struct note note = {
        .kind = NOTE_ERROR, .code = error->code, .retry_after_ms = error->retry_after_ms};
    world_copy(note.text, sizeof(note.text),
               str_of(error->text ? error->text : error_code_text(error->code)));
    world_copy(note.ref, sizeof(note.ref), error->ref);
    return plain(note, error->channel);
}

static struct frame *fake_receipt(const struct protocol_receipt *receipt)
{
    struct note note = {.kind = NOTE_RECEIPT,
                        .offset = receipt->offset,
                        .is_duplicate = receipt->is_duplicate,
                        .is_dropped = receipt->is_dropped};
    world_copy(note.ref, sizeof(note.ref), receipt->ref);
    return plain(note, receipt->channel);
}

static struct frame *fake_pong(struct str ref)
{
    struct note note = {.kind = NOTE_PONG};
    world_copy(note.ref, sizeof(note.ref), ref);
    return plain(note, STR(""));
}

static struct frame *fake_txid(struct str ref, uint64_t xid)
{
    struct note note = {.kind = NOTE_TXID, .offset = xid};
    world_copy(note.ref, sizeof(note.ref), ref);
    return plain(note, STR(""));
}

static struct frame *fake_token(const struct protocol_renewal *renewal)
{
    struct note note = {.kind = NOTE_TOKEN};
    world_copy(note.ref, sizeof(note.ref), renewal->ref);
    world_copy(note.text, sizeof(note.text), renewal->expires_at);
    return plain(note, STR(""));
}

const struct protocol world_protocol = {
    .name = "fake",
    .client = fake_client,
    .event = fake_event,
    .joined = fake_joined,
    .left = fake_left,
    .history = fake_history,
    .presence_full = fake_presence_full,
    .presence_updates = fake_presence_updates,
    .error = fake_error,
    .receipt = fake_receipt,
    .pong = fake_pong,
    .txid = fake_txid,
    .token = fake_token,
    .snapshot = fake_snapshot,
};

/* ---- texts to numbers ---- */

struct entry *world_entry(struct world *world, struct str client)
{
    struct entry *entry, *other;
    HASH_FIND(hh, world->entries, client.ptr, client.len, entry);
    if (entry) {
        return entry;
    }
    entry = mem_zalloc(sizeof(*entry) + client.len);
    entry->number = world->n_entries;
    entry->len = client.len;
    entry->same = entry;
    copy_socket(entry->socket, client);
    memcpy(entry->text, client.ptr, client.len);
    /* Only a client that comes back with other extras has a second text; sockets are few then. */
    bool may_return = world->options.presence_grace_ms > 0 || world->options.bus;
    for (uint32_t i = 0; i < world->n_entries && may_return; i++) {
        other = world->by_number[i];
        if (strcmp(other->socket, entry->socket) == 0) {
            entry->same = other->same;
            other->same = entry;
            break;
        }
    }
    size_t cap = world->cap_entries;
    world->by_number =
        world_grow(world->by_number, world->n_entries, &cap, sizeof(*world->by_number));
    world->cap_entries = (uint32_t)cap;
    world->by_number[world->n_entries++] = entry;
    HASH_ADD_KEYPTR(hh, world->entries, entry->text, entry->len, entry);
    return entry;
}

static void intern(struct world *world, struct frame *frame, uint32_t *items)
{
    const struct note *note = world_note(frame);
    const uint8_t *from = (const uint8_t *)(items + 2 * note->n);
    for (size_t i = 0; i < note->n; i++) {
        uint32_t head[3];
        memcpy(head, from, sizeof(head));
        struct str text = {(const char *)from + sizeof(head), head[0]};
        items[i] = world_entry(world, text)->number | head[1];
        items[note->n + i] = head[2];
        from += sizeof(head) + text.len;
    }
}

const uint32_t *world_note_items(struct world *world, struct frame *frame)
{
    struct note *note = world_note(frame);
    uint32_t *items = (uint32_t *)(void *)(frame->bytes + sizeof(*note));
    if ((note->kind == NOTE_FULL || note->kind == NOTE_UPDATES) && !note->is_interned) {
        note->is_interned = true;
        intern(world, frame, items);
    }
    return items;
}
