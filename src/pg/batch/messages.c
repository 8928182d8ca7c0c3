/* SPDX-License-Identifier: PostgreSQL */
/* An array that is filled at its end and emptied at its front. When the empty space in front is at
 * least half, the rest moves down instead of the array growing, so each message is moved at most
 * once on average.
 *
 * Of a key that two messages of one batch have, only the first may go into the log: the other one
 * waits for the next batch, which finds it there, whatever becomes of this one. */
#include "pg/batch/messages.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#include <uthash.h>

struct ticket {
    UT_hash_handle hh; /* while repeats are looked for */
    size_t ref_len;
    size_t by_len, key_len, channel_len; /* from here on it says what is to be sent once */
    char data[];                         /* by, key, channel, ref */
};

static void messages_make_room(struct messages *messages)
{
    if (messages->first + messages->n < messages->cap) {
        return;
    }
    if (messages->first >= messages->n && messages->first > 0) {
        memcpy(messages->items, messages->items + messages->first,
               messages->n * sizeof(*messages->items));
        messages->first = 0;
        return;
    }
    messages->cap = messages->cap ? messages->cap * 2 : 64;
    messages->items = mem_array(messages->items, messages->cap, sizeof(*messages->items));
}

/* 0: it needs none. */
static size_t ticket_size(const struct store_append *append)
{
    return append->ref.ptr || append->key.ptr
               ? sizeof(struct ticket) + append->ref.len + append->by.len + append->key.len +
                     append->message->f.channel.len
               : 0;
}

size_t messages_cost(const struct store_append *append)
{
    const struct event *event = append->message;
    return sizeof(struct message) + sizeof(*event) + event->f.channel.len + event->f.client.len +
           event->f.payload.len + ticket_size(append);
}

static struct ticket *ticket_new(const struct store_append *append)
{
    struct str channel = append->message->f.channel;
    size_t size = ticket_size(append);
    if (size == 0) {
        return NULL;
    }
    struct ticket *ticket = mem_zalloc(size);
    ticket->ref_len = append->ref.len;
    ticket->by_len = append->by.len;
    ticket->key_len = append->key.len;
    ticket->channel_len = channel.len;
    char *to = ticket->data;
    const struct str parts[] = {append->by, append->key, channel, append->ref};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (parts[i].ptr) {
            memcpy(to, parts[i].ptr, parts[i].len);
            to += parts[i].len;
        }
    }
    return ticket;
}

static struct str ticket_part(const struct ticket *ticket, size_t at, size_t len)
{
    return len > 0 ? (struct str){ticket->data + at, len} : (struct str){0};
}

struct str ticket_by(const struct ticket *ticket)
{
    return ticket ? ticket_part(ticket, 0, ticket->by_len) : (struct str){0};
}

struct str ticket_key(const struct ticket *ticket)
{
    return ticket ? ticket_part(ticket, ticket->by_len, ticket->key_len) : (struct str){0};
}

struct str ticket_ref(const struct ticket *ticket)
{
    size_t at = ticket ? ticket->by_len + ticket->key_len + ticket->channel_len : 0;
    return ticket ? ticket_part(ticket, at, ticket->ref_len) : (struct str){0};
}

void messages_push(struct messages *messages, const struct store_append *append)
{
    messages_make_room(messages);
    struct message *message = &messages->items[messages->first + messages->n++];
    *message = (struct message){event_ref(append->message), append->sender, ticket_new(append),
                                messages_cost(append)};
    messages->bytes += message->cost;
}

void message_release(struct message *message)
{
    event_unref(message->event);
    free(message->ticket);
}

const struct message *messages_at(const struct messages *messages, size_t i)
{
    assert(i < messages->n);
    return &messages->items[messages->first + i];
}

struct message messages_pop(struct messages *messages)
{
    assert(messages->n > 0);
    struct message oldest = messages->items[messages->first++];
    messages->bytes -= oldest.cost;
    if (--messages->n == 0) {
        messages->first = 0;
    }
    return oldest;
}

struct message messages_take(struct messages *messages, size_t i)
{
    struct message taken = *messages_at(messages, i);
    struct message *items = messages->items + messages->first;
    memmove(items + 1, items, i * sizeof(*items));
    items[0] = taken;
    return messages_pop(messages);
}

/* True: another one is to be sent once as the same. */
static bool ticket_list(struct ticket **listed, struct ticket *ticket)
{
    const size_t *identity = &ticket->by_len;
    size_t len = offsetof(struct ticket, data) - offsetof(struct ticket, by_len) + ticket->by_len +
                 ticket->key_len + ticket->channel_len;
    struct ticket *first;
    HASH_FIND(hh, *listed, identity, len, first);
    if (!first) {
        HASH_ADD_KEYPTR(hh, *listed, identity, len, ticket);
    }
    return first;
}

size_t messages_defer_repeats(struct messages *messages, size_t n, size_t *n_keyed)
{
    struct message *items = messages->items + messages->first;
    struct ticket *listed = NULL;
    size_t n_kept = 0, n_repeats = 0;
    struct message *repeats = NULL;
    *n_keyed = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_keyed = items[i].ticket && items[i].ticket->key_len > 0;
        if (is_keyed && ticket_list(&listed, items[i].ticket)) {
            repeats = repeats ? repeats : mem_array(NULL, n - i, sizeof(*repeats));
            repeats[n_repeats++] = items[i];
            continue;
        }
        *n_keyed += is_keyed;
        items[n_kept++] = items[i];
    }
    HASH_CLEAR(hh, listed);
    if (n_repeats > 0) {
        memcpy(items + n_kept, repeats, n_repeats * sizeof(*repeats));
    }
    free(repeats);
    return n_kept;
}

size_t messages_fit(const struct messages *messages, size_t max_n, size_t max_bytes)
{
    size_t n = 0;
    size_t bytes = 0;
    while (n < messages->n && n < max_n) {
        bytes += messages_at(messages, n)->cost;
        if (bytes > max_bytes && n > 0) {
            break;
        }
        n++;
    }
    return n;
}

void messages_release(struct messages *messages)
{
    while (messages->n > 0) {
        struct message message = messages_pop(messages);
        message_release(&message);
    }
    free(messages->items);
    *messages = (struct messages){0};
}
