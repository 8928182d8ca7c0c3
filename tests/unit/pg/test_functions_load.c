/* SPDX-License-Identifier: PostgreSQL */
/* The owner's functions under load and in trouble: order within a session, slow ones beside quick
 * ones, timeouts, too many calls, lost connections, the database away, the end. */
#include "bed_harness.h"

#include "base/clock.h"

static void start_with(uint32_t n_connections, uint32_t timeout_ms)
{
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.hook_connections = n_connections;
    options.hook_timeout_ms = timeout_ms;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
}

static void end_sleeping(void)
{
    bed_sql(bed, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                 "current_database() AND wait_event = 'PgSleep'");
}

static uint64_t took_ms(const struct asked *asked)
{
    return asked->answered_ms - asked->asked_ms;
}

/* ---- order ---- */

static void test_calls_of_one_session_keep_their_order(void **state)
{
    (void)state;
    start_with(4, 60000);
    const struct asked *first[3] = {NULL};
    for (uint32_t slot = 1; slot <= 3; slot++) {
        for (int i = 0; i < 10; i++) {
            char payload[32];
            /* The earlier, the slower; and every other one by another function. */
            snprintf(payload, sizeof(payload), "\"0.0%d%u\"", 9 - i, slot);
            const struct asked *asked =
                asker_call(asker, i % 2 ? FUNCTION("sleep") : FUNCTION("note"), slot, payload);
            first[slot - 1] = i == 0 ? asked : first[slot - 1];
        }
    }
    asker_wait(asker);
    assert_int_equal(asker->n_done, 30);
    for (int slot = 1; slot <= 3; slot++) {
        for (int i = 1; i < 10; i++) {
            assert_true(first[slot - 1][i].rank > first[slot - 1][i - 1].rank);
        }
        assert_int_equal(bed_number(bed,
                                    "SELECT count(*) FROM (SELECT what, lag(what) OVER (ORDER BY "
                                    "id) AS before FROM public.noted WHERE what LIKE '%%%d') x "
                                    "WHERE what >= before",
                                    slot),
                         0);
    }
}

static void test_an_expired_call_lets_the_next_ones_of_its_session_go_on(void **state)
{
    (void)state;
    start_with(2, 300);
    const struct asked *slow = asker_call(asker, FUNCTION("sleep"), 1, "20");
    const struct asked *behind = asker_call(asker, FUNCTION("echo"), 1, "1");
    asker_wait(asker);
    assert_int_equal(slow->result, STORE_VERDICT_FAILED);
    assert_true(behind->rank > 0);
    const struct asked *next = asker_call(asker, FUNCTION("echo"), 1, "2");
    asker_wait(asker);
    assert_int_equal(next->result, STORE_VERDICT_DONE);
}

/* ---- the slow and the quick ---- */

static void test_a_slow_function_does_not_block_others(void **state)
{
    (void)state;
    start_with(4, 60000);
    for (uint32_t i = 1; i <= 10; i++) {
        asker_call(asker, FUNCTION("sleep"), i, "20");
    }
    const struct asked *quick = asker_call(asker, FUNCTION("echo"), 100, "1");
    for (uint32_t i = 1; i < 200; i++) {
        asker_call(asker, FUNCTION("echo"), 100 + i, "1");
    }
    bed_wait(bed, &asker->n_answered, 200);
    for (size_t i = 0; i < 200; i++) {
        assert_true(quick[i].rank >= 1 && quick[i].rank <= 200);
    }
    bed_end(bed);
    assert_int_equal(asker->n_failed, 10);
}

static void test_a_slow_call_does_not_block_quick_ones_of_its_function(void **state)
{
    (void)state;
    start_with(4, 60000);
    asker_call(asker, FUNCTION("sleep"), 1, "0"); /* it seems to be quick */
    asker_wait(asker);
    const struct asked *slow = asker_call(asker, FUNCTION("sleep"), 1, "20");
    for (uint32_t i = 2; i <= 60; i++) {
        asker_call(asker, FUNCTION("sleep"), i, "0");
    }
    bed_wait(bed, &asker->n_done, 57); /* three may have been put behind it in its first moment */
    assert_int_equal(slow->rank, 0);
    end_sleeping();
    asker_wait(asker);
}

static void test_who_is_asked_for_rarely_does_not_starve(void **state)
{
    (void)state;
    start_with(4, 60000);
    asker_call(asker, FUNCTION("echo"), 0, "1");
    asker_call(asker, FUNCTION("describe"), 0, "1");
    asker_wait(asker);
    for (int i = 0; i < 1000; i++) {
        asker_call(asker, FUNCTION("echo"), 0, "1");
        asker_call(asker, FUNCTION("describe"), 0, "1");
    }
    const struct asked *rare = asker_call(asker, FUNCTION("nothing"), 0, "1");
    for (int i = 0; i < 1000; i++) {
        asker_call(asker, FUNCTION("echo"), 0, "1");
        asker_call(asker, FUNCTION("describe"), 0, "1");
    }
    asker_wait(asker);
    assert_int_equal(asker->n_failed, 0);
    assert_true(rare->rank < 2300);
}

static void test_many_quick_calls(void **state)
{
    (void)state;
    start_with(4, 60000);
    uint64_t begin_ms = clock_ms();
    for (uint32_t i = 0; i < 1500; i++) {
        asker_call(asker, FUNCTION("echo"), 1 + i % 1000, "{\"text\":\"hello\"}");
    }
    asker_wait(asker);
    assert_int_equal(asker->n_done, 1500);
    print_message("1500 calls: %u ms\n", (unsigned)(clock_ms() - begin_ms));
}

/* ---- timeouts ---- */

static void test_a_function_that_takes_too_long_has_failed(void **state)
{
    (void)state;
    start_with(1, 500);
    static const char pid[] = "\"SELECT to_json(pg_backend_pid())\"";
    const struct asked *before = asker_call(asker, FUNCTION("look"), 1, pid);
    asker_wait(asker);
    const struct asked *slow = asker_call(asker, FUNCTION("sleep"), 1, "20");
    asker_wait(asker);
    const struct asked *after = asker_call(asker, FUNCTION("look"), 1, pid);
    asker_wait(asker);
    assert_int_equal(slow->result, STORE_VERDICT_FAILED);
    assert_true(took_ms(slow) >= 400 && took_ms(slow) < 5000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM public.noted"), 0);
    assert_string_equal(before->payload, after->payload); /* it did not cost the connection */
}

/* One catches the cancel, the other would sleep in the commit, where no statement timeout is. */
static void test_a_function_that_does_not_stop_costs_only_its_connection(void **state)
{
    (void)state;
    bed_sql(bed, "CREATE TABLE public.lazy (id int);"
                 "CREATE FUNCTION public.be_lazy() RETURNS trigger LANGUAGE plpgsql AS"
                 " 'BEGIN PERFORM pg_sleep(20); RETURN NEW; END';"
                 "CREATE CONSTRAINT TRIGGER lazy AFTER INSERT ON public.lazy DEFERRABLE INITIALLY"
                 " DEFERRED FOR EACH ROW EXECUTE FUNCTION public.be_lazy()");
    start_with(4, 300);
    const struct asked *stubborn = asker_call(asker, FUNCTION("stubborn"), 1, "1");
    const struct asked *lazy =
        asker_call(asker, FUNCTION("run"), 2, "\"INSERT INTO public.lazy VALUES (1)\"");
    const struct asked *quick = asker_call(asker, FUNCTION("echo"), 3, "1");
    asker_wait(asker);
    assert_int_equal(stubborn->result, STORE_VERDICT_FAILED);
    assert_int_equal(lazy->result, STORE_VERDICT_FAILED);
    assert_int_equal(quick->result, STORE_VERDICT_DONE);
    assert_true(took_ms(stubborn) < 5000 && took_ms(lazy) < 5000);
    assert_int_equal(bed->n_down, 0);
    const struct asked *next = asker_call(asker, FUNCTION("stubborn"), 0, "1");
    asker_wait(asker);
    assert_int_equal(next->result, STORE_VERDICT_FAILED);
}

static void test_who_waits_for_a_place_is_answered_in_time(void **state)
{
    (void)state;
    start_with(2, 300);
    for (uint32_t i = 1; i <= 50; i++) {
        asker_call(asker, FUNCTION("sleep"), i, "20");
    }
    asker_wait(asker);
    assert_int_equal(asker->n_failed, 50);
    for (size_t i = 0; i < 50; i++) {
        assert_true(took_ms(&asker->all[i]) < 3000);
    }
}

static void test_what_nobody_waits_for_may_wait_longer(void **state)
{
    (void)state;
    start_with(2, 300);
    for (int i = 0; i < 8; i++) {
        struct store_call call = {.kind = STORE_CALL_ON_ACTION,
                                  .function = STR(FUNCTION("sleep")),
                                  .action = STR("leave"),
                                  .payload = STR("0.2")};
        bed->store.functions.call(bed->store.functions.ctx, &call, NULL, NULL);
    }
    bed_wait_sql(bed, "SELECT count(*) = 8 FROM public.noted");
}

/* ---- too many ---- */

static void test_too_many_calls_fail_at_once(void **state)
{
    (void)state;
    start_with(2, 6000);
    asker_call(asker, FUNCTION("echo"), 0, "1");
    asker_wait(asker);
    asker_call(asker, FUNCTION("sleep"), 0, "5"); /* until all are asked, on a busy machine too */
    for (size_t i = 0; i < FUNCTIONS_MAX_WAITING + 100; i++) {
        asker_call(asker, FUNCTION("sleep"), 0, "0");
    }
    bed_wait(bed, &asker->n_answered, 101);
    assert_int_equal(asker->n_failed, 100);
    const struct asked *other = asker_call(asker, FUNCTION("sleep"), 0, "0");
    bed_wait(bed, &asker->n_answered, 102);
    assert_int_equal(other->result, STORE_VERDICT_FAILED);
    assert_true(took_ms(other) < 500);
    asker_wait(asker);
    const struct asked *later = asker_call(asker, FUNCTION("echo"), 0, "0");
    asker_wait(asker);
    assert_int_equal(later->result, STORE_VERDICT_DONE);
}

static void test_too_many_bytes_fail_at_once(void **state)
{
    (void)state;
    start_with(2, 2000);
    enum { PAYLOAD = 1024 * 1024 };
    char *payload = malloc(PAYLOAD + 1);
    assert_non_null(payload);
    memset(payload, ' ', PAYLOAD);
    payload[0] = '1';
    payload[PAYLOAD] = 0;
    asker_call(asker, FUNCTION("sleep"), 0, "1");
    for (int i = 0; i < 80; i++) {
        asker_call(asker, FUNCTION("sleep"), 0, payload);
    }
    free(payload);
    bed_wait(bed, &asker->n_answered, 17); /* 63 fit */
    assert_int_equal(asker->n_failed, 17);
    bed_end(bed); /* the others are given up */
    assert_int_equal(asker->n_answered, 81);
}

/* ---- lost connections ---- */

static void test_a_call_whose_connection_is_lost_has_failed(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    const struct asked *killed = asker_call(asker, FUNCTION("sleep"), 1, "1.5");
    const struct asked *behind = asker_call(asker, FUNCTION("echo"), 1, "1");
    bed_wait_sql(bed, "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = "
                      "current_database() AND wait_event = 'PgSleep'");
    end_sleeping();
    asker_wait(asker);
    assert_int_equal(killed->result, STORE_VERDICT_FAILED);
    assert_int_equal(behind->result, STORE_VERDICT_DONE); /* on another connection */
    assert_int_equal(bed->n_down, 0);
}

static void test_calls_fail_at_once_while_the_database_is_away(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    asker_call(asker, FUNCTION("sleep"), 1, "1.5");
    asker_call(asker, FUNCTION("echo"), 1, "1");
    cluster_down(false);
    bed_wait(bed, &bed->n_down, 1);
    const struct asked *away = asker_call(asker, FUNCTION("echo"), 2, "1");
    const struct asked *token = asker_token(asker, "{}"); /* no function: that is known anyway */
    asker_wait(asker);
    assert_int_equal(asker->n_failed, 3);
    assert_true(took_ms(away) < 500);
    assert_int_equal(token->error, ERROR_CODE_TOKEN_INVALID);
    cluster_up();
    bed_wait(bed, &bed->n_up, 2);
    const struct asked *back = asker_call(asker, FUNCTION("echo"), 2, "1");
    asker_wait(asker);
    assert_int_equal(back->result, STORE_VERDICT_DONE);
}

static void ask_when_up(struct bed *of)
{
    (void)of;
    for (uint32_t i = 0; i < 50; i++) {
        asker_call(asker, FUNCTION("echo"), i % 5, "1");
    }
}

/* Inside on_up none of our connections is there yet. */
static void test_what_is_asked_as_soon_as_it_is_up_waits(void **state)
{
    (void)state;
    bed->when_up = ask_when_up;
    bed_start_plainly(bed);
    asker_wait(asker);
    bed_kill_server_backends(bed);
    bed_wait(bed, &bed->n_up, 2);
    asker_wait(asker);
    assert_int_equal(asker->n_done, 100);
}

static void test_asked_before_it_was_ever_up(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    bed_start(bed, &options);
    const struct asked *early = asker_call(asker, FUNCTION("echo"), 1, "1");
    asker_wait(asker);
    assert_int_equal(early->result, STORE_VERDICT_FAILED);
    assert_int_equal(bed->n_up, 0);
}

/* Kills at random: every call is answered once, and those of a session in order. */
static void test_connections_killed_at_random(void **state)
{
    (void)state;
    start_with(4, 60000);
    asker_call(asker, FUNCTION("note"), 0, "0");
    asker_wait(asker);
    for (int round = 0; round < 15; round++) {
        size_t before = asker->n;
        for (uint32_t i = 0; i < 100; i++) {
            asker_call(asker, FUNCTION("note"), i % 7, "1");
        }
        bed_wait(bed, &asker->n_answered, before + 20);
        bed_sql(bed,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND usename = 'herald_hook' AND (query ~ 'call_function'"
                " OR %d = 7)",
                round);
        asker_wait(asker);
    }
    assert_int_equal(asker->n_done + asker->n_failed, 1501);
    size_t last[7] = {0};
    for (size_t i = 1; i < asker->n; i++) {
        size_t slot = (i - 1) % 100 % 7;
        assert_true(slot == 0 || asker->all[i].rank > last[slot]);
        last[slot] = asker->all[i].rank;
    }
    assert_true(bed_number(bed, "SELECT count(*) FROM public.noted") >= (long long)asker->n_done);
}

/* ---- the end ---- */

static void test_the_end_waits_for_what_was_asked(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    for (int i = 0; i < 300; i++) {
        char payload[16];
        snprintf(payload, sizeof(payload), "%d", i);
        struct store_call call = {.kind = STORE_CALL_ON_ACTION,
                                  .function = STR(FUNCTION("note")),
                                  .queue = {0, 1, 1},
                                  .action = STR("leave"),
                                  .payload = str_of(payload)};
        bed->store.functions.call(bed->store.functions.ctx, &call, NULL, NULL);
    }
    bed_end(bed);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM public.noted"), 300);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM public.noted WHERE what::int <> id - 1"),
                     0);
}

static void test_the_end_comes_in_time(void **state)
{
    (void)state;
    start_with(2, 60000);
    asker_call(asker, FUNCTION("sleep"), 1, "20");
    asker_call(asker, FUNCTION("echo"), 1, "1");
    uint64_t begin_ms = clock_ms();
    database_stop(bed->database, 200, (loop_fn *)loop_stop, bed->loop);
    loop_run(bed->loop);
    assert_true(clock_ms() - begin_ms < 5000);
    assert_int_equal(asker->n_failed, 2);
    asker_call(asker, FUNCTION("echo"), 1, "1");
    database_free(bed->database);
    bed->database = NULL;
    assert_int_equal(asker->n_failed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKER_TEST(test_calls_of_one_session_keep_their_order),
        ASKER_TEST(test_an_expired_call_lets_the_next_ones_of_its_session_go_on),
        ASKER_TEST(test_a_slow_function_does_not_block_others),
        ASKER_TEST(test_a_slow_call_does_not_block_quick_ones_of_its_function),
        ASKER_TEST(test_who_is_asked_for_rarely_does_not_starve),
        ASKER_TEST(test_many_quick_calls),
        ASKER_TEST(test_a_function_that_takes_too_long_has_failed),
        ASKER_TEST(test_a_function_that_does_not_stop_costs_only_its_connection),
        ASKER_TEST(test_who_waits_for_a_place_is_answered_in_time),
        ASKER_TEST(test_what_nobody_waits_for_may_wait_longer),
        ASKER_TEST(test_too_many_calls_fail_at_once),
        ASKER_TEST(test_too_many_bytes_fail_at_once),
        ASKER_TEST(test_a_call_whose_connection_is_lost_has_failed),
        ASKER_TEST(test_calls_fail_at_once_while_the_database_is_away),
        ASKER_TEST(test_what_is_asked_as_soon_as_it_is_up_waits),
        ASKER_TEST(test_asked_before_it_was_ever_up),
        ASKER_TEST(test_connections_killed_at_random),
        ASKER_TEST(test_the_end_waits_for_what_was_asked),
        ASKER_TEST(test_the_end_comes_in_time),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
