/* SPDX-License-Identifier: PostgreSQL */
/* The data directory of `dev`: whose it is, what state it is in, and where in it things lie. */
#ifndef HERALD_CLI_DEV_HOME_H
#define HERALD_CLI_DEV_HOME_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/dev/process.h"

struct home {
    char *shown;      /* as the user typed it */
    char *dir;        /* its real path; NULL while it does not exist */
    char *place;      /* where the cluster lies: dir, or below /var/lib */
    char *data;       /* place/postgres: Postgres's own data directory */
    char *making;     /* place/postgres.new: data while initdb runs */
    char *log;        /* dir/postgres.log */
    char *socket_dir; /* set by home_open_socket_dir */
    struct account account;
    int lock_fd; /* the marker file, locked; -1: not yet */
    int major;   /* of the cluster that is there; 0: none */
    bool is_new; /* home_claim made the directory */
};

/* Looks, changes nothing on disk. Refuses (78) what is not ours, in use, half-made or broken; a
 * directory that is missing or empty is fine. Release *out whatever comes back. */
enum status home_look(const char *dir, struct home *out, struct err *err) MUST_CHECK;
/* Makes the directory and its marker if need be, locks it, and decides who Postgres runs as and
 * where. */
enum status home_claim(struct home *home, struct err *err) MUST_CHECK;

/* home->making, empty, owned by the account. While it is there, a next start finds the home
 * half-made. */
enum status home_begin_cluster(struct home *home, struct err *err) MUST_CHECK;
enum status home_finish_cluster(struct home *home,
                                struct err *err) MUST_CHECK; /* making becomes data */
void home_undo_cluster(struct home *home);                   /* as if this start had not been */

/* A directory for the socket that only the account can enter, with a path short enough for one. */
enum status home_open_socket_dir(struct home *home, struct err *err) MUST_CHECK;
void home_close_socket_dir(struct home *home);
/* A file beside the cluster that its account alone may read, in place of one that is there. *path is
 * a heap text. */
enum status home_write(const struct home *home, const char *name, const char *text, char **path,
                       struct err *err) MUST_CHECK;
int home_read_port(const struct home *home); /* the one of the last start; 0: none */
void home_write_port(const struct home *home, int port);
void home_release(struct home *home); /* lets go of the lock */

#endif
