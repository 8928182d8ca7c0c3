/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/ground/group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct str view_name(const struct view *view)
{
    return view ? str_of(view->name) : (struct str){0};
}

struct group *group_find(const struct group_list *list, const struct view *view, struct str claims)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i]->view == view && str_equals(list->items[i]->claims, claims)) {
            return list->items[i];
        }
    }
    return NULL;
}

struct group *group_new(struct group_list *list, struct roster_numbers *numbers, struct view *view,
                        struct str claims, struct identity *who)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 1;
        list->items = mem_array(list->items, list->cap, sizeof(struct group *));
    }
    struct group *group = mem_zalloc(sizeof(*group) + claims.len);
    group->view = view;
    group->roster = roster_new(numbers);
    group->who = identity_ref(who);
    group->claims = (struct str){group->data, claims.len};
    if (claims.len > 0) {
        memcpy(group->data, claims.ptr, claims.len);
    }
    list->items[list->n] = group;
    if (!view) {
        list->items[list->n] = list->items[list->n_plain];
        list->items[list->n_plain++] = group;
    }
    list->n++;
    return group;
}

void group_add(struct group_list *list, struct group *group, uint32_t worker)
{
    roster_add(group->roster, worker);
    list->n_subscribers++;
    list->n_plain_subscribers += group->view == NULL;
}

void group_remove(struct group_list *list, struct group *group, uint32_t worker)
{
    roster_remove(group->roster, worker);
    list->n_subscribers--;
    list->n_plain_subscribers -= group->view == NULL;
}

void group_free(struct group_list *list, struct roster_numbers *numbers, struct group *group)
{
    uint32_t i = 0;
    assert(!group->sights);
    while (list->items[i] != group) {
        i++;
    }
    if (i < list->n_plain) {
        list->items[i] = list->items[--list->n_plain];
        i = list->n_plain;
    }
    list->items[i] = list->items[--list->n];
    roster_free(numbers, group->roster);
    identity_unref(group->who);
    free(group);
}
