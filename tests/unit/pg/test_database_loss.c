/* SPDX-License-Identifier: PostgreSQL */
/* The store when the road to Postgres breaks: killed sessions, cut and silent networks, restarts,
 * crashes, commits in doubt, another epoch, holes in the log. What must hold is the same each time:
 * every event once, in order, and every message either stored once or refused. */
#include "bed_harness.h"

#include <pthread.h>

static void start_proxied(void)
{
    struct database_options options = proxied();
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
}

static void append_marked(uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        char payload[64];
        snprintf(payload, sizeof(payload), "\"hello #%u\"", i);
        assert_true(bed_append(bed, "room", str_of(payload), i));
    }
}

/* The messages 1 … n are in the log, once each, in this order. */
static void check_messages(size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < bed->n_events; i++) {
        const struct event *event = bed->events[i];
        if (event->f.action == EVENT_ACTION_MESSAGE) {
            char payload[64];
            snprintf(payload, sizeof(payload), "\"hello #%zu\"", ++found);
            assert_true(str_equals(event->f.payload, str_of(payload)));
        }
    }
    assert_int_equal(found, n);
    assert_int_equal(bed->n_failed, 0);
}

/* ---- commits in doubt ---- */

static void test_a_commit_whose_answer_is_lost_is_found(void **state)
{
    (void)state;
    start_proxied();
    proxy_set_trap(proxy, PROXY_TRAP_AFTER, "hello #5\"");
    append_marked(1, 10);
    bed_wait(bed, &bed->n_down, 1);
    append_marked(11, 20);
    bed_wait(bed, &bed->n_done, 20);
    assert_int_equal(proxy_n_trapped(proxy), 1);
    bed_check_against_log(bed, 0);
    check_messages(20);
    buf_text(&bed->trace);
    assert_null(strstr(bed->trace.data, "EE"));
}

static void test_a_batch_that_never_arrived_is_sent_again(void **state)
{
    (void)state;
    start_proxied();
    proxy_set_trap(proxy, PROXY_TRAP_BEFORE, "hello #5\"");
    append_marked(1, 10);
    bed_wait(bed, &bed->n_down, 1);
    append_marked(11, 20);
    bed_wait(bed, &bed->n_done, 20);
    assert_int_equal(proxy_n_trapped(proxy), 1);
    bed_check_against_log(bed, 0);
    check_messages(20);
}

/* Again and again, with changes among the messages and equal messages among themselves. */
static void test_many_commits_in_doubt(void **state)
{
    (void)state;
    start_proxied();
    for (uint32_t round = 0; round < 12; round++) {
        char marker[32];
        snprintf(marker, sizeof(marker), "hello #%u\"", round * 10 + 1 + round % 10);
        proxy_set_trap(proxy, round % 3 ? PROXY_TRAP_AFTER : PROXY_TRAP_BEFORE, marker);
        bed_sql(bed, "SELECT herald.publish('room', to_jsonb(i)) FROM generate_series(1, 20) i");
        append_marked(round * 10 + 1, round * 10 + 10);
        bed_wait(bed, &bed->n_done, round * 10 + 10);
        bed_wait(bed, &bed->n_events, (round + 1) * 30);
    }
    assert_int_equal(proxy_n_trapped(proxy), 12);
    bed_check_against_log(bed, 0);
    check_messages(120);
}

static void test_equal_messages_in_doubt_are_told_apart(void **state)
{
    (void)state;
    start_proxied();
    proxy_set_trap(proxy, PROXY_TRAP_AFTER, "same #1\"");
    for (int i = 0; i < 5; i++) {
        assert_true(bed_append(bed, "room", STR("\"same #1\""), 1));
    }
    bed_wait(bed, &bed->n_done, 5);
    bed_check_against_log(bed, 0);
    assert_int_equal(bed->n_events, 5);
}

/* ---- killed sessions ---- */

struct writer {
    pthread_t thread;
    char url[160];
    unsigned number, n_rounds;
};

static void *write_changes(void *arg)
{
    struct writer *writer = arg;
    PGconn *conn = PQconnectdb(writer->url);
    for (unsigned i = 0; i < writer->n_rounds; i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "BEGIN; SELECT herald.publish('w%u', '%u');"
                 " SAVEPOINT s; SELECT herald.publish('w%u', '\"never\"'); ROLLBACK TO s;"
                 " SELECT pg_sleep(random() * 0.01); %s",
                 writer->number, i, writer->number, i % 7 == 6 ? "ROLLBACK" : "COMMIT");
        PQclear(PQexec(conn, text));
    }
    PQfinish(conn);
    return NULL;
}

static void test_sessions_killed_at_random(void **state)
{
    (void)state;
    enum { N_WRITERS = 6, N_ROUNDS = 70, N_MESSAGES = 300 };
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    struct writer writers[N_WRITERS] = {0};
    for (unsigned i = 0; i < N_WRITERS; i++) {
        writers[i].number = i;
        writers[i].n_rounds = N_ROUNDS;
        snprintf(writers[i].url, sizeof(writers[i].url), "%s", cluster_url(bed->name, "postgres"));
        pthread_create(&writers[i].thread, NULL, write_changes, &writers[i]);
    }
    unsigned seed = 7;
    for (uint32_t sent = 0; sent < N_MESSAGES;) {
        uint32_t n = 1 + (uint32_t)rand_r(&seed) % 40;
        n = sent + n > N_MESSAGES ? N_MESSAGES - sent : n;
        append_marked(sent + 1, sent + n);
        sent += n;
        size_t progress = bed->n_done + 1 + (size_t)rand_r(&seed) % n;
        bed_wait(bed, &bed->n_done, progress);
        bed_kill_server_backends(bed);
    }
    for (unsigned i = 0; i < N_WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    bed_wait(bed, &bed->n_done, N_MESSAGES);
    bed_wait(bed, &bed->n_events, N_MESSAGES + N_WRITERS * N_ROUNDS * 6 / 7);
    bed_check_against_log(bed, 0);
    check_messages(N_MESSAGES);
    assert_true(bed->n_up > 5);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        assert_int_equal(
            bed_number(bed, "SELECT count(*) FROM herald.log WHERE channel = 'w%u'", i),
            N_ROUNDS * 6 / 7);
        assert_int_equal(bed_number(bed,
                                    "SELECT count(*) FROM (SELECT (payload->>'data')::int v, "
                                    "lag((payload->>'data')::int)"
                                    " OVER (ORDER BY channel_offset) p FROM herald.log WHERE "
                                    "channel = 'w%u') x WHERE v <= p",
                                    i),
                         0);
    }
}

static void test_directives_given_meanwhile_are_told_once(void **state)
{
    (void)state;
    start_proxied();
    bed_sql(bed, "SELECT herald.disconnect(1)");
    bed_wait(bed, &bed->n_directives, 1);
    proxy_refuse(proxy, true);
    bed_wait(bed, &bed->n_down, 1);
    bed_sql(bed, "SELECT herald.disconnect(2)");
    bed_sql(bed, "SELECT herald.disconnect(3)");
    proxy_refuse(proxy, false);
    bed_wait(bed, &bed->n_up, 2);
    assert_int_equal(bed->n_directives, 3);
    assert_int_equal(bed->directive.dbo_id, 3);
    for (int i = 0; i < 5; i++) {
        bed_kill_server_backends(bed);
        bed_wait(bed, &bed->n_up, (size_t)i + 3);
    }
    assert_int_equal(bed->n_directives, 3);
    /* An answer that was cut: what it would have told is told by the next. */
    proxy_set_trap(proxy, PROXY_TRAP_AFTER, "herald.site");
    bed_sql(bed, "SELECT herald.disconnect(4)");
    bed_wait(bed, &bed->n_directives, 4);
    bed_sql(bed, "SELECT herald.disconnect(5)");
    bed_wait(bed, &bed->n_directives, 5);
    assert_int_equal(bed->directive.dbo_id, 5);
}

static void test_reads_survive_a_lost_connection(void **state)
{
    (void)state;
    start_proxied();
    bed_sql(bed, "SELECT herald.publish('r', '1')");
    bed_wait(bed, &bed->n_events, 1);
    struct store_query query = {
        .kind = STORE_READ_LAST, .channel = STR("r"), .limit = 5, .max_bytes = 1 << 20};
    bed_read(bed, &query);
    bed_wait(bed, &bed->n_answers, 1);
    proxy_refuse(proxy, true);
    bed_wait(bed, &bed->n_down, 1);
    bed_read(bed, &query);
    proxy_refuse(proxy, false);
    bed_wait(bed, &bed->n_answers, 2);
    assert_false(bed->answer.is_failed);
    assert_int_equal(bed->answer.n_events, 1);
    /* A read whose answer is cut is asked again. */
    proxy_set_trap(proxy, PROXY_TRAP_AFTER, "read_channel");
    bed_read(bed, &query);
    bed_wait(bed, &bed->n_answers, 3);
    assert_int_equal(proxy_n_trapped(proxy), 1);
    assert_false(bed->answer.is_failed);
}

/* ---- the network falls silent ---- */

static void test_a_silent_network_is_noticed(void **state)
{
    (void)state;
    struct database_options options = proxied();
    options.query_timeout_ms = 300;
    options.look_ms = 100;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    append_marked(1, 5);
    bed_wait(bed, &bed->n_done, 5);
    proxy_stall(proxy);
    append_marked(6, 10);
    bed_wait(bed, &bed->n_down, 1);
    assert_non_null(strstr(bed->reason, "in time"));
    /* The old session still holds the lead, until its end notices; here it is helped. */
    bed_wait(bed, &bed->n_down, 2);
    assert_string_equal(bed->reason, "another pgherald serves this database");
    bed_sql(bed,
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = "
            "l.database"
            " WHERE l.locktype = 'advisory' AND l.objid = 2 AND d.datname = current_database()");
    bed_wait(bed, &bed->n_done, 10);
    check_messages(10);
    bed_check_against_log(bed, 0);
}

static void test_a_server_that_accepts_and_says_nothing(void **state)
{
    (void)state;
    proxy_deafen(proxy);
    struct database_options options = proxied();
    char url[160];
    snprintf(url, sizeof(url), "%s?connect_timeout=1", options.url);
    options.url = url;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_down, 1);
    assert_non_null(strstr(bed->reason, "in time"));
}

/* ---- restarts and epochs ---- */

static void restart_with(bool is_crash)
{
    start_proxied();
    char epoch[64];
    snprintf(epoch, sizeof(epoch), "%s", bed->epoch);
    append_marked(1, 5);
    bed_wait(bed, &bed->n_done, 5);
    append_marked(6, 300);
    cluster_down(is_crash);
    bed_wait(bed, &bed->n_down, 1);
    append_marked(301, 400);
    cluster_up();
    bed_sql(bed, "SELECT herald.publish('x', '1')");
    bed_wait(bed, &bed->n_done, 400);
    bed_wait(bed, &bed->n_events, 401);
    check_messages(400);
    bed_check_against_log(bed, 0);
    /* This server is the witness that a crash of the cluster lost nothing: the epoch stays. */
    assert_string_equal(bed->epoch, epoch);
}

static void test_a_restart_of_postgres(void **state)
{
    (void)state;
    restart_with(false);
}

static void test_a_crash_of_postgres(void **state)
{
    (void)state;
    restart_with(true);
}

static void test_a_batch_that_asks_for_open_is_sent_again(void **state)
{
    (void)state;
    start_proxied();
    append_marked(1, 5);
    bed_wait(bed, &bed->n_done, 5);
    bed_sql(bed, "DELETE FROM herald.canary"); /* SQLSTATE 55000, as after a crash */
    append_marked(6, 10);
    bed_wait(bed, &bed->n_done, 10);
    check_messages(10);
    bed_check_against_log(bed, 0);
    assert_int_equal(bed->n_down, 0);
    assert_int_equal(bed->n_up, 1); /* the same epoch: no news */
}

static void test_another_epoch_is_told(void **state)
{
    (void)state;
    start_proxied();
    char epoch[64];
    snprintf(epoch, sizeof(epoch), "%s", bed->epoch);
    append_marked(1, 5);
    bed_wait(bed, &bed->n_done, 5);
    proxy_refuse(proxy, true);
    bed_wait(bed, &bed->n_down, 1);
    append_marked(6, 10);
    /* As if restored to an earlier state: the canary is gone and newer numbers were delivered. */
    bed_sql(bed, "DELETE FROM herald.canary; DELETE FROM herald.log WHERE id > 3;"
                 " DELETE FROM herald.cursor WHERE id > 0; UPDATE herald.cursor SET id = 3");
    bed_sql(bed, "UPDATE herald.cursor SET id = 3, done = pg_current_snapshot()");
    proxy_refuse(proxy, false);
    bed_wait(bed, &bed->n_up, 2);
    assert_string_not_equal(bed->epoch, epoch);
    bed_wait(bed, &bed->n_done, 10);
    assert_int_equal(bed->n_failed, 0);
    assert_int_equal(bed->events[5]->f.id, 4); /* not what was before open() */
}

/* ---- the log and others ---- */

static void test_what_another_sequenced_is_read_from_the_log(void **state)
{
    (void)state;
    struct database_options options = proxied();
    options.batch_rows = 50;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    for (int round = 1; round <= 5; round++) {
        /* Ours sees only the result: its loop does not run meanwhile. */
        bed_sql(bed, "SELECT herald.publish('x', to_jsonb(i)) FROM generate_series(1, 170) i");
        bed_drain_by_another(bed);
        append_marked((uint32_t)round, (uint32_t)round);
        bed_wait(bed, &bed->n_done, (size_t)round);
        bed_wait(bed, &bed->n_events, (size_t)round * 171);
    }
    bed_check_against_log(bed, 0);
    check_messages(5);
}

static void test_a_hole_in_the_log_ends_the_sessions(void **state)
{
    (void)state;
    start_proxied();
    append_marked(1, 5);
    bed_wait(bed, &bed->n_done, 5);
    proxy_refuse(proxy, true);
    bed_wait(bed, &bed->n_down, 1);
    bed_sql(bed, "SELECT herald.publish('x', to_jsonb(i)) FROM generate_series(1, 10) i");
    bed_drain_by_another(bed);
    bed_sql(bed, "DELETE FROM herald.log WHERE id BETWEEN 6 AND 12");
    proxy_refuse(proxy, false);
    bed_wait(bed, &bed->n_events, 8);
    buf_text(&bed->trace);
    /* Down, site, up; then, before the first event behind the hole, an epoch that goes as it came.
     */
    assert_non_null(strstr(bed->trace.data, "DSUUUEEE"));
    assert_int_equal(bed->events[5]->f.id, 13);
    append_marked(6, 6);
    bed_wait(bed, &bed->n_done, 6);
    check_messages(6);
}

static void test_a_schema_that_goes_while_serving_is_waited_for(void **state)
{
    (void)state;
    start_proxied();
    bed_sql(bed, "ALTER SCHEMA herald RENAME TO herald_away");
    bed_kill_server_backends(bed);
    bed_wait(bed, &bed->n_down, 2);
    assert_non_null(strstr(bed->reason, "pgherald install"));
    bed_sql(bed, "ALTER SCHEMA herald_away RENAME TO herald");
    bed_wait(bed, &bed->n_up, 2);
    assert_int_equal(bed->n_fatal, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_commit_whose_answer_is_lost_is_found),
        TEST(test_a_batch_that_never_arrived_is_sent_again),
        TEST(test_many_commits_in_doubt),
        TEST(test_equal_messages_in_doubt_are_told_apart),
        TEST(test_sessions_killed_at_random),
        TEST(test_directives_given_meanwhile_are_told_once),
        TEST(test_reads_survive_a_lost_connection),
        TEST(test_a_silent_network_is_noticed),
        TEST(test_a_server_that_accepts_and_says_nothing),
        TEST(test_a_restart_of_postgres),
        TEST(test_a_crash_of_postgres),
        TEST(test_a_batch_that_asks_for_open_is_sent_again),
        TEST(test_another_epoch_is_told),
        TEST(test_what_another_sequenced_is_read_from_the_log),
        TEST(test_a_hole_in_the_log_ends_the_sessions),
        TEST(test_a_schema_that_goes_while_serving_is_waited_for),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
