/* SPDX-License-Identifier: PostgreSQL */
/* From a JSON text to a tree. The text is a stranger's: it is checked as a whole first, with its
 * size, and then taken apart member by member, with every limit counted on the way. The recursion
 * ends at FILTER_DEPTH_MAX.
 *
 * A key that is there twice is refused. JSON leaves open what that means, and our readers would not
 * agree: Postgres' jsonb keeps the last. */
#include "core/live/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/json_walk.h"
#include "core/live/claim.h"
#include "core/live/tree.h"
#include "core/live/value/value.h"

enum { PLACE_MAX = 200 }; /* bytes of it that an error tells */

struct parser {
    enum filter_owner owner;
    struct buf place;
    struct buf *why;
    size_t n_leaves;
};

static struct tree_node *parse_tree(struct parser *p, struct str json, unsigned depth);

/* ---- where, and what is wrong there ---- */

static size_t place_enter(struct parser *p, struct str key)
{
    size_t mark = p->place.len;
    if (mark > 0) {
        buf_char(&p->place, '.');
    }
    buf_str(&p->place, key);
    return mark;
}

/* A place may be as long as the filter; a character that is cut goes as a whole. */
static struct str clip(struct str text)
{
    if (text.len <= PLACE_MAX) {
        return text;
    }
    size_t len = PLACE_MAX;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    return (struct str){text.ptr, len};
}

static bool fail(struct parser *p, const char *reason)
{
    if (p->place.len > 0) {
        buf_str(p->why, clip(buf_span(&p->place)));
        buf_literal(p->why, ": ");
    }
    buf_literal(p->why, reason);
    return false;
}

/* ---- leaves ---- */

static bool add_value(struct parser *p, struct tree_node *leaf, struct str json)
{
    struct buf text = {0};
    const char *reason = value_put(&text, json);
    if (reason) {
        buf_release(&text);
        return fail(p, reason);
    }
    leaf->values[leaf->n_values++] = mem_strdup(buf_text(&text));
    buf_release(&text);
    return true;
}

static bool parse_list(struct parser *p, struct tree_node *leaf, struct str json)
{
    struct json_walk walk = json_walk_open(json);
    struct str key, value;
    if (json_kind_of(json) != JSON_KIND_ARRAY) {
        return fail(p, "a list of values is expected");
    }
    leaf->values = mem_array(NULL, FILTER_VALUES_MAX, sizeof(*leaf->values));
    while (json_walk_next(&walk, &key, &value)) {
        if (leaf->n_values == FILTER_VALUES_MAX) {
            return fail(p, "a list has at most 100 values");
        }
        if (!add_value(p, leaf, value)) {
            return false;
        }
    }
    return true;
}

/* null, true or false; `isdistinct` takes any value too. */
static bool parse_null_or(struct parser *p, struct tree_node *leaf, struct str json)
{
    enum json_kind kind = json_kind_of(json);
    leaf->values = mem_array(NULL, 1, sizeof(*leaf->values));
    if (kind == JSON_KIND_NULL) {
        leaf->values[leaf->n_values++] = mem_strdup("null");
        return true;
    }
    if (leaf->op == TREE_IS && kind != JSON_KIND_TRUE && kind != JSON_KIND_FALSE) {
        return fail(p, "is takes null, true or false");
    }
    return add_value(p, leaf, json);
}

static bool parse_claim(struct parser *p, struct tree_node *leaf, struct str json)
{
    leaf->claim = mem_zalloc(sizeof(*leaf->claim));
    const char *reason = claim_parse(json, leaf->claim);
    return !reason || fail(p, reason);
}

/* What cannot be a pattern: Postgres says so only when it comes to that place. */
static bool check_pattern(struct parser *p, const struct tree_node *leaf)
{
    struct buf text = {0};
    bool is_text = value_unquote(&text, str_of(leaf->values[0]));
    bool is_escaped = false;
    for (size_t i = 0; i < text.len; i++) {
        is_escaped = !is_escaped && text.data[i] == '\\';
    }
    buf_release(&text);
    if (!is_text) {
        return fail(p, "a text is expected");
    }
    return leaf->op == TREE_PREFIX || !is_escaped ||
           fail(p, "a pattern does not end with a backslash that nothing follows");
}

static bool parse_value(struct parser *p, struct tree_node *leaf, struct str json)
{
    if (leaf->op == TREE_IS || leaf->op == TREE_ISDISTINCT) {
        return parse_null_or(p, leaf, json);
    }
    if (p->owner == FILTER_VISIBLE && json_kind_of(json) == JSON_KIND_OBJECT) {
        return parse_claim(p, leaf, json);
    }
    if (tree_op_is_list(leaf->op)) {
        return parse_list(p, leaf, json);
    }
    leaf->values = mem_array(NULL, 1, sizeof(*leaf->values));
    if (!add_value(p, leaf, json)) {
        return false;
    }
    return (leaf->op != TREE_PREFIX && leaf->op != TREE_LIKE) || check_pattern(p, leaf);
}

static struct tree_node *parse_leaf(struct parser *p, struct str column, enum tree_op op,
                                    struct str json)
{
    if (++p->n_leaves > FILTER_LEAVES_MAX) {
        fail(p, "a filter has at most 64 comparisons");
        return NULL;
    }
    struct tree_node *leaf = tree_new(TREE_LEAF);
    leaf->column = str_dup(column);
    leaf->place = str_dup(clip(buf_span(&p->place)));
    leaf->op = op;
    if (!parse_value(p, leaf, json)) {
        tree_free(leaf);
        return NULL;
    }
    return tree_normalise(leaf);
}

/* ---- objects ---- */

/* Calls `add` for each member, with its decoded key, which is there only once. */
typedef struct tree_node *(*member_fn)(struct parser *p, struct str key, struct str value,
                                       struct str column, unsigned depth);

static bool is_twice(const struct buf *keys, struct str key)
{
    /* Keys hold no NUL, so it ends them. */
    for (size_t at = 0; at < keys->len; at += strlen(keys->data + at) + 1) {
        if (str_equals(str_of(keys->data + at), key)) {
            return true;
        }
    }
    return false;
}

static bool take_key(struct parser *p, struct buf *keys, struct str quoted, struct str *out)
{
    struct buf key = {0};
    bool is_text = value_unquote(&key, quoted);
    bool is_new = is_text && !is_twice(keys, buf_span(&key));
    if (is_new) {
        size_t at = keys->len;
        buf_str(keys, buf_span(&key));
        buf_char(keys, '\0');
        *out = (struct str){keys->data + at, key.len};
    }
    buf_release(&key);
    return is_new || fail(p, is_text ? "a key is there twice" : "a key is no text of Postgres");
}

/* An AND of what the members are. NULL: one of them is wrong. */
static struct tree_node *parse_members(struct parser *p, struct str object, struct str column,
                                       unsigned depth, member_fn parse)
{
    struct json_walk walk = json_walk_open(object);
    struct tree_node *node = tree_new(TREE_AND), *child = NULL;
    struct buf keys = {0};
    struct str quoted, key, value;
    bool is_good = true;
    while (is_good && json_walk_next(&walk, &quoted, &value)) {
        is_good = take_key(p, &keys, quoted, &key);
        if (is_good) {
            size_t mark = place_enter(p, key);
            child = parse(p, key, value, column, depth);
            p->place.len = mark;
            is_good = child != NULL;
        }
        if (is_good) {
            tree_add(node, child);
        }
    }
    buf_release(&keys);
    if (!is_good) {
        tree_free(node);
        return NULL;
    }
    return tree_normalise(node);
}

static struct tree_node *parse_operator(struct parser *p, struct str key, struct str value,
                                        struct str column, unsigned depth)
{
    enum tree_op op;
    (void)depth;
    if (!tree_op_find(key, &op)) {
        fail(p,
             "the operators are eq, neq, lt, lte, gt, gte, in, nin, is, isdistinct, prefix, like");
        return NULL;
    }
    return parse_leaf(p, column, op, value);
}

static struct tree_node *parse_column(struct parser *p, struct str column, struct str value)
{
    struct json_walk walk = json_walk_open(value);
    struct str key, first;
    if (json_kind_of(value) == JSON_KIND_ARRAY) {
        fail(p, "a list stands under in or nin");
        return NULL;
    }
    if (json_kind_of(value) != JSON_KIND_OBJECT) {
        return parse_leaf(p, column, TREE_EQ, value);
    }
    if (!json_walk_next(&walk, &key, &first)) {
        fail(p, "an operator is expected");
        return NULL;
    }
    return parse_members(p, value, column, 0, parse_operator);
}

static struct tree_node *parse_trees(struct parser *p, enum tree_kind kind, struct str json,
                                     unsigned depth)
{
    struct json_walk walk = json_walk_open(json);
    struct str key, value;
    if (json_kind_of(json) != JSON_KIND_ARRAY) {
        fail(p, "a list of trees is expected");
        return NULL;
    }
    struct tree_node *node = tree_new(kind);
    for (size_t i = 0; json_walk_next(&walk, &key, &value); i++) {
        size_t mark = p->place.len;
        buf_printf(&p->place, "[%zu]", i);
        struct tree_node *child = parse_tree(p, value, depth);
        p->place.len = mark;
        if (!child) {
            tree_free(node);
            return NULL;
        }
        tree_add(node, child);
    }
    return tree_normalise(node);
}

static struct tree_node *parse_not(struct parser *p, struct str json, unsigned depth)
{
    struct tree_node *child = parse_tree(p, json, depth);
    if (!child) {
        return NULL;
    }
    struct tree_node *node = tree_new(TREE_NOT);
    tree_add(node, child);
    return tree_normalise(node);
}

static struct tree_node *parse_member(struct parser *p, struct str key, struct str value,
                                      struct str column, unsigned depth)
{
    (void)column;
    if (str_equals(key, STR("and")) || str_equals(key, STR("or"))) {
        return parse_trees(p, key.len == 3 ? TREE_AND : TREE_OR, value, depth + 1);
    }
    if (str_equals(key, STR("not"))) {
        return parse_not(p, value, depth + 1);
    }
    return parse_column(p, key, value);
}

static struct tree_node *parse_tree(struct parser *p, struct str json, unsigned depth)
{
    if (json_kind_of(json) != JSON_KIND_OBJECT) {
        fail(p, "a tree is an object");
        return NULL;
    }
    if (depth > FILTER_DEPTH_MAX) {
        fail(p, "trees are at most 8 deep");
        return NULL;
    }
    return parse_members(p, json, (struct str){0}, depth, parse_member);
}

/* ---- the filter ---- */

/* Where the value begins; absent: the text is not JSON. */
static struct str trim(struct str json)
{
    while (json.len > 0 && strchr(" \t\r\n", *json.ptr) && *json.ptr) {
        json = (struct str){json.ptr + 1, json.len - 1};
    }
    while (json.len > 0 && strchr(" \t\r\n", json.ptr[json.len - 1]) && json.ptr[json.len - 1]) {
        json.len--;
    }
    return json;
}

struct filter *filter_parse(struct str json, enum filter_owner owner, struct buf *why)
{
    struct parser p = {.owner = owner, .why = why};
    if (json.len > FILTER_TEXT_MAX) {
        fail(&p, "a filter has at most 4096 bytes");
        return NULL;
    }
    if (!str_is_utf8(json) || json_scan(json, NULL, 0) == JSON_KIND_INVALID) {
        fail(&p, "it is not JSON");
        return NULL;
    }
    struct tree_node *root = parse_tree(&p, trim(json), 1);
    buf_release(&p.place);
    if (!root) {
        return NULL;
    }
    struct filter *filter = mem_zalloc(sizeof(*filter));
    *filter = (struct filter){.refs = 1, .owner = owner, .root = root};
    return filter;
}

struct filter *filter_ref(struct filter *filter)
{
    filter->refs++;
    return filter;
}

void filter_unref(struct filter *filter)
{
    if (filter && --filter->refs == 0) {
        tree_free(filter->root);
        free(filter);
    }
}

struct str filter_canonical(const struct filter *filter)
{
    return buf_span(&filter->root->text);
}

void filter_claims(const struct filter *filter, const struct identity *identity, struct buf *out)
{
    claim_put_all(out, filter->root, identity);
}
