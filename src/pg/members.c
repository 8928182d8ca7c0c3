/* SPDX-License-Identifier: PostgreSQL */
/* Joins and leaves become batches by themselves: one write is under way, and what comes meanwhile
 * makes the next. A write is small enough for a read that stands behind it on the same connection
 * not to notice.
 *
 * Writing the same twice changes nothing (the last one of a member wins), so a batch whose answer
 * was lost is simply written again, as long as this server serves. When it serves no longer all is
 * forgotten: with the next on_up the hub tells everything anew, which begins with a reset. */
#include "pg/members.h"

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

struct change { /* one allocation: the spans point into `data` */
    struct change *next;
    bool is_join;
    bool has_dbo_id;
    int32_t dbo_id;
    uint64_t since_ms;
    struct str channel, socket_id, row_id, extras;
    char data[];
};

struct members {
    struct connection *connection;
    char *node;
    struct change *changes, **changes_end; /* oldest first; those under way are at the front */
    size_t n, n_flight;
    bool wants_reset; /* before the next batch */
    bool is_reset_flight;
    bool is_started;
    bool is_busy;
    bool is_failing;   /* said once */
    loop_fn *finished; /* after members_finish */
    void *finished_arg;
};

/* ---- the list ---- */

static void pop(struct members *members)
{
    struct change *change = members->changes;
    members->changes = change->next;
    if (!members->changes) {
        members->changes_end = &members->changes;
    }
    members->n--;
    free(change);
}

/* Those under way, too: their answer then finds none of its own. */
static void forget(struct members *members)
{
    while (members->changes) {
        pop(members);
    }
    members->n_flight = 0;
    members->is_reset_flight = false;
}

static struct str copy(char **to, struct str from)
{
    if (!from.ptr) {
        return (struct str){0};
    }
    memcpy(*to, from.ptr, from.len);
    struct str span = {*to, from.len};
    *to += from.len;
    return span;
}

static void push(struct members *members, const struct store_member *member)
{
    const struct identity *identity = member->identity;
    struct str row_id = identity ? identity->row_id : (struct str){0};
    struct str extras = identity ? identity->extras : STR("{}");
    struct change *change = mem_alloc(sizeof(*change) + member->channel.len +
                                      member->socket_id.len + row_id.len + extras.len);
    char *to = change->data;
    *change = (struct change){
        .is_join = member->is_join,
        .has_dbo_id = identity && identity->dbo_id != 0,
        .dbo_id = identity ? identity->dbo_id : 0,
        .since_ms = member->since_ms,
        .channel = copy(&to, member->channel),
        .socket_id = copy(&to, member->socket_id),
        .row_id = copy(&to, row_id),
        .extras = copy(&to, extras),
    };
    *members->changes_end = change;
    members->changes_end = &change->next;
    members->n++;
}

/* ---- writing ---- */

static struct str is_join_of(const struct change *change, char scratch[24])
{
    (void)scratch;
    return change->is_join ? STR("t") : STR("f");
}

static struct str channel_of(const struct change *change, char scratch[24])
{
    (void)scratch;
    return change->channel;
}

static struct str socket_id_of(const struct change *change, char scratch[24])
{
    (void)scratch;
    return change->socket_id;
}

static struct str dbo_id_of(const struct change *change, char scratch[24])
{
    if (!change->has_dbo_id) {
        return (struct str){0};
    }
    snprintf(scratch, 24, "%" PRId32, change->dbo_id);
    return str_of(scratch);
}

static struct str row_id_of(const struct change *change, char scratch[24])
{
    (void)scratch;
    return change->row_id;
}

static struct str extras_of(const struct change *change, char scratch[24])
{
    (void)scratch;
    return change->extras;
}

static struct str since_of(const struct change *change, char scratch[24])
{
    snprintf(scratch, 24, "%" PRIu64, change->since_ms);
    return str_of(scratch);
}

static void add_column(const struct members *members, struct params *params,
                       struct str (*text)(const struct change *, char[24]))
{
    params_array_begin(params, members->n_flight);
    const struct change *change = members->changes;
    for (size_t i = 0; i < members->n_flight; i++, change = change->next) {
        char scratch[24];
        params_array_add(params, text(change, scratch));
    }
    params_array_end(params);
}

static size_t next_size(const struct members *members)
{
    size_t n = 0;
    size_t bytes = 0;
    const struct change *change = members->changes;
    for (; change && n < BATCH_ROWS && bytes < BATCH_BYTES; change = change->next) {
        bytes +=
            change->channel.len + change->socket_id.len + change->row_id.len + change->extras.len;
        n++;
    }
    return n;
}

static void note_finished(struct members *members)
{
    if (members->finished && !members->is_busy) {
        loop_fn *finished = members->finished;
        members->finished = NULL;
        finished(members->finished_arg);
    }
}

static void take_answer(struct members *members, const struct query_result *result)
{
    members->is_busy = false;
    if (result->is_lost) {
        members->wants_reset |= members->is_reset_flight;
        members->is_reset_flight = false;
        members->n_flight = 0;
        return;
    }
    if (!result->rows && !members->is_failing) {
        log_warn("herald.write_presence failed: %s %s", result->sqlstate, result->message);
    }
    members->is_failing = !result->rows;
    members->is_reset_flight = false;
    for (; members->n_flight > 0; members->n_flight--) {
        pop(members);
    }
    members_send(members);
}

static void on_written(void *arg, const struct query_result *result)
{
    struct members *members = arg;
    take_answer(members, result);
    note_finished(members);
}

void members_send(struct members *members)
{
    bool has_work = members->n > 0 || members->wants_reset;
    if (members->is_busy || !has_work || !connection_is_open(members->connection)) {
        return;
    }
    members->is_busy = true;
    members->n_flight = next_size(members);
    members->is_reset_flight = members->wants_reset;
    members->wants_reset = false;
    struct params params = {0};
    params_text(&params, str_of(members->node));
    params_bool(&params, members->is_reset_flight);
    add_column(members, &params, is_join_of);
    add_column(members, &params, channel_of);
    add_column(members, &params, socket_id_of);
    add_column(members, &params, dbo_id_of);
    add_column(members, &params, row_id_of);
    add_column(members, &params, extras_of);
    add_column(members, &params, since_of);
    connection_query(members->connection,
                     "SELECT herald.write_presence($1, $2, $3, $4, $5, $6, $7, $8, $9)", &params,
                     on_written, members);
}

void members_tell(struct members *members, bool is_reset, const struct store_member *told, size_t n)
{
    if (!members->is_started) {
        return;
    }
    if (is_reset) {
        forget(members);
        members->wants_reset = true;
    }
    for (size_t i = 0; i < n; i++) {
        push(members, &told[i]);
    }
    if (members->n > MAX_WAITING) {
        log_warn("herald.presence is wrong until the database has been away: %zu joins and leaves "
                 "could not be written in time",
                 members->n);
        forget(members);
    }
    members_send(members);
}

bool members_finish(struct members *members, loop_fn *done, void *arg)
{
    members_tell(members, true, NULL, 0);
    if (!members->is_busy) {
        return false;
    }
    members->finished = done;
    members->finished_arg = arg;
    return true;
}

/* ---- life ---- */

struct members *members_new(struct connection *connection, const char *node)
{
    struct members *members = mem_zalloc(sizeof(*members));
    members->connection = connection;
    members->node = mem_strdup(node ? node : "");
    members->changes_end = &members->changes;
    return members;
}

void members_start(struct members *members)
{
    members->is_started = true;
}

void members_pause(struct members *members)
{
    members->is_started = false;
    members->wants_reset = false;
    forget(members);
}

void members_free(struct members *members)
{
    if (!members) {
        return;
    }
    forget(members);
    free(members->node);
    free(members);
}
