/* SPDX-License-Identifier: PostgreSQL */
/* The bare limit of row changes: LISTEN, and each notification's payload goes to all clients of
 * channel 0. It keeps nothing, orders nothing and checks nothing, and what comes while it is not
 * connected is gone. notified PORT DATABASE_URL */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "broadcast.h"

struct notified {
    struct broadcast *broadcast;
    PGconn *connection;
};

static void on_readable(void *arg)
{
    struct notified *notified = arg;
    PGnotify *notification;
    if (!PQconsumeInput(notified->connection)) {
        fprintf(stderr, "notified: %s", PQerrorMessage(notified->connection));
        exit(1);
    }
    while ((notification = PQnotifies(notified->connection)) != NULL) {
        broadcast_text(notified->broadcast, 0, notification->extra, strlen(notification->extra));
        PQfreemem(notification);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 64;
    }
    struct notified notified = {broadcast_new((uint16_t)strtoul(argv[1], NULL, 10)),
                                PQconnectdb(argv[2])};
    PGresult *result = PQexec(notified.connection, "LISTEN bench_changes");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "notified: %s", PQerrorMessage(notified.connection));
        return 1;
    }
    PQclear(result);
    broadcast_watch(notified.broadcast, PQsocket(notified.connection), on_readable, &notified);
    broadcast_run(notified.broadcast);
}
