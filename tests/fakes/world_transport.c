/* SPDX-License-Identifier: PostgreSQL */
/* The fake workers, and the oracles at each frame that a session receives.
 *
 * Order: after a join's acknowledgement with head H, the durable events that a session gets on that
 * channel must be those after H that it may see, without hole or repetition (a resumed join first
 * replays those of since+1 … H).
 *
 * Audience: nobody gets a frame, an event in a history or a private message that is not for him.
 *
 * Presence: a session keeps the list that it was sent and applies the news to it. It must find
 * itself in the list, is never told of itself, of somebody who is in already or of the leaving of
 * somebody who is not, and never of two clients with one socketId.
 *
 * Answers: world_refs.c.
 *
 * Whatever the hub does wrong breaks one of these, and an assert fires at the very frame. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world_internal.h"

/* ---- what a session makes of a frame ---- */

/* Nothing that it may see lies between a position that it has named and `to`. */
static bool is_start_right(struct world *world, const struct peer *peer, unsigned p, uint64_t to)
{
    for (uint64_t since = 0; since < WORLD_MAX_LOG && since <= to; since++) {
        if ((peer->places[p].sinces[since / 64] >> since % 64 & 1u) &&
            !world_has_visible(world, peer, p, since, to)) {
            return true;
        }
    }
    return false;
}

/* Who was held and grouped anew is replayed what came meanwhile: that is beyond the replay's end. */
static void check_durable(struct world *world, struct peer *peer, unsigned p, uint64_t offset,
                          bool is_replayed)
{
    struct place *place = &peer->places[p];
    assert(place->is_member);
    if (is_replayed && offset <= place->replay_end) {
        assert(!place->owes_start || is_start_right(world, peer, p, offset - 1));
        place->owes_start = false;
        assert(place->replay_at == 0 ||
               (offset > place->replay_at &&
                !world_has_visible(world, peer, p, place->replay_at, offset - 1)));
        place->replay_at = offset;
    } else {
        assert(!is_replayed || world->n_versions > 1);
        assert(!place->owes_start || is_start_right(world, peer, p, place->replay_end));
        place->owes_start = false;
        assert(place->replay_at == 0 ||
               !world_has_visible(world, peer, p, place->replay_at, place->replay_end));
        assert(offset > place->position);
        assert(!world_has_visible(world, peer, p, place->position, offset - 1));
        place->position = offset;
    }
}

/* Whoever is grouped anew while rows wait for their judges has a gap that no row explains. */
static bool is_lossy(const struct world *world)
{
    return world->options.expects_gaps || world->n_versions > 2;
}

static void check_gap(struct world *world, struct peer *peer, unsigned p, uint64_t offset,
                      bool is_replayed)
{
    struct place *place = &peer->places[p];
    if (!is_lossy(world)) {
        check_durable(world, peer, p, offset, is_replayed);
        return;
    }
    assert(place->is_member);
    place->position = offset > place->position ? offset : place->position;
    place->owes_start = false;
    place->replay_at = offset < place->replay_end ? offset : place->replay_end;
}

/* A history ends where nobody can say who may see a row. */
static bool has_gap(struct world *world, const struct peer *peer, unsigned p, uint64_t from,
                    uint64_t to)
{
    enum world_filter filter = (enum world_filter)(p / WORLD_CHANNELS);
    for (uint64_t offset = from + 1; offset <= to; offset++) {
        const struct event *event = world->by_channel[p % WORLD_CHANNELS][offset - 1];
        if (world_told(world, event, peer->who, filter).kind == TOLD_GAP) {
            return true;
        }
    }
    return false;
}

static void check_history(struct world *world, struct peer *peer, unsigned p, struct frame *frame)
{
    struct place *place = &peer->places[p];
    const struct note *note = world_note(frame);
    const uint32_t *items = world_note_items(world, frame);
    size_t version = place->version;
    assert(place->is_member);
    place->version = world->n_versions - 1; /* it is judged now */
    for (size_t i = 0; i < note->n; i++) {
        const struct event *event = world->log[items[i]];
        struct world_told told =
            world_told(world, event, peer->who, (enum world_filter)(p / WORLD_CHANNELS));
        assert(world_channel_index(event->f.channel) == p % WORLD_CHANNELS);
        assert(told.kind == TOLD_EVENT && told.digest == items[note->n + i]);
        if (i > 0) {
            uint64_t before = world->log[items[i - 1]]->f.offset;
            assert(event->f.offset > before);
            assert(!world_has_visible(world, peer, p, before, event->f.offset - 1));
        }
    }
    place->version = version;
    if (place->owes_history) {
        assert(!world_has_visible(world, peer, p, note->last, place->position) ||
               has_gap(world, peer, p, note->last, place->position));
        place->owes_history = false;
    }
}

/* The set of a list, which most of its readers share. */
static const struct bits *read_list(struct world *world, struct frame *frame)
{
    const struct note *note = world_note(frame);
    const uint32_t *items = world_note_items(world, frame);
    struct bits *list = &world->newest_list;
    if (frame == world->newest_full) {
        return list;
    }
    frame_unref(world->newest_full);
    world->newest_full = frame_ref(frame);
    bits_release(list);
    for (size_t i = 0; i < note->n; i++) {
        assert(!bits_has(list, items[i]));
        bits_set(list, items[i], true);
        for (const struct entry *entry = world->by_number[items[i]]->same;
             entry->number != items[i]; entry = entry->same) {
            assert(!bits_has(list, entry->number));
        }
    }
    return list;
}

static void forget_states(struct place *place)
{
    free(place->states);
    place->states = NULL;
    place->n_states = 0;
}

static void note_state(struct place *place, uint32_t number, uint32_t digest)
{
    if (digest == 0) {
        return;
    }
    if (number >= place->n_states) {
        place->states = mem_array(place->states, number + 1, sizeof(*place->states));
        memset(place->states + place->n_states, 0,
               (number + 1 - place->n_states) * sizeof(*place->states));
        place->n_states = number + 1;
    }
    place->states[number] = digest;
}

static void check_list(struct world *world, const struct peer *peer, struct place *place,
                       struct frame *frame)
{
    assert(place->is_member);
    if (world_note(frame)->n == 0) { /* the rule lists nobody; who is listed is in his list */
        return;
    }
    bits_copy(&place->list, read_list(world, frame));
    place->has_list = true;
    const uint32_t *items = world_note_items(world, frame);
    size_t n = world_note(frame)->n;
    forget_states(place);
    for (size_t i = 0; i < n && items[n] != 0; i++) {
        note_state(place, items[i], items[n + i]);
    }
    assert(bits_has(&place->list, peer->self->number));
}

static void check_updates(struct world *world, const struct peer *peer, struct place *place,
                          struct frame *frame)
{
    const struct note *note = world_note(frame);
    const uint32_t *items = world_note_items(world, frame);
    assert(place->is_member && place->has_list);
    for (size_t i = 0; i < note->n; i++) {
        const struct entry *entry =
            world->by_number[items[i] & ~(WORLD_IS_LEAVE | WORLD_IS_UPDATE)];
        bool is_join = !(items[i] & WORLD_IS_LEAVE);
        note_state(place, entry->number, items[note->n + i]);
        if (items[i] & WORLD_IS_UPDATE) {
            assert(bits_has(&place->list, entry->number));
            continue;
        }
        assert(entry != peer->self);
        assert(bits_has(&place->list, entry->number) != is_join);
        bits_set(&place->list, entry->number, is_join);
        for (const struct entry *same = entry->same; same != entry; same = same->same) {
            assert(same != peer->self && !(is_join && bits_has(&place->list, same->number)));
        }
    }
}

static void check_joined(struct world *world, struct peer *peer, unsigned p, struct frame *frame)
{
    const struct note *note = world_note(frame);
    struct place *place = &peer->places[p];
    if (note->n == 0) { /* nobody asked */
        assert(note->is_gap && place->is_member);
        return;
    }
    struct str text = {(const char *)frame->bytes + sizeof(*note), note->n};
    struct entry *self = note->n > 0 ? world_entry(world, text) : peer->self; /* a gap has none */
    assert(!peer->self || peer->self == self);
    peer->self = self;
    assert(!place->is_member || note->is_resumed || note->is_gap ||
           note->offset >= place->position);
    place->owes_history = place->is_member && !note->is_resumed && !note->is_gap &&
                          world_has_visible(world, peer, p, place->position, note->offset);
    place->has_list = place->has_list && place->is_member;
    place->is_member = true;
    place->position = note->offset;
    place->replay_end = note->is_resumed ? note->offset : 0;
    place->replay_at = 0;
    place->owes_start = note->is_resumed;
    place->version = world->n_versions - 1;
}

static void check_event(struct world *world, struct peer *peer, unsigned p, struct frame *frame)
{
    const struct note *note = world_note(frame);
    const struct identity *who = world->identities[peer->who];
    bool is_echo =
        frame->audience.kind == AUDIENCE_USER && strcmp(note->socket, peer->self->socket) == 0;
    assert(is_echo || audience_admits(&frame->audience, who));
    assert(who || strcmp(note->text, "A") != 0);
    if (note->to[0]) {
        assert(strcmp(note->to, peer->self->socket) == 0 ||
               strcmp(note->socket, peer->self->socket) == 0);
    }
    if (note->offset > 0) {
        check_durable(world, peer, p, note->offset, note->is_replayed);
    } else {
        assert(peer->places[p].is_member);
    }
}

/* Judged when the hub says it, which may be long before it is let through, or it never is: this is what
 * the peer is told of the event. */
static bool is_told(struct world *world, const struct peer *peer, struct frame *frame)
{
    const struct note *note = world_note(frame);
    if (frame->offset == 0) {
        return true;
    }
    unsigned p = world_place_of(world, note);
    const struct event *event = world->by_channel[p % WORLD_CHANNELS][frame->offset - 1];
    struct world_told told =
        world_told(world, event, peer->who, (enum world_filter)(p / WORLD_CHANNELS));
    if (note->kind == NOTE_JOINED) {
        return told.kind == TOLD_GAP || is_lossy(world);
    }
    return !event->f.shape || (told.kind == TOLD_EVENT && told.digest == note->digest);
}

static void remember(struct world *world, struct peer *peer, const struct note *note)
{
    if (!world->options.keeps_no_notes) {
        peer->notes = world_grow(peer->notes, peer->n_notes, &peer->cap_notes, sizeof(*note));
        peer->notes[peer->n_notes++] = *note;
    }
}

static void remove_from(struct peer *peer, unsigned c)
{
    for (unsigned p = c; p < WORLD_PLACES; p += WORLD_CHANNELS) {
        struct place *place = &peer->places[p];
        place->is_member = place->has_list = place->owes_history = false;
    }
}

/* The rows as they are to be seen now; and at the end all that came since, so that nothing is owed. */
static void check_rows(struct world *world, struct peer *peer, unsigned p, const struct note *note)
{
    struct place *place = &peer->places[p];
    assert(place->is_member);
    if (note->is_last) {
        assert(note->offset >= place->position);
        assert(!world_has_visible(world, peer, p, place->position, note->offset));
        place->position = note->offset;
        place->owes_history = false;
    } else {
        assert(note->digest == world_digest_rows(world, p % WORLD_CHANNELS, peer->who));
    }
}

static void receive(struct world *world, struct peer *peer, struct frame *frame, bool is_sent)
{
    const struct note *note = world_note(frame);
    unsigned p = note->channel[0] ? world_place_of(world, note) : 0;
    struct place *place = &peer->places[p];
    remember(world, peer, note);
    world_check_ref(peer, note);
    assert(!place->owes_history || note->kind == NOTE_ERROR || note->kind == NOTE_FULL ||
           note->kind == NOTE_HISTORY || note->kind == NOTE_ROWS || note->to[0]);
    switch (note->kind) {
    case NOTE_JOINED:
        if (frame->offset > 0) { /* a gap among the events */
            check_gap(world, peer, p, frame->offset, is_sent);
        } else {
            check_joined(world, peer, p, frame);
        }
        break;
    case NOTE_LEFT:
        place->is_member = place->has_list = false;
        break;
    case NOTE_EVENT:
    case NOTE_MESSAGE:
        check_event(world, peer, p, frame);
        break;
    case NOTE_HISTORY:
        check_history(world, peer, p, frame);
        break;
    case NOTE_ERROR:
        if (note->code == ERROR_CODE_REMOVED && note->channel[0]) {
            remove_from(peer, p);
        }
        break;
    case NOTE_FULL:
        world->stats.full_sent++;
        world->stats.sent_bytes += note->wire_len;
        check_list(world, peer, place, frame);
        break;
    case NOTE_UPDATES:
        world->stats.update_frames_sent++;
        world->stats.sent_bytes += note->wire_len;
        check_updates(world, peer, place, frame);
        break;
    case NOTE_ROWS:
        check_rows(world, peer, p, note);
        break;
    case NOTE_RECEIPT:
    case NOTE_PONG:
    case NOTE_TXID:
    case NOTE_TOKEN:
        break;
    }
}

/* ---- workers ---- */

static void fake_send(void *ctx, struct session_id to, struct frame *frame)
{
    struct world *world = ctx;
    struct peer *peer = world_peer_of(world, to);
    const struct note *note = world_note(frame);
    assert(frame->audience.kind < AUDIENCE_PRESENCE);
    if (note->kind == NOTE_FULL && !note->is_interned) {
        world->stats.full_encoded++;
        world->stats.full_encoded_bytes += note->wire_len;
    }
    if (peer) {
        assert(is_told(world, peer, frame));
        receive(world, peer, frame, true);
    }
}

struct sub *world_find_sub(struct peer *peer, uint32_t number)
{
    for (size_t i = 0; i < peer->n_subs; i++) {
        if (peer->subs[i].number == number) {
            return &peer->subs[i];
        }
    }
    return NULL;
}

static void pass(struct world *world, struct peer *peer, uint32_t number, struct waiting news)
{
    const struct sub *sub = world_find_sub(peer, number);
    if (news.frame->offset == 0 || news.frame->offset > sub->skip_to) {
        assert(news.is_right);
        receive(world, peer, news.frame, false);
    }
}

static bool is_for(const struct peer *peer, const struct sub *sub, const struct frame *frame)
{
    return frame->audience.kind == AUDIENCE_PRESENCE ? sub->wish == PRESENCE_WISH_LIST
           : frame->audience.kind == AUDIENCE_STATES
               ? sub->wish == PRESENCE_WISH_STATES
               : audience_admits(&frame->audience, peer->on_worker);
}

static void count_update(struct world *world, struct frame *frame)
{
    const struct note *note = world_note(frame);
    if (note->kind != NOTE_UPDATES || note->is_interned) {
        return; /* another worker had it */
    }
    world_note_items(world, frame);
    world->stats.update_frames++;
    world->stats.updates += note->n;
    world->stats.update_encoded_bytes += note->wire_len;
}

static void fake_publish(void *ctx, uint32_t worker, uint32_t channel, struct frame *frame)
{
    struct world *world = ctx;
    assert(!world_note(frame)->to[0]);
    count_update(world, frame);
    for (unsigned slot = 0; slot < world->options.slots; slot++) {
        struct peer *peer = world_peer(world, worker, slot);
        struct sub *sub = peer->is_open && !peer->close_code ? world_find_sub(peer, channel) : NULL;
        if (!sub || !is_for(peer, sub, frame)) {
            continue;
        }
        struct waiting news = {frame, is_told(world, peer, frame)};
        if (sub->is_held) {
            frame_ref(frame);
            sub->waiting = mem_array(sub->waiting, sub->n_waiting + 1, sizeof(*sub->waiting));
            sub->waiting[sub->n_waiting++] = news;
        } else {
            pass(world, peer, channel, news);
        }
    }
}

static void fake_attach(void *ctx, struct session_id session, uint32_t channel, bool is_held)
{
    struct peer *peer = world_peer_of(ctx, session);
    if (peer) {
        assert(!world_find_sub(peer, channel) && peer->n_subs < MAX_SUBS);
        peer->subs[peer->n_subs++] = (struct sub){.number = channel, .is_held = is_held};
    }
}

static void drop_waiting(struct sub *sub)
{
    for (size_t i = 0; i < sub->n_waiting; i++) {
        frame_unref(sub->waiting[i].frame);
    }
    free(sub->waiting);
    sub->waiting = NULL;
    sub->n_waiting = 0;
}

static void fake_resume_live(void *ctx, struct session_id session, uint32_t channel,
                             uint64_t skip_to, enum presence_wish wish)
{
    struct world *world = ctx;
    struct peer *peer = world_peer_of(world, session);
    if (!peer) {
        return;
    }
    struct sub *sub = world_find_sub(peer, channel);
    assert(sub);
    sub->wish = wish;
    if (!sub->is_held) {
        return;
    }
    sub->is_held = false;
    sub->skip_to = skip_to;
    for (size_t i = 0; i < sub->n_waiting; i++) {
        pass(world, peer, channel, sub->waiting[i]);
    }
    drop_waiting(sub);
}

static void fake_detach(void *ctx, struct session_id session, uint32_t channel)
{
    struct peer *peer = world_peer_of(ctx, session);
    if (peer) {
        struct sub *sub = world_find_sub(peer, channel);
        assert(sub);
        drop_waiting(sub);
        *sub = peer->subs[--peer->n_subs];
    }
}

static void fake_await_drain(void *ctx, struct session_id session)
{
    struct peer *peer = world_peer_of(ctx, session);
    if (peer) {
        assert(!peer->owes_drain);
        peer->owes_drain = true;
    }
}

void world_drop_peer(struct peer *peer)
{
    for (size_t i = 0; i < peer->n_subs; i++) {
        drop_waiting(&peer->subs[i]);
    }
    for (unsigned p = 0; p < WORLD_PLACES; p++) {
        bits_release(&peer->places[p].list);
        forget_states(&peer->places[p]);
    }
    identity_unref(peer->on_worker);
    peer->on_worker = NULL;
    peer->n_subs = 0;
    peer->is_open = false;
}

static void fake_identify(void *ctx, struct session_id session, struct identity *identity)
{
    struct peer *peer = world_peer_of(ctx, session);
    if (peer) {
        struct world *world = ctx;
        assert(identity);
        identity_unref(peer->on_worker);
        peer->on_worker = identity_ref(identity);
        while (world->identities[peer->who] != identity) {
            peer->who = (peer->who + 1) % WHO_COUNT;
        }
    }
}

static void fake_close(void *ctx, struct session_id session, uint16_t code, const char *reason)
{
    (void)reason;
    struct peer *peer = world_peer_of(ctx, session);
    if (peer) {
        peer->close_code = code;
    }
}

static void fake_gate(void *ctx, struct site_gate *gate)
{
    (void)ctx, (void)gate;
}

static void fake_close_all(void *ctx, uint16_t code, const char *reason, uint32_t spread_ms)
{
    (void)reason, (void)spread_ms;
    struct world *world = ctx;
    for (uint32_t i = 0; i < world->n_peers; i++) {
        if (world->peers[i].is_open && !world->peers[i].close_code) {
            world->peers[i].close_code = code;
        }
    }
}

static void fake_flush(void *ctx)
{
    (void)ctx;
}

struct transport world_transport(struct world *world)
{
    return (struct transport){
        .ctx = world,
        .send = fake_send,
        .publish = fake_publish,
        .attach = fake_attach,
        .resume_live = fake_resume_live,
        .detach = fake_detach,
        .await_drain = fake_await_drain,
        .identify = fake_identify,
        .close = fake_close,
        .gate = fake_gate,
        .close_all = fake_close_all,
        .flush = fake_flush,
    };
}
