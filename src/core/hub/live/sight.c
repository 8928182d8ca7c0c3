/* SPDX-License-Identifier: PostgreSQL */
/* A row is judged by its own shape's columns, and by two of the owner's words: what `visible` was
 * when the row was captured, and what it is today. So what was captured while few might see it is
 * not shown to many because the owner has changed his mind since, unless he says so (restate); and
 * what is nobody's business today is so at once. What was captured under a `visible`, and whose
 * table is watched no more, has nobody to say so: it is shown to nobody.
 *
 * Everything here is made of the site and of shapes, when it is needed, and thrown away when the site
 * changes. */
#include "core/hub/live/sight.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hmac.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/hub/live/party.h"
#include "core/live/narrow.h"
#include "core/row/channel.h"

#include <uthash.h>

enum { GROUPS_MAX = 1000 }; /* of a channel whose rows the database judges */

struct scope { /* of a shape */
    UT_hash_handle hh;
    int64_t number;
    struct shape *shape;
    struct filter *tree;       /* of its `visible`; NULL: that is none, or cannot be read */
    const struct watch *watch; /* of its table today; NULL: none */
    bool is_restated;
};

struct sights {
    struct scope *scopes;
};

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

/* ---- scopes ---- */

static const struct watch *watch_of(const struct site *site, const struct shape *shape)
{
    for (size_t i = 0; i < site->n_watches; i++) {
        if (strcmp(site->watches[i].key, shape->f.watch) == 0) {
            return &site->watches[i];
        }
    }
    return NULL;
}

static bool watch_restates(const struct watch *watch, int64_t number)
{
    for (size_t i = 0; watch && i < watch->n_restated; i++) {
        if (watch->restated[i] == number) {
            return true;
        }
    }
    return false;
}

static struct filter *tree_of(const struct shape *shape)
{
    struct buf why = {0};
    if (shape->f.visible_by != SHAPE_VISIBLE_TREE) {
        return NULL;
    }
    struct filter *tree = filter_parse(str_of(shape->f.visible), FILTER_VISIBLE, &why);
    if (!tree) {
        log_error("nobody is shown rows of %s.%s: its visible cannot be read: %s", shape->f.schema,
                  shape->f.table, buf_text(&why));
    }
    buf_release(&why);
    return tree;
}

static struct scope *scope_of(struct hub *hub, struct shape *shape)
{
    struct scope *scope;
    HASH_FIND(hh, hub->sights->scopes, &shape->f.number, sizeof(shape->f.number), scope);
    if (!scope) {
        scope = mem_zalloc(sizeof(*scope));
        scope->number = shape->f.number;
        scope->shape = shape_ref(shape);
        scope->tree = tree_of(shape);
        scope->watch = watch_of(hub->site, shape);
        scope->is_restated = watch_restates(scope->watch, scope->number);
        HASH_ADD(hh, hub->sights->scopes, number, sizeof(scope->number), scope);
    }
    return scope;
}

/* Those whose `visible` a row of this scope has to pass. A NULL among them: nobody may see it. */
static uint32_t scope_judges(struct hub *hub, struct scope *scope, struct scope *out[VISIBLE_MAX])
{
    const struct watch *watch = scope->watch;
    uint32_t n = 0;
    if (!scope->is_restated) {
        bool is_void = !watch && scope->shape->f.visible_by != SHAPE_VISIBLE_EVERYBODY;
        out[n++] = is_void ? NULL : scope;
    }
    if (watch && (!watch->shape || watch->shape->f.number != scope->number)) {
        out[n++] = watch->shape ? scope_of(hub, watch->shape) : NULL;
    }
    return n;
}

static bool scope_is_open(struct hub *hub, struct scope *scope)
{
    struct scope *judges[VISIBLE_MAX];
    uint32_t n = scope_judges(hub, scope, judges);
    for (uint32_t i = 0; i < n; i++) {
        if (!judges[i] || judges[i]->shape->f.visible_by != SHAPE_VISIBLE_EVERYBODY) {
            return false;
        }
    }
    return true;
}

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
            struct scope *scope;
            int64_t number = known->indexes[i]->shape;
            HASH_FIND(hh, hub->sights->scopes, &number, sizeof(number), scope);
            index_add(known->indexes[i], sights_of(hub, group, scope->shape));
        }
    }
    buf_release(&claims);
    return group;
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

/* ---- life ---- */

struct sights *sights_new(void)
{
    return mem_zalloc(sizeof(struct sights));
}

static void sights_clear(struct sights *sights)
{
    struct scope *scope, *next;
    HASH_ITER(hh, sights->scopes, scope, next)
    {
        HASH_DEL(sights->scopes, scope);
        shape_unref(scope->shape);
        filter_unref(scope->tree);
        free(scope);
    }
}

void sights_free(struct sights *sights)
{
    sights_clear(sights);
    free(sights);
}

void sights_take_site(struct hub *hub)
{
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        sights_drop_channel(channel);
    }
    sights_clear(hub->sights);
}

/* ---- views ---- */

/* The same for the same filter on every server: a label, never a key. */
static void view_make_name(struct str canonical, const char *wish, char name[VIEW_NAME_LEN + 1])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char digest[HMAC_SIZE];
    struct buf text = {0};
    buf_str(&text, canonical);
    buf_literal(&text, wish);
    hmac_sha256(STR("view"), buf_span(&text), digest);
    buf_release(&text);
    for (int i = 0; i < VIEW_NAME_LEN; i++) {
        name[i] = letters[digest[i] & 63];
    }
    name[VIEW_NAME_LEN] = '\0';
}

/* Every table whose rows may come on the channel must be able to answer the filter. */
static bool filter_fits(struct hub *hub, struct channel *channel, const struct filter *filter,
                        bool *is_residue, struct buf *why)
{
    const struct channel_sights *known = sights_know(hub, channel);
    struct judge_probe probe;
    *is_residue = false;
    for (uint32_t i = 0; i < known->n_today; i++) {
        struct judge *judge = judge_new(filter, known->today[i]->shape, NULL, why);
        if (!judge) {
            return false;
        }
        *is_residue |= judge_probes(judge, &probe, 1) == 0 && !judge_is_never(judge);
        judge_free(judge);
    }
    if (known->n_today == 0) {
        buf_literal(why, "No table is announced on this channel: there are no rows to filter.");
    }
    return known->n_today > 0;
}

struct view *sights_open_view(struct hub *hub, struct channel *channel, struct str json,
                              const char *wish, struct buf *why)
{
    char name[VIEW_NAME_LEN + 1];
    struct view *view = NULL;
    bool is_residue;
    struct filter *filter = filter_parse(json, FILTER_CLIENT, why);
    if (filter && filter_fits(hub, channel, filter, &is_residue, why)) {
        view_make_name(filter_canonical(filter), wish, name);
        view = channel_open_view(channel, filter, wish, name);
        if (view) {
            view->is_residue = is_residue;
        } else {
            buf_literal(why, "Another filter of this channel has the name that it would have.");
        }
    }
    filter_unref(filter);
    return view;
}

const struct watch *sights_watch(struct hub *hub, struct channel *channel, uint32_t *n)
{
    const struct channel_sights *known = sights_know(hub, channel);
    *n = known->n_today;
    return *n == 1 ? known->today[0]->watch : NULL;
}

uint64_t sights_version(struct hub *hub, struct channel *channel)
{
    const struct channel_sights *known = sights_know(hub, channel);
    uint64_t version = known->n_today;
    for (uint32_t i = 0; i < known->n_today; i++) {
        version += known->today[i]->watch->changed;
    }
    return version;
}

/* What all judges of a row of today have in common with the database, and what the name says. */
void sights_narrow(struct hub *hub, struct channel *channel, const struct group *group,
                   struct buf *out)
{
    const struct channel_sights *known = sights_know(hub, channel);
    for (uint32_t i = 0; i < known->n_today; i++) {
        const struct scope *scope = known->today[i];
        narrow_channel(out, scope->shape, channel_name(channel));
        if (group->view) {
            narrow_filter(out, group->view->filter, scope->shape, NULL);
        }
        if (scope->tree) {
            narrow_filter(out, scope->tree, scope->shape, group->who);
        }
    }
}
