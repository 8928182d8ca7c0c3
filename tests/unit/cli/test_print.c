/* SPDX-License-Identifier: PostgreSQL */
/* Rows as they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask/print.h"

enum { OID_BOOL = 16, OID_INT8 = 20, OID_TEXT = 25 };

/* A name and a type for each column, then the fields row by row; NULL is NULL. */
static PGresult *rows_of(int n_fields, const char *const *names, const Oid *types, int n_rows,
                         const char *const *fields)
{
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[4] = {{0}};
    for (int i = 0; i < n_fields; i++) {
        columns[i].name = (char *)(uintptr_t)names[i];
        columns[i].typid = types[i];
    }
    assert_true(PQsetResultAttrs(rows, n_fields, columns));
    for (int i = 0; i < n_rows * n_fields; i++) {
        int len = fields[i] ? (int)strlen(fields[i]) : -1;
        assert_true(
            PQsetvalue(rows, i / n_fields, i % n_fields, (char *)(uintptr_t)fields[i], len));
    }
    return rows;
}

static void test_escaping(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"", ""},
        {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
         "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"a\nb\tc\x1b[2J\x7f", "a\\nb\\tc\\x1b[2J\\x7f"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0"},
        {"\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xe2\x80\x93", "\\u202e\\u2066\\u2028\xe2\x80\x93"},
        {"no UTF-8: \xe9\x1b[m \xf0\x1b \x9b \xe2\x80",
         "no UTF-8: \\xe9\\x1b[m \\xf0\\x1b \\x9b \\xe2\\x80"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {0};
        print_escape(&out, str_of(cases[i].text));
        assert_string_equal(buf_text(&out), cases[i].printed);
        buf_release(&out);
    }
}

enum form { FORM_TABLE, FORM_RECORD, FORM_JSON };

static void assert_printed(const PGresult *rows, int n_rows, enum form form, const char *printed)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    switch (form) {
    case FORM_TABLE:
        print_table(rows, n_rows, out);
        break;
    case FORM_RECORD:
        print_record(rows, out);
        break;
    case FORM_JSON:
        print_json_lines(rows, n_rows, out);
        break;
    }
    fclose(out);
    assert_string_equal(text, printed);
    free(text);
}

static void test_a_table_lines_up(void **state)
{
    (void)state;
    static const char *const names[] = {"name", "n", "well", "last"};
    static const Oid types[] = {OID_TEXT, OID_INT8, OID_BOOL, OID_TEXT};
    static const char *const fields[] = {
        "\xc3\xa4\xc3\xb6\xc3\xbc",
        "7",
        "t",
        "one\ntwo", /* counted in characters */
        "longer",
        "12",
        "f",
        NULL, /* no blanks at the end */
        NULL,
        NULL,
        NULL,
        "x",
    };
    PGresult *rows = rows_of(4, names, types, 3, fields);
    assert_printed(rows, 3, FORM_TABLE,
                   "name     n  well  last\n"
                   "\xc3\xa4\xc3\xb6\xc3\xbc      7  yes   one\\ntwo\n"
                   "longer  12  no\n"
                   "                  x\n");
    assert_printed(rows, 1, FORM_TABLE,
                   "name  n  well  last\n"
                   "\xc3\xa4\xc3\xb6\xc3\xbc   7  yes   one\\ntwo\n");
    PQclear(rows);
}

static void test_a_record_has_a_line_a_field(void **state)
{
    (void)state;
    static const char *const names[] = {"ok", "absent", "warnings"};
    static const Oid types[] = {OID_BOOL, OID_TEXT, OID_TEXT};
    static const char *const fields[] = {"f", NULL, "first\nsecond\x1b"};
    PGresult *rows = rows_of(3, names, types, 1, fields);
    assert_printed(rows, 1, FORM_RECORD,
                   "ok        no\n"
                   "warnings  first\n"
                   "          second\\x1b\n");
    PQclear(rows);
}

static void test_json_is_a_value_a_line(void **state)
{
    (void)state;
    static const char *const names[] = {"to_json"};
    static const Oid types[] = {OID_TEXT};
    static const char *const fields[] = {"{\"a\":[1,\r\n2]}", "{\"b\":\"\\n\"}"};
    PGresult *rows = rows_of(1, names, types, 2, fields);
    assert_printed(rows, 2, FORM_JSON, "{\"a\":[1,  2]}\n{\"b\":\"\\n\"}\n");
    assert_printed(rows, 0, FORM_JSON, "");
    PQclear(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_a_table_lines_up),
        cmocka_unit_test(test_a_record_has_a_line_a_field),
        cmocka_unit_test(test_json_is_a_value_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
