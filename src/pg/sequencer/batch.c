/* SPDX-License-Identifier: PostgreSQL */
/* A TRUNCATE is one event for each channel that its template has. It makes the first rows of a
 * batch and never others: then every channel that a row before it named is in the table of channels.
 * What stands behind it in the outbox goes with it. If it has more channels than a batch has rows,
 * the batch ends in the middle of it. */
#include "pg/sequencer/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pg/rows.h"

enum { CHANNEL_MAX = 255 };

/* ---- what take said ---- */

uint64_t batch_position(const struct batch *batch)
{
    return rows_u64(batch->rows, 0, TAKE_COLUMN_ID);
}

uint64_t batch_newest(const struct batch *batch)
{
    return rows_u64(batch->rows, 0, TAKE_COLUMN_XID);
}

struct str batch_epoch(const struct batch *batch)
{
    return rows_text(batch->rows, 0, TAKE_COLUMN_CHANNEL);
}

static struct str batch_time(const struct batch *batch, struct str *snapshot)
{
    struct str both = rows_text(batch->rows, 0, TAKE_COLUMN_OPTIONS);
    const char *space = both.len > 0 ? memchr(both.ptr, ' ', both.len) : NULL;
    size_t len = space ? (size_t)(space - both.ptr) : both.len;
    *snapshot = (struct str){space ? space + 1 : "", space ? both.len - len - 1 : 0};
    return (struct str){both.ptr, len};
}

static bool is_action(const struct batch *batch, int row, char action)
{
    struct str text = rows_text(batch->rows, row, TAKE_COLUMN_ACTION);
    return text.len == 1 && text.ptr[0] == action;
}

struct str batch_emptied(const struct batch *batch, struct str *after)
{
    *after = rows_text(batch->rows, 0, TAKE_COLUMN_PAYLOAD);
    return PQntuples(batch->rows) > 1 && is_action(batch, 1, 't')
               ? rows_text(batch->rows, 1, TAKE_COLUMN_CHANNEL)
               : (struct str){0};
}

/* ---- filling ---- */

static struct place *add_place(struct batch *batch, struct heads *heads, struct str channel)
{
    if (batch->n == batch->cap) {
        batch->cap = batch->cap ? batch->cap * 2 : 64;
        batch->places = mem_array(batch->places, batch->cap, sizeof(*batch->places));
    }
    struct place *place = &batch->places[batch->n++];
    *place = (struct place){.head = heads_at(heads, channel)};
    place->fields.channel = channel;
    if (!place->head->is_known) {
        if (batch->n_unknown == batch->unknown_cap) {
            batch->unknown_cap = batch->unknown_cap ? batch->unknown_cap * 2 : 16;
            batch->unknown = mem_array(batch->unknown, batch->unknown_cap, sizeof(struct head *));
        }
        batch->unknown[batch->n_unknown++] = place->head;
        place->head->is_known = true; /* once it is asked for; a batch that fails forgets all */
    }
    return place;
}

/* How the trigger functions end a change that is announced by key only (sql/0004). A publish may
 * end so, too: it is a hint. */
static bool is_reduced(struct str payload)
{
    static const char end[] = ",\"truncated_to_key\":true},\"dbo_id\":0,\"row_id\":0}";
    size_t len = sizeof(end) - 1;
    return payload.len >= len && memcmp(payload.ptr + payload.len - len, end, len) == 0;
}

static void take_event(struct batch *batch, struct heads *heads, int row)
{
    struct str channel = rows_text(batch->rows, row, TAKE_COLUMN_CHANNEL);
    if (channel.len == 0 || channel.len > CHANNEL_MAX) {
        batch->n_skipped++;
        return;
    }
    struct place *place = add_place(batch, heads, channel);
    place->fields.action = EVENT_ACTION_EVENT;
    place->fields.payload = rows_text(batch->rows, row, TAKE_COLUMN_PAYLOAD);
    place->options = rows_text(batch->rows, row, TAKE_COLUMN_OPTIONS);
    batch->has_reduced |= is_reduced(place->fields.payload);
}

/* False: there are more channels than go into this batch. */
static bool take_truncate(struct batch *batch, struct heads *heads, int row, size_t max_rows)
{
    int n = PQntuples(batch->emptied);
    for (int i = 0; i < n; i++) {
        struct place *place = add_place(batch, heads, rows_text(batch->emptied, i, 0));
        place->fields.action = EVENT_ACTION_EVENT;
        place->fields.payload = rows_text(batch->rows, row, TAKE_COLUMN_PAYLOAD);
    }
    if ((size_t)n == max_rows) {
        batch->last_channel = rows_text(batch->emptied, n - 1, 0);
        return false;
    }
    return true;
}

/* False: the batch ends before this row. */
static bool take_row(struct batch *batch, struct heads *heads, int row, size_t max_rows)
{
    if (is_action(batch, row, 'e')) {
        take_event(batch, heads, row);
    } else if (!is_action(batch, row, 't')) {
        batch->n_skipped++;
    } else if (row > 1 || !take_truncate(batch, heads, row, max_rows)) {
        return false;
    }
    batch->row_bytes += (size_t)PQgetlength(batch->rows, row, TAKE_COLUMN_PAYLOAD);
    return true;
}

void batch_take(struct batch *batch, struct heads *heads, struct batch_limits limits)
{
    int n = PQntuples(batch->rows) - 1;
    for (int row = 1; row <= n && take_row(batch, heads, row, limits.rows); row++) {
        batch->last_row = row;
    }
    batch->n_rows = (int)batch->n > batch->last_row ? (int)batch->n : batch->last_row;
    batch->is_all = !is_action(batch, 0, 'l') && batch->last_row == n && (size_t)n < limits.rows &&
                    batch->row_bytes < limits.bytes;
}

void batch_add_messages(struct batch *batch, struct heads *heads, const struct messages *messages,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct event *message = messages_at(messages, i)->event;
        struct place *place = add_place(batch, heads, message->f.channel);
        place->fields = message->f;
        place->options = rows_options(message);
    }
    batch->n_messages = n;
}

/* ---- numbering ---- */

void batch_number(struct batch *batch)
{
    struct str snapshot, at = batch_time(batch, &snapshot);
    uint64_t newest = batch_newest(batch);
    batch->events = mem_array(NULL, batch->n, sizeof(struct event *));
    for (size_t i = 0; i < batch->n; i++) {
        struct place *place = &batch->places[i];
        place->fields.id = newest + i + 1;
        place->fields.offset = ++place->head->offset;
        place->fields.at = at;
        batch->events[i] = rows_event(&place->fields, place->options);
    }
}

/* ---- storing ---- */

typedef struct str place_part(const struct place *place);

static struct str place_channel(const struct place *place)
{
    return place->fields.channel;
}

static struct str place_payload(const struct place *place)
{
    return place->fields.payload;
}

static struct str place_options(const struct place *place)
{
    return place->options;
}

static struct str place_client(const struct place *place)
{
    return place->fields.client;
}

static void add_texts(const struct batch *batch, struct params *params, place_part *part)
{
    params_array_begin(params, batch->n);
    for (size_t i = 0; i < batch->n; i++) {
        params_array_add(params, part(&batch->places[i]));
    }
    params_array_end(params);
}

/* Most batches have nothing here, which an absent array says for less. */
static void add_rare_texts(const struct batch *batch, struct params *params, place_part *part)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (part(&batch->places[i]).ptr) {
            add_texts(batch, params, part);
            return;
        }
    }
    params_null_array(params);
}

static void add_offsets(const struct batch *batch, struct params *params)
{
    params_bigints_begin(params, batch->n);
    for (size_t i = 0; i < batch->n; i++) {
        params_bigints_add(params, (int64_t)batch->places[i].fields.offset);
    }
    params_array_end(params);
}

void batch_params(const struct batch *batch, struct params *params)
{
    struct str snapshot, at = batch_time(batch, &snapshot);
    params_text(params, str_of(batch->name));
    params_bigint(params, (int64_t)batch_position(batch));
    params_text(params, batch_epoch(batch));
    params_text(params, snapshot);
    if (batch->last_row > 0) {
        params_bigint(params, (int64_t)rows_u64(batch->rows, batch->last_row, TAKE_COLUMN_ID));
    } else {
        params_null_bigint(params);
    }
    params_text(params, batch->last_channel.ptr ? batch->last_channel : STR(""));
    params_bool(params, batch->is_all);
    params_int(params, (int32_t)batch->n_skipped);
    params_text(params, at);
    add_texts(batch, params, place_channel);
    add_offsets(batch, params);
    add_texts(batch, params, place_payload);
    add_rare_texts(batch, params, place_options);
    add_rare_texts(batch, params, place_client);
    params_int(params, (int32_t)batch->n_messages);
}

void batch_clear(struct batch *batch)
{
    for (size_t i = 0; batch->events && i < batch->n; i++) {
        event_unref(batch->events[i]);
    }
    free(batch->events);
    PQclear(batch->rows);
    PQclear(batch->emptied);
    batch->events = NULL;
    batch->rows = batch->emptied = NULL;
    batch->n = batch->n_messages = batch->n_unknown = 0;
    batch->n_rows = batch->last_row = 0;
    batch->row_bytes = 0;
    batch->n_skipped = 0;
    batch->last_channel = (struct str){0};
    batch->is_all = batch->has_reduced = false;
}

void batch_release(struct batch *batch)
{
    batch_clear(batch);
    free(batch->places);
    free(batch->unknown);
}
