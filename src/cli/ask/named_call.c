/* SPDX-License-Identifier: PostgreSQL */
/* Only what was given is passed on, so the defaults stay those of the function. Types are left to
 * Postgres, which knows those of the arguments. */
#include <stdlib.h>
#include <string.h>

#include "cli/ask/ask.h"

static void add_name(struct buf *sql, const char *option)
{
    buf_literal(sql, ", ");
    for (const char *c = option; *c; c++) {
        buf_char(sql, *c == '-' ? '_' : *c);
    }
    buf_literal(sql, " => ");
}

/* How a parameter of this kind stands in the call, % being its number. An empty list has no
 * element. */
static const char *form_of(const struct option *option, const char *text)
{
    if (option->value_name && strcmp(option->value_name, "A,B") == 0) {
        return *text ? "pg_catalog.regexp_split_to_array($%, '\\s*,\\s*')"
                     : "pg_catalog.array_remove(ARRAY[$%], '')";
    }
    bool has_types =
        option->value_name && strcmp(option->value_name, "FUNCTION") == 0 && strchr(text, '(');
    return has_types ? "$%::pg_catalog.regprocedure" : "$%";
}

static void add_param(struct named_call *call, const struct option *option, const char *text)
{
    const char *form = form_of(option, text);
    size_t at = strcspn(form, "%");
    call->params[call->n++] = text;
    buf_add(&call->sql, form, at);
    buf_u64(&call->sql, (uint64_t)call->n);
    buf_literal(&call->sql, form + at + 1);
}

static void add_option(struct named_call *call, const struct argument *given, const void *values)
{
    const struct option *option = given->option;
    add_name(&call->sql, option->name);
    if (option->type == OPTION_COUNT || option->type == OPTION_BYTES) {
        uint32_t number;
        memcpy(&number, (const char *)values + option->offset, sizeof(number));
        buf_u64(&call->sql, number);
    } else {
        add_param(call, option, given->text);
    }
}

static bool is_last(const struct arguments *given, size_t at)
{
    for (size_t i = at + 1; i < given->n_given; i++) {
        if (given->given[i].option == given->given[at].option) {
            return false;
        }
    }
    return true;
}

void named_call_add(struct named_call *call, const struct arguments *given,
                    struct option_table table, const void *values)
{
    for (size_t i = 0; i < given->n_given; i++) {
        const struct option *option = given->given[i].option;
        bool is_own = option >= table.options && option < table.options + table.n;
        if (is_own && is_last(given, i) && call->n < NAMED_CALL_MAX) {
            add_option(call, &given->given[i], values);
        }
    }
}

enum status named_call_run(struct named_call *call, struct admin *admin, struct err *err)
{
    char *ignored = NULL;
    buf_char(&call->sql, ')');
    enum status status =
        admin_value(admin, buf_text(&call->sql), call->n, call->params, &ignored, err);
    free(ignored);
    return status;
}

void named_call_release(struct named_call *call)
{
    buf_release(&call->sql);
}
