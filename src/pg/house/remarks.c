/* SPDX-License-Identifier: PostgreSQL */
/* All that holds is told in one call, which takes back what does not. A remark lives for half a minute
 * (herald.remarks): so nobody has to take back what a server said that was killed. */
#include "pg/house/remarks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "pg/params.h"
#include "pg/query.h"

enum {
    NEWS_MS = 1000, /* what comes and goes costs no more than a statement a second */
    AGAIN_MS = 10000,
};

static const char *const causes[REMARK_N] = {
    [REMARK_BACKLOG] = "backlog",
    [REMARK_PROXY_SILENT] = "proxy_silent",
    [REMARK_PROXY_UNTRUSTED] = "proxy_untrusted",
    [REMARK_RETENTION] = "retention",
};

struct remarks {
    struct connection *connection;
    char *node;
    char *details[REMARK_N]; /* NULL: it is not so */
    bool has_news;
    bool has_told; /* something that is to be taken back some day */
    bool is_telling;
    uint64_t told_ms;
};

struct remarks *remarks_new(struct connection *connection, const char *node)
{
    struct remarks *remarks = mem_zalloc(sizeof(*remarks));
    remarks->connection = connection;
    remarks->node = mem_strdup(node);
    return remarks;
}

void remarks_free(struct remarks *remarks)
{
    if (remarks) {
        for (size_t i = 0; i < REMARK_N; i++) {
            free(remarks->details[i]);
        }
        free(remarks->node);
        free(remarks);
    }
}

void remarks_set(struct remarks *remarks, enum remark remark, struct str detail)
{
    char **own = &remarks->details[remark];
    if (*own ? str_equals(detail, str_of(*own)) : !detail.ptr) {
        return;
    }
    free(*own);
    *own = str_dup(detail);
    remarks->has_news = true;
}

void remarks_set_backlog(struct remarks *remarks, const struct backlog *backlog)
{
    struct buf json = {0};
    if (backlog && backlog->is_draining) {
        buf_printf(&json, "{\"rate\":%" PRIu64 ",\"left_s\":%" PRIu64 "}", backlog->rate,
                   backlog->left_s);
    }
    remarks_set(remarks, REMARK_BACKLOG, json.len > 0 ? buf_span(&json) : (struct str){0});
    buf_release(&json);
}

void remarks_set_retention(struct remarks *remarks, uint32_t hours)
{
    struct buf json = {0};
    buf_printf(&json, "{\"hours\":%" PRIu32 "}", hours);
    remarks_set(remarks, REMARK_RETENTION, buf_span(&json));
    buf_release(&json);
}

/* ---- telling ---- */

static void on_told(void *arg, const struct query_result *result)
{
    struct remarks *remarks = arg;
    remarks->is_telling = false;
    if (!result->rows) {
        remarks->has_news |= result->is_lost; /* what is refused is refused again a second later */
        remarks->has_told = true;             /* who knows */
    }
    if (!result->rows && !result->is_lost) {
        log_warn("herald.report failed: %s %s", result->sqlstate, result->message);
    }
}

static void add_texts(const struct remarks *remarks, struct params *params, size_t n,
                      const char *const *texts)
{
    params_array_begin(params, n);
    for (size_t i = 0; i < REMARK_N; i++) {
        if (remarks->details[i]) {
            params_array_add(params, str_of(texts[i]));
        }
    }
    params_array_end(params);
}

static size_t count(const struct remarks *remarks)
{
    size_t n = 0;
    for (size_t i = 0; i < REMARK_N; i++) {
        n += remarks->details[i] != NULL;
    }
    return n;
}

static bool is_due(const struct remarks *remarks, size_t n, uint64_t now_ms)
{
    uint64_t pause_ms = remarks->has_news ? NEWS_MS : AGAIN_MS;
    return (n > 0 || remarks->has_told) && !remarks->is_telling &&
           now_ms - remarks->told_ms >= pause_ms && connection_is_open(remarks->connection);
}

void remarks_tell(struct remarks *remarks, uint64_t now_ms)
{
    struct params params = {0};
    size_t n = count(remarks);
    if (!is_due(remarks, n, now_ms)) {
        return;
    }
    params_text(&params, str_of(remarks->node));
    add_texts(remarks, &params, n, causes);
    add_texts(remarks, &params, n, (const char *const *)remarks->details);
    remarks->has_news = false;
    remarks->has_told = n > 0;
    remarks->is_telling = true;
    remarks->told_ms = now_ms;
    connection_query(remarks->connection, "SELECT herald.report($1, $2, $3)", &params, on_told,
                     remarks);
}
