/* SPDX-License-Identifier: PostgreSQL */
/* What the hub's tests share: one fake world per test, and short words for it. */
#ifndef HERALD_TESTS_UNIT_CORE_HUB_HARNESS_H
#define HERALD_TESTS_UNIT_CORE_HUB_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fakes/world.h"

static struct world *world;

static const struct world_join PLAIN = {0};
static const struct world_join HISTORY = {.history = true};
static const struct world_join PRESENCE = {.presence = true};

/* Replies of functions. */
static const struct world_reply DONE = {.result = STORE_VERDICT_DONE};
static const struct world_reply REFUSED = {.result = STORE_VERDICT_REFUSED, .reason = "not today"};
static const struct world_reply FAILED = {.result = STORE_VERDICT_FAILED};

static inline int setup(void **state)
{
    (void)state;
    world = world_new();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    world_free(world);
    return 0;
}

/* Another world than setup made. */
static inline void new_world(struct world_options options)
{
    world_free(world);
    world = world_new_with(&options);
}

static inline void open_as(unsigned worker, unsigned slot, enum world_who who)
{
    world_open_as(world, worker, slot, who);
}

static inline void join(unsigned worker, unsigned slot, struct world_join how)
{
    world_join(world, worker, slot, 0, how);
}

/* Opens a session, joins room/0 and forgets what it received. */
static inline void enter(unsigned worker, unsigned slot, enum world_who who, struct world_join how)
{
    open_as(worker, slot, who);
    join(worker, slot, how);
    world_settle(world);
    world_take(world, worker, slot);
}

static inline const char *kinds(unsigned worker, unsigned slot)
{
    return world_kinds(world, worker, slot);
}

static inline struct note last_note(unsigned worker, unsigned slot)
{
    return world_last(world, worker, slot);
}

static inline enum error_code last_code(unsigned worker, unsigned slot)
{
    struct note note = last_note(worker, slot);
    assert_int_equal(note.kind, NOTE_ERROR);
    return note.code;
}

static inline size_t n_calls(void)
{
    const struct world_call *calls;
    return world_calls(world, &calls);
}

/* The oldest call that is not answered. */
static inline struct world_call first_call(void)
{
    const struct world_call *calls;
    assert_true(world_calls(world, &calls) > 0);
    return calls[0];
}

static inline void check_rest(void)
{
    world_rest(world);
    world_check_complete(world);
    world_check_presence(world);
    world_check_refs(world);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
