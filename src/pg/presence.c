/* SPDX-License-Identifier: PostgreSQL */
/* Joins and leaves become batches by themselves: one write is under way, and what comes meanwhile
 * makes the next. A write is small enough for a read that stands behind it on the same connection
 * not to notice.
 *
 * Writing the same twice changes nothing (the last one of a member wins), so a batch whose answer
 * was lost is simply written again, as long as this server serves. When it serves no longer all is
 * forgotten: with the next on_up the hub tells everything anew, which begins with a reset. */
#include "pg/presence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg/query.h"

enum {
    BATCH_ROWS = 500,
    BATCH_BYTES = 256 * 1024,
    MAX_WAITING = 500000, /* the connection is away, and the hub goes on: then better none */
};

struct news { /* as it was told; its spans point into `data` */
    struct news *next;
    struct presence_news told; /* with a reference to its identity */
    char data[];
};

struct pg_presence {
    struct connection *connection;
    char *node;
    struct news *news, **news_end; /* oldest first; those under way are at the front */
    size_t n, n_flight;
    bool wants_reset; /* before the next batch */
    bool is_reset_flight;
    bool is_started;
    bool is_busy;
    bool is_failing;   /* said once */
    loop_fn *finished; /* after pg_presence_finish */
    void *finished_arg;
};

/* ---- the list ---- */

static void news_pop(struct pg_presence *presence)
{
    struct news *news = presence->news;
    presence->news = news->next;
    if (!presence->news) {
        presence->news_end = &presence->news;
    }
    presence->n--;
    identity_unref(news->told.identity);
    free(news);
}

/* Those under way, too: their answer then finds none of its own. */
static void news_forget(struct pg_presence *presence)
{
    while (presence->news) {
        news_pop(presence);
    }
    presence->n_flight = 0;
    presence->is_reset_flight = false;
}

static void news_push(struct pg_presence *presence, const struct presence_news *told)
{
    struct str channel = told->channel;
    struct str socket_id = told->socket_id;
    struct news *news = mem_alloc(sizeof(*news) + channel.len + socket_id.len);
    *news = (struct news){.told = *told};
    memcpy(news->data, channel.ptr, channel.len);
    memcpy(news->data + channel.len, socket_id.ptr, socket_id.len);
    news->told.channel.ptr = news->data;
    news->told.socket_id.ptr = news->data + channel.len;
    identity_ref(told->identity);
    *presence->news_end = news;
    presence->news_end = &news->next;
    presence->n++;
}

/* ---- writing ---- */

/* The arrays of herald.write_presence, in the order of its parameters. */
enum column {
    COLUMN_IS_JOIN,
    COLUMN_CHANNEL,
    COLUMN_SOCKET_ID,
    COLUMN_DBO_ID,
    COLUMN_ROW_ID,
    COLUMN_EXTRAS,
    COLUMN_SINCE,
    N_COLUMNS,
};

static struct str news_text(const struct presence_news *told, enum column column, char scratch[24])
{
    const struct identity *identity = told->identity;
    switch (column) {
    case COLUMN_IS_JOIN:
        return told->is_join ? STR("t") : STR("f");
    case COLUMN_CHANNEL:
        return told->channel;
    case COLUMN_SOCKET_ID:
        return told->socket_id;
    case COLUMN_DBO_ID:
        snprintf(scratch, 24, "%" PRId32, identity ? identity->dbo_id : 0);
        return identity && identity->dbo_id != 0 ? str_of(scratch) : (struct str){0};
    case COLUMN_ROW_ID:
        return identity ? identity->row_id : (struct str){0};
    case COLUMN_EXTRAS:
        return identity ? identity->extras : STR("{}");
    case COLUMN_SINCE:
        snprintf(scratch, 24, "%" PRIu64, told->since_ms);
        return str_of(scratch);
    case N_COLUMNS:
        break;
    }
    return (struct str){0};
}

static void add_column(const struct pg_presence *presence, struct params *params,
                       enum column column)
{
    params_array_begin(params, presence->n_flight);
    const struct news *news = presence->news;
    for (size_t i = 0; i < presence->n_flight; i++, news = news->next) {
        char scratch[24];
        params_array_add(params, news_text(&news->told, column, scratch));
    }
    params_array_end(params);
}

static size_t news_fit(const struct pg_presence *presence)
{
    size_t n = 0;
    size_t bytes = 0;
    const struct news *news = presence->news;
    for (; news && n < BATCH_ROWS && bytes < BATCH_BYTES; news = news->next) {
        const struct identity *identity = news->told.identity;
        bytes += news->told.channel.len + news->told.socket_id.len +
                 (identity ? identity->row_id.len + identity->extras.len : 0);
        n++;
    }
    return n;
}

static void note_finished(struct pg_presence *presence)
{
    if (presence->finished && !presence->is_busy) {
        loop_fn *finished = presence->finished;
        presence->finished = NULL;
        finished(presence->finished_arg);
    }
}

static void take_answer(struct pg_presence *presence, const struct query_result *result)
{
    presence->is_busy = false;
    if (result->is_lost) {
        presence->wants_reset |= presence->is_reset_flight;
        presence->is_reset_flight = false;
        presence->n_flight = 0;
        return;
    }
    if (!result->rows && !presence->is_failing) {
        log_warn("herald.write_presence failed: %s %s", result->sqlstate, result->message);
    }
    presence->is_failing = !result->rows;
    presence->is_reset_flight = false;
    for (; presence->n_flight > 0; presence->n_flight--) {
        news_pop(presence);
    }
    pg_presence_send(presence);
}

static void on_written(void *arg, const struct query_result *result)
{
    struct pg_presence *presence = arg;
    take_answer(presence, result);
    note_finished(presence);
}

void pg_presence_send(struct pg_presence *presence)
{
    bool has_work = presence->n > 0 || presence->wants_reset;
    if (presence->is_busy || !has_work || !connection_is_open(presence->connection)) {
        return;
    }
    presence->is_busy = true;
    presence->n_flight = news_fit(presence);
    presence->is_reset_flight = presence->wants_reset;
    presence->wants_reset = false;
    struct params params = {0};
    params_text(&params, str_of(presence->node));
    params_bool(&params, presence->is_reset_flight);
    for (int column = 0; column < N_COLUMNS; column++) {
        add_column(presence, &params, (enum column)column);
    }
    connection_query(presence->connection,
                     "SELECT herald.write_presence($1, $2, $3, $4, $5, $6, $7, $8, $9)", &params,
                     on_written, presence);
}

static void pg_presence_tell(void *ctx, bool is_reset, const struct presence_news *told, size_t n)
{
    struct pg_presence *presence = ctx;
    if (!presence->is_started) {
        return;
    }
    if (is_reset) {
        news_forget(presence);
        presence->wants_reset = true;
    }
    for (size_t i = 0; i < n; i++) {
        news_push(presence, &told[i]);
    }
    if (presence->n > MAX_WAITING) {
        log_warn("herald.presence is wrong until the database has been away: %zu joins and leaves "
                 "could not be written in time",
                 presence->n);
        news_forget(presence);
    }
    pg_presence_send(presence);
}

struct store_presence pg_presence_seam(struct pg_presence *presence)
{
    return (struct store_presence){.ctx = presence, .tell = pg_presence_tell};
}

bool pg_presence_finish(struct pg_presence *presence, loop_fn *done, void *arg)
{
    pg_presence_tell(presence, true, NULL, 0);
    if (!presence->is_busy) {
        return false;
    }
    presence->finished = done;
    presence->finished_arg = arg;
    return true;
}

/* ---- life ---- */

struct pg_presence *pg_presence_new(struct connection *connection, const char *node)
{
    struct pg_presence *presence = mem_zalloc(sizeof(*presence));
    presence->connection = connection;
    presence->node = mem_strdup(node ? node : "");
    presence->news_end = &presence->news;
    return presence;
}

void pg_presence_start(struct pg_presence *presence)
{
    presence->is_started = true;
}

void pg_presence_pause(struct pg_presence *presence)
{
    presence->is_started = false;
    presence->wants_reset = false;
    news_forget(presence);
}

void pg_presence_free(struct pg_presence *presence)
{
    if (!presence) {
        return;
    }
    news_forget(presence);
    free(presence->node);
    free(presence);
}
