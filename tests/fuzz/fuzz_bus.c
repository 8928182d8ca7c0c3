/* SPDX-License-Identifier: PostgreSQL */
/* What comes over the bus. Bytes that nobody signed are never believed. Then the same bytes signed,
 * as a node of another version may send them: they are refused, or read as what sealing them again
 * gives; and they are heard by peers and beats, with a clock that they turn. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus/beat.h"
#include "bus/peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGES = 64 };

static const struct seal_keys keys = {.n = 2, .keys = {{'k'}, {'o'}}};
static unsigned n_there;

static void on_peer(void *ctx, const struct bus_peer *peer, enum bus_news news)
{
    (void)ctx;
    assert(strlen(peer->id) == ID_TEXT_SIZE - 1 && seal_is_id(str_of(peer->id)));
    switch (news) {
    case BUS_NEWS_CAME:
        n_there++;
        break;
    case BUS_NEWS_LEFT:
    case BUS_NEWS_DEAD:
        assert(n_there > 0);
        n_there--;
        break;
    case BUS_NEWS_STALE:
    case BUS_NEWS_BACK:
        assert(n_there > 0);
        break;
    }
}

static void check_same(const struct seal_head *head, struct str body, struct str message)
{
    char *again = mem_alloc(message.len);
    memcpy(again + SEAL_HEAD_SIZE, body.ptr, body.len);
    seal_close(head, &keys, again, message.len);
    assert(memcmp(again, message.ptr, message.len) == 0);
    free(again);
}

static void hear(struct peers *peers, const struct seal_head *head, struct str body, uint64_t now)
{
    struct beat beat;
    enum peers_verdict verdict = peers_hear(peers, head, now);
    bool is_new = verdict == PEERS_NEW || verdict == PEERS_STRANGER;
    if (is_new && head->kind == BUS_KIND_GOODBYE) {
        peers_goodbye(peers, head->from);
    } else if (is_new && beat_read(body, &beat)) {
        struct peers_word word = {beat.name, beat.newest, beat_names(&beat, "AAAAAAAAAAAAAAAA")};
        peers_beat(peers, head->from, &word);
        struct buf out = {0};
        beat_write(&beat, &out);
        assert(out.len <= body.len + 1); /* one of the first version says a byte less */
        buf_release(&out);
    }
    assert(peers_hear(peers, head, now) == PEERS_REPEATED || verdict == PEERS_TOO_MANY);
}

/* One message of its own size in memory, so that a read behind it is seen. */
static void open_one(struct peers *peers, struct str bytes, uint64_t now)
{
    struct seal_head head;
    struct str body;
    enum seal_verdict without = seal_open(&keys, bytes, &head, &body);
    assert(without == SEAL_MALFORMED || without == SEAL_UNSIGNED);
    size_t len = bytes.len + HMAC_SIZE;
    char *message = mem_alloc(len);
    memcpy(message, bytes.ptr, bytes.len);
    hmac_sha256((struct str){(const char *)keys.keys[0], SEAL_KEY_SIZE}, bytes,
                (unsigned char *)message + bytes.len);
    enum seal_verdict verdict = seal_open(&keys, (struct str){message, len}, &head, &body);
    if (verdict == SEAL_GOOD || verdict == SEAL_FOREIGN) {
        check_same(&head, body, (struct str){message, len});
    }
    if (verdict == SEAL_GOOD) {
        hear(peers, &head, body, now);
    } else if (verdict == SEAL_FOREIGN) {
        (void)peers_hear_foreign(peers, &head, now);
    }
    free(message);
}

static size_t take(const uint8_t **data, size_t *size, size_t n)
{
    size_t number = 0;
    for (; n > 0 && *size > 0; n--, (*size)--) {
        number = number << 8 | *(*data)++;
    }
    return number;
}

/* Of each: how long it is, how long after the one before, its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct peers *peers = peers_new(on_peer, NULL);
    uint64_t now = 1000000;
    n_there = 0;
    for (int i = 0; i < MAX_MESSAGES && size > 0; i++) {
        size_t len = take(&data, &size, 1), pause = take(&data, &size, 2);
        len = len < size ? len : size;
        now += pause;
        peers_tick(peers, now, 1 + pause / 60000);
        open_one(peers, (struct str){(const char *)data, len}, now);
        data += len;
        size -= len;
        struct peers_counts counts = peers_count(peers);
        assert(counts.alive + counts.stale == n_there);
    }
    peers_free(peers);
    return 0;
}
