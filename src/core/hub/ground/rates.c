/* SPDX-License-Identifier: PostgreSQL */
/* A bucket for each sender and channel, under one key: sessions of a user share it, and whoever leaves
 * and joins again finds it as it was. It is kept only while it says anything: after a minute without
 * a message it is full, and as good as none. The table goes through them in the order in which they
 * were put in, which is done anew with each message: so those are its first, and nothing is searched
 * for.
 *
 * Strangers can make as many as they can send messages in a minute. There is a most; above it messages
 * of further senders are refused: a limit that lets pass what it cannot count would be none. */
#include "core/hub/ground/rates.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    MINUTE_MS = 60000,
    SENDERS_MAX = 200000, /* about 200 bytes each */
    CROWDED_MS = 1000,    /* to wait when there are so many */
};

struct sender {
    UT_hash_handle hh;
    struct bucket bucket;
    uint32_t per_minute; /* by which it was counted */
    size_t key_len;
    char key[]; /* the channel's name, a NUL, which of both, and who */
};

struct rates {
    struct sender *by_key; /* in the order of their last messages */
    bool is_crowded;       /* and the operator was told */
};

struct rates *rates_new(void)
{
    return mem_zalloc(sizeof(struct rates));
}

static void sender_forget(struct rates *rates, struct sender *sender)
{
    HASH_DEL(rates->by_key, sender);
    free(sender);
}

void rates_free(struct rates *rates)
{
    struct sender *sender, *next;
    HASH_ITER(hh, rates->by_key, sender, next)
    {
        sender_forget(rates, sender);
    }
    free(rates);
}

void rates_tick(struct hub *hub)
{
    struct rates *rates = hub->rates;
    struct sender *sender, *next;
    HASH_ITER(hh, rates->by_key, sender, next)
    {
        if (hub->now_ms - sender->bucket.at_ms < MINUTE_MS) {
            return;
        }
        sender_forget(rates, sender);
        rates->is_crowded = false;
    }
}

/* A channel's name holds no NUL. */
static void sender_write_key(const struct session *session, const struct channel *channel,
                             struct buf *key)
{
    const struct identity *identity = session->identity;
    buf_str(key, channel_name(channel));
    buf_char(key, '\0');
    if (identity && identity->row_id.len > 0) {
        buf_char(key, 'u');
        buf_add(key, &identity->dbo_id, sizeof(identity->dbo_id));
        buf_str(key, identity->row_id);
    } else {
        buf_char(key, 's');
        buf_str(key, str_of(session->socket_id));
    }
}

static bool rates_have_room(struct rates *rates)
{
    if (HASH_COUNT(rates->by_key) < SENDERS_MAX) {
        return true;
    }
    if (!rates->is_crowded) {
        rates->is_crowded = true;
        log_warn("more than %d senders in a minute on channels with messages_per_minute: the "
                 "messages of others are refused",
                 SENDERS_MAX);
    }
    return false;
}

/* NULL: there are too many. */
static struct sender *sender_find(struct rates *rates, const struct buf *key)
{
    struct sender *sender;
    HASH_FIND(hh, rates->by_key, key->data, key->len, sender);
    if (!sender && rates_have_room(rates)) {
        sender = mem_zalloc(sizeof(*sender) + key->len);
        sender->key_len = key->len;
        memcpy(sender->key, key->data, key->len);
        HASH_ADD_KEYPTR(hh, rates->by_key, sender->key, sender->key_len, sender);
    }
    return sender;
}

static uint32_t sender_take(const struct hub *hub, struct sender *sender, uint32_t per_minute)
{
    struct bucket_rate rate = {.n = per_minute, .period_ms = MINUTE_MS, .burst = per_minute};
    if (sender->per_minute != per_minute) { /* what was sent under another one is forgiven */
        sender->bucket = (struct bucket){0};
        sender->per_minute = per_minute;
    }
    if (!bucket_take(&sender->bucket, &rate, 1, hub->now_ms)) {
        return (uint32_t)bucket_wait_ms(&sender->bucket, &rate, 1, hub->now_ms);
    }
    HASH_DEL(hub->rates->by_key, sender);
    HASH_ADD_KEYPTR(hh, hub->rates->by_key, sender->key, sender->key_len, sender);
    return 0;
}

uint32_t rates_take(struct hub *hub, const struct session *session, const struct channel *channel)
{
    uint32_t per_minute = channel->rule->messages_per_minute;
    if (per_minute == 0) {
        return 0;
    }
    struct buf key = {0};
    sender_write_key(session, channel, &key);
    struct sender *sender = sender_find(hub->rates, &key);
    buf_release(&key);
    return sender ? sender_take(hub, sender, per_minute) : CROWDED_MS;
}
