/* SPDX-License-Identifier: PostgreSQL */
/* A small document behind a URL, fetched again and again by one thread. */
#ifndef HERALD_AUTH_KEYS_FETCH_H
#define HERALD_AUTH_KEYS_FETCH_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"

struct fetch;

enum fetch_answer {
    FETCH_NEW,    /* the body is there */
    FETCH_SAME,   /* the server says that it has not changed (304) */
    FETCH_FAILED, /* err says why, without the URL */
};

/* https, or http for a loopback host: what comes over plain http anybody on the way can write. */
enum status fetch_check_url(const char *url, struct err *err) MUST_CHECK;
/* Before other threads start: libcurl prepares itself. ca_file NULL: the system's. `stop` ends a
 * running fetch within a second when it becomes true. */
struct fetch *fetch_new(const char *url, const char *ca_file, size_t max_bytes,
                        const atomic_bool *stop);
/* The body replaces what is in `out`. Redirects are failures: they would have to be judged anew. */
enum fetch_answer fetch_get(struct fetch *fetch, struct buf *out, struct err *err);
void fetch_forget(struct fetch *fetch); /* the last body was no good: ask for it whole again */
void fetch_free(struct fetch *fetch);

#endif
