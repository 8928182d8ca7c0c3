/* SPDX-License-Identifier: PostgreSQL */
/* A function that is asked is asked for one command. The command stays the first one held of its
 * session and is handled again from the top when the answer has come, now with has_function_passed:
 * whatever has changed meanwhile (the rule, the membership) is looked at once more. on_leave,
 * on_connect and on_disconnect are told and not waited for; the store runs the calls of one session
 * in the order in which they were given. */
#include "core/hub/function.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/presence.h"
#include "core/json_span.h"

static void function_write_options(const struct command *command, struct buf *out)
{
    buf_literal(out, "{\"channel\":");
    buf_json_string(out, command->channel);
    if (command->type == COMMAND_MESSAGE) {
        buf_literal(out, command->is_authenticated ? ",\"authenticated\":true,\"socketId\":"
                                                   : ",\"authenticated\":false,\"socketId\":");
        if (command->socket_id.ptr) {
            buf_json_string(out, command->socket_id);
        } else {
            buf_literal(out, "null");
        }
    }
    if (command->has_to) {
        buf_printf(out, ",\"to\":{\"dbo_id\":%d,\"row_id\":", (int)command->to_dbo_id);
        buf_json_string(out, command->to_row_id);
        buf_char(out, '}');
    }
    buf_char(out, '}');
}

static void function_write_payload(const struct command *command, struct buf *out)
{
    if (command->type == COMMAND_MESSAGE) {
        buf_str(out, command->payload);
    } else {
        buf_printf(out, "{\"history\":%s,\"presence\":%s}",
                   command->wants_history ? "true" : "false",
                   command->wants_presence ? "true" : "false");
    }
}

void function_finish_waiting(struct hub *hub, struct session *session)
{
    presence_end_arrival(hub, session);
    command_free(session_next_held(session));
}

bool function_refuses(struct hub *hub, struct session *session, const struct store_verdict *verdict)
{
    if (verdict->result == STORE_VERDICT_DONE) {
        return false;
    }
    bool is_failed = verdict->result == STORE_VERDICT_FAILED;
    say_refusal_text(hub, session, session->held->channel,
                     is_failed ? ERROR_CODE_HOOK_FAILED : ERROR_CODE_HOOK_REFUSED,
                     is_failed ? NULL : verdict->reason);
    function_finish_waiting(hub, session);
    return true;
}

/* Of a join: false refuses, as with Xano's triggers, where nobody raises exceptions; whatever else it
 * returns lets pass. */
static void function_take_join(struct hub *hub, struct session *session,
                               const struct store_verdict *verdict)
{
    struct store_verdict refusal = {.result = STORE_VERDICT_REFUSED};
    if (json_scan(verdict->payload, NULL, 0) == JSON_KIND_FALSE) {
        (void)function_refuses(hub, session, &refusal);
    } else {
        session->held->has_function_passed = true;
    }
}

static void function_take_answer(struct hub *hub, struct session *session,
                                 const struct store_verdict *verdict)
{
    if (function_refuses(hub, session, verdict)) {
        return;
    }
    if (session->held->type != COMMAND_MESSAGE) {
        function_take_join(hub, session, verdict);
        return;
    }
    session->held->has_function_passed = true;
    if (verdict->payload.ptr) {
        session_replace_payload(session, verdict->payload);
    } else {
        say_count(hub, METRIC_MESSAGES + METRIC_MESSAGE_DROPPED);
        say_receipt(
            hub, session,
            (struct protocol_receipt){.channel = session->held->channel, .is_dropped = true});
        function_finish_waiting(hub, session); /* the function has dropped it */
    }
}

static void function_on_answer(void *arg, const struct store_verdict *verdict)
{
    struct asker *asker = arg;
    struct hub *hub = asker->hub;
    struct session *session = session_table_find(&hub->sessions, asker->session);
    free(asker);
    if (!session) {
        return;
    }
    if (!session->is_closing) {
        function_take_answer(hub, session, verdict);
    }
    session_end_wait(&hub->sessions, session);
}

void function_ask(struct hub *hub, struct session *session, const struct command *command,
                  const char *function)
{
    struct buf client = {0}, options = {0}, payload = {0};
    struct asker *asker = mem_alloc(sizeof(*asker));
    *asker = (struct asker){hub, session->id};
    function_write_options(command, &options);
    function_write_payload(command, &payload);
    struct store_call call = {
        .kind = STORE_CALL_ON_ACTION,
        .function = str_of(function),
        .queue = session->id,
        .action = command->type == COMMAND_MESSAGE ? STR("message") : STR("join"),
        .channel = command->channel,
        .client = say_client_json(hub, session, &client),
        .options = buf_span(&options),
        .payload = buf_span(&payload),
    };
    session->wait = SESSION_WAIT_CALL;
    hub->store->functions.call(hub->store->functions.ctx, &call, function_on_answer, asker);
    buf_release(&client);
    buf_release(&options);
    buf_release(&payload);
}

void function_tell(struct hub *hub, const struct session *session, const char *function,
                   const char *action, struct str channel)
{
    struct buf client = {0}, options = {0};
    if (channel.ptr) {
        function_write_options(&(struct command){.type = COMMAND_LEAVE, .channel = channel},
                               &options);
    }
    struct store_call call = {
        .kind = STORE_CALL_ON_ACTION,
        .function = str_of(function),
        .queue = session->id,
        .action = str_of(action),
        .channel = channel,
        .client = say_client_json(hub, session, &client),
        .options = buf_span(&options),
    };
    hub->store->functions.call(hub->store->functions.ctx, &call, NULL, NULL);
    buf_release(&client);
    buf_release(&options);
}
