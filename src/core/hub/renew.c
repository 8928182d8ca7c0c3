/* SPDX-License-Identifier: PostgreSQL */
/* A new token takes the place of the old one without a new connection, if it is the same user's:
 * everything here is kept under that name (limits, lists, what waits for him), so somebody else has
 * to connect anew, and the session is closed for that. A token that is not accepted changes nothing:
 * the old one is good until it expires.
 *
 * The new claims count from here on, in this order: the worker knows when they expire; rows are
 * shown by them, and who is shown others than before is told of a gap, as what he was shown before
 * is not what he may see now; lists show the new extras from the next one on (who is told of states, at once); each channel's rule
 * is asked whether he may stay. When all have answered, the client is told, and the frames that it
 * has sent since are handled. */
#include "core/hub/renew.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/gap.h"
#include "core/hub/live/place.h"
#include "core/hub/open.h"
#include "core/hub/presence/presence.h"
#include "core/hub/revoke.h"

#define NEWEST_S INT64_C(253402300799) /* the last second of the year 9999: RFC 3339 ends there */

/* ---- the database's word ---- */

static void command_take(struct command *command, const struct store_token *token)
{
    command->payload = (struct str){0};
    command->identity = identity_ref(token->identity);
    if (!token->identity) {
        command->error = token->error;
        command->why = token->error == ERROR_CODE_UNAVAILABLE ? "it could not be checked"
                                                              : "the database refused it";
    }
}

static void on_token(void *arg, const struct store_token *token)
{
    struct asker *asker = arg;
    struct hub *hub = asker->hub;
    struct session *session = session_table_find(&hub->sessions, asker->session);
    free(asker);
    if (session) {
        command_take(session->held, token); /* which is what it waits with */
        session_end_wait(&hub->sessions, session);
    }
}

static void renew_ask(struct hub *hub, struct session *session, const struct command *command)
{
    struct asker *asker = mem_alloc(sizeof(*asker));
    *asker = (struct asker){hub, session->id};
    session->wait = SESSION_WAIT_TOKEN;
    hub->store->functions.check_token(hub->store->functions.ctx, command->payload, on_token, asker);
}

/* ---- whether it is taken ---- */

static bool is_same_user(const struct identity *a, const struct identity *b)
{
    return a && b && a->dbo_id == b->dbo_id && !a->row_id.ptr == !b->row_id.ptr &&
           str_equals(a->row_id, b->row_id);
}

/* False: it is refused, and told so. */
static bool renew_is_accepted(struct hub *hub, struct session *session,
                              const struct command *command)
{
    char text[OPEN_REFUSAL_SIZE];
    if (command->why) {
        open_write_refusal(text, command->error, command->why);
        say_refusal_text(hub, session, (struct str){0}, command->error, text);
        return false;
    }
    if (!is_same_user(session->identity, command->identity)) {
        say_refusal_text(hub, session, (struct str){0}, ERROR_CODE_TOKEN_INVALID,
                         "The token is not of the user of this connection: connect anew with it.");
        say_close(hub, session, CLOSE_CODE_TOKEN_EXPIRED, "another user's token");
        return false;
    }
    return true;
}

/* ---- what follows ---- */

static void renew_place(struct hub *hub, const struct session *session, struct subscription *in)
{
    if (place_anew(hub, session, in) && in->is_attached && !in->is_held) {
        in->version = 0; /* it is told once */
        gap_tell(hub, session, in, channel_told(in->channel, in->group));
    }
}

static void renew_take(struct hub *hub, struct session *session, struct identity *identity)
{
    struct identity *before = session->identity;
    session->identity = identity_ref(identity);
    identity_unref(before); /* last: it may be the same one */
    hub->transport->identify(hub->transport->ctx, session->id, identity);
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        renew_place(hub, session, &session->subscriptions[i]);
        presence_renew(hub, session, &session->subscriptions[i]);
    }
    revoke_renewed(hub, session);
}

static void renew_answer(struct hub *hub, const struct session *session)
{
    struct buf client = {0};
    char expires_at[CLOCK_TEXT_SIZE];
    int64_t at_s = session->identity->expires_at;
    clock_text((uint64_t)(at_s < NEWEST_S ? at_s : NEWEST_S) * 1000, expires_at);
    struct protocol_renewal renewal = {
        .ref = say_ref(hub, session),
        .client = say_client_json(hub, session, &client),
        .expires_at = at_s != 0 ? str_of(expires_at) : (struct str){0},
    };
    say_frame(hub, session, hub->protocol->token(&renewal));
    buf_release(&client);
}

bool renew_handle(struct hub *hub, struct session *session, struct command *command)
{
    if (command->payload.ptr) {
        renew_ask(hub, session, command);
        return false;
    }
    if (!command->is_authorized) {
        if (!renew_is_accepted(hub, session, command)) {
            return true;
        }
        command->is_authorized = true;
        renew_take(hub, session, command->identity);
    }
    if (session->n_questioned > 0) {
        session->wait = SESSION_WAIT_RIGHTS;
        return false;
    }
    renew_answer(hub, session);
    return true;
}
