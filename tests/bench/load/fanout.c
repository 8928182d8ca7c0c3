/* SPDX-License-Identifier: PostgreSQL */
/* Messages from clients to clients: the first member of each channel sends, all members receive.
 *
 * Saturated, a window bounds the messages that are under way: sent, and not yet received by all.
 * Whenever deliveries make room, the senders go round once more. So the server always has a
 * backlog, never a growing one, and how large its bursts are is its own doing. Paced, each message
 * has a time at which it is due, and its latency counts from then, also if we are late.
 *
 * A second of warm-up is not counted. At the end nothing is sent any more and all that is under
 * way must arrive. */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

static const uint64_t SECOND = 1000000000ULL;
enum { DRAIN_SECONDS = 10, SENDS_PER_ROUND = 256 };

struct fanout {
    struct pool pool;
    uint32_t *sent; /* per channel */
    uint64_t n_sent, n_got;
    uint32_t next_channel;
    uint64_t from_ns, to_ns; /* the messages of this time are measured */
    uint64_t due_ns;         /* paced: of the next message */
    struct verdict verdict;
    struct histogram latency;
};

struct measured { /* at one moment */
    uint64_t at_ns, n_got, n_sent, own_cpu_ns;
    struct usage server, database;
};

static struct measured measure(const struct fanout *fanout)
{
    const struct options *options = fanout->pool.options;
    return (struct measured){
        .server = usage_of((pid_t)options->pid),
        .database = usage_of((pid_t)options->db_pid),
        .own_cpu_ns = usage_own_cpu_ns(),
        .n_got = fanout->n_got,
        .n_sent = fanout->n_sent,
        .at_ns = now_ns(),
    };
}

static void on_text(void *arg, struct client *client, uint8_t *text, size_t len)
{
    struct fanout *fanout = arg;
    struct stamp stamp;
    if (!stamp_find(text, len, &client->hint, &stamp)) {
        return; /* what nchan tells its publishers, for one */
    }
    if (stamp.producer != client->place.number) {
        fanout->verdict.duplicated++; /* of another channel: none of its business */
        return;
    }
    sequence_check(client->sequences, stamp.number, &fanout->verdict);
    fanout->n_got++;
    if (stamp.at_ns >= fanout->from_ns && stamp.at_ns < fanout->to_ns) {
        uint64_t now = fanout->pool.now_ns;
        histogram_add(&fanout->latency, now > stamp.at_ns ? now - stamp.at_ns : 0);
    }
}

static void send_one(struct fanout *fanout, uint64_t at_ns)
{
    char text[DIALECT_TEXT_MAX], printed[STAMP_LEN + 1] = "";
    uint32_t channel = fanout->next_channel;
    struct client *sender = &fanout->pool.clients[channel * fanout->pool.options->members];
    struct stamp stamp = {channel, fanout->sent[channel]++, at_ns};
    stamp_write(&stamp, printed);
    fanout->pool.dialect->message(&sender->place, printed, text);
    client_text(sender, text, strlen(text));
    fanout->n_sent++;
    fanout->next_channel = (channel + 1) % fanout->pool.options->channels;
}

/* The senders of the last n messages write. */
static void flush(struct fanout *fanout, uint32_t n)
{
    uint32_t n_channels = fanout->pool.options->channels;
    uint32_t channel = fanout->next_channel;
    for (uint32_t i = 0; i < n && i < n_channels; i++) {
        channel = channel > 0 ? channel - 1 : n_channels - 1;
        struct client *sender = &fanout->pool.clients[channel * fanout->pool.options->members];
        if (sender->n_out > 0 && sender->state == CLIENT_JOINED) {
            client_flush(sender);
        }
    }
}

static void send_window(struct fanout *fanout)
{
    const struct options *options = fanout->pool.options;
    uint64_t under_way = fanout->n_sent - fanout->n_got / options->members;
    uint32_t n = 0;
    uint64_t now = now_ns();
    while (under_way + n < options->window && n < SENDS_PER_ROUND) {
        send_one(fanout, now);
        n++;
    }
    flush(fanout, n);
}

/* Returns how long nothing is due. */
static uint64_t send_due(struct fanout *fanout)
{
    uint64_t interval = SECOND / fanout->pool.options->rate;
    uint64_t now = now_ns();
    uint32_t n = 0;
    while (fanout->due_ns <= now) {
        send_one(fanout, fanout->due_ns);
        fanout->due_ns += interval;
        n++;
    }
    flush(fanout, n);
    return fanout->due_ns - now;
}

static void run_until(struct fanout *fanout, uint64_t until_ns)
{
    uint64_t now;
    while ((now = now_ns()) < until_ns && fanout->pool.n_failed == 0) {
        uint64_t wait = until_ns - now;
        if (fanout->pool.options->rate > 0) {
            uint64_t due = send_due(fanout);
            wait = due < wait ? due : wait;
        } else {
            send_window(fanout);
        }
        pool_poll(&fanout->pool, wait);
    }
}

static void drain(struct fanout *fanout)
{
    uint64_t until = now_ns() + DRAIN_SECONDS * SECOND;
    uint64_t expected = fanout->n_sent * fanout->pool.options->members;
    flush(fanout, fanout->pool.options->channels);
    while (fanout->n_got < expected && now_ns() < until && fanout->pool.n_failed == 0) {
        pool_poll(&fanout->pool, SECOND / 10);
    }
    pool_run(&fanout->pool, SECOND / 5); /* duplicates would come now */
    for (uint32_t i = 0; i < fanout->pool.n; i++) {
        const struct client *client = &fanout->pool.clients[i];
        sequence_end(client->sequences, fanout->sent[client->place.number], &fanout->verdict);
    }
}

static void print(const struct fanout *fanout, const struct measured *a, const struct measured *b)
{
    double n = (double)(b->n_got - a->n_got);
    double seconds = (double)(b->at_ns - a->at_ns) / (double)SECOND;
    result_open();
    result_number("seconds", seconds);
    result_number("messages_per_s", (double)(b->n_sent - a->n_sent) / seconds);
    result_number("deliveries_per_s", n / seconds);
    result_number("cpu_us", (double)(b->server.cpu_ns - a->server.cpu_ns) / 1000 / n);
    result_number("db_cpu_us", (double)(b->database.cpu_ns - a->database.cpu_ns) / 1000 / n);
    result_number("load_cpu_us", (double)(b->own_cpu_ns - a->own_cpu_ns) / 1000 / n);
    result_number("server_cores", (double)(b->server.cpu_ns - a->server.cpu_ns) / 1e9 / seconds);
    result_number("load_cores", (double)(b->own_cpu_ns - a->own_cpu_ns) / 1e9 / seconds);
    result_count("rss_bytes", b->server.rss_bytes);
    result_latency(&fanout->latency);
    result_verdict(&fanout->verdict);
    result_count("failed", fanout->pool.n_failed);
    result_close();
}

int fanout_run(const struct options *options)
{
    static struct fanout fanout;
    pool_init(&fanout.pool, options, options->channels * options->members, 1);
    fanout.pool.on_text = on_text;
    fanout.pool.arg = &fanout;
    fanout.sent = calloc(options->channels, sizeof(*fanout.sent));
    if (!fanout.sent || !pool_connect(&fanout.pool)) {
        return 1;
    }
    pool_run(&fanout.pool, SECOND / 2); /* a subscription may take a moment after the handshake */
    fanout.due_ns = now_ns();
    run_until(&fanout, now_ns() + SECOND);
    struct measured before = measure(&fanout);
    fanout.from_ns = before.at_ns;
    fanout.to_ns = before.at_ns + options->seconds * SECOND;
    run_until(&fanout, fanout.to_ns);
    struct measured after = measure(&fanout);
    drain(&fanout);
    print(&fanout, &before, &after);
    free(fanout.sent);
    pool_release(&fanout.pool);
    return fanout.pool.n_failed == 0 ? 0 : 1;
}
