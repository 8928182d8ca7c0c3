/* SPDX-License-Identifier: PostgreSQL */
/* The queue of messages: order, memory that is used again, and how many make a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/batch/messages.h"

#include <string.h>

static void push(struct messages *messages, uint32_t sender, size_t payload_bytes)
{
    static const char bytes[1000];
    struct event_fields fields = {.channel = STR("c"), .payload = {bytes, payload_bytes}};
    struct event *event = event_new(&fields);
    messages_push(messages, &(struct store_append){.message = event, .sender = {0, sender, 1}});
    event_unref(event);
}

static uint32_t pop(struct messages *messages)
{
    struct message message = messages_pop(messages);
    uint32_t slot = message.sender.slot;
    message_release(&message);
    return slot;
}

static void test_first_in_first_out(void **state)
{
    (void)state;
    struct messages messages = {0};
    uint32_t pushed = 0, popped = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 1 + round % 50; i++) {
            push(&messages, pushed++, 10);
        }
        for (int i = 0; i < round % 45 && popped < pushed; i++) {
            assert_int_equal(messages_at(&messages, 0)->sender.slot, popped);
            assert_int_equal(pop(&messages), popped++);
        }
        assert_int_equal(messages.n, pushed - popped);
    }
    while (popped < pushed) {
        assert_int_equal(pop(&messages), popped++);
    }
    assert_int_equal(messages.n, 0);
    assert_int_equal(messages.bytes, 0);
    messages_release(&messages);
}

static void test_a_short_queue_needs_little_memory_for_ever(void **state)
{
    (void)state;
    struct messages messages = {0};
    push(&messages, 0, 1);
    for (uint32_t i = 1; i < 10000; i++) {
        push(&messages, i, 1);
        (void)pop(&messages);
    }
    assert_true(messages.cap <= 64);
    messages_release(&messages);
}

static void test_fit(void **state)
{
    (void)state;
    struct messages messages = {0};
    assert_int_equal(messages_fit(&messages, 10, 10), 0);
    for (uint32_t i = 0; i < 5; i++) {
        push(&messages, i, 1000);
    }
    size_t cost = messages_at(&messages, 0)->cost;
    assert_int_equal(messages.bytes, 5 * cost);
    assert_int_equal(messages_fit(&messages, 10, 100 * cost), 5);
    assert_int_equal(messages_fit(&messages, 3, 100 * cost), 3);
    assert_int_equal(messages_fit(&messages, 10, 2 * cost), 2);
    assert_int_equal(messages_fit(&messages, 10, 3 * cost - 1), 2);
    assert_int_equal(messages_fit(&messages, 10, 1), 1); /* one always fits */
    messages_release(&messages);
}

static void push_keyed(struct messages *messages, uint32_t sender, const char *by, const char *key,
                       const char *channel)
{
    struct event *event = event_new(&(struct event_fields){.channel = str_of(channel)});
    struct store_append append = {.message = event,
                                  .sender = {0, sender, 1},
                                  .ref = STR("r"),
                                  .by = str_of(by),
                                  .key = str_of(key)};
    messages_push(messages, &append);
    event_unref(event);
}

/* Many small ones with refs must not fill the memory that append-max-bytes means to bound. */
static void test_what_comes_beside_a_message_costs_too(void **state)
{
    (void)state;
    struct messages messages = {0};
    push_keyed(&messages, 1, "", "", "c");
    push_keyed(&messages, 2, "ann", "a key of some length", "c");
    size_t with_ref = messages_at(&messages, 0)->cost, with_key = messages_at(&messages, 1)->cost;
    assert_int_equal(with_key, with_ref + strlen("ann") + strlen("a key of some length"));
    push(&messages, 3, 1);
    assert_true(messages_at(&messages, 2)->cost < with_ref);
    messages_release(&messages);
}

/* Those that an older one makes doubtful go behind; the others stay in order. */
static void test_repeats_wait_for_the_next_batch(void **state)
{
    (void)state;
    struct messages messages = {0};
    size_t n_keyed;
    push(&messages, 0, 1);
    push_keyed(&messages, 1, "ann", "k", "c");
    push_keyed(&messages, 2, "ann", "k", "c"); /* again */
    push_keyed(&messages, 3, "annk", "", "c"); /* no key: as often as it likes */
    push_keyed(&messages, 4, "an", "nk", "c"); /* somebody else's, and so on */
    push_keyed(&messages, 5, "ann", "kc", "");
    push_keyed(&messages, 6, "ann", "k", "d");
    push_keyed(&messages, 7, "ann", "k", "c"); /* again */
    push(&messages, 8, 1);
    push_keyed(&messages, 9, "ann", "k", "c"); /* not of the first nine */
    assert_int_equal(messages_defer_repeats(&messages, 9, &n_keyed), 7);
    assert_int_equal(n_keyed, 4);
    static const uint32_t order[] = {0, 1, 3, 4, 5, 6, 8, 2, 7, 9};
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(messages_at(&messages, i)->sender.slot, order[i]);
    }
    struct message taken = messages_take(&messages, 3);
    assert_int_equal(taken.sender.slot, 4);
    assert_true(str_equals(ticket_by(taken.ticket), STR("an")));
    assert_true(str_equals(ticket_key(taken.ticket), STR("nk")));
    assert_true(str_equals(ticket_ref(taken.ticket), STR("r")));
    message_release(&taken);
    static const uint32_t left[] = {0, 1, 3, 5, 6, 8, 2, 7, 9};
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(pop(&messages), left[i]);
    }
    assert_int_equal(messages.bytes, 0);
    messages_release(&messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_a_short_queue_needs_little_memory_for_ever),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_what_comes_beside_a_message_costs_too),
        cmocka_unit_test(test_repeats_wait_for_the_next_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
