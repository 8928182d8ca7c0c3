/* SPDX-License-Identifier: PostgreSQL */
/* The owner's functions: what their answers mean, what is said about their failures, and that they
 * leave nothing behind. test_functions_load.c has time, order and lost connections. */
#include "bed_harness.h"

#include <time.h>
#include <unistd.h>

static void start_with(uint32_t n_connections, uint32_t timeout_ms, const char *token_function)
{
    struct database_options options = bed_options(bed, cluster_url(bed->name, "herald_server"));
    options.hook_connections = n_connections;
    options.hook_timeout_ms = timeout_ms;
    options.token_function = token_function;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
}

/* ---- answers ---- */

static void test_what_a_function_returns_comes_back_as_it_is(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    static const char odd[] = "{ \"a\":1.10, \"a\":18446744073709551616, \"\\u0000\":[ ] }";
    const struct asked *echo = asker_call(asker, FUNCTION("echo"), 1, odd);
    const struct asked *nothing = asker_call(asker, FUNCTION("nothing"), 1, odd);
    const struct asked *described = asker_call(asker, FUNCTION("describe"), 0, "7");
    asker_wait(asker);
    assert_int_equal(echo->result, STORE_VERDICT_DONE);
    assert_string_equal(echo->payload, odd);
    assert_int_equal(nothing->result, STORE_VERDICT_DONE);
    assert_false(nothing->has_payload);
    assert_string_equal(described->payload,
                        "{\"action\" : \"message\", \"channel\" : \"room\", \"client\" : "
                        "{\"socketId\":\"s\"}, \"options\" : {\"channel\":\"room\"}, "
                        "\"payload\" : 7}");
}

static void test_absent_arguments_are_null(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    struct store_call call = {.kind = STORE_CALL_ON_ACTION,
                              .function = STR(FUNCTION("note")),
                              .action = STR("disconnect"),
                              .client = STR("{}")};
    bed->store.functions.call(bed->store.functions.ctx, &call, NULL,
                              NULL); /* nobody wants to know */
    bed_wait_sql(bed,
                 "SELECT count(*) = 1 AND max(what) IS NULL FROM public.noted HAVING count(*) > 0");
}

static void test_authorize(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    static const char may[] = "public.may(text,json,text)";
    const struct asked *yes = asker_authorize(asker, may, "{\"dbo_id\":12,\"row_id\":\"34\"}");
    const struct asked *no = asker_authorize(asker, may, "{\"dbo_id\":12,\"row_id\":\"35\"}");
    const struct asked *anonymous = asker_authorize(asker, may, NULL);
    asker_wait(asker);
    assert_int_equal(asker->n_done, 3);
    assert_true(yes->is_allowed);
    assert_false(no->is_allowed || anonymous->is_allowed);
}

static void test_an_exception_of_its_own_is_for_the_client(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    char large[2002] = "\"a";
    for (size_t i = 2; i + 3 < sizeof(large); i += 2) {
        memcpy(large + i, "\xC3\xBC", 2);
    }
    memcpy(large + sizeof(large) - 2, "\"", 2);
    const struct asked *refused =
        asker_call(asker, FUNCTION("refuse"), 0, "\"not today, \\u00fc\"");
    const struct asked *empty = asker_call(asker, FUNCTION("refuse"), 0, "\"\"");
    const struct asked *long_winded = asker_call(asker, FUNCTION("refuse"), 0, large);
    asker_wait(asker);
    assert_int_equal(asker->n_refused, 3);
    assert_string_equal(refused->reason, "not today, \xC3\xBC");
    assert_true(empty->has_reason);
    assert_int_equal(strlen(long_winded->reason), 499); /* not half an ü */
}

static void test_every_other_error_is_a_failure(void **state)
{
    (void)state;
    bed_sql(bed, "CREATE FUNCTION public.invoker(text,text,json,json,json) RETURNS json"
                 " LANGUAGE sql AS 'SELECT $5'");
    bed_start_plainly(bed);
    asker_call(asker, FUNCTION("divide"), 0, "0");
    asker_call(asker, FUNCTION("missing"), 0, "0");
    asker_call(asker, "no function at all", 0, "0");
    asker_call(asker, FUNCTION("invoker"), 0, "0");
    asker_call(asker, FUNCTION("echo"), 0, "no JSON");
    asker_call(asker, FUNCTION("echo"), 0, "\"\xFF\"");
    asker_call(asker, FUNCTION("run"), 0, "\"SELECT pg_terminate_backend(pg_backend_pid())\"");
    asker_call(asker, FUNCTION("look"), 0, "\"SELECT to_json(repeat('x', 1048576))\"");
    asker_authorize(asker, "public.token(text)", NULL);
    asker_wait(asker);
    assert_int_equal(asker->n_failed, 9);
    const struct asked *next = asker_call(asker, FUNCTION("divide"), 0, "1");
    asker_wait(asker);
    assert_int_equal(next->result, STORE_VERDICT_DONE);
}

/* ---- what is logged ---- */

static char log_path[] = "/tmp/pgherald-test-log-XXXXXX";
static int saved_stderr = -1;

static void begin_log(void)
{
    int file = mkstemp(log_path);
    assert_true(file >= 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    close(file);
    log_configure(LOG_LEVEL_INFO, false);
}

static size_t end_log(const char *word)
{
    log_configure(LOG_LEVEL_ERROR, false);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    FILE *file = fopen(log_path, "r");
    assert_non_null(file);
    size_t n = 0;
    char line[4096];
    while (fgets(line, sizeof(line), file)) {
        n += strstr(line, word) != NULL;
    }
    fclose(file);
    unlink(log_path);
    memcpy(log_path + sizeof(log_path) - 7, "XXXXXX", 6);
    return n;
}

static void test_failures_and_warnings_do_not_flood_the_log(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    begin_log();
    for (int i = 0; i < 200; i++) {
        asker_call(asker, FUNCTION("divide"), 0, "0");
    }
    for (int i = 0; i < 10; i++) {
        asker_call(asker, FUNCTION("warn"), 0, "0");
    }
    /* What it says of the session's settings does not help it. */
    asker_call(asker, FUNCTION("run"), 0,
               "\"SET client_min_messages = 'debug1'; DO $$ BEGIN FOR i IN 1 .. 1000 LOOP RAISE "
               "WARNING '%', random(); END LOOP; END $$\"");
    asker_wait(asker);
    assert_int_equal(end_log("division by zero"), 1);
    assert_int_equal(asker->n_failed, 200);
    begin_log();
    asker_call(asker, FUNCTION("warn"), 0, "0");
    asker_wait(asker);
    assert_int_equal(end_log(""), 0);
}

/* ---- what a function leaves behind ---- */

/* One connection, so that the next call sees what the one before has left. */
static void check_clean(const char *dirt)
{
    static const char look[] =
        "\"SELECT json_build_array(coalesce(current_setting('app.name', true), ''), "
        "current_setting('search_path') = 'pg_catalog, pg_temp', "
        "current_setting('client_encoding'), "
        "current_setting('statement_timeout'), to_regclass('pg_temp.noted') IS NULL, "
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), "
        "(SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM "
        "pg_prepared_statements), (SELECT count(*) FROM pg_cursors WHERE is_holdable), "
        "session_user)\"";
    asker_call(asker, FUNCTION("run"), 0, dirt);
    const struct asked *seen = asker_call(asker, FUNCTION("look"), 0, look);
    const struct asked *again = asker_call(asker, FUNCTION("look"), 0, look);
    asker_wait(asker);
    assert_string_equal(seen->payload, "[\"\", true, \"UTF8\", \"2s\", true, 0, 0, 0, 0, "
                                       "\"herald_hook\"]");
    assert_string_equal(again->payload, seen->payload);
}

static void test_a_function_leaves_nothing_behind(void **state)
{
    (void)state;
    start_with(1, 2000, NULL);
    check_clean(
        "\"SET app.name = 'Ann'; SET search_path = nowhere; SET client_encoding = 'LATIN1'; "
        "SET statement_timeout = 0\"");
    check_clean("\"CREATE TEMP TABLE noted (id int); INSERT INTO noted VALUES (1)\"");
    check_clean("\"SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2)\"");
    check_clean("\"LISTEN anything; PREPARE x AS SELECT 1\"");
    assert_int_equal(asker->n_failed, 0);
    /* After an error, too. */
    check_clean("\"SELECT pg_advisory_lock(1); PREPARE x AS SELECT 1; SELECT 1 / 0\"");
    check_clean("\"SET app.name = 'Ann'; CREATE TEMP TABLE noted (id int); SELECT 1 / 0\"");
    check_clean("\"DECLARE x CURSOR WITH HOLD FOR SELECT generate_series(1, 10)\"");
    assert_int_equal(asker->n_failed, 2);
    assert_int_equal(bed_number(bed, "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE "
                                     "datname = current_database() AND usename = 'herald_hook'"),
                     1); /* the same all the time */
}

static void test_a_function_cannot_give_itself_more_time(void **state)
{
    (void)state;
    start_with(1, 200, NULL);
    asker_call(asker, FUNCTION("run"), 0, "\"SET statement_timeout = 0\"");
    const struct asked *slow = asker_call(asker, FUNCTION("sleep"), 0, "20");
    const struct asked *own =
        asker_call(asker, FUNCTION("run"), 0, "\"SET statement_timeout = 0; SELECT pg_sleep(20)\"");
    asker_wait(asker);
    assert_int_equal(slow->result, STORE_VERDICT_FAILED);
    assert_int_equal(own->result, STORE_VERDICT_FAILED);
    assert_true(own->answered_ms - own->asked_ms < 5000);
}

/* ---- tokens ---- */

static void test_tokens(void **state)
{
    (void)state;
    start_with(2, 2000, "public.token(text)");
    char late[64];
    snprintf(late, sizeof(late), "{\"dbo_id\":1,\"exp\":%lld.5}", (long long)time(NULL) + 1000);
    const struct {
        const char *token; /* what the function returns */
        bool is_accepted;
        enum error_code error;
        int32_t dbo_id;
        const char *row_id, *extras;
    } cases[] = {
        {"{\"dbo_id\":12,\"row_id\":\"34\",\"extras\":{\"a\": 1.10}}", true, 0, 12, "34",
         "{\"a\": 1.10}"},
        {"{\"dbo_id\":-12,\"row_id\":18446744073709551616,\"extras\":null,\"exp\":null}", true, 0,
         -12, "18446744073709551616", "{}"},
        {"{}", true, 0, 0, NULL, "{}"},
        {"{\"dbo_id\":7.0,\"row_id\":\"\",\"more\":[1]}", true, 0, 7, NULL, "{}"},
        {late, true, 0, 1, NULL, "{}"},
        {"{\"dbo_id\":1,\"exp\":1000000000}", false, ERROR_CODE_TOKEN_EXPIRED, 0, NULL, NULL},
        {"null", false, ERROR_CODE_TOKEN_INVALID, 0, NULL, NULL},
        {"raise it is not known", false, ERROR_CODE_TOKEN_INVALID, 0, NULL, NULL},
        {"\xFF", false, ERROR_CODE_TOKEN_INVALID, 0, NULL, NULL},
        {"no JSON", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"[1]", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"7", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":2147483648}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":1.5}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":\"1\"}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":1,\"row_id\":1.5}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":1,\"row_id\":{}}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":1,\"extras\":[]}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":1,\"exp\":\"2000000000\"}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
        {"{\"dbo_id\":1,\"exp\":-1}", false, ERROR_CODE_UNAVAILABLE, 0, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct asked *asked = asker_token(asker, cases[i].token);
        asker_wait(asker);
        print_message("%s\n", cases[i].token);
        assert_int_equal(asked->is_accepted, cases[i].is_accepted);
        if (!cases[i].is_accepted) {
            assert_int_equal(asked->error, cases[i].error);
            continue;
        }
        assert_int_equal(asked->identity->dbo_id, cases[i].dbo_id);
        assert_true(str_equals(asked->identity->row_id, str_of(cases[i].row_id)));
        assert_true(str_equals(asked->identity->extras, str_of(cases[i].extras)));
        assert_int_equal(asked->identity->expires_at > 0, cases[i].token == late);
    }
}

static void test_a_token_is_not_logged(void **state)
{
    (void)state;
    start_with(2, 2000, "public.token(text)");
    begin_log();
    asker_token(asker, "secret");
    asker_token(asker, "raise secret");
    asker_wait(asker);
    assert_int_equal(end_log("secret"), 0);
}

static void test_without_a_function_no_token_is_accepted(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    const struct asked *asked = asker_token(asker, "{\"dbo_id\":1}");
    asker_wait(asker);
    assert_false(asked->is_accepted);
    assert_int_equal(asked->error, ERROR_CODE_TOKEN_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKER_TEST(test_what_a_function_returns_comes_back_as_it_is),
        ASKER_TEST(test_absent_arguments_are_null),
        ASKER_TEST(test_authorize),
        ASKER_TEST(test_an_exception_of_its_own_is_for_the_client),
        ASKER_TEST(test_every_other_error_is_a_failure),
        ASKER_TEST(test_failures_and_warnings_do_not_flood_the_log),
        ASKER_TEST(test_a_function_leaves_nothing_behind),
        ASKER_TEST(test_a_function_cannot_give_itself_more_time),
        ASKER_TEST(test_tokens),
        ASKER_TEST(test_a_token_is_not_logged),
        ASKER_TEST(test_without_a_function_no_token_is_accepted),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
