/* SPDX-License-Identifier: PostgreSQL */
/* A row is asked for by its key and by nothing else: a filter of another kind would be answered for
 * some row that it finds. */
#include "cli/why/key.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/json_walk.h"

#define NOT_THE_KEY                                                                                \
    "KEY has to name the columns of the key and no others, each with a value: "                    \
    "{\"a\":1,\"b\":\"x\"}"

/* As JSON of the column's type: what is compared as a number or a boolean stands as one. */
static void put_value(struct buf *out, const struct shape_column *column, struct str value)
{
    enum json_kind kind = json_scan(value, NULL, 0);
    bool is_number = column->compares >= SHAPE_COMPARES_INT &&
                     column->compares <= SHAPE_COMPARES_FLOAT8 && kind == JSON_KIND_NUMBER;
    bool is_bool = column->compares == SHAPE_COMPARES_BOOL &&
                   (kind == JSON_KIND_TRUE || kind == JSON_KIND_FALSE);
    if (is_number || is_bool) {
        buf_str(out, value);
    } else {
        buf_json_string(out, value);
    }
}

static void put_condition(struct buf *out, const struct shape_column *column, struct str value)
{
    buf_char(out, out->len == 0 ? '{' : ',');
    buf_json_string(out, str_of(column->field.name));
    buf_literal(out, ":{\"eq\":");
    put_value(out, column, value);
    buf_char(out, '}');
}

/* False: it is no single value. */
static bool put_member(struct buf *out, const struct shape_column *column, struct str value)
{
    enum json_kind kind = json_kind_of(value);
    if (kind != JSON_KIND_STRING) {
        put_condition(out, column, value);
        return kind == JSON_KIND_NUMBER || kind == JSON_KIND_TRUE || kind == JSON_KIND_FALSE;
    }
    char *text = mem_alloc(value.len);
    size_t len;
    bool is_text = json_unquote(value, text, &len);
    if (is_text) {
        put_condition(out, column, (struct str){text, len});
    }
    free(text);
    return is_text;
}

static size_t n_members_of(struct str object)
{
    struct json_walk walk = json_walk_open(object);
    struct str key, value;
    size_t n = 0;
    while (json_walk_next(&walk, &key, &value)) {
        n++;
    }
    return n;
}

/* The whole object, without blanks around. */
static struct str trimmed(const char *text)
{
    const char *begin = text + strspn(text, " \t\r\n");
    size_t len = strlen(begin);
    while (len > 0 && strchr(" \t\r\n", begin[len - 1])) {
        len--;
    }
    return (struct str){begin, len};
}

static bool put_members(struct buf *out, const struct shape *shape, struct str object)
{
    const struct shape_list *key = &shape->f.key;
    bool is_whole = n_members_of(object) == key->n;
    for (size_t i = 0; i < key->n && is_whole; i++) {
        const struct shape_column *column = &shape->f.columns[key->items[i]];
        struct json_member member = {.key = str_of(column->field.name)};
        (void)json_scan(object, &member, 1);
        is_whole = member.value.ptr && put_member(out, column, member.value);
    }
    return is_whole;
}

const char *key_filter(const struct shape *shape, const char *key, struct buf *out)
{
    struct buf filter = {0};
    struct str text = trimmed(key);
    const char *why = NULL;
    if (shape->f.key.n == 0) {
        why = "that table has no key that is announced, so no row of it can be named";
    } else if (json_scan(text, NULL, 0) == JSON_KIND_OBJECT) {
        why = put_members(&filter, shape, text) ? NULL : NOT_THE_KEY;
    } else if (shape->f.key.n > 1) {
        why = "the key of that table has several columns: give KEY as a JSON object";
    } else {
        put_condition(&filter, &shape->f.columns[shape->f.key.items[0]], str_of(key));
    }
    if (!why) {
        buf_str(out, buf_span(&filter));
        buf_char(out, '}');
    }
    buf_release(&filter);
    return why;
}
