/* SPDX-License-Identifier: PostgreSQL */
/* Subscriptions from both sides, against a plain table, and names of slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "net/members.h"
#include "net/slots.h"
#include "net/socket.h"

enum { SOCKETS = 40, CHANNELS = 150 };

static struct socket sockets[SOCKETS];
static bool model[SOCKETS][CHANNELS];

/* Both lists agree with the model and with each other. */
static void check(const struct member_table *table)
{
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        struct members members = members_of(table, channel);
        uint32_t expected = 0;
        for (int i = 0; i < SOCKETS; i++) {
            expected += model[i][channel];
        }
        assert_int_equal(members.n, expected);
        for (uint32_t place = 0; place < members.n; place++) {
            const struct member *member = &members.list[place];
            assert_true(model[member->socket - sockets][channel]);
            assert_int_equal(member->skip_to, channel);
            const struct subscription *mirror = &member->socket->subscriptions.list[member->place];
            assert_int_equal(mirror->channel, channel);
            assert_int_equal(mirror->place, place);
        }
    }
    for (int i = 0; i < SOCKETS; i++) {
        uint32_t expected = 0;
        for (uint32_t channel = 0; channel < CHANNELS; channel++) {
            expected += model[i][channel];
        }
        assert_int_equal(sockets[i].subscriptions.n, expected);
    }
}

static void test_against_a_model(void **state)
{
    (void)state;
    struct member_table table = {0};
    uint64_t seed = 42; /* xorshift: the same steps each time */
    for (int step = 0; step < 30000; step++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint32_t i = (uint32_t)(seed >> 8) % SOCKETS, channel = (uint32_t)(seed >> 32) % CHANNELS;
        if (seed % 500 == 0) {
            members_remove_all(&table, &sockets[i]);
            memset(model[i], 0, sizeof(model[i]));
        } else if (model[i][channel]) {
            assert_non_null(members_find(&table, &sockets[i], channel));
            assert_true(members_remove(&table, &sockets[i], channel));
            model[i][channel] = false;
        } else {
            assert_false(members_remove(&table, &sockets[i], channel));
            members_add(&table, &sockets[i], channel, false);
            members_find(&table, &sockets[i], channel)->skip_to = channel;
            model[i][channel] = true;
        }
        if (step % 100 == 0) {
            check(&table);
        }
    }
    for (int i = 0; i < SOCKETS; i++) {
        members_remove_all(&table, &sockets[i]);
        assert_null(sockets[i].subscriptions.list);
    }
    memset(model, 0, sizeof(model));
    check(&table);
    members_release(&table);
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
