/* SPDX-License-Identifier: PostgreSQL */
/* A table that is altered and altered back has the shape that it had, and other rows: so a version is
 * no number of a shape but the transaction that changed the watch last. Told is whoever is live, at
 * once; who is sent rows or what he missed is told when that is over, as it may have been read before
 * the change. */
#include "core/hub/live/version.h"

#include <string.h>

#include "core/hub/live/gap.h"
#include "core/hub/live/reread.h"
#include "core/hub/live/sight.h"
#include "core/hub/live/view.h"

uint64_t version_of(uint64_t changed)
{
    return 1 + changed;
}

enum { NUMBER_VERSION, NUMBER_AS_OF, NUMBER_GROUP, N_NUMBERS };

void version_put(struct buf *out, const struct hub *hub, uint64_t version, uint64_t as_of,
                 struct str claims)
{
    uint64_t numbers[N_NUMBERS] = {version, as_of, sights_digest(claims)};
    buf_literal(out, hub->epoch);
    for (size_t i = 0; i < N_NUMBERS && version > 0; i++) {
        buf_char(out, '.');
        buf_u64(out, numbers[i]);
    }
}

/* "VERSION.ID.GROUP". */
static bool parse_numbers(struct str text, uint64_t numbers[N_NUMBERS])
{
    for (size_t i = 0; i < N_NUMBERS; i++) {
        const char *dot = memchr(text.ptr, '.', text.len);
        size_t len = dot ? (size_t)(dot - text.ptr) : text.len;
        bool is_last = i + 1 == N_NUMBERS;
        if (is_last != !dot || !str_to_u64((struct str){text.ptr, len}, &numbers[i])) {
            return false;
        }
        text = is_last ? text : (struct str){dot + 1, text.len - len - 1};
    }
    return true;
}

uint64_t version_parse(struct hub *hub, struct channel *channel, const struct identity *who,
                       struct str epoch, uint64_t *as_of)
{
    size_t len = hub->epoch ? strlen(hub->epoch) : 0;
    uint64_t numbers[N_NUMBERS];
    bool is_ours = len > 0 && epoch.len > len + 1 && memcmp(epoch.ptr, hub->epoch, len) == 0 &&
                   epoch.ptr[len] == '.' &&
                   parse_numbers((struct str){epoch.ptr + len + 1, epoch.len - len - 1}, numbers);
    if (!is_ours || numbers[NUMBER_VERSION] != view_tables_version(hub, channel) ||
        numbers[NUMBER_GROUP] != sights_digest_of(hub, channel, who) ||
        reread_perhaps(hub, channel, who, numbers[NUMBER_AS_OF])) {
        return 0;
    }
    *as_of = numbers[NUMBER_AS_OF];
    return numbers[NUMBER_VERSION];
}

static void version_tell_gap(struct hub *hub, const struct session *session,
                             const struct subscription *in)
{
    gap_tell(hub, session, in, channel_told(in->channel, in->group));
}

void version_check(struct hub *hub, struct session *session, struct subscription *in)
{
    if (in->version > 0 && in->is_attached && !in->is_held &&
        (in->version != view_tables_version(hub, in->channel) ||
         reread_since(hub, in->channel, session->identity, in->as_of))) {
        in->version = 0; /* it is told once */
        version_tell_gap(hub, session, in);
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

/* Who has no rows of ours has perhaps some that he read himself. */
static void session_tell(void *arg, struct session *session)
{
    struct hub *hub = arg;
    for (uint32_t i = 0; i < session->n_subscriptions && !session->is_closing; i++) {
        struct subscription *in = &session->subscriptions[i];
        if (in->version > 0) {
            version_check(hub, session, in);
        } else if (in->is_attached && !in->is_held &&
                   reread_is_news(hub, in->channel, session->identity)) {
            version_tell_gap(hub, session, in);
        }
    }
}

void version_tell_rereads(struct hub *hub)
{
    if (rereads_are_due(hub)) {
        session_table_each(&hub->sessions, session_tell, hub);
        rereads_note_told(hub);
    }
}
