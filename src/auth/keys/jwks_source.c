/* SPDX-License-Identifier: PostgreSQL */
/* The thread that fetches. It sleeps until the set is old, or until somebody wants it sooner; a
 * want within the pause is kept until the pause is over, so that tokens with invented key ids make
 * one request in ten seconds, however many there are.
 *
 * A fetch that fails changes nothing: the keys of the last good one stay in force. It is tried
 * again after the pause. The log says when failing begins and when it ends, not each time. */
#include "auth/keys/jwks_source.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/keys/fetch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_SET_BYTES (256 << 10)
#define ORIGIN "--token-jwks-url" /* the URL itself may hold a password */

struct jwks_source {
    struct jwks_source_options options;
    struct fetch *fetch;
    pthread_t thread;
    pthread_mutex_t mutex; /* for the rest but `stop` */
    pthread_cond_t changed;
    bool is_wanted;
    uint64_t n_fetches, n_failed;
    atomic_bool stop;
};

static void wait_until(struct jwks_source *source, uint64_t ms)
{
    struct timespec at = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    pthread_cond_timedwait(&source->changed, &source->mutex, &at);
}

/* False: it is over. */
static bool wait_for_turn(struct jwks_source *source, uint64_t last_ms, bool has_failed)
{
    uint32_t pause = source->options.pause_ms, refresh = source->options.refresh_ms;
    uint64_t soonest = last_ms + pause;
    uint64_t latest = last_ms + (has_failed && pause < refresh ? pause : refresh);
    pthread_mutex_lock(&source->mutex);
    for (;;) {
        uint64_t now = clock_ms(), due = source->is_wanted ? soonest : latest;
        if (atomic_load(&source->stop) || now >= due) {
            break;
        }
        wait_until(source, due);
    }
    source->is_wanted = false;
    pthread_mutex_unlock(&source->mutex);
    return !atomic_load(&source->stop);
}

/* True: the set is as the server has it. */
static bool fetch_once(struct jwks_source *source, struct err *err)
{
    struct buf body = {0};
    struct keyset *keys = NULL;
    bool is_good = false;
    switch (fetch_get(source->fetch, &body, err)) {
    case FETCH_FAILED:
        break;
    case FETCH_SAME:
        is_good = true;
        break;
    case FETCH_NEW:
        is_good = keyset_parse((struct str){body.data, body.len}, ORIGIN, KEY_FOR_CHECKS, &keys,
                               err) == STATUS_OK;
        if (!is_good) {
            fetch_forget(source->fetch);
        }
        break;
    }
    buf_release(&body);
    if (keys) {
        log_debug(ORIGIN ": %zu keys", keys->n);
        source->options.on_keys(source->options.ctx, keys);
    }
    return is_good;
}

static void *source_run(void *arg)
{
    struct jwks_source *source = arg;
    bool has_failed = false;
    do {
        struct err err = {0};
        bool is_good = fetch_once(source, &err);
        pthread_mutex_lock(&source->mutex);
        source->n_fetches++;
        source->n_failed += !is_good;
        pthread_mutex_unlock(&source->mutex);
        if (!is_good && !has_failed && !atomic_load(&source->stop)) {
            log_warn("cannot fetch " ORIGIN ", and keep what is there until it works: %s",
                     err.text);
        } else if (is_good && has_failed) {
            log_info(ORIGIN " can be fetched again");
        }
        has_failed = !is_good;
        if (!wait_for_turn(source, clock_ms(), has_failed)) {
            break;
        }
    } while (true);
    return NULL;
}

/* Signals are for the main thread. */
static void start_thread(struct jwks_source *source)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&source->thread, NULL, source_run, source) != 0) {
        abort(); /* no memory for a stack */
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

enum status jwks_source_start(const struct jwks_source_options *options, struct jwks_source **out,
                              struct err *err)
{
    if (fetch_check_url(options->url, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (options->ca_file && access(options->ca_file, R_OK) != 0) {
        return err_set(err, EXIT_CODE_CONFIG, "--token-jwks-ca-file: cannot read %s: %s",
                       options->ca_file, strerror(errno));
    }
    struct jwks_source *source = mem_zalloc(sizeof(*source));
    source->options = *options;
    source->options.url = source->options.ca_file = NULL; /* not ours to keep */
    atomic_init(&source->stop, false);
    source->fetch = fetch_new(options->url, options->ca_file, MAX_SET_BYTES, &source->stop);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&source->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&source->mutex, NULL);
    start_thread(source);
    *out = source;
    return STATUS_OK;
}

void jwks_source_want(struct jwks_source *source)
{
    pthread_mutex_lock(&source->mutex);
    if (!source->is_wanted) {
        source->is_wanted = true;
        pthread_cond_signal(&source->changed);
    }
    pthread_mutex_unlock(&source->mutex);
}

void jwks_source_counts(struct jwks_source *source, uint64_t *n_fetches, uint64_t *n_failed)
{
    pthread_mutex_lock(&source->mutex);
    *n_fetches = source->n_fetches;
    *n_failed = source->n_failed;
    pthread_mutex_unlock(&source->mutex);
}

void jwks_source_stop(struct jwks_source *source)
{
    if (!source) {
        return;
    }
    atomic_store(&source->stop, true);
    pthread_mutex_lock(&source->mutex);
    pthread_cond_signal(&source->changed);
    pthread_mutex_unlock(&source->mutex);
    pthread_join(source->thread, NULL);
    fetch_free(source->fetch);
    pthread_cond_destroy(&source->changed);
    pthread_mutex_destroy(&source->mutex);
    free(source);
}
