/* SPDX-License-Identifier: PostgreSQL */
/* The fake bus: one list of what is under way, for all nodes. */
#include "world_bus.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world_internal.h"

struct under_way {
    struct world_parcel parcel;
    struct bus_beat beat; /* BEAT */
    char *body;
};

struct world_bus {
    struct world *worlds[WORLD_NODES];
    struct bus_sink sinks[WORLD_NODES];
    struct bus buses[WORLD_NODES];
    struct end {
        struct world_bus *bus;
        unsigned node;
    } ends[WORLD_NODES];
    unsigned n_nodes, n_worlds;
    bool is_cut[WORLD_NODES];
    size_t max_body;
    bool knows[WORLD_NODES][WORLD_NODES];
    struct under_way *list;
    size_t n, cap;
};

const char *world_bus_id(unsigned node)
{
    static const char *const ids[WORLD_NODES] = {"node-a----------", "node-b----------",
                                                 "node-c----------", "node-d----------"};
    assert(node < WORLD_NODES);
    return ids[node];
}

static unsigned node_of(const char *id)
{
    for (unsigned node = 0; node < WORLD_NODES; node++) {
        if (strcmp(id, world_bus_id(node)) == 0) {
            return node;
        }
    }
    abort();
}

/* ---- parcels ---- */

static struct under_way *put(struct world_bus *bus, unsigned from, unsigned to, enum bus_kind kind)
{
    bus->list = world_grow(bus->list, bus->n, &bus->cap, sizeof(*bus->list));
    bus->list[bus->n] = (struct under_way){.parcel = {.from = from, .to = to, .kind = kind}};
    return &bus->list[bus->n++];
}

static bool is_there(const struct world_bus *bus, unsigned node)
{
    return node < bus->n_nodes && bus->worlds[node] && !bus->is_cut[node];
}

static void put_body(struct world_bus *bus, unsigned from, unsigned to, enum bus_kind kind,
                     struct str body)
{
    if (is_there(bus, to)) {
        struct under_way *sent = put(bus, from, to, kind);
        sent->body = mem_alloc(body.len + 1);
        memcpy(sent->body, body.ptr, body.len);
        sent->parcel.body = (struct str){sent->body, body.len};
    }
}

static bool fake_send(void *ctx, enum bus_kind kind, const char *to, struct str body)
{
    const struct end *end = ctx;
    assert(kind > BUS_KIND_ROWS && body.ptr);
    if (end->bus->is_cut[end->node] || body.len > end->bus->max_body) {
        return false;
    }
    for (unsigned node = 0; node < end->bus->n_nodes; node++) {
        if (node != end->node && (!to || node_of(to) == node)) {
            put_body(end->bus, end->node, node, kind, body);
        }
    }
    return true;
}

static size_t fake_max_body(void *ctx)
{
    const struct end *end = ctx;
    return end->bus->is_cut[end->node] ? 0 : end->bus->max_body;
}

void world_bus_limit(struct world_bus *bus, size_t max_body)
{
    bus->max_body = max_body;
}

void world_bus_forge(struct world_bus *bus, unsigned from, unsigned to, enum bus_kind kind,
                     struct str body)
{
    put_body(bus, from, to, kind, body);
}

size_t world_bus_n(const struct world_bus *bus)
{
    return bus->n;
}

const struct world_parcel *world_bus_parcel(const struct world_bus *bus, size_t nth)
{
    assert(nth < bus->n);
    return &bus->list[nth].parcel;
}

size_t world_bus_find(const struct world_bus *bus, unsigned from, unsigned to)
{
    size_t i = 0;
    while (i < bus->n && (bus->list[i].parcel.from != from || bus->list[i].parcel.to != to)) {
        i++;
    }
    return i;
}

static struct under_way take(struct world_bus *bus, size_t nth)
{
    struct under_way taken = bus->list[nth];
    memmove(bus->list + nth, bus->list + nth + 1, (--bus->n - nth) * sizeof(taken));
    return taken;
}

static void hand_over(struct world_bus *bus, const struct under_way *sent)
{
    unsigned to = sent->parcel.to;
    const struct bus_sink *sink = &bus->sinks[to];
    const char *from = world_bus_id(sent->parcel.from);
    if (!bus->knows[to][sent->parcel.from]) {
        return;
    }
    if (sent->parcel.kind == BUS_KIND_BEAT) {
        sink->on_beat(sink->ctx, from, &sent->beat);
    } else {
        sink->on_parcel(sink->ctx, from, sent->parcel.kind, sent->parcel.body);
    }
    world_end_step(bus->worlds[to]);
}

bool world_bus_deliver(struct world_bus *bus, size_t nth)
{
    if (nth >= bus->n) {
        return false;
    }
    struct world_parcel last = bus->list[nth].parcel;
    size_t i;
    do {
        i = world_bus_find(bus, last.from, last.to);
        struct under_way sent = take(bus, i);
        hand_over(bus, &sent);
        free(sent.body);
    } while (i < nth--);
    return true;
}

bool world_bus_lose(struct world_bus *bus, size_t nth)
{
    if (nth >= bus->n) {
        return false;
    }
    free(take(bus, nth).body);
    return true;
}

static void lose_all_of(struct world_bus *bus, unsigned node)
{
    for (size_t i = bus->n; i > 0; i--) {
        if (bus->list[i - 1].parcel.from == node || bus->list[i - 1].parcel.to == node) {
            world_bus_lose(bus, i - 1);
        }
    }
}

void world_bus_cut(struct world_bus *bus, unsigned node, bool is_cut)
{
    bus->is_cut[node] = is_cut;
    if (is_cut) {
        lose_all_of(bus, node);
    }
}

/* ---- who is there ---- */

void world_peer_news(struct world_bus *bus, unsigned node, unsigned about, enum bus_news news)
{
    struct bus_peer peer = {.name = "somewhere"};
    memcpy(peer.id, world_bus_id(about), sizeof(peer.id));
    bus->knows[node][about] = news != BUS_NEWS_LEFT && news != BUS_NEWS_DEAD;
    bus->sinks[node].on_peer(bus->sinks[node].ctx, &peer, news);
    world_end_step(bus->worlds[node]);
}

bool world_bus_knows(const struct world_bus *bus, unsigned node, unsigned about)
{
    return bus->knows[node][about];
}

void world_bus_meet(struct world_bus *bus)
{
    for (unsigned node = 0; node < bus->n_nodes; node++) {
        for (unsigned about = 0; about < bus->n_nodes; about++) {
            if (node != about && is_there(bus, node) && is_there(bus, about) &&
                !bus->knows[node][about]) {
                world_peer_news(bus, node, about, BUS_NEWS_CAME);
            }
        }
    }
}

/* As a server that is told to stop, up to its good-bye. */
static void drain(struct world_bus *bus, unsigned node)
{
    size_t i = 0;
    hub_drain(world_hub(bus->worlds[node]), 0);
    world_close_told(bus->worlds[node]);
    world_flush(bus->worlds[node]);
    while (i < bus->n) {
        if (bus->list[i].parcel.from == node) {
            world_bus_deliver(bus, i);
            i = 0;
        } else {
            i++;
        }
    }
}

void world_bus_end(struct world_bus *bus, unsigned node, enum bus_news news)
{
    if (news == BUS_NEWS_LEFT) {
        drain(bus, node);
    }
    world_bus_cut(bus, node, true); /* what it had still to say is not heard */
    world_free(bus->worlds[node]);
    for (unsigned other = 0; other < bus->n_nodes; other++) {
        if (bus->worlds[other] && bus->knows[other][node] && news != BUS_NEWS_CAME) {
            world_peer_news(bus, other, node, news);
        }
    }
}

void world_bus_beat(struct world_bus *bus, unsigned node)
{
    const struct bus_sink *sink = &bus->sinks[node];
    struct bus_beat beat = {0};
    if (!is_there(bus, node)) {
        return;
    }
    sink->fill_beat(sink->ctx, &beat);
    for (unsigned to = 0; to < bus->n_nodes; to++) {
        if (to != node && is_there(bus, to)) {
            put(bus, node, to, BUS_KIND_BEAT)->beat = beat;
        }
    }
}

/* ---- all together ---- */

unsigned world_bus_n_nodes(const struct world_bus *bus)
{
    return bus->n_nodes;
}

struct world *world_bus_world(struct world_bus *bus, unsigned node)
{
    return node < bus->n_nodes ? bus->worlds[node] : NULL;
}

void world_bus_tick(struct world_bus *bus, uint32_t ms)
{
    for (unsigned node = 0; node < bus->n_nodes; node++) {
        if (bus->worlds[node]) {
            world_tick(bus->worlds[node], ms);
        }
    }
}

void world_bus_settle(struct world_bus *bus)
{
    do {
        for (unsigned node = 0; node < bus->n_nodes; node++) {
            if (bus->worlds[node]) {
                world_settle(bus->worlds[node]);
            }
        }
    } while (world_bus_deliver(bus, 0));
}

/* Long enough for what a node that is given up has left behind. */
void world_bus_rest(struct world_bus *bus)
{
    for (int second = 0; second < 30; second++) {
        for (unsigned node = 0; node < bus->n_nodes; node++) {
            if (bus->worlds[node]) {
                world_bus_beat(bus, node);
                world_close_told(bus->worlds[node]);
            }
        }
        world_bus_settle(bus);
        world_bus_tick(bus, 1000);
        world_bus_settle(bus);
    }
}

void world_bus_check(struct world_bus *bus)
{
    for (unsigned node = 0; node < bus->n_nodes; node++) {
        if (bus->worlds[node]) {
            world_check_presence(bus->worlds[node]);
        }
    }
}

/* ---- life ---- */

struct world_bus *world_bus_new(void)
{
    struct world_bus *bus = mem_zalloc(sizeof(*bus));
    bus->max_body = 1024 * 1024;
    for (unsigned node = 0; node < WORLD_NODES; node++) {
        bus->ends[node] = (struct end){bus, node};
        bus->buses[node] =
            (struct bus){.ctx = &bus->ends[node], .send = fake_send, .max_body = fake_max_body};
    }
    return bus;
}

const struct bus *world_bus_enter(struct world_bus *bus, struct world *world, unsigned *node)
{
    assert(bus->n_nodes < WORLD_NODES);
    *node = bus->n_nodes++;
    bus->worlds[*node] = world;
    bus->n_worlds++;
    return &bus->buses[*node];
}

void world_bus_open(struct world_bus *bus, unsigned node, struct bus_sink sink)
{
    bus->sinks[node] = sink;
}

void world_bus_leave(struct world_bus *bus, unsigned node)
{
    bus->worlds[node] = NULL;
    if (--bus->n_worlds > 0) {
        return;
    }
    while (world_bus_lose(bus, 0)) {
    }
    free(bus->list);
    free(bus);
}
