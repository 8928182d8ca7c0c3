/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/live/view.h"

#include "base/hmac.h"
#include "core/hub/live/scope.h"
#include "core/hub/live/sight.h"
#include "core/live/narrow.h"

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

static size_t no_cost(const void *arg, const struct judge_probe *probe)
{
    (void)arg, (void)probe;
    return 0;
}

/* By an index. */
static bool is_found(const struct judge *judge)
{
    static const struct judge_cost cost = {.of = no_cost};
    struct judge_probe probes[JUDGE_PROBES_MAX];
    size_t n, price;
    return judge_cover(judge, &cost, probes, &n, &price);
}

/* Every table whose rows may come on the channel must be able to answer the filter. */
static bool filter_fits(struct hub *hub, struct channel *channel, const struct filter *filter,
                        bool *is_residue, struct buf *why)
{
    uint32_t n;
    struct scope *const *today = sights_today(hub, channel, &n);
    *is_residue = false;
    for (uint32_t i = 0; i < n; i++) {
        struct judge *judge = judge_new(filter, today[i]->shape, NULL, why);
        if (!judge) {
            return false;
        }
        *is_residue |= !is_found(judge);
        judge_free(judge);
    }
    if (n == 0) {
        buf_literal(why, "No table is announced on this channel: there are no rows to filter.");
    }
    return n > 0;
}

struct view *view_open(struct hub *hub, struct channel *channel, struct str json, const char *wish,
                       struct buf *why)
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

const struct watch *view_table(struct hub *hub, struct channel *channel, uint32_t *n)
{
    struct scope *const *today = sights_today(hub, channel, n);
    return *n == 1 ? today[0]->watch : NULL;
}

uint64_t view_tables_version(struct hub *hub, struct channel *channel)
{
    uint32_t n;
    struct scope *const *today = sights_today(hub, channel, &n);
    uint64_t version = n;
    for (uint32_t i = 0; i < n; i++) {
        version += today[i]->watch->changed;
    }
    return version;
}

/* What all judges of a row of today have in common with the database, and what the name says. */
void view_narrow(struct hub *hub, struct channel *channel, const struct group *group,
                 struct buf *out)
{
    uint32_t n;
    struct scope *const *today = sights_today(hub, channel, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct scope *scope = today[i];
        narrow_channel(out, scope->shape, channel_name(channel));
        if (group->view) {
            narrow_filter(out, group->view->filter, scope->shape, NULL);
        }
        if (scope->tree) {
            narrow_filter(out, scope->tree, scope->shape, group->who);
        }
    }
}
