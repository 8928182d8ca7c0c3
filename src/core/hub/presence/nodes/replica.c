/* SPDX-License-Identifier: PostgreSQL */
/* A node is asked for all it has when it comes, and whenever something of it was missed: a parcel of
 * changes has a number that does not continue, or two beats in a row name a number or a sum that is not what is
 * known here. One list at a time, and at most one a second. Meanwhile what is known of it stays: who is
 * not in the list leaves at its end, and nobody else has been away.
 *
 * A parcel is read whole before any of it is taken. */
#include "core/hub/presence/nodes/replica.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/nodes/op.h"
#include "core/hub/presence/nodes/room.h"
#include "core/hub/presence/nodes/share.h"

enum {
    ASK_MS = 1000,   /* between two wishes to one node */
    QUIET_MS = 5000, /* nothing has come of a list: it will not */
    MAX_WRONG = 2,
};

struct replicas {
    struct replica *list[REPLICAS_MAX];
    size_t n;
    uint32_t n_wishes;
};

static struct replica *replica_find(const struct hub *hub, const char *id)
{
    const struct replicas *replicas = hub->presence->replicas;
    for (size_t i = 0; i < replicas->n; i++) {
        if (strcmp(replicas->list[i]->id, id) == 0) {
            return replicas->list[i];
        }
    }
    return NULL;
}

/* ---- asking ---- */

static void replica_ask(struct hub *hub, struct replica *replica)
{
    struct buf wish = {0};
    if (replica->is_asked || (replica->asked_ms > 0 && hub->now_ms - replica->asked_ms < ASK_MS)) {
        return; /* a beat will remind */
    }
    replica->wish = ++hub->presence->replicas->n_wishes;
    say_count(hub, METRIC_PRESENCE_WISHES);
    replica->n_parts = 0;
    replica->asked_ms = replica->heard_ms = hub->now_ms;
    parcel_put_u32(&wish, replica->wish);
    replica->is_asked = say_to_nodes(hub, BUS_KIND_PRESENCE_WISH, replica->id, buf_span(&wish));
    buf_release(&wish);
}

static void replica_lose_step(struct hub *hub, struct replica *replica)
{
    replica->is_in_step = replica->is_asked = false;
    replica->n_wrong = 0;
    replica_ask(hub, replica);
}

/* ---- who is there ---- */

void replica_came(struct hub *hub, const char *id)
{
    struct replicas *replicas = hub->presence->replicas;
    struct replica *replica = replica_find(hub, id);
    if (!replica && replicas->n == REPLICAS_MAX) {
        log_warn("node %s: there are more than %d others: its members are not listed here", id,
                 REPLICAS_MAX);
        return;
    }
    if (!replica) {
        replica = mem_zalloc(sizeof(*replica));
        memcpy(replica->id, id, strnlen(id, ID_TEXT_SIZE - 1));
        replicas->list[replicas->n++] = replica;
    }
    replica->asked_ms = 0;
    replica_lose_step(hub, replica);
}

void replica_gone(struct hub *hub, const char *id)
{
    struct replicas *replicas = hub->presence->replicas;
    size_t i = 0;
    while (i < replicas->n && strcmp(replicas->list[i]->id, id) != 0) {
        i++;
    }
    if (i < replicas->n) {
        room_lose(hub, replicas->list[i]);
        free(replicas->list[i]);
        replicas->list[i] = replicas->list[--replicas->n];
    }
}

bool replicas_are_none(const struct hub *hub)
{
    return hub->presence->replicas->n == 0;
}

struct replicas *replicas_new(void)
{
    return mem_zalloc(sizeof(struct replicas));
}

void replicas_free(struct replicas *replicas)
{
    for (size_t i = 0; i < replicas->n; i++) {
        free(replicas->list[i]);
    }
    free(replicas);
}

/* ---- what it tells ---- */

static bool ops_are_good(struct parcel parcel)
{
    struct op op;
    while (!parcel_is_done(&parcel)) {
        if (parcel.is_bad || !op_read(&parcel, &op)) {
            return false;
        }
    }
    return true;
}

static void replica_take(struct hub *hub, struct replica *replica, struct parcel parcel)
{
    struct op op;
    while (!parcel_is_done(&parcel) && op_read(&parcel, &op)) {
        if (op.kind == OP_ENTER) {
            room_enter(hub, replica, &op);
        } else if (op.kind == OP_ADOPT) {
            room_adopt(hub, replica, &op);
        } else {
            room_change(hub, replica, &op);
        }
    }
}

bool replica_hear_changes(struct hub *hub, const char *from, struct str body)
{
    struct replica *replica = replica_find(hub, from);
    struct parcel parcel = parcel_of(body);
    uint64_t seq = parcel_u64(&parcel);
    if (!ops_are_good(parcel)) {
        return false;
    }
    if (!replica || !replica->is_in_step || seq <= replica->seq) {
        return true;
    }
    if (seq != replica->seq + 1) {
        replica_lose_step(hub, replica);
        return true;
    }
    replica->seq = seq;
    replica_take(hub, replica, parcel);
    return true;
}

/* The next part of the list that was wished for, and none of the changes between is missing. */
static bool is_next_part(const struct replica *replica, uint32_t n_part, uint64_t seq)
{
    return n_part == replica->n_parts &&
           (n_part == 0 || (replica->is_in_step && seq == replica->seq));
}

bool replica_hear_list(struct hub *hub, const char *from, struct str body)
{
    struct replica *replica = replica_find(hub, from);
    struct parcel parcel = parcel_of(body);
    uint32_t wish = parcel_u32(&parcel), n_part = parcel_u32(&parcel);
    uint64_t seq = parcel_u64(&parcel);
    bool is_last = parcel_u8(&parcel);
    if (!ops_are_good(parcel)) {
        return false;
    }
    if (!replica || !replica->is_asked || wish != replica->wish) {
        return true;
    }
    if (!is_next_part(replica, n_part, seq)) {
        replica_lose_step(hub, replica);
        return true;
    }
    replica->n_parts++;
    replica->round += n_part == 0;
    replica->heard_ms = hub->now_ms;
    replica->seq = seq;
    replica->is_in_step = true;
    replica_take(hub, replica, parcel);
    if (is_last) {
        replica->is_asked = false;
        room_end_round(hub, replica);
    }
    return true;
}

void replica_hear_beat(struct hub *hub, const char *from, const struct bus_beat *beat)
{
    struct replica *replica = replica_find(hub, from);
    if (!replica) {
        return;
    }
    if (replica->is_asked && hub->now_ms - replica->heard_ms >= QUIET_MS) {
        replica->is_asked = false;
        replica->is_in_step = false;
    }
    if (replica->is_asked) {
        return;
    }
    bool is_right = beat->presence_seq == replica->seq && beat->presence_digest == replica->digest;
    replica->n_wrong = is_right ? 0 : replica->n_wrong + 1;
    if (!replica->is_in_step) {
        replica_ask(hub, replica);
    } else if (replica->n_wrong >= MAX_WRONG) {
        replica_lose_step(hub, replica);
    }
}
