/* SPDX-License-Identifier: PostgreSQL */
/* The mailbox: order, when to wake, memory after a burst, and four threads that put at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mailbox.h"

struct item {
    uint32_t sender;
    uint32_t number;
    uint64_t filler[3];
};

static void test_order_and_wake(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_new(sizeof(int));
    void *items;
    int one = 1, more[] = {2, 3, 4};
    assert_int_equal(mailbox_take(box, &items), 0);
    assert_false(mailbox_put(box, NULL, 0));
    assert_true(mailbox_put(box, &one, 1));
    assert_false(mailbox_put(box, more, 3));
    assert_int_equal(mailbox_take(box, &items), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(((int *)items)[i], i + 1);

    /* The array is the receiver's until his next take, whatever is put meanwhile. */
    int *taken = items;
    for (int i = 10; i < 1000; i++)
        assert_true(mailbox_put(box, &i, 1) == (i == 10));
    for (int i = 0; i < 4; i++)
        assert_int_equal(taken[i], i + 1);
    assert_int_equal(mailbox_take(box, &items), 990);
    for (int i = 10; i < 1000; i++)
        assert_int_equal(((int *)items)[i - 10], i);
    assert_int_equal(mailbox_take(box, &items), 0);
    mailbox_free(box);
    mailbox_free(NULL);
}

static void put_many(struct mailbox *box, size_t n)
{
    struct item item = {0};
    for (size_t i = 0; i < n; i++)
        mailbox_put(box, &item, 1);
}

static void test_burst_memory_is_given_back(void **state)
{
    (void)state;
    void *items;
    struct mailbox *box = mailbox_new(sizeof(struct item));
    put_many(box, 1000000);
    assert_true(mailbox_bytes(box) >= 1000000 * sizeof(struct item));
    assert_int_equal(mailbox_take(box, &items), 1000000);
    for (int i = 0; i < 4; i++) {
        put_many(box, 3);
        assert_int_equal(mailbox_take(box, &items), 3);
    }
    assert_true(mailbox_bytes(box) <= 2 * 65536);
    mailbox_free(box);
}

/* Under a steady load nothing is freed, or each turn would have to allocate again. */
static void test_steady_memory_is_kept(void **state)
{
    (void)state;
    void *items;
    struct mailbox *box = mailbox_new(sizeof(struct item));
    for (int i = 0; i < 2; i++) {
        put_many(box, 5000);
        assert_int_equal(mailbox_take(box, &items), 5000);
    }
    size_t bytes = mailbox_bytes(box);
    assert_true(bytes >= 2 * 5000 * sizeof(struct item));
    for (int i = 0; i < 10; i++) {
        put_many(box, 5000);
        assert_int_equal(mailbox_take(box, &items), 5000);
        assert_int_equal(mailbox_bytes(box), bytes);
    }
    mailbox_free(box);
}

enum { SENDERS = 4, ITEMS = 50000, CHUNK = 7 };

struct sender {
    pthread_t thread;
    struct mailbox *box;
    uint32_t index;
    uint64_t wakes;
};

static void *send_items(void *arg)
{
    struct sender *sender = arg;
    struct item chunk[CHUNK] = {0};
    for (uint32_t sent = 0; sent < ITEMS;) {
        uint32_t n = 0;
        for (; n < CHUNK && sent < ITEMS; n++)
            chunk[n] = (struct item){.sender = sender->index, .number = sent++};
        if (mailbox_put(sender->box, chunk, n))
            sender->wakes++;
    }
    return NULL;
}

/* Nothing lost, each sender's order kept, and exactly one "wake" for each take that found
 * something. */
static void test_threads(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_new(sizeof(struct item));
    struct sender senders[SENDERS];
    uint32_t next[SENDERS] = {0};
    uint64_t takes = 0, total = 0, wakes = 0;
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.box = box, .index = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_items, &senders[i]), 0);
    }
    while (total < (uint64_t)SENDERS * ITEMS) {
        void *items;
        size_t n = mailbox_take(box, &items);
        if (n == 0) {
            sched_yield();
            continue;
        }
        takes++;
        total += n;
        for (size_t i = 0; i < n; i++) {
            const struct item *item = (struct item *)items + i;
            if (item->number != next[item->sender]++)
                fail_msg("sender %u: %u came too early", item->sender, item->number);
        }
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        wakes += senders[i].wakes;
    }
    assert_true(wakes == takes);
    mailbox_free(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wake),
        cmocka_unit_test(test_burst_memory_is_given_back),
        cmocka_unit_test(test_steady_memory_is_kept),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
