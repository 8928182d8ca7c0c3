/* SPDX-License-Identifier: PostgreSQL */
/* Nothing is pending when a look, sent after all messages were stored, has found nothing: the
 * sequencer says so itself (on_looked), so nobody has to wait or to ask. After max_batches it is
 * told that somebody is behind; then it looks no more.
 *
 * A session that was just ended still holds its locks for some milliseconds, and whoever wants to
 * lead next waits a second when he meets one. So the end waits until Postgres does not know it any
 * more; it is found by its name. */
#include "drain.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "pg/house/tally.h"
#include "pg/sequencer/sequencer.h"
#include "pg/shapes/shapes.h"

enum { DEADLINE_MS = 60000, GONE_TRIES = 2000 };

struct drain {
    const struct drain_options *options;
    struct loop *loop;
    size_t n_stored;
    unsigned n_batches;
    bool is_done, is_failed;
    char reason[256];  /* why it is not ready; "": it is */
    struct buf counts; /* SQL */
    struct err *err;
};

static void end(struct drain *drain, const char *sentence)
{
    if (!drain->is_done && sentence) {
        drain->is_failed = true;
        (void)err_set(drain->err, EXIT_CODE_FAILED, "%s", sentence);
    }
    drain->is_done = true;
    loop_stop(drain->loop);
}

/* ---- what the sequencer tells ---- */

static void on_fatal(void *arg, const struct err *err)
{
    end(arg, err->text);
}

static bool is_behind(void *arg)
{
    const struct drain *drain = arg;
    return drain->is_done;
}

static void on_looked(void *arg, bool has_found)
{
    struct drain *drain = arg;
    drain->n_batches += has_found;
    uint32_t max_batches = drain->options->max_batches;
    if (has_found ? drain->n_batches == max_batches
                  : drain->n_stored == drain->options->n_messages) {
        end(drain, NULL);
    }
}

static void on_nothing(void *arg)
{
    (void)arg;
}

/* Counted at the end, as the server does it now and then. */
static void on_blemish(void *arg, const struct blemish *blemish)
{
    struct drain *drain = arg;
    buf_printf(&drain->counts, "SELECT herald.count_events('{\"%s\"}', '{%s}', '{%d}', '{%d}');",
               blemish->shape ? blemish->shape->f.watch : "", change_fault_name(blemish->fault),
               !blemish->is_skipped, blemish->is_skipped);
}

/* ---- the sink ---- */

static void on_event(void *ctx, struct event *event)
{
    (void)ctx, (void)event;
}

static void on_append_done(void *ctx, struct session_id sender)
{
    struct drain *drain = ctx;
    (void)sender;
    drain->n_stored++;
}

static void on_append_failed(void *ctx, struct session_id sender, struct str channel,
                             struct str ref)
{
    (void)sender, (void)channel, (void)ref;
    end(ctx, "a message was refused");
}

static void on_site(void *ctx, struct site *site)
{
    (void)ctx;
    site_free(site);
}

static void on_directive(void *ctx, const struct directive *directive)
{
    (void)ctx, (void)directive;
}

static void on_up(void *ctx, struct str epoch)
{
    struct drain *drain = ctx;
    (void)epoch;
    drain->reason[0] = '\0';
}

static void on_down(void *ctx, const char *reason)
{
    struct drain *drain = ctx;
    snprintf(drain->reason, sizeof(drain->reason), "%s", reason);
}

static void on_superseded(void *ctx, const char *reason)
{
    struct drain *drain = ctx;
    (void)reason;
    if (drain->n_stored < drain->options->n_messages) {
        end(drain, "another server leads before all messages are stored");
    }
}

/* ---- life ---- */

static void on_deadline(void *arg)
{
    struct drain *drain = arg;
    char sentence[400];
    snprintf(sentence, sizeof(sentence), "after a minute there is still something pending (%s)",
             *drain->reason ? drain->reason : "batch after batch is taken");
    end(drain, sentence);
}

static void run_sequencer(struct drain *drain)
{
    const struct drain_options *options = drain->options;
    struct shapes shapes = {0};
    struct sequencer_options sequencer_options = {
        .url = options->url,
        .shapes = &shapes,
        .look_ms = 1000,
        .batch_rows = options->max_rows,
        .batch_bytes = options->max_bytes,
        .query_timeout_ms = DEADLINE_MS,
        .append_max_bytes = UINT32_MAX,
        .arg = drain,
        .on_fatal = on_fatal,
        .is_behind = is_behind,
        .on_serving = on_nothing,
        .on_away = on_nothing,
        .on_batch = on_nothing,
        .on_blemish = on_blemish,
        .on_looked = on_looked,
        .on_drained = on_nothing,
    };
    struct store_sink sink = {
        .ctx = drain,
        .on_event = on_event,
        .on_append_done = on_append_done,
        .on_append_failed = on_append_failed,
        .on_site = on_site,
        .on_directive = on_directive,
        .on_up = on_up,
        .on_down = on_down,
        .on_superseded = on_superseded,
    };
    struct sequencer *sequencer = sequencer_new(drain->loop, &sequencer_options);
    for (size_t i = 0; i < options->n_messages; i++) {
        struct event *message = event_new(&options->messages[i]);
        (void)sequencer_append(sequencer, &(struct store_append){.message = message});
        event_unref(message);
    }
    sequencer_start(sequencer, sink);
    if (!drain->is_done) {
        loop_run(drain->loop);
    }
    drain->is_done = true; /* what stopping tells changes nothing any more */
    sequencer_free(sequencer);
    shapes_clear(&shapes);
}

static bool is_gone(PGconn *conn, const char *name)
{
    const char *const params[] = {name};
    PGresult *result =
        PQexecParams(conn, "SELECT FROM pg_catalog.pg_stat_activity WHERE application_name = $1", 1,
                     NULL, params, NULL, NULL, 0);
    bool is_there = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0;
    PQclear(result);
    return !is_there;
}

/* If the database cannot be asked, it has no session either. */
static void await_end(const char *url, const char *name, struct buf *counts)
{
    PGconn *conn = PQconnectdb(url);
    PQclear(PQexec(conn, buf_text(counts)));
    buf_release(counts);
    for (int i = 0; i < GONE_TRIES && !is_gone(conn, name); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    PQfinish(conn);
}

enum status drain_run(const struct drain_options *options, unsigned *n_batches, struct err *err)
{
    struct drain drain = {.options = options, .loop = loop_new(), .err = err};
    char id[ID_TEXT_SIZE], name[ID_TEXT_SIZE + 8];
    id_text(id);
    snprintf(name, sizeof(name), "drain %s", id);
    setenv("PGAPPNAME", name, true);
    struct loop_timer *deadline = loop_timer_new(drain.loop, on_deadline, &drain);
    loop_timer_start(deadline, DEADLINE_MS, 0);
    run_sequencer(&drain);
    loop_timer_free(deadline);
    loop_free(drain.loop);
    unsetenv("PGAPPNAME");
    await_end(options->url, name, &drain.counts);
    *n_batches = drain.n_batches;
    return drain.is_failed ? STATUS_FAILED : STATUS_OK;
}
