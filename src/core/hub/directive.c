/* SPDX-License-Identifier: PostgreSQL */
/* herald.disconnect() closes sessions or takes them out of a channel, also those that have dropped
 * and may come back. herald.forget() makes answers of authorize functions void; members are judged
 * anew, for the one who forgot an answer expects it to have changed.
 *
 * The database tells each node. What only takes away the first one that knows it tells the others as
 * well, so that nobody is served elsewhere for as long as that takes. Each version is carried out once,
 * by whichever way it comes first: who was sent away and is back by right is not sent away again. */
#include "core/hub/directive.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/channel_name.h"
#include "core/close_code.h"
#include "core/hub/authorize.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/grace.h"
#include "core/hub/revoke.h"
#include "core/nodes/parcel.h"

struct search {
    struct hub *hub;
    const struct directive *directive;
    uint32_t n_found;
};

static void directive_disconnect(void *arg, struct session *session)
{
    struct search *search = arg;
    struct hub *hub = search->hub;
    const struct directive *directive = search->directive;
    if (session->is_closing || !directive_means(directive, session->identity, session->socket_id)) {
        return;
    }
    if (!directive->channel.ptr) {
        search->n_found++;
        say_error(hub, session, (struct str){0}, ERROR_CODE_REMOVED,
                  directive->reason ? directive->reason : "You were disconnected.");
        say_close(hub, session, CLOSE_CODE_POLICY, "disconnected by the server");
        return;
    }
    struct channel *channel = channel_find(&hub->channels, directive->channel);
    if (channel && session_is_in(session, channel)) {
        search->n_found++;
        revoke_membership(hub, session, channel, directive->reason);
    }
}

static void directive_judge_again(void *arg, struct session *session)
{
    const struct search *search = arg;
    struct str pattern = search->directive->channel;
    revoke_waiting(session);
    for (uint32_t i = session->n_subscriptions; i > 0 && !session->is_closing;
         i = session_before(session, i)) {
        struct channel *channel = session->subscriptions[i - 1].channel;
        if (channel->rule && channel->rule->authorize &&
            (!pattern.ptr || channel_pattern_matches(pattern, channel_name(channel)))) {
            authorize_member(search->hub, session, channel);
        }
    }
}

/* Whom it meant is nobody's business but the database's. */
static void directive_tell_disconnected(const struct directive *directive, uint32_t n)
{
    if (directive->channel.ptr) {
        log_info("herald.disconnect: %u sessions are out of channel %.*s", n,
                 (int)directive->channel.len, directive->channel.ptr);
    } else {
        log_info("herald.disconnect: %u sessions are closed", n);
    }
}

static void directive_carry_out(struct hub *hub, const struct directive *directive)
{
    struct search search = {hub, directive, 0};
    switch (directive->kind) {
    case DIRECTIVE_DISCONNECT:
        session_table_each(&hub->sessions, directive_disconnect, &search);
        grace_disconnect(hub, directive);
        directive_tell_disconnected(directive, search.n_found);
        break;
    case DIRECTIVE_FORGET:
        authorize_forget(hub, directive->channel);
        log_info("herald.forget(%.*s): its answers are asked for again",
                 (int)directive->channel.len,
                 directive->channel.len > 0 ? directive->channel.ptr : "");
        session_table_each(&hub->sessions, directive_judge_again, &search);
        break;
    }
}

/* ---- by other nodes ---- */

static void directive_tell(struct hub *hub, const struct directive *directive)
{
    struct buf body = {0};
    if (hub->options.bus->is_alone || directive->kind != DIRECTIVE_DISCONNECT) {
        return;
    }
    parcel_put_u64(&body, directive->version);
    parcel_put_u8(&body, directive->has_dbo_id);
    parcel_put_u32(&body, (uint32_t)directive->dbo_id);
    parcel_put_str(&body, directive->row_id);
    parcel_put_str(&body, directive->socket_id);
    parcel_put_str(&body, directive->channel);
    parcel_put_str(&body, str_of(directive->reason));
    /* If it does not arrive, it comes from the database. */
    (void)say_to_nodes(hub, BUS_KIND_DIRECTIVE, NULL, buf_span(&body));
    buf_release(&body);
}

/* One that means nobody would mean everybody. */
static bool directive_names_whom(const struct directive *directive)
{
    return directive->has_dbo_id || directive->socket_id.ptr || directive->channel.ptr;
}

/* The reason is a copy. */
static bool directive_read(struct str body, struct directive *directive, char **reason)
{
    struct parcel parcel = parcel_of(body);
    *directive = (struct directive){.kind = DIRECTIVE_DISCONNECT};
    directive->version = parcel_u64(&parcel);
    directive->has_dbo_id = parcel_u8(&parcel) == 1;
    directive->dbo_id = (int32_t)parcel_u32(&parcel);
    directive->row_id = parcel_str(&parcel);
    directive->socket_id = parcel_str(&parcel);
    directive->channel = parcel_str(&parcel);
    struct str text = parcel_str(&parcel);
    if (!parcel_is_done(&parcel) || !directive_names_whom(directive) ||
        (text.ptr && memchr(text.ptr, '\0', text.len))) {
        return false;
    }
    directive->reason = *reason = str_dup(text);
    return true;
}

/* Its place among those that were heard; NULL: it was not. */
static uint64_t *directive_find_heard(struct hub *hub, uint64_t version)
{
    for (size_t i = 0; i < HUB_HEARD_DIRECTIVES; i++) {
        if (hub->heard.versions[i] == version) {
            return &hub->heard.versions[i];
        }
    }
    return NULL;
}

void directive_hear(struct hub *hub, struct str body)
{
    struct directive directive;
    char *reason;
    if (!directive_read(body, &directive, &reason)) {
        say_count(hub, METRIC_PARCELS_BAD);
        return;
    }
    bool is_news = hub->site && directive.version > hub->site->version &&
                   !directive_find_heard(hub, directive.version);
    if (is_news) {
        hub->heard.versions[hub->heard.n++ % HUB_HEARD_DIRECTIVES] = directive.version;
        directive_carry_out(hub, &directive);
    }
    free(reason);
}

void directive_take(struct hub *hub, const struct directive *directive)
{
    uint64_t *heard = directive_find_heard(hub, directive->version);
    if (heard) {
        *heard = 0;
        return;
    }
    directive_tell(hub, directive);
    directive_carry_out(hub, directive);
}

void directive_forget_heard(struct hub *hub)
{
    memset(&hub->heard, 0, sizeof(hub->heard));
}
