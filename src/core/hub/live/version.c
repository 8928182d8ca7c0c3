/* SPDX-License-Identifier: PostgreSQL */
/* A table that is altered and altered back has the shape that it had, and other rows: so a version is
 * no number of a shape but the transaction that changed the watch last. Told is whoever is live, at
 * once; who is sent rows or what he missed is told when that is over, as it may have been read before
 * the change. */
#include "core/hub/live/version.h"

#include <string.h>

#include "core/hub/ground/say.h"
#include "core/hub/live/tell.h"
#include "core/hub/live/view.h"

uint64_t version_of(uint64_t changed)
{
    return 1 + changed;
}

void version_put(struct buf *out, const struct hub *hub, uint64_t version)
{
    buf_literal(out, hub->epoch);
    if (version > 0) {
        buf_char(out, '.');
        buf_u64(out, version);
    }
}

uint64_t version_parse(struct hub *hub, struct channel *channel, struct str epoch)
{
    size_t len = hub->epoch ? strlen(hub->epoch) : 0;
    uint64_t version = 0;
    bool is_ours = len > 0 && epoch.len > len + 1 && memcmp(epoch.ptr, hub->epoch, len) == 0 &&
                   epoch.ptr[len] == '.' &&
                   str_to_u64((struct str){epoch.ptr + len + 1, epoch.len - len - 1}, &version);
    return is_ours && version == view_tables_version(hub, channel) ? version : 0;
}

void version_check(struct hub *hub, struct session *session, struct subscription *in)
{
    if (in->version > 0 && in->is_attached && !in->is_held &&
        in->version != view_tables_version(hub, in->channel)) {
        in->version = 0; /* it is told once */
        say_count(hub, METRIC_GAPS);
        say_frame(hub, session, tell_gap(hub, in->channel, in->view, channel_told(in->channel)));
    }
}

static void session_check(void *arg, struct session *session)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        version_check(arg, session, &session->subscriptions[i]);
    }
}

void version_check_all(struct hub *hub)
{
    session_table_each(&hub->sessions, session_check, hub);
}
