/* SPDX-License-Identifier: PostgreSQL */
/* Sessions as the hub sees them. The list of a session's channels is an array that is scanned: it
 * is short (its length is a limit), and most sessions are in one channel. */
#include "core/hub/ground/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void session_table_init(struct session_table *table, uint32_t n_workers)
{
    table->n_workers = n_workers;
    table->slots = mem_zalloc(n_workers * sizeof(*table->slots));
    table->n_slots = mem_zalloc(n_workers * sizeof(*table->n_slots));
}

static void free_session(struct session *session)
{
    struct command *command;
    while ((command = session_next_held(session))) {
        command_free(command);
    }
    identity_unref(session->identity);
    free(session->subscriptions);
    free(session);
}

void session_table_release(struct session_table *table)
{
    HASH_CLEAR(hh, table->by_socket_id);
    for (uint32_t worker = 0; worker < table->n_workers; worker++) {
        for (uint32_t slot = 0; slot < table->n_slots[worker]; slot++) {
            if (table->slots[worker][slot]) {
                free_session(table->slots[worker][slot]);
            }
        }
        free(table->slots[worker]);
    }
    free(table->slots);
    free(table->n_slots);
    free(table->ready.ids);
    *table = (struct session_table){0};
}

struct session *session_table_find(const struct session_table *table, struct session_id id)
{
    assert(id.worker < table->n_workers);
    if (id.slot >= table->n_slots[id.worker]) {
        return NULL;
    }
    struct session *session = table->slots[id.worker][id.slot];
    return session && session->id.generation == id.generation ? session : NULL;
}

struct session *session_table_find_socket(const struct session_table *table, struct str socket_id)
{
    struct session *session;
    HASH_FIND(hh, table->by_socket_id, socket_id.ptr, socket_id.len, session);
    return session;
}

void session_table_each(const struct session_table *table,
                        void (*fn)(void *arg, struct session *session), void *arg)
{
    for (uint32_t worker = 0; worker < table->n_workers; worker++) {
        for (uint32_t slot = 0; slot < table->n_slots[worker]; slot++) {
            if (table->slots[worker][slot]) {
                fn(arg, table->slots[worker][slot]);
            }
        }
    }
}

struct session *session_table_open(struct session_table *table, struct session_id id)
{
    assert(id.worker < table->n_workers);
    uint32_t *n = &table->n_slots[id.worker];
    if (id.slot >= *n) {
        uint32_t grown = id.slot + 1 > *n * 2 ? id.slot + 1 : *n * 2;
        struct session ***slots = &table->slots[id.worker];
        *slots = mem_array(*slots, grown, sizeof(**slots));
        memset(*slots + *n, 0, (grown - *n) * sizeof(**slots));
        *n = grown;
    }
    assert(!table->slots[id.worker][id.slot]);
    struct session *session = mem_zalloc(sizeof(*session));
    session->id = id;
    session->held_end = &session->held;
    session->held_total = &table->held_total;
    id_text(session->socket_id);
    HASH_ADD_STR(table->by_socket_id, socket_id, session);
    table->slots[id.worker][id.slot] = session;
    table->n_open++;
    return session;
}

void session_table_rename(struct session_table *table, struct session *session,
                          const char socket_id[ID_TEXT_SIZE])
{
    HASH_DEL(table->by_socket_id, session);
    memcpy(session->socket_id, socket_id, ID_TEXT_SIZE);
    HASH_ADD_STR(table->by_socket_id, socket_id, session);
}

void session_table_close(struct session_table *table, struct session *session)
{
    table->slots[session->id.worker][session->id.slot] = NULL;
    HASH_DEL(table->by_socket_id, session);
    table->n_open--;
    free_session(session);
}

void session_list_add(struct session_list *list, struct session_id id)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->ids = mem_array(list->ids, list->cap, sizeof(*list->ids));
    }
    list->ids[list->n++] = id;
}

/* Not handled here: a wait ends in the middle of somebody else's joining, leaving or being removed,
 * and what the session has to say next could be about the very channel. */
void session_end_wait(struct session_table *table, struct session *session)
{
    session->wait = SESSION_WAIT_NONE;
    if (session->held) {
        session_list_add(&table->ready, session->id);
    }
}

bool session_awaits_appends(struct session *session)
{
    if (session->n_appending > 0) {
        session->wait = SESSION_WAIT_APPENDS;
        return true;
    }
    return false;
}

struct subscription *session_in_view(const struct session *session, const struct channel *channel,
                                     const struct view *view)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        struct subscription *in = &session->subscriptions[i];
        if (in->channel == channel && in->view == view) {
            return in;
        }
    }
    return NULL;
}

struct subscription *session_in(const struct session *session, const struct channel *channel)
{
    return session_in_view(session, channel, NULL);
}

bool session_is_in(const struct session *session, const struct channel *channel)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        if (session->subscriptions[i].channel == channel) {
            return true;
        }
    }
    return false;
}

struct subscription *session_add(struct session *session, struct channel *channel,
                                 struct view *view)
{
    uint32_t n = session->n_subscriptions;
    if ((n & (n - 1)) == 0) { /* full at every power of two */
        session->subscriptions =
            mem_array(session->subscriptions, n ? n * 2 : 1, sizeof(*session->subscriptions));
    }
    session->subscriptions[n] = (struct subscription){.channel = channel, .view = view};
    session->n_subscriptions++;
    session->has_joined = true;
    return &session->subscriptions[n];
}

void session_remove(struct session *session, struct subscription *in)
{
    *in = session->subscriptions[--session->n_subscriptions];
    uint32_t cap = 1; /* as large as the next add expects */
    while (cap < session->n_subscriptions) {
        cap *= 2;
    }
    session->subscriptions =
        mem_array(session->subscriptions, cap, sizeof(*session->subscriptions));
}

uint32_t session_before(const struct session *session, uint32_t i)
{
    return i - 1 < session->n_subscriptions ? i - 1 : session->n_subscriptions;
}

/* Modulo 2^32, so what is added may be less than nothing. */
static void add_held_bytes(struct session *session, uint32_t bytes)
{
    session->held_bytes += bytes;
    session->held_total->bytes += (uint64_t)(int64_t)(int32_t)bytes;
}

void session_hold(struct session *session, struct command *command)
{
    command->next = NULL;
    *session->held_end = command;
    session->held_end = &command->next;
    session->n_held++;
    session->held_total->n++;
    add_held_bytes(session, command_bytes(command));
}

void session_replace_payload(struct session *session, struct str payload)
{
    struct command *command = session->held;
    add_held_bytes(session, 0 - command_bytes(command));
    free(command->replacement);
    command->replacement = str_dup(payload);
    command->payload = (struct str){command->replacement, payload.len};
    add_held_bytes(session, command_bytes(command));
}

struct command *session_next_held(struct session *session)
{
    struct command *command = session->held;
    if (command) {
        session->held = command->next;
        session->n_held--;
        session->held_total->n--;
        add_held_bytes(session, 0 - command_bytes(command));
        if (!session->held) {
            session->held_end = &session->held;
        }
    }
    return command;
}
