/* SPDX-License-Identifier: PostgreSQL */
/* The JSON scanner against jansson. What jansson takes, the scanner must take, with the same kind,
 * the same members and the same decoded strings. What only the scanner takes must be one of the
 * things that jansson is known to refuse and PostgreSQL's type json is known to take. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "core/json_span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum json_kind kind_of_tree(const json_t *tree)
{
    switch (json_typeof(tree)) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return JSON_KIND_NUMBER;
    case JSON_TRUE:
        return JSON_KIND_TRUE;
    case JSON_FALSE:
        return JSON_KIND_FALSE;
    case JSON_NULL:
        return JSON_KIND_NULL;
    }
    return JSON_KIND_INVALID;
}

static json_t *load(struct str text, json_error_t *error)
{
    return json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
}

static bool holds(struct str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* Numbers that do not fit a C type, NUL in a key, and halves of surrogate pairs. */
static bool is_known_refusal(struct str text, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    if (code == json_error_numeric_overflow || code == json_error_null_byte_in_key)
        return true;
    return holds(text, "\\ud") || holds(text, "\\uD");
}

/* How deep a text nests that is known to be JSON. */
static size_t depth_of(struct str text)
{
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"')
            in_string = !in_string;
        else if (in_string && c == '\\')
            i++;
        else if (!in_string && (c == '[' || c == '{'))
            depth++;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static void check_member(const json_t *tree, const struct json_member *member)
{
    const json_t *expected = json_object_get(tree, member->key.ptr);
    assert((expected != NULL) == (member->value.ptr != NULL));
    if (expected == NULL)
        return;
    json_t *value = load(member->value, NULL);
    assert(value != NULL && json_equal(value, expected));
    assert(json_kind_of(member->value) == kind_of_tree(value));
    json_decref(value);
}

static void check_string(const json_t *tree, struct str quoted)
{
    char *out = mem_alloc(quoted.len);
    size_t len;
    assert(json_unquote(quoted, out, &len) && len <= quoted.len);
    assert(len == json_string_length(tree) && memcmp(out, json_string_value(tree), len) == 0);
    free(out);
}

static struct str trim(struct str text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.ptr[text.len - 1]) != NULL)
        text.len--;
    return text;
}

static void check(struct str text)
{
    json_error_t error;
    struct json_member members[] = {{.key = STR("a")}, {.key = STR("b")}, {.key = STR("payload")}};
    json_t *tree = load(text, &error);
    enum json_kind kind = json_scan(text, members, 3);
    for (size_t i = 0; i < 3; i++) {
        struct str value = members[i].value;
        assert(value.ptr == NULL || kind == JSON_KIND_OBJECT);
        assert(value.ptr == NULL || (value.ptr > text.ptr && value.len > 0 &&
                                     value.ptr + value.len < text.ptr + text.len));
        assert(value.ptr == NULL || json_scan(value, NULL, 0) == json_kind_of(value));
    }
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL) {
        assert(kind == JSON_KIND_INVALID); /* jansson takes a NUL behind a value for the end */
    } else if (tree == NULL) {
        assert(kind == JSON_KIND_INVALID || is_known_refusal(text, &error));
    } else if (kind == JSON_KIND_INVALID) {
        assert(depth_of(text) > JSON_SPAN_DEPTH_MAX);
    } else {
        assert(depth_of(text) <= JSON_SPAN_DEPTH_MAX);
        assert(kind == kind_of_tree(tree));
        for (size_t i = 0; kind == JSON_KIND_OBJECT && i < 3; i++)
            check_member(tree, &members[i]);
        if (kind == JSON_KIND_STRING)
            check_string(tree, trim(text));
    }
    json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mem_alloc(size); /* of the exact size: a read over its end is seen */
    if (size > 0)
        memcpy(copy, data, size);
    struct str text = {copy, size};
    if (str_is_utf8(text))
        check(text);
    free(copy);
    return 0;
}
