/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/snapshot/wish.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_span.h"
#include "core/json_walk.h"

enum {
    NAME_MAX = 256,                  /* of a column, with quotes and .desc */
    ESCAPED_MAX = 6 * NAME_MAX + 40, /* a byte can be written as \u0001 */
};

static bool refuse(struct buf *why, const char *sentence)
{
    buf_clear(why);
    buf_literal(why, sentence);
    return false;
}

static bool parse_limit(struct str json, struct buf *out, struct buf *why)
{
    uint64_t limit = 0;
    if (json.ptr && (!str_to_u64(json, &limit) || limit == 0 || limit > INT32_MAX)) {
        return refuse(why, "snapshot.limit is a number from 1 on.");
    }
    buf_u64(out, limit);
    return true;
}

static bool ends(struct str text, struct str end)
{
    return text.len > end.len && memcmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0;
}

/* A column may be called a.desc: then it is ordered by as a.desc.asc. */
static bool parse_column(struct str json, struct buf *out, struct buf *why)
{
    char name[NAME_MAX];
    size_t len;
    if (json_kind_of(json) != JSON_KIND_STRING || json.len > sizeof(name) ||
        !json_unquote(json, name, &len)) {
        return refuse(why, "snapshot.order is a list of columns, such as \"created_at.desc\".");
    }
    struct buf text = {0};
    buf_add(&text, name, len);
    if (!ends(buf_span(&text), STR(".asc")) && !ends(buf_span(&text), STR(".desc"))) {
        buf_literal(&text, ".asc");
    }
    buf_json_string(out, buf_span(&text));
    buf_release(&text);
    return true;
}

static bool parse_order(struct str json, struct buf *out, struct buf *why)
{
    struct json_walk walk = json_walk_open(json);
    struct str key, value;
    if (json_kind_of(json) != JSON_KIND_ARRAY) {
        return refuse(why, "snapshot.order is a list of columns, such as \"created_at.desc\".");
    }
    buf_char(out, '[');
    for (size_t n = 0; json_walk_next(&walk, &key, &value); n++) {
        buf_literal(out, n > 0 ? "," : "");
        if (n == WISH_ORDER_MAX) {
            return refuse(why, "snapshot.order has at most 8 columns.");
        }
        if (!parse_column(value, out, why)) {
            return false;
        }
    }
    buf_char(out, ']');
    return true;
}

bool wish_parse(struct str json, struct buf *out, struct buf *why)
{
    struct json_member members[] = {{.key = STR("limit")}, {.key = STR("order")}};
    enum json_kind kind = json_kind_of(json);
    if (kind != JSON_KIND_TRUE && kind != JSON_KIND_OBJECT) {
        return refuse(why, "snapshot is true, or an object with limit and order.");
    }
    json_scan(json, members, 2); /* of true all are absent */
    if (!parse_limit(members[0].value, out, why)) {
        return false;
    }
    if (!members[1].value.ptr) {
        return true;
    }
    buf_char(out, ' ');
    return parse_order(members[1].value, out, why);
}

uint32_t wish_limit(const char *wish)
{
    return (uint32_t)strtoul(wish, NULL, 10);
}

static bool find_column(const struct shape *shape, struct str name, size_t *out)
{
    for (size_t i = 0; i < shape->f.n_columns; i++) {
        const struct shape_column *column = &shape->f.columns[i];
        if (column->is_announced && column->compares != SHAPE_COMPARES_NOT &&
            str_equals(str_of(column->field.name), name)) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool put_column(struct str json, const struct shape *shape, struct buf *out, struct buf *why)
{
    char text[ESCAPED_MAX];
    size_t len = 0, column;
    (void)json_unquote(json, text, &len);
    struct str name = {text, len};
    bool is_desc = ends(name, STR(".desc"));
    name.len -= is_desc ? 5 : 4;
    if (!find_column(shape, name, &column)) {
        buf_printf(why, "snapshot.order: there is no column \"%.*s\" to order by.", (int)name.len,
                   name.ptr);
        return false;
    }
    buf_printf(out, "{\"column\":%zu,\"desc\":%s}", column, is_desc ? "true" : "false");
    return true;
}

bool wish_put_order(const char *wish, const struct shape *shape, struct buf *out, struct buf *why)
{
    const char *order = strchr(wish, ' ');
    struct str key, value;
    if (!order || !order[1]) {
        return true;
    }
    struct json_walk walk = json_walk_open(str_of(order + 1));
    buf_char(out, '[');
    for (size_t n = 0; json_walk_next(&walk, &key, &value); n++) {
        buf_literal(out, n > 0 ? "," : "");
        if (!put_column(value, shape, out, why)) {
            return false;
        }
    }
    buf_char(out, ']');
    return true;
}
