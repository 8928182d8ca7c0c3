/* SPDX-License-Identifier: PostgreSQL */
/* Results come in text format: the texts are wanted as text, and a few digits per row cost less
 * than a second set of rules for binary numbers. A payload is copied once, from the result into the
 * event, and never looked at. */
#include "pg/rows.h"

#include <jansson.h>

struct str rows_text(const PGresult *rows, int row, int column)
{
    if (PQgetisnull(rows, row, column)) {
        return (struct str){0};
    }
    return (struct str){PQgetvalue(rows, row, column), (size_t)PQgetlength(rows, row, column)};
}

uint64_t rows_u64(const PGresult *rows, int row, int column)
{
    uint64_t number = 0;
    (void)str_to_u64(rows_text(rows, row, column), &number);
    return number;
}

int64_t rows_i64(const PGresult *rows, int row, int column)
{
    struct str text = rows_text(rows, row, column);
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t number = 0;
    if (is_negative) {
        text = (struct str){text.ptr + 1, text.len - 1};
    }
    (void)str_to_u64(text, &number);
    return (int64_t)(is_negative ? 0 - number : number);
}

bool rows_bool(const PGresult *rows, int row, int column)
{
    return str_equals(rows_text(rows, row, column), STR("t"));
}

/* Whom dbo_id and row_id name. What is there but cannot name anybody is for nobody: a mistake must
 * not show one user's events to all. (No identity has an absent row_id that an audience could
 * name.) */
static struct audience named_audience(const json_t *dbo_id, const json_t *row_id)
{
    json_int_t number = json_integer_value(dbo_id);
    bool has_row = row_id && !json_is_null(row_id);
    if (!json_is_integer(dbo_id) || number == 0 || number < INT32_MIN || number > INT32_MAX ||
        (has_row && !json_is_string(row_id))) {
        return (struct audience){.kind = AUDIENCE_USER};
    }
    return (struct audience){
        .kind = has_row ? AUDIENCE_USER : AUDIENCE_TABLE,
        .dbo_id = (int32_t)number,
        .row_id = {json_string_value(row_id), json_string_length(row_id)},
    };
}

/* Options exist on few events, so they may cost a parser. They say for whom the event is:
 * {"authenticated":true} for those who are signed in, {"dbo_id":12} for one table's users,
 * {"dbo_id":12,"row_id":"34"} for one user. Returns the parsed text, which holds the row_id. */
static json_t *read_options(struct str options, struct audience *audience)
{
    *audience = (struct audience){.kind = AUDIENCE_ALL};
    if (!options.ptr) {
        return NULL;
    }
    json_t *json = json_loadb(options.ptr, options.len, 0, NULL);
    const json_t *dbo_id = json_object_get(json, "dbo_id");
    if (!json || (dbo_id && !json_is_null(dbo_id))) {
        *audience = named_audience(dbo_id, json_object_get(json, "row_id"));
    } else if (json_is_true(json_object_get(json, "authenticated"))) {
        audience->kind = AUDIENCE_AUTHENTICATED;
    }
    return json;
}

struct str rows_options(const struct event *message)
{
    return message->f.audience.kind == AUDIENCE_AUTHENTICATED ? STR("{\"authenticated\":true}")
                                                              : (struct str){0};
}

struct event *rows_event(struct event_fields *fields, struct str options)
{
    json_t *json = read_options(options, &fields->audience);
    struct event *event = event_new(fields);
    json_decref(json);
    return event;
}

static struct shape *row_shape(const PGresult *rows, int row, int column,
                               const struct shapes *shapes)
{
    return PQgetisnull(rows, row, column) ? NULL
                                          : shapes_find_logged(shapes, rows_i64(rows, row, column));
}

/* From channel_offset on the same columns stand side by side in both. */
static struct event *make_event(const PGresult *rows, int row, struct str channel, int id_column,
                                int offset_column, const struct shapes *shapes)
{
    struct event_fields fields = {
        .id = rows_u64(rows, row, id_column),
        .offset = rows_u64(rows, row, offset_column),
        .channel = channel,
        .at = rows_text(rows, row, offset_column + 1),
        .action = str_equals(rows_text(rows, row, offset_column + 2), STR("message"))
                      ? EVENT_ACTION_MESSAGE
                      : EVENT_ACTION_EVENT,
        .client = rows_text(rows, row, offset_column + 3),
        .payload = rows_text(rows, row, offset_column + 5),
        .xid = rows_u64(rows, row, offset_column + 6),
        .shape = row_shape(rows, row, offset_column + 7, shapes),
        .kept = rows_text(rows, row, offset_column + 8),
    };
    return rows_event(&fields, rows_text(rows, row, offset_column + 4));
}

struct event *rows_log_event(const PGresult *rows, int row, const struct shapes *shapes)
{
    return make_event(rows, row, rows_text(rows, row, LOG_COLUMN_CHANNEL), LOG_COLUMN_ID,
                      LOG_COLUMN_OFFSET, shapes);
}

struct event *rows_read_event(const PGresult *rows, int row, struct str channel,
                              const struct shapes *shapes)
{
    return make_event(rows, row, channel, READ_COLUMN_ID, READ_COLUMN_OFFSET, shapes);
}
