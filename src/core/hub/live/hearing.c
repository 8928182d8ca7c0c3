/* SPDX-License-Identifier: PostgreSQL */
/* A case is the rows that were captured by one shape, and one of the owner's words on who may see
 * them; its parties are those who want to know. Letters stand party by party.
 *
 * A call that was stopped because it took too long may be the fault of one party's policy: if there
 * are several, nothing is known of any of them. */
#include "core/hub/live/hearing.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/hub/live/party.h"

#include <uthash.h>

enum {
    CALL_IMAGES = 500,
    CALL_BYTES = 1024 * 1024, /* of images; one always fits */
    SLOW_MS = 100,            /* of one party in a call */
};

struct image {
    uint64_t number;
    enum live_side side;
    size_t at, len; /* in the case's texts */
};

struct party {
    UT_hash_handle hh;
    size_t place;
    bool is_heard, is_failed, is_late, is_slow;
    size_t len;
    char text[];
};

struct hearing_case {
    struct shape *shape;
    char *visible;
    struct buf texts;
    struct image *images;
    size_t n_images, cap;
    struct party *by_text;
    struct party **parties;
    size_t n_parties, parties_cap;
    char *letters; /* [party][image] */
};

struct hearing {
    struct hub *hub;
    struct hearing_case *cases;
    size_t n_cases;
    size_t n_calls; /* under way */
    enum store_judge_rank rank;
    bool is_dropped;
    hearing_fn *done;
    void *arg;
};

struct call { /* a piece of a case */
    struct hearing *hearing;
    size_t which; /* case */
    size_t first_image, n_images;
};

/* ---- cases ---- */

struct hearing *hearing_new(struct hub *hub)
{
    struct hearing *hearing = mem_zalloc(sizeof(*hearing));
    hearing->hub = hub;
    return hearing;
}

static void case_release(struct hearing_case *c)
{
    struct party *party, *next;
    HASH_ITER(hh, c->by_text, party, next)
    {
        HASH_DEL(c->by_text, party);
        free(party);
    }
    free(c->parties);
    free(c->images);
    free(c->letters);
    shape_unref(c->shape);
    free(c->visible);
    buf_release(&c->texts);
}

static void hearing_release(struct hearing *hearing)
{
    for (size_t i = 0; i < hearing->n_cases; i++) {
        case_release(&hearing->cases[i]);
    }
    free(hearing->cases);
    free(hearing);
}

void hearing_free(struct hearing *hearing)
{
    if (hearing && hearing->n_calls > 0) {
        hearing->is_dropped = true;
    } else if (hearing) {
        hearing_release(hearing);
    }
}

static struct hearing_case *hearing_find(const struct hearing *hearing, int64_t shape,
                                         struct str visible)
{
    for (size_t i = 0; i < hearing->n_cases; i++) {
        struct hearing_case *c = &hearing->cases[i];
        if (c->shape->f.number == shape && str_equals(str_of(c->visible), visible)) {
            return c;
        }
    }
    return NULL;
}

static struct hearing_case *hearing_case(struct hearing *hearing, struct shape *shape,
                                         struct str visible)
{
    struct hearing_case *c = hearing_find(hearing, shape->f.number, visible);
    if (!c) {
        hearing->cases = mem_array(hearing->cases, hearing->n_cases + 1, sizeof(*hearing->cases));
        c = &hearing->cases[hearing->n_cases++];
        *c = (struct hearing_case){.shape = shape_ref(shape), .visible = str_dup(visible)};
    }
    return c;
}

static void case_add_image(struct hearing_case *c, struct str payload, struct str kept,
                           uint64_t number, enum live_side side)
{
    size_t at = c->texts.len;
    if (!live_image_put(&c->texts, side, payload, kept)) {
        return;
    }
    if (c->n_images == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8;
        c->images = mem_array(c->images, c->cap, sizeof(*c->images));
    }
    c->images[c->n_images++] =
        (struct image){.number = number, .side = side, .at = at, .len = c->texts.len - at};
}

void hearing_add_rows(struct hearing *hearing, struct shape *shape, struct str payload,
                      struct str kept, uint64_t number)
{
    struct str visible[VISIBLE_MAX];
    size_t n = sights_asked(hearing->hub, shape, visible);
    for (size_t i = 0; i < n; i++) {
        struct hearing_case *c = hearing_case(hearing, shape, visible[i]);
        case_add_image(c, payload, kept, number, LIVE_OLD);
        case_add_image(c, payload, kept, number, LIVE_NEW);
    }
}

static void case_add_party(struct hearing_case *c, struct str text)
{
    struct party *party;
    HASH_FIND(hh, c->by_text, text.ptr, text.len, party);
    if (party) {
        return;
    }
    party = mem_zalloc(sizeof(*party) + text.len);
    party->place = c->n_parties;
    party->len = text.len;
    memcpy(party->text, text.ptr, text.len);
    HASH_ADD_KEYPTR(hh, c->by_text, party->text, party->len, party);
    if (c->n_parties == c->parties_cap) {
        c->parties_cap = c->parties_cap ? c->parties_cap * 2 : 4;
        c->parties = mem_array(c->parties, c->parties_cap, sizeof(struct party *));
    }
    c->parties[c->n_parties++] = party;
}

void hearing_add_group(struct hearing *hearing, struct group *group)
{
    for (size_t i = 0; i < hearing->n_cases; i++) {
        struct hearing_case *c = &hearing->cases[i];
        const struct sight *sight = sights_of(hearing->hub, group, c->shape);
        for (uint32_t k = 0; !sight->is_nobody && k < sight->n_asks; k++) {
            if (str_equals(sight->asks[k].visible, str_of(c->visible))) {
                case_add_party(c, buf_span(&sight->asks[k].party));
            }
        }
    }
}

bool hearing_is_empty(const struct hearing *hearing)
{
    for (size_t i = 0; i < hearing->n_cases; i++) {
        if (hearing->cases[i].n_images > 0 && hearing->cases[i].n_parties > 0) {
            return false;
        }
    }
    return true;
}

/* ---- calls ---- */

static void hearing_end_call(struct hearing *hearing)
{
    if (--hearing->n_calls > 0) {
        return;
    }
    if (hearing->is_dropped) {
        hearing_release(hearing);
    } else {
        hearing->done(hearing->arg, hearing);
    }
}

static bool has_verdict(struct str letters)
{
    return memchr(letters.ptr, 't', letters.len) || memchr(letters.ptr, 'f', letters.len);
}

static void call_take(const struct call *call, const struct store_judgement *judgements)
{
    struct hearing_case *c = &call->hearing->cases[call->which];
    for (size_t i = 0; i < c->n_parties; i++) {
        struct party *party = c->parties[i];
        char *letters = c->letters + i * c->n_images + call->first_image;
        memcpy(letters, judgements[i].letters.ptr, call->n_images);
        party->is_heard |= has_verdict(judgements[i].letters);
        party->is_failed |= judgements[i].has_problem && !has_verdict(judgements[i].letters);
        party->is_slow |= judgements[i].took_ms >= SLOW_MS;
    }
}

static void call_fail(const struct call *call, bool is_late)
{
    const struct hearing_case *c = &call->hearing->cases[call->which];
    for (size_t i = 0; i < c->n_parties; i++) {
        c->parties[i]->is_late |= is_late && c->n_parties > 1;
        c->parties[i]->is_failed = true;
    }
}

static void on_verdicts(void *arg, const struct store_verdicts *verdicts)
{
    struct call *call = arg;
    struct hearing *hearing = call->hearing;
    if (verdicts->is_failed) {
        call_fail(call, verdicts->is_late);
    } else {
        call_take(call, verdicts->judgements);
    }
    free(call);
    hearing_end_call(hearing);
}

static void call_ask(const struct call *call)
{
    const struct hearing_case *c = &call->hearing->cases[call->which];
    const struct store_judges *judges = &call->hearing->hub->store->judges;
    struct store_party *parties = mem_array(NULL, c->n_parties, sizeof(*parties));
    struct str *images = mem_array(NULL, call->n_images, sizeof(*images));
    struct call *copy = mem_alloc(sizeof(*copy));
    *copy = *call;
    for (size_t i = 0; i < c->n_parties; i++) {
        parties[i] = party_of((struct str){c->parties[i]->text, c->parties[i]->len});
    }
    for (size_t i = 0; i < call->n_images; i++) {
        const struct image *image = &c->images[call->first_image + i];
        images[i] = (struct str){c->texts.data + image->at, image->len};
    }
    call->hearing->n_calls++;
    judges->judge(judges->ctx,
                  &(struct store_case){.rank = call->hearing->rank,
                                       .watch = str_of(c->shape->f.watch),
                                       .shape = c->shape->f.number,
                                       .visible = str_of(c->visible),
                                       .parties = parties,
                                       .n_parties = c->n_parties,
                                       .images = images,
                                       .n_images = call->n_images},
                  on_verdicts, copy);
    free(parties);
    free(images);
}

static size_t call_room(const struct hearing_case *c, size_t first)
{
    size_t n = 0, bytes = 0;
    while (first + n < c->n_images && n < CALL_IMAGES) {
        bytes += c->images[first + n].len;
        if (n > 0 && bytes > CALL_BYTES) {
            break;
        }
        n++;
    }
    return n;
}

static void case_ask(struct hearing *hearing, size_t which)
{
    struct hearing_case *c = &hearing->cases[which];
    size_t n_cells = c->n_parties * c->n_images;
    if (n_cells == 0) {
        return;
    }
    c->letters = mem_alloc(n_cells);
    memset(c->letters, 'u', n_cells);
    struct call call = {.hearing = hearing, .which = which};
    for (; call.first_image < c->n_images; call.first_image += call.n_images) {
        call.n_images = call_room(c, call.first_image);
        call_ask(&call);
    }
}

void hearing_begin(struct hearing *hearing, enum store_judge_rank rank, hearing_fn *done, void *arg)
{
    hearing->done = done;
    hearing->arg = arg;
    hearing->rank = rank;
    for (size_t i = 0; i < hearing->n_cases; i++) {
        case_ask(hearing, i);
    }
}

/* ---- what was said ---- */

static const struct party *case_party(const struct hearing_case *c, struct str text)
{
    struct party *party;
    HASH_FIND(hh, c->by_text, text.ptr, text.len, party);
    return party;
}

/* Images are in the order of their numbers, old before new. */
static bool case_find_image(const struct hearing_case *c, uint64_t number, enum live_side side,
                            size_t *place)
{
    size_t from = 0, to = c->n_images;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct image *image = &c->images[middle];
        if (image->number < number || (image->number == number && image->side < side)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    *place = from;
    return from < c->n_images && c->images[from].number == number && c->images[from].side == side;
}

char hearing_letter(const struct hearing *hearing, int64_t shape, const struct sight_ask *ask,
                    uint64_t number, enum live_side side)
{
    const struct hearing_case *c = hearing_find(hearing, shape, ask->visible);
    const struct party *party = c && c->letters ? case_party(c, buf_span(&ask->party)) : NULL;
    size_t place;
    if (!party || !case_find_image(c, number, side, &place)) {
        return 0;
    }
    return c->letters[party->place * c->n_images + place];
}

/* The group's party in a case; NULL: it was not asked for it. */
static const struct party *case_party_of(const struct hearing_case *c, const struct group *group)
{
    const struct sight *sight = sights_find(group, c->shape->f.number);
    const struct party *party = NULL;
    for (uint32_t k = 0; sight && k < sight->n_asks && !party; k++) {
        if (str_equals(sight->asks[k].visible, str_of(c->visible))) {
            party = case_party(c, buf_span(&sight->asks[k].party));
        }
    }
    return party;
}

enum hearing_outcome hearing_outcome(const struct hearing *hearing, const struct group *group)
{
    enum hearing_outcome outcome = HEARING_NOTHING;
    bool is_late = false, is_failed = false;
    for (size_t i = 0; i < hearing->n_cases; i++) {
        const struct party *party = case_party_of(&hearing->cases[i], group);
        if (party) {
            is_late |= party->is_late;
            is_failed |= party->is_failed && !party->is_heard;
            outcome = party->is_heard ? HEARING_ANSWERED : outcome;
        }
    }
    return is_late ? HEARING_LATE : is_failed ? HEARING_FAILED : outcome;
}

bool hearing_is_slow(const struct hearing *hearing, const struct group *group)
{
    bool is_slow = false;
    for (size_t i = 0; i < hearing->n_cases; i++) {
        const struct party *party = case_party_of(&hearing->cases[i], group);
        is_slow |= party && party->is_slow;
    }
    return is_slow;
}
