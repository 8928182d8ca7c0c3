/* SPDX-License-Identifier: PostgreSQL */
/* The life of a row, after a trigger caught it:
 *
 *   1. Its texts are taken apart, one value per column (record.c). Another number of values than
 *      the shape has columns: the row is not of this shape, and is skipped.
 *   2. The template gives the channel of the old and of the new row (channel.c). They decide whether
 *      it is an update, or a delete in one channel and an insert in another.
 *   3. The values become JSON (json.c). What does not fit into max_bytes is put again with its key
 *      only, and then with nothing.
 *
 * Nobody's write fails here any more, so nothing may be lost in silence either: whatever is left out
 * has its fault, which the caller counts. */
#include "core/row/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/row/channel.h"
#include "core/row/json.h"
#include "core/row/record.h"

#define SILENT_END ",\"same\":true}" /* of a kept text; else "}" ends it */

enum side { SIDE_OLD, SIDE_NEW, N_SIDES };

enum detail { DETAIL_ROW, DETAIL_KEY, DETAIL_NOTHING };

struct job {
    const struct shape *shape;
    const struct change_row *row;
    struct change_scratch *scratch;
    const struct shape_list *present; /* the columns that the texts consist of */
    enum detail detail;               /* of which there may be this much to tell, */
    enum change_fault reason;         /* because of that */
    bool has_kept;
    bool is_silent;
    const struct str *values[N_SIDES]; /* NULL: no such row */
    enum change_fault fault;           /* the worst so far */
};

const char *change_fault_name(enum change_fault fault)
{
    switch (fault) {
    case CHANGE_FAULT_NONE:
        return "";
    case CHANGE_FAULT_SIZE:
        return "size";
    case CHANGE_FAULT_STALE:
        return "stale";
    case CHANGE_FAULT_UNPRINTABLE:
        return "unprintable";
    case CHANGE_FAULT_CHANNEL:
        return "channel";
    case CHANGE_FAULT_TEMPLATE:
        return "template";
    }
    return "";
}

void change_scratch_release(struct change_scratch *scratch)
{
    for (size_t i = 0; i < N_SIDES; i++) {
        free(scratch->values[i]);
        buf_release(&scratch->texts[i]);
        buf_release(&scratch->names[i]);
        buf_release(&scratch->payloads[i]);
    }
    for (size_t i = 0; i < ROW_DEPTH_MAX; i++) {
        buf_release(&scratch->levels[i]);
    }
    *scratch = (struct change_scratch){0};
}

/* Those that skip something count for worse than those that reduce it. */
static void job_note(struct job *job, enum change_fault fault)
{
    job->fault = fault > job->fault ? fault : job->fault;
}

static bool job_skip(struct job *job, enum change_fault fault)
{
    job_note(job, fault);
    return false;
}

/* ---- the row ---- */

static bool read_reduced(struct job *job)
{
    char reduced = job->row->reduced;
    job->has_kept = job->shape->kept.n > 0 && reduced != 'c' && reduced != 'C';
    job->present = &job->shape->all;
    if (reduced == 0) {
        return true;
    }
    job->reason = reduced == 'k' || reduced == 'c' ? CHANGE_FAULT_SIZE : CHANGE_FAULT_UNPRINTABLE;
    job->detail = reduced == 'k' || reduced == 'K' ? DETAIL_KEY : DETAIL_NOTHING;
    job->present = job->detail == DETAIL_KEY ? &job->shape->brief : &job->shape->in_template;
    return strchr("kKcC", reduced) || job_skip(job, CHANGE_FAULT_STALE);
}

/* The text's room is enough for all that is unescaped of it, so no value moves. */
static bool read_side(struct job *job, enum side side, struct str text)
{
    struct buf *unescaped = &job->scratch->texts[side];
    struct str *values = job->scratch->values[side];
    struct record_reader reader;
    if (!text.ptr || !record_open(&reader, text)) {
        return job_skip(job, CHANGE_FAULT_STALE);
    }
    buf_clear(unescaped);
    buf_reserve(unescaped, text.len);
    memset(values, 0, job->shape->f.n_columns * sizeof(*values));
    for (size_t i = 0; i < job->present->n; i++) {
        if (!record_next(&reader, unescaped, &values[job->present->items[i]])) {
            return job_skip(job, CHANGE_FAULT_STALE);
        }
    }
    if (!record_is_over(&reader, job->present->n)) {
        return job_skip(job, CHANGE_FAULT_STALE);
    }
    job->values[side] = values;
    return true;
}

static bool are_utf8(const struct job *job, const struct shape_list *list)
{
    for (size_t side = 0; side < N_SIDES; side++) {
        for (size_t i = 0; job->values[side] && i < list->n; i++) {
            if (!str_is_utf8(job->values[side][list->items[i]])) {
                return false;
            }
        }
    }
    return true;
}

/* What is no UTF-8 (type "char" before 15 could hold such a byte) is told by its key. */
static bool check_utf8(struct job *job)
{
    if (str_is_utf8(job->row->old) && str_is_utf8(job->row->new)) {
        return true;
    }
    job->reason = CHANGE_FAULT_UNPRINTABLE;
    job->detail = job->detail == DETAIL_ROW ? DETAIL_KEY : job->detail;
    job->has_kept = job->has_kept && are_utf8(job, &job->shape->kept);
    return (are_utf8(job, &job->shape->in_template) && are_utf8(job, &job->shape->f.key)) ||
           job_skip(job, CHANGE_FAULT_UNPRINTABLE);
}

static bool read_row(struct job *job)
{
    const struct change_row *row = job->row;
    if (row->action == 's') {
        return job_skip(job, row->reduced == 't'   ? CHANGE_FAULT_TEMPLATE
                             : row->reduced == 'k' ? CHANGE_FAULT_SIZE
                                                   : CHANGE_FAULT_UNPRINTABLE);
    }
    if (row->action == 0 || !strchr("iuwd", row->action)) {
        return job_skip(job, CHANGE_FAULT_STALE);
    }
    return read_reduced(job) && (row->action == 'i' || read_side(job, SIDE_OLD, row->old)) &&
           (row->action == 'd' || read_side(job, SIDE_NEW, row->new)) && check_utf8(job);
}

/* NULL and '' are different values. */
static bool differ(const struct job *job, const struct shape_list *columns)
{
    for (size_t i = 0; i < columns->n; i++) {
        struct str old = job->values[SIDE_OLD][columns->items[i]];
        struct str new = job->values[SIDE_NEW][columns->items[i]];
        if (!old.ptr != !new.ptr || !str_equals(old, new)) {
            return true;
        }
    }
    return false;
}

/* A kept column may decide who sees the row. */
static bool is_changed(struct job *job)
{
    const struct shape *shape = job->shape;
    bool is_told =
        job->row->reduced != 0 ? job->row->action == 'u' : differ(job, &shape->announced);
    job->is_silent = !is_told && job->has_kept && shape->f.visible_by != SHAPE_VISIBLE_EVERYBODY &&
                     differ(job, &shape->kept);
    return is_told || job->is_silent;
}

/* ---- the payload ---- */

static void put_row(struct json_writer *w, const struct shape *shape,
                    const struct shape_list *columns, const struct str *values)
{
    if (!values) {
        buf_str(w->out, STR("null"));
        return;
    }
    buf_char(w->out, '{');
    for (size_t i = 0; i < columns->n && !w->is_over; i++) {
        size_t column = columns->items[i];
        const struct row_field *field = &shape->f.columns[column].field;
        json_put_label(w, field, i == 0);
        json_put(w, field->type, values[column], 0);
    }
    buf_char(w->out, '}');
}

static struct json_writer writer_of(const struct job *job, struct buf *out, size_t limit)
{
    return (struct json_writer){
        .out = out,
        .levels = job->scratch->levels,
        .limit = limit,
        .are_numbers_text = job->shape->f.are_numbers_text,
    };
}

static void put_head(struct buf *out, const struct shape *shape, struct str action)
{
    buf_str(out, STR("{\"data\":{\"action\":\""));
    buf_str(out, action);
    buf_str(out, buf_span(&shape->head));
}

static void put_end(struct buf *out, enum detail detail, enum change_fault reason)
{
    if (detail != DETAIL_ROW) {
        buf_str(out, STR(",\"truncated_to_key\":true"));
    }
    if (reason != CHANGE_FAULT_NONE) {
        buf_str(out, STR(",\"reduced\":\""));
        buf_literal(out, change_fault_name(reason));
        buf_char(out, '"');
    }
    buf_str(out, STR("},\"dbo_id\":0,\"row_id\":0}"));
}

/* A row of an event: whether it is told, and what of it is there. */
struct telling {
    struct str action;
    const struct str *values[N_SIDES];
};

/* False: over the limit, and what stands there is to be put again with less. */
static bool put_payload(struct job *job, struct buf *out, const struct telling *telling,
                        enum detail detail)
{
    static const struct shape_list nothing;
    const struct shape *shape = job->shape;
    const struct shape_list *columns = detail == DETAIL_ROW   ? &shape->announced
                                       : detail == DETAIL_KEY ? &shape->f.key
                                                              : &nothing;
    struct json_writer w = writer_of(job, out, shape->f.max_bytes);
    buf_clear(out);
    put_head(out, shape, telling->action);
    put_row(&w, shape, columns, telling->values[SIDE_NEW]);
    buf_str(out, STR(",\"old\":"));
    put_row(&w, shape, columns, telling->values[SIDE_OLD]);
    enum change_fault reason = w.is_stale ? CHANGE_FAULT_STALE : CHANGE_FAULT_NONE;
    if (detail != DETAIL_ROW) {
        reason = job->reason != CHANGE_FAULT_NONE ? job->reason : CHANGE_FAULT_SIZE;
    }
    put_end(out, detail, reason);
    if (detail != DETAIL_NOTHING && (w.is_over || out->len > shape->f.max_bytes)) {
        return false;
    }
    job_note(job, reason);
    return true;
}

/* Who judges by these columns must not do so by the text of another type. */
static void put_kept(struct job *job, struct buf *out, const struct telling *telling)
{
    size_t mark = out->len;
    struct json_writer w = writer_of(job, out, SIZE_MAX);
    if (!job->has_kept) {
        return;
    }
    buf_str(out, STR("{\"new\":"));
    put_row(&w, job->shape, &job->shape->kept, telling->values[SIDE_NEW]);
    buf_str(out, STR(",\"old\":"));
    put_row(&w, job->shape, &job->shape->kept, telling->values[SIDE_OLD]);
    buf_literal(out, job->is_silent ? SILENT_END : "}");
    if (w.is_stale) {
        out->len = mark;
        job_note(job, CHANGE_FAULT_STALE);
    }
}

static void put_event(struct job *job, enum side side, const struct telling *telling,
                      struct change_event *event)
{
    struct buf *out = &job->scratch->payloads[side];
    enum detail detail = job->detail;
    while (!put_payload(job, out, telling, detail)) {
        detail = detail == DETAIL_ROW ? DETAIL_KEY : DETAIL_NOTHING;
    }
    size_t len = out->len;
    put_kept(job, out, telling);
    event->channel = buf_span(&job->scratch->names[side]);
    event->payload = (struct str){out->data, len};
    event->kept = out->len > len ? (struct str){out->data + len, out->len - len} : (struct str){0};
}

/* ---- events ---- */

static bool put_names(struct job *job, enum row_channel channels[N_SIDES])
{
    for (size_t side = 0; side < N_SIDES; side++) {
        struct buf *name = &job->scratch->names[side];
        buf_clear(name);
        channels[side] = ROW_CHANNEL_NULL;
        if (job->values[side]) {
            channels[side] =
                row_channel_put(name, job->shape, job->values[side], &job->scratch->levels[0]);
        }
        if (channels[side] == ROW_CHANNEL_STALE) {
            return job_skip(job, CHANGE_FAULT_STALE);
        }
    }
    return true;
}

static size_t make_events(struct job *job, struct change_event out[N_SIDES])
{
    static const struct str actions[N_SIDES] = {{"delete", 6}, {"insert", 6}};
    struct telling telling = {{"update", 6}, {job->values[SIDE_OLD], job->values[SIDE_NEW]}};
    enum row_channel channels[N_SIDES];
    size_t n = 0;
    if (!put_names(job, channels)) {
        return 0;
    }
    if (channels[SIDE_OLD] == ROW_CHANNEL_OK && channels[SIDE_NEW] == ROW_CHANNEL_OK &&
        str_equals(buf_span(&job->scratch->names[SIDE_OLD]),
                   buf_span(&job->scratch->names[SIDE_NEW]))) {
        if (is_changed(job)) {
            put_event(job, SIDE_NEW, &telling, &out[n++]);
        }
        return n;
    }
    for (size_t side = 0; side < N_SIDES; side++) {
        telling = (struct telling){.action = actions[side]};
        telling.values[side] = job->values[side];
        if (channels[side] == ROW_CHANNEL_OK) {
            put_event(job, (enum side)side, &telling, &out[n++]);
        } else if (channels[side] == ROW_CHANNEL_BAD) {
            job_note(job, CHANGE_FAULT_CHANNEL);
        }
    }
    return n;
}

static void make_room(struct change_scratch *scratch, size_t n_values)
{
    if (n_values > scratch->n_values) {
        for (size_t i = 0; i < N_SIDES; i++) {
            scratch->values[i] = mem_array(scratch->values[i], n_values, sizeof(struct str));
        }
        scratch->n_values = n_values;
    }
}

size_t change_events(const struct shape *shape, const struct change_row *row,
                     struct change_scratch *scratch, struct change_event out[2],
                     enum change_fault *fault)
{
    struct job job = {.shape = shape, .row = row, .scratch = scratch};
    make_room(scratch, shape->f.n_columns);
    size_t n = read_row(&job) ? make_events(&job, out) : 0;
    *fault = job.fault;
    return n;
}

bool change_is_truncate(struct str payload)
{
    return str_starts(payload, STR("{\"data\":{\"action\":\"truncate\""));
}

bool change_is_silent(struct str kept)
{
    struct str mark = STR(SILENT_END);
    return kept.len >= mark.len && memcmp(kept.ptr + kept.len - mark.len, mark.ptr, mark.len) == 0;
}

void change_truncate(const struct shape *shape, struct buf *payload)
{
    put_head(payload, shape, STR("truncate"));
    buf_str(payload, STR("null,\"old\":null"));
    put_end(payload, DETAIL_ROW, CHANGE_FAULT_NONE);
}
