/* SPDX-License-Identifier: PostgreSQL */
/* Which transactions a snapshot sees, and which texts are none. */
#include "live_harness.h"

#include "core/live/txid.h"

static void test_sees(void **state)
{
    (void)state;
    struct txid_snapshot snapshot;
    assert_true(txid_snapshot_parse(STR("10:20:10,13,19"), &snapshot));
    assert_int_equal(snapshot.n, 3);
    for (uint64_t xid = 0; xid < 30; xid++) {
        bool is_over = xid < 20 && xid != 10 && xid != 13 && xid != 19;
        assert_int_equal(txid_snapshot_sees(&snapshot, xid), is_over);
    }
    txid_snapshot_release(&snapshot);
    assert_true(txid_snapshot_parse(STR("7:7:"), &snapshot));
    assert_true(txid_snapshot_sees(&snapshot, 6));
    assert_false(txid_snapshot_sees(&snapshot, 7));
    txid_snapshot_release(&snapshot);
    /* Beyond 32 bits. */
    assert_true(txid_snapshot_parse(STR("4294967297:4294967300:4294967298"), &snapshot));
    assert_true(txid_snapshot_sees(&snapshot, 4294967297));
    assert_false(txid_snapshot_sees(&snapshot, 4294967298));
    txid_snapshot_release(&snapshot);
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",         ":",
        "5",        "5:",
        "9:8:",     "1:5:0",
        "1:5:5",    "1:5:3,3",
        "1:5:4,3",  "1:5:,",
        "1:5:2,,3", "a:5:",
        "1:5:x",    "-1:5:",
        "1:5:2 ,3", " 1:5:",
        "1:5:2:3",  "1:1:1",
        "1:5:2;",   "1:5:+2",
        "0x1:5:",   "1:99999999999999999999:",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct txid_snapshot snapshot;
        if (txid_snapshot_parse(str_of(texts[i]), &snapshot)) {
            fail_msg("\"%s\" was read", texts[i]);
        }
    }
    struct txid_snapshot snapshot;
    assert_false(txid_snapshot_parse((struct str){0}, &snapshot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sees),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
