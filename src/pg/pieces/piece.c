/* SPDX-License-Identifier: PostgreSQL */
/* Rows travel as they are in the log and not as the frames that they become: who may see one, and how,
 * is for each node to judge, by rules that it has from Postgres itself. */
#include "pg/pieces/piece.h"

#include "pg/rows.h"

enum {
    FLAG_ALTERED = 1,
    HEAD_BYTES = 256, /* about: the epoch and a time */
    ROW_BYTES = 64,   /* what stands around a row's texts */
};

/* ---- writing ---- */

static void write_head(const struct piece_head *head, struct buf *out)
{
    parcel_put_u64(out, head->term);
    parcel_put_str(out, head->epoch);
    parcel_put_u8(out, head->is_altered ? FLAG_ALTERED : 0);
    parcel_put_u64(out, head->first);
    parcel_put_u64(out, head->last);
    parcel_put_u32(out, head->n_rows);
    parcel_put_str(out, head->at);
}

void piece_write_numbers(const struct piece_head *head, struct buf *out)
{
    struct piece_head numbers = *head;
    numbers.n_rows = 0;
    numbers.at = (struct str){0};
    write_head(&numbers, out);
}

static size_t place_bytes(const struct place *place)
{
    const struct event_fields *fields = &place->event->f;
    return ROW_BYTES + fields->channel.len + fields->client.len + place->options.len +
           fields->payload.len + fields->kept.len;
}

static void write_row(const struct place *place, struct buf *out)
{
    const struct event_fields *fields = &place->event->f;
    parcel_put_u64(out, fields->offset);
    parcel_put_str(out, fields->channel);
    parcel_put_u8(out, fields->action == EVENT_ACTION_MESSAGE);
    parcel_put_str(out, fields->client);
    parcel_put_str(out, place->options);
    parcel_put_str(out, fields->payload);
    parcel_put_u64(out, fields->xid);
    parcel_put_u8(out, fields->shape != NULL);
    parcel_put_u64(out, fields->shape ? (uint64_t)fields->shape->f.number : 0);
    parcel_put_str(out, fields->kept);
}

/* How many from `from` on make a piece; 0: that one is too large for any. */
static size_t fit(const struct batch *batch, size_t from)
{
    size_t bytes = HEAD_BYTES, n = 0;
    while (from + n < batch->n) {
        bytes += place_bytes(&batch->places[from + n]);
        if (bytes > PIECE_BYTES) {
            break;
        }
        n++;
    }
    return n;
}

void piece_cut(const struct batch *batch, struct piece_head head, piece_fn *fn, void *arg)
{
    struct buf body = {0};
    for (size_t from = 0; from < batch->n;) {
        size_t n = fit(batch, from), n_told = n > 0 ? n : 1;
        head.first = batch->places[from].event->f.id;
        head.last = head.first + n_told - 1;
        head.n_rows = (uint32_t)n;
        head.at = batch->places[from].event->f.at;
        buf_clear(&body);
        if (n == 0) {
            piece_write_numbers(&head, &body);
        } else {
            write_head(&head, &body);
        }
        for (size_t i = 0; i < n; i++) {
            write_row(&batch->places[from + i], &body);
        }
        fn(arg, buf_span(&body));
        from += n_told;
    }
    buf_release(&body);
}

/* ---- reading ---- */

bool piece_open(struct str body, struct piece_head *head, struct parcel *rows)
{
    *rows = parcel_of(body);
    *head = (struct piece_head){.term = parcel_u64(rows), .epoch = parcel_str(rows)};
    head->is_altered = (parcel_u8(rows) & FLAG_ALTERED) != 0;
    head->first = parcel_u64(rows);
    head->last = parcel_u64(rows);
    head->n_rows = parcel_u32(rows);
    head->at = parcel_str(rows);
    bool is_whole = head->n_rows == 0 || head->last - head->first == head->n_rows - 1;
    return !rows->is_bad && head->epoch.len > 0 && head->first > 0 && head->first <= head->last &&
           head->last < INT64_MAX && is_whole;
}

bool piece_read_row(struct parcel *rows, const struct piece_head *head, struct piece_row *row)
{
    *row = (struct piece_row){.fields = {.offset = parcel_u64(rows), .at = head->at}};
    row->fields.channel = parcel_str(rows);
    row->fields.action = parcel_u8(rows) ? EVENT_ACTION_MESSAGE : EVENT_ACTION_EVENT;
    row->fields.client = parcel_str(rows);
    row->options = parcel_str(rows);
    row->fields.payload = parcel_str(rows);
    row->fields.xid = parcel_u64(rows);
    row->has_shape = parcel_u8(rows) != 0;
    row->shape = (int64_t)parcel_u64(rows);
    row->fields.kept = parcel_str(rows);
    return !rows->is_bad && row->fields.offset > 0 && row->fields.channel.len > 0 &&
           row->fields.payload.ptr;
}
