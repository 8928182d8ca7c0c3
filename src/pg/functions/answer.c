/* SPDX-License-Identifier: PostgreSQL */
/* What a result means to the one who asked.
 *
 * An exception of the function's own (RAISE EXCEPTION, SQLSTATE P0001) is for the client, with its
 * message; every other error is the operator's, and the client learns only that there was one. The
 * message of a token function's error is nobody's: it may quote the token. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/functions/internal.h"
#include "pg/functions/token.h"
#include "pg/rows.h"

enum {
    MAX_REASON = 500,         /* bytes of a function's message that go to a client */
    MAX_LOGGED = 200,         /* and to the log */
    MAX_RESULT = 1024 * 1024, /* as an event's payload may have (max_bytes of herald.watch) */
};

/* ---- complaints ---- */

void call_complain(struct call *call, const char *sqlstate, const char *message)
{
    unsigned long long n_unsaid;
    if (!complaint_is_due(&call->function->complaint, &n_unsaid)) {
        return;
    }
    char more[64] = "";
    if (n_unsaid > 0) {
        snprintf(more, sizeof(more), " (and %llu times before)", n_unsaid);
    }
    log_warn("the function %s failed: %s%s%.*s%s", call->function->name, sqlstate,
             *sqlstate ? " " : "", MAX_LOGGED, message, more);
}

/* ---- the owner's functions ---- */

/* A function can change the encoding in which its own message is sent. */
static void copy_reason(const char *message, char out[MAX_REASON + 1])
{
    size_t len = strlen(message);
    if (len > MAX_REASON) {
        len = MAX_REASON;
        while (len > 0 && ((unsigned char)message[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    memcpy(out, message, len);
    out[len] = 0;
    bool is_utf8 = str_is_utf8((struct str){out, len});
    for (size_t i = 0; i < len && !is_utf8; i++) {
        out[i] = (unsigned char)out[i] < 0x80 ? out[i] : '?';
    }
}

static void verdict_tell(const struct call *call, const struct store_verdict *verdict)
{
    static const unsigned results[] = {
        [STORE_VERDICT_DONE] = METRIC_CALL_DONE,
        [STORE_VERDICT_REFUSED] = METRIC_CALL_REFUSED,
        [STORE_VERDICT_FAILED] = METRIC_CALL_FAILED,
    };
    metrics_count(call->counts, METRIC_HOOK_CALLS + results[verdict->result]);
    if (call->on_verdict) {
        call->on_verdict(call->arg, verdict);
    }
}

static void verdict_tell_failed(struct call *call, const char *sqlstate, const char *message)
{
    char problem[MAX_LOGGED];
    struct store_verdict verdict = {.result = STORE_VERDICT_FAILED, .problem = problem};
    snprintf(problem, sizeof(problem), "%s%s%s", sqlstate, *sqlstate ? " " : "", message);
    call_complain(call, sqlstate, message);
    verdict_tell(call, &verdict);
}

static void answer_call(struct call *call, const struct query_result *result)
{
    struct store_verdict verdict = {.result = STORE_VERDICT_DONE};
    if (result->is_lost) {
        verdict_tell_failed(call, "", "it took too long, or its connection was lost");
        return;
    }
    if (strcmp(result->sqlstate, "P0001") == 0) {
        char reason[MAX_REASON + 1];
        copy_reason(result->message, reason);
        verdict.result = STORE_VERDICT_REFUSED;
        verdict.reason = reason;
        verdict_tell(call, &verdict);
        return;
    }
    if (!result->rows || PQntuples(result->rows) != 1) {
        verdict_tell_failed(call, result->sqlstate, result->message);
        return;
    }
    if (call->kind == CALL_KIND_AUTHORIZE) {
        verdict.is_allowed = str_equals(rows_text(result->rows, 0, 0), STR("true"));
    } else {
        verdict.payload = rows_text(result->rows, 0, 0);
    }
    if (verdict.payload.len > MAX_RESULT) {
        verdict_tell_failed(call, "", "what it returned is larger than 1 MiB");
    } else if (verdict.payload.ptr && !str_is_utf8(verdict.payload)) {
        verdict_tell_failed(call, "",
                            "what it returned is not UTF-8: it has changed client_encoding");
    } else {
        verdict_tell(call, &verdict);
    }
}

/* ---- tokens ---- */

static enum error_code token_error(struct call *call, const struct query_result *result,
                                   struct identity **identity)
{
    const char *mistake = "";
    if (result->is_lost || (!result->rows && strcmp(result->sqlstate, "P0001") != 0)) {
        call_complain(call, result->sqlstate, result->is_lost ? "no answer in time" : "");
        return ERROR_CODE_UNAVAILABLE;
    }
    if (!result->rows) {
        return ERROR_CODE_TOKEN_INVALID; /* raised on purpose: another way to say no */
    }
    switch (token_read(result->rows, time(NULL), identity, &mistake)) {
    case TOKEN_ACCEPTED:
    case TOKEN_REFUSED:
        return ERROR_CODE_TOKEN_INVALID; /* does not count if there is an identity */
    case TOKEN_EXPIRED:
        return ERROR_CODE_TOKEN_EXPIRED;
    case TOKEN_UNCLEAR:
        break;
    }
    call_complain(call, "", mistake);
    return ERROR_CODE_UNAVAILABLE;
}

static void answer_token(struct call *call, const struct query_result *result)
{
    struct store_token token = {0};
    token.error = token_error(call, result, &token.identity);
    call->on_token(call->arg, &token);
    identity_unref(token.identity);
}

/* ---- both ---- */

static void call_free(struct call *call)
{
    params_release(&call->params);
    free(call);
}

void call_answer(struct call *call, const struct query_result *result)
{
    if (call->kind == CALL_KIND_TOKEN) {
        answer_token(call, result);
    } else {
        answer_call(call, result);
    }
    call_free(call);
}

void call_fail(struct call *call)
{
    if (call->kind == CALL_KIND_TOKEN) {
        struct store_token token = {.error = call->error};
        call->on_token(call->arg, &token);
    } else {
        struct store_verdict verdict = {.result = STORE_VERDICT_FAILED};
        verdict_tell(call, &verdict);
    }
    call_free(call);
}
