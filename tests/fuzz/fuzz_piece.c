/* SPDX-License-Identifier: PostgreSQL */
/* A piece of the log, as a node of another version may send it: it is refused, or what is read lies
 * within it, and only as many rows come out as numbers were named. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pg/pieces/piece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct str part, struct str body)
{
    assert(!part.ptr || (part.ptr >= body.ptr && part.ptr + part.len <= body.ptr + body.len));
}

static void check_row(const struct piece_row *row, struct str body)
{
    assert(row->fields.offset > 0 && row->fields.channel.len > 0 && row->fields.payload.ptr);
    check_within(row->fields.channel, body);
    check_within(row->fields.client, body);
    check_within(row->fields.payload, body);
    check_within(row->fields.kept, body);
    check_within(row->options, body);
}

/* What says only numbers is written again as it was. */
static void check_numbers(const struct piece_head *head)
{
    struct buf out = {0};
    struct piece_head again;
    struct parcel rows;
    piece_write_numbers(head, &out);
    assert(piece_open(buf_span(&out), &again, &rows) && parcel_is_done(&rows));
    assert(again.term == head->term && again.is_altered == head->is_altered);
    assert(again.first == head->first && again.last == head->last && again.n_rows == 0);
    assert(str_equals(again.epoch, head->epoch));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mem_alloc(size > 0 ? size : 1); /* a read behind it is seen */
    struct str body = {copy, size};
    struct piece_head head;
    struct piece_row row;
    struct parcel rows;
    memcpy(copy, data, size);
    if (piece_open(body, &head, &rows)) {
        assert(head.first > 0 && head.first <= head.last && head.epoch.len > 0);
        assert(head.n_rows == 0 || head.last - head.first + 1 == head.n_rows);
        check_within(head.epoch, body);
        check_within(head.at, body);
        check_numbers(&head);
        uint32_t n = 0;
        while (n < head.n_rows && piece_read_row(&rows, &head, &row)) {
            check_row(&row, body);
            n++;
        }
        assert(n <= size);
    }
    free(copy);
    return 0;
}
