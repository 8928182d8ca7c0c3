/* SPDX-License-Identifier: PostgreSQL */
/* An update as an insert or a delete, to who sees one of its rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/hub/live/moved.h"

#define PLACE "\"schema\":\"s \\\"\",\"table\":\"t\""
#define END "},\"dbo_id\":0,\"row_id\":0}"
#define NEW "{\"id\":1,\"old\":\"},\\\"old\\\":{\"}"
#define OLD "{\"new\":{\"data\":[1]},\"reduced\":\"x\",\"truncated_to_key\":true}"

static void check(enum moved moved, const char *payload, const char *expected)
{
    struct buf out = {0};
    buf_literal(&out, "before ");
    moved_put(&out, str_of(payload), moved);
    assert_string_equal(buf_text(&out) + 7, expected);
    buf_release(&out);
}

static void test_an_update_to_who_sees_the_new_row(void **state)
{
    (void)state;
    const char *update =
        "{\"data\":{\"action\":\"update\"," PLACE ",\"new\":" NEW ",\"old\":" OLD END;
    const char *insert =
        "{\"data\":{\"action\":\"insert\"," PLACE ",\"new\":" NEW ",\"old\":null" END;
    check(MOVED_ENTER, update, insert);
    check(MOVED_PERHAPS, update, insert);
}

static void test_an_update_to_who_sees_the_old_row(void **state)
{
    (void)state;
    check(MOVED_LEAVE,
          "{\"data\":{\"action\":\"update\"," PLACE ",\"new\":" NEW ",\"old\":" OLD END,
          "{\"data\":{\"action\":\"delete\"," PLACE ",\"new\":null,\"old\":" OLD END);
}

static void test_why_a_row_is_reduced_stays(void **state)
{
    (void)state;
    const char *rest = ",\"truncated_to_key\":true,\"reduced\":\"size\"";
    struct buf update = {0}, insert = {0};
    buf_printf(&update,
               "{\"data\":{\"action\":\"update\"," PLACE
               ",\"new\":{\"id\":2},\"old\":{\"id\":1}%s" END,
               rest);
    buf_printf(&insert,
               "{\"data\":{\"action\":\"insert\"," PLACE ",\"new\":{\"id\":2},\"old\":null%s" END,
               rest);
    check(MOVED_ENTER, buf_text(&update), buf_text(&insert));
    buf_release(&update);
    buf_release(&insert);
    check(MOVED_LEAVE,
          "{\"data\":{\"action\":\"update\"," PLACE
          ",\"new\":{},\"old\":{},\"reduced\":\"stale\"" END,
          "{\"data\":{\"action\":\"delete\"," PLACE
          ",\"new\":null,\"old\":{},\"reduced\":\"stale\"" END);
}

static void test_names(void **state)
{
    (void)state;
    assert_null(moved_name(MOVED_NOT));
    assert_string_equal(moved_name(MOVED_ENTER), "enter");
    assert_string_equal(moved_name(MOVED_PERHAPS), "unknown");
    assert_string_equal(moved_name(MOVED_LEAVE), "leave");
    assert_string_equal(moved_name(MOVED_UNKNOWN), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_update_to_who_sees_the_new_row),
        cmocka_unit_test(test_an_update_to_who_sees_the_old_row),
        cmocka_unit_test(test_why_a_row_is_reduced_stays),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
