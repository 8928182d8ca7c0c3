/* SPDX-License-Identifier: PostgreSQL */
/* Every two seconds: SELECT live_table_demo_tick(), a function that the example itself brings.
 * Where it is missing, or the database is away, nothing happens and the next time is tried again:
 * this is decoration, and no error of it is worth a line. A person may hold a lock on the table, so
 * each call has a time limit and can end the thread in time. */
#include "cli/dev/writer.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

#define INTERVAL_MS 2000
#define TICK "public.live_table_demo_tick()"

struct writer {
    pthread_t thread;
    char *url;
    int stop_fd;
};

static bool stays_for(const struct writer *writer, int ms)
{
    struct pollfd fd = {.fd = writer->stop_fd, .events = POLLIN};
    return poll(&fd, 1, ms) == 0;
}

static bool has_function(PGconn *conn)
{
    PGresult *result = PQexec(conn, "SELECT to_regprocedure('" TICK "') IS NOT NULL");
    bool has = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    PQclear(result);
    return has;
}

static void on_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static void *run(void *arg)
{
    const struct writer *writer = arg;
    PGconn *conn = NULL;
    while (stays_for(writer, INTERVAL_MS)) {
        if (conn && PQstatus(conn) != CONNECTION_OK) {
            PQfinish(conn);
            conn = NULL;
        }
        if (!conn) {
            conn = PQconnectdb(writer->url);
            PQsetNoticeProcessor(conn, on_notice, NULL);
            PQclear(PQexec(conn, "SET statement_timeout = '1s'"));
        }
        if (has_function(conn)) {
            PQclear(PQexec(conn, "SELECT " TICK));
        }
    }
    PQfinish(conn);
    return NULL;
}

struct writer *writer_start(const char *url)
{
    struct writer *writer = mem_zalloc(sizeof(*writer));
    writer->url = mem_strdup(url);
    writer->stop_fd = eventfd(0, EFD_CLOEXEC);
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool is_running =
        writer->stop_fd >= 0 && pthread_create(&writer->thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!is_running) {
        if (writer->stop_fd >= 0) {
            close(writer->stop_fd);
        }
        free(writer->url);
        free(writer);
        return NULL;
    }
    return writer;
}

void writer_stop(struct writer *writer)
{
    if (!writer) {
        return;
    }
    eventfd_write(writer->stop_fd, 1);
    pthread_join(writer->thread, NULL);
    close(writer->stop_fd);
    free(writer->url);
    free(writer);
}
