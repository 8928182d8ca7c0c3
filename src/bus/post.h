/* SPDX-License-Identifier: PostgreSQL */
/* The two queues between the loop's thread and those of the link, each bounded by bytes, and the bell
 * by which the link's thread is woken. */
#ifndef HERALD_BUS_POST_H
#define HERALD_BUS_POST_H

#include "bus/seal.h"

#define POST_MAX_OUT (8U << 20) /* bytes that wait to be sent: more are refused */
#define POST_MAX_IN (32U << 20) /* bytes that wait for the loop: more are lost */

struct post;

struct outgoing {
    struct seal_head head; /* without seq */
    size_t len;
    char data[]; /* room for head, body, signature; the body is in its place */
};

struct incoming { /* what came, signed */
    struct seal_head head;
    struct str body; /* valid until it is freed */
    bool is_mine;    /* another process sends under my id */
};

/* `wake`: from any thread, something came in. */
struct post *post_new(void (*wake)(void *arg), void *arg);
void post_free(struct post *post); /* with all that waits; only one thread is left */

/* Any thread. */
void post_ring(struct post *post);

/* The loop's thread. False: too much waits. `is_urgent`: it may be more than POST_MAX_OUT. */
bool post_send(struct post *post, const struct seal_head *head, struct str body, bool is_urgent);
/* All that has come, in order. Each is freed with free(). */
size_t post_take_in(struct post *post, struct incoming ***letters);

/* The link's thread. */
void post_wait(struct post *post, uint64_t ms); /* for the bell, or so long */
size_t post_take_out(struct post *post, struct outgoing ***letters);
void post_free_out(struct post *post, struct outgoing *letter);

/* The reader's thread. False: there is no room, it is lost. */
bool post_deliver(struct post *post, const struct seal_head *head, struct str body, bool is_mine);

#endif
