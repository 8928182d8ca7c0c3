/* SPDX-License-Identifier: PostgreSQL */
/* herald.disconnect() closes sessions or takes them out of a channel, also those that have dropped
 * and may come back. herald.forget() makes answers of authorize functions void; members are judged
 * anew, for the one who forgot an answer expects it to have changed. */
#include "core/hub/directive.h"

#include "base/log.h"
#include "core/channel_name.h"
#include "core/close_code.h"
#include "core/hub/authorize.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/grace.h"
#include "core/hub/revoke.h"

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

void directive_carry_out(struct hub *hub, const struct directive *directive)
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
