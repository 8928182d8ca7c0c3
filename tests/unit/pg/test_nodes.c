/* SPDX-License-Identifier: PostgreSQL */
/* Several nodes on one database: one order on all, who leads, and what becomes of messages that
 * followers store. */
#include "base/clock.h"
#include "nodes_harness.h"

#define KEY "0123456789abcdef"

static void check_all(size_t n)
{
    wait_for_events(n);
    for (size_t i = 0; i < N_NODES; i++) {
        if (nodes[i]->database) {
            bed_check_against_log(nodes[i], 0);
        }
    }
}

/* Which one leads; N_NODES: none. */
static size_t leader(void)
{
    size_t found = N_NODES;
    for (size_t i = 0; i < N_NODES; i++) {
        if (nodes[i]->database && database_is_leading(nodes[i]->database)) {
            assert_int_equal(found, N_NODES);
            found = i;
        }
    }
    return found;
}

/* That a row is sequenced shows that somebody leads. */
static uint64_t measure_takeover_ms(size_t n_events)
{
    uint64_t begin_ms = clock_ms();
    publish(1);
    bed_wait(nodes[1], &nodes[1]->n_events, n_events);
    return clock_ms() - begin_ms;
}

static void proxied_node(size_t i)
{
    struct database_options options = proxied();
    options.bus = wire_join(wire, nodes[i]);
    bed_start(nodes[i], &options);
    bed_wait(nodes[i], &nodes[i]->n_up, 1);
}

/* ---- one order ---- */

static void test_all_serve_in_one_order(void **state)
{
    (void)state;
    start_nodes();
    publish(10);
    for (uint32_t nth = 1; nth <= 30; nth++) {
        say(nth % 3, nth % 2 ? "room" : "hall", nth);
    }
    publish(10);
    check_all(50);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_done, 10);
    }
    assert_int_equal(
        bed_number(bed, "SELECT count(DISTINCT (channel, channel_offset)) FROM herald.log"), 50);
    assert_int_equal(bed_number(bed, "SELECT max(channel_offset) FROM herald.log"), 35);
}

static void test_without_a_bus(void **state)
{
    wire_set_mode(wire, WIRE_CUT);
    test_all_serve_in_one_order(state);
}

static void test_a_key_is_taken_once_on_all_nodes(void **state)
{
    (void)state;
    start_nodes();
    for (uint32_t nth = 1; nth <= 9; nth++) {
        char payload[32];
        snprintf(payload, sizeof(payload), "\"once #%u\"", nth);
        struct bed *node = nodes[nth % 3];
        assert_true(bed_append_once(node, "room", str_of(payload), nth, "i:1/1", KEY));
    }
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_done, 3);
        for (size_t j = 0; j < nodes[i]->n_receipts; j++) {
            assert_int_equal(nodes[i]->receipts[j], 1);
        }
    }
    check_all(1);
}

static void in_doubt(enum proxy_trap trap)
{
    start_node(0);
    proxied_node(1);
    start_node(2);
    proxy_set_trap(proxy, trap, "says #7\"");
    for (uint32_t nth = 1; nth <= 20; nth++) {
        say(nth % 3, "room", nth);
        publish(1);
    }
    bed_wait(nodes[1], &nodes[1]->n_done, 7);
    assert_int_equal(proxy_n_trapped(proxy), 1);
    assert_int_equal(nodes[1]->n_failed, 0);
    check_all(40);
}

static void test_a_followers_commit_in_doubt(void **state)
{
    (void)state;
    in_doubt(PROXY_TRAP_AFTER);
}

static void test_a_followers_batch_that_never_arrived(void **state)
{
    (void)state;
    in_doubt(PROXY_TRAP_BEFORE);
}

static void on_settled(void *arg, bool is_settled, struct str snapshot)
{
    struct bed *node = arg;
    assert_true(is_settled && snapshot.len > 0);
    assert_int_equal(node->n_events, 5); /* all that had been committed */
    node->n_answers++;
}

static void test_a_follower_knows_when_all_is_told(void **state)
{
    (void)state;
    start_nodes();
    publish(5);
    for (size_t i = 0; i < N_NODES; i++) {
        nodes[i]->store.log.settle(nodes[i]->store.log.ctx, true, on_settled, nodes[i]);
    }
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_answers, 1);
    }
}

static void test_rows_of_a_table_that_is_altered(void **state)
{
    (void)state;
    start_nodes();
    bed_sql(bed, "CREATE TABLE t (id int PRIMARY KEY, a text)");
    bed_sql(bed, "SELECT herald.watch('t', channel => 't/{id}')");
    bed_sql(bed, "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 5) g");
    bed_sql(bed, "ALTER TABLE t ADD COLUMN b int DEFAULT 7");
    bed_sql(bed, "INSERT INTO t SELECT g, 'y' FROM generate_series(6, 10) g");
    check_all(10);
    bed_sql(bed, "SELECT herald.watch('t', channel => 'u/{id}', visible => '{\"b\": 7}')");
    bed_sql(bed, "UPDATE t SET a = 'z'");
    bed_wait_sql(bed, "SELECT count(*) = 20 FROM herald.log");
    check_all(20);
    for (size_t i = 0; i < N_NODES; i++) {
        assert_non_null(nodes[i]->events[19]->f.shape);
        /* The site of the watch is there before the first row of it. */
        const char *trace = buf_text(&nodes[i]->trace);
        assert_non_null(strrchr(trace, 'S'));
        assert_true(strlen(strrchr(trace, 'S')) > 10);
    }
}

/* ---- who leads ---- */

static void test_the_next_one_leads_at_once(void **state)
{
    (void)state;
    start_nodes();
    publish(3);
    wait_for_events(3);
    bed_end(nodes[0]);
    assert_true(measure_takeover_ms(4) < 1500);
    assert_true(leader() > 0 && leader() < N_NODES);
    assert_int_equal(nodes[1]->n_up, 1); /* its sessions have noticed nothing */
    assert_int_equal(nodes[1]->n_down, 0);
    check_all(4);
}

static void test_who_is_to_end_lets_go(void **state)
{
    (void)state;
    start_nodes();
    publish(1);
    wait_for_events(1);
    uint64_t begin_ms = clock_ms();
    database_resign(nodes[0]->database);
    bed_wait_sql(bed, "SELECT term > 2 FROM herald.state"); /* the install's was the first */
    assert_true(clock_ms() - begin_ms < 1500);
    (void)measure_takeover_ms(2);
    assert_true(leader() > 0 && leader() < N_NODES);
    say(0, "room", 1); /* it serves on */
    bed_wait(nodes[0], &nodes[0]->n_done, 1);
    check_all(3);
    assert_int_equal(nodes[0]->n_down, 0);
}

/* Another process of the same role has the lock, and says nothing more, within a batch or not. */
static void stand_still(const char *sql)
{
    PGconn *silent = PQconnectdb(cluster_url(bed->name, "herald_server"));
    PQclear(PQexec(silent, "SELECT herald.lead(), herald.open(NULL, 'silent')"));
    PQclear(PQexec(silent, sql));
    for (size_t i = 0; i < N_NODES; i++) {
        struct database_options options = node_options(i);
        bed_start(nodes[i], &options);
    }
    uint64_t took_ms = measure_takeover_ms(1);
    assert_true(took_ms > 1000 && took_ms < 4000);
    check_all(1);
    PQfinish(silent);
}

static void test_one_that_stands_still_is_deposed(void **state)
{
    (void)state;
    stand_still("SELECT 1");
}

static void test_one_that_stands_still_in_a_batch(void **state)
{
    (void)state;
    stand_still("BEGIN; SELECT herald.take(10, 10, true)");
}

static void test_one_that_cannot_be_reached_is_deposed(void **state)
{
    (void)state;
    proxied_node(0);
    start_node(1);
    start_node(2);
    assert_true(database_is_leading(nodes[0]->database));
    publish(1);
    wait_for_events(1);
    proxy_stall(proxy);
    assert_true(measure_takeover_ms(2) < 4000);
    assert_int_equal(nodes[1]->n_down, 0);
    struct bus_beat beat = {0};
    database_fill_beat(nodes[0]->database, &beat);
    assert_false(beat.is_leader); /* that it leads is more than it knows */
}

/* The session of before lives on for as long as Postgres has not noticed, and then ends. */
static void test_who_comes_back_is_there_when_his_last_session_ends(void **state)
{
    (void)state;
    PGconn *last = PQconnectdb(cluster_url(bed->name, "herald_server"));
    PQclear(PQexec(last, "SELECT herald.enter('first', 'first')"));
    start_node(0);
    int pid = PQbackendPID(last);
    PQfinish(last);
    char gone[100];
    snprintf(gone, sizeof(gone), "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %d", pid);
    bed_wait_sql(bed, gone);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.live_nodes()"), 1);
}

static bool is_too_much;

static bool asked_whether_behind(void *arg)
{
    (void)arg;
    return is_too_much;
}

static void start_node_that_may_be_behind(size_t i)
{
    struct database_options options = node_options(i);
    options.is_behind = asked_whether_behind;
    is_too_much = false;
    bed_start(nodes[i], &options);
    bed_wait(nodes[i], &nodes[i]->n_up, 1);
}

/* Its own sessions cannot take more; those of the others can. */
static void test_a_leader_that_is_behind_goes_on(void **state)
{
    (void)state;
    start_node_that_may_be_behind(0);
    start_node(1);
    start_node(2);
    is_too_much = true;
    publish(20);
    say(1, "room", 1);
    publish(20);
    say(0, "room", 2);
    bed_wait(nodes[1], &nodes[1]->n_events, 41);
    bed_wait(nodes[2], &nodes[2]->n_events, 41);
    assert_int_equal(nodes[0]->n_events, 0);
    assert_int_equal(nodes[0]->n_done, 0);
    assert_true(database_is_leading(nodes[0]->database));
    is_too_much = false;
    bed_wait(nodes[0], &nodes[0]->n_done, 1);
    check_all(42);
    assert_int_equal(nodes[0]->n_up, 1);
}

/* What it had told the others of it knows, although its own sessions had not got it. */
static void test_a_leader_that_was_behind_sees_that_the_log_went_back(void **state)
{
    (void)state;
    start_node_that_may_be_behind(0);
    char before[64];
    memcpy(before, bed->epoch, sizeof(before));
    is_too_much = true;
    publish(3);
    bed_wait_sql(bed, "SELECT count(*) = 3 FROM herald.log");
    bed_sql(bed, "DELETE FROM herald.log");
    bed_sql(bed, "UPDATE herald.cursor SET id = 0");
    bed_kill_server_backends(bed);
    bed_wait(bed, &bed->n_up, 2);
    assert_string_not_equal(bed->epoch, before);
}

static void test_nobody_is_deposed_who_lives(void **state)
{
    (void)state;
    start_nodes();
    bed_wait_sql(bed, "SELECT now() > backend_start + interval '4 s' FROM pg_stat_activity"
                      " WHERE pid = herald.leader()");
    assert_int_equal(leader(), 0);
    assert_int_equal(nodes[0]->n_down, 0);
    assert_int_equal(bed_number(bed, "SELECT term FROM herald.state"), 2);
}

static void tell_member(size_t i, const char *socket_id, bool is_reset)
{
    struct presence_news news = {.is_join = true,
                                 .channel = STR("room"),
                                 .socket_id = str_of(socket_id),
                                 .since_ms = 1700000000000 + i};
    const struct store_presence *presence = &nodes[i]->store.presence;
    presence->tell(presence->ctx, is_reset, &news, 1);
}

/* One socket that has moved is listed where it came last; who dies, dies with all of his. */
static void test_each_node_writes_down_its_own_members(void **state)
{
    (void)state;
    start_nodes();
    for (size_t i = 0; i < N_NODES; i++) {
        static const char *const sockets[] = {"a", "b", "c"};
        tell_member(i, sockets[i], true);
        tell_member(i, "moved", false);
    }
    bed_wait_sql(bed, "SELECT count(*) = 6 FROM herald.member");
    bed_wait_sql(bed, "SELECT string_agg(socket_id || node, ' ' ORDER BY socket_id) ="
                      " 'afirst bsecond cthird movedthird' FROM herald.presence");
    tell_member(1, "d", true);
    bed_wait_sql(bed, "SELECT string_agg(socket_id || node, ' ' ORDER BY socket_id) ="
                      " 'afirst cthird dsecond movedthird' FROM herald.presence");
    bed_sql(bed, "INSERT INTO herald.node VALUES ('dead', 'dead', now() - interval '1 min')");
    bed_sql(bed, "INSERT INTO herald.member VALUES ('room', 'ghost', 1, '1', '{}', 'dead', now())");
    bed_sql(bed, "SELECT herald.sweep()");
    bed_wait_sql(bed, "SELECT count(*) = 0 FROM herald.presence WHERE socket_id = 'ghost'");
    bed_wait_sql(bed, "SELECT count(*) = 3 FROM herald.node");
    bed_end(nodes[2]);
    bed_wait_sql(bed, "SELECT string_agg(socket_id || node, ' ' ORDER BY socket_id) ="
                      " 'afirst dsecond movedfirst' FROM herald.presence");
}

/* ---- Postgres ---- */

static void wait_for_ups(size_t n)
{
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_up, n);
    }
}

static void test_after_all_sessions_were_lost(void **state)
{
    (void)state;
    start_nodes();
    publish(2);
    say(1, "room", 1);
    wait_for_events(3);
    bed_kill_server_backends(bed);
    say(2, "room", 2);
    publish(2);
    wait_for_ups(2);
    check_all(6);
    assert_int_equal(nodes[2]->n_superseded, 0);
}

static void test_all_hear_of_another_epoch(void **state)
{
    (void)state;
    start_nodes();
    publish(2);
    wait_for_events(2);
    char before[64];
    memcpy(before, bed->epoch, sizeof(before));
    bed_sql(bed, "UPDATE herald.canary SET epoch = epoch");
    bed_kill_server_backends(bed);
    wait_for_ups(2);
    bed_wait(nodes[1], &nodes[1]->n_up, 2);
    publish(2);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_events, 4);
        assert_string_not_equal(nodes[i]->epoch, before);
        assert_string_equal(nodes[i]->epoch, nodes[0]->epoch);
    }
}

/* Sessions that still know the old one must not be told of what belongs to the new one. */
static void test_messages_are_of_the_epoch_that_they_are_told_of(void **state)
{
    (void)state;
    start_nodes();
    say(1, "room", 1);
    wait_for_events(1);
    bed_sql(bed, "SELECT herald.open(1000000)");
    say(1, "room", 2);
    bed_wait(nodes[1], &nodes[1]->n_done, 2);
    const char *trace = buf_text(&nodes[1]->trace);
    assert_int_equal(nodes[1]->n_up, 2);
    assert_true(strrchr(trace, 'U') < strrchr(trace, 'E'));
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.log l, herald.state s"
                                     " WHERE l.id = 2 AND l.epoch = s.epoch"),
                     1);
}

static void test_who_has_no_database_sends_its_sessions_away(void **state)
{
    (void)state;
    start_node(0);
    struct database_options options = proxied();
    options.bus = wire_join(wire, nodes[1]);
    options.postgres_grace_ms = 300;
    bed_start(nodes[1], &options);
    bed_wait(nodes[1], &nodes[1]->n_up, 1);
    proxy_refuse(proxy, true);
    bed_wait(nodes[1], &nodes[1]->n_superseded, 1);
    assert_non_null(strstr(nodes[1]->reason, "has lost the database"));
    assert_false(bed_append(nodes[1], "room", STR("1"), 1));
    proxy_refuse(proxy, false);
    bed_wait(nodes[1], &nodes[1]->n_up, 2);
    say(1, "room", 2);
    bed_wait(nodes[1], &nodes[1]->n_done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(test_all_serve_in_one_order),
        NODES_TEST(test_without_a_bus),
        NODES_TEST(test_a_key_is_taken_once_on_all_nodes),
        NODES_TEST(test_a_followers_commit_in_doubt),
        NODES_TEST(test_a_followers_batch_that_never_arrived),
        NODES_TEST(test_a_follower_knows_when_all_is_told),
        NODES_TEST(test_rows_of_a_table_that_is_altered),
        NODES_TEST(test_the_next_one_leads_at_once),
        NODES_TEST(test_who_is_to_end_lets_go),
        NODES_TEST(test_one_that_stands_still_is_deposed),
        NODES_TEST(test_one_that_stands_still_in_a_batch),
        NODES_TEST(test_one_that_cannot_be_reached_is_deposed),
        NODES_TEST(test_who_comes_back_is_there_when_his_last_session_ends),
        NODES_TEST(test_a_leader_that_is_behind_goes_on),
        NODES_TEST(test_a_leader_that_was_behind_sees_that_the_log_went_back),
        NODES_TEST(test_nobody_is_deposed_who_lives),
        NODES_TEST(test_each_node_writes_down_its_own_members),
        NODES_TEST(test_after_all_sessions_were_lost),
        NODES_TEST(test_all_hear_of_another_epoch),
        NODES_TEST(test_messages_are_of_the_epoch_that_they_are_told_of),
        NODES_TEST(test_who_has_no_database_sends_its_sessions_away),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
