/* SPDX-License-Identifier: PostgreSQL */
/* The payload is the only source: what a client is shown is what was judged, and an event that comes
 * back from the log is judged like one that has just been captured. Its keys are spelled as the shape
 * spells its labels (core/row/json.c put them), so they are compared as bytes. */
#include "core/live/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/json_walk.h"
#include "core/live/value/key.h"

struct reading {
    struct live_rows *rows;
    const struct shape *shape;
    size_t *wanted; /* columns */
    size_t n_wanted;
};

static void make_room(struct live_rows *rows, size_t n_values)
{
    for (size_t side = 0; side < N_LIVE_SIDES; side++) {
        if (n_values > rows->n_values) {
            rows->values[side] = mem_array(rows->values[side], n_values, sizeof(struct live_value));
        }
        if (n_values > 0) {
            memset(rows->values[side], 0, n_values * sizeof(struct live_value));
        }
        rows->has[side] = false;
    }
    rows->n_values = n_values > rows->n_values ? n_values : rows->n_values;
    buf_clear(&rows->keys);
    buf_reserve(&rows->keys, 1); /* the key of an empty text lies somewhere too */
}

static void take_value(const struct reading *r, enum live_side side, size_t column, struct str json)
{
    struct live_value *value = &r->rows->values[side][column];
    if (value->state != LIVE_LACKING) {
        return;
    }
    if (json_kind_of(json) == JSON_KIND_NULL) {
        value->state = LIVE_NULL;
        return;
    }
    struct buf *keys = &r->rows->keys;
    value->at = keys->len;
    switch (key_put(keys, &r->shape->f.columns[column], json, &r->rows->scratch)) {
    case KEY_FITS:
        value->state = LIVE_VALUE;
        break;
    case KEY_UNKNOWN:
        value->state = LIVE_UNKNOWN;
        break;
    case KEY_UNFIT:
        break;
    }
    value->len = keys->len - value->at;
}

/* ,"name": in the label and "name" here. */
static bool is_label(const struct row_field *field, struct str key)
{
    return field->label_len == key.len + 2 && memcmp(field->label + 1, key.ptr, key.len) == 0;
}

static void read_member(const struct reading *r, enum live_side side, struct str key,
                        struct str value)
{
    for (size_t i = 0; i < r->n_wanted; i++) {
        if (is_label(&r->shape->f.columns[r->wanted[i]].field, key)) {
            take_value(r, side, r->wanted[i], value);
            return;
        }
    }
}

/* The row that the walk stands at; absent: it is none. */
static struct str read_row(const struct reading *r, enum live_side side, struct json_walk *data)
{
    const char *start = data->p;
    struct json_walk row;
    struct str key, value;
    if (!json_walk_enter(data, &row)) {
        json_walk_value(data);
        return (struct str){0};
    }
    while (json_walk_next(&row, &key, &value)) {
        read_member(r, side, key, value);
    }
    json_walk_leave(data, &row);
    return (struct str){start, (size_t)(data->p - start)};
}

struct told {
    struct str rows[N_LIVE_SIDES]; /* absent: no row */
};

/* {"new":{…},"old":{…}, …}, once from its start to its end. */
static struct told read_rows(const struct reading *r, struct json_walk *data)
{
    struct told told = {0};
    struct str key;
    while (json_walk_key(data, &key)) {
        if (str_equals(key, STR("\"new\""))) {
            told.rows[LIVE_NEW] = read_row(r, LIVE_NEW, data);
        } else if (str_equals(key, STR("\"old\""))) {
            told.rows[LIVE_OLD] = read_row(r, LIVE_OLD, data);
        } else {
            json_walk_value(data);
        }
    }
    return told;
}

static struct told read_payload(const struct reading *r, struct str payload)
{
    struct json_walk walk = json_walk_open(payload), data;
    struct str key;
    while (json_walk_key(&walk, &key)) {
        if (str_equals(key, STR("\"data\"")) && json_walk_enter(&walk, &data)) {
            return read_rows(r, &data);
        }
        json_walk_value(&walk);
    }
    return (struct told){0};
}

void live_rows_read(struct live_rows *rows, const struct shape *shape,
                    const struct column_set *columns, struct str payload, struct str kept)
{
    size_t wanted[COLUMN_SET_MAX];
    struct reading r = {.rows = rows, .shape = shape, .wanted = wanted};
    for (size_t i = 0; i < shape->f.n_columns; i++) {
        if (column_set_has(columns, i)) {
            wanted[r.n_wanted++] = i;
        }
    }
    make_room(rows, shape->f.n_columns);
    struct told told = read_payload(&r, payload);
    struct json_walk walk = json_walk_open(kept);
    read_rows(&r, &walk);
    rows->has[LIVE_OLD] = told.rows[LIVE_OLD].ptr;
    rows->has[LIVE_NEW] = told.rows[LIVE_NEW].ptr;
}

static void put_members(struct buf *out, struct json_walk *row)
{
    struct str key, value;
    while (json_walk_next(row, &key, &value)) {
        buf_literal(out, out->data[out->len - 1] == '{' ? "" : ",");
        buf_str(out, key);
        buf_char(out, ':');
        buf_str(out, value);
    }
}

/* Of {"new":{…},"old":{…}, …}. False: there is no such row. */
static bool put_row(struct buf *out, struct str side, struct json_walk *data)
{
    struct json_walk row;
    struct str key;
    while (json_walk_key(data, &key)) {
        if (str_equals(key, side) && json_walk_enter(data, &row)) {
            put_members(out, &row);
            return true;
        }
        json_walk_value(data);
    }
    return false;
}

static bool put_payload(struct buf *out, struct str side, struct str payload)
{
    struct json_walk walk = json_walk_open(payload), data;
    struct str key;
    while (json_walk_key(&walk, &key)) {
        if (str_equals(key, STR("\"data\"")) && json_walk_enter(&walk, &data)) {
            return put_row(out, side, &data);
        }
        json_walk_value(&walk);
    }
    return false;
}

bool live_image_put(struct buf *out, enum live_side side, struct str payload, struct str kept)
{
    struct str name = side == LIVE_OLD ? STR("\"old\"") : STR("\"new\"");
    struct json_walk also = json_walk_open(kept);
    size_t mark = out->len;
    buf_char(out, '{');
    if (!put_payload(out, name, payload)) {
        out->len = mark;
        return false;
    }
    (void)put_row(out, name, &also);
    buf_char(out, '}');
    return true;
}

void live_rows_release(struct live_rows *rows)
{
    free(rows->values[LIVE_OLD]);
    free(rows->values[LIVE_NEW]);
    buf_release(&rows->keys);
    buf_release(&rows->scratch);
    *rows = (struct live_rows){0};
}

enum live_state live_rows_value(const struct live_rows *rows, enum live_side side, size_t column,
                                struct str *key)
{
    const struct live_value *value = &rows->values[side][column];
    if (value->state == LIVE_VALUE) {
        *key = (struct str){rows->keys.data + value->at, value->len};
    }
    return value->state;
}
