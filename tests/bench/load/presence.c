/* SPDX-License-Identifier: PostgreSQL */
/* Very many members of one channel that lists them. All come, then half of them drop and a quarter
 * leave; each keeps its list as the client library does, and after each step everybody's list must
 * be the right one.
 *
 * A list of ten thousand in each of ten thousand clients would be a gigabyte of names, so a client
 * keeps the number of its entries and the sum of their hashes: another set with the same two is not
 * to be expected. */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

static const uint64_t SECOND = 1000000000ULL;
static const uint64_t LIMIT_NS = 150ULL * 1000000000ULL;

struct list {
    uint64_t sum, own; /* of all entries; of itself */
    uint32_t n;
    bool has_list;
};

struct crowd {
    struct pool pool;
    struct list *lists; /* by client */
    uint64_t bytes, n_lists, n_news;
};

static uint64_t hash(const uint8_t *text, size_t len)
{
    uint64_t value = 14695981039346656037ULL; /* FNV-1a */
    for (size_t i = 0; i < len; i++) {
        value = (value ^ text[i]) * 1099511628211ULL;
    }
    return value ^ value >> 29;
}

static const char key[] = "\"socketId\":\"";

/* The hash of the next socketId from *at on, which moves behind it. False: there is none. */
static bool next_id(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    const uint8_t *id = memmem(*at, (size_t)(end - *at), key, sizeof(key) - 1);
    if (!id) {
        return false;
    }
    id += sizeof(key) - 1;
    const uint8_t *quote = memchr(id, '"', (size_t)(end - id));
    if (!quote) {
        return false;
    }
    *out = hash(id, (size_t)(quote - id));
    *at = quote;
    return true;
}

static bool begins(const uint8_t *text, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

static void on_text(void *arg, struct client *client, uint8_t *text, size_t len)
{
    struct crowd *crowd = arg;
    struct list *list = &crowd->lists[client->index];
    const uint8_t *at = text, *end = text + len;
    uint64_t id;
    crowd->bytes += len;
    if (begins(text, len, "{\"action\":\"presence_full\"")) {
        *list = (struct list){.own = list->own, .has_list = true};
        crowd->n_lists++;
        while (next_id(&at, end, &id)) {
            list->sum += id;
            list->n++;
        }
    } else if (begins(text, len, "{\"action\":\"presence_update\"") && next_id(&at, end, &id)) {
        bool is_join = memmem(text, len, "\"payload\":{\"action\":\"join\"", 26) != NULL;
        list->sum += is_join ? id : 0 - id;
        list->n += is_join ? 1U : UINT32_MAX;
        crowd->n_news++;
    }
}

static void on_joined(void *arg, struct client *client, const char *said)
{
    struct crowd *crowd = arg;
    const uint8_t *at = (const uint8_t *)said;
    next_id(&at, at + strlen(said), &crowd->lists[client->index].own);
}

/* How many of those who are there have another list than they should. */
static uint32_t count_wrong(const struct crowd *crowd)
{
    uint64_t sum = 0;
    uint32_t n = 0, wrong = 0;
    for (uint32_t i = 0; i < crowd->pool.n; i++) {
        if (crowd->pool.clients[i].state == CLIENT_JOINED) {
            sum += crowd->lists[i].own;
            n++;
        }
    }
    for (uint32_t i = 0; i < crowd->pool.n; i++) {
        const struct list *list = &crowd->lists[i];
        wrong += crowd->pool.clients[i].state == CLIENT_JOINED &&
                 (!list->has_list || list->sum != sum || list->n != n);
    }
    return wrong;
}

/* Polls until every list is right; the seconds it took. */
static double settle(struct crowd *crowd, uint64_t start)
{
    uint64_t until = now_ns() + LIMIT_NS;
    while (count_wrong(crowd) > 0 && crowd->pool.n_failed == 0 && now_ns() < until) {
        uint64_t next = now_ns() + SECOND / 10;
        while (now_ns() < next) {
            pool_poll(&crowd->pool, SECOND / 20);
        }
    }
    return (double)(now_ns() - start) / (double)SECOND;
}

static void leave(struct client *client)
{
    static const char text[] = "{\"action\":\"leave\",\"options\":{\"channel\":\"%s/%u\"}}";
    char frame[300];
    int len = snprintf(frame, sizeof(frame), text, client->place.prefix, client->place.number);
    client_text(client, frame, (size_t)len);
    client_flush(client);
    client->state = CLIENT_JOINING; /* what still comes is nothing to it */
    client->pool->n_joined--;
}

static void report(const struct crowd *crowd, const struct usage *before, double came, double left,
                   uint32_t wrong)
{
    struct usage after = usage_of((pid_t)crowd->pool.options->pid);
    result_open();
    result_count("sessions", crowd->pool.n);
    result_number("seconds_to_come", came);
    result_number("seconds_to_leave", left);
    result_number("cpu_s", (double)(after.cpu_ns - before->cpu_ns) / 1e9);
    result_count("lists", crowd->n_lists);
    result_count("news", crowd->n_news);
    result_number("gigabytes", (double)crowd->bytes / 1e9);
    result_count("peak_bytes", after.peak_bytes);
    result_count("wrong_lists", wrong);
    result_count("failed", crowd->pool.n_failed);
    result_close();
}

int presence_run(const struct options *options)
{
    struct crowd crowd = {0};
    struct usage before = usage_of((pid_t)options->pid);
    pool_init(&crowd.pool, options, options->members, 1);
    crowd.lists = calloc(options->members, sizeof(*crowd.lists));
    if (!crowd.lists) {
        abort();
    }
    crowd.pool.on_text = on_text;
    crowd.pool.on_joined = on_joined;
    crowd.pool.arg = &crowd;
    for (uint32_t i = 0; i < crowd.pool.n; i++) {
        crowd.pool.clients[i].place.wants_presence = true;
    }
    uint64_t start = now_ns();
    double came = pool_connect(&crowd.pool) ? settle(&crowd, start) : 0;
    uint32_t wrong = count_wrong(&crowd);
    start = now_ns();
    for (uint32_t i = 0; i < crowd.pool.n; i++) {
        if (i % 4 < 2) {
            client_close(&crowd.pool.clients[i]);
        } else if (i % 4 == 2) {
            leave(&crowd.pool.clients[i]);
        }
    }
    double left = settle(&crowd, start);
    wrong += count_wrong(&crowd);
    report(&crowd, &before, came, left, wrong);
    bool is_good = wrong == 0 && crowd.pool.n_failed == 0;
    pool_release(&crowd.pool);
    free(crowd.lists);
    return is_good ? 0 : 1;
}
