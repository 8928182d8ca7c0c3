/* SPDX-License-Identifier: PostgreSQL */
/* What must always hold, and is checked at every call: ids rise by one as long as the epoch stays,
 * the site comes before the first up, an append's answer comes right after its event. */
#include "bed.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cluster.h"
#include "drain.h"

enum { DEADLINE_MS = 20000, WATCH_MS = 2 };

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- the sink ---- */

static void on_event(void *ctx, struct event *event)
{
    struct bed *bed = ctx;
    assert(event->f.id > 0 && event->f.offset > 0);
    if (bed->last_id > 0) {
        assert(event->f.id == bed->last_id + 1);
    }
    bed->last_id = event->f.id;
    if (bed->n_events == bed->cap_events) {
        bed->cap_events = bed->cap_events ? bed->cap_events * 2 : 1024;
        bed->events = mem_array(bed->events, bed->cap_events, sizeof(*bed->events));
    }
    bed->events[bed->n_events++] = event_ref(event);
    buf_char(&bed->trace, 'E');
}

/* A sender's number also stands in its payload: "…#17". */
static void on_append_done(void *ctx, struct session_id sender)
{
    struct bed *bed = ctx;
    char mark[16];
    snprintf(mark, sizeof(mark), "#%u\"", sender.slot);
    if (bed->trace.data[bed->trace.len - 1] == 'E') {
        struct str payload = bed->events[bed->n_events - 1]->f.payload;
        assert(memmem(payload.ptr, payload.len, mark, strlen(mark)));
    }
    bed->n_done++;
    buf_char(&bed->trace, 'A');
}

/* Of a duplicate the trace has a D, of another one an R; the offsets stand in `receipts`. */
static void on_receipt(void *ctx, const struct store_receipt *receipt)
{
    struct bed *bed = ctx;
    assert(receipt->ref.ptr && receipt->sender.generation == 1);
    assert(bed->n_receipts < sizeof(bed->receipts) / sizeof(*bed->receipts));
    bed->receipts[bed->n_receipts++] = receipt->epoch.ptr ? receipt->offset : 0;
    buf_char(&bed->trace, receipt->is_duplicate ? 'D' : 'R');
}

static void on_append_failed(void *ctx, struct session_id sender, struct str channel,
                             struct str ref)
{
    struct bed *bed = ctx;
    (void)ref;
    assert(sender.generation == 1 && channel.len > 0);
    bed->n_failed++;
    buf_char(&bed->trace, 'F');
}

static void on_site(void *ctx, struct site *site)
{
    struct bed *bed = ctx;
    bed->site_version = site->version;
    bed->n_rules = site->n_rules;
    bed->n_canonicals = site->n_canonicals;
    bed->n_sites++;
    buf_char(&bed->trace, 'S');
    site_free(site);
}

static struct str keep(char out[64], struct str text)
{
    snprintf(out, 64, "%.*s", (int)text.len, text.ptr ? text.ptr : "");
    return text.ptr ? str_of(out) : (struct str){0};
}

static void on_directive(void *ctx, const struct directive *directive)
{
    struct bed *bed = ctx;
    assert(bed->n_sites > 0);
    bed->directive = *directive;
    bed->directive.row_id = keep(bed->directive_row_id, directive->row_id);
    bed->directive.socket_id = keep(bed->directive_socket_id, directive->socket_id);
    bed->directive.channel = keep(bed->directive_channel, directive->channel);
    bed->directive.reason = keep(bed->directive_reason, str_of(directive->reason)).ptr;
    bed->n_directives++;
    buf_char(&bed->trace, 'T');
}

static void on_up(void *ctx, struct str epoch)
{
    struct bed *bed = ctx;
    assert(bed->n_sites > 0);
    if (!str_equals(epoch, str_of(bed->epoch))) {
        bed->last_id = 0; /* numbers of two epochs are not comparable */
    }
    snprintf(bed->epoch, sizeof(bed->epoch), "%.*s", (int)epoch.len, epoch.ptr);
    bed->n_up++;
    buf_char(&bed->trace, 'U');
    if (bed->when_up) {
        bed->when_up(bed);
    }
}

static void on_superseded(void *ctx, const char *reason)
{
    struct bed *bed = ctx;
    snprintf(bed->reason, sizeof(bed->reason), "%s", reason);
    bed->n_superseded++;
}

static void on_down(void *ctx, const char *reason)
{
    struct bed *bed = ctx;
    assert(reason[0] && !strchr(reason, '\n'));
    snprintf(bed->reason, sizeof(bed->reason), "%s", reason);
    bed->n_down++;
    buf_char(&bed->trace, 'D');
}

static void on_warnings(void *ctx, const char *lines)
{
    struct bed *bed = ctx;
    snprintf(bed->warnings, sizeof(bed->warnings), "%s", lines);
    bed->n_warnings++;
}

static void on_fatal(void *arg, const struct err *err)
{
    struct bed *bed = arg;
    bed->fatal = *err;
    bed->n_fatal++;
}

/* ---- SQL beside the store ---- */

static PGresult *query(struct bed *bed, const char *text)
{
    if (!bed->admin || PQstatus(bed->admin) != CONNECTION_OK) {
        PQfinish(bed->admin);
        bed->admin = PQconnectdb(cluster_url(bed->name, "postgres"));
    }
    PGresult *result = PQexec(bed->admin, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        die("%s\n%s", text, PQerrorMessage(bed->admin));
    }
    return result;
}

static PGresult *query_printf(struct bed *bed, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static PGresult *query_printf(struct bed *bed, const char *format, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof(text), format, args);
    return query(bed, text);
}

void bed_sql(struct bed *bed, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PQclear(query_printf(bed, format, args));
    va_end(args);
}

long long bed_number(struct bed *bed, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PGresult *result = query_printf(bed, format, args);
    va_end(args);
    long long number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

void bed_kill_server_backends(struct bed *bed)
{
    bed_sql(bed, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE datname = current_database() AND usename = 'herald_server'");
}

void bed_drain_by_another(struct bed *bed)
{
    bed_sql(bed, "CREATE OR REPLACE FUNCTION herald.lead(is_held boolean DEFAULT true)"
                 " RETURNS boolean LANGUAGE sql AS 'SELECT true'");
    struct drain_options options = {
        .url = cluster_url(bed->name, "herald_server"),
        .max_rows = 1000,
        .max_bytes = 1000000,
    };
    unsigned n_batches;
    struct err err;
    if (drain_run(&options, &n_batches, &err) != STATUS_OK) {
        die("cannot drain: %s", err.text);
    }
}

/* ---- waiting ---- */

struct wait {
    struct bed *bed;
    const size_t *counter;
    size_t at_least;
    const char *query;
    uint64_t deadline_ms;
};

static bool is_over(struct wait *wait)
{
    if (wait->counter) {
        return *wait->counter >= wait->at_least;
    }
    PGresult *result = query(wait->bed, wait->query);
    bool is = PQntuples(result) > 0 && strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    return is;
}

static void on_watch(void *arg)
{
    struct wait *wait = arg;
    if (is_over(wait) || clock_ms() > wait->deadline_ms) {
        loop_stop(wait->bed->loop);
    }
}

static void run_loop(struct bed *bed, struct wait *wait)
{
    wait->bed = bed;
    wait->deadline_ms = clock_ms() + DEADLINE_MS;
    bed->watch = loop_timer_new(bed->loop, on_watch, wait);
    loop_timer_start(bed->watch, 0, WATCH_MS);
    loop_run(bed->loop);
    loop_timer_free(bed->watch);
    bed->watch = NULL;
}

void bed_wait(struct bed *bed, const size_t *counter, size_t at_least)
{
    struct wait wait = {.counter = counter, .at_least = at_least};
    run_loop(bed, &wait);
    if (*counter < at_least) {
        die("waited in vain for %zu, got %zu; trace %.80s, last reason %s", at_least, *counter,
            buf_text(&bed->trace), bed->reason);
    }
}

void bed_wait_sql(struct bed *bed, const char *text)
{
    struct wait wait = {.query = text};
    run_loop(bed, &wait);
    if (clock_ms() > wait.deadline_ms) {
        die("waited in vain for %s", text);
    }
}

/* ---- messages and reads ---- */

static struct event_fields message_fields(const char *channel, struct str payload)
{
    return (struct event_fields){.action = EVENT_ACTION_MESSAGE,
                                 .channel = str_of(channel),
                                 .client = STR("{\"socketId\":\"s\"}"),
                                 .payload = payload};
}

static bool append(struct bed *bed, const struct event_fields *fields, struct store_append what)
{
    what.message = event_new(fields);
    bool is_taken = bed->store.log.append(bed->store.log.ctx, &what);
    event_unref(what.message);
    return is_taken;
}

bool bed_append(struct bed *bed, const char *channel, struct str payload, uint32_t sender)
{
    struct event_fields fields = message_fields(channel, payload);
    return append(bed, &fields, (struct store_append){.sender = {0, sender, 1}});
}

bool bed_append_once(struct bed *bed, const char *channel, struct str payload, uint32_t sender,
                     const char *by, const char *key)
{
    char ref[16];
    struct event_fields fields = message_fields(channel, payload);
    snprintf(ref, sizeof(ref), "%u", sender);
    struct store_append once = {
        .sender = {0, sender, 1}, .ref = str_of(ref), .by = str_of(by), .key = str_of(key)};
    return append(bed, &fields, once);
}

static void forget_answer(struct bed *bed)
{
    for (size_t i = 0; i < bed->answer.n_events; i++) {
        event_unref(bed->answer_events[i]);
    }
    bed->answer.n_events = 0;
}

static void on_answer(void *arg, const struct store_answer *answer)
{
    struct bed *bed = arg;
    forget_answer(bed);
    bed->answer = *answer;
    assert(answer->n_events <= 64);
    for (size_t i = 0; i < answer->n_events; i++) {
        bed->answer_events[i] = event_ref(answer->events[i]);
    }
    snprintf(bed->answer_epoch, sizeof(bed->answer_epoch), "%.*s", (int)answer->epoch.len,
             answer->epoch.ptr ? answer->epoch.ptr : "");
    bed->n_answers++;
}

void bed_read(struct bed *bed, const struct store_query *store_query)
{
    size_t before = bed->n_answers;
    bed->store.log.read(bed->store.log.ctx, store_query, on_answer, bed);
    assert(bed->n_answers == before); /* never from inside */
}

void bed_check_against_log(struct bed *bed, long long after)
{
    char text[160];
    snprintf(
        text, sizeof(text),
        "SELECT id, channel_offset, channel, payload FROM herald.log WHERE id > %lld ORDER BY id",
        after);
    PGresult *log = query(bed, text);
    assert((size_t)PQntuples(log) == bed->n_events);
    for (int i = 0; i < PQntuples(log); i++) {
        const struct event *event = bed->events[i];
        assert(event->f.id == strtoull(PQgetvalue(log, i, 0), NULL, 10));
        assert(event->f.offset == strtoull(PQgetvalue(log, i, 1), NULL, 10));
        assert(str_equals(event->f.channel, str_of(PQgetvalue(log, i, 2))));
        assert(str_equals(event->f.payload, str_of(PQgetvalue(log, i, 3))));
    }
    PQclear(log);
}

/* ---- life ---- */

struct bed *bed_new(void)
{
    static unsigned number;
    struct bed *bed = mem_zalloc(sizeof(*bed));
    bed->loop = loop_new();
    snprintf(bed->name, sizeof(bed->name), "bed%u", ++number);
    cluster_create(bed->name);
    return bed;
}

struct bed *bed_beside(struct bed *first)
{
    struct bed *bed = mem_zalloc(sizeof(*bed));
    bed->loop = first->loop;
    bed->is_beside = true;
    memcpy(bed->name, first->name, sizeof(bed->name));
    return bed;
}

struct database_options bed_options(struct bed *bed, const char *url)
{
    return (struct database_options){
        .url = url,
        .look_ms = 1000,
        .batch_rows = 2000,
        .batch_bytes = 8 << 20,
        .query_timeout_ms = 10000,
        .append_max_bytes = 64 << 20,
        .retention_hours = 168,
        .hook_timeout_ms = 2000,
        .hook_connections = 4,
        .node = "test",
        .on_fatal = on_fatal,
        .arg = bed,
    };
}

void bed_start(struct bed *bed, const struct database_options *options)
{
    struct store_sink sink = {
        .ctx = bed,
        .on_event = on_event,
        .on_append_done = on_append_done,
        .on_append_failed = on_append_failed,
        .on_receipt = on_receipt,
        .on_site = on_site,
        .on_directive = on_directive,
        .on_up = on_up,
        .on_down = on_down,
        .on_warnings = on_warnings,
        .on_superseded = on_superseded,
    };
    bed->database = database_new(bed->loop, options);
    bed->store = database_store(bed->database);
    database_start(bed->database, sink);
}

void bed_start_plainly(struct bed *bed)
{
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
}

static void on_stopped(void *arg)
{
    struct bed *bed = arg;
    bed->n_stopped++;
}

void bed_end(struct bed *bed)
{
    size_t before = bed->n_stopped;
    database_stop(bed->database, 5000, on_stopped, bed);
    assert(bed->n_stopped == before); /* never from inside */
    bed_wait(bed, &bed->n_stopped, before + 1);
    database_free(bed->database);
    bed->database = NULL;
}

void bed_free(struct bed *bed)
{
    loop_timer_free(bed->watch); /* of a wait that a failed assertion has left */
    bed->watch = NULL;
    if (bed->database) {
        bed_end(bed);
    }
    forget_answer(bed);
    if (!bed->is_beside) {
        loop_free(bed->loop);
    }
    PQfinish(bed->admin);
    for (size_t i = 0; i < bed->n_events; i++) {
        event_unref(bed->events[i]);
    }
    free(bed->events);
    buf_release(&bed->trace);
    free(bed);
}
