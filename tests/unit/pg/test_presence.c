/* SPDX-License-Identifier: PostgreSQL */
/* herald.presence as the store writes it: joins and leaves, resets, lost connections. */
#include "bed_harness.h"

static void start_proxied(void)
{
    struct database_options options = proxied();
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
}

static void tell(bool is_reset, bool is_join, const char *channel, const char *socket_id,
                 struct identity *identity)
{
    struct presence_news member = {is_join, str_of(channel), str_of(socket_id), identity,
                                   1700000000123};
    bed->store.presence.tell(bed->store.presence.ctx, is_reset, &member, 1);
}

static void wait_for(const char *members)
{
    char query[512];
    snprintf(query, sizeof(query),
             "SELECT coalesce(string_agg(channel || ':' || socket_id, ' ' ORDER BY channel, "
             "socket_id), '') = '%s' FROM herald.presence",
             members);
    bed_wait_sql(bed, query);
}

static void test_joins_and_leaves(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    struct identity *identity = identity_new(12, STR("3\"4"), STR("{\"a\": 1.10}"), 0);
    struct identity *nameless = identity_new(0, (struct str){0}, (struct str){0}, 0);
    tell(true, true, "room", "s1", NULL);
    tell(false, true, "room", "s2", identity);
    tell(false, true, "room", "s3", nameless);
    wait_for("room:s1 room:s2 room:s3");
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.presence WHERE node = 'test' AND "
                                     "since = to_timestamp(1700000000.123)"),
                     3);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.presence WHERE socket_id = 's2' "
                                     "AND dbo_id = 12 AND row_id = '3\"4' AND extras::text = "
                                     "'{\"a\": 1.10}'"),
                     1);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.presence WHERE socket_id <> 's2' "
                                     "AND dbo_id IS NULL AND row_id IS NULL AND extras::text = "
                                     "'{}'"),
                     2);
    tell(false, false, "room", "s1", NULL);
    tell(false, false, "room", "s2", identity);
    tell(false, true, "other", "s2", identity);
    identity_unref(identity);
    identity_unref(nameless);
    wait_for("other:s2 room:s3");
}

static void test_the_last_one_of_a_member_wins(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    for (int i = 0; i < 101; i++) {
        tell(i == 0, i % 2 == 0, "room", "s1", NULL);
        tell(false, i % 2 == 1, "room", "s2", NULL);
    }
    wait_for("room:s1");
}

static void test_a_reset_makes_void_what_was_before(void **state)
{
    (void)state;
    bed_sql(bed, "SELECT herald.write_presence('old', false, '{t}', '{room}', '{ghost}', '{NULL}', "
                 "'{NULL}', '{\"{}\"}', '{0}')");
    bed_start_plainly(bed);
    for (int i = 0; i < 2000; i++) {
        char socket_id[16];
        snprintf(socket_id, sizeof(socket_id), "a%d", i);
        tell(false, true, "room", socket_id, NULL);
    }
    tell(true, true, "room", "s1", NULL);
    wait_for("room:s1");
    bed->store.presence.tell(bed->store.presence.ctx, true, NULL, 0);
    wait_for("");
}

static void test_many_members(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    enum { N = 10000 };
    static char ids[N][16];
    static struct presence_news all[N];
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "s%d", i);
        all[i] = (struct presence_news){true, STR("room"), str_of(ids[i]), NULL, 1};
    }
    bed->store.presence.tell(bed->store.presence.ctx, true, all, N);
    bed_wait_sql(bed, "SELECT count(*) = 10000 FROM herald.presence");
    for (int i = 0; i < N; i++) {
        all[i].is_join = false;
    }
    bed->store.presence.tell(bed->store.presence.ctx, false, all, N - 1);
    wait_for("room:s9999");
}

/* Only the second connection: nobody tells the hub, so nothing may be forgotten. */
static void test_a_lost_connection_loses_nothing(void **state)
{
    (void)state;
    start_proxied();
    tell(true, true, "room", "s1", NULL);
    wait_for("room:s1");
    proxy_set_trap(proxy, PROXY_TRAP_AFTER, "write_presence");
    tell(false, true, "room", "s2", NULL);
    tell(false, false, "room", "s1", NULL);
    wait_for("room:s2");
    proxy_set_trap(proxy, PROXY_TRAP_BEFORE, "write_presence");
    tell(true, true, "room", "s3", NULL);
    tell(false, true, "room", "s4", NULL);
    wait_for("room:s3 room:s4");
    assert_int_equal(proxy_n_trapped(proxy), 2);
    assert_int_equal(bed->n_down, 0);
}

static void tell_when_up(struct bed *of)
{
    (void)of;
    tell(true, true, "room", "anew", NULL);
}

/* And while the database is away nothing is kept. */
static void test_what_is_told_inside_on_up_is_written(void **state)
{
    (void)state;
    bed->when_up = tell_when_up;
    start_proxied();
    wait_for("room:anew");
    tell(false, true, "room", "s1", NULL);
    wait_for("room:anew room:s1");
    proxy_refuse(proxy, true);
    bed_wait(bed, &bed->n_down, 1);
    tell(false, true, "room", "s2", NULL);
    proxy_refuse(proxy, false);
    bed_wait(bed, &bed->n_up, 2);
    wait_for("room:anew");
}

static void test_at_the_end_nobody_is_there(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    tell(true, true, "room", "s1", NULL);
    wait_for("room:s1");
    bed_end(bed);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.member"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_joins_and_leaves),
        TEST(test_the_last_one_of_a_member_wins),
        TEST(test_a_reset_makes_void_what_was_before),
        TEST(test_many_members),
        TEST(test_a_lost_connection_loses_nothing),
        TEST(test_what_is_told_inside_on_up_is_written),
        TEST(test_at_the_end_nobody_is_there),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
