/* SPDX-License-Identifier: PostgreSQL */
/* A shape is checked once, where it is made, so that nothing that reads rows by it has to check an
 * index again; and what is the same for each row is put together here: the lists of columns that a
 * row may consist of, and the text in front of it. */
#include "core/row/shape.h"

#include <stdlib.h>

#include "base/mem.h"

static bool template_is_sound(const struct shape_fields *f)
{
    for (size_t i = 0; i < f->n_template; i++) {
        const struct shape_part *part = &f->template[i];
        if (!part->literal && part->column >= f->n_columns) {
            return false;
        }
        if (part->literal && i > 0 && f->template[i - 1].literal) {
            return false;
        }
    }
    return f->n_template > 0;
}

/* What a key shows must be announced. */
static bool key_is_sound(const struct shape_fields *f)
{
    for (size_t i = 0; i < f->key.n; i++) {
        if (f->key.items[i] >= f->n_columns || !f->columns[f->key.items[i]].is_announced) {
            return false;
        }
    }
    return true;
}

static bool list_has(const struct shape_list *list, size_t column)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i] == column) {
            return true;
        }
    }
    return false;
}

static void list_add(struct shape_list *list, size_t column, bool is_in)
{
    if (is_in) {
        list->items[list->n++] = column;
    }
}

static bool template_has(const struct shape_fields *f, size_t column)
{
    for (size_t i = 0; i < f->n_template; i++) {
        if (!f->template[i].literal && f->template[i].column == column) {
            return true;
        }
    }
    return false;
}

static void make_lists(struct shape *shape)
{
    const struct shape_fields *f = &shape->f;
    struct shape_list *lists[] = {&shape->all, &shape->announced, &shape->kept, &shape->in_template,
                                  &shape->brief};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        lists[i]->items = mem_array(NULL, f->n_columns + 1, sizeof(size_t));
    }
    for (size_t i = 0; i < f->n_columns; i++) {
        bool is_in_template = template_has(f, i);
        list_add(&shape->all, i, true);
        list_add(&shape->announced, i, f->columns[i].is_announced);
        list_add(&shape->kept, i, f->columns[i].is_kept);
        list_add(&shape->in_template, i, is_in_template);
        list_add(&shape->brief, i, is_in_template || f->columns[i].is_kept || list_has(&f->key, i));
    }
}

struct shape *shape_new(const struct shape_fields *fields_take, const char **reason)
{
    struct shape *shape = mem_zalloc(sizeof(*shape));
    shape->refs = 1;
    shape->f = *fields_take;
    *reason = !template_is_sound(fields_take) ? "its template is none"
              : !key_is_sound(fields_take)    ? "its key is not announced"
                                              : NULL;
    if (*reason) {
        shape_unref(shape);
        return NULL;
    }
    make_lists(shape);
    buf_literal(&shape->head, "\",\"schema\":");
    buf_json_string(&shape->head, str_of(shape->f.schema));
    buf_literal(&shape->head, ",\"table\":");
    buf_json_string(&shape->head, str_of(shape->f.table));
    buf_literal(&shape->head, ",\"new\":");
    return shape;
}

static void column_release(struct shape_column *column)
{
    row_field_release(&column->field);
    for (size_t i = 0; i < column->n_labels; i++) {
        free(column->labels[i]);
    }
    free(column->labels);
}

void shape_fields_release(struct shape_fields *fields)
{
    for (size_t i = 0; i < fields->n_columns; i++) {
        column_release(&fields->columns[i]);
    }
    for (size_t i = 0; i < fields->n_template; i++) {
        free(fields->template[i].literal);
    }
    free(fields->columns);
    free(fields->template);
    free(fields->key.items);
    free(fields->watch);
    free(fields->schema);
    free(fields->table);
    free(fields->visible);
    for (size_t i = 0; i < fields->n_claims; i++) {
        free(fields->claims[i]);
    }
    free(fields->claims);
    *fields = (struct shape_fields){0};
}

struct shape *shape_ref(struct shape *shape)
{
    shape->refs++;
    return shape;
}

void shape_unref(struct shape *shape)
{
    if (!shape || --shape->refs > 0) {
        return;
    }
    shape_fields_release(&shape->f);
    buf_release(&shape->head);
    free(shape->all.items);
    free(shape->announced.items);
    free(shape->kept.items);
    free(shape->in_template.items);
    free(shape->brief.items);
    free(shape);
}
