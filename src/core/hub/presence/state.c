/* SPDX-License-Identifier: PostgreSQL */
/* Any member of a channel that lists them may show a state, also one that is told nothing of others:
 * it is about the entry, and that all have. No function of the rule is asked, for it is seen by those
 * alone who may see the list. */
#include "core/hub/presence/state.h"

#include "core/hub/ground/say.h"
#include "core/hub/presence/states.h"

enum { STATE_BYTES = 1024 };

static bool state_refuse(struct hub *hub, const struct session *session, struct str channel,
                         enum error_code code, const char *why)
{
    say_refusal_text(hub, session, channel, code, why);
    return false;
}

/* False: it is refused, and told so. */
static bool state_try(struct hub *hub, const struct session *session, const struct command *command)
{
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    const struct subscription *in = channel ? session_in(session, channel) : NULL;
    if (!in) {
        return state_refuse(hub, session, command->channel, ERROR_CODE_NOT_JOINED, NULL);
    }
    if (command->payload.len > STATE_BYTES) {
        return state_refuse(hub, session, command->channel, ERROR_CODE_TOO_LARGE,
                            "A presence state may have 1024 bytes.");
    }
    if (!in->member) {
        return state_refuse(hub, session, command->channel, ERROR_CODE_SEND_REFUSED,
                            "This channel does not list its members.");
    }
    if (!state_set(hub, in->member, command->payload)) {
        return state_refuse(hub, session, command->channel, ERROR_CODE_CHANNEL_FULL,
                            "The states of this channel's members are too large together.");
    }
    return true;
}

void state_handle(struct hub *hub, const struct session *session, const struct command *command)
{
    if (state_try(hub, session, command)) {
        say_receipt(hub, session, (struct protocol_receipt){.channel = command->channel});
    }
}
