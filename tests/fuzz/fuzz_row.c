/* SPDX-License-Identifier: PostgreSQL */
/* Rows: the first byte says which of the readers gets the rest. Whatever a text is, what comes out
 * is JSON, a name that its template may give, and no longer than allowed; literals that were read
 * and printed anew are read the same way again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/row/array.h"
#include "core/row/change.h"
#include "core/row/channel.h"
#include "core/row/hstore.h"
#include "core/row/json.h"
#include "core/row/record.h"
#include "core/row/time.h"
#include "pg/shapes/shape_loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every kind, a template that takes some of it, a key and a kept column. */
#define SHAPE(numbers, max_bytes)                                                                  \
    "{\"watch\":\"w\",\"schema\":\"s\",\"table\":\"t\",\"template\":[\"t/\",1,\"-\",2,\"/x\"],"    \
    "\"numbers\":\"" numbers "\",\"max_bytes\":" max_bytes ",\"key\":[1,0],\"columns\":["          \
    "{\"name\":\"i\",\"type\":\"int\",\"announced\":true,\"kept\":false},"                         \
    "{\"name\":\"b\",\"type\":\"bigint\",\"announced\":true,\"kept\":false},"                      \
    "{\"name\":\"x\\\"\",\"type\":\"text\",\"announced\":false,\"kept\":true},"                    \
    "{\"name\":\"o\",\"type\":\"bool\",\"announced\":true,\"kept\":true},"                         \
    "{\"name\":\"n\",\"type\":{\"array\":\"numeric\"},\"announced\":true,\"kept\":false},"         \
    "{\"name\":\"z\",\"type\":\"timestamptz\",\"announced\":true,\"kept\":false},"                 \
    "{\"name\":\"j\",\"type\":\"json\",\"announced\":true,\"kept\":false},"                        \
    "{\"name\":\"h\",\"type\":\"hstore\",\"announced\":true,\"kept\":false},"                      \
    "{\"name\":\"r\",\"type\":{\"range\":\"timestamptz\"},\"announced\":true,\"kept\":false},"     \
    "{\"name\":\"v\",\"type\":{\"vector\":\"int\"},\"announced\":true,\"kept\":false},"            \
    "{\"name\":\"c\",\"type\":{\"composite\":[[\"f\",\"float\"],[\"a\",{\"array\":{\"composite\":" \
    "[[\"d\",\"date\"],[\"t\",\"timestamp\"]]},\"delimiter\":\";\"}]]},\"announced\":true,"        \
    "\"kept\":false}]}"

static const char *const shapes[] = {SHAPE("text", "100000"), SHAPE("native", "100000"),
                                     SHAPE("text", "200"), SHAPE("native", "0")};

/* Up to a 0xff, which no text has that is worth reading. */
static struct str take_text(struct str *rest)
{
    const char *stop = rest->len > 0 ? memchr(rest->ptr, 0xff, rest->len) : NULL;
    struct str text = {rest->ptr, stop ? (size_t)(stop - rest->ptr) : rest->len};
    size_t step = text.len + (stop ? 1 : 0);
    *rest = (struct str){rest->ptr + step, rest->len - step};
    return text;
}

static unsigned char take_byte(struct str *rest)
{
    if (rest->len == 0) {
        return 0;
    }
    rest->len--;
    return (unsigned char)*rest->ptr++;
}

/* ---- record and array: read, print, read ---- */

static void put_literal(struct buf *out, struct str text, char quote_escape)
{
    buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            buf_char(out, text.ptr[i] == '"' ? quote_escape : '\\');
        }
        buf_char(out, text.ptr[i]);
    }
    buf_char(out, '"');
}

static bool print_record(struct str text, struct buf *out)
{
    struct buf unescaped = {0};
    struct record_reader reader;
    struct str field;
    bool is_record = record_open(&reader, text);
    buf_char(out, '(');
    for (size_t n = 0; is_record && !reader.is_over; n++) {
        buf_clear(&unescaped);
        is_record = record_next(&reader, &unescaped, &field);
        if (n > 0) {
            buf_char(out, ',');
        }
        if (is_record && field.ptr) {
            put_literal(out, field, '"');
        }
    }
    buf_char(out, ')');
    buf_release(&unescaped);
    return is_record;
}

static bool print_array(struct str text, struct buf *out)
{
    struct buf unescaped = {0};
    struct array_reader reader = array_open(text, ',');
    enum array_token token = ARRAY_TOKEN_OPEN, last = ARRAY_TOKEN_OPEN;
    struct str element;
    while (token != ARRAY_TOKEN_BAD && token != ARRAY_TOKEN_END) {
        buf_clear(&unescaped);
        token = array_next(&reader, &unescaped, &element);
        if (token != ARRAY_TOKEN_CLOSE && token != ARRAY_TOKEN_END && last != ARRAY_TOKEN_OPEN) {
            buf_char(out, ',');
        }
        if (token == ARRAY_TOKEN_ELEMENT && element.ptr) {
            put_literal(out, element, '\\');
        } else if (token != ARRAY_TOKEN_END && token != ARRAY_TOKEN_BAD) {
            buf_literal(out, token == ARRAY_TOKEN_OPEN    ? "{"
                             : token == ARRAY_TOKEN_CLOSE ? "}"
                                                          : "NULL");
        }
        last = token;
    }
    buf_release(&unescaped);
    return token == ARRAY_TOKEN_END;
}

static void check_print(struct str text, bool (*print)(struct str, struct buf *))
{
    struct buf once = {0}, twice = {0};
    if (print(text, &once)) {
        assert(print(buf_span(&once), &twice));
        assert(str_equals(buf_span(&once), buf_span(&twice)));
    }
    buf_release(&once);
    buf_release(&twice);
}

/* ---- hstore, time, JSON ---- */

static void check_hstore(struct str text)
{
    struct buf out = {0}, unescaped = {0};
    if (str_is_utf8(text) && hstore_put_json(&out, text, &unescaped)) {
        assert(json_check(buf_span(&out)));
    }
    buf_release(&out);
    buf_release(&unescaped);
}

static void check_time(struct str text)
{
    static bool (*const puts[])(struct buf *, struct str) = {time_put_date, time_put_timestamp,
                                                             time_put_timestamptz, time_put_range,
                                                             time_put_multirange};
    struct buf once = {0}, twice = {0};
    for (size_t i = 0; i < sizeof(puts) / sizeof(puts[0]); i++) {
        buf_clear(&once);
        buf_clear(&twice);
        if (!puts[i](&once, text)) {
            assert(once.len == 0);
            continue;
        }
        char *t = once.len > 0 ? memchr(once.data, 'T', once.len) : NULL;
        if (t) {
            *t = ' ';
        }
        assert(puts[i](&twice, buf_span(&once)));
        assert(twice.len == once.len);
        if (t) {
            *t = 'T';
        }
        assert(str_equals(buf_span(&once), buf_span(&twice)));
    }
    buf_release(&once);
    buf_release(&twice);
}

static void check_json(struct str text)
{
    size_t n_brackets = 0;
    for (size_t i = 0; i < text.len; i++) {
        n_brackets += text.ptr[i] == '{' || text.ptr[i] == '[';
    }
    bool is_json = json_scan(text, NULL, 0) != JSON_KIND_INVALID;
    assert(n_brackets > JSON_SPAN_DEPTH_MAX || is_json == json_check(text));
    if (json_check_number(text)) {
        assert(json_check(text));
    }
}

/* ---- whole rows ---- */

/* A column may say the same words, but with more braces behind it. */
static bool is_reduced(struct str payload, const char *head)
{
    static const char *const reasons[] = {"size", "stale", "unprintable"};
    bool is_one = false;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        char *end =
            mem_printf("%s,\"reduced\":\"%s\"},\"dbo_id\":0,\"row_id\":0}", head, reasons[i]);
        size_t len = strlen(end);
        is_one |= payload.len >= len && memcmp(payload.ptr + payload.len - len, end, len) == 0;
        free(end);
    }
    return is_one;
}

static void check_event(const struct shape *shape, const struct change_event *event)
{
    struct str payload = event->payload;
    assert(json_check(payload) && str_is_utf8(payload));
    assert(payload.len <= shape->f.max_bytes || is_reduced(payload, ",\"truncated_to_key\":true"));
    assert(event->channel.len > 0 && event->channel.len <= ROW_CHANNEL_MAX);
    assert(str_is_utf8(event->channel));
    assert(shape_matches(shape, event->channel));
    assert(str_starts(event->channel, shape_channel_prefix(shape)));
    assert(!event->kept.ptr || (shape->kept.n > 0 && json_check(event->kept)));
}

static void check_row(const struct shape *shape, struct str rest)
{
    static const char actions[] = "iuwdsp", reduced[] = "\0kKcCx";
    struct change_row row = {.action = actions[take_byte(&rest) % 6],
                             .reduced = reduced[take_byte(&rest) % 6]};
    struct change_scratch scratch = {0};
    struct change_event events[2];
    enum change_fault fault;
    row.old = take_text(&rest);
    row.new = take_text(&rest);
    size_t n = change_events(shape, &row, &scratch, events, &fault);
    assert(n <= 2);
    for (size_t i = 0; i < n; i++) {
        check_event(shape, &events[i]);
        assert(!is_reduced(events[i].payload, "") || fault != CHANGE_FAULT_NONE);
    }
    shape_matches(shape, row.new);
    change_scratch_release(&scratch);
}

static void check_shape(struct str description, struct str rest)
{
    const char *reason;
    struct shape *shape = shape_load(7, description, &reason);
    assert(!shape == (reason != NULL));
    if (shape) {
        struct buf payload = {0};
        change_truncate(shape, &payload);
        assert(json_check(buf_span(&payload)));
        buf_release(&payload);
        check_row(shape, rest);
        shape_unref(shape);
    }
}

static void check(unsigned char selector, struct str text)
{
    switch (selector % 8) {
    case 0:
        check_print(text, print_record);
        break;
    case 1:
        check_print(text, print_array);
        break;
    case 2:
        check_hstore(text);
        break;
    case 3:
        check_time(text);
        break;
    case 4:
        if (str_is_utf8(text)) {
            check_json(text);
        }
        break;
    case 5: {
        struct str description = take_text(&text);
        check_shape(description, text);
        break;
    }
    default:
        check_shape(str_of(shapes[selector / 8 % 4]), text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *copy = mem_alloc(size - 1); /* of the exact size: a read over its end is seen */
    memcpy(copy, data + 1, size - 1);
    struct str text = {copy, size - 1};
    check(data[0], text);
    free(copy);
    return 0;
}
