/* SPDX-License-Identifier: PostgreSQL */
/* The store against a real Postgres, as long as the road to it holds: order, messages, the site,
 * sleeping, and what is said when something is set up wrongly. test_database_loss.c has the rest.
 */
#include "bed_harness.h"

static void append_marked(const char *channel, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        char payload[64];
        snprintf(payload, sizeof(payload), "\"hello #%u\"", i);
        assert_true(bed_append(bed, channel, str_of(payload), i));
    }
}

/* ---- events ---- */

static void test_delivers_what_comes_after_the_start(void **state)
{
    (void)state;
    bed_sql(bed, "SELECT herald.publish('old', '1')");
    bed_drain_by_another(bed);
    long long before = bed_number(bed, "SELECT max(id) FROM herald.log");
    bed_sql(bed, "SELECT herald.publish('pending', '2')");
    bed_start_plainly(bed);
    bed_sql(bed, "SELECT herald.publish('new', '{\"a\": 1.10}')");
    bed_wait(bed, &bed->n_events, 2);
    bed_check_against_log(bed, before);
    assert_memory_equal(bed->trace.data, "SUEE", 4);
    assert_int_equal(bed->events[1]->f.action, EVENT_ACTION_EVENT);
    assert_int_equal(bed->events[1]->f.at.len, 24);
    assert_null(bed->events[1]->f.client.ptr);
}

static void test_large_backlogs_come_in_pieces_and_in_order(void **state)
{
    (void)state;
    long long before = bed_number(bed, "SELECT coalesce(max(id), 0) FROM herald.log");
    bed_sql(bed, "SELECT herald.publish('c' || i %% 7, to_jsonb(repeat('x', i %% 300))) FROM "
                 "generate_series(1, 5000) i");
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.batch_rows = 300;
    options.batch_bytes = 20000;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_events, 5000);
    bed_check_against_log(bed, before);
    bed_wait_sql(bed, "SELECT count(*) = 0 FROM herald.outbox"); /* the sweep */
}

static size_t n_asked;
static bool is_too_much;

static bool asked_whether_behind(void *arg)
{
    (void)arg;
    n_asked++;
    return is_too_much;
}

/* Who cannot take more is not given more; the outbox keeps it. */
static void test_waits_for_those_who_are_behind(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.is_behind = asked_whether_behind;
    is_too_much = false;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    is_too_much = true;
    bed_sql(bed, "SELECT herald.publish('c', '1')");
    bed_wait(bed, &n_asked, n_asked + 5);
    assert_int_equal(bed->n_events, 0);
    is_too_much = false;
    bed_wait(bed, &bed->n_events, 1);
}

/* ---- messages ---- */

static void test_messages_are_stored_in_order_and_answered(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    append_marked("room", 1, 1);
    bed_wait(bed, &bed->n_done, 1);
    append_marked("room", 2, 500);
    bed_wait(bed, &bed->n_done, 500);
    bed_check_against_log(bed, 0);
    for (size_t i = 0; i < 500; i++) {
        char payload[64];
        snprintf(payload, sizeof(payload), "\"hello #%zu\"", i + 1);
        assert_true(str_equals(bed->events[i]->f.payload, str_of(payload)));
        assert_int_equal(bed->events[i]->f.offset, i + 1);
        assert_int_equal(bed->events[i]->f.action, EVENT_ACTION_MESSAGE);
        assert_true(str_equals(bed->events[i]->f.client, STR("{\"socketId\":\"s\"}")));
    }
    buf_text(&bed->trace);
    assert_null(strstr(bed->trace.data, "EE")); /* each answer right behind its event */
    /* What one turn appends is one batch, not five hundred. */
    assert_true(bed_number(bed, "SELECT count(*) FROM herald.cursor") < 20);
}

static void test_options_and_odd_payloads_are_kept(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    struct event_fields fields = {
        .action = EVENT_ACTION_MESSAGE,
        .channel = STR("odd"),
        .audience = {.kind = AUDIENCE_AUTHENTICATED},
        .payload = STR("[{ \"a\":1e400, \"a\":18446744073709551616}, \"\\u0000\",\" #9\" ]")};
    struct event *event = event_new(&fields);
    struct store_append append = {.message = event, .sender = {0, 9, 1}};
    assert_true(bed->store.log.append(bed->store.log.ctx, &append));
    event_unref(event);
    bed_wait(bed, &bed->n_events, 1);
    assert_int_equal(bed->events[0]->f.audience.kind, AUDIENCE_AUTHENTICATED);
    assert_null(bed->events[0]->f.client.ptr);
    assert_true(str_equals(bed->events[0]->f.payload, fields.payload));
}

static void test_a_poisoned_message_is_refused_alone(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    append_marked("room", 1, 10);
    assert_true(bed_append(bed, "room", STR("\"\xFF #11\""), 11)); /* no UTF-8 */
    append_marked("room", 12, 20);
    assert_true(bed_append(bed, "room", STR("no JSON #21\""), 21));
    append_marked("room", 22, 30);
    bed_sql(bed, "SELECT herald.publish('other', '1')");
    bed_wait(bed, &bed->n_done, 28);
    bed_wait(bed, &bed->n_events, 29);
    assert_int_equal(bed->n_failed, 2);
    bed_check_against_log(bed, 0);
    append_marked("room", 31, 40); /* and goes on in batches */
    bed_wait(bed, &bed->n_done, 38);
    assert_int_equal(bed->n_down, 0);
}

static void test_append_refuses_beyond_its_limit(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.append_max_bytes = 5000;
    bed_start(bed, &options);
    static char payload[3002];
    memset(payload, ' ', sizeof(payload));
    memcpy(payload + sizeof(payload) - 6, "\"# #1\"", 6);
    struct str text = {payload, sizeof(payload)};
    assert_true(bed_append(bed, "room", text, 1));
    assert_false(bed_append(bed, "room", text, 1));
    bed_wait(bed, &bed->n_done, 1);
    assert_true(bed_append(bed, "room", text, 1));
    bed_wait(bed, &bed->n_done, 2);
}

static void test_stop_stores_what_is_pending(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    append_marked("room", 1, 3000);
    bed_end(bed);
    assert_int_equal(bed->n_done, 3000);
    assert_int_equal(bed_number(bed, "SELECT count(*) FROM herald.log"), 3000);
}

/* ---- the site ---- */

static void test_the_site_follows_its_version(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    assert_int_equal(bed->n_sites, 1);
    assert_int_equal(bed->n_rules, 0);
    assert_int_equal(bed->n_canonicals, 1);
    bed_sql(bed, "SELECT herald.set_rule('chat/*', message_history => 10)");
    bed_wait(bed, &bed->n_sites, 2);
    assert_int_equal(bed->n_rules, 1);
    assert_int_equal(bed->site_version, bed_number(bed, "SELECT herald.version()"));
    /* A storm of forged notifications changes nothing, and a real change in the middle is not
     * missed. */
    for (int i = 0; i < 200; i++) {
        bed_sql(bed, "NOTIFY herald, 'forged %d'", i);
        if (i == 100) {
            bed_sql(bed, "SELECT herald.rotate_canonical()");
        }
    }
    bed_wait(bed, &bed->n_sites, 3);
    bed_sql(bed, "SELECT herald.publish('x', '1')");
    bed_wait(bed, &bed->n_events, 1);
    assert_int_equal(bed->n_sites, 3);
}

static void test_directives_follow_their_site(void **state)
{
    (void)state;
    bed_sql(bed, "SELECT herald.disconnect(1); SELECT herald.forget()"); /* of before we served */
    bed_start_plainly(bed);
    assert_int_equal(bed->n_directives, 0);
    bed_sql(bed, "SELECT herald.disconnect(-12, '34', 's', 'room', 'no more')");
    bed_wait(bed, &bed->n_directives, 1);
    assert_int_equal(bed->directive.kind, DIRECTIVE_DISCONNECT);
    assert_true(bed->directive.has_dbo_id);
    assert_int_equal(bed->directive.dbo_id, -12);
    assert_string_equal(bed->directive_row_id, "34");
    assert_string_equal(bed->directive_socket_id, "s");
    assert_string_equal(bed->directive_channel, "room");
    assert_string_equal(bed->directive.reason, "no more");
    bed_sql(bed, "SELECT herald.disconnect(socket_id => 's')");
    bed_wait(bed, &bed->n_directives, 2);
    assert_false(bed->directive.has_dbo_id || bed->directive.row_id.ptr ||
                 bed->directive.channel.ptr || bed->directive.reason);
    bed_sql(bed, "BEGIN; SELECT herald.set_rule('chat/*', public_messaging => true);"
                 " SELECT herald.disconnect(3); SELECT herald.forget('chat/*'); COMMIT");
    bed_wait(bed, &bed->n_directives, 4);
    assert_int_equal(bed->directive.kind, DIRECTIVE_FORGET);
    assert_string_equal(bed->directive_channel, "chat/*");
    bed_sql(bed, "SELECT herald.rotate_canonical()");
    bed_wait(bed, &bed->n_sites, 5);
    assert_int_equal(bed->n_directives, 4);
    buf_text(&bed->trace);
    assert_non_null(strstr(bed->trace.data, "SUSTSTSTTS"));
}

/* ---- sleeping ---- */

#define HOLDERS                                                                                    \
    "SELECT count(*) = %d FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND mode = "     \
    "'ExclusiveLock'"
#define ASLEEP                                                                                     \
    "SELECT count(*) = 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database"                 \
    " WHERE l.locktype = 'advisory' AND l.objid = 1 AND l.mode = 'ExclusiveLock' AND d.datname = " \
    "current_database()"

static void test_sleeps_and_is_woken_by_a_ring(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.look_ms = 60000; /* the safety look would be far too late */
    bed_start(bed, &options);
    bed_wait_sql(bed, ASLEEP);
    for (size_t i = 1; i <= 20; i++) {
        bed_sql(bed, "SELECT herald.publish('x', '1')");
        bed_wait(bed, &bed->n_events, i);
    }
    append_marked("room", 1, 1);
    bed_wait(bed, &bed->n_done, 1);
    bed_wait_sql(bed, ASLEEP);
}

static void test_late_commits_are_not_slept_through(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.look_ms = 60000;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    PGconn *late = PQconnectdb(cluster_url(bed->name, "postgres"));
    for (size_t i = 0; i < 12; i++) {
        /* Let go of the doorbell: two rings in quick succession make it a flow. Then, or asleep
         * already, a writer begins, others commit, and it commits last. */
        PQclear(PQexec(late, "BEGIN; SELECT herald.publish('late', '1')"));
        bed_sql(bed, "SELECT herald.publish('early', '1')");
        bed_wait(bed, &bed->n_events, 2 * i + 1);
        if (i % 2) {
            bed_sql(bed, "NOTIFY herald");
        }
        PQclear(PQexec(late, "COMMIT"));
        bed_wait(bed, &bed->n_events, 2 * i + 2);
    }
    PQfinish(late);
    bed_check_against_log(bed, 0);
}

static void test_looks_on_when_writers_never_ring(void **state)
{
    (void)state;
    bed_sql(bed, "ALTER DATABASE %s SET herald.doorbell = off", bed->name);
    PQreset(bed->admin);
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.look_ms = 60000;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    for (size_t i = 1; i <= 5; i++) {
        bed_sql(bed, "SELECT herald.publish('x', '1')");
        bed_wait(bed, &bed->n_events, i);
    }
    bed_wait_sql(bed, "SELECT NOT (" ASLEEP ")");
}

static void behind_a_pooler(bool keeps_sessions)
{
    proxy_lie_about_pid(proxy);
    if (!keeps_sessions) {
        proxy_drop_notifications(proxy);
    }
    struct database_options options = proxied();
    options.look_ms = 60000;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    for (size_t i = 1; i <= 5; i++) {
        if (keeps_sessions) {
            bed_wait_sql(bed, ASLEEP);
        }
        bed_sql(bed, "SELECT herald.publish('x', '1')");
        bed_wait(bed, &bed->n_events, i);
    }
    bed_wait_sql(bed, keeps_sessions ? ASLEEP : "SELECT NOT (" ASLEEP ")");
    bed_end(bed);
}

static void test_looks_on_behind_a_pooler(void **state)
{
    (void)state;
    behind_a_pooler(false);
}

static void test_sleeps_behind_a_pooler_that_keeps_sessions(void **state)
{
    (void)state;
    behind_a_pooler(true);
}

/* ---- set up wrongly ---- */

static void test_the_schema_step_is_the_newest_of_sql(void **state)
{
    (void)state;
    assert_int_equal(bed_number(bed, "SELECT herald.schema_version()"), DATABASE_SCHEMA_STEP);
}

static void test_a_superuser_is_warned_of(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "postgres"));
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_warnings, 1);
    assert_non_null(strstr(bed->warnings, "logs in as postgres, a superuser"));
    bed_end(bed);
}

static void test_nobody_else_is_warned_of(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_warnings, 1);
    assert_string_equal(bed->warnings, "");
    bed_end(bed);
}

static void test_a_missing_schema_is_fatal(void **state)
{
    (void)state;
    cluster_create_empty("empty");
    struct database_options options = bed_options(bed, cluster_url("empty", "herald_server"));
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_fatal, 1);
    assert_int_equal(bed->fatal.code, EXIT_CODE_CONFIG);
    assert_non_null(strstr(bed->fatal.text, "`pgherald install`"));
    bed_end(bed);
    assert_int_equal(bed->n_fatal, 1);
    assert_int_equal(bed->n_up, 0);
}

static void test_an_old_schema_is_fatal(void **state)
{
    (void)state;
    bed_sql(bed, "DELETE FROM herald.schema_step WHERE step = %d", DATABASE_SCHEMA_STEP);
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_fatal, 1);
    assert_int_equal(bed->fatal.code, EXIT_CODE_CONFIG);
    assert_non_null(strstr(bed->fatal.text, "`pgherald upgrade`"));
}

static void test_a_newer_schema_is_served(void **state)
{
    (void)state;
    bed_sql(bed, "INSERT INTO herald.schema_step (step, name) VALUES (%d, 'of tomorrow')",
            DATABASE_SCHEMA_STEP + 1);
    bed_start_plainly(bed);
}

static void test_a_wrong_login_is_waited_out(void **state)
{
    (void)state;
    char url[160];
    snprintf(url, sizeof(url), "%s password=swordfish", cluster_url(bed->name, "nobody_yet"));
    struct database_options options = bed_options(bed, url);
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_down, 1);
    assert_non_null(strstr(bed->reason, "nobody_yet"));
    assert_null(strstr(bed->reason, "swordfish"));
    bed_sql(bed, "CREATE ROLE nobody_yet LOGIN");
    bed_wait(bed, &bed->n_down, 2);
    assert_non_null(strstr(bed->reason, "permission denied"));
    bed_sql(bed, "GRANT herald_server TO nobody_yet");
    bed_wait(bed, &bed->n_up, 1);
    assert_int_equal(bed->n_fatal, 0);
}

static void test_a_bad_url_is_fatal_and_not_quoted(void **state)
{
    (void)state;
    struct database_options options = bed_options(bed, "postgresql://u:swordfish@h/d?swordfish=1");
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_fatal, 1);
    assert_int_equal(bed->fatal.code, EXIT_CODE_CONFIG);
    assert_null(strstr(bed->fatal.text, "swordfish"));
}

static void test_a_second_server_waits_for_the_first(void **state)
{
    (void)state;
    struct bed *first = bed;
    bed_start_plainly(first);
    struct bed second = {.loop = first->loop};
    memcpy(second.name, first->name, sizeof(second.name));
    struct database_options options =
        bed_options(&second, cluster_url(first->name, "herald_server"));
    bed_start(&second, &options);
    bed_wait(&second, &second.n_down, 1);
    assert_string_equal(second.reason, "another pgherald serves this database");
    bed_sql(first, "SELECT herald.publish('x', '1')");
    bed_wait(first, &first->n_events, 1);
    assert_int_equal(second.n_up, 0);
    bed_end(first);
    bed_wait(&second, &second.n_up, 1);
    assert_string_equal(second.epoch, first->epoch);
    bed_sql(first, "SELECT herald.publish('x', '2')");
    bed_wait(&second, &second.n_events, 1);
    assert_int_equal(second.events[0]->f.offset, 2);
    bed_end(&second);
    event_unref(second.events[0]);
    free(second.events);
    buf_release(&second.trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delivers_what_comes_after_the_start),
        TEST(test_large_backlogs_come_in_pieces_and_in_order),
        TEST(test_waits_for_those_who_are_behind),
        TEST(test_messages_are_stored_in_order_and_answered),
        TEST(test_options_and_odd_payloads_are_kept),
        TEST(test_a_poisoned_message_is_refused_alone),
        TEST(test_append_refuses_beyond_its_limit),
        TEST(test_stop_stores_what_is_pending),
        TEST(test_the_site_follows_its_version),
        TEST(test_directives_follow_their_site),
        TEST(test_sleeps_and_is_woken_by_a_ring),
        TEST(test_late_commits_are_not_slept_through),
        TEST(test_looks_on_when_writers_never_ring),
        TEST(test_looks_on_behind_a_pooler),
        TEST(test_sleeps_behind_a_pooler_that_keeps_sessions),
        TEST(test_the_schema_step_is_the_newest_of_sql),
        TEST(test_a_superuser_is_warned_of),
        TEST(test_nobody_else_is_warned_of),
        TEST(test_a_missing_schema_is_fatal),
        TEST(test_an_old_schema_is_fatal),
        TEST(test_a_newer_schema_is_served),
        TEST(test_a_wrong_login_is_waited_out),
        TEST(test_a_bad_url_is_fatal_and_not_quoted),
        TEST(test_a_second_server_waits_for_the_first),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
