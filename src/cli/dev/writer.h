/* SPDX-License-Identifier: PostgreSQL */
/* The small writer of `dev`: changes a row of the live-table example now and then, so that its page
 * lives. */
#ifndef HERALD_CLI_DEV_WRITER_H
#define HERALD_CLI_DEV_WRITER_H

struct writer;

struct writer *
writer_start(const char *url);           /* a thread of its own; NULL: it could not be started */
void writer_stop(struct writer *writer); /* waits for it, at most a second; NULL is fine */

#endif
