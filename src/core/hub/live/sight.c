/* SPDX-License-Identifier: PostgreSQL */
/* A sight binds a group's filter and the owner's words to the columns of one shape, once; an index finds
 * those that a row may concern. What tells members apart, and so makes groups, is what the words of
 * the channel's tables look at in an identity. All of it is thrown away when the site changes. */
#include "core/hub/live/sight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/hub/ground/docket.h"
#include "core/hub/live/party.h"
#include "core/row/channel.h"

enum { GROUPS_MAX = 1000 }; /* of a channel whose rows the database judges */

struct sight_list { /* of a group */
    struct sight **items;
    uint32_t n;
};

struct channel_sights {
    struct scope **today; /* of the tables whose rows may come on the channel, as they are today */
    uint32_t n_today;
    struct filter **trees; /* whose identity parameters tell the members apart */
    uint32_t n_trees;
    struct scope **asked; /* of which the database is asked, each with other claims than the rest */
    uint32_t n_asked;
    uint64_t mark;                /* of these: the same values under others say another thing */
    struct sight_index **indexes; /* by shape */
    uint32_t n_indexes;
};

/* ---- what is known of a channel ---- */

static void sights_mark(struct channel_sights *known, struct str text)
{
    uint64_t marks[2] = {known->mark, hash_bytes(text.ptr, text.len)};
    known->mark = hash_bytes(marks, sizeof(marks));
}

static void sights_add_tree(struct channel_sights *known, struct filter *tree)
{
    known->trees = mem_array(known->trees, known->n_trees + 1, sizeof(struct filter *));
    known->trees[known->n_trees++] = filter_ref(tree);
    sights_mark(known, filter_canonical(tree));
}

static bool sights_have_tree(const struct channel_sights *known, const struct filter *tree)
{
    for (uint32_t i = 0; i < known->n_trees; i++) {
        if (str_equals(filter_canonical(known->trees[i]), filter_canonical(tree))) {
            return true;
        }
    }
    return false;
}

static void sights_add_asked(struct channel_sights *known, struct scope *scope)
{
    known->asked = mem_array(known->asked, known->n_asked + 1, sizeof(struct scope *));
    known->asked[known->n_asked++] = scope;
    for (size_t i = 0; i < scope->shape->f.n_claims; i++) {
        sights_mark(known, str_of(scope->shape->f.claims[i]));
    }
}

static bool sights_have_asked(const struct channel_sights *known, const struct scope *scope)
{
    for (uint32_t i = 0; i < known->n_asked; i++) {
        if (party_is_alike(known->asked[i]->shape, scope->shape)) {
            return true;
        }
    }
    return false;
}

/* Takes what of an identity such rows look at. False: it was known. */
static bool sights_learn(struct channel_sights *known, struct scope *scope)
{
    if (scope->tree && !sights_have_tree(known, scope->tree)) {
        sights_add_tree(known, scope->tree);
        return true;
    }
    if (party_is_asked(scope->shape) && !sights_have_asked(known, scope)) {
        sights_add_asked(known, scope);
        return true;
    }
    return false;
}

static struct channel_sights *sights_know(struct hub *hub, struct channel *channel)
{
    struct channel_sights *known = channel->sights;
    if (known) {
        return known;
    }
    channel->sights = known = mem_zalloc(sizeof(*known));
    for (size_t i = 0; i < hub->site->n_watches; i++) {
        struct shape *shape = hub->site->watches[i].shape;
        if (!shape || !shape_matches(shape, channel_name(channel))) {
            continue;
        }
        struct scope *scope = scope_of(hub, shape);
        known->today = mem_array(known->today, known->n_today + 1, sizeof(struct scope *));
        known->today[known->n_today++] = scope;
        (void)sights_learn(known, scope);
    }
    return known;
}

static void index_free(struct sight_index *index)
{
    live_index_free(index->index);
    free(index->open);
    free(index);
}

static void sight_free(struct sight *sight)
{
    judge_free(sight->filter);
    for (uint32_t i = 0; i < sight->n_visible; i++) {
        judge_free(sight->visible[i]);
    }
    for (uint32_t i = 0; i < sight->n_asks; i++) {
        buf_release(&sight->asks[i].party);
    }
    free(sight);
}

static void group_forget(struct group *group)
{
    struct sight_list *list = group->sights;
    group->sights = NULL;
    for (uint32_t i = 0; list && i < list->n; i++) {
        sight_free(list->items[i]);
    }
    if (list) {
        free(list->items);
        free(list);
    }
}

void sights_drop_channel(struct channel *channel)
{
    struct channel_sights *known = channel->sights;
    channel->sights = NULL;
    for (uint32_t i = 0; i < channel->groups.n; i++) {
        group_forget(channel->groups.items[i]);
    }
    if (!known) {
        return;
    }
    for (uint32_t i = 0; i < known->n_indexes; i++) {
        index_free(known->indexes[i]);
    }
    for (uint32_t i = 0; i < known->n_trees; i++) {
        filter_unref(known->trees[i]);
    }
    free(known->indexes);
    free(known->trees);
    free(known->asked);
    free(known->today);
    free(known);
}

/* ---- sights ---- */

static struct str asked_words(const struct shape *shape)
{
    return shape->f.visible_by == SHAPE_VISIBLE_POLICY ? STR("\"policy\"")
                                                       : str_of(shape->f.visible);
}

size_t sights_asked(struct hub *hub, struct shape *shape, struct str visible[VISIBLE_MAX])
{
    struct scope *judges[VISIBLE_MAX];
    uint32_t n = scope_judges(hub, scope_of(hub, shape), judges);
    size_t n_asked = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (judges[i] && party_is_asked(judges[i]->shape)) {
            struct str words = asked_words(judges[i]->shape);
            bool is_same = n_asked > 0 && str_equals(visible[0], words);
            visible[n_asked] = words;
            n_asked += !is_same;
        }
    }
    return n_asked;
}

static void sight_add_ask(const struct hub *hub, struct sight *sight, const struct shape *judge)
{
    struct buf party = {0};
    if (party_put(&party, &hub->options, judge, sight->group->who)) {
        sight->asks[sight->n_asks++] = (struct sight_ask){asked_words(judge), party};
    } else {
        sight->is_nobody = true;
        buf_release(&party);
    }
}

static void sight_add_visible(const struct hub *hub, struct sight *sight, const struct scope *judge,
                              const struct shape *shape)
{
    struct buf why = {0};
    if (judge && judge->shape->f.visible_by == SHAPE_VISIBLE_EVERYBODY) {
        return;
    }
    if (judge && party_is_asked(judge->shape)) {
        sight_add_ask(hub, sight, judge->shape);
        return;
    }
    struct judge *visible =
        judge && judge->tree ? judge_new(judge->tree, shape, sight->group->who, &why) : NULL;
    if (visible) {
        sight->visible[sight->n_visible++] = visible;
    } else {
        sight->is_nobody = true;
    }
    buf_release(&why);
}

static struct sight *sight_new(struct hub *hub, struct group *group, struct shape *shape)
{
    struct sight *sight = mem_zalloc(sizeof(*sight));
    struct scope *judges[VISIBLE_MAX];
    uint32_t n = scope_judges(hub, scope_of(hub, shape), judges);
    struct buf why = {0};
    sight->group = group;
    sight->shape = shape->f.number;
    if (group->view) {
        sight->filter = judge_new(group->view->filter, shape, NULL, &why);
        sight->is_unfit = !sight->filter;
    }
    for (uint32_t i = 0; i < n; i++) {
        sight_add_visible(hub, sight, judges[i], shape);
    }
    buf_release(&why);
    return sight;
}

struct sight *sights_find(const struct group *group, int64_t shape)
{
    const struct sight_list *list = group->sights;
    for (uint32_t i = 0; list && i < list->n; i++) {
        if (list->items[i]->shape == shape) {
            return list->items[i];
        }
    }
    return NULL;
}

struct sight *sights_of(struct hub *hub, struct group *group, struct shape *shape)
{
    struct sight_list *list = group->sights;
    struct sight *known = sights_find(group, shape->f.number);
    if (known) {
        return known;
    }
    if (!list) {
        group->sights = list = mem_zalloc(sizeof(*list));
    }
    list->items = mem_array(list->items, list->n + 1, sizeof(struct sight *));
    list->items[list->n] = sight_new(hub, group, shape);
    return list->items[list->n++];
}

/* ---- indexes ---- */

static void index_add_open(struct sight_index *index, struct sight *sight)
{
    if (index->n_open == index->open_cap) {
        index->open_cap = index->open_cap ? index->open_cap * 2 : 4;
        index->open = mem_array(index->open, index->open_cap, sizeof(struct sight *));
    }
    index->open[index->n_open++] = sight;
}

void sight_columns(const struct sight *sight, struct column_set *needed)
{
    if (sight->filter) {
        judge_columns(sight->filter, needed);
    }
    for (uint32_t i = 0; i < sight->n_visible; i++) {
        judge_columns(sight->visible[i], needed);
    }
}

static void index_add(struct sight_index *index, struct sight *sight)
{
    const struct judge *judges[VISIBLE_MAX + 1];
    size_t n = 0;
    if (sight->is_nobody) {
        return;
    }
    if (sight->filter) {
        judges[n++] = sight->filter;
    }
    for (uint32_t i = 0; i < sight->n_visible; i++) {
        judges[n++] = sight->visible[i];
    }
    sight_columns(sight, &index->needed);
    if (n == 0 || sight->is_unfit) {
        index_add_open(index, sight);
    } else {
        live_index_add(index->index, judges, n, sight);
    }
}

static void index_remove(struct sight_index *index, struct sight *sight)
{
    for (uint32_t i = 0; i < index->n_open; i++) {
        if (index->open[i] == sight) {
            index->open[i] = index->open[--index->n_open];
            return;
        }
    }
    live_index_remove(index->index, sight);
}

struct sight_index *sights_index(struct hub *hub, struct channel *channel, struct shape *shape)
{
    struct channel_sights *known = sights_know(hub, channel);
    for (uint32_t i = 0; i < known->n_indexes; i++) {
        if (known->indexes[i]->shape == shape->f.number) {
            return known->indexes[i];
        }
    }
    struct sight_index *index = mem_zalloc(sizeof(*index));
    index->shape = shape->f.number;
    index->index = live_index_new();
    known->indexes = mem_array(known->indexes, known->n_indexes + 1, sizeof(*known->indexes));
    known->indexes[known->n_indexes++] = index;
    for (uint32_t i = 0; i < channel->groups.n; i++) {
        index_add(index, sights_of(hub, channel->groups.items[i], shape));
    }
    return index;
}

/* ---- groups ---- */

/* What tells the members apart: parties may have any text, so each comes with its length. */
static void sights_put_claims(const struct hub *hub, const struct channel_sights *known,
                              const struct identity *who, struct buf *out)
{
    struct buf party = {0};
    buf_add(out, &known->mark, sizeof(known->mark));
    for (uint32_t i = 0; i < known->n_trees; i++) {
        filter_claims(known->trees[i], who, out);
        buf_char(out, '\n');
    }
    for (uint32_t i = 0; i < known->n_asked; i++) {
        buf_clear(&party);
        bool is_somebody = party_put(&party, &hub->options, known->asked[i]->shape, who);
        buf_printf(out, "%d %zu ", is_somebody, party.len);
        buf_str(out, buf_span(&party));
    }
    buf_release(&party);
}

bool sights_are_crowded(struct hub *hub, struct channel *channel, const struct view *view,
                        const struct identity *who)
{
    const struct channel_sights *known = sights_know(hub, channel);
    struct buf claims = {0};
    if (known->n_asked == 0 || channel->groups.n < GROUPS_MAX) {
        return false;
    }
    sights_put_claims(hub, known, who, &claims);
    bool is_there = group_find(&channel->groups, view, buf_span(&claims));
    buf_release(&claims);
    return !is_there;
}

struct group *sights_group(struct hub *hub, struct channel *channel, struct view *view,
                           struct identity *who)
{
    struct channel_sights *known = sights_know(hub, channel);
    struct buf claims = {0};
    sights_put_claims(hub, known, who, &claims);
    struct group *group = group_find(&channel->groups, view, buf_span(&claims));
    if (!group) {
        group = group_new(&channel->groups, &hub->channels.numbers, view, buf_span(&claims), who);
        for (uint32_t i = 0; i < known->n_indexes; i++) {
            const struct scope *scope = scope_find(hub, known->indexes[i]->shape);
            assert(scope);
            index_add(known->indexes[i], sights_of(hub, group, scope->shape));
        }
    }
    buf_release(&claims);
    return group;
}

uint64_t sights_digest(struct str claims)
{
    static const uint64_t key[2] = {0, 0}; /* not secret: servers behind one name must agree */
    size_t own = sizeof(uint64_t);         /* the mark in front is this process's own */
    return claims.len > own ? hash_keyed(key, claims.ptr + own, claims.len - own) : 0;
}

uint64_t sights_digest_of(struct hub *hub, struct channel *channel, const struct identity *who)
{
    struct buf claims = {0};
    sights_put_claims(hub, sights_know(hub, channel), who, &claims);
    uint64_t digest = sights_digest(buf_span(&claims));
    buf_release(&claims);
    return digest;
}

void sights_drop_group(struct hub *hub, struct channel *channel, struct group *group)
{
    struct channel_sights *known = channel->sights;
    const struct sight_list *list = group->sights;
    for (uint32_t i = 0; known && list && i < known->n_indexes; i++) {
        for (uint32_t k = 0; k < list->n; k++) {
            if (list->items[k]->shape == known->indexes[i]->shape) {
                index_remove(known->indexes[i], list->items[k]);
            }
        }
    }
    group_forget(group);
    docket_drop(&channel->groups, group);
    group_free(&channel->groups, &hub->channels.numbers, group);
}

/* A shape from before may have a `visible` with parameters that none of today's has. */
enum sights_need sights_need(struct hub *hub, struct channel *channel, struct shape *shape)
{
    struct channel_sights *known = sights_know(hub, channel);
    struct scope *scope = scope_of(hub, shape);
    if (sights_learn(known, scope)) {
        return SIGHTS_NEED_GROUPS;
    }
    bool is_open = channel->groups.n == channel->groups.n_plain && scope_is_open(hub, scope);
    return is_open ? SIGHTS_NEED_NOTHING : SIGHTS_NEED_JUDGES;
}

void sights_take_site(struct hub *hub)
{
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        sights_drop_channel(channel);
    }
    scopes_clear(hub->scopes);
}

struct scope *const *sights_today(struct hub *hub, struct channel *channel, uint32_t *n)
{
    const struct channel_sights *known = sights_know(hub, channel);
    *n = known->n_today;
    return known->today;
}
