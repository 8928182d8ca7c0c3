/* SPDX-License-Identifier: PostgreSQL */
/* A row_id is only a name within its table: row 34 of table 12 and row 34 of table 13 are different
 * people, so the parameter says which table it means, and the identity must be of that one. */
#include "core/live/claim.h"

#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/json_walk.h"
#include "core/live/limits.h"
#include "core/live/value/value.h"

#define WHAT_IT_IS                                                                                 \
    "a value of the identity is {\"identity\":\"row_id\",\"dbo_id\":N} or "                        \
    "{\"identity\":\"extras.NAME\"}"

static bool parse_dbo_id(struct str json, int32_t *out)
{
    uint64_t number;
    if (!str_to_u64(json, &number) || number == 0 || number > INT32_MAX) {
        return false;
    }
    *out = (int32_t)number;
    return true;
}

/* Keys between dots, none of them empty. */
static bool path_is_sound(struct str path)
{
    bool is_start = true;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '.' && is_start) {
            return false;
        }
        is_start = path.ptr[i] == '.';
    }
    return !is_start;
}

static const char *parse_words(struct str name, struct str dbo_id, struct tree_claim *out)
{
    static const struct str extras = {"extras.", 7};
    if (str_equals(name, STR("row_id"))) {
        return parse_dbo_id(dbo_id, &out->dbo_id)
                   ? NULL
                   : "a row_id says of which table: \"dbo_id\", a number from 1 on";
    }
    struct str path = {name.ptr + extras.len, name.len - extras.len};
    if (!str_starts(name, extras) || dbo_id.ptr || !path_is_sound(path)) {
        return WHAT_IT_IS;
    }
    out->path = str_dup(path);
    return NULL;
}

const char *claim_parse(struct str json, struct tree_claim *out)
{
    struct json_walk walk = json_walk_open(json);
    struct str key, value, name = {0}, dbo_id = {0};
    while (json_walk_next(&walk, &key, &value)) {
        if (str_equals(key, STR("\"identity\"")) && !name.ptr) {
            name = value;
        } else if (str_equals(key, STR("\"dbo_id\"")) && !dbo_id.ptr) {
            dbo_id = value;
        } else {
            return WHAT_IT_IS;
        }
    }
    struct buf text = {0};
    const char *why =
        value_unquote(&text, name) ? parse_words(buf_span(&text), dbo_id, out) : WHAT_IT_IS;
    buf_release(&text);
    return why;
}

/* ---- what an identity has ---- */

/* The last member of that name, as in JavaScript. */
static struct str find_member(struct str object, struct str name, struct buf *scratch)
{
    struct json_walk walk = json_walk_open(object);
    struct str key, value, found = {0};
    while (walk.has_keys && json_walk_next(&walk, &key, &value)) {
        buf_clear(scratch);
        if (value_unquote(scratch, key) && str_equals(buf_span(scratch), name)) {
            found = value;
        }
    }
    return found;
}

static struct str find_path(struct str object, const char *path)
{
    struct buf scratch = {0};
    while (object.ptr && path) {
        const char *dot = strchr(path, '.');
        struct str name = {path, dot ? (size_t)(dot - path) : strlen(path)};
        object = find_member(object, name, &scratch);
        path = dot ? dot + 1 : NULL;
    }
    buf_release(&scratch);
    return object;
}

static bool put_list(struct buf *out, struct str array)
{
    struct json_walk walk = json_walk_open(array);
    struct str key, value;
    buf_char(out, '[');
    for (size_t n = 0; json_walk_next(&walk, &key, &value); n++) {
        buf_literal(out, n > 0 ? "," : "");
        if (n == FILTER_VALUES_MAX || value_put(out, value)) {
            return false;
        }
    }
    buf_char(out, ']');
    return true;
}

static bool put_extra(struct buf *out, const char *path, struct str extras)
{
    size_t mark = out->len;
    if (!str_is_utf8(extras) || json_scan(extras, NULL, 0) != JSON_KIND_OBJECT) {
        return false;
    }
    struct str value = find_path(extras, path);
    bool is_good = json_kind_of(value) == JSON_KIND_ARRAY ? put_list(out, value)
                                                          : value.ptr && !value_put(out, value);
    out->len = is_good ? out->len : mark;
    return is_good;
}

bool claim_put(struct buf *out, const struct tree_claim *claim, const struct identity *identity)
{
    if (!identity) {
        return false;
    }
    if (claim->path) {
        return put_extra(out, claim->path, identity->extras);
    }
    if (identity->dbo_id != claim->dbo_id || !identity->row_id.ptr ||
        !str_is_utf8(identity->row_id)) {
        return false;
    }
    buf_json_string(out, identity->row_id);
    return true;
}

void claim_put_all(struct buf *out, const struct tree_node *node, const struct identity *identity)
{
    for (size_t i = 0; i < node->n_children; i++) {
        claim_put_all(out, node->children[i], identity);
    }
    if (node->claim) {
        if (!claim_put(out, node->claim, identity)) {
            buf_literal(out, "null");
        }
        buf_char(out, '\n');
    }
}
