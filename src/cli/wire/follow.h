/* SPDX-License-Identifier: PostgreSQL */
/* One channel followed by a session of its own, over cuts: it comes back to where it was. */
#ifndef HERALD_CLI_WIRE_FOLLOW_H
#define HERALD_CLI_WIRE_FOLLOW_H

#include "cli/wire/line.h"
#include "net/client/client.h"

struct follow_options {
    const struct target *target;
    const char *ca_file, *channel;
    const char *token, *token_file; /* the file is read at each connection; or neither */
    const char *since;              /* EPOCH/OFFSET; NULL: from now on */
    bool wants_history;
    uint64_t most; /* frames, then it is done; 0: no end */
    int stop_fd;
    /* Of events and messages, in order. False: that was enough. */
    bool (*on_frame)(const void *arg, const struct told *told);
    const void *arg;
};

/* Until it is stopped or has had enough: OK. What it does about cuts and gaps goes to the log. A
 * server that is not there at the first time, and one that refuses, end it. */
enum status follow(const struct follow_options *options, struct err *err) MUST_CHECK;

#endif
