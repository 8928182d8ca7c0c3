/* SPDX-License-Identifier: PostgreSQL */
/* docs/wire.md has the table of the error codes. The tests run from the top of the repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "core/error_code.h"

static void test_the_page_has_all_codes_in_their_order(void **state)
{
    (void)state;
    static char page[1 << 16];
    struct buf rows = {0};
    FILE *file = fopen("docs/wire.md", "re");
    assert_non_null(file);
    size_t len = fread(page, 1, sizeof(page) - 1, file);
    assert_true(len < sizeof(page) - 1);
    fclose(file);
#define ROW(name, wire, text)                                                                      \
    buf_printf(&rows, "| `%s` | %s |\n", error_code_name(ERROR_CODE_##name),                       \
               error_code_text(ERROR_CODE_##name));
    buf_literal(&rows, "|---|---|\n");
    ERROR_CODES(ROW)
#undef ROW
    buf_char(&rows, '\n'); /* and no more */
    if (!strstr(page, buf_text(&rows))) {
        fail_msg("docs/wire.md lacks:\n%s", buf_text(&rows));
    }
    buf_release(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_page_has_all_codes_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
