/* SPDX-License-Identifier: PostgreSQL */
/* Of each user and each shape the newest time is kept, up to a bound; the oldest goes, and with it what
 * is known of positions from before it. A shape stands for the channels that its rows may come on. */
#include "core/hub/live/reread.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "core/hub/live/party.h"
#include "core/hub/live/sight.h"
#include "core/row/channel.h"

#include <uthash.h>

enum { MAX_USERS = 10000, MAX_SHAPES = 1000 };

struct reread { /* by its key, in the order of ids */
    UT_hash_handle hh;
    uint64_t id;         /* of the event */
    struct shape *shape; /* NULL: a user */
    size_t key_len;
    char key[]; /* the shape's number; or dbo_id, and row_id */
};

struct rereads {
    struct reread *users, *shapes;
    uint64_t since; /* all are known that came after this id */
    uint64_t told;  /* the newest id that members were told of */
    bool is_due;    /* there is one that they were not told of */
};

static void reread_drop(struct reread **list, struct reread *reread)
{
    HASH_DEL(*list, reread);
    shape_unref(reread->shape);
    free(reread);
}

static void list_clear(struct reread **list)
{
    struct reread *reread, *next;
    HASH_ITER(hh, *list, reread, next)
    {
        reread_drop(list, reread);
    }
}

static struct reread *list_find(struct reread *list, struct str key)
{
    struct reread *reread;
    HASH_FIND(hh, list, key.ptr, key.len, reread);
    return reread;
}

/* Ids only rise. */
static void list_put(struct rereads *rereads, struct reread **list, unsigned most, struct str key,
                     struct shape *shape, uint64_t id)
{
    struct reread *reread = list_find(*list, key);
    if (reread) {
        reread_drop(list, reread);
    } else if (HASH_COUNT(*list) >= most) {
        rereads->since = (*list)->id > rereads->since ? (*list)->id : rereads->since;
        reread_drop(list, *list);
    }
    reread = mem_zalloc(sizeof(*reread) + key.len);
    reread->id = id;
    reread->shape = shape ? shape_ref(shape) : NULL;
    reread->key_len = key.len;
    memcpy(reread->key, key.ptr, key.len);
    HASH_ADD_KEYPTR(hh, *list, reread->key, reread->key_len, reread);
}

static struct str user_key(struct buf *out, int32_t dbo_id, struct str row_id)
{
    buf_clear(out);
    buf_add(out, &dbo_id, sizeof(dbo_id));
    buf_str(out, row_id);
    return buf_span(out);
}

static void rereads_put_shape(struct rereads *rereads, struct shape *shape, uint64_t id)
{
    struct str key = {(const char *)&shape->f.number, sizeof(shape->f.number)};
    list_put(rereads, &rereads->shapes, MAX_SHAPES, key, shape, id);
}

static void rereads_put_user(struct rereads *rereads, int32_t dbo_id, struct str row_id,
                             uint64_t id)
{
    struct buf key = {0};
    list_put(rereads, &rereads->users, MAX_USERS, user_key(&key, dbo_id, row_id), NULL, id);
    buf_release(&key);
}

/* ---- whom it concerns ---- */

/* The id; 0: not known to have been. */
static uint64_t newest_of_user(const struct rereads *rereads, const struct identity *who)
{
    struct buf key = {0};
    if (!who || !who->row_id.ptr || !rereads->users) {
        return 0;
    }
    const struct reread *found =
        list_find(rereads->users, user_key(&key, who->dbo_id, who->row_id));
    buf_release(&key);
    return found ? found->id : 0;
}

static uint64_t newest_of_tables(const struct rereads *rereads, const struct channel *channel)
{
    uint64_t newest = 0;
    for (const struct reread *reread = rereads->shapes; reread; reread = reread->hh.next) {
        if (reread->id > newest && shape_matches(reread->shape, channel_name(channel))) {
            newest = reread->id;
        }
    }
    return newest;
}

/* Whether the database is asked who may see its rows. */
static bool channel_is_judged(struct hub *hub, struct channel *channel)
{
    uint32_t n;
    struct scope *const *today = sights_today(hub, channel, &n);
    bool is_judged = false;
    for (uint32_t i = 0; i < n && !is_judged; i++) {
        is_judged = party_is_asked(today[i]->shape);
    }
    return is_judged;
}

bool reread_since(struct hub *hub, struct channel *channel, const struct identity *who,
                  uint64_t as_of)
{
    const struct rereads *rereads = hub->rereads;
    return newest_of_tables(rereads, channel) > as_of ||
           (newest_of_user(rereads, who) > as_of && channel_is_judged(hub, channel));
}

bool reread_perhaps(struct hub *hub, struct channel *channel, const struct identity *who,
                    uint64_t as_of)
{
    return as_of < hub->rereads->since || reread_since(hub, channel, who, as_of);
}

/* ---- news ---- */

bool rereads_are_due(const struct hub *hub)
{
    return hub->rereads->is_due;
}

bool reread_is_news(struct hub *hub, struct channel *channel, const struct identity *who)
{
    return newest_of_user(hub->rereads, who) > hub->rereads->told &&
           channel_is_judged(hub, channel);
}

void rereads_note_told(struct hub *hub)
{
    hub->rereads->is_due = false;
    hub->rereads->told = hub->log_id;
}

void rereads_take(struct hub *hub, const struct event *event)
{
    struct rereads *rereads = hub->rereads;
    rereads->is_due = true;
    if (event->f.shape) {
        rereads_put_shape(rereads, event->f.shape, event->f.id);
    } else if (event->f.audience.kind == AUDIENCE_USER) {
        rereads_put_user(rereads, event->f.audience.dbo_id, event->f.audience.row_id, event->f.id);
    }
}

/* ---- life ---- */

void rereads_load(struct hub *hub, const struct site *site)
{
    struct rereads *rereads = hub->rereads;
    for (size_t i = 0; i < site->n_rereads; i++) {
        const struct site_reread *found = &site->rereads[i];
        if (found->shape) {
            rereads_put_shape(rereads, found->shape, found->id);
        } else if (found->row_id) {
            rereads_put_user(rereads, found->dbo_id, str_of(found->row_id), found->id);
        }
    }
    if (site->has_rereads) {
        rereads->since = site->rereads_since;
        rereads->told = hub->log_id = site->rereads_at;
    }
}

/* Perhaps for the second time in a row, when positions became void but the epoch stays: those from
 * before the first one may still come. */
void rereads_void(struct hub *hub)
{
    struct rereads *rereads = hub->rereads;
    uint64_t since = rereads->since > hub->log_id ? rereads->since : hub->log_id + 1;
    list_clear(&rereads->users);
    list_clear(&rereads->shapes);
    *rereads = (struct rereads){.since = since};
    hub->log_id = 0;
}

struct rereads *rereads_new(void)
{
    return mem_zalloc(sizeof(struct rereads));
}

void rereads_free(struct rereads *rereads)
{
    list_clear(&rereads->users);
    list_clear(&rereads->shapes);
    free(rereads);
}
