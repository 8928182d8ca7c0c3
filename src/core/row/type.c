/* SPDX-License-Identifier: PostgreSQL */
/* Trees of types. Their depth is the maker's to bound (pg/shapes/shape_loader.c does): what walks them
 * recurses. */
#include "core/row/type.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

struct row_type *row_type_new(enum row_kind kind)
{
    struct row_type *type = mem_zalloc(sizeof(*type));
    type->kind = kind;
    return type;
}

struct row_type *row_type_array(struct row_type *element_take, char delimiter)
{
    struct row_type *type = row_type_new(ROW_KIND_ARRAY);
    type->element = element_take;
    type->delimiter = delimiter;
    return type;
}

struct row_type *row_type_vector(struct row_type *element_take)
{
    struct row_type *type = row_type_new(ROW_KIND_VECTOR);
    type->element = element_take;
    return type;
}

struct row_type *row_type_composite(struct row_field *fields_take, size_t n_fields)
{
    struct row_type *type = row_type_new(ROW_KIND_COMPOSITE);
    type->fields = fields_take;
    type->n_fields = n_fields;
    return type;
}

void row_type_free(struct row_type *type)
{
    if (!type) {
        return;
    }
    row_type_free(type->element);
    for (size_t i = 0; i < type->n_fields; i++) {
        row_field_release(&type->fields[i]);
    }
    free(type->fields);
    free(type);
}

struct row_field row_field_make(const char *name, struct row_type *type_take)
{
    struct buf label = {0};
    buf_char(&label, ',');
    buf_json_string(&label, str_of(name));
    buf_char(&label, ':');
    return (struct row_field){
        .name = mem_strdup(name),
        .label = label.data,
        .label_len = label.len,
        .type = type_take,
    };
}

void row_field_release(struct row_field *field)
{
    free(field->name);
    free(field->label);
    row_type_free(field->type);
    *field = (struct row_field){0};
}
