/* SPDX-License-Identifier: PostgreSQL */
/* Messages that are sent once under a key, again and again: in one batch, in later ones, by others,
 * over commits in doubt, and in another epoch. */
#include "bed_harness.h"

#define KEY "0123456789abcdef"

static void start_proxied(void)
{
    struct database_options options = proxied();
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
}

static void send_once(const char *by, const char *key, uint32_t nth)
{
    char payload[32];
    snprintf(payload, sizeof(payload), "\"once #%u\"", nth);
    assert_true(bed_append_once(bed, "room", str_of(payload), nth, by, key));
}

static void test_a_repeat_gets_the_first_ones_receipt(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    send_once("i:12/34", KEY, 1);
    bed_wait(bed, &bed->n_done, 1);
    send_once("i:12/34", KEY, 2);
    send_once("i:12/35", KEY, 3); /* the same key, but another sender's */
    send_once("i:12/34", NULL, 4);
    bed_wait(bed, &bed->n_done, 4);
    assert_int_equal(bed->n_events, 3);
    assert_non_null(strstr(buf_text(&bed->trace), "READAREAREA"));
    static const uint64_t offsets[] = {1, 1, 2, 3};
    assert_memory_equal(bed->receipts, offsets, sizeof(offsets));
    bed_check_against_log(bed, 0);
}

static void test_repeats_in_one_batch(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    for (uint32_t i = 1; i <= 5; i++) {
        send_once("a:x", KEY, i);
        send_once("a:y", KEY, i);
    }
    bed_wait(bed, &bed->n_done, 10);
    assert_int_equal(bed->n_events, 2);
    for (size_t i = 0; i < 10; i++) {
        assert_true(bed->receipts[i] == 1 || bed->receipts[i] == 2);
    }
    bed_check_against_log(bed, 0);
}

/* The commit has happened, and its answer is lost: whoever sends again meanwhile is a repeat. */
static void in_doubt(enum proxy_trap trap)
{
    start_proxied();
    proxy_set_trap(proxy, trap, "once #2\"");
    send_once("i:1/1", KEY "1", 1);
    send_once("i:1/1", KEY "2", 2);
    bed_wait(bed, &bed->n_down, 1);
    send_once("i:1/1", KEY "1", 3);
    send_once("i:1/1", KEY "2", 4);
    send_once("i:1/1", KEY "3", 5);
    bed_wait(bed, &bed->n_done, 5);
    assert_int_equal(proxy_n_trapped(proxy), 1);
    assert_int_equal(bed->n_events, 3);
    assert_int_equal(bed->n_receipts, 5);
    bed_check_against_log(bed, 0);
}

static void test_after_a_commit_in_doubt(void **state)
{
    (void)state;
    in_doubt(PROXY_TRAP_AFTER);
    assert_int_equal(bed->receipts[0], 1); /* found, and told where they are */
    assert_int_equal(bed->receipts[1], 2);
}

static void test_after_a_batch_that_never_arrived(void **state)
{
    (void)state;
    in_doubt(PROXY_TRAP_BEFORE);
}

/* What was stored before a restore is there, but its position means nothing any more. */
static void test_in_another_epoch(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    send_once("i:1/1", KEY, 1);
    bed_wait(bed, &bed->n_done, 1);
    bed_sql(bed, "UPDATE herald.canary SET epoch = epoch");
    bed_kill_server_backends(bed);
    bed_wait(bed, &bed->n_up, 2);
    send_once("i:1/1", KEY, 2);
    bed_wait(bed, &bed->n_done, 2);
    assert_int_equal(bed->n_events, 1);
    assert_int_equal(bed->receipts[1], 0);
}

static void test_keys_are_forgotten_after_an_hour(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    send_once("i:1/1", KEY "1", 1);
    send_once("i:1/1", KEY "2", 2);
    bed_wait(bed, &bed->n_done, 2);
    bed_sql(bed, "UPDATE herald.sent SET at = at - interval '61 minutes' WHERE channel_offset = 1");
    bed_sql(bed, "SELECT herald.sweep()");
    bed_wait_sql(bed, "SELECT count(*) = 1 FROM herald.sent");
    send_once("i:1/1", KEY "1", 3);
    bed_wait(bed, &bed->n_done, 3);
    assert_int_equal(bed->n_events, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_repeat_gets_the_first_ones_receipt),
        TEST(test_repeats_in_one_batch),
        TEST(test_after_a_commit_in_doubt),
        TEST(test_after_a_batch_that_never_arrived),
        TEST(test_in_another_epoch),
        TEST(test_keys_are_forgotten_after_an_hour),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
