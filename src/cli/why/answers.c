/* SPDX-License-Identifier: PostgreSQL */
/* Whoever answers the hub never does so from inside: answers of our own wait in a list for the next
 * turn of the loop. What the database answers is passed on, and noted on the way. */
#include "cli/why/answers.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/admin.h"
#include "pg/functions/functions.h"
#include "pg/pool/judges.h"
#include "pg/pool/pool.h"
#include "pg/pool/snapshots.h"

enum { QUERY_MS = 10000 };

enum later_kind {
    LATER_READ,
    LATER_SETTLED,
    LATER_PASSED,
    LATER_UNASKED,
    LATER_UNJUDGED,
    LATER_CALL
};

struct later { /* an answer of ours */
    struct later *next;
    enum later_kind kind;
    store_answer_fn *on_read;
    store_settled_fn *on_settled;
    store_verdict_fn *on_passed;
    void (*call)(void *arg);
    void *arg;
    char *payload; /* PASSED */
};

struct asked_function { /* a call of an authorize function */
    struct answers *answers;
    store_verdict_fn *done;
    void *arg;
};

struct asked_judges {
    struct answers *answers;
    size_t n_parties;
    store_judge_fn *done;
    void *arg;
};

struct asked_rows {
    store_snapshot_fn *done;
    void *arg;
};

struct answers {
    struct trial_options options;
    struct loop *loop;
    struct loop_timer *soon_timer;
    struct store store;
    struct functions *functions;
    struct pg_judges *judges;
    struct pg_snapshots *snapshots;
    struct store_functions real_functions;
    struct store_judges real_judges;
    struct later *first, **last;
    struct trial_answer *answer; /* NULL: nobody waits */
    void (*on_allowed)(void *arg);
    void *arg;
};

/* ---- answers of our own ---- */

static struct later *later_add(struct answers *answers, enum later_kind kind, void *arg)
{
    struct later *later = mem_zalloc(sizeof(*later));
    later->kind = kind;
    later->arg = arg;
    *answers->last = later;
    answers->last = &later->next;
    loop_timer_start(answers->soon_timer, 0, 0);
    return later;
}

static void on_authorized(void *arg, const struct store_verdict *verdict);
static void on_judged(void *arg, const struct store_verdicts *verdicts);

static void later_tell(const struct later *later)
{
    const struct store_answer empty = {.epoch = STR(ANSWERS_EPOCH)};
    const struct store_verdict passed = {.result = STORE_VERDICT_DONE,
                                         .payload = str_of(later->payload)};
    switch (later->kind) {
    case LATER_READ:
        later->on_read(later->arg, &empty);
        break;
    case LATER_SETTLED:
        later->on_settled(later->arg, true, STR("1:1:"));
        break;
    case LATER_PASSED:
        later->on_passed(later->arg, &passed);
        break;
    case LATER_UNASKED:
        on_authorized(later->arg, &(struct store_verdict){.result = STORE_VERDICT_FAILED});
        break;
    case LATER_UNJUDGED:
        on_judged(later->arg, &(struct store_verdicts){.is_failed = true});
        break;
    case LATER_CALL:
        later->call(later->arg);
        break;
    }
}

static struct later *later_take(struct answers *answers)
{
    struct later *later = answers->first;
    if (later) {
        answers->first = later->next;
        answers->last = answers->first ? answers->last : &answers->first;
    }
    return later;
}

static void later_free(struct later *later)
{
    free(later->payload);
    free(later);
}

static void on_soon(void *arg)
{
    struct answers *answers = arg;
    struct later *later = later_take(answers);
    if (later) {
        later_tell(later);
        later_free(later);
    }
    if (answers->first) {
        loop_timer_start(answers->soon_timer, 0, 0);
    }
}

void answers_later(struct answers *answers, void (*call)(void *arg), void *arg)
{
    later_add(answers, LATER_CALL, arg)->call = call;
}

/* ---- the store ---- */

static void log_read(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg)
{
    (void)query;
    later_add(ctx, LATER_READ, arg)->on_read = done;
}

static void log_settle(void *ctx, bool wants_snapshot, store_settled_fn *done, void *arg)
{
    (void)wants_snapshot;
    later_add(ctx, LATER_SETTLED, arg)->on_settled = done;
}

/* It was allowed to; and that is all. */
static bool log_append(void *ctx, const struct store_append *append)
{
    struct answers *answers = ctx;
    (void)append;
    answers->on_allowed(answers->arg);
    return true;
}

static void presence_tell(void *ctx, bool is_reset, const struct presence_news *news, size_t n)
{
    (void)ctx, (void)is_reset, (void)news, (void)n;
}

/* The role that functions or judgements run as may not get in from here. That says nothing about a
 * server, and to wait for it as a server does would take seconds. */
static bool gets_in(struct answers *answers, const char *url, const char *role)
{
    struct admin *admin = NULL;
    struct err why;
    const char *server_url = answers->options.config->database.url;
    if (admin_open_as(url ? url : server_url, url ? NULL : role, &admin, &why) == STATUS_OK) {
        admin_close(admin);
        return true;
    }
    if (answers->answer) {
        answers->answer->locked_out = role;
        buf_clear(&answers->answer->problem);
        buf_literal(&answers->answer->problem, why.text);
    }
    return false;
}

static void on_authorized(void *arg, const struct store_verdict *verdict)
{
    struct asked_function *asked = arg;
    struct trial_answer *answer = asked->answers->answer;
    if (answer) {
        answer->was_asked = true;
        answer->is_refused = verdict->result != STORE_VERDICT_DONE || !verdict->is_allowed;
        buf_str(&answer->problem, str_of(verdict->problem));
    }
    asked->done(asked->arg, verdict);
    free(asked);
}

static void functions_call(void *ctx, const struct store_call *call, store_verdict_fn *done,
                           void *arg)
{
    struct answers *answers = ctx;
    if (call->kind == STORE_CALL_AUTHORIZE) {
        struct asked_function *asked = mem_alloc(sizeof(*asked));
        *asked = (struct asked_function){answers, done, arg};
        if (!gets_in(answers, answers->options.config->database.hook_url, "herald_hook")) {
            later_add(answers, LATER_UNASKED, asked);
            return;
        }
        answers->real_functions.call(answers->real_functions.ctx, call, on_authorized, asked);
    } else if (done) {
        struct later *later = later_add(answers, LATER_PASSED, arg);
        later->on_passed = done;
        later->payload = str_dup(call->payload);
    }
}

static void on_judged(void *arg, const struct store_verdicts *verdicts)
{
    struct asked_judges *asked = arg;
    bool is_broken = verdicts->is_failed;
    for (size_t i = 0; i < asked->n_parties && !is_broken; i++) {
        is_broken = verdicts->judgements[i].has_problem;
    }
    if (asked->answers->answer && is_broken) {
        asked->answers->answer->is_unjudged = true;
    }
    asked->done(asked->arg, verdicts);
    free(asked);
}

static void judges_judge(void *ctx, const struct store_case *what, store_judge_fn *done, void *arg)
{
    struct answers *answers = ctx;
    struct asked_judges *asked = mem_alloc(sizeof(*asked));
    *asked = (struct asked_judges){answers, what->n_parties, done, arg};
    if (!gets_in(answers, answers->options.config->database.judge_url, "herald_judge")) {
        later_add(answers, LATER_UNJUDGED, asked);
        return;
    }
    answers->real_judges.judge(answers->real_judges.ctx, what, on_judged, asked);
}

/* The rows are the database's, the epoch and the head are those of the log that there is here. */
static void on_read_rows(void *arg, const struct store_snapshot *answer)
{
    struct asked_rows *asked = arg;
    struct store_snapshot own = *answer;
    own.epoch = STR(ANSWERS_EPOCH);
    own.head = 0;
    asked->done(asked->arg, &own);
    free(asked);
}

static void snapshots_read(void *ctx, const struct store_snapshot_query *query,
                           store_snapshot_fn *done, void *arg)
{
    const struct answers *answers = ctx;
    struct store_snapshots real = pg_snapshots_seam(answers->snapshots);
    struct asked_rows *asked = mem_alloc(sizeof(*asked));
    *asked = (struct asked_rows){done, arg};
    real.read(real.ctx, query, on_read_rows, asked);
}

/* ---- life ---- */

static void answers_start(struct answers *answers)
{
    const struct database_options *database = &answers->options.config->database;
    const struct functions_options functions = {
        .url = database->hook_url ? database->hook_url : database->url,
        .user = database->hook_url ? NULL : "herald_hook",
        .timeout_ms = database->hook_timeout_ms,
        .n_connections = 1,
        .is_trial = true,
    };
    const struct pg_judges_options judges = {
        .url = database->judge_url ? database->judge_url : database->url,
        .user = database->judge_url ? NULL : "herald_judge",
        .timeout_ms = database->hook_timeout_ms,
    };
    const struct pg_snapshots_options snapshots = {
        .url = database->url, .query_timeout_ms = QUERY_MS, .shapes = answers->options.shapes};
    answers->functions = functions_new(answers->loop, &functions);
    answers->judges = pg_judges_new(answers->loop, &judges);
    answers->snapshots = pg_snapshots_new(answers->loop, &snapshots);
    answers->real_functions = functions_seam(answers->functions);
    answers->real_judges = pg_judges_seam(answers->judges);
    answers->store = (struct store){
        .log = {.ctx = answers, .read = log_read, .settle = log_settle, .append = log_append},
        .functions = {.ctx = answers, .call = functions_call},
        .presence = {.ctx = answers, .tell = presence_tell},
        .snapshots = {.ctx = answers, .read = snapshots_read},
        .judges = {.ctx = answers, .judge = judges_judge},
    };
    functions_start(answers->functions);
    functions_set_key(answers->functions, answers->options.key);
    pool_start(pg_snapshots_pool(answers->snapshots));
    pool_start(pg_judges_pool(answers->judges));
}

struct answers *answers_new(struct loop *loop, const struct trial_options *options,
                            void (*on_allowed)(void *arg), void *arg)
{
    struct answers *answers = mem_zalloc(sizeof(*answers));
    answers->options = *options;
    answers->loop = loop;
    answers->last = &answers->first;
    answers->soon_timer = loop_timer_new(loop, on_soon, answers);
    answers->on_allowed = on_allowed;
    answers->arg = arg;
    answers_start(answers);
    return answers;
}

const struct store *answers_store(const struct answers *answers)
{
    return &answers->store;
}

void answers_note(struct answers *answers, struct trial_answer *where)
{
    answers->answer = where;
}

void answers_stop(struct answers *answers)
{
    struct later *later;
    pool_stop(pg_snapshots_pool(answers->snapshots));
    pool_stop(pg_judges_pool(answers->judges));
    functions_stop(answers->functions);
    while ((later = later_take(answers)) != NULL) {
        later_tell(later); /* whoever asked frees what is his */
        later_free(later);
    }
}

void answers_free(struct answers *answers)
{
    functions_free(answers->functions);
    pg_judges_free(answers->judges);
    pg_snapshots_free(answers->snapshots);
    loop_timer_free(answers->soon_timer);
    free(answers);
}
