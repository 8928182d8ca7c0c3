/* SPDX-License-Identifier: PostgreSQL */
/* Every row that the store tells passes through the hub anyway; here the newest ones stay, up to a
 * limit of bytes and of rows over all channels. The oldest go first, whatever channel they are of.
 *
 * What a channel has here is a run without a hole that ends at the newest row, so "after N" is one
 * subtraction and its cost is that of the result. When a row goes, all that are before it in its
 * run go, too: rows that were adopted from a read are older than the time at which they came.
 *
 * A run says more than its rows: while there is one, its last offset is a head that is safe to
 * name. Rows that come later are fanned out later, and so reach whoever was attached in time.
 *
 * Frames are kept with their rows: a thousand sessions that missed the same events share them. */
#include "core/hub/resume/recent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_ROWS = 4 };

struct recent *recent_new(uint64_t max_bytes, uint32_t max_rows)
{
    struct recent *recent = mem_zalloc(sizeof(*recent));
    recent->max_bytes = max_bytes;
    recent->max_rows = max_rows;
    return recent;
}

void recent_free(struct recent *recent)
{
    recent_clear(recent);
    free(recent);
}

/* ---- rows ---- */

static uint64_t offset_of(const struct recent_row *row)
{
    return row->event->f.offset;
}

static size_t event_bytes(const struct event_fields *f)
{
    return f->channel.len + f->at.len + f->client.len + f->payload.len + f->audience.row_id.len +
           f->kept.len;
}

static uint64_t row_bytes(const struct recent_row *row)
{
    return sizeof(*row) + sizeof(struct event) + sizeof(row) + event_bytes(&row->event->f) +
           (row->replay ? sizeof(struct frame) + row->replay->len : 0);
}

static struct recent_row *row_new(struct recent *recent, struct recent_run *run,
                                  struct event *event)
{
    struct recent_row *row = mem_alloc(sizeof(*row));
    *row = (struct recent_row){.run = run, .older = recent->newest, .event = event_ref(event)};
    *(recent->newest ? &recent->newest->newer : &recent->oldest) = row;
    recent->newest = row;
    recent->n_rows++;
    recent->bytes += row_bytes(row);
    return row;
}

static void row_free(struct recent *recent, struct recent_row *row)
{
    *(row->older ? &row->older->newer : &recent->oldest) = row->newer;
    *(row->newer ? &row->newer->older : &recent->newest) = row->older;
    recent->n_rows--;
    recent->bytes -= row_bytes(row);
    frame_unref(row->replay);
    event_unref(row->event);
    free(row);
}

/* ---- runs ---- */

static void forget_history(struct recent *recent, struct recent_run *run)
{
    if (run->history) {
        recent->bytes -= run->history->len;
        frame_unref(run->history);
        run->history = NULL;
    }
}

static uint64_t run_bytes(const struct recent_run *run)
{
    return sizeof(*run) + run->name_len;
}

static struct recent_run *run_new(struct recent *recent, struct str name)
{
    struct recent_run *run = mem_zalloc(sizeof(*run) + name.len);
    run->name_len = name.len;
    memcpy(run->name, name.ptr, name.len);
    HASH_ADD_KEYPTR(hh, recent->runs, run->name, run->name_len, run);
    recent->bytes += run_bytes(run);
    return run;
}

/* The first n rows go, and with the last one the run. */
static void drop_first(struct recent *recent, struct recent_run *run, size_t n)
{
    assert(n > 0 && n <= run->n); /* a run is never empty */
    for (; n > 0; n--) {
        row_free(recent, run->rows[run->first++]);
        run->n--;
    }
    if (run->n == 0) {
        forget_history(recent, run);
        recent->bytes -= run_bytes(run);
        HASH_DEL(recent->runs, run);
        free(run->rows);
        free(run);
    }
}

static void push(struct recent *recent, struct recent_run *run, struct event *event)
{
    if (run->first + run->n == run->cap) {
        if (run->first > run->cap / 2) {
            memmove(run->rows, run->rows + run->first, run->n * sizeof(struct recent_row *));
            run->first = 0;
        } else {
            run->cap = run->cap ? run->cap * 2 : FIRST_ROWS;
            run->rows = mem_array(run->rows, run->cap, sizeof(struct recent_row *));
        }
    }
    run->rows[run->first + run->n] = row_new(recent, run, event);
    run->n++;
}

static void push_before(struct recent *recent, struct recent_run *run, struct event *const *events,
                        size_t n)
{
    struct recent_row **rows = mem_array(NULL, n + run->n, sizeof(struct recent_row *));
    for (size_t i = 0; i < n; i++) {
        rows[i] = row_new(recent, run, events[i]);
    }
    for (size_t i = 0; i < run->n; i++) {
        rows[n + i] = run->rows[run->first + i];
    }
    free(run->rows);
    run->rows = rows;
    run->first = 0;
    run->n += n;
    run->cap = run->n;
}

static uint64_t run_first(const struct recent_run *run)
{
    return offset_of(run->rows[run->first]);
}

uint64_t recent_run_last(const struct recent_run *run)
{
    return offset_of(run->rows[run->first + run->n - 1]);
}

struct recent_run *recent_find(const struct recent *recent, struct str channel)
{
    struct recent_run *run = NULL;
    HASH_FIND(hh, recent->runs, channel.ptr, channel.len, run);
    return run;
}

/* ---- what comes in ---- */

void recent_add(struct recent *recent, struct event *event)
{
    if (recent->max_rows == 0 || recent->max_bytes == 0) {
        return;
    }
    struct recent_run *run = recent_find(recent, event->f.channel);
    if (run && event->f.offset <= recent_run_last(run)) {
        return; /* a read was faster */
    }
    if (run && event->f.offset != recent_run_last(run) + 1) {
        /* The store tells rows without a hole; if ever not, those before it are of no use. */
        drop_first(recent, run, run->n);
        run = NULL;
    }
    push(recent, run ? run : run_new(recent, event->f.channel), event);
    recent_trim(recent);
}

static bool has_hole(struct event *const *events, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (events[i]->f.offset != events[0]->f.offset + i) {
            return true;
        }
    }
    return false;
}

void recent_adopt(struct recent *recent, struct event *const *events, size_t n, uint64_t fanned)
{
    if (n == 0 || recent->max_rows == 0 || recent->max_bytes == 0 || has_hole(events, n)) {
        return;
    }
    uint64_t first = events[0]->f.offset, last = events[n - 1]->f.offset;
    struct recent_run *run = recent_find(recent, events[0]->f.channel);
    if (!run && fanned <= last) {
        run = run_new(recent, events[0]->f.channel);
        push_before(recent, run, events, n);
    } else if (run && first < run_first(run) && last + 1 >= run_first(run)) {
        push_before(recent, run, events, (size_t)(run_first(run) - first));
    }
}

void recent_trim(struct recent *recent)
{
    while (recent->oldest &&
           (recent->bytes > recent->max_bytes || recent->n_rows > recent->max_rows)) {
        struct recent_run *run = recent->oldest->run;
        drop_first(recent, run, (size_t)(offset_of(recent->oldest) - run_first(run)) + 1);
    }
}

void recent_clear(struct recent *recent)
{
    struct recent_run *run, *next;
    HASH_ITER(hh, recent->runs, run, next)
    {
        drop_first(recent, run, run->n);
    }
    assert(recent->n_rows == 0 && recent->bytes == 0);
}

/* ---- what goes out ---- */

bool recent_run_after(const struct recent_run *run, uint64_t offset,
                      struct recent_row *const **rows, size_t *n)
{
    if (offset + 1 < run_first(run) || offset > recent_run_last(run)) {
        return false;
    }
    *n = (size_t)(recent_run_last(run) - offset);
    *rows = run->rows + run->first + (run->n - *n);
    return true;
}

struct frame *recent_replay(struct recent *recent, struct recent_row *row,
                            const struct protocol *protocol)
{
    if (!row->replay) {
        recent->bytes -= row_bytes(row);
        struct protocol_event told = protocol_event_of(&row->event->f);
        row->replay = protocol->event(&told, (struct str){0}, true);
        recent->bytes += row_bytes(row);
    }
    return row->replay;
}

/* What is the same for all is kept. */
struct frame *recent_history(struct recent *recent, struct recent_run *run, struct history *history)
{
    for (size_t i = run->n; i > 0 && !history->is_full; i--) {
        history_offer(history, run->rows[run->first + i - 1]->event);
    }
    if (!history->is_full && run_first(run) > 1) {
        return NULL;
    }
    uint64_t first = history_first(history), last = recent_run_last(run);
    bool is_public = first > 0 && !history->is_private;
    if (is_public && run->history && run->history_first == first && run->history_last == last) {
        return frame_ref(run->history);
    }
    struct frame *frame = history_encode(history);
    if (is_public) {
        forget_history(recent, run);
        run->history = frame_ref(frame);
        run->history_first = first;
        run->history_last = last;
        recent->bytes += frame->len;
    }
    return frame;
}
