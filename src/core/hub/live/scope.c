/* SPDX-License-Identifier: PostgreSQL */
/* A row is judged by its own shape's columns, and by two of the owner's words: what `visible` was
 * when the row was captured, and what it is today. So what was captured while few might see it is
 * not shown to many because the owner has changed his mind since, unless he says so (restate); and
 * what is nobody's business today is so at once. What was captured under a `visible`, and whose
 * table is watched no more, has nobody to say so: it is shown to nobody.
 *
 * Everything here is made of the site and of shapes, when it is needed, and thrown away when the site
 * changes. */
#include "core/hub/live/scope.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

struct scopes {
    struct scope *by_number;
};

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

struct scope *scope_find(const struct hub *hub, int64_t number)
{
    struct scope *scope;
    HASH_FIND(hh, hub->scopes->by_number, &number, sizeof(number), scope);
    return scope;
}

struct scope *scope_of(struct hub *hub, struct shape *shape)
{
    struct scope *scope = scope_find(hub, shape->f.number);
    if (!scope) {
        scope = mem_zalloc(sizeof(*scope));
        scope->number = shape->f.number;
        scope->shape = shape_ref(shape);
        scope->tree = tree_of(shape);
        scope->watch = watch_of(hub->site, shape);
        scope->is_restated = watch_restates(scope->watch, scope->number);
        HASH_ADD(hh, hub->scopes->by_number, number, sizeof(scope->number), scope);
    }
    return scope;
}

uint32_t scope_judges(struct hub *hub, struct scope *scope, struct scope *out[SCOPE_JUDGES_MAX])
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

bool scope_is_open(struct hub *hub, struct scope *scope)
{
    struct scope *judges[SCOPE_JUDGES_MAX];
    uint32_t n = scope_judges(hub, scope, judges);
    for (uint32_t i = 0; i < n; i++) {
        if (!judges[i] || judges[i]->shape->f.visible_by != SHAPE_VISIBLE_EVERYBODY) {
            return false;
        }
    }
    return true;
}

/* ---- life ---- */

struct scopes *scopes_new(void)
{
    return mem_zalloc(sizeof(struct scopes));
}

void scopes_clear(struct scopes *scopes)
{
    struct scope *scope, *next;
    HASH_ITER(hh, scopes->by_number, scope, next)
    {
        HASH_DEL(scopes->by_number, scope);
        shape_unref(scope->shape);
        filter_unref(scope->tree);
        free(scope);
    }
}

void scopes_free(struct scopes *scopes)
{
    scopes_clear(scopes);
    free(scopes);
}
