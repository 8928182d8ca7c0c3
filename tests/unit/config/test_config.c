/* SPDX-License-Identifier: PostgreSQL */
/* Who wins among flag, variable, file and default; where a mistake is said to be; and that the
 * table, what is printed from it and what is read agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"

static char path[] = "/tmp/pgherald-test-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int clear_variables(void **state)
{
    (void)state;
    struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        char variable[64];
        option_variable(&table.options[i], variable);
        unsetenv(variable);
    }
    return 0;
}

/* words: a command line, blank-separated; the result must be released whatever comes back. */
static enum status load(const char *words, unsigned command, struct config *config,
                        struct config_origins *origins, struct err *err)
{
    char *line = mem_strdup(words);
    char *argv[16];
    int argc = 0;
    char *rest = line;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        if (*word) {
            argv[argc++] = word;
        }
    }
    struct option_table table = config_table();
    struct arguments arguments;
    *config = (struct config){0};
    enum status status = arguments_parse(argc, argv, &table, 1, command, &arguments, err);
    if (status == STATUS_OK) {
        status = config_load(&arguments, command, config, origins, err);
        arguments_release(&arguments);
    }
    free(line);
    return status;
}

static size_t place_of(const char *name)
{
    struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        if (strcmp(table.options[i].name, name) == 0) {
            return i;
        }
    }
    fail_msg("no option %s", name);
    return 0;
}

static void test_defaults(void **state)
{
    (void)state;
    struct config config;
    struct err err;
    assert_int_equal(load("", CONFIG_FOR_DEV, &config, NULL, &err), STATUS_OK);
    assert_string_equal(config.net.listen, "127.0.0.1:8080");
    assert_string_equal(config.database.url, "");
    assert_int_equal(config.net.max_sessions, 10000);
    assert_int_equal(config.net.max_frame_bytes, 65536);
    assert_int_equal(config.hub.max_channels, 100);
    assert_int_equal(config.net.outqueue_bytes, 8388608);
    assert_int_equal(config.net.handshake_timeout_ms, 10000);
    assert_int_equal(config.net.ping_interval_ms, 25000);
    assert_int_equal(config.net.ping_misses, 2);
    assert_int_equal(config.drain_ms, 5000);
    assert_int_equal(config.database.look_ms, 1000);
    assert_int_equal(config.database.batch_rows, 2000);
    assert_int_equal(config.database.batch_bytes, 8388608);
    assert_int_equal(config.database.query_timeout_ms, 30000);
    assert_int_equal(config.database.append_max_bytes, 67108864);
    assert_int_equal(config.database.retention_hours, 168);
    assert_int_equal(config.log_level, LOG_LEVEL_INFO);
    assert_false(config.log_json);
    assert_string_equal(config.data_dir, "./pgherald-data");
    assert_null(config.pg_bindir);
    assert_false(config.no_writer);
    config_release(&config);
}

static void test_the_stronger_source_wins(void **state)
{
    (void)state;
    struct config config;
    struct config_origins origins;
    struct err err;
    char *words = mem_printf("-c %s --drain=4s", path);
    write_file("drain = 2s\nlook = 2s\nping-interval = 2s\n");
    setenv("PGHERALD_DRAIN", "3s", 1);
    setenv("PGHERALD_LOOK", "3s", 1);
    assert_int_equal(load(words, CONFIG_FOR_SERVE, &config, &origins, &err), STATUS_OK);
    assert_int_equal(config.drain_ms, 4000);
    assert_int_equal(config.database.look_ms, 3000);
    assert_int_equal(config.net.ping_interval_ms, 2000);
    assert_int_equal(config.net.handshake_timeout_ms, 10000);
    assert_int_equal(origins.of[place_of("drain")], CONFIG_FLAG);
    assert_int_equal(origins.of[place_of("look")], CONFIG_VARIABLE);
    assert_int_equal(origins.of[place_of("ping-interval")], CONFIG_FILE);
    assert_int_equal(origins.of[place_of("handshake-timeout")], CONFIG_DEFAULT);
    config_release(&config);
    free(words);
}

static void test_the_file_may_come_from_a_variable(void **state)
{
    (void)state;
    struct config config;
    struct err err;
    write_file("log-level = debug\n");
    setenv("PGHERALD_CONFIG", path, 1);
    assert_int_equal(load("", CONFIG_FOR_SERVE, &config, NULL, &err), STATUS_OK);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    config_release(&config);
}

static void test_variables_of_other_commands_are_left_alone(void **state)
{
    (void)state;
    struct config config;
    struct err err;
    setenv("PGHERALD_DATABASE_URL", "postgresql://elsewhere", 1);
    setenv("PGHERALD_YES", "yes", 1);
    assert_int_equal(load("", CONFIG_FOR_DEV, &config, NULL, &err), STATUS_OK);
    assert_string_equal(config.database.url, "");
    config_release(&config);
    assert_int_equal(load("", CONFIG_FOR_UNINSTALL, &config, NULL, &err), STATUS_OK);
    assert_string_equal(config.database.url, "postgresql://elsewhere");
    assert_false(config.yes);
    config_release(&config);
}

static void test_mistakes_say_where_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *words, *variable, *file, *sentence;
        enum exit_code code;
    } cases[] = {
        {"--drain x", NULL, NULL, "--drain: \"x\" is not a duration, such as 500ms, 10s or 2min",
         EXIT_CODE_USAGE},
        {"--bogus 1", NULL, NULL, "unknown option --bogus", EXIT_CODE_USAGE},
        {"--data-dir x", NULL, NULL, "unknown option --data-dir", EXIT_CODE_USAGE},
        {"", "x", NULL, "PGHERALD_DRAIN: \"x\" is not a duration, such as 500ms, 10s or 2min",
         EXIT_CODE_CONFIG},
        {"--drain 1", "x", NULL,
         "PGHERALD_DRAIN: \"x\" is not a duration, such as 500ms, 10s or 2min", EXIT_CODE_CONFIG},
        {"", NULL, "# one\n\n/* three\nfour */ // more\nlook = 1s # five\ndrain = x\n",
         "FILE:6: drain: \"x\" is not a duration, such as 500ms, 10s or 2min", EXIT_CODE_CONFIG},
        {"", NULL, "look = 1s\nbogus = 2\n", "FILE:2: no such option 'bogus'", EXIT_CODE_CONFIG},
        {"", NULL, "yes = yes\n", "FILE:1: no such option 'yes'", EXIT_CODE_CONFIG},
        {"", NULL, "config = \"/x\"\n", "FILE:1: no such option 'config'", EXIT_CODE_CONFIG},
        {"", NULL, "drain = 1s\nlook 1s\n", "FILE:2: missing equal sign after option 'look'",
         EXIT_CODE_CONFIG},
        {"", NULL, "look = \"1s\n", "FILE:2: premature end of file", EXIT_CODE_CONFIG},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config config;
        struct err err = {0};
        clear_variables(NULL);
        if (cases[i].variable) {
            setenv("PGHERALD_DRAIN", cases[i].variable, 1);
        }
        if (cases[i].file) {
            write_file(cases[i].file);
            setenv("PGHERALD_CONFIG", path, 1);
        }
        assert_int_equal(load(cases[i].words, CONFIG_FOR_SERVE, &config, NULL, &err),
                         STATUS_FAILED);
        const char *sentence = cases[i].sentence;
        const char *said = err.text;
        if (cases[i].file) {
            assert_memory_equal(said, path, strlen(path));
            said += strlen(path);
            sentence += strlen("FILE");
        }
        assert_string_equal(said, sentence);
        assert_int_equal(err.code, cases[i].code);
        config_release(&config);
    }
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    static const char *const words[] = {"-c /nonexistent/file", "-c /tmp", "-c /dev/zero"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct config config;
        struct err err = {0};
        assert_int_equal(load(words[i], CONFIG_FOR_SERVE, &config, NULL, &err), STATUS_FAILED);
        assert_int_equal(err.code, EXIT_CODE_CONFIG);
        assert_non_null(strstr(err.text, words[i] + 3));
        config_release(&config);
    }
}

static void test_comments_and_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *file, *url;
    } cases[] = {
        {"database-url = \"postgresql://u@h/db?x=y#z\" # comment\n", "postgresql://u@h/db?x=y#z"},
        {"database-url = \"a /* b */ c // d\"\n", "a /* b */ c // d"},
        {"database-url = 'it is \"quoted\" # here'\n", "it is \"quoted\" # here"},
        {"database-url = \"a\\\"# b\"\n", "a\"# b"},
        {"database-url = postgresql://h/db\n", "postgresql://h/db"},
        {"// database-url = no\ndatabase-url /* is */ = yes\n", "yes"},
        {"database-url = \"${PGHERALD_TEST_WORD}\"\n", "word"},
        {"database-url = one\ndatabase-url = two\n", "two"},
        {"# nothing but a comment", ""},
        {"/* never closed", ""},
        {"", ""},
    };
    setenv("PGHERALD_CONFIG", path, 1);
    setenv("PGHERALD_TEST_WORD", "word", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config config;
        struct err err = {0};
        write_file(cases[i].file);
        assert_int_equal(load("", CONFIG_FOR_SERVE, &config, NULL, &err), STATUS_OK);
        assert_string_equal(config.database.url, cases[i].url);
        config_release(&config);
    }
    unsetenv("PGHERALD_TEST_WORD");
}

/* What --print writes is a file that says the same. */
static void test_printed_is_readable(void **state)
{
    (void)state;
    struct config config, again;
    struct config_origins origins;
    struct err err;
    assert_int_equal(
        load("--database-url postgresql://u:secret@h/$a\\\"b --drain 1500ms --log-format json "
             "--retention-hours 0 --listen [::1]:0",
             CONFIG_FOR_SERVE, &config, &origins, &err),
        STATUS_OK);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    config_print(&config, &origins, file);
    assert_int_equal(fclose(file), 0);
    setenv("PGHERALD_CONFIG", path, 1);
    assert_int_equal(load("", CONFIG_FOR_SERVE, &again, NULL, &err), STATUS_OK);
    assert_string_equal(again.database.url, "postgresql://u@h/$a\\\"b");
    assert_string_equal(again.net.listen, "[::1]:0");
    assert_int_equal(again.drain_ms, 1500);
    assert_int_equal(again.database.retention_hours, 0);
    assert_true(again.log_json);
    config_release(&again);
    config_release(&config);
}

/* Of two configurations only what is live is taken over; the rest stays, to the very pointer, and both
 * are told, without passwords. */
static void test_adopt(void **state)
{
    (void)state;
    struct config config, found;
    struct config_changes changes = {{0}, {0}};
    struct err err;
    assert_int_equal(load("--database-url postgresql://u:secret@h/a --drain 1s --workers 2",
                          CONFIG_FOR_SERVE, &config, NULL, &err),
                     STATUS_OK);
    assert_int_equal(load("--database-url postgresql://u:changed@h/a --drain 2s --workers 3 "
                          "--origins https://a.example",
                          CONFIG_FOR_SERVE, &found, NULL, &err),
                     STATUS_OK);
    const char *url = config.database.url;
    config_adopt(&config, &found, CONFIG_FOR_SERVE, &changes);
    assert_string_equal(buf_text(&changes.taken),
                        "drain 1s → 2s, origins nothing → https://a.example");
    assert_string_equal(buf_text(&changes.left), "database-url (its password), workers 2 → 3");
    assert_int_equal(config.drain_ms, 2000);
    assert_int_equal(config.workers, 2);
    assert_string_equal(config.net.limits.origins, "https://a.example");
    assert_ptr_equal(config.database.url, url);
    config_changes_release(&changes);
    /* What was taken over is no change any more, what waits still is. */
    config_adopt(&config, &found, CONFIG_FOR_SERVE, &changes);
    assert_int_equal(changes.taken.len, 0);
    assert_true(changes.left.len > 0);
    config_changes_release(&changes);
    config_release(&found);
    config_release(&config);
}

/* Help and reference are made from the same rows; a row without words or commands would be
 * invisible in both. */
static void test_rows_are_complete(void **state)
{
    (void)state;
    struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        const struct option *option = &table.options[i];
        assert_true(option->commands != 0);
        assert_true(strlen(option->help) > 10 && option->help[strlen(option->help) - 1] == '.');
        assert_true((option->value_name == NULL) == (option->type == OPTION_SWITCH));
        assert_int_equal(place_of(option->name), i); /* no name twice */
    }
}

/* docs/options.md is what `pgherald config --reference` prints. The tests run from the top of the
 * tree. */
static void test_the_reference_is_up_to_date(void **state)
{
    (void)state;
    char *printed = NULL, *written = mem_zalloc(1 << 20);
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len);
    assert_non_null(out);
    config_reference(out);
    assert_int_equal(fclose(out), 0);
    FILE *page = fopen("docs/options.md", "re");
    assert_non_null(page);
    assert_true(fread(written, 1, (1 << 20) - 1, page) > 0);
    fclose(page);
    assert_string_equal(printed, written);
    free(printed);
    free(written);
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_variables, clear_variables)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_the_stronger_source_wins),
        TEST(test_the_file_may_come_from_a_variable),
        TEST(test_variables_of_other_commands_are_left_alone),
        TEST(test_mistakes_say_where_they_are),
        TEST(test_files_that_cannot_be_read),
        TEST(test_comments_and_quotes),
        TEST(test_printed_is_readable),
        TEST(test_adopt),
        TEST(test_rows_are_complete),
        TEST(test_the_reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
