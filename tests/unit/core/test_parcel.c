/* SPDX-License-Identifier: PostgreSQL */
/* Parcels: what is put in comes out, and what is cut or made up is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/nodes/parcel.h"

static void put_all(struct buf *out)
{
    parcel_put_u8(out, 200);
    parcel_put_u32(out, 4000000000);
    parcel_put_u64(out, UINT64_MAX - 1);
    parcel_put_str(out, STR("room/1"));
    parcel_put_str(out, STR(""));
    parcel_put_str(out, (struct str){0});
}

static bool take_all(struct parcel *parcel)
{
    bool is_same = parcel_u8(parcel) == 200 && parcel_u32(parcel) == 4000000000 &&
                   parcel_u64(parcel) == UINT64_MAX - 1 &&
                   str_equals(parcel_str(parcel), STR("room/1"));
    struct str empty = parcel_str(parcel), absent = parcel_str(parcel);
    return is_same && empty.ptr && empty.len == 0 && !absent.ptr && parcel_is_done(parcel);
}

static void comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct buf out = {0};
    put_all(&out);
    struct parcel parcel = parcel_of(buf_span(&out));
    assert_true(take_all(&parcel));
    buf_release(&out);
}

static void cut_anywhere_is_bad(void **state)
{
    (void)state;
    struct buf out = {0};
    put_all(&out);
    for (size_t len = 0; len < out.len; len++) {
        struct parcel parcel = parcel_of((struct str){out.data, len});
        assert_false(take_all(&parcel));
        assert_false(parcel_is_done(&parcel));
    }
    parcel_put_u8(&out, 0); /* and one byte too many */
    struct parcel parcel = parcel_of(buf_span(&out));
    assert_false(take_all(&parcel));
    buf_release(&out);
}

static void behind_a_bad_length_all_is_bad(void **state)
{
    (void)state;
    struct buf out = {0};
    parcel_put_u32(&out, UINT32_MAX - 1);
    parcel_put_u32(&out, 7);
    struct parcel parcel = parcel_of(buf_span(&out));
    assert_null(parcel_str(&parcel).ptr);
    assert_int_equal(parcel_u32(&parcel), 0);
    assert_true(parcel.is_bad);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_out_as_it_went_in),
        cmocka_unit_test(cut_anywhere_is_bad),
        cmocka_unit_test(behind_a_bad_length_all_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
