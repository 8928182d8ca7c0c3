/* SPDX-License-Identifier: PostgreSQL */
/* How much each sender may send on a channel by its rule: who is one sender, and that what is kept of
 * them ends. */
#include "core/hub/ground/rates.h"

#include "base/mem.h"
#include "hub_harness.h"

enum { SENDERS_MAX = 200000, MINUTE_MS = 60000 };

static struct rule rule = {.messages_per_minute = 3};

/* A hub of which nothing is there but what is looked at. */
static struct hub *hub_of_rates(void)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));
    hub->rates = rates_new();
    hub->now_ms = 1000000;
    return hub;
}

static void hub_end(struct hub *hub)
{
    rates_free(hub->rates);
    free(hub);
}

static struct channel *channel_of(const char *name)
{
    struct channel *channel = mem_zalloc(sizeof(*channel) + strlen(name) + 1);
    channel->name_len = strlen(name);
    memcpy(channel->name, name, channel->name_len);
    channel->rule = &rule;
    return channel;
}

static unsigned take_all(struct hub *hub, const struct session *session,
                         const struct channel *channel)
{
    unsigned n = 0;
    while (n < 100 && rates_take(hub, session, channel) == 0) {
        n++;
    }
    return n;
}

static void test_a_rate_and_how_long_to_wait(void **state)
{
    (void)state;
    struct hub *hub = hub_of_rates();
    struct channel *channel = channel_of("room/1");
    struct session session = {.socket_id = "a"};
    assert_int_equal(take_all(hub, &session, channel), 3);
    assert_int_equal(rates_take(hub, &session, channel), 20000);
    hub->now_ms += 19999;
    assert_int_equal(rates_take(hub, &session, channel), 1);
    hub->now_ms++;
    assert_int_equal(take_all(hub, &session, channel), 1);
    hub->now_ms += MINUTE_MS;
    rates_tick(hub);
    assert_int_equal(take_all(hub, &session, channel), 3);
    rule.messages_per_minute = 0;
    assert_int_equal(take_all(hub, &session, channel), 100);
    rule.messages_per_minute = 2; /* another one begins anew */
    assert_int_equal(take_all(hub, &session, channel), 2);
    assert_int_equal(rates_take(hub, &session, channel), 30000);
    rule.messages_per_minute = 3;
    free(channel);
    hub_end(hub);
}

static void test_who_is_one_sender(void **state)
{
    (void)state;
    struct hub *hub = hub_of_rates();
    struct channel *channel = channel_of("room/1"), *other = channel_of("room/11");
    struct identity *ann = identity_new(12, STR("34"), (struct str){0}, 0);
    struct identity *again = identity_new(12, STR("34"), STR("{\"a\":1}"), 0);
    struct identity *cleo = identity_new(13, STR("34"), (struct str){0}, 0);
    struct identity *nameless = identity_new(12, (struct str){0}, (struct str){0}, 0);
    struct session sessions[] = {
        {.socket_id = "a", .identity = ann},
        {.socket_id = "b", .identity = again},
        {.socket_id = "c", .identity = cleo},
        {.socket_id = "d", .identity = nameless},
        {.socket_id = "e", .identity = nameless},
        {.socket_id = "f"},
        {.socket_id = "g"},
    };
    static const unsigned expected[] = {3, 0, 3, 3, 3, 3, 3};
    for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
        assert_int_equal(take_all(hub, &sessions[i], channel), expected[i]);
    }
    assert_int_equal(take_all(hub, &sessions[1], other), 3);
    identity_unref(ann);
    identity_unref(again);
    identity_unref(cleo);
    identity_unref(nameless);
    free(channel);
    free(other);
    hub_end(hub);
}

/* A limit that cannot count any more refuses, until there is room again. */
static void test_too_many_senders(void **state)
{
    (void)state;
    struct hub *hub = hub_of_rates();
    struct channel *channel = channel_of("room/1");
    struct session session = {0};
    for (int i = 0; i < SENDERS_MAX; i++) {
        snprintf(session.socket_id, sizeof(session.socket_id), "%d", i);
        assert_int_equal(rates_take(hub, &session, channel), 0);
        hub->now_ms += i == 0; /* the first one is the oldest */
    }
    assert_int_equal(rates_take(hub, &session, channel), 0);
    snprintf(session.socket_id, sizeof(session.socket_id), "new");
    assert_int_equal(rates_take(hub, &session, channel), 1000);
    hub->now_ms += MINUTE_MS - 1;
    rates_tick(hub);
    assert_int_equal(rates_take(hub, &session, channel), 0);
    snprintf(session.socket_id, sizeof(session.socket_id), "newer");
    assert_int_equal(rates_take(hub, &session, channel), 1000);
    free(channel);
    hub_end(hub);
}

/* ---- in a world ---- */

static void test_who_leaves_and_joins_again_is_the_same(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.anonymous_clients = true,
                                    .public_messaging = true,
                                    .messages_per_minute = 2});
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_message(world, 0, 0, 0, "2");
    world_leave(world, 0, 0, 0);
    join(0, 0, PLAIN);
    world_settle(world);
    world_message(world, 0, 0, 0, "3");
    assert_int_equal(last_code(0, 0), ERROR_CODE_RATE_LIMITED);
    assert_int_equal(last_note(0, 0).retry_after_ms, 30000);
    world_message(world, 0, 1, 0, "4");
    world_settle(world);
    assert_string_equal(kinds(0, 1), "MMM");
    world_tick(world, 30000);
    world_message(world, 0, 0, 0, "5");
    world_settle(world);
    assert_string_equal(kinds(0, 1), "MMMM");
    check_rest();
}

/* What is refused for other reasons is not counted, and one that waits for its function once. */
static void test_what_is_counted(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.anonymous_clients = true,
                                    .public_messaging = true,
                                    .private_messaging = true,
                                    .on_message = "hook",
                                    .messages_per_minute = 2});
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_message_private(world, 0, 0, 0, "nobody");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_SUCH_CLIENT);
    world_message(world, 0, 0, 0, "1");
    assert_true(world_reply(world, 0, DONE));
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 1));
    assert_true(world_reply(world, 0, DONE));
    world_message(world, 0, 0, 0, "2");
    assert_int_equal(last_code(0, 0), ERROR_CODE_RATE_LIMITED);
    world_settle(world);
    assert_string_equal(kinds(0, 1), "MM");
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rate_and_how_long_to_wait),
        cmocka_unit_test(test_who_is_one_sender),
        cmocka_unit_test(test_too_many_senders),
        T(test_who_leaves_and_joins_again_is_the_same),
        T(test_what_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
