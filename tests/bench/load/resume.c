/* SPDX-License-Identifier: PostgreSQL */
/* A resume storm: all sessions come back at once, each with the position it had, and each must get
 * exactly what it missed, in order, once.
 *
 * One witness per channel joins first, keeps the position, and sends `expect` messages (the
 * channels have history). When all of them have come back to it, the crowd arrives with that
 * position. It is measured from the first connection to the last replayed message. */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

static const uint64_t SECOND = 1000000000ULL;
enum { LIMIT_SECONDS = 60 };

struct crowd {
    struct pool pool;
    struct position *positions; /* per channel */
    uint64_t n_got;
    uint32_t n_gaps; /* sessions that were told of a gap */
    struct verdict verdict;
};

static void on_joined(void *arg, struct client *client, const char *said)
{
    struct crowd *crowd = arg;
    if (!client->place.since && !dialect_position(said, &crowd->positions[client->place.number])) {
        fprintf(stderr, "load: an acknowledgement without a position: %s\n", said);
    }
    crowd->n_gaps += client->place.since && !strstr(said, "\"resumed\":true");
}

static void on_text(void *arg, struct client *client, uint8_t *text, size_t len)
{
    struct crowd *crowd = arg;
    struct stamp stamp;
    if (stamp_find(text, len, &client->hint, &stamp)) {
        sequence_check(client->sequences, stamp.number, &crowd->verdict);
        crowd->n_got++;
    }
}

static void crowd_init(struct crowd *crowd, const struct options *options, uint32_t n,
                       struct position *positions)
{
    *crowd = (struct crowd){.positions = positions};
    pool_init(&crowd->pool, options, n, 1);
    crowd->pool.on_text = on_text;
    crowd->pool.on_joined = on_joined;
    crowd->pool.arg = crowd;
}

static bool receive(struct crowd *crowd, uint64_t n)
{
    uint64_t until = now_ns() + LIMIT_SECONDS * SECOND;
    while (crowd->n_got < n && crowd->pool.n_failed == 0) {
        pool_poll(&crowd->pool, SECOND / 10);
        if (now_ns() > until) {
            fprintf(stderr, "load: only %llu of %llu messages came\n",
                    (unsigned long long)crowd->n_got, (unsigned long long)n);
            return false;
        }
    }
    return crowd->pool.n_failed == 0;
}

static void end(struct crowd *crowd, uint32_t expect)
{
    pool_run(&crowd->pool, SECOND / 5);
    for (uint32_t i = 0; i < crowd->pool.n; i++) {
        sequence_end(crowd->pool.clients[i].sequences, expect, &crowd->verdict);
    }
}

/* The witnesses, each in a channel of its own, write what the crowd will have missed. */
static bool write_history(const struct options *options, struct position *positions,
                          struct verdict *verdict)
{
    struct crowd crowd;
    struct options alone = *options;
    alone.members = 1;
    crowd_init(&crowd, &alone, options->channels, positions);
    bool is_good = pool_connect(&crowd.pool);
    for (uint32_t number = 0; is_good && number < options->expect; number++) {
        for (uint32_t i = 0; i < crowd.pool.n; i++) {
            char text[DIALECT_TEXT_MAX], printed[STAMP_LEN + 1] = "";
            struct client *client = &crowd.pool.clients[i];
            stamp_write(&(struct stamp){i, number, now_ns()}, printed);
            crowd.pool.dialect->message(&client->place, printed, text);
            client_text(client, text, strlen(text));
            client_flush(client);
        }
        is_good = receive(&crowd, (uint64_t)(number + 1) * crowd.pool.n);
    }
    end(&crowd, is_good ? options->expect : 0);
    *verdict = crowd.verdict;
    pool_release(&crowd.pool);
    return is_good;
}

static int come_back(const struct options *options, struct position *positions,
                     struct verdict verdict)
{
    struct crowd crowd;
    crowd_init(&crowd, options, options->channels * options->members, positions);
    crowd.verdict = verdict;
    for (uint32_t i = 0; i < crowd.pool.n; i++) {
        struct place *place = &crowd.pool.clients[i].place;
        place->since = &positions[place->number];
    }
    struct usage server = usage_of((pid_t)options->pid);
    struct usage database = usage_of((pid_t)options->db_pid);
    uint64_t start = now_ns(), n_expected = (uint64_t)crowd.pool.n * options->expect;
    bool is_good = pool_connect(&crowd.pool) && receive(&crowd, n_expected);
    double seconds = (double)(now_ns() - start) / (double)SECOND, n = crowd.pool.n;
    struct usage server_now = usage_of((pid_t)options->pid);
    struct usage database_now = usage_of((pid_t)options->db_pid);
    end(&crowd, options->expect);
    result_open();
    result_count("sessions", crowd.pool.n);
    result_count("missed_each", options->expect);
    result_number("seconds", seconds);
    result_number("sessions_per_s", n / seconds);
    result_number("cpu_us", (double)(server_now.cpu_ns - server.cpu_ns) / 1000 / n);
    result_number("db_cpu_us", (double)(database_now.cpu_ns - database.cpu_ns) / 1000 / n);
    result_count("peak_bytes", server_now.peak_bytes);
    result_count("gaps", crowd.n_gaps);
    result_verdict(&crowd.verdict);
    result_count("failed", crowd.pool.n_failed);
    result_close();
    pool_release(&crowd.pool);
    return is_good ? 0 : 1;
}

int resume_run(const struct options *options)
{
    struct verdict verdict;
    struct position *positions = calloc(options->channels, sizeof(*positions));
    int code = positions && write_history(options, positions, &verdict)
                   ? come_back(options, positions, verdict)
                   : 1;
    free(positions);
    return code;
}
