/* SPDX-License-Identifier: PostgreSQL */
/* herald.shape.description says how the texts of a watch's rows are read:
 *
 *   {"watch":"a1b2c3d4e5f6","schema":"public","table":"orders","template":["orders/",2,"/x"],
 *    "numbers":"text","max_bytes":1048576,"key":[0],
 *    "visible":{"owner":{"eq":{"identity":"row_id","dbo_id":1}}},
 *    "columns":[{"name":"id","type":"int","announced":true,"kept":false,"compares":"int"}, …]}
 *
 * A type is a word, or an object with one: {"array":T,"delimiter":";"}, {"vector":T},
 * {"range":"timestamptz"}, {"multirange":"timestamptz"}, {"composite":[["x",T],["y",T]]}.
 *
 * Rows are read by it for as long as they stand in the outbox, so it is never guessed at: a type
 * that is not known here is of a newer schema, and the whole shape is refused. Unknown members are
 * left alone. What says who may see a row, and by what, is read as strictly as it can be meant: an
 * unknown way to compare is none, and an unknown `visible` is nobody. */
#include "pg/shapes/shape_loader.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"
#include "core/json_span.h"
#include "core/json_walk.h"

static struct row_type *load_type(const json_t *json, unsigned depth);

static struct row_type *load_word(const char *word)
{
    static const struct {
        const char *word;
        enum row_kind kind;
    } words[] = {
        {"text", ROW_KIND_TEXT},
        {"bool", ROW_KIND_BOOL},
        {"int", ROW_KIND_INT},
        {"bigint", ROW_KIND_BIGINT},
        {"numeric", ROW_KIND_NUMERIC},
        {"float", ROW_KIND_FLOAT},
        {"date", ROW_KIND_DATE},
        {"timestamp", ROW_KIND_TIMESTAMP},
        {"timestamptz", ROW_KIND_TIMESTAMPTZ},
        {"json", ROW_KIND_JSON},
        {"verbatim", ROW_KIND_JSON},
        {"hstore", ROW_KIND_HSTORE},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0) {
            return row_type_new(words[i].kind);
        }
    }
    return NULL;
}

static struct row_type *load_array(const json_t *object, unsigned depth)
{
    const json_t *given = json_object_get(object, "delimiter");
    const char *delimiter = given ? json_string_value(given) : ",";
    /* What else has a meaning in array literals can be none. */
    if (!delimiter || strlen(delimiter) != 1 || strchr("{}\"\\", delimiter[0])) {
        return NULL;
    }
    struct row_type *element = load_type(json_object_get(object, "array"), depth + 1);
    return element ? row_type_array(element, delimiter[0]) : NULL;
}

/* ["x",T] */
static bool load_field(const json_t *pair, unsigned depth, struct row_field *out)
{
    const char *name = json_string_value(json_array_get(pair, 0));
    struct row_type *type = name ? load_type(json_array_get(pair, 1), depth + 1) : NULL;
    if (type) {
        *out = row_field_make(name, type);
    }
    return type;
}

static struct row_type *load_composite(const json_t *fields, unsigned depth)
{
    size_t n = json_array_size(fields);
    struct row_type *type = row_type_composite(mem_array(NULL, n + 1, sizeof(*type->fields)), 0);
    while (type->n_fields < n) {
        struct row_field *field = &type->fields[type->n_fields];
        if (!load_field(json_array_get(fields, type->n_fields), depth, field)) {
            row_type_free(type);
            return NULL;
        }
        type->n_fields++;
    }
    return type;
}

static bool is_timestamptz(const json_t *json)
{
    const char *word = json_string_value(json);
    return word && strcmp(word, "timestamptz") == 0;
}

/* What lies deeper than anybody walks is printed as it is. */
static struct row_type *load_type(const json_t *json, unsigned depth)
{
    const json_t *of;
    if (depth >= ROW_DEPTH_MAX) {
        return row_type_new(ROW_KIND_TEXT);
    }
    if (json_is_string(json)) {
        return load_word(json_string_value(json));
    }
    if (json_object_get(json, "array")) {
        return load_array(json, depth);
    }
    if ((of = json_object_get(json, "vector"))) {
        struct row_type *element = load_type(of, depth + 1);
        return element ? row_type_vector(element) : NULL;
    }
    if (json_is_array(of = json_object_get(json, "composite"))) {
        return load_composite(of, depth);
    }
    if (is_timestamptz(json_object_get(json, "range"))) {
        return row_type_new(ROW_KIND_TSTZ_RANGE);
    }
    if (is_timestamptz(json_object_get(json, "multirange"))) {
        return row_type_new(ROW_KIND_TSTZ_MULTIRANGE);
    }
    return NULL;
}

/* ---- the shape ---- */

static bool load_text(const json_t *object, const char *name, char **out)
{
    *out = mem_strdup(json_string_value(json_object_get(object, name)));
    return *out;
}

static bool load_bool(const json_t *object, const char *name, bool *out)
{
    const json_t *value = json_object_get(object, name);
    *out = json_is_true(value);
    return json_is_boolean(value);
}

static bool load_size(const json_t *value, size_t *out)
{
    json_int_t number = json_integer_value(value);
    *out = (size_t)number;
    return json_is_integer(value) && number >= 0;
}

static enum shape_compares load_compares(const json_t *value)
{
    static const struct {
        const char *word;
        enum shape_compares compares;
    } words[] = {
        {"bool", SHAPE_COMPARES_BOOL},           {"int", SHAPE_COMPARES_INT},
        {"numeric", SHAPE_COMPARES_NUMERIC},     {"float4", SHAPE_COMPARES_FLOAT4},
        {"float8", SHAPE_COMPARES_FLOAT8},       {"uuid", SHAPE_COMPARES_UUID},
        {"date", SHAPE_COMPARES_DATE},           {"time", SHAPE_COMPARES_TIME},
        {"timestamp", SHAPE_COMPARES_TIMESTAMP}, {"timestamptz", SHAPE_COMPARES_TIMESTAMPTZ},
        {"text", SHAPE_COMPARES_TEXT},           {"text_c", SHAPE_COMPARES_TEXT_C},
        {"char", SHAPE_COMPARES_CHAR},           {"enum", SHAPE_COMPARES_ENUM},
    };
    const char *word = json_string_value(value);
    for (size_t i = 0; word && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0) {
            return words[i].compares;
        }
    }
    return SHAPE_COMPARES_NOT;
}

/* What is no list of texts has no labels, and then no value has a known one. */
static void load_labels(const json_t *array, struct shape_column *column)
{
    size_t n = json_array_size(array);
    column->labels = mem_array(NULL, n + 1, sizeof(*column->labels));
    for (size_t i = 0; i < n; i++) {
        char *label = mem_strdup(json_string_value(json_array_get(array, i)));
        if (!label) {
            return;
        }
        column->labels[column->n_labels++] = label;
    }
}

static bool load_column(const json_t *object, struct shape_column *column)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    struct row_type *type = name ? load_type(json_object_get(object, "type"), 0) : NULL;
    *column = (struct shape_column){0};
    if (!type) {
        return false;
    }
    column->field = row_field_make(name, type);
    column->compares = load_compares(json_object_get(object, "compares"));
    if (column->compares == SHAPE_COMPARES_ENUM) {
        load_labels(json_object_get(object, "labels"), column);
    }
    return load_bool(object, "announced", &column->is_announced) &&
           load_bool(object, "kept", &column->is_kept);
}

static bool load_columns(const json_t *array, struct shape_fields *f)
{
    size_t n = json_array_size(array);
    f->columns = mem_array(NULL, n + 1, sizeof(*f->columns));
    while (f->n_columns < n) {
        size_t i = f->n_columns++;
        if (!load_column(json_array_get(array, i), &f->columns[i])) {
            return false;
        }
    }
    return json_is_array(array);
}

/* A literal text is a piece of a channel's name. One that is too long for it is no mistake: then
 * nothing is announced, and that is counted. */
static bool load_part(const json_t *value, struct shape_part *out)
{
    const char *literal = json_string_value(value);
    *out = (struct shape_part){0};
    if (!literal) {
        return load_size(value, &out->column);
    }
    out->literal = mem_strdup(literal);
    return strlen(literal) > CHANNEL_NAME_MAX || channel_name_is_valid(str_of(literal));
}

static bool load_template(const json_t *array, struct shape_fields *f)
{
    size_t n = json_array_size(array);
    f->template = mem_array(NULL, n + 1, sizeof(*f->template));
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        if (json_is_string(value) && json_string_length(value) == 0) {
            continue;
        }
        if (!load_part(value, &f->template[f->n_template++])) {
            return false;
        }
    }
    return json_is_array(array);
}

static bool load_key(const json_t *array, struct shape_fields *f)
{
    size_t n = json_array_size(array);
    f->key.items = mem_array(NULL, n + 1, sizeof(*f->key.items));
    for (size_t i = 0; i < n; i++) {
        if (!load_size(json_array_get(array, i), &f->key.items[i])) {
            return false;
        }
        f->key.n = i + 1;
    }
    return json_is_array(array);
}

static bool load_numbers(const json_t *value, struct shape_fields *f)
{
    const char *word = json_string_value(value);
    f->are_numbers_text = word && strcmp(word, "text") == 0;
    return f->are_numbers_text || (word && strcmp(word, "native") == 0);
}

static const char *load_fields(const json_t *root, struct shape_fields *f)
{
    if (!json_is_object(root)) {
        return "it is no JSON object";
    }
    if (!load_text(root, "watch", &f->watch) || !load_text(root, "schema", &f->schema) ||
        !load_text(root, "table", &f->table)) {
        return "it does not say of which watch and table";
    }
    if (!load_numbers(json_object_get(root, "numbers"), f) ||
        !load_size(json_object_get(root, "max_bytes"), &f->max_bytes)) {
        return "its numbers or max_bytes are none";
    }
    if (!load_columns(json_object_get(root, "columns"), f)) {
        return "one of its columns is none, or of a type that this version does not know";
    }
    if (!load_template(json_object_get(root, "template"), f)) {
        return "its template is none";
    }
    return load_key(json_object_get(root, "key"), f) ? NULL : "its key is none";
}

/* {"function":"schema.name(types)"} and nothing else. A tree that begins like that compares a column
 * of that name: what is not known to be a function is judged as a tree, or by nobody. */
static bool is_function(struct str object)
{
    struct json_walk walk = json_walk_open(object);
    struct str key, value;
    return json_walk_next(&walk, &key, &value) && str_equals(key, STR("\"function\"")) &&
           json_kind_of(value) == JSON_KIND_STRING && !json_walk_next(&walk, &key, &value);
}

static void load_visible(struct str value, struct shape_fields *f)
{
    if (json_kind_of(value) == JSON_KIND_OBJECT) {
        f->visible_by = is_function(value) ? SHAPE_VISIBLE_FUNCTION : SHAPE_VISIBLE_TREE;
        f->visible = str_dup(value);
    } else {
        f->visible_by =
            str_equals(value, STR("\"policy\"")) ? SHAPE_VISIBLE_POLICY : SHAPE_VISIBLE_NOBODY;
    }
}

/* Whose visible names claims that are none is nobody's. */
static void load_claims(const json_t *array, struct shape_fields *f)
{
    size_t n = json_array_size(array);
    f->has_claims = array;
    f->claims = mem_array(NULL, n + 1, sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        f->claims[f->n_claims++] = mem_strdup(name ? name : "");
        f->visible_by = name ? f->visible_by : SHAPE_VISIBLE_NOBODY;
    }
    if (array && !json_is_array(array)) {
        f->visible_by = SHAPE_VISIBLE_NOBODY;
    }
}

static bool is_judged(const struct shape_fields *f)
{
    return f->visible_by == SHAPE_VISIBLE_POLICY || f->visible_by == SHAPE_VISIBLE_FUNCTION;
}

/* The description with null in the place of `visible`. That stays the text that it is: jansson knows
 * no number beyond 64 bits, and would refuse the shape for one. */
static json_t *parse_but_visible(struct str description, struct str visible)
{
    struct buf rest = {0};
    size_t from = visible.ptr ? (size_t)(visible.ptr - description.ptr) : description.len;
    buf_add(&rest, description.ptr, from);
    if (visible.ptr) {
        buf_literal(&rest, "null");
        buf_add(&rest, visible.ptr + visible.len, description.len - from - visible.len);
    }
    json_t *root = json_loadb(buf_text(&rest), rest.len, 0, NULL);
    buf_release(&rest);
    return root;
}

struct shape *shape_load(int64_t number, struct str description, const char **reason)
{
    struct json_member visible = {.key = STR("visible")};
    struct shape_fields fields = {.number = number};
    json_scan(description, &visible, 1);
    json_t *root = parse_but_visible(description, visible.value);
    *reason = load_fields(root, &fields);
    /* One that only jansson finds, in a text that is too deep for the scanner, is nobody too. */
    if (json_object_get(root, "visible")) {
        load_visible(visible.value, &fields);
    }
    if (is_judged(&fields)) {
        load_claims(json_object_get(root, "claims"), &fields);
    }
    json_decref(root);
    if (*reason) {
        shape_fields_release(&fields);
        return NULL;
    }
    return shape_new(&fields, reason);
}
