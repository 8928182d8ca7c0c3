/* SPDX-License-Identifier: PostgreSQL */
/* What goes out is counted until it is freed and not until it is taken: a queue that is taken as a
 * whole is empty at once, while all of it is still in memory.
 *
 * The bell is a semaphore on the monotonic clock, because mailboxes do not wait: it is rung when the
 * queue was empty before, so no letter waits for the end of a pause. */
#include "bus/post.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mailbox.h"
#include "base/mem.h"

struct post {
    void (*wake)(void *arg);
    void *arg;
    sem_t bell;
    struct mailbox *out, *in; /* of pointers */
    atomic_size_t out_bytes, in_bytes;
};

struct post *post_new(void (*wake)(void *arg), void *arg)
{
    struct post *post = mem_zalloc(sizeof(*post));
    post->wake = wake;
    post->arg = arg;
    post->out = mailbox_new(sizeof(struct outgoing *));
    post->in = mailbox_new(sizeof(struct incoming *));
    sem_init(&post->bell, 0, 0);
    return post;
}

void post_free(struct post *post)
{
    struct incoming **in;
    struct outgoing **out;
    size_t n_in = post_take_in(post, &in), n_out = post_take_out(post, &out);
    for (size_t i = 0; i < n_in; i++) {
        free(in[i]);
    }
    for (size_t i = 0; i < n_out; i++) {
        free(out[i]);
    }
    mailbox_free(post->out);
    mailbox_free(post->in);
    sem_destroy(&post->bell);
    free(post);
}

/* ---- out ---- */

void post_ring(struct post *post)
{
    sem_post(&post->bell);
}

void post_wait(struct post *post, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)sem_clockwait(&post->bell, CLOCK_MONOTONIC, &until);
}

bool post_send(struct post *post, const struct seal_head *head, struct str body, bool is_urgent)
{
    size_t len = SEAL_SIZE + body.len;
    if (!is_urgent && atomic_load(&post->out_bytes) + len > POST_MAX_OUT) {
        return false;
    }
    struct outgoing *letter = mem_alloc(sizeof(*letter) + len);
    letter->head = *head;
    letter->len = len;
    if (body.len > 0) {
        memcpy(letter->data + SEAL_HEAD_SIZE, body.ptr, body.len);
    }
    atomic_fetch_add(&post->out_bytes, len);
    if (mailbox_put(post->out, &letter, 1)) {
        post_ring(post);
    }
    return true;
}

size_t post_take_out(struct post *post, struct outgoing ***letters)
{
    void *items = NULL;
    size_t n = mailbox_take(post->out, &items);
    *letters = items;
    return n;
}

void post_free_out(struct post *post, struct outgoing *letter)
{
    atomic_fetch_sub(&post->out_bytes, letter->len);
    free(letter);
}

/* ---- in ---- */

bool post_deliver(struct post *post, const struct seal_head *head, struct str body, bool is_mine)
{
    size_t bytes = sizeof(struct incoming) + body.len;
    if (atomic_load(&post->in_bytes) + bytes > POST_MAX_IN) {
        return false;
    }
    struct incoming *letter = mem_alloc(bytes);
    char *copy = (char *)(letter + 1);
    *letter = (struct incoming){*head, {copy, body.len}, is_mine};
    memcpy(copy, body.ptr, body.len);
    atomic_fetch_add(&post->in_bytes, bytes);
    if (mailbox_put(post->in, &letter, 1)) {
        post->wake(post->arg);
    }
    return true;
}

/* The loop handles all of them before it does anything else. */
size_t post_take_in(struct post *post, struct incoming ***letters)
{
    void *items = NULL;
    size_t n = mailbox_take(post->in, &items);
    *letters = items;
    for (size_t i = 0; i < n; i++) {
        atomic_fetch_sub(&post->in_bytes, sizeof(struct incoming) + (*letters)[i]->body.len);
    }
    return n;
}
