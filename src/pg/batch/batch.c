/* SPDX-License-Identifier: PostgreSQL */
/* A TRUNCATE is one event for each channel that its template has. If there are columns in that, it
 * makes the first rows of a batch and never others: then every channel that a row before it named is
 * in the table of channels. What stands behind it in the outbox goes with it. If it has more channels
 * than a batch has rows, the batch ends in the middle of it. One that follows another of the same
 * shape, with nothing of that watch between them, says nothing new and is passed over.
 *
 * Rows are told in their order, but for what triggers of others have put in front (order.h). */
#include "pg/batch/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"
#include "core/row/channel.h"
#include "pg/batch/order.h"
#include "pg/rows.h"

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

uint64_t batch_row_id(const struct batch *batch, int row)
{
    return rows_u64(batch->rows, row, TAKE_COLUMN_ID);
}

static size_t row_bytes(const struct batch *batch, int row)
{
    return (size_t)PQgetlength(batch->rows, row, TAKE_COLUMN_OLD) +
           (size_t)PQgetlength(batch->rows, row, TAKE_COLUMN_NEW);
}

uint64_t batch_largest_id(const struct batch *batch)
{
    int largest = 1;
    for (int row = 2; row <= batch->last_row; row++) {
        largest = row_bytes(batch, row) > row_bytes(batch, largest) ? row : largest;
    }
    return batch_row_id(batch, largest);
}

static char row_action(const struct batch *batch, int row)
{
    struct str letters = rows_text(batch->rows, row, TAKE_COLUMN_ACTION);
    return letters.len > 0 ? letters.ptr[0] : 0;
}

static char row_reduced(const struct batch *batch, int row)
{
    struct str letters = rows_text(batch->rows, row, TAKE_COLUMN_ACTION);
    return letters.len > 1 && !strchr("<>", letters.ptr[1]) ? letters.ptr[1] : 0;
}

static bool row_has_shape(const struct batch *batch, int row)
{
    return !PQgetisnull(batch->rows, row, TAKE_COLUMN_SHAPE);
}

static struct shape *row_shape(const struct batch *batch, const struct shapes *shapes, int row)
{
    return row_has_shape(batch, row)
               ? shapes_find(shapes, rows_i64(batch->rows, row, TAKE_COLUMN_SHAPE))
               : NULL;
}

void batch_want_shapes(const struct batch *batch, const struct shapes *shapes,
                       struct shape_wish *wish)
{
    shapes_want_column(shapes, batch->rows, TAKE_COLUMN_SHAPE, wish);
}

bool batch_wants_emptied(const struct batch *batch, const struct batch_source *source,
                         struct buf *template, struct str *after)
{
    if (PQntuples(batch->rows) < 2 || row_action(batch, 1) != 't') {
        return false;
    }
    const struct shape *shape = row_shape(batch, source->shapes, 1);
    if (!shape || shape->in_template.n == 0 || emptied_has(source->emptied, shape)) {
        return false;
    }
    for (size_t i = 0; i < shape->f.n_template; i++) {
        const char *literal = shape->f.template[i].literal;
        buf_literal(template, literal ? literal : "{column}");
    }
    *after = rows_text(batch->rows, 0, TAKE_COLUMN_NEW);
    return true;
}

/* ---- filling ---- */

static void batch_blame(struct batch *batch, const struct shape *shape, enum change_fault fault,
                        bool is_skipped)
{
    if (batch->n_blemishes == batch->blemishes_cap) {
        batch->blemishes_cap = batch->blemishes_cap ? batch->blemishes_cap * 2 : 16;
        batch->blemishes =
            mem_array(batch->blemishes, batch->blemishes_cap, sizeof(*batch->blemishes));
    }
    batch->blemishes[batch->n_blemishes++] = (struct blemish){shape, fault, is_skipped};
}

static void batch_want_head(struct batch *batch, struct head *head)
{
    if (batch->n_unknown == batch->unknown_cap) {
        batch->unknown_cap = batch->unknown_cap ? batch->unknown_cap * 2 : 16;
        batch->unknown = mem_array(batch->unknown, batch->unknown_cap, sizeof(struct head *));
    }
    batch->unknown[batch->n_unknown++] = head;
    head->is_known = true; /* once it is asked for; a batch that fails forgets all */
}

/* All but its numbers, which batch_number gives. */
static void batch_add(struct batch *batch, struct heads *heads, struct event_fields *fields,
                      struct str options)
{
    if (batch->n == batch->cap) {
        batch->cap = batch->cap ? batch->cap * 2 : 64;
        batch->places = mem_array(batch->places, batch->cap, sizeof(*batch->places));
    }
    struct place *place = &batch->places[batch->n++];
    *place = (struct place){.head = heads_at(heads, fields->channel), .options = options};
    if (!place->head->is_known) {
        batch_want_head(batch, place->head);
    }
    fields->at = rows_text(batch->rows, 0, TAKE_COLUMN_OPTIONS);
    place->event = rows_event(fields, options);
}

static void batch_add_row(struct batch *batch, struct heads *heads, int row, struct shape *shape,
                          const struct change_event *event)
{
    struct event_fields fields = {
        .action = EVENT_ACTION_EVENT,
        .channel = event->channel,
        .payload = event->payload,
        .kept = event->kept,
        .xid = rows_u64(batch->rows, row, TAKE_COLUMN_XID),
        .shape = shape,
    };
    batch_add(batch, heads, &fields, rows_text(batch->rows, row, TAKE_COLUMN_OPTIONS));
}

static void take_publish(struct batch *batch, const struct batch_source *source, int row)
{
    struct str channel = rows_text(batch->rows, row, TAKE_COLUMN_CHANNEL);
    struct str payload = rows_text(batch->rows, row, TAKE_COLUMN_NEW);
    if (channel.len == 0 || channel.len > ROW_CHANNEL_MAX || !payload.ptr) {
        batch_blame(batch, NULL, CHANGE_FAULT_CHANNEL, true);
        return;
    }
    batch_add_row(batch, source->heads, row, NULL,
                  &(struct change_event){.channel = channel, .payload = payload});
}

static bool batch_has_reread(const struct batch *batch, const struct shape *shape,
                             struct str options)
{
    bool has = false;
    for (size_t i = 0; i < batch->n && !has; i++) {
        const struct place *place = &batch->places[i];
        has = event_is_reread(&place->event->f) && place->event->f.shape == shape &&
              str_equals(place->options, options);
    }
    return has;
}

/* Often in a batch is once: whoever is told reads after all of it. A TRUNCATE of the whole has said
 * it of its parts. */
static void take_reread(struct batch *batch, const struct batch_source *source, struct shape *shape,
                        int row)
{
    bool is_said = shape && emptied_has(source->emptied, shape);
    bool is_of_none = !shape && row_has_shape(batch, row); /* which nobody has rows of */
    if (!is_said && !is_of_none &&
        !batch_has_reread(batch, shape, rows_text(batch->rows, row, TAKE_COLUMN_OPTIONS))) {
        batch_add_row(
            batch, source->heads, row, shape,
            &(struct change_event){.channel = EVENT_REREAD_CHANNEL, .payload = STR("{}")});
    }
}

static void take_change(struct batch *batch, const struct batch_source *source, struct shape *shape,
                        int row)
{
    struct change_row change = {
        .action = row_action(batch, row),
        .reduced = row_reduced(batch, row),
        .old = rows_text(batch->rows, row, TAKE_COLUMN_OLD),
        .new = rows_text(batch->rows, row, TAKE_COLUMN_NEW),
    };
    struct change_event events[2];
    enum change_fault fault;
    size_t n = change_events(shape, &change, &batch->scratch, events, &fault);
    for (size_t i = 0; i < n; i++) {
        batch_add_row(batch, source->heads, row, shape, &events[i]);
    }
    if (fault != CHANGE_FAULT_NONE) {
        batch_blame(batch, shape, fault, n == 0);
    }
    emptied_forget(source->emptied, shape);
}

static void announce_truncate(struct batch *batch, const struct batch_source *source,
                              struct shape *shape, int row)
{
    struct buf payload = {0};
    change_truncate(shape, &payload);
    struct change_event event = {.channel = shape_channel_prefix(shape),
                                 .payload = buf_span(&payload)};
    if (shape->in_template.n == 0) {
        batch_add_row(batch, source->heads, row, shape, &event);
    }
    for (int i = 0; row == 1 && batch->emptied && i < PQntuples(batch->emptied); i++) {
        event.channel = rows_text(batch->emptied, i, 0);
        batch_add_row(batch, source->heads, row, shape, &event);
    }
    buf_release(&payload);
}

/* False: the batch ends before it, or in the middle of it. */
static bool take_truncate(struct batch *batch, const struct batch_source *source,
                          struct shape *shape, int row)
{
    if (emptied_has(source->emptied, shape)) {
        return true;
    }
    if (row > 1 && shape->in_template.n > 0) {
        return false;
    }
    announce_truncate(batch, source, shape, row);
    if (row == 1 && batch->emptied && (size_t)PQntuples(batch->emptied) == source->max_rows) {
        batch->last_channel = rows_text(batch->emptied, PQntuples(batch->emptied) - 1, 0);
        return false;
    }
    emptied_add(source->emptied, shape);
    return true;
}

/* False: the batch ends before this row. */
static bool take_row(struct batch *batch, const struct batch_source *source, int row)
{
    char action = row_action(batch, row);
    struct shape *shape = row_shape(batch, source->shapes, row);
    if (source->poison_id > 0 && batch_row_id(batch, row) == source->poison_id) {
        batch_blame(batch, shape, CHANGE_FAULT_UNPRINTABLE, true);
    } else if (action == 'p') {
        take_publish(batch, source, row);
    } else if (action == 'a') {
        batch->is_altered = true;
    } else if (action == 'r') {
        take_reread(batch, source, shape, row);
    } else if (!shape) {
        batch_blame(batch, NULL, CHANGE_FAULT_STALE, true);
    } else if (action != 't') {
        take_change(batch, source, shape, row);
    } else if (!take_truncate(batch, source, shape, row)) {
        return false;
    }
    batch->row_bytes += row_bytes(batch, row);
    return true;
}

void batch_fill(struct batch *batch, const struct batch_source *source)
{
    int n = PQntuples(batch->rows) - 1;
    int most = source->few_rows > 0 && source->few_rows < (size_t)n ? (int)source->few_rows : n;
    if (source->is_without_rows) {
        batch->last_channel = rows_text(batch->rows, 0, TAKE_COLUMN_NEW);
    }
    int *order = batch_order(batch->rows, most);
    for (int place = 1; place <= most && take_row(batch, source, order[place]); place++) {
        batch->last_row = place;
    }
    free(order);
    batch->n_rows = batch->last_row;
    if (batch->emptied) {
        batch->n_rows += PQntuples(batch->emptied);
    }
    batch->is_all = !source->is_without_rows && row_action(batch, 0) != 'l' &&
                    batch->last_row == n && (size_t)n < source->max_rows &&
                    batch->row_bytes < source->max_bytes;
}

void batch_add_messages(struct batch *batch, struct heads *heads, const struct messages *messages,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct message *message = messages_at(messages, i);
        struct event_fields fields = message->event->f;
        batch_add(batch, heads, &fields, rows_options(message->event));
        batch->places[batch->n - 1].ticket = message->ticket;
        batch->n_keyed += ticket_key(message->ticket).ptr != NULL;
    }
    batch->n_messages = n;
}

/* ---- numbering ---- */

/* Until now nobody but us has seen these events. */
void batch_number(struct batch *batch)
{
    uint64_t newest = batch_newest(batch);
    for (size_t i = 0; i < batch->n; i++) {
        struct event *event = batch->places[i].event;
        event->f.id = newest + i + 1;
        event->f.offset = ++batch->places[i].head->offset;
    }
}

/* ---- storing ---- */

typedef struct str place_part(const struct place *place);

static struct str place_channel(const struct place *place)
{
    return place->event->f.channel;
}

static struct str place_payload(const struct place *place)
{
    return place->event->f.payload;
}

static struct str place_options(const struct place *place)
{
    return place->options;
}

static struct str place_client(const struct place *place)
{
    return place->event->f.client;
}

static struct str place_kept(const struct place *place)
{
    return place->event->f.kept;
}

static void add_parts(const struct batch *batch, struct params *params, place_part *part)
{
    for (size_t i = 0; i < batch->n; i++) {
        params_array_add(params, part(&batch->places[i]));
    }
    params_array_end(params);
}

static void add_texts(const struct batch *batch, struct params *params, place_part *part)
{
    params_array_begin(params, batch->n);
    add_parts(batch, params, part);
}

static void add_json(const struct batch *batch, struct params *params, place_part *part)
{
    params_json_begin(params, batch->n);
    add_parts(batch, params, part);
}

static struct str place_by(const struct place *place)
{
    return ticket_by(place->ticket);
}

static struct str place_key(const struct place *place)
{
    return ticket_key(place->ticket);
}

/* Most batches have nothing here, which an absent array says for less. */
static void add_rare_json(const struct batch *batch, struct params *params, place_part *part)
{
    for (size_t i = 0; i < batch->n; i++) {
        if (part(&batch->places[i]).ptr) {
            add_json(batch, params, part);
            return;
        }
    }
    params_null_array(params);
}

static void add_offsets(const struct batch *batch, struct params *params)
{
    params_numbers_begin(params, PARAMS_NUMBERS_BIGINT, batch->n);
    for (size_t i = 0; i < batch->n; i++) {
        params_numbers_add(params, (int64_t)batch->places[i].event->f.offset);
    }
    params_array_end(params);
}

static void add_xids(const struct batch *batch, struct params *params)
{
    params_numbers_begin(params, PARAMS_NUMBERS_XID8, batch->n);
    for (size_t i = 0; i < batch->n; i++) {
        uint64_t xid = batch->places[i].event->f.xid;
        if (xid > 0) {
            params_numbers_add(params, (int64_t)xid);
        } else {
            params_numbers_null(params);
        }
    }
    params_array_end(params);
}

static void add_shapes(const struct batch *batch, struct params *params)
{
    params_numbers_begin(params, PARAMS_NUMBERS_BIGINT, batch->n);
    for (size_t i = 0; i < batch->n; i++) {
        const struct shape *shape = batch->places[i].event->f.shape;
        if (shape) {
            params_numbers_add(params, shape->f.number);
        } else {
            params_numbers_null(params);
        }
    }
    params_array_end(params);
}

static void add_progress(const struct batch *batch, struct params *params)
{
    params_text(params, rows_text(batch->rows, 0, TAKE_COLUMN_OLD));
    if (batch->last_row > 0) {
        params_bigint(params, (int64_t)batch_row_id(batch, batch->last_row));
    } else {
        params_null_bigint(params);
    }
    params_text(params, batch->last_channel.ptr ? batch->last_channel : STR(""));
    params_bool(params, batch->is_all);
}

void batch_params(const struct batch *batch, struct params *params)
{
    params_text(params, str_of(batch->name));
    params_bigint(params, (int64_t)batch_position(batch));
    params_text(params, batch_epoch(batch));
    add_progress(batch, params);
    params_text(params, rows_text(batch->rows, 0, TAKE_COLUMN_OPTIONS));
    add_texts(batch, params, place_channel);
    add_offsets(batch, params);
    add_json(batch, params, place_payload);
    add_rare_json(batch, params, place_options);
    add_rare_json(batch, params, place_client);
    add_xids(batch, params);
    add_shapes(batch, params);
    add_rare_json(batch, params, place_kept);
    params_int(params, (int32_t)batch->n_messages);
    if (batch->n_keyed > 0) {
        add_texts(batch, params, place_by);
        add_texts(batch, params, place_key);
    } else {
        params_null_array(params);
        params_null_array(params);
    }
}

void batch_clear(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        event_unref(batch->places[i].event);
    }
    PQclear(batch->rows);
    PQclear(batch->emptied);
    batch->rows = batch->emptied = NULL;
    batch->n = batch->n_messages = batch->n_keyed = batch->n_unknown = batch->n_blemishes = 0;
    batch->n_rows = batch->last_row = 0;
    batch->row_bytes = 0;
    batch->last_channel = (struct str){0};
    batch->is_all = batch->is_altered = false;
}

void batch_release(struct batch *batch)
{
    batch_clear(batch);
    free(batch->places);
    free(batch->unknown);
    free(batch->blemishes);
    change_scratch_release(&batch->scratch);
}
