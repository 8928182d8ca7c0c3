/* SPDX-License-Identifier: PostgreSQL */
/* herald.disconnect() over several nodes: the first that knows it tells the others. */
#include "nodes_harness.h"

static const struct directive BEN_OUT = {
    .version = 5, .has_dbo_id = true, .dbo_id = 12, .row_id = {"35", 2}, .reason = "enough"};

static void test_who_is_disconnected_is_so_everywhere_at_once(void **state)
{
    (void)state;
    sit(0, 0, WHO_BEN);
    sit(1, 0, WHO_BEN);
    sit(1, 1, WHO_ANN);
    sit(2, 0, WHO_BEN);
    world_disconnect(nodes[0], BEN_OUT);
    assert_int_equal(world_close_code(nodes[0], 0, 0), 1008);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 0);
    carry(0, 1);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 1008);
    assert_string_equal(newest(1, 0).text, "enough");
    assert_int_equal(world_close_code(nodes[1], 0, 1), 0);
    assert_int_equal(n_under_way(BUS_KIND_DIRECTIVE), 1); /* it is not told on */
    world_bus_settle(bus);
    assert_int_equal(world_close_code(nodes[2], 0, 0), 1008);
}

/* Out of a channel; and by a socketId. */
static void test_a_directive_travels_whole(void **state)
{
    (void)state;
    sit(1, 0, WHO_BEN);
    const char *anybody = sit(1, 1, WHO_ANYBODY);
    sit(1, 2, WHO_ANYBODY);
    world_disconnect(nodes[0],
                     (struct directive){
                         .version = 1, .has_dbo_id = true, .dbo_id = 12, .channel = STR("room/0")});
    world_disconnect(nodes[0], (struct directive){.version = 2, .socket_id = str_of(anybody)});
    world_bus_settle(bus);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 0);
    expect_code(1, 0, ERROR_CODE_REMOVED);
    assert_int_equal(world_close_code(nodes[1], 0, 1), 1008);
    assert_string_equal(got(1, 2), "");
}

static void test_who_is_back_is_not_sent_away_again(void **state)
{
    (void)state;
    sit(1, 0, WHO_BEN);
    world_disconnect(nodes[0], BEN_OUT);
    carry(0, 1);
    world_close(nodes[1], 0, 0);
    sit(1, 0, WHO_BEN);
    world_disconnect(nodes[1], BEN_OUT); /* the database says it, too */
    assert_int_equal(world_close_code(nodes[1], 0, 0), 0);
    assert_int_equal(world_bus_find(bus, 1, 2), world_bus_n(bus)); /* which is not told on either */
    struct directive next = BEN_OUT;
    next.version = 6;
    world_disconnect(nodes[1], next);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 1008);
}

static void test_two_nodes_tell_of_one_directive(void **state)
{
    (void)state;
    sit(1, 0, WHO_BEN);
    world_disconnect(nodes[0], BEN_OUT);
    world_disconnect(nodes[2], BEN_OUT);
    carry(0, 1);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 1008);
    world_close(nodes[1], 0, 0);
    world_open_as(nodes[1], 0, 0, WHO_BEN);
    carry(2, 1);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 0);
}

static void test_what_the_database_has_said_the_bus_says_in_vain(void **state)
{
    (void)state;
    sit(1, 0, WHO_BEN);
    world_disconnect(nodes[0], BEN_OUT);
    world_disconnect(nodes[1], BEN_OUT);
    world_close(nodes[1], 0, 0);
    sit(1, 0, WHO_BEN);
    world_bus_settle(bus);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 0);
}

static void test_a_directive_that_is_lost_comes_from_the_database(void **state)
{
    (void)state;
    sit(1, 0, WHO_BEN);
    world_disconnect(nodes[0], BEN_OUT);
    lose(0, 1);
    world_disconnect(nodes[1], BEN_OUT);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 1008);
}

/* Versions begin anew, so what was heard of the old ones says nothing of theirs. */
static void test_another_epoch_has_directives_of_its_own(void **state)
{
    (void)state;
    world_disconnect(nodes[0], BEN_OUT);
    world_bus_settle(bus);
    world_up(nodes[1], "e2");
    sit(1, 0, WHO_BEN);
    world_disconnect(nodes[1], BEN_OUT);
    assert_int_equal(world_close_code(nodes[1], 0, 0), 1008);
}

static void test_what_is_forgotten_is_told_by_the_database_alone(void **state)
{
    (void)state;
    world_forget(nodes[0], NULL);
    assert_int_equal(world_bus_n(bus), 0);
}

static void put_directive(struct buf *body, bool has_dbo_id, struct str reason)
{
    parcel_put_u64(body, 5);
    parcel_put_u8(body, has_dbo_id);
    parcel_put_u32(body, 12);
    parcel_put_str(body, (struct str){0});
    parcel_put_str(body, (struct str){0});
    parcel_put_str(body, (struct str){0});
    parcel_put_str(body, reason);
}

static void test_a_bad_directive_sends_nobody_away(void **state)
{
    (void)state;
    struct buf body = {0};
    sit(0, 0, WHO_ANN);
    put_directive(&body, true, STR("go"));
    expect_nothing(BUS_KIND_DIRECTIVE, &body);
    put_directive(&body, false, STR("go")); /* it would mean everybody */
    send_bytes(BUS_KIND_DIRECTIVE, &body, body.len);
    buf_clear(&body);
    put_directive(&body, true, STR("g\0o"));
    send_bytes(BUS_KIND_DIRECTIVE, &body, body.len);
    assert_int_equal(world_close_code(nodes[0], 0, 0), 0);
    buf_clear(&body);
    put_directive(&body, true, STR("go"));
    send_bytes(BUS_KIND_DIRECTIVE, &body, body.len);
    assert_int_equal(world_close_code(nodes[0], 0, 0), 1008);
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        N(test_who_is_disconnected_is_so_everywhere_at_once),
        N(test_a_directive_travels_whole),
        N(test_who_is_back_is_not_sent_away_again),
        N(test_two_nodes_tell_of_one_directive),
        N(test_what_the_database_has_said_the_bus_says_in_vain),
        N(test_a_directive_that_is_lost_comes_from_the_database),
        N(test_another_epoch_has_directives_of_its_own),
        N(test_what_is_forgotten_is_told_by_the_database_alone),
        N(test_a_bad_directive_sends_nobody_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
