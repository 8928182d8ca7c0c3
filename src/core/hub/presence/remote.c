/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/presence/remote.h"

void remote_hear(struct hub *hub, const char *from, enum bus_kind kind, struct str body)
{
    (void)hub, (void)from, (void)kind, (void)body;
}

void remote_peer(struct hub *hub, const struct bus_peer *peer, enum bus_news news)
{
    (void)hub, (void)peer, (void)news;
}

void remote_beat(struct hub *hub, const char *from, const struct bus_beat *beat)
{
    (void)hub, (void)from, (void)beat;
}

void remote_fill_beat(struct hub *hub, struct bus_beat *beat)
{
    (void)hub, (void)beat;
}
