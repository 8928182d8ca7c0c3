/* SPDX-License-Identifier: PostgreSQL */
/* Shapes for tests of core/row, written as herald.shape.description has them. */
#ifndef HERALD_UNIT_ROW_HARNESS_H
#define HERALD_UNIT_ROW_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "core/row/change.h"
#include "pg/shapes/shape_loader.h"

#define COLUMN(name, type)                                                                         \
    "{\"name\":\"" name "\",\"type\":" type ",\"announced\":true,\"kept\":false}"
#define HIDDEN(name, type)                                                                         \
    "{\"name\":\"" name "\",\"type\":" type ",\"announced\":false,\"kept\":false}"
#define KEPT(name, type)                                                                           \
    "{\"name\":\"" name "\",\"type\":" type ",\"announced\":false,\"kept\":true}"

static inline struct shape *shape_make(const char *template, const char *numbers, size_t max_bytes,
                                       const char *key, const char *columns)
{
    struct buf text = {0};
    const char *reason;
    buf_printf(&text,
               "{\"watch\":\"w\",\"schema\":\"public\",\"table\":\"t\",\"template\":%s,"
               "\"numbers\":\"%s\",\"max_bytes\":%zu,\"key\":%s,\"columns\":[%s]}",
               template, numbers, max_bytes, key, columns);
    struct shape *shape = shape_load(7, buf_span(&text), &reason);
    buf_release(&text);
    if (!shape) {
        fail_msg("no shape: %s", reason);
    }
    return shape;
}

static inline void assert_span(struct str got, const char *expected)
{
    char *text = str_dup(got);
    if (expected) {
        assert_non_null(text);
        assert_string_equal(text, expected);
    } else {
        assert_null(text);
    }
    free(text);
}

#endif
