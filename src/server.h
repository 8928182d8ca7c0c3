/* SPDX-License-Identifier: PostgreSQL */
/* Where the adapters meet: hub, store, network and signals become one running server. */
#ifndef HERALD_SERVER_H
#define HERALD_SERVER_H

#include "config/config.h"

struct server_extras {    /* what `dev` adds; all may be absent */
    bool has_examples;    /* serve the example pages */
    const char *psql;     /* with them: the line by which a person gets into the database */
    bool stops_on_hangup; /* the terminal it was started from has gone */
    /* Called on the main loop once, right after the ready line was printed. */
    void (*on_ready)(void *arg, const char *url);
    void *arg;
    /* The options as they are now, on SIGHUP; valid until it is called again. NULL: a mistake, and the
     * old ones stay. Absent: only the files that options name are read again. */
    const struct config *(*reload)(void *arg, struct err *err);
    /* Polled four times a second: false stops the server (dev: its Postgres died). NULL: never. */
    bool (*is_alive)(void *arg);
};

/* Runs until SIGTERM or SIGINT (exit code 0) or a failure (err says which). Prints the one `ready`
 * line on stdout. */
enum exit_code server_run(const struct config *config, const struct server_extras *extras,
                          struct err *err);

#endif
