/* SPDX-License-Identifier: PostgreSQL */
/* Adding up what the threads have counted, and writing it down.
 *
 * Nothing is locked: a block is read while its thread writes, each cell as a whole but not all at
 * one moment. That is what Prometheus expects of counters, and it is why a gauge that two threads
 * share (one adds what the other takes away) is one number in each of two blocks: their sum, modulo
 * 2^64, is right although each alone means nothing.
 *
 * Labels have few and fixed values. What strangers choose (channels, addresses, names) is never
 * one: each value is a time series that somebody has to keep. */
#include "core/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum metric_type { COUNTER, GAUGE, GREATEST, SPENT };

enum metric_label {
    NONE,
    REASON_ACCEPT,
    REASON_REFUSAL,
    CODE_CLOSE,
    CODE_ERROR,
    KIND_FRAME,
    KIND_MESSAGE,
    LIMIT,
    CALL,
    VERDICT,
    ANSWER,
    RESULT,
    REASON_FAULT,
    STATE_PEER,
    REASON_BUS_DROP,
};

#define TEXT(id, text) text,
static const char *const refusals[] = {METRIC_REFUSAL_VALUES(TEXT)};
static const char *const frames[] = {METRIC_FRAME_VALUES(TEXT)};
static const char *const messages[] = {METRIC_MESSAGE_VALUES(TEXT)};
static const char *const limits[] = {METRIC_LIMIT_VALUES(TEXT)};
static const char *const calls[] = {METRIC_CALL_VALUES(TEXT)};
static const char *const answers[] = {METRIC_ANSWER_VALUES(TEXT)};
static const char *const verdicts[] = {METRIC_VERDICT_VALUES(TEXT)};
static const char *const faults[] = {METRIC_FAULT_VALUES(TEXT)};
static const char *const peers[] = {METRIC_PEER_VALUES(TEXT)};
static const char *const bus_drops[] = {METRIC_BUS_DROP_VALUES(TEXT)};
static const char *const results[] = {METRIC_RESULT_VALUES(TEXT)};
static const char *const accept_failures[] = {METRIC_ACCEPT_FAILURE_VALUES(TEXT)};
#undef TEXT
#define CODE(code) #code,
static const char *const closes[] = {METRIC_CLOSE_VALUES(CODE) "other"};
#undef CODE
#define CODE(id, wire, text) wire,
static const char *const errors[] = {ERROR_CODES(CODE)};
#undef CODE

static const struct {
    const char *name;
    const char *const *values;
} labels[] = {
    [NONE] = {NULL, NULL},
    [REASON_ACCEPT] = {"reason", accept_failures},
    [REASON_REFUSAL] = {"reason", refusals},
    [CODE_CLOSE] = {"code", closes},
    [CODE_ERROR] = {"code", errors},
    [KIND_FRAME] = {"kind", frames},
    [KIND_MESSAGE] = {"kind", messages},
    [LIMIT] = {"limit", limits},
    [CALL] = {"result", calls},
    [ANSWER] = {"answer", answers},
    [VERDICT] = {"verdict", verdicts},
    [REASON_FAULT] = {"reason", faults},
    [RESULT] = {"result", results},
    [STATE_PEER] = {"state", peers},
    [REASON_BUS_DROP] = {"reason", bus_drops},
};

static const struct metric {
    const char *name;
    enum metric_type type;
    enum metric_label label;
    unsigned first, n; /* its cells */
    const char *help;
} table[] = {
#define ROW(id, name, type, label, n, help) {name, type, label, METRIC_##id, n, help},
    METRICS(ROW)
#undef ROW
};
#define N_METRICS (sizeof(table) / sizeof(table[0]))

struct metrics {
    uint32_t n;
    struct metrics_block *blocks;
};

struct metrics *metrics_new(uint32_t n_blocks)
{
    struct metrics *metrics = mem_zalloc(sizeof(*metrics));
    size_t bytes = n_blocks * sizeof(struct metrics_block);
    metrics->n = n_blocks;
    /* malloc aligns to less than a cache line. */
    metrics->blocks = aligned_alloc(_Alignof(struct metrics_block), bytes);
    if (!metrics->blocks) {
        abort();
    }
    memset(metrics->blocks, 0, bytes);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics) {
        free(metrics->blocks);
        free(metrics);
    }
}

struct metrics_block *metrics_block(struct metrics *metrics, uint32_t index)
{
    assert(!metrics || index < metrics->n);
    return metrics ? &metrics->blocks[index] : NULL;
}

unsigned metrics_close(uint16_t code)
{
    switch (code) {
#define CASE(known)                                                                                \
    case known:                                                                                    \
        return METRIC_CLOSES + METRIC_CLOSE_##known;
        METRIC_CLOSE_VALUES(CASE)
#undef CASE
    default:
        return METRIC_CLOSES + METRIC_CLOSE_OTHER;
    }
}

/* ---- writing ---- */

static uint64_t value_of(const struct metrics *metrics, const struct metric *metric, unsigned cell)
{
    uint64_t sum = 0, greatest = 0;
    for (uint32_t i = 0; i < metrics->n; i++) {
        uint64_t value =
            atomic_load_explicit(&metrics->blocks[i].cells[cell], memory_order_relaxed);
        sum += value;
        greatest = value > greatest ? value : greatest;
    }
    /* A shared gauge may be caught between the addition here and the one there. */
    if (metric->type == GAUGE && sum > INT64_MAX) {
        sum = 0;
    }
    return metric->type == GREATEST ? greatest : sum;
}

static const char *type_name(const struct metric *metric)
{
    return metric->type == COUNTER || metric->type == SPENT ? "counter" : "gauge";
}

static void write_value(const struct metric *metric, uint64_t value, struct buf *out)
{
    if (metric->type == SPENT) {
        buf_printf(out, "%" PRIu64 ".%03u", value / 1000, (unsigned)(value % 1000));
    } else {
        buf_u64(out, value);
    }
}

static void write_metric(const struct metrics *metrics, const struct metric *metric,
                         struct buf *out)
{
    buf_printf(out, "# HELP pgherald_%s %s\n# TYPE pgherald_%s %s\n", metric->name, metric->help,
               metric->name, type_name(metric));
    for (unsigned i = 0; i < metric->n; i++) {
        buf_printf(out, "pgherald_%s", metric->name);
        if (metric->label != NONE) {
            buf_printf(out, "{%s=\"%s\"}", labels[metric->label].name,
                       labels[metric->label].values[i]);
        }
        buf_char(out, ' ');
        write_value(metric, value_of(metrics, metric, metric->first + i), out);
        buf_char(out, '\n');
    }
}

void metrics_write(struct metrics *metrics, struct buf *out)
{
    for (size_t i = 0; i < N_METRICS; i++) {
        write_metric(metrics, &table[i], out);
    }
}

static const char *unit_of(const struct metric *metric)
{
    static const char *const units[] = {"bytes", "seconds"};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strstr(metric->name, units[i])) {
            return units[i];
        }
    }
    return "number";
}

static void refer_to_labels(const struct metric *metric, FILE *out)
{
    if (metric->label == NONE) {
        return;
    }
    fprintf(out, " `%s`: ", labels[metric->label].name);
    for (unsigned i = 0; i < metric->n; i++) {
        fprintf(out, "%s`%s`", i > 0 ? ", " : "", labels[metric->label].values[i]);
    }
    fputc('.', out);
}

void metrics_reference(FILE *out)
{
    fprintf(out, "<!-- Made by `pgherald config --metrics-reference`; do not edit. -->\n"
                 "# Metrics\n\n"
                 "`GET /metrics` answers in Prometheus' text format (0.0.4) who sends the token of "
                 "the option `metrics-token-file`,\n"
                 "from wherever he asks: behind a proxy on the same machine everybody seems to be "
                 "local. Without that option there is no\n"
                 "`/metrics`. Counters start at zero with the process.\n\n"
                 "    openssl rand -hex 16 >/etc/pgherald/metrics-token     # serve "
                 "--metrics-token-file of the same name\n"
                 "    curl -H \"Authorization: Bearer $(cat /etc/pgherald/metrics-token)\" "
                 "http://127.0.0.1:8080/metrics\n\n"
                 "In Prometheus: `authorization: {credentials_file: "
                 "/etc/pgherald/metrics-token}`. The same token makes `/ready` say\n"
                 "in full why the server is not ready, and what to change when it is; others get a "
                 "sentence that names nothing.\n\n"
                 "| metric | type | unit | what it says |\n"
                 "|---|---|---|---|\n");
    for (size_t i = 0; i < N_METRICS; i++) {
        fprintf(out, "| `pgherald_%s` | %s | %s | %s", table[i].name, type_name(&table[i]),
                unit_of(&table[i]), table[i].help);
        refer_to_labels(&table[i], out);
        fprintf(out, " |\n");
    }
}
