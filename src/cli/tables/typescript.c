/* SPDX-License-Identifier: PostgreSQL */
/* Names are quoted wherever TypeScript would want it: a JSON string is a string there too. Of an
 * array PostgreSQL does not know how many dimensions it has, so one is what the type says. */
#include "cli/tables/typescript.h"

#include <string.h>

static bool is_word(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$");
    return len > 0 && name[len] == '\0' && !strchr("0123456789", name[0]);
}

static void put_name(struct buf *out, const char *name)
{
    if (is_word(name)) {
        buf_str(out, str_of(name));
    } else {
        buf_json_string(out, str_of(name));
    }
}

static void put_labels(struct buf *out, const struct shape_column *column)
{
    for (size_t i = 0; i < column->n_labels; i++) {
        buf_str(out, i == 0 ? STR("") : STR(" | "));
        buf_json_string(out, str_of(column->labels[i]));
    }
}

static void put_type(struct buf *out, const struct row_type *type, bool are_numbers_text);

/* Whatever is inside of a value may be NULL. */
static void put_composite(struct buf *out, const struct row_type *type, bool are_numbers_text)
{
    buf_literal(out, "{");
    for (size_t i = 0; i < type->n_fields; i++) {
        buf_char(out, ' ');
        put_name(out, type->fields[i].name);
        buf_literal(out, ": ");
        put_type(out, type->fields[i].type, are_numbers_text);
        buf_literal(out, " | null;");
    }
    buf_literal(out, " }");
}

static void put_list(struct buf *out, const struct row_type *type, bool are_numbers_text)
{
    bool can_be_null = type->kind == ROW_KIND_ARRAY;
    buf_literal(out, "Array<");
    put_type(out, type->element, are_numbers_text);
    buf_str(out, can_be_null ? STR(" | null>") : STR(">"));
}

#define SPECIAL_NUMBERS "\"NaN\" | \"Infinity\" | \"-Infinity\""

static void put_type(struct buf *out, const struct row_type *type, bool are_numbers_text)
{
    switch (type->kind) {
    case ROW_KIND_TEXT:
    case ROW_KIND_DATE:
    case ROW_KIND_TIMESTAMP:
    case ROW_KIND_TIMESTAMPTZ:
    case ROW_KIND_TSTZ_RANGE:
    case ROW_KIND_TSTZ_MULTIRANGE:
        buf_literal(out, "string");
        break;
    case ROW_KIND_BOOL:
        buf_literal(out, "boolean");
        break;
    case ROW_KIND_INT:
        buf_literal(out, "number");
        break;
    case ROW_KIND_BIGINT:
        buf_str(out, are_numbers_text ? STR("string") : STR("number"));
        break;
    case ROW_KIND_NUMERIC:
        buf_str(out, are_numbers_text ? STR("string") : STR("number | " SPECIAL_NUMBERS));
        break;
    case ROW_KIND_FLOAT:
        buf_literal(out, "number | " SPECIAL_NUMBERS);
        break;
    case ROW_KIND_JSON:
        buf_literal(out, "unknown");
        break;
    case ROW_KIND_HSTORE:
        buf_literal(out, "Record<string, string | null>");
        break;
    case ROW_KIND_ARRAY:
    case ROW_KIND_VECTOR:
        put_list(out, type, are_numbers_text);
        break;
    case ROW_KIND_COMPOSITE:
        put_composite(out, type, are_numbers_text);
        break;
    }
}

static void put_column(struct buf *out, const struct shape_column *column, bool are_numbers_text,
                       bool can_be_null)
{
    buf_literal(out, "      ");
    put_name(out, column->field.name);
    buf_literal(out, ": ");
    if (column->n_labels > 0) {
        put_labels(out, column);
    } else {
        put_type(out, column->field.type, are_numbers_text);
    }
    buf_str(out, can_be_null ? STR(" | null;\n") : STR(";\n"));
}

static void put_rows(struct buf *out, const struct shape_fields *shape, const char *not_null)
{
    size_t n_known = strlen(not_null);
    buf_literal(out, "    row: {\n");
    for (size_t i = 0; i < shape->n_columns; i++) {
        const struct shape_column *column = &shape->columns[i];
        bool is_unknown = column->field.type->kind == ROW_KIND_JSON; /* which includes null */
        bool can_be_null = !is_unknown && (i >= n_known || not_null[i] != '1');
        if (column->is_announced) {
            put_column(out, column, shape->are_numbers_text, can_be_null);
        }
    }
    buf_literal(out, "    };\n");
}

/* The literal parts of a template literal: what would end it, or begin something in it, is escaped.
 */
static void put_template_text(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (strchr("`$\\", *c)) {
            buf_char(out, '\\');
        }
        buf_char(out, *c);
    }
}

static void put_channel(struct buf *out, const struct shape_fields *shape)
{
    buf_literal(out, "    channel: `");
    for (size_t i = 0; i < shape->n_template; i++) {
        if (shape->template[i].literal) {
            put_template_text(out, shape->template[i].literal);
        } else {
            buf_literal(out, "${string}");
        }
    }
    buf_literal(out, "`;\n");
}

static void put_key(struct buf *out, const struct shape_fields *shape)
{
    buf_str(out, shape->key.n == 0 ? STR("    key: never") : STR("    key: "));
    for (size_t i = 0; i < shape->key.n; i++) {
        buf_str(out, i == 0 ? STR("") : STR(" | "));
        buf_json_string(out, str_of(shape->columns[shape->key.items[i]].field.name));
    }
    buf_literal(out, ";\n");
}

void typescript_put_watch(struct buf *out, const struct shape_fields *shape, const char *not_null)
{
    struct buf name = {0};
    buf_printf(&name, "%s.%s", shape->schema, shape->table);
    buf_literal(out, "  ");
    buf_json_string(out, buf_span(&name));
    buf_literal(out, ": {\n");
    put_channel(out, shape);
    put_key(out, shape);
    put_rows(out, shape, not_null);
    buf_literal(out, "  };\n");
    buf_release(&name);
}
