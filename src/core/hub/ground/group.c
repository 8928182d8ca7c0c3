/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/ground/group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct str view_name(const struct view *view)
{
    return view ? str_of(view->name) : (struct str){0};
}

static struct buf group_key(const struct view *view, struct str claims)
{
    struct buf key = {0};
    buf_add(&key, &view, sizeof(const struct view *));
    buf_str(&key, claims);
    return key;
}

struct group *group_find(const struct group_list *list, const struct view *view, struct str claims)
{
    struct buf key = group_key(view, claims);
    struct group *group;
    HASH_FIND(hh, list->by_key, key.data, key.len, group);
    buf_release(&key);
    return group;
}

static void group_put(struct group_list *list, struct group *group, uint32_t at)
{
    list->items[at] = group;
    group->at = at;
}

static void group_enlist(struct group_list *list, struct group *group)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 1;
        list->items = mem_array(list->items, list->cap, sizeof(struct group *));
    }
    group_put(list, group, list->n);
    if (!group->view) {
        if (list->n > list->n_plain) {
            group_put(list, list->items[list->n_plain], list->n);
        }
        group_put(list, group, list->n_plain++);
    }
    list->n++;
    HASH_ADD_KEYPTR(hh, list->by_key, group->key, group->key_len, group);
}

struct group *group_new(struct group_list *list, struct roster_numbers *numbers, struct view *view,
                        struct str claims, struct identity *who)
{
    struct buf key = group_key(view, claims);
    struct group *group = mem_zalloc(sizeof(*group) + key.len);
    group->view = view;
    group->roster = roster_new(numbers);
    group->who = identity_ref(who);
    group->key_len = key.len;
    memcpy(group->key, key.data, key.len);
    group->claims = (struct str){group->key + (key.len - claims.len), claims.len};
    buf_release(&key);
    group_enlist(list, group);
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
    uint32_t at = group->at;
    assert(!group->sights && !group->docket);
    if (at < list->n_plain) {
        group_put(list, list->items[--list->n_plain], at);
        at = list->n_plain;
    }
    if (at != --list->n) {
        group_put(list, list->items[list->n], at);
    }
    HASH_DEL(list->by_key, group);
    roster_free(numbers, group->roster);
    identity_unref(group->who);
    free(group);
}
