/* SPDX-License-Identifier: PostgreSQL */
/* The small writer of `dev`: changes a row of the live-table example now and then, so that its page
 * lives. */
#ifndef HERALD_CLI_DEV_WRITER_H
#define HERALD_CLI_DEV_WRITER_H

#include <libpq-fe.h>
#include <stdint.h>

struct writer {
    const char *url;
    PGconn *conn; /* NULL at first; to be finished in the end */
    uint64_t next_ms;
};

void writer_step(struct writer *writer); /* to be called a few times a second; never blocks */

#endif
