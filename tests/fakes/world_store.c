/* SPDX-License-Identifier: PostgreSQL */
/* The fake database's log: what is committed, what the hub has heard of it, reads and appends. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world_internal.h"

/* ---- who may see what ---- */

struct world_told world_told(struct world *world, const struct event *event, enum world_who who,
                             enum world_filter filter)
{
    struct world_told told = {.kind = TOLD_NOTHING};
    if (event->f.shape) {
        return world_told_row(world, world->n_versions - 1, event, who, filter);
    }
    if (filter == WORLD_PLAIN && audience_admits(&event->f.audience, world->identities[who])) {
        told.kind = TOLD_EVENT;
        told.digest = world_digest("", event->f.payload);
    }
    return told;
}

static bool must_be_told(struct world *world, const struct event *event, enum world_who who,
                         enum world_filter filter, size_t version)
{
    if (!event->f.shape) {
        return world_told(world, event, who, filter).kind != TOLD_NOTHING;
    }
    const struct row_change *change = &world->changes[event->f.id - 1];
    bool is_delivered = event->f.id <= world->n_delivered;
    size_t first = is_delivered && change->delivered < version ? change->delivered : version;
    first = first > change->version ? first : change->version;
    for (size_t i = first; i < world->n_versions; i++) {
        if (world_told_row(world, i, event, who, filter).kind == TOLD_NOTHING) {
            return false;
        }
    }
    return true;
}

bool world_has_visible(struct world *world, const struct peer *peer, unsigned place, uint64_t from,
                       uint64_t to)
{
    unsigned channel = place % WORLD_CHANNELS;
    for (uint64_t offset = from + 1; offset <= to; offset++) {
        assert(offset <= world->heads[channel]);
        if (must_be_told(world, world->by_channel[channel][offset - 1], peer->who,
                         (enum world_filter)(place / WORLD_CHANNELS),
                         peer->places[place].version)) {
            return true;
        }
    }
    return false;
}

/* ---- the log ---- */

void world_add_to_log(struct world *world, struct event_fields fields, struct session_id sender)
{
    if (world->n_log == WORLD_MAX_LOG) {
        return;
    }
    unsigned c = world_channel_index(fields.channel);
    fields.id = world->n_log + 1;
    fields.offset = ++world->heads[c];
    fields.at = STR("2026-01-01T00:00:00.000Z");
    struct event *event = event_new(&fields);
    world->by_channel[c][fields.offset - 1] = event;
    world->senders[world->n_log] = sender;
    world->log[world->n_log++] = event;
}

void world_commit_for(struct world *world, unsigned channel, struct audience audience)
{
    world_add_to_log(world,
                     (struct event_fields){.action = EVENT_ACTION_EVENT,
                                           .audience = audience,
                                           .channel = str_of(world_channel_name(channel)),
                                           .payload = STR("{}")},
                     (struct session_id){0});
}

void world_commit(struct world *world, unsigned channel)
{
    world_commit_for(world, channel, (struct audience){.kind = AUDIENCE_ALL});
}

void world_commit_reread(struct world *world, enum world_who who)
{
    const struct identity *identity = world->identities[who];
    world_add_to_log(world,
                     (struct event_fields){.action = EVENT_ACTION_EVENT,
                                           .audience = {.kind = AUDIENCE_USER,
                                                        .dbo_id = identity->dbo_id,
                                                        .row_id = identity->row_id},
                                           .channel = EVENT_REREAD_CHANNEL,
                                           .payload = STR("{}")},
                     (struct session_id){0});
}

uint64_t world_head(struct world *world, unsigned channel)
{
    return world->heads[channel];
}

static void tell_receipt(struct world *world, struct session_id sender, const struct event *event,
                         const char *ref, bool is_duplicate)
{
    struct store_receipt receipt = {.sender = sender,
                                    .channel = event->f.channel,
                                    .ref = str_of(ref),
                                    .epoch = str_of(world->epoch),
                                    .offset = event->f.offset,
                                    .is_duplicate = is_duplicate};
    if (sender.generation && ref[0]) {
        world->sink.on_receipt(world->sink.ctx, &receipt);
    }
}

void world_fake_settle(void *ctx, bool wants_snapshot, store_settled_fn *done, void *arg)
{
    struct world *world = ctx;
    if (!wants_snapshot) {
        world_fake_look(world, done, arg);
        return;
    }
    assert(!world->settled); /* one question is under way for all */
    world->settled = done;
    world->settled_arg = arg;
}

bool world_answer_settle(struct world *world, const char *snapshot)
{
    store_settled_fn *done = world->settled;
    if (!done) {
        return false;
    }
    world->settled = NULL;
    done(world->settled_arg, snapshot != NULL, str_of(snapshot));
    world_end_step(world);
    return true;
}

bool world_deliver(struct world *world)
{
    if (world->n_delivered == world->n_log) {
        return false;
    }
    size_t i = world->n_delivered++;
    world->changes[i].delivered = world->n_versions - 1;
    tell_receipt(world, world->senders[i], world->log[i], world->refs[i], false);
    world->sink.on_event(world->sink.ctx, world->log[i]);
    if (world->senders[i].generation) {
        world->sink.on_append_done(world->sink.ctx, world->senders[i]);
    }
    world_end_step(world);
    return true;
}

/* ---- appends ---- */

bool world_fake_append(void *ctx, const struct store_append *what)
{
    struct world *world = ctx;
    assert(!what->message->f.socket_id.ptr);
    if (world->n_appends == sizeof(world->appends) / sizeof(world->appends[0])) {
        return false;
    }
    struct append *append = &world->appends[world->n_appends++];
    *append = (struct append){event_ref(what->message), what->sender, ""};
    world_copy(append->ref, sizeof(append->ref), what->ref);
    return true;
}

static struct append take_append(struct world *world)
{
    struct append append = world->appends[0];
    memmove(world->appends, world->appends + 1, --world->n_appends * sizeof(append));
    return append;
}

bool world_sequence(struct world *world)
{
    if (world->n_appends == 0 || world->n_log == WORLD_MAX_LOG) {
        return false;
    }
    struct append append = take_append(world);
    memcpy(world->refs[world->n_log], append.ref, sizeof(append.ref));
    world_add_to_log(world, append.event->f, append.sender);
    event_unref(append.event);
    return true;
}

bool world_repeat(struct world *world)
{
    if (world->n_appends == 0 || world->n_delivered < world->n_log) {
        return false;
    }
    struct append append = take_append(world);
    tell_receipt(world, append.sender, append.event, append.ref, true);
    world->sink.on_append_done(world->sink.ctx, append.sender);
    event_unref(append.event);
    world_end_step(world);
    return true;
}

bool world_refuse(struct world *world)
{
    /* Answers keep the sender's order: a refusal may not overtake a message that is sequenced but
     * not delivered. */
    if (world->n_appends == 0 || world->n_delivered < world->n_log) {
        return false;
    }
    struct append append = take_append(world);
    world->sink.on_append_failed(world->sink.ctx, append.sender, append.event->f.channel,
                                 append.ref[0] ? str_of(append.ref) : (struct str){0});
    event_unref(append.event);
    world_end_step(world);
    return true;
}

/* ---- reads ---- */

void world_fake_read(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg)
{
    struct world *world = ctx;
    world->n_asked++;
    world->reads =
        world_grow(world->reads, world->n_reads, &world->cap_reads, sizeof(*world->reads));
    struct read *read = &world->reads[world->n_reads++];
    *read = (struct read){.query = *query, .log_len = world->n_log, .done = done, .arg = arg};
    world_copy(read->channel, sizeof(read->channel), query->channel);
    world_copy(read->epoch, sizeof(read->epoch), query->since_epoch);
}

static uint64_t head_then(const struct world *world, unsigned c, size_t log_len)
{
    uint64_t head = world->heads[c];
    while (head > 0 && world->by_channel[c][head - 1]->f.id > log_len) {
        head--;
    }
    return head;
}

void world_trim(struct world *world, unsigned channel, uint64_t floor)
{
    assert(floor <= world->heads[channel]);
    world->floors[channel] = floor;
}

size_t world_n_reads(struct world *world)
{
    return world->n_asked;
}

/* Fills rows with the events in (from, to]. */
static void fill_rows(struct world *world, const struct read *read, uint64_t from, uint64_t to,
                      struct store_answer *answer, struct event **rows)
{
    unsigned c = world_channel_index(str_of(read->channel));
    answer->events = rows;
    for (uint64_t offset = from + 1; offset <= to; offset++) {
        rows[answer->n_events++] = world->by_channel[c][offset - 1];
    }
}

/* So far back that the newest `limit` events for everybody are among them. */
static uint64_t before_last(struct world *world, unsigned c, uint64_t head, uint32_t limit)
{
    uint64_t from = head;
    while (from > world->floors[c] && limit > 0) {
        limit -= world->by_channel[c][--from]->f.audience.kind == AUDIENCE_ALL;
    }
    return from;
}

static void fill_answer(struct world *world, const struct read *read, size_t log_len,
                        struct store_answer *answer, struct event **rows)
{
    const struct store_query *query = &read->query;
    unsigned c = world_channel_index(str_of(read->channel));
    answer->epoch = str_of(world->epoch);
    answer->head = head_then(world, c, log_len);
    if (query->kind == STORE_READ_LAST) {
        fill_rows(world, read, before_last(world, c, answer->head, query->limit), answer->head,
                  answer, rows);
    } else if (query->kind == STORE_READ_SINCE) {
        answer->is_gap = strcmp(read->epoch, world->epoch) != 0 ||
                         query->since_offset > answer->head ||
                         query->since_offset < world->floors[c] ||
                         answer->head - query->since_offset > query->max_missed;
        if (!answer->is_gap) {
            uint64_t rest = answer->head - query->since_offset;
            fill_rows(world, read, query->since_offset,
                      query->since_offset + (rest < query->limit ? rest : query->limit), answer,
                      rows);
        }
    }
}

bool world_answer(struct world *world, bool is_early, bool is_failed)
{
    if (world->n_reads == 0) {
        return false;
    }
    struct read read = world->reads[0];
    memmove(world->reads, world->reads + 1, --world->n_reads * sizeof(read));
    struct store_answer answer = {.is_failed = is_failed};
    static struct event *rows[WORLD_MAX_LOG];
    if (!is_failed) {
        fill_answer(world, &read, is_early ? read.log_len : world->n_log, &answer, rows);
    }
    read.done(read.arg, &answer);
    world_end_step(world);
    return true;
}
