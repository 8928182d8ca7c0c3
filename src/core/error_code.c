/* SPDX-License-Identifier: PostgreSQL */
/* Names and sentences of the error codes, generated from the one table in the header, so that code,
 * name and sentence cannot drift apart. */
#include "core/error_code.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *text;
} table[] = {
#define ERROR_CODE_ROW(name, wire, text) [ERROR_CODE_##name] = {wire, text},
    ERROR_CODES(ERROR_CODE_ROW)
#undef ERROR_CODE_ROW
};

const char *error_code_name(enum error_code code)
{
    return table[code].name;
}

const char *error_code_text(enum error_code code)
{
    return table[code].text;
}
