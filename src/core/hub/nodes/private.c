/* SPDX-License-Identifier: PostgreSQL */
/* Rights have two halves. The sender's node judges his before anybody is asked: whoever may not send
 * privately learns nothing. The addressee's is judged where he is. A yes ends the question, whoever says
 * it; else it ends when all who were asked have said no or are gone, which is then the truth, or after a
 * second, when nobody knows: an answer can be lost behind a message that has arrived. The sender's later
 * commands wait meanwhile, so what he says stays in order.
 *
 * Of a question only its number goes around. So an answer that comes late finds nobody, and a session
 * that ends has its question dropped. */
#include "core/hub/nodes/private.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "core/channel_name.h"
#include "core/hub/ground/access.h"
#include "core/hub/ground/say.h"
#include "core/hub/nodes/others.h"
#include "core/hub/nodes/relay.h"
#include "core/nodes/parcel.h"

#include <uthash.h>
#include <utlist.h>

enum {
    WAIT_MS = 1000,
    MAX_QUESTIONS = 10000, /* a few hundred bytes each; in a second */
};

enum answer { ANSWER_DELIVERED = 1, ANSWER_NOWHERE = 2, ANSWER_REFUSED = 3 }; /* on the bus */

struct question {
    UT_hash_handle hh; /* by number */
    struct question *prev, *next;
    uint64_t number;
    struct session_id session;
    uint64_t asked; /* those who have not answered yet */
    uint64_t until_ms;
};

struct questions {
    struct question *by_number;
    struct question *oldest; /* the first of the list, which is that of the ends, too */
    uint64_t n_asked;
};

struct questions *questions_new(void)
{
    return mem_zalloc(sizeof(struct questions));
}

static void question_free(struct questions *questions, struct question *question)
{
    HASH_DEL(questions->by_number, question);
    DL_DELETE(questions->oldest, question);
    free(question);
}

void questions_free(struct questions *questions)
{
    while (questions->oldest) {
        question_free(questions, questions->oldest);
    }
    free(questions);
}

/* ---- asking ---- */

static bool private_send(struct hub *hub, uint64_t number, const struct event_fields *message,
                         enum error_code *why)
{
    struct buf body = {0};
    parcel_put_u64(&body, number);
    parcel_put_str(&body, message->channel);
    parcel_put_str(&body, message->socket_id);
    parcel_put_str(&body, message->client);
    parcel_put_str(&body, message->payload);
    bool is_sent = relay_body(hub, BUS_KIND_PRIVATE, buf_span(&body), why);
    buf_release(&body);
    return is_sent;
}

static void question_add(struct hub *hub, struct session *session, uint64_t number)
{
    struct questions *questions = hub->questions;
    struct question *question = mem_zalloc(sizeof(*question));
    question->number = number;
    question->session = session->id;
    question->asked = others_all(hub->others);
    question->until_ms = hub->now_ms + WAIT_MS;
    HASH_ADD(hh, questions->by_number, number, sizeof(question->number), question);
    DL_APPEND(questions->oldest, question);
    session->question = question;
    session->wait = SESSION_WAIT_NODES;
}

bool private_ask(struct hub *hub, struct session *session, const struct event_fields *message,
                 enum error_code *why)
{
    struct questions *questions = hub->questions;
    *why = ERROR_CODE_NO_SUCH_CLIENT;
    if (hub->options.bus->is_alone || (others_all(hub->others) == 0 && !relay_is_cut(hub))) {
        return false; /* some may be about to be known: they are not asked, so as not to deliver it */
    }
    uint64_t number = ++questions->n_asked;
    if (HASH_COUNT(questions->by_number) >= MAX_QUESTIONS) {
        *why = ERROR_CODE_UNAVAILABLE;
        return false;
    }
    if (!private_send(hub, number, message, why)) {
        return false;
    }
    question_add(hub, session, number);
    return true;
}

/* ---- the end of a question ---- */

static unsigned delivery_cell(enum command_delivery delivery)
{
    switch (delivery) {
    case COMMAND_DELIVERY_DONE:
        return METRIC_ANSWER_DELIVERED;
    case COMMAND_DELIVERY_NOWHERE:
        return METRIC_ANSWER_NOWHERE;
    case COMMAND_DELIVERY_REFUSED:
        return METRIC_ANSWER_REFUSED;
    case COMMAND_DELIVERY_NONE:
    case COMMAND_DELIVERY_UNKNOWN:
        break;
    }
    return METRIC_ANSWER_UNKNOWN;
}

static void question_end(struct hub *hub, struct question *question, enum command_delivery delivery)
{
    struct session *session = session_table_find(&hub->sessions, question->session);
    question_free(hub->questions, question);
    say_count(hub, METRIC_PRIVATE_ANSWERS + delivery_cell(delivery));
    session->question = NULL;
    session->held->delivery = delivery;
    session_end_wait(&hub->sessions, session);
}

/* They have said no, or are gone. */
static void question_cross_off(struct hub *hub, struct question *question, uint64_t peers)
{
    question->asked &= ~peers;
    if (question->asked == 0) {
        question_end(hub, question, COMMAND_DELIVERY_NOWHERE);
    }
}

void private_drop(struct hub *hub, const struct session *session)
{
    if (session->question) {
        question_free(hub->questions, session->question);
    }
}

void private_forget(struct hub *hub, uint64_t gone)
{
    struct question *question, *next;
    DL_FOREACH_SAFE(hub->questions->oldest, question, next)
    {
        question_cross_off(hub, question, gone);
    }
}

void private_tick(struct hub *hub)
{
    struct questions *questions = hub->questions;
    while (questions->oldest && questions->oldest->until_ms <= hub->now_ms) {
        question_end(hub, questions->oldest, COMMAND_DELIVERY_UNKNOWN);
    }
    metrics_set(hub->options.counts, METRIC_PRIVATE_QUESTIONS, HASH_COUNT(questions->by_number));
}

void private_hear_answer(struct hub *hub, const char *from, struct str body)
{
    struct parcel parcel = parcel_of(body);
    uint64_t number = parcel_u64(&parcel);
    uint8_t answer = parcel_u8(&parcel);
    if (!parcel_is_done(&parcel) || answer < ANSWER_DELIVERED || answer > ANSWER_REFUSED) {
        say_count(hub, METRIC_PARCELS_BAD);
        return;
    }
    struct question *question;
    HASH_FIND(hh, hub->questions->by_number, &number, sizeof(number), question);
    if (!question) {
        return; /* too late, or its session has ended */
    }
    if (answer == ANSWER_NOWHERE) {
        question_cross_off(hub, question, others_find(hub->others, from));
    } else {
        question_end(hub, question,
                     answer == ANSWER_DELIVERED ? COMMAND_DELIVERY_DONE : COMMAND_DELIVERY_REFUSED);
    }
}

/* ---- answering ---- */

struct session *private_find(const struct hub *hub, const struct channel *channel,
                             struct str socket_id)
{
    struct session *session = session_table_find_socket(&hub->sessions, socket_id);
    const struct subscription *in =
        session && !session->is_closing ? session_in(session, channel) : NULL;
    return in && in->is_joined ? session : NULL;
}

static enum answer private_deliver(struct hub *hub, const struct event_fields *message)
{
    enum error_code why;
    const struct channel *channel = channel_find(&hub->channels, message->channel);
    const struct session *addressee =
        channel ? private_find(hub, channel, message->socket_id) : NULL;
    if (!addressee || !channel->rule) {
        return ANSWER_NOWHERE;
    }
    if (!access_may_send_private(channel->rule, addressee->identity, addressee->identity, &why)) {
        return ANSWER_REFUSED;
    }
    struct protocol_event told = protocol_event_of(message);
    say_frame(hub, addressee, hub->protocol->event(&told, (struct str){0}, false));
    return ANSWER_DELIVERED;
}

static bool private_read(struct str body, uint64_t *number, struct event_fields *message)
{
    struct parcel parcel = parcel_of(body);
    *message = (struct event_fields){.action = EVENT_ACTION_MESSAGE};
    *number = parcel_u64(&parcel);
    message->channel = parcel_str(&parcel);
    message->socket_id = parcel_str(&parcel);
    message->client = parcel_str(&parcel);
    message->payload = parcel_str(&parcel);
    return parcel_is_done(&parcel) && channel_name_is_valid(message->channel) &&
           message->socket_id.ptr && message->client.len > 0 && message->payload.len > 0;
}

/* One that cannot be understood has no answer: to its sender it is as if it were lost. */
void private_hear(struct hub *hub, const char *from, struct str body)
{
    struct buf answer = {0};
    uint64_t number;
    struct event_fields message;
    if (!private_read(body, &number, &message)) {
        say_count(hub, METRIC_PARCELS_BAD);
        return;
    }
    parcel_put_u64(&answer, number);
    parcel_put_u8(&answer, (uint8_t)private_deliver(hub, &message));
    (void)say_to_nodes(hub, BUS_KIND_PRIVATE_ANSWER, from, buf_span(&answer));
    buf_release(&answer);
}
