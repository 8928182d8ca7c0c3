/* SPDX-License-Identifier: PostgreSQL */
/* The fake database's tables, one for each channel, and who is told what of their rows. That is computed
 * here anew, as simply as can be: from the rows themselves and not from JSON, for one session and one
 * event at a time. No grouping, no index; but one word for every watch that there has been, for what
 * a frame says must be right by the watches at the time at which the hub says it. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hmac.h"
#include "base/mem.h"
#include "core/live/filter.h"
#include "core/row/change.h"
#include "pg/shapes/shape_loader.h"
#include "world_internal.h"

static const char *const visible_texts[WORLD_VISIBLES] = {
    [WORLD_EVERYBODY] = NULL,
    [WORLD_OWNER] = "{\"owner\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":12}}}",
    [WORLD_NAME] = "{\"name\":{\"eq\":{\"identity\":\"extras.name\"}}}",
    [WORLD_EITHER] =
        "{\"or\":[{\"owner\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":12}}},{\"state\":\"a\"}]}",
    [WORLD_NOBODY] = "\"nobody\"",
    [WORLD_POLICY] = "\"policy\",\"claims\":[\"row_id\",\"dbo_id\"]",
};

const char *world_filter_text(enum world_filter filter)
{
    static const char *const filters[WORLD_FILTERS] = {
        [WORLD_PLAIN] = NULL,
        [WORLD_A] = "{\"state\":\"a\"}",
        [WORLD_FEW] = "{\"n\":{\"lt\":3}}",
        [WORLD_BOTH] = "{\"id\":{\"gt\":2},\"or\":[{\"state\":\"b\"},{\"n\":1}]}",
    };
    return filters[filter];
}

/* ---- what an event says ---- */

uint32_t world_digest(const char *moved, struct str payload)
{
    uint32_t digest = 2166136261u; /* FNV-1a */
    for (; *moved; moved++) {
        digest = (digest ^ (uint8_t)*moved) * 16777619u;
    }
    for (size_t i = 0; i < payload.len; i++) {
        digest = (digest ^ (uint8_t)payload.ptr[i]) * 16777619u;
    }
    return digest;
}

static const char *name_of(int name)
{
    return name == 1 ? "\"Ann\"" : name == 2 ? "\"Anna\"" : "null";
}

static void put_row(struct buf *out, const struct world_row *row, bool is_reduced)
{
    if (!row) {
        buf_literal(out, "null");
    } else if (is_reduced) {
        buf_printf(out, "{\"id\":%d}", row->id);
    } else {
        buf_printf(out, "{\"id\":%d,\"n\":%d,\"state\":\"%c\",\"name\":%s}", row->id, row->n,
                   row->state, name_of(row->name));
    }
}

static void put_payload(struct buf *out, const char *action, const struct world_row *old,
                        const struct world_row *new, bool is_reduced)
{
    buf_printf(out,
               "{\"data\":{\"action\":\"%s\",\"schema\":\"s\",\"table\":\"t\",\"new\":", action);
    put_row(out, new, is_reduced);
    buf_literal(out, ",\"old\":");
    put_row(out, old, is_reduced);
    buf_literal(out, is_reduced ? ",\"truncated_to_key\":true,\"reduced\":\"size\"" : "");
    buf_literal(out, "},\"dbo_id\":0,\"row_id\":0}");
}

static void put_owner(struct buf *out, const struct world_row *row)
{
    if (row && row->owner) {
        buf_printf(out, "{\"owner\":\"%d\"}", row->owner);
    } else {
        buf_literal(out, row ? "{\"owner\":null}" : "null");
    }
}

static bool is_told_same(const struct world_row *a, const struct world_row *b)
{
    return a && b && a->id == b->id && a->n == b->n && a->state == b->state && a->name == b->name;
}

static const char *action_of(const struct world_row *old, const struct world_row *new)
{
    return old && new ? "update" : new ? "insert" : old ? "delete" : "truncate";
}

void world_commit_row(struct world *world, unsigned channel, const struct world_row *old,
                      const struct world_row *new, bool is_reduced)
{
    const struct watched *table = &world->versions[world->n_versions - 1].tables[channel];
    struct buf payload = {0}, kept = {0};
    bool is_same = is_told_same(old, new);
    if (!table->is_watched || world->n_log == WORLD_MAX_LOG ||
        (is_same &&
         (world->visible_of[table->shape] == WORLD_EVERYBODY || old->owner == new->owner))) {
        return;
    }
    put_payload(&payload, action_of(old, new), old, new, is_reduced && (old || new));
    buf_literal(&kept, "{\"new\":");
    put_owner(&kept, new);
    buf_literal(&kept, ",\"old\":");
    put_owner(&kept, old);
    buf_literal(&kept, is_same ? ",\"same\":true}" : "}");
    world->changes[world->n_log] = (struct row_change){
        .has_old = old,
        .has_new = new,
        .is_reduced = is_reduced,
        .old = old ? *old : (struct world_row){0},
        .new = new ? *new : (struct world_row){0},
        .shape = table->shape,
        .version = world->n_versions - 1,
    };
    world_add_to_log(world,
                     (struct event_fields){.action = EVENT_ACTION_EVENT,
                                           .channel = str_of(world_channel_name(channel)),
                                           .payload = buf_span(&payload),
                                           .shape = world->shapes[table->shape],
                                           .kept = buf_span(&kept),
                                           .xid = world->n_log + 1},
                     (struct session_id){0});
    buf_release(&payload);
    buf_release(&kept);
}

/* ---- who is told what ---- */

enum answer { NO, MAYBE, YES };

static enum answer answer_of(bool is_true)
{
    return is_true ? YES : NO;
}

static enum answer least(enum answer a, enum answer b)
{
    return a < b ? a : b;
}

static enum answer owns(const struct world_row *row, enum world_who who)
{
    int owner = who == WHO_ANN || who == WHO_ANN_NEW ? 34 : who == WHO_BEN ? 35 : -1;
    return answer_of(row->owner == owner);
}

static enum answer may_see(enum world_visible visible, const struct world_row *row, bool is_reduced,
                           enum world_who who)
{
    int name = who == WHO_ANN ? 1 : who == WHO_ANN_NEW ? 2 : -1;
    switch (visible) {
    case WORLD_EVERYBODY:
        return YES;
    case WORLD_OWNER:
        return owns(row, who);
    case WORLD_NAME:
        return name < 0 ? NO : is_reduced ? MAYBE : answer_of(row->name == name);
    case WORLD_EITHER:
        if (owns(row, who) == YES) {
            return YES;
        }
        return is_reduced ? MAYBE : answer_of(row->state == 'a');
    case WORLD_POLICY:
        return owns(row, who);
    case WORLD_NOBODY:
    case WORLD_VISIBLES:
        break;
    }
    return NO;
}

static enum answer wants(enum world_filter filter, const struct world_row *row, bool is_reduced)
{
    switch (filter) {
    case WORLD_PLAIN:
    case WORLD_ROWS:
        return YES;
    case WORLD_A:
        return is_reduced ? MAYBE : answer_of(row->state == 'a');
    case WORLD_FEW:
        return is_reduced ? MAYBE : answer_of(row->n < 3);
    case WORLD_BOTH:
        return row->id <= 2 ? NO
                            : (is_reduced ? MAYBE : answer_of(row->state == 'b' || row->n == 1));
    case WORLD_VIEWS:
        break;
    }
    return NO;
}

static enum answer sees(const struct world *world, const struct watched *table,
                        const struct row_change *change, const struct world_row *row,
                        enum world_who who)
{
    enum answer answer = YES;
    enum world_visible then = world->visible_of[change->shape];
    if (!table->is_watched) {
        return answer_of(then == WORLD_EVERYBODY);
    }
    bool is_asked = world->visible_of[table->shape] == WORLD_POLICY;
    if (!(table->is_restated && change->shape < table->restated)) {
        answer = may_see(then, row, change->is_reduced, who);
        is_asked |= then == WORLD_POLICY;
    }
    answer = least(answer, may_see(world->visible_of[table->shape], row, change->is_reduced, who));
    return is_asked && change->is_doubtful ? MAYBE : answer;
}

static struct world_told say(const char *moved, const char *action, const struct world_row *old,
                             const struct world_row *new, bool is_reduced)
{
    struct buf payload = {0};
    put_payload(&payload, action, old, new, is_reduced);
    struct world_told told = {TOLD_EVENT, world_digest(moved, buf_span(&payload))};
    buf_release(&payload);
    return told;
}

/* Of an update; NO, MAYBE or YES: whether the row is there, before and after. */
static struct world_told say_update(const struct row_change *change, enum answer before,
                                    enum answer after)
{
    const struct world_row *old = &change->old, *new = &change->new;
    bool is_reduced = change->is_reduced;
    if (before != NO && after != NO && is_told_same(old, new)) {
        return (struct world_told){.kind = TOLD_NOTHING};
    }
    if (before != NO && after != NO) {
        bool is_sure = before == YES && after == YES;
        return say(is_sure ? "" : "unknown", "update", old, new, is_reduced);
    }
    if (before != NO) {
        return say("leave", "delete", old, NULL, is_reduced);
    }
    return say(after == YES ? "enter" : "unknown", "insert", NULL, new, is_reduced);
}

struct world_told world_told_row(struct world *world, size_t version, const struct event *event,
                                 enum world_who who, enum world_filter filter)
{
    const struct row_change *change = &world->changes[event->f.id - 1];
    const struct watched *table =
        &world->versions[version].tables[world_channel_index(event->f.channel)];
    const struct world_row *rows[2] = {change->has_old ? &change->old : NULL,
                                       change->has_new ? &change->new : NULL};
    enum answer there[2] = {NO, NO};
    if (!rows[0] && !rows[1]) {
        return say("", "truncate", NULL, NULL, false);
    }
    for (int i = 0; i < 2; i++) {
        enum answer wanted = rows[i] ? wants(filter, rows[i], change->is_reduced) : NO;
        enum answer seen = wanted != NO ? sees(world, table, change, rows[i], who) : NO;
        if (seen == MAYBE) {
            return (struct world_told){.kind = TOLD_GAP};
        }
        there[i] = seen == YES ? wanted : NO;
    }
    if (there[0] == NO && there[1] == NO) {
        return (struct world_told){.kind = TOLD_NOTHING};
    }
    if (rows[0] && rows[1]) {
        return say_update(change, there[0], there[1]);
    }
    bool is_sure = there[0] == YES || there[1] == YES;
    return say(is_sure ? "" : "unknown", action_of(rows[0], rows[1]), rows[0], rows[1],
               change->is_reduced);
}

uint32_t world_digest_rows(const struct world *world, unsigned channel, enum world_who who)
{
    const struct watched *table = &world->versions[world->n_versions - 1].tables[channel];
    const struct row_change change = {.shape = table->shape};
    struct buf text = {0};
    for (size_t i = 0; i < world->n_rows[channel]; i++) {
        const struct world_row *row = &world->rows[channel][i];
        if (sees(world, table, &change, row, who) == YES) {
            buf_literal(&text, text.len > 0 ? "," : "");
            put_row(&text, row, false);
        }
    }
    uint32_t digest = world_digest("", buf_span(&text));
    buf_release(&text);
    return digest;
}

/* ---- watches ---- */

#define COLUMN(name, type, compares, announced, kept)                                              \
    "{\"name\":\"" name "\",\"type\":\"" type "\",\"announced\":" announced ",\"kept\":" kept      \
    ",\"compares\":\"" compares "\"}"

static struct shape *make_shape(unsigned channel, unsigned number, enum world_visible visible)
{
    struct buf text = {0};
    const char *reason;
    buf_printf(
        &text,
        "{\"watch\":\"w%u\",\"schema\":\"s\",\"table\":\"t\",\"template\":[\"%s\"],"
        "\"numbers\":\"text\",\"max_bytes\":100000,\"key\":[0],\"columns\":[" COLUMN(
            "id", "int", "int", "true",
            "false") "," COLUMN("n", "int", "int", "true",
                                "false") "," COLUMN("state", "text", "text", "true",
                                                    "false") "," COLUMN("name", "text", "text",
                                                                        "true",
                                                                        "false") "," COLUMN("owner",
                                                                                            "text",
                                                                                            "text",
                                                                                            "false",
                                                                                            "true") "]",
        channel, world_channel_name(channel));
    if (visible_texts[visible]) {
        buf_printf(&text, ",\"visible\":%s", visible_texts[visible]);
    }
    buf_char(&text, '}');
    struct shape *shape = shape_load(number + 1, buf_span(&text), &reason);
    assert(shape);
    buf_release(&text);
    return shape;
}

static struct version *next_version(struct world *world)
{
    struct version *version = &world->versions[world->n_versions];
    *version = world->versions[world->n_versions - 1];
    world->n_versions++;
    return version;
}

void world_watch(struct world *world, unsigned channel, enum world_visible visible, bool restate)
{
    if (world->n_versions == MAX_VERSIONS || world->n_shapes == MAX_SHAPES) {
        return;
    }
    struct watched *table = &next_version(world)->tables[channel];
    unsigned number = world->n_shapes++;
    world->shapes[number] = make_shape(channel, number, visible);
    world->visible_of[number] = visible;
    *table = (struct watched){
        .is_watched = true, .shape = number, .is_restated = restate, .restated = number};
    world_tell_site(world);
}

void world_unwatch(struct world *world, unsigned channel)
{
    if (world->n_versions < MAX_VERSIONS) {
        next_version(world)->tables[channel] = (struct watched){0};
        world_tell_site(world);
    }
}

static void fill_watch(const struct world *world, unsigned channel, struct watch *watch)
{
    const struct watched *table = &world->versions[world->n_versions - 1].tables[channel];
    char key[8];
    snprintf(key, sizeof(key), "w%u", channel);
    *watch = (struct watch){.key = mem_strdup(key),
                            .number = world->shapes[table->shape]->f.number,
                            .shape = shape_ref(world->shapes[table->shape]),
                            .has_snapshot = true,
                            .max_snapshot = WORLD_MAX_ROWS};
    watch->restated = mem_array(NULL, MAX_SHAPES, sizeof(int64_t));
    for (unsigned i = 0; table->is_restated && i < table->restated; i++) {
        watch->restated[watch->n_restated++] = world->shapes[i]->f.number;
    }
}

struct shape *world_shape_of(const struct world *world, unsigned channel)
{
    return world->shapes[world->versions[world->n_versions - 1].tables[channel].shape];
}

void world_fill_watches(struct world *world, struct site *site)
{
    site->watches = mem_array(NULL, WORLD_CHANNELS, sizeof(struct watch));
    for (unsigned c = 0; c < WORLD_CHANNELS; c++) {
        if (world->versions[world->n_versions - 1].tables[c].is_watched) {
            fill_watch(world, c, &site->watches[site->n_watches++]);
        }
    }
}

/* ---- views ---- */

/* Their names are digests, so they are known beforehand. */
static void name_view(struct world *world, enum world_filter view, const char *json,
                      const char *wish)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char digest[HMAC_SIZE];
    struct buf why = {0}, text = {0};
    struct filter *tree = filter_parse(str_of(json), FILTER_CLIENT, &why);
    assert(tree);
    buf_str(&text, filter_canonical(tree));
    buf_str(&text, str_of(wish));
    hmac_sha256(STR("view"), buf_span(&text), digest);
    for (int i = 0; i < 11; i++) {
        world->view_names[view][i] = letters[digest[i] & 63];
    }
    filter_unref(tree);
    buf_release(&why);
    buf_release(&text);
}

unsigned world_place_of(const struct world *world, const struct note *note)
{
    unsigned filter = WORLD_PLAIN;
    while (strcmp(world->view_names[filter], note->view) != 0) {
        filter++;
        assert(filter < WORLD_VIEWS);
    }
    return world_channel_index(str_of(note->channel)) + WORLD_CHANNELS * filter;
}

void world_start_rows(struct world *world)
{
    world->n_versions = 1;
    for (unsigned filter = WORLD_A; filter < WORLD_FILTERS; filter++) {
        const char *json = world_filter_text((enum world_filter)filter);
        name_view(world, (enum world_filter)filter, json, "");
    }
    name_view(world, WORLD_ROWS, "{}", "0");
}

void world_release_rows(struct world *world)
{
    for (unsigned i = 0; i < world->n_shapes; i++) {
        shape_unref(world->shapes[i]);
    }
}
