/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/nodes/nodes.h"

#include "core/hub/directive.h"
#include "core/hub/nodes/others.h"
#include "core/hub/nodes/private.h"
#include "core/hub/nodes/relay.h"
#include "core/hub/presence/remote.h"

/* A kind that this version does not know says nothing to it. */
static void on_parcel(void *ctx, const char *from, enum bus_kind kind, struct str body)
{
    struct hub *hub = ctx;
    switch (kind) {
    case BUS_KIND_PRESENCE:
    case BUS_KIND_PRESENCE_WISH:
    case BUS_KIND_PRESENCE_LIST:
        remote_hear(hub, from, kind, body);
        break;
    case BUS_KIND_MESSAGE:
        relay_hear(hub, body);
        break;
    case BUS_KIND_PRIVATE:
        private_hear(hub, from, body);
        break;
    case BUS_KIND_PRIVATE_ANSWER:
        private_hear_answer(hub, from, body);
        break;
    case BUS_KIND_DIRECTIVE:
        directive_hear(hub, body);
        break;
    case BUS_KIND_BEAT:
    case BUS_KIND_GOODBYE:
    case BUS_KIND_ROWS:
        break;
    }
}

static void on_peer(void *ctx, const struct bus_peer *peer, enum bus_news news)
{
    struct hub *hub = ctx;
    uint64_t gone = others_note(hub->others, peer, news);
    if (gone) {
        private_forget(hub, gone);
    }
    remote_peer(hub, peer, news);
}

static void on_beat(void *ctx, const char *from, const struct bus_beat *beat)
{
    remote_beat(ctx, from, beat);
}

static void fill_beat(void *ctx, struct bus_beat *beat)
{
    remote_fill_beat(ctx, beat);
}

struct bus_sink nodes_sink(struct hub *hub)
{
    return (struct bus_sink){
        .ctx = hub,
        .on_parcel = on_parcel,
        .on_peer = on_peer,
        .on_beat = on_beat,
        .fill_beat = fill_beat,
    };
}
