/* SPDX-License-Identifier: PostgreSQL */
/* Filling in a struct err. The first failure is the one to report, so callers set it once, where it
 * happened, and only pass the status on from there. A sentence that does not fit is cut, never
 * refused. */
#include "base/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum status err_set(struct err *err, enum exit_code code, const char *format, ...)
{
    if (!err)
        return STATUS_FAILED;
    va_list args;
    va_start(args, format);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return STATUS_FAILED;
}
