/* SPDX-License-Identifier: PostgreSQL */
/* The application that writes rows: N connections, each with one INSERT under way, paced together
 * or as fast as the database takes them. Each connection is a producer: its rows' stamps are
 * numbered from 0, and a row is committed before the next one is sent, so their order is known.
 *
 *   writer DATABASE_URL TABLE CONNECTIONS ROWS_EACH ROWS_PER_INSERT RATE [COMMITS_FILE]
 *
 * RATE is rows a second over all connections, 0: no pause. The file is told the moment at which
 * each row's commit was answered (listen.c reads it). Prints a JSON object with the latency of an
 * INSERT and its commit, as the application sees it. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "../load/histogram.h"
#include "../load/stamp.h"
#include "../load/usage.h"

enum { MAX_CONNECTIONS = 64, MAX_ROWS = 1000 };

struct producer {
    PGconn *connection;
    uint32_t sent, committed; /* rows */
    uint64_t sent_ns;         /* of the INSERT under way; 0: none is */
};

struct writer {
    struct producer producers[MAX_CONNECTIONS];
    uint32_t n, rows_each, rows_per_insert, rate;
    uint64_t *commits; /* NULL: nobody wants to know */
    uint64_t due_ns;
    uint64_t n_sent;
    struct histogram latency;
};

static void check(const struct producer *producer, bool is_good)
{
    if (!is_good) {
        fprintf(stderr, "writer: %s", PQerrorMessage(producer->connection));
        exit(1);
    }
}

static void open_producer(struct producer *producer, const char *url, const char *table)
{
    char sql[512];
    producer->connection = PQconnectdb(url);
    check(producer, PQstatus(producer->connection) == CONNECTION_OK);
    snprintf(sql, sizeof(sql),
             "INSERT INTO %s (stamp, name, note, price) SELECT s, 'some name', "
             "'a note of medium length for this row', 12.50 FROM unnest($1::text[]) AS s",
             table);
    PGresult *result = PQprepare(producer->connection, "add", sql, 1, NULL);
    check(producer, PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
}

static void map_commits(struct writer *writer, const char *path)
{
    size_t size = (size_t)writer->n * writer->rows_each * sizeof(uint64_t);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    void *map = fd >= 0 && ftruncate(fd, (off_t)size) == 0
                    ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                    : MAP_FAILED;
    if (map == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    close(fd);
    writer->commits = map;
}

static void insert(struct writer *writer, struct producer *producer, uint64_t at_ns)
{
    static char array[MAX_ROWS * (STAMP_LEN + 1) + 2];
    const char *values[] = {array};
    uint32_t left = writer->rows_each - producer->sent, n = writer->rows_per_insert;
    size_t len = 0;
    n = n < left ? n : left;
    for (uint32_t i = 0; i < n; i++) {
        struct stamp stamp = {(uint32_t)(producer - writer->producers), producer->sent++, at_ns};
        array[len++] = i == 0 ? '{' : ',';
        stamp_write(&stamp, array + len);
        len += STAMP_LEN;
    }
    memcpy(array + len, "}", 2);
    producer->sent_ns = now_ns();
    writer->n_sent += n;
    check(producer, PQsendQueryPrepared(producer->connection, "add", 1, values, NULL, NULL, 0));
}

/* The INSERT under way is committed, if all of its answer is there. */
static void take_answer(struct writer *writer, struct producer *producer)
{
    PGresult *result;
    check(producer, PQconsumeInput(producer->connection));
    if (producer->sent_ns == 0 || PQisBusy(producer->connection)) {
        return;
    }
    uint64_t now = now_ns();
    while ((result = PQgetResult(producer->connection)) != NULL) {
        check(producer, PQresultStatus(result) == PGRES_COMMAND_OK);
        PQclear(result);
    }
    histogram_add(&writer->latency, now - producer->sent_ns);
    for (; producer->committed < producer->sent; producer->committed++) {
        if (writer->commits) {
            size_t at = (size_t)(producer - writer->producers) * writer->rows_each;
            __atomic_store_n(&writer->commits[at + producer->committed], now, __ATOMIC_RELEASE);
        }
    }
    producer->sent_ns = 0;
}

/* Gives work to who has none. Returns how long nothing will be due. */
static uint64_t send_due(struct writer *writer)
{
    uint64_t now = now_ns();
    uint64_t interval =
        writer->rate > 0 ? 1000000000ULL * writer->rows_per_insert / writer->rate : 0;
    for (uint32_t i = 0; i < writer->n && writer->due_ns <= now; i++) {
        struct producer *producer = &writer->producers[i];
        if (producer->sent_ns == 0 && producer->sent < writer->rows_each) {
            insert(writer, producer, writer->rate > 0 ? writer->due_ns : now);
            writer->due_ns += interval;
        }
    }
    return writer->due_ns > now ? writer->due_ns - now : 1000000000ULL;
}

static uint64_t n_committed(const struct writer *writer)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < writer->n; i++) {
        n += writer->producers[i].committed;
    }
    return n;
}

static void run(struct writer *writer)
{
    struct pollfd fds[MAX_CONNECTIONS];
    uint64_t total = (uint64_t)writer->n * writer->rows_each;
    writer->due_ns = now_ns();
    while (n_committed(writer) < total) {
        uint64_t wait_ns = send_due(writer);
        for (uint32_t i = 0; i < writer->n; i++) {
            const struct producer *producer = &writer->producers[i];
            fds[i] = (struct pollfd){.fd = PQsocket(producer->connection), .events = POLLIN};
        }
        struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
        ppoll(fds, writer->n, &wait, NULL);
        for (uint32_t i = 0; i < writer->n; i++) {
            if (fds[i].revents) {
                take_answer(writer, &writer->producers[i]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static struct writer writer;
    if (argc < 7) {
        return 64;
    }
    writer.n = (uint32_t)strtoul(argv[3], NULL, 10);
    writer.rows_each = (uint32_t)strtoul(argv[4], NULL, 10);
    writer.rows_per_insert = (uint32_t)strtoul(argv[5], NULL, 10);
    writer.rate = (uint32_t)strtoul(argv[6], NULL, 10);
    if (writer.n > MAX_CONNECTIONS || writer.rows_per_insert > MAX_ROWS ||
        writer.rows_per_insert == 0) {
        return 64;
    }
    if (argc > 7) {
        map_commits(&writer, argv[7]);
    }
    for (uint32_t i = 0; i < writer.n; i++) {
        open_producer(&writer.producers[i], argv[1], argv[2]);
    }
    uint64_t start = now_ns();
    run(&writer);
    double seconds = (double)(now_ns() - start) / 1e9;
    printf("{\"rows\":%llu,\"rows_per_s\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           (unsigned long long)writer.n_sent, (double)writer.n_sent / seconds,
           (double)histogram_quantile(&writer.latency, 0.5) / 1e3,
           (double)histogram_quantile(&writer.latency, 0.99) / 1e3,
           (double)writer.latency.max / 1e3);
    for (uint32_t i = 0; i < writer.n; i++) {
        PQfinish(writer.producers[i].connection);
    }
    return 0;
}
