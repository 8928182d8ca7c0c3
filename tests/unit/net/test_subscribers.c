/* SPDX-License-Identifier: PostgreSQL */
/* Rosters from both sides, against a plain table, and names of slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/session/slots.h"
#include "net/session/subscribers.h"
#include "net/socket/socket.h"

enum { SOCKETS = 40, ROSTERS = 150 };

static struct socket sockets[SOCKETS];
static bool model[SOCKETS][ROSTERS];

/* Both lists agree with the model and with each other. */
static void check(const struct roster_table *table)
{
    for (uint32_t roster = 0; roster < ROSTERS; roster++) {
        struct subscribers subscribers = subscribers_of(table, roster);
        uint32_t expected = 0;
        for (int i = 0; i < SOCKETS; i++) {
            expected += model[i][roster];
        }
        assert_int_equal(subscribers.n, expected);
        for (uint32_t place = 0; place < subscribers.n; place++) {
            const struct subscriber *subscriber = &subscribers.list[place];
            assert_true(model[subscriber->socket - sockets][roster]);
            assert_int_equal(subscriber->skip_to, roster);
            const struct entry *mirror = &subscriber->socket->entries.list[subscriber->place];
            assert_int_equal(mirror->roster, roster);
            assert_int_equal(mirror->place, place);
        }
    }
    for (int i = 0; i < SOCKETS; i++) {
        uint32_t expected = 0;
        for (uint32_t roster = 0; roster < ROSTERS; roster++) {
            expected += model[i][roster];
        }
        assert_int_equal(sockets[i].entries.n, expected);
    }
}

static void test_against_a_model(void **state)
{
    (void)state;
    struct roster_table table = {0};
    uint64_t seed = 42; /* xorshift: the same steps each time */
    for (int step = 0; step < 30000; step++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint32_t i = (uint32_t)(seed >> 8) % SOCKETS, roster = (uint32_t)(seed >> 32) % ROSTERS;
        if (seed % 500 == 0) {
            subscribers_remove_all(&table, &sockets[i]);
            memset(model[i], 0, sizeof(model[i]));
        } else if (model[i][roster]) {
            assert_non_null(subscribers_find(&table, &sockets[i], roster));
            assert_true(subscribers_remove(&table, &sockets[i], roster));
            model[i][roster] = false;
        } else {
            assert_false(subscribers_remove(&table, &sockets[i], roster));
            subscribers_add(&table, &sockets[i], roster, false);
            subscribers_find(&table, &sockets[i], roster)->skip_to = roster;
            model[i][roster] = true;
        }
        if (step % 100 == 0) {
            check(&table);
        }
    }
    for (int i = 0; i < SOCKETS; i++) {
        subscribers_remove_all(&table, &sockets[i]);
        assert_null(sockets[i].entries.list);
    }
    memset(model, 0, sizeof(model));
    check(&table);
    subscribers_release(&table);
}

static void test_slots(void **state)
{
    (void)state;
    struct slots slots = {0};
    assert_null(slots_find(&slots, 0, 0));
    assert_null(slots_find(&slots, 0, 1));
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(slots_take(&slots, &sockets[i % SOCKETS]), i);
    }
    assert_ptr_equal(slots_find(&slots, 7, 1), &sockets[7]);
    assert_null(slots_find(&slots, 7, 0));
    assert_null(slots_find(&slots, 200, 1));
    slots_give(&slots, 7);
    slots_give(&slots, 9);
    assert_int_equal(slots.n_used, 198);
    assert_null(slots_find(&slots, 7, 1));
    assert_int_equal(slots_take(&slots, &sockets[1]), 9);
    assert_int_equal(slots_take(&slots, &sockets[2]), 7);
    assert_null(slots_find(&slots, 7, 1));
    assert_ptr_equal(slots_find(&slots, 7, 2), &sockets[2]);
    slots.list[7].generation = UINT32_MAX;
    slots_give(&slots, 7);
    assert_int_equal(slots_take(&slots, &sockets[3]), 7);
    assert_ptr_equal(slots_find(&slots, 7, 1), &sockets[3]); /* 0 is left out */
    slots_release(&slots);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
