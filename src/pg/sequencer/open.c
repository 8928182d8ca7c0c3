/* SPDX-License-Identifier: PostgreSQL */
/* From a new connection to serving, one step after the other:
 *
 *   schema_version   missing or too old: waiting will not help, if this is the start
 *   session          settings of our session; is this really our session, or a pooler's?
 *                    (session.c)
 *   lead             another server sequences: try again each second
 *   LISTEN           before the first look, so that no ring is missed between them; not in a
 *                    pooler's session
 *   open             epoch and newest id; says whether positions of before still mean something
 *   find_batch       only if messages were in flight when the last connection went: did they
 *                    commit?
 *   site             rules, canonicals, directives → on_up, catching up from the log, looking
 *
 * A step that fails costs the connection; the next attempt starts from the top. The step order also
 * answers herald.open being asked for again by a batch (SQLSTATE 55000), from that step on.
 *
 * Session settings: a server that has lost us by a dead network must not keep the lead's lock for
 * the two hours that TCP takes by default, so we set the keepalives of its end of the connection,
 * too. And a database whose default isolation is stricter than READ COMMITTED would make batches
 * fail without a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/database.h"
#include "pg/sequencer/internal.h"
#include "pg/site_loader.h"

enum { LEAD_MS = 1000 };

/* ---- schema_version ---- */

/* Before anything was ever served a wrong schema is a wrong set-up, and saying so at once is a
 * favour. Later it is most likely a restore under way, and ends. */
static void refuse_schema(struct sequencer *sequencer, const char *sentence)
{
    if (sequencer->was_up) {
        connection_drop(sequencer->connection, sentence);
        return;
    }
    struct err err;
    (void)err_set(&err, EXIT_CODE_CONFIG, "%s", sentence);
    connection_stop(sequencer->connection);
    sequencer->phase = SEQUENCER_PHASE_AWAY;
    sequencer->options.on_fatal(sequencer->options.arg, &err);
}

static void on_schema_version(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    bool is_missing = strcmp(result->sqlstate, "3F000") == 0 || /* invalid_schema_name */
                      strcmp(result->sqlstate, "42883") == 0;   /* undefined_function */
    if (is_missing) {
        sequencer->is_busy = false;
        refuse_schema(sequencer, "the database has no schema herald: run `pgherald install` on it");
        return;
    }
    if (!sequencer_answered(sequencer, result, "herald.schema_version")) {
        return;
    }
    if (rows_bool(result->rows, 0, 1)) {
        refuse_schema(sequencer,
                      "the schema herald is one of before the first release, which keeps "
                      "rows in another form: run `pgherald uninstall --yes` and "
                      "`pgherald install`, then call herald.watch() again");
        return;
    }
    uint64_t version = rows_u64(result->rows, 0, 0);
    if (version < DATABASE_SCHEMA_STEP) {
        char sentence[160];
        snprintf(sentence, sizeof(sentence),
                 "the schema herald is at step %llu, this program needs %d: run `pgherald upgrade`",
                 (unsigned long long)version, DATABASE_SCHEMA_STEP);
        refuse_schema(sequencer, sentence);
        return;
    }
    if (rows_u64(result->rows, 0, 2) > DATABASE_SCHEMA_STEP) {
        refuse_schema(sequencer, "the schema herald is too new for this program, which is older "
                                 "than the version before it: install a newer one");
        return;
    }
    if (version > DATABASE_SCHEMA_STEP && !sequencer->was_up) {
        log_warn("the schema herald is at step %llu, newer than this program, which knows %d",
                 (unsigned long long)version, DATABASE_SCHEMA_STEP);
    }
    sequencer_ask_session(sequencer);
}

void sequencer_begin_opening(struct sequencer *sequencer)
{
    sequencer_ask(sequencer,
                  "SELECT herald.schema_version(), pg_catalog.to_regclass('herald.shape') IS NULL, "
                  "herald.oldest_step()",
                  NULL, on_schema_version);
}

/* ---- lead, LISTEN ---- */

static void on_listen(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "LISTEN")) {
        sequencer_open(sequencer);
    }
}

void sequencer_listen(struct sequencer *sequencer)
{
    sequencer_ask(sequencer, "LISTEN herald", NULL, on_listen);
}

/* Our turn may come in an hour: what clients wanted to have stored now is not kept until then. */
void sequencer_step_back(struct sequencer *sequencer, const char *reason)
{
    sequencer->is_superseded = true;
    sequencer->n_flight = sequencer->n_alone = 0;
    messages_release(&sequencer->messages);
    sequencer->sink.on_superseded(sequencer->sink.ctx, reason);
}

/* After a dead network the lock may be that of our own last session, which Postgres gives up before
 * long. */
static void on_leader(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.leader")) {
        return;
    }
    if (!PQgetisnull(result->rows, 0, 0) &&
        rows_u64(result->rows, 0, 0) != (uint64_t)sequencer->led_pid) {
        sequencer_step_back(sequencer, "another server serves now");
    }
    loop_timer_start(sequencer->wait_timer, LEAD_MS, 0);
}

static void on_lead(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.lead")) {
        return;
    }
    if (rows_bool(result->rows, 0, 0)) {
        sequencer->led_pid = sequencer->is_pooled ? -1 : sequencer->session_pid;
        sequencer->is_leading = true;
        if (sequencer->is_pooled) {
            sequencer_open(sequencer);
        } else {
            sequencer_listen(sequencer);
        }
        return;
    }
    connection_settle(sequencer->connection);
    sequencer_tell_down(sequencer, "another pgherald serves this database");
    if (sequencer->was_up && !sequencer->is_superseded) {
        sequencer_ask(sequencer, "SELECT herald.leader()", NULL, on_leader);
    } else {
        loop_timer_start(sequencer->wait_timer, LEAD_MS, 0);
    }
}

/* A lock or a LISTEN that is left behind in a pooler's session outlives us, and the next server
 * would wait for it: there we only ask. */
void sequencer_lead(struct sequencer *sequencer)
{
    if (!sequencer->is_pooled) {
        connection_keep_statements(sequencer->connection);
    }
    if (sequencer->options.bus) {
        sequencer_lead_beside(sequencer);
        return;
    }
    sequencer_ask(sequencer,
                  sequencer->is_pooled ? "SELECT herald.lead(false)" : "SELECT herald.lead()", NULL,
                  on_lead);
}

/* ---- open, find_batch, and up ---- */

static void tell_up(struct sequencer *sequencer)
{
    bool was_up = sequencer->is_up;
    sequencer->is_up = sequencer->was_up = true;
    sequencer->is_superseded = false;
    sequencer->away_ms = 0;
    if (!was_up) {
        log_info("the database is there");
        sequencer->options.on_serving(sequencer->options.arg);
    }
    if (sequencer->is_void) {
        sequencer_void_positions(sequencer);
    } else if (!was_up || !sequencer->is_epoch_told) {
        sequencer->sink.on_up(sequencer->sink.ctx, str_of(sequencer->epoch));
    }
    sequencer->is_epoch_told = true;
}

static void on_opening_site(struct sequencer *sequencer)
{
    tell_up(sequencer);
    sequencer->version_ms = clock_ms();
    sequencer->wants_look = true;
    sequencer->wants_version = sequencer->wants_wake = false;
    sequencer_catch_up(sequencer, sequencer->target);
}

static void on_found(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.find_batch")) {
        return;
    }
    sequencer->found = rows_u64(result->rows, 0, 0);
    sequencer->has_doubt = true;
    sequencer->is_found = sequencer->found > 0;
    if (!sequencer->is_found) {
        sequencer->found = sequencer->target;
    }
    sequencer_load_site(sequencer, on_opening_site);
}

/* Where we stand in the log that we have found. */
static void take_position(struct sequencer *sequencer, struct str epoch, uint64_t newest)
{
    bool is_same = sequencer->epoch && str_equals(str_of(sequencer->epoch), epoch);
    if (!is_same) {
        free(sequencer->epoch);
        sequencer->epoch = str_dup(epoch);
        sequencer->is_epoch_told = false;
        sequencer->told = 0;
        heads_clear(&sequencer->heads);
        sequencer->delivered =
            newest; /* on_up closes the sessions: those to come read from here on */
    } else if (newest < sequencer->delivered) {
        log_error("the log ends at %llu, but %llu was delivered of it, in the same epoch",
                  (unsigned long long)newest, (unsigned long long)sequencer->delivered);
        sequencer_void_positions(sequencer);
        sequencer->delivered = newest;
        heads_clear(&sequencer->heads);
    }
    sequencer->target = sequencer->newest = newest;
}

void sequencer_take_place(struct sequencer *sequencer, struct str epoch, uint64_t newest)
{
    take_position(sequencer, epoch, newest);
    if (sequencer->hold) {
        hold_clear(sequencer->hold); /* it was heard in what may have been another epoch */
    }
    sequencer->has_doubt = false;
    if (sequencer->n_flight == 0) {
        sequencer_load_site(sequencer, on_opening_site);
        return;
    }
    struct params params = {0};
    params_text(&params, str_of(sequencer->batch.name));
    sequencer_ask(sequencer, "SELECT herald.find_batch($1)", &params, on_found);
}

/* Why writers do not ring here; NULL: they do. Behind a pooler we would not hear them, which has
 * been said. */
static void take_doorbell(struct sequencer *sequencer, struct str obstacle)
{
    sequencer->can_sleep = !sequencer->is_pooled && !obstacle.ptr;
    if (!sequencer->is_pooled && obstacle.ptr && !sequencer->is_obstacle_told) {
        sequencer->is_obstacle_told = true;
        log_info("writers do not ring in this database, so this server looks for changes every few "
                 "milliseconds: %.*s; ALTER DATABASE … SET herald.doorbell = on or off decides",
                 (int)obstacle.len, obstacle.ptr);
    }
}

static void on_opened(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.open")) {
        return;
    }
    struct str epoch = rows_text(result->rows, 0, 0);
    if (PQntuples(result->rows) != 1 || !epoch.ptr) {
        connection_drop(sequencer->connection, "herald.open answered without an epoch");
        return;
    }
    sequencer->term = rows_u64(result->rows, 0, 3);
    sequencer->is_altered_untold = true; /* of who led before nobody knows what he still told */
    take_doorbell(sequencer, rows_text(result->rows, 0, 2));
    sequencer_take_place(sequencer, epoch, rows_u64(result->rows, 0, 1));
}

/* The newest id that we know to have been in this epoch's log, told to sessions or not: a leader that
 * is behind has told other nodes of more. */
static uint64_t sequencer_seen(const struct sequencer *sequencer)
{
    uint64_t seen = sequencer->told > sequencer->newest ? sequencer->told : sequencer->newest;
    return seen > sequencer->delivered ? seen : sequencer->delivered;
}

void sequencer_open(struct sequencer *sequencer)
{
    sequencer->phase = SEQUENCER_PHASE_OPENING;
    if (!sequencer->is_leading) {
        sequencer_follow(sequencer);
        return;
    }
    struct params params = {0};
    uint64_t seen = sequencer_seen(sequencer);
    if (sequencer->epoch && seen <= INT64_MAX) {
        params_bigint(&params, (int64_t)seen);
    } else {
        params_null_bigint(&params);
    }
    params_text(&params, str_of(sequencer->base));
    sequencer_ask(sequencer,
                  "SELECT epoch, id, herald.doorbell_obstacle(), term FROM herald.open($1, $2)",
                  &params, on_opened);
}
