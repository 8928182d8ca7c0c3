/* SPDX-License-Identifier: PostgreSQL */
/* Lists over several nodes: who is on another one stands in them like those of this one. What a list
 * must be is checked by the fake worlds at each frame, and by check_all. */
#include "lists_harness.h"

enum { GRACE_MS = 3000 };

static const struct rule LISTING = {
    .anonymous_clients = true, .public_messaging = true, .presence = true};
static const struct rule NOT_LISTING = {.anonymous_clients = true, .public_messaging = true};
static const struct world_join PLAIN = {0};
static const struct world_join PRESENCE = {.presence = true};
static const struct world_join STATES = {.state = true};

static int setup(void **state)
{
    (void)state;
    make_nodes(3, (struct world_options){0}, LISTING);
    return 0;
}

static int setup_grace(void **state)
{
    (void)state;
    make_nodes(3, (struct world_options){.presence_grace_ms = GRACE_MS}, LISTING);
    enter_at(C, 5, WHO_ANYBODY, PRESENCE); /* who watches */
    take_at(C, 5);
    return 0;
}

static const char *news(void)
{
    return kinds_at(C, 5);
}

static void copy_socket_of(unsigned node, unsigned slot, char out[ID_TEXT_SIZE])
{
    memcpy(out, world_socket_id(at(node), 0, slot), ID_TEXT_SIZE);
}

static void beats(int n)
{
    for (int i = 0; i < n; i++) {
        for (unsigned node = 0; node < WORLD_NODES; node++) {
            world_bus_beat(bus, node);
        }
        world_bus_settle(bus);
        world_bus_tick(bus, 1000);
        world_bus_settle(bus);
    }
}

static void lose_all(void)
{
    while (world_bus_lose(bus, 0)) {
    }
}

/* ---- who is there ---- */

static void test_members_of_all_nodes_stand_in_one_list(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PRESENCE);
    assert_string_equal(kinds_at(A, 0), "JFU");
    assert_int_equal(last_at(A, 0).n_joins, 1);
    assert_string_equal(last_at(A, 0).socket, world_socket_id(at(B), 0, 0));
    assert_string_equal(kinds_at(B, 0), "JF");
    assert_int_equal(last_at(B, 0).n, 2);
    world_leave(at(B), 0, 0, 0);
    world_bus_settle(bus);
    assert_string_equal(kinds_at(A, 0), "JFUU");
    assert_int_equal(last_at(A, 0).n_joins, 0);
    check_all();
}

static void test_who_drops_without_grace_leaves_everywhere(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PLAIN);
    close_at(B, 0);
    assert_string_equal(kinds_at(A, 0), "JFUU");
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 1);
    check_all();
}

static void test_a_node_that_comes_is_told_all(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANN, PLAIN);
    enter_at(B, 0, WHO_BEN, PLAIN);
    add_node((struct world_options){0}, LISTING);
    world_open(at(D), 0, 0);
    world_join(at(D), 0, 0, 0, PRESENCE);
    world_settle(at(D));
    assert_int_equal(world_list_size(at(D), 0, 0, 0), 1);
    world_bus_meet(bus);
    world_bus_settle(bus);
    assert_int_equal(world_list_size(at(D), 0, 0, 0), 3);
    check_all();
}

static void test_who_was_there_before_any_other_node(void **state)
{
    (void)state;
    end_nodes(NULL);
    bus = world_bus_new();
    add_node((struct world_options){0}, LISTING);
    add_node((struct world_options){0}, LISTING);
    enter_at(A, 0, WHO_ANN, PLAIN);
    world_set_state(at(A), 0, 0, 0, "{\"a\":1}");
    enter_at(B, 0, WHO_ANYBODY, STATES);
    world_bus_meet(bus);
    world_bus_settle(bus);
    assert_int_equal(world_list_size(at(B), 0, 0, 0), 2);
    assert_non_null(strstr(last_at(B, 0).text, "{\"a\":1}"));
    check_all();
}

/* ---- what is lost ---- */

static void test_a_hole_is_seen_with_the_next_change(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    world_open_as(at(B), 0, 0, WHO_ANN);
    world_join(at(B), 0, 0, 0, PLAIN);
    lose_all();
    world_bus_tick(bus, 1000);
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 1);
    enter_at(B, 1, WHO_BEN, PLAIN);
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 3);
    check_all();
}

static void test_what_came_last_and_was_lost_is_seen_with_two_beats(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PLAIN);
    world_leave(at(B), 0, 0, 0);
    lose_all();
    beats(1);
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 2);
    beats(1);
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 1);
    check_all();
}

static void test_a_wish_that_was_lost_is_made_again(void **state)
{
    (void)state;
    add_node((struct world_options){0}, LISTING);
    enter_at(A, 0, WHO_ANN, PLAIN);
    world_open(at(D), 0, 0);
    world_join(at(D), 0, 0, 0, PRESENCE);
    world_settle(at(D));
    world_bus_meet(bus);
    lose_all();
    beats(7);
    assert_int_equal(world_list_size(at(D), 0, 0, 0), 2);
    check_all();
}

static void test_who_was_cut_off_catches_up(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PRESENCE);
    world_bus_cut(bus, A, true);
    enter_at(B, 1, WHO_BEN, PLAIN);
    enter_at(A, 1, WHO_CLEO, PLAIN);
    close_at(B, 0);
    world_bus_cut(bus, A, false);
    beats(3);
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 3);
    check_all();
}

static void test_bytes_that_are_no_parcel_are_dropped(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "x", "\1\2\3\4\5\6\7\10\1",
                                         "0123456701234567012345670123456701234567"};
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PLAIN);
    for (unsigned i = 0; i < 4; i++) {
        for (enum bus_kind kind = BUS_KIND_PRESENCE; kind <= BUS_KIND_PRESENCE_LIST; kind++) {
            world_bus_forge(bus, B, A, kind, str_of(bodies[i]));
        }
    }
    world_bus_settle(bus);
    assert_int_equal(world_list_size(at(A), 0, 0, 0), 2);
    check_all();
}

/* ---- what is shown ---- */

static void test_states_are_shown_everywhere(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, STATES);
    enter_at(B, 0, WHO_ANN, PLAIN);
    world_set_state(at(B), 0, 0, 0, "{\"a\":1}");
    world_bus_settle(bus);
    assert_string_equal(kinds_at(A, 0), "JFUU");
    assert_int_equal(last_at(A, 0).n_changed, 1);
    assert_string_equal(last_at(A, 0).text, "{\"a\":1}");
    enter_at(C, 0, WHO_ANYBODY, STATES);
    assert_non_null(strstr(last_at(C, 0).text, "{\"a\":1}"));
    world_bus_tick(bus, 1000);
    world_set_state(at(B), 0, 0, 0, "null");
    world_bus_settle(bus);
    assert_string_equal(last_at(A, 0).text, "null");
    check_all();
}

static void test_other_extras_are_shown_from_the_next_list_on(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PLAIN);
    take_at(A, 0);
    uint64_t wishes = world_count(at(A), METRIC_PRESENCE_WISHES);
    world_bus_tick(bus, 1000); /* it is listed for as long as before */
    world_renew(at(B), 0, 0, WHO_ANN_NEW);
    world_bus_settle(bus);
    assert_string_equal(kinds_at(A, 0), "");
    enter_at(A, 1, WHO_ANYBODY, PRESENCE);
    assert_int_equal(world_list_size(at(A), 0, 1, 0), 3);
    beats(3);
    assert_string_equal(kinds_at(A, 0), "U"); /* nobody has been away */
    assert_int_equal(world_count(at(A), METRIC_PRESENCE_WISHES), wishes);
}

static void test_the_rule_lists_here_later_than_there(void **state)
{
    (void)state;
    world_rule(at(A), NOT_LISTING);
    enter_at(A, 0, WHO_ANYBODY, PRESENCE);
    enter_at(B, 0, WHO_ANN, PRESENCE);
    assert_string_equal(kinds_at(A, 0), "J");
    world_rule(at(A), LISTING);
    world_bus_settle(bus);
    assert_string_equal(kinds_at(A, 0), "JF");
    assert_int_equal(last_at(A, 0).n, 2);
    assert_string_equal(kinds_at(B, 0), "JFU");
    world_rule(at(A), NOT_LISTING);
    world_bus_settle(bus);
    assert_string_equal(kinds_at(B, 0), "JFUU");
    world_rule(at(A), LISTING);
    check_all();
}

static void test_members_elsewhere_open_no_channel_here(void **state)
{
    (void)state;
    end_nodes(NULL);
    make_nodes(2, (struct world_options){.max_open_channels = 2}, LISTING);
    world_open(at(A), 0, 0);
    world_join(at(A), 0, 0, 1, PLAIN);
    world_join(at(A), 0, 0, 2, PLAIN);
    world_bus_settle(bus);
    world_open(at(B), 0, 0);
    world_join(at(B), 0, 0, 1, PRESENCE);
    world_join(at(B), 0, 0, 0, PLAIN);
    world_bus_settle(bus);
    assert_string_equal(kinds_at(B, 0), "JFJ");
    assert_int_equal(world_list_size(at(B), 0, 0, 1), 2);
    world_leave(at(B), 0, 0, 1);
    world_join(at(B), 0, 0, 3, PLAIN); /* there is room for it */
    world_bus_settle(bus);
    assert_string_equal(kinds_at(B, 0), "JFJLJ");
    check_all();
}

/* ---- nodes that end ---- */

static void test_of_a_dead_node_who_cannot_come_back_leaves_at_once(void **state)
{
    (void)state;
    enter_at(C, 5, WHO_ANYBODY, PRESENCE);
    enter_at(A, 0, WHO_ANYBODY, PLAIN);
    enter_at(A, 1, WHO_TABLE, PLAIN);
    enter_at(A, 2, WHO_ANN, PLAIN);
    take_at(C, 5);
    world_bus_end(bus, A, BUS_NEWS_DEAD);
    assert_string_equal(news(), "UU");
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 2);
    world_bus_tick(bus, 9999);
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 2);
    world_bus_tick(bus, 1);
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 1);
    check_all();
}

static void test_who_comes_from_a_dead_node_was_never_away(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(C, 5, WHO_ANYBODY, PRESENCE);
    enter_at(A, 0, WHO_ANN, PRESENCE);
    copy_socket_of(A, 0, socket_id);
    world_set_state(at(A), 0, 0, 0, "{\"a\":1}");
    world_bus_settle(bus);
    take_at(C, 5);
    world_bus_end(bus, A, BUS_NEWS_DEAD);
    enter_at(B, 0, WHO_ANN, STATES);
    assert_string_equal(kinds_at(B, 0), "JF");
    assert_string_equal(world_socket_id(at(B), 0, 0), socket_id);
    assert_non_null(strstr(last_at(B, 0).text, "{\"a\":1}"));
    world_message_private(at(C), 0, 5, 0, socket_id);
    check_all();
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 2);
    assert_int_equal(world_sql_size(at(B), 0), 1);
}

static void test_a_good_bye_hands_members_over(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(C, 5, WHO_ANYBODY, PRESENCE);
    enter_at(A, 0, WHO_ANN, PRESENCE);
    enter_at(A, 1, WHO_ANYBODY, PLAIN);
    copy_socket_of(A, 0, socket_id);
    take_at(C, 5);
    world_bus_end(bus, A, BUS_NEWS_LEFT);
    assert_string_equal(news(), "U"); /* the anonymous one */
    world_bus_tick(bus, 5000);
    enter_at(C, 0, WHO_ANN, PRESENCE);
    assert_string_equal(world_socket_id(at(C), 0, 0), socket_id);
    assert_string_equal(news(), "U");
    check_all();
    assert_string_equal(news(), "U");
}

static void test_who_lingers_and_is_disconnected_leaves(void **state)
{
    (void)state;
    enter_at(C, 5, WHO_ANYBODY, PRESENCE);
    enter_at(A, 0, WHO_ANN, PRESENCE);
    world_bus_end(bus, A, BUS_NEWS_DEAD);
    take_at(C, 5);
    world_disconnect(at(C), (struct directive){.has_dbo_id = true, .dbo_id = 13});
    assert_string_equal(news(), "");
    world_disconnect(at(C), (struct directive){.has_dbo_id = true, .dbo_id = 12});
    assert_string_equal(news(), "U");
    world_disconnect(at(B), (struct directive){.has_dbo_id = true, .dbo_id = 12});
    check_all();
}

static void test_a_node_that_was_given_up_and_is_back(void **state)
{
    (void)state;
    enter_at(C, 5, WHO_ANYBODY, PRESENCE);
    enter_at(A, 0, WHO_ANN, PRESENCE);
    enter_at(A, 1, WHO_ANYBODY, PRESENCE);
    take_at(C, 5);
    world_peer_news(bus, C, A, BUS_NEWS_DEAD);
    assert_string_equal(news(), "U");
    close_at(A, 0); /* not heard by C */
    enter_at(A, 2, WHO_BEN, PLAIN);
    world_bus_meet(bus);
    world_bus_settle(bus);
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 3);
    check_all();
}

/* ---- grace over nodes ---- */

static void test_who_comes_back_elsewhere_was_never_away(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(A, 0, WHO_ANN, PRESENCE);
    copy_socket_of(A, 0, socket_id);
    take_at(C, 5);
    close_at(A, 0);
    assert_string_equal(news(), "");
    enter_at(B, 0, WHO_ANN, PRESENCE);
    assert_string_equal(world_socket_id(at(B), 0, 0), socket_id);
    assert_string_equal(kinds_at(B, 0), "JF");
    assert_int_equal(last_at(B, 0).n, 2);
    assert_string_equal(news(), "");
    check_all();
    assert_string_equal(news(), "");
    assert_int_equal(world_sql_size(at(A), 0), 0);
    assert_int_equal(world_sql_size(at(B), 0), 1);
}

static void test_the_old_node_is_heard_before_the_new_one(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANN, PRESENCE);
    enter_at(A, 1, WHO_ANYBODY, PRESENCE);
    take_at(A, 1);
    take_at(C, 5);
    close_at(A, 0);
    world_open_as(at(B), 0, 0, WHO_ANN);
    world_join(at(B), 0, 0, 0, PLAIN);
    world_bus_deliver(bus, world_bus_find(bus, B, A));
    world_bus_deliver(bus, world_bus_find(bus, B, A));
    assert_true(world_bus_deliver(bus, world_bus_find(bus, A, C))); /* it has moved */
    assert_true(world_bus_find(bus, B, C) < world_bus_n(bus));
    world_bus_settle(bus);
    check_all();
    assert_string_equal(news(), "");
    assert_string_equal(kinds_at(A, 1), "");
}

static void test_what_is_not_joined_again_leaves_in_time(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANN, PLAIN);
    world_join(at(A), 0, 0, 1, PLAIN);
    world_join(at(C), 0, 5, 1, PRESENCE);
    world_bus_settle(bus);
    take_at(C, 5);
    close_at(A, 0);
    enter_at(B, 0, WHO_ANN, PLAIN);
    assert_string_equal(news(), "");
    world_bus_tick(bus, GRACE_MS);
    world_bus_settle(bus);
    assert_string_equal(news(), "U");
    assert_int_equal(world_list_size(at(C), 0, 5, 1), 1);
    check_all();
}

static void test_other_extras_are_news(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANN, PLAIN);
    take_at(C, 5);
    close_at(A, 0);
    enter_at(B, 0, WHO_ANN_NEW, PRESENCE);
    assert_string_equal(news(), "UU");
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 2);
    check_all();
}

static void test_it_goes_on_from_node_to_node(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(A, 0, WHO_ANN, PLAIN);
    copy_socket_of(A, 0, socket_id);
    take_at(C, 5);
    for (unsigned i = 0; i < 6; i++) {
        close_at(i % 3, 0);
        world_bus_tick(bus, 1000);
        enter_at((i + 1) % 3, 0, WHO_ANN, PLAIN);
        assert_string_equal(world_socket_id(at((i + 1) % 3), 0, 0), socket_id);
    }
    check_all();
    assert_string_equal(news(), "");
}

static void test_it_is_back_soon_and_goes_on_again(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(A, 0, WHO_ANN, PLAIN);
    world_join(at(A), 0, 0, 1, PLAIN); /* not joined again on B */
    world_bus_settle(bus);
    copy_socket_of(A, 0, socket_id);
    enter_at(A, 5, WHO_ANYBODY, PRESENCE);
    world_join(at(A), 0, 5, 1, PRESENCE);
    world_bus_settle(bus);
    take_at(A, 5);
    take_at(C, 5);
    static const unsigned path[] = {A, B, A, C};
    for (unsigned i = 0; i < 3; i++) {
        close_at(path[i], 0);
        world_bus_tick(bus, 100);
        enter_at(path[i + 1], 0, WHO_ANN, PLAIN);
        assert_string_equal(world_socket_id(at(path[i + 1]), 0, 0), socket_id);
        if (path[i + 1] == A) {
            world_join(at(A), 0, 0, 1, PLAIN);
            world_bus_settle(bus);
        }
        assert_int_equal(world_list_size(at(A), 0, 5, 0), 3);
        assert_int_equal(world_list_size(at(A), 0, 5, 1), 2);
    }
    assert_string_equal(news(), "");
    assert_string_equal(kinds_at(A, 5), "");
    check_all();
    assert_int_equal(world_list_size(at(A), 0, 5, 1), 1);
}

static void test_leaving_after_it_went_on_is_leaving(void **state)
{
    (void)state;
    enter_at(A, 0, WHO_ANN, PLAIN);
    take_at(C, 5);
    close_at(A, 0);
    enter_at(B, 0, WHO_ANN, PLAIN);
    world_leave(at(B), 0, 0, 0);
    world_bus_settle(bus);
    assert_string_equal(news(), "U");
    check_all();
    assert_string_equal(news(), "U");
}

/* ---- two who contend ---- */

static void test_two_take_up_the_same_and_nobody_knows_yet(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(A, 0, WHO_ANN, PLAIN);
    copy_socket_of(A, 0, socket_id);
    take_at(C, 5);
    close_at(A, 0);
    world_open_as(at(B), 0, 0, WHO_ANN);
    world_open_as(at(C), 0, 0, WHO_ANN);
    world_bus_settle(bus);
    world_join(at(B), 0, 0, 0, PRESENCE);
    world_join(at(C), 0, 0, 0, PRESENCE);
    world_bus_settle(bus);
    assert_string_equal(world_socket_id(at(B), 0, 0), socket_id);
    assert_string_not_equal(world_socket_id(at(C), 0, 0), socket_id);
    assert_int_equal(world_close_code(at(C), 0, 0), 0);
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 3);
    check_all();
    assert_string_equal(news(), "U"); /* it is new; the other one was never away */
}

static void test_two_take_up_the_same_and_have_joined(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter_at(A, 0, WHO_ANN, PLAIN);
    copy_socket_of(A, 0, socket_id);
    take_at(C, 5);
    close_at(A, 0);
    for (unsigned node = B; node <= C; node++) {
        world_open_as(at(node), 0, 0, WHO_ANN);
        world_join(at(node), 0, 0, 0, PRESENCE);
        world_settle(at(node));
    }
    world_bus_settle(bus);
    assert_int_equal(world_close_code(at(B), 0, 0), 0);
    assert_int_equal(world_close_code(at(C), 0, 0), 1012);
    check_all();
    assert_string_equal(world_socket_id(at(B), 0, 0), socket_id);
    assert_int_equal(world_list_size(at(C), 0, 5, 0), 2);
    assert_string_equal(news(), "");
}

static void test_whose_it_was_has_it(void **state)
{
    (void)state;
    enter_at(B, 0, WHO_ANN, PRESENCE);
    take_at(C, 5);
    world_peer_news(bus, A, B, BUS_NEWS_DEAD); /* which it is not */
    enter_at(A, 0, WHO_ANN, PLAIN);            /* the lower node; another tab */
    world_bus_meet(bus);
    world_bus_settle(bus);
    assert_int_equal(world_close_code(at(A), 0, 0), 1012);
    assert_int_equal(world_close_code(at(B), 0, 0), 0);
    check_all();
    assert_string_equal(news(), "");
}

/* ---- many ---- */

enum { MANY = 10000 };

static void add_many(unsigned node)
{
    for (unsigned i = 0; i < MANY; i++) {
        world_open(at(node), i % 2, i / 2);
        world_join(at(node), i % 2, i / 2, 0, PLAIN);
    }
    world_flush(at(node));
}

static size_t largest_parcel(void)
{
    size_t largest = 0;
    for (size_t i = 0; i < world_bus_n(bus); i++) {
        size_t len = world_bus_parcel(bus, i)->body.len;
        largest = len > largest ? len : largest;
    }
    return largest;
}

static void rest_many(void)
{
    for (int i = 0; i < 6; i++) {
        world_bus_tick(bus, 1000);
        for (unsigned node = A; node <= B; node++) {
            world_settle(at(node));
        }
        while (world_bus_deliver(bus, 0)) {
        }
    }
}

static void test_many_come_in_a_few_parcels(void **state)
{
    (void)state;
    end_nodes(NULL);
    make_nodes(2,
               (struct world_options){
                   .slots = MANY / 2 + 1, .has_manual_turns = true, .keeps_no_notes = true},
               LISTING);
    world_open(at(B), 0, 0);
    world_join(at(B), 0, 0, 0, PRESENCE);
    rest_many();
    uint64_t frames = world_stats(at(B))->update_frames;
    add_many(A);
    assert_in_range(world_bus_n(bus), 5, 20);
    assert_in_range(largest_parcel(), 100 * 1024, 256 * 1024);
    rest_many();
    assert_int_equal(world_list_size(at(B), 0, 0, 0), MANY + 1);
    assert_true(world_stats(at(B))->update_frames - frames < 150);
    world_check_presence(at(B));
}

static void test_many_are_told_in_parts(void **state)
{
    (void)state;
    end_nodes(NULL);
    bus = world_bus_new();
    struct world_options options = {
        .slots = MANY / 2 + 1, .has_manual_turns = true, .keeps_no_notes = true};
    add_node(options, LISTING);
    add_node(options, LISTING);
    add_many(A);
    world_open(at(B), 0, 0);
    world_join(at(B), 0, 0, 0, PRESENCE);
    world_settle(at(B));
    world_bus_meet(bus);
    world_bus_deliver(bus, world_bus_find(bus, B, A)); /* the wish */
    assert_in_range(largest_parcel(), 100 * 1024, 256 * 1024);
    for (unsigned i = 0; i < 100; i++) { /* what changes meanwhile is in step */
        world_close(at(A), i % 2, i / 2 * 40);
    }
    world_flush(at(A));
    rest_many();
    assert_int_equal(world_list_size(at(B), 0, 0, 0), MANY - 100 + 1);
    world_check_presence(at(B));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, end_nodes)
#define G(test) cmocka_unit_test_setup_teardown(test, setup_grace, end_nodes)
    const struct CMUnitTest tests[] = {
        T(test_members_of_all_nodes_stand_in_one_list),
        T(test_who_drops_without_grace_leaves_everywhere),
        T(test_a_node_that_comes_is_told_all),
        T(test_who_was_there_before_any_other_node),
        T(test_a_hole_is_seen_with_the_next_change),
        T(test_what_came_last_and_was_lost_is_seen_with_two_beats),
        T(test_a_wish_that_was_lost_is_made_again),
        T(test_who_was_cut_off_catches_up),
        T(test_bytes_that_are_no_parcel_are_dropped),
        T(test_states_are_shown_everywhere),
        T(test_other_extras_are_shown_from_the_next_list_on),
        T(test_the_rule_lists_here_later_than_there),
        T(test_members_elsewhere_open_no_channel_here),
        T(test_of_a_dead_node_who_cannot_come_back_leaves_at_once),
        T(test_who_comes_from_a_dead_node_was_never_away),
        T(test_a_good_bye_hands_members_over),
        T(test_who_lingers_and_is_disconnected_leaves),
        T(test_a_node_that_was_given_up_and_is_back),
        G(test_who_comes_back_elsewhere_was_never_away),
        G(test_the_old_node_is_heard_before_the_new_one),
        G(test_what_is_not_joined_again_leaves_in_time),
        G(test_other_extras_are_news),
        G(test_it_goes_on_from_node_to_node),
        G(test_it_is_back_soon_and_goes_on_again),
        G(test_leaving_after_it_went_on_is_leaving),
        G(test_two_take_up_the_same_and_nobody_knows_yet),
        G(test_two_take_up_the_same_and_have_joined),
        G(test_whose_it_was_has_it),
        T(test_many_come_in_a_few_parcels),
        T(test_many_are_told_in_parts),
    };
    return cmocka_run_group_tests_name("core/hub/presence over nodes", tests, NULL, NULL);
}
