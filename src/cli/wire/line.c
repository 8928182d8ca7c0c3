/* SPDX-License-Identifier: PostgreSQL */
/* A payload comes verbatim from a stranger: it may have line ends between its values, and characters
 * that a terminal obeys. Line ends become blanks, which JSON takes for the same; the others, which can
 * only stand inside strings, are escaped, which is the same string. */
#include "cli/wire/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/json_span.h"

struct str told_member(struct str object, const char *key)
{
    struct json_member member = {.key = str_of(key)};
    return json_scan(object, &member, 1) == JSON_KIND_OBJECT ? member.value : (struct str){0};
}

/* Its text, if it is a string without escapes, as the server's own words are. */
static struct str plain(struct str value)
{
    bool is_string = value.len >= 2 && value.ptr[0] == '"';
    return is_string ? (struct str){value.ptr + 1, value.len - 2} : (struct str){0};
}

bool told_read(struct str text, struct told *out)
{
    struct json_member parts[] = {{.key = STR("action")},
                                  {.key = STR("client")},
                                  {.key = STR("options")},
                                  {.key = STR("payload")}};
    struct json_member options[] = {
        {.key = STR("id")}, {.key = STR("at")}, {.key = STR("ref")}, {.key = STR("moved")}};
    if (!str_is_utf8(text) || json_scan(text, parts, 4) != JSON_KIND_OBJECT) {
        return false;
    }
    (void)json_scan(parts[2].value.ptr ? parts[2].value : STR("null"), options, 4);
    *out = (struct told){
        .text = text,
        .action = plain(parts[0].value),
        .client = parts[1].value,
        .payload = parts[3].value,
        .id = options[0].value,
        .at = plain(options[1].value),
        .ref = plain(options[2].value),
        .moved = plain(options[3].value),
    };
    return out->action.ptr != NULL;
}

/* U+0080 to U+009F, which UTF-8 begins with C2. */
static bool is_c1(struct str text, size_t i)
{
    return (unsigned char)text.ptr[i] == 0xC2 && i + 1 < text.len &&
           (unsigned char)text.ptr[i + 1] < 0xA0;
}

static void put(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_c1(text, i)) {
            buf_printf(out, "\\u%04x", (unsigned char)text.ptr[++i]);
        } else if (c == 0x7F) {
            buf_literal(out, "\\u007f");
        } else {
            buf_char(out, c < ' ' ? ' ' : (char)c);
        }
    }
}

void told_string(struct str value, struct buf *out)
{
    char *text = mem_alloc(value.len + 1);
    size_t len = 0;
    if (json_kind_of(value) == JSON_KIND_STRING && json_unquote(value, text, &len)) {
        put(out, (struct str){text, len});
    }
    free(text);
}

static void put_or(struct buf *out, struct str text, const char *otherwise)
{
    buf_char(out, ' ');
    put(out, text.len > 0 ? text : str_of(otherwise));
}

/* 12/34, or the socketId of an anonymous client. */
static void put_sender(struct buf *out, struct str client)
{
    struct str permissions = told_member(client, "permissions");
    struct str dbo = told_member(permissions, "dbo_id"), row = told_member(permissions, "row_id");
    bool is_nobody = str_equals(dbo, STR("0")) && str_equals(row, STR("0"));
    buf_char(out, ' ');
    if (is_nobody || !dbo.ptr || !row.ptr) {
        put(out, plain(told_member(client, "socketId")));
    } else {
        put(out, dbo);
        buf_char(out, '/');
        put(out, plain(row).ptr ? plain(row) : row);
    }
}

/* Of a row: what was done to it, to which table, and how it is now, or was at its end. */
static bool put_change(struct buf *out, const struct told *told, struct str data)
{
    struct str table = plain(told_member(data, "table"));
    struct str action = plain(told_member(data, "action"));
    struct str row = told_member(data, "new");
    if (!table.ptr || !action.ptr) {
        return false;
    }
    put_or(out, action, "");
    if (told->moved.ptr) {
        buf_char(out, '/');
        put(out, told->moved);
    }
    put_or(out, plain(told_member(data, "schema")), "-");
    buf_char(out, '.');
    put(out, table);
    put_or(out, json_kind_of(row) == JSON_KIND_OBJECT ? row : told_member(data, "old"), "null");
    return true;
}

/* To whom, if not to all. */
static void put_event(struct buf *out, const struct told *told)
{
    struct str data = told_member(told->payload, "data");
    if (put_change(out, told, data)) {
        return;
    }
    struct str dbo = told_member(told->payload, "dbo_id"),
               row = told_member(told->payload, "row_id");
    buf_literal(out, " event ");
    if (!dbo.ptr || str_equals(dbo, STR("0"))) {
        buf_char(out, '-');
    } else {
        put(out, dbo);
        buf_char(out, '/');
        put(out, str_equals(row, STR("0")) ? STR("*") : plain(row).ptr ? plain(row) : row);
    }
    put_or(out, data, "null");
}

static void put_line(struct buf *out, const struct told *told)
{
    char now[CLOCK_TEXT_SIZE];
    clock_wall_text(now);
    put(out, told->at.ptr ? told->at : str_of(now));
    buf_literal(out, told->id.ptr ? " #" : " ");
    put(out, told->id.ptr ? told->id : STR("-"));
    if (str_equals(told->action, STR("event"))) {
        put_event(out, told);
        return;
    }
    put_or(out, told->action, "-");
    if (told->client.ptr && json_kind_of(told->client) == JSON_KIND_OBJECT) {
        put_sender(out, told->client);
    } else {
        buf_literal(out, " -");
    }
    put_or(out, told->payload, "null");
}

bool line_print(const struct told *told, bool is_json, FILE *out)
{
    struct buf line = {0};
    if (is_json) {
        put(&line, told->text);
    } else {
        put_line(&line, told);
    }
    buf_char(&line, '\n');
    fwrite(line.data, 1, line.len, out);
    buf_release(&line);
    return fflush(out) == 0 && !ferror(out);
}
