/* SPDX-License-Identifier: PostgreSQL */
/* Is our session our own? A pooler may give each transaction to another one: then what we LISTEN
 * for is heard by nobody, and a lock that we take stays behind when we are gone.
 *
 * Who answers under the process number that we were told when we connected is no pooler, or one
 * that keeps a session for each client (pgpool). With another number it is a pooler, and which kind
 * is decided by what it does, not by its name: we LISTEN to a channel that nobody else can know and
 * stay idle, and a second, short connection NOTIFYs. A notification that reaches a client between
 * two transactions proves that a session is kept for it (PgBouncer in session mode: everything
 * works as it does directly). None in GRACE_MS, or no second connection: we poll, and hold nothing.
 *
 * It has to be a second connection: what a session NOTIFYs itself comes with the answer, in every
 * mode. Nor would comparing process numbers do: a pooler that is not busy gives out the same
 * session again and again. What may stay behind of a LISTEN in a pool is taken back; if that
 * reaches another session, one listener of a channel that is never used again is left. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg/sequencer/internal.h"

enum {
    CONNECT_MS = 5000,
    GRACE_MS = 500,
};

struct probe {
    struct sequencer *sequencer;
    struct connection *connection; /* the second one */
    struct loop_timer *timer;
    bool is_sent, is_heard;
};

static void ask_session(struct sequencer *sequencer);

/* ---- a pooler, then ---- */

static void on_unlisten(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "UNLISTEN")) {
        return;
    }
    if (sequencer->is_pooled) {
        sequencer_lead(sequencer);
    } else {
        ask_session(sequencer); /* once more, as it is ours to set up */
    }
}

static void probe_sql(const struct sequencer *sequencer, const char *command, char out[80])
{
    snprintf(out, 80, "%s\"herald-%s\"", command, sequencer->base);
}

static void probe_judge(struct sequencer *sequencer, bool is_ours)
{
    if (!is_ours && !sequencer->is_pooled) {
        log_warn("a connection pooler stands between this server and the database: notifications "
                 "and session locks do not work through it, so this server looks for changes every "
                 "few milliseconds, and does not notice a second one. Better connect directly, or "
                 "through a pool in session mode");
    } else if (is_ours) {
        log_info(
            "a connection pooler stands between this server and the database, but keeps a session "
            "for each client: everything works as without it");
    }
    sequencer->is_pooled = !is_ours;
    char sql[80];
    probe_sql(sequencer, "UNLISTEN ", sql);
    sequencer_ask(sequencer, sql, NULL, on_unlisten);
}

/* ---- the probe ---- */

void sequencer_end_probe(struct sequencer *sequencer)
{
    struct probe *probe = sequencer->probe;
    sequencer->probe = NULL;
    if (probe) {
        connection_free(probe->connection);
        loop_timer_free(probe->timer);
        free(probe);
    }
}

static void on_probe_over(void *arg)
{
    struct probe *probe = arg;
    struct sequencer *sequencer = probe->sequencer;
    bool is_heard = probe->is_heard;
    sequencer_end_probe(sequencer);
    probe_judge(sequencer, is_heard);
}

void sequencer_hear_probe(struct sequencer *sequencer)
{
    struct probe *probe = sequencer->probe;
    if (probe->is_sent && !probe->is_heard) {
        probe->is_heard = true;
        loop_timer_start(probe->timer, 0, 0);
    }
}

static void on_probe_sent(void *arg, const struct query_result *result)
{
    const struct probe *probe = arg;
    if (!probe->is_heard && !result->is_lost) {
        loop_timer_start(probe->timer, result->rows ? GRACE_MS : 0, 0);
    }
}

static void on_probe_open(void *arg)
{
    struct probe *probe = arg;
    char channel[80];
    probe_sql(probe->sequencer, "NOTIFY ", channel);
    probe->is_sent = true;
    connection_query(probe->connection, channel, NULL, on_probe_sent, probe);
}

static void on_probe_lost(void *arg, const char *reason)
{
    const struct probe *probe = arg;
    log_debug("whether a pooler keeps our session cannot be seen: %s", reason);
    loop_timer_start(probe->timer, 0, 0);
}

static void on_probe_listen(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "LISTEN")) {
        return;
    }
    struct probe *probe = mem_zalloc(sizeof(*probe));
    struct connection_options options = {
        .name = "probe",
        .url = sequencer->options.url,
        .query_timeout_ms = CONNECT_MS,
        .arg = probe,
        .on_open = on_probe_open,
        .on_lost = on_probe_lost,
    };
    probe->sequencer = sequencer;
    probe->connection = connection_new(sequencer->loop, &options);
    probe->timer = loop_timer_new(sequencer->loop, on_probe_over, probe);
    sequencer->probe = probe;
    loop_timer_start(probe->timer, CONNECT_MS, 0);
    connection_start(probe->connection);
}

/* ---- the session ---- */

static void on_session(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "setting up the session")) {
        return;
    }
    int pid = (int)rows_u64(result->rows, 0, 0);
    if (pid == sequencer->session_pid) {
        sequencer->is_pooled = false;
        sequencer_lead(sequencer);
        return;
    }
    sequencer->session_pid = pid;
    char sql[80];
    probe_sql(sequencer, "LISTEN ", sql);
    sequencer_ask(sequencer, sql, NULL, on_probe_listen);
}

/* A session that is not ours is not ours to change. */
static void ask_session(struct sequencer *sequencer)
{
    struct params params = {0};
    params_int(&params, sequencer->session_pid);
    sequencer_ask(sequencer,
                  "SELECT pg_catalog.pg_backend_pid(),"
                  " CASE WHEN pg_catalog.pg_backend_pid() = $1 THEN pg_catalog.concat("
                  "pg_catalog.set_config('tcp_keepalives_idle', '10', false),"
                  "pg_catalog.set_config('tcp_keepalives_interval', '5', false),"
                  "pg_catalog.set_config('tcp_keepalives_count', '3', false),"
                  "pg_catalog.set_config('tcp_user_timeout', '15000', false),"
                  "pg_catalog.set_config('idle_in_transaction_session_timeout', '5s', false),"
                  "pg_catalog.set_config('default_transaction_isolation', 'read committed', false))"
                  " END",
                  &params, on_session);
}

void sequencer_ask_session(struct sequencer *sequencer)
{
    sequencer->session_pid = connection_backend_pid(sequencer->connection);
    ask_session(sequencer);
}
