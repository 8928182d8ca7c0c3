/* SPDX-License-Identifier: PostgreSQL */
/* What other nodes send the hub. The first byte chooses the world, then each parcel is two bytes, which
 * say what it is, of whom, and how long its body is that follows. Two nodes tell the lists of one that
 * listens, so that they contend for seats, with numbers that are right, else all would be dropped for
 * these; they are given up and come back, and time passes. The other kinds go to one more. Nobody is on
 * any of them: what is shown is tried by the walks of several nodes (test_hub_nodes_walk.c), with
 * members that are whole. */
#include <stddef.h>
#include <stdint.h>

#include "../fakes/world_bus.h"

#include "core/nodes/parcel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LISTENER, ONE, OTHER, EMPTY, N_WORLDS };
enum { MAX_SIZE = 4000, MAX_STEPS = 200 };

struct script {
    struct world_bus *bus;
    struct str rest;
    uint32_t wish[EMPTY], n_parts[EMPTY];
    uint64_t seq[EMPTY];
};

/* What the listener has asked for is answered by the script, and by nobody else. */
static void look_for_wishes(struct script *script)
{
    while (world_bus_n(script->bus) > 0) {
        const struct world_parcel *sent = world_bus_parcel(script->bus, 0);
        if (sent->kind == BUS_KIND_PRESENCE_WISH && sent->from == LISTENER && sent->to < EMPTY) {
            struct parcel wish = parcel_of(sent->body);
            script->wish[sent->to] = parcel_u32(&wish);
            script->n_parts[sent->to] = 0;
        }
        world_bus_lose(script->bus, 0);
    }
}

static void forge(struct script *script, unsigned from, unsigned to, enum bus_kind kind,
                  struct str body)
{
    world_bus_forge(script->bus, from, to, kind, body);
    world_bus_deliver(script->bus, world_bus_find(script->bus, from, to));
    look_for_wishes(script);
}

static void tell_list(struct script *script, unsigned from, bool is_last, struct str ops)
{
    struct buf body = {0};
    parcel_put_u32(&body, script->wish[from]);
    parcel_put_u32(&body, script->n_parts[from]++);
    parcel_put_u64(&body, script->seq[from]);
    parcel_put_u8(&body, is_last);
    buf_str(&body, ops);
    forge(script, from, LISTENER, BUS_KIND_PRESENCE_LIST, buf_span(&body));
    buf_release(&body);
}

static void tell_changes(struct script *script, unsigned from, struct str ops)
{
    struct buf body = {0};
    parcel_put_u64(&body, ++script->seq[from]);
    buf_str(&body, ops);
    forge(script, from, LISTENER, BUS_KIND_PRESENCE, buf_span(&body));
    buf_release(&body);
}

static void come_or_go(struct script *script, unsigned about)
{
    bool is_known = world_bus_knows(script->bus, LISTENER, about);
    world_peer_news(script->bus, LISTENER, about, is_known ? BUS_NEWS_DEAD : BUS_NEWS_CAME);
    look_for_wishes(script);
}

static void step(struct script *script, unsigned what, struct str body)
{
    unsigned from = what & 1u ? OTHER : ONE;
    switch (what >> 1u & 15u) {
    case 0:
        come_or_go(script, from);
        break;
    case 1:
        world_bus_tick(script->bus, (uint32_t)body.len * 100);
        look_for_wishes(script);
        break;
    case 2:
    case 3:
        tell_list(script, from, what & 64u, body);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        tell_changes(script, from, body);
        break;
    default:
        forge(script, from, EMPTY, (enum bus_kind)(BUS_KIND_MESSAGE + (what >> 1u) % 8u), body);
        break;
    }
}

static struct script begin(uint8_t choice)
{
    struct script script = {.bus = world_bus_new()};
    for (unsigned node = 0; node < N_WORLDS; node++) {
        struct world *world = world_new_with(&(struct world_options){
            .bus = script.bus, .presence_grace_ms = choice & 1u ? 1000 : 0});
        world_rule(world, (struct rule){.anonymous_clients = true, .presence = true});
    }
    world_bus_meet(script.bus);
    look_for_wishes(&script);
    return script;
}

static void end(struct script *script)
{
    struct world *worlds[N_WORLDS];
    for (unsigned node = 0; node < N_WORLDS; node++) {
        worlds[node] = world_bus_world(script->bus, node);
    }
    for (unsigned node = 0; node < N_WORLDS; node++) {
        world_free(worlds[node]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MAX_SIZE) {
        return 0;
    }
    struct script script = begin(data[0]);
    size_t at = 1;
    for (unsigned n = 0; n < MAX_STEPS && at + 2 < size; n++) {
        size_t left = size - at - 2, len = data[at + 1] < left ? data[at + 1] : left;
        step(&script, data[at], (struct str){(const char *)data + at + 2, len});
        at += 2 + len;
    }
    end(&script);
    return 0;
}
