/* SPDX-License-Identifier: PostgreSQL */
/* The database was asked for no more rows than needed, but what it let pass says nothing: the
 * channel, the filter and who may see a row are looked at here, by the same code that looks at
 * events. */
#include "core/hub/snapshot/rows.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/tell.h"
#include "core/json_span.h"

enum { FRAME_BYTES = 64 * 1024 };

struct rows_job {
    struct hub *hub;
    struct channel *channel;
    struct group *group;
    struct row_frames *frames;
    struct buf rows, reduced; /* of the frame that is being filled */
};

void row_frames_release(struct row_frames *frames)
{
    for (size_t i = 0; i < frames->n; i++) {
        frame_unref(frames->items[i]);
    }
    free(frames->items);
    *frames = (struct row_frames){0};
}

static void cut_frame(struct rows_job *job)
{
    struct row_frames *frames = job->frames;
    struct protocol_snapshot part = {
        .channel = channel_name(job->channel),
        .view = view_name(job->group->view),
        .rows = buf_span(&job->rows),
        .reduced = buf_span(&job->reduced),
        .is_first = frames->n == 0,
    };
    if (frames->n == frames->cap) {
        frames->cap = frames->cap ? frames->cap * 2 : 4;
        frames->items = mem_array(frames->items, frames->cap, sizeof(struct frame *));
    }
    frames->items[frames->n++] = job->hub->protocol->snapshot(&part);
    buf_clear(&job->rows);
    buf_clear(&job->reduced);
}

/* The row as it stands in the payload of its insert. */
static struct str row_json(struct str payload)
{
    struct json_member data[] = {{.key = STR("data")}};
    struct json_member new[] = {{.key = STR("new")}};
    json_scan(payload, data, 1);
    json_scan(data[0].value, new, 1);
    return new[0].value;
}

static void put_row(struct rows_job *job, const struct change_event *event, bool is_reduced)
{
    struct buf *out = is_reduced ? &job->reduced : &job->rows;
    buf_literal(out, out->len > 0 ? "," : "");
    buf_str(out, row_json(event->payload));
    job->frames->n_rows++;
    if (job->rows.len + job->reduced.len >= FRAME_BYTES) {
        cut_frame(job);
    }
}

static bool is_here(const struct rows_job *job, const struct change_event *event)
{
    return str_equals(event->channel, channel_name(job->channel));
}

/* False: it is none, or another channel's. */
static bool read_row(const struct rows_job *job, struct shape *shape, const struct store_row *row,
                     struct change_scratch *scratch, struct change_event *out,
                     enum change_fault *fault)
{
    struct change_row change = {
        .action = 'i', .reduced = row->is_reduced ? 'k' : 0, .new = row->text};
    struct change_event events[2];
    bool is_row = change_events(shape, &change, scratch, events, fault) == 1;
    *out = events[0];
    return is_row && is_here(job, out);
}

static bool take_row(struct rows_job *job, const struct store_snapshot *found, size_t i,
                     struct change_scratch *scratch, uint32_t max)
{
    const struct store_row *row = &found->rows[i];
    struct change_event event;
    enum change_fault fault;
    bool is_unknown;
    if (!read_row(job, found->shape, row, scratch, &event, &fault)) {
        return true;
    }
    enum tell tell =
        tell_row(job->hub, job->group, found->shape, event.payload, event.kept, i, &is_unknown);
    job->frames->is_blind |= tell == TELL_GAP;
    if (tell != TELL_EVENT) {
        return true;
    }
    job->frames->is_over = job->frames->n_rows == max;
    if (!job->frames->is_over) {
        put_row(job, &event, is_unknown || fault == CHANGE_FAULT_SIZE || row->is_reduced);
    }
    return !job->frames->is_over;
}

struct hearing *row_frames_hear(struct hub *hub, struct channel *channel, struct group *group,
                                const struct store_snapshot *found)
{
    struct rows_job job = {.hub = hub, .channel = channel, .group = group};
    struct hearing *hearing = hearing_new(hub);
    struct change_scratch scratch = {0};
    struct change_event event;
    enum change_fault fault;
    struct str visible[VISIBLE_MAX];
    bool is_asked = sights_asked(hub, found->shape, visible) > 0;
    for (size_t i = 0; i < found->n_rows && is_asked; i++) {
        if (read_row(&job, found->shape, &found->rows[i], &scratch, &event, &fault)) {
            hearing_add_rows(hearing, found->shape, event.payload, event.kept, i);
        }
    }
    change_scratch_release(&scratch);
    hearing_add_group(hearing, group);
    if (hearing_is_empty(hearing)) {
        hearing_free(hearing);
        return NULL;
    }
    return hearing;
}

void row_frames_make(struct row_frames *frames, struct hub *hub, struct channel *channel,
                     struct group *group, const struct store_snapshot *found, uint32_t max)
{
    struct rows_job job = {.hub = hub, .channel = channel, .group = group, .frames = frames};
    struct change_scratch scratch = {0};
    for (size_t i = 0; i < found->n_rows; i++) {
        if (!take_row(&job, found, i, &scratch, max)) {
            break;
        }
    }
    if (frames->n == 0 || job.rows.len + job.reduced.len > 0) {
        cut_frame(&job); /* the first one is there also if there are no rows */
    }
    change_scratch_release(&scratch);
    buf_release(&job.rows);
    buf_release(&job.reduced);
}
