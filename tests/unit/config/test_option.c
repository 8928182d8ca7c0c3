/* SPDX-License-Identifier: PostgreSQL */
/* Values of options: what is read, what is refused and with which sentence, how they are written,
 * and that a password does not get through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/option.h"

struct target {
    char *text;
    uint32_t number;
    bool flag;
};

static const struct option count = {.name = "count",
                                    .type = OPTION_COUNT,
                                    .offset = offsetof(struct target, number),
                                    .size = sizeof(uint32_t),
                                    .min = 1,
                                    .max = 1000};
static const struct option bytes = {.name = "some-bytes",
                                    .type = OPTION_BYTES,
                                    .offset = offsetof(struct target, number),
                                    .size = sizeof(uint32_t),
                                    .max = UINT32_MAX};
static const struct option duration = {.name = "duration",
                                       .type = OPTION_DURATION,
                                       .offset = offsetof(struct target, number),
                                       .size = sizeof(uint32_t),
                                       .min = 10,
                                       .max = 7200000};
static const struct option hours = {.name = "hours",
                                    .type = OPTION_HOURS,
                                    .offset = offsetof(struct target, number),
                                    .size = sizeof(uint32_t),
                                    .max = 876000};
static const struct option choice = {.name = "choice",
                                     .type = OPTION_CHOICE,
                                     .offset = offsetof(struct target, number),
                                     .size = sizeof(uint32_t),
                                     .choices = "error|warn|info"};
static const struct option flag = {.name = "flag",
                                   .type = OPTION_SWITCH,
                                   .offset = offsetof(struct target, flag),
                                   .size = sizeof(bool)};
static const struct option address = {.name = "listen",
                                      .type = OPTION_LISTEN,
                                      .offset = offsetof(struct target, text),
                                      .size = sizeof(char *)};

static void test_numbers_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const struct option *option;
        const char *text;
        uint32_t value;
        const char *written;
    } cases[] = {
        {&count, "1", 1, "1"},
        {&count, "1000", 1000, "1000"},
        {&count, "0007", 7, "7"},
        {&bytes, "0", 0, "0"},
        {&bytes, "65536", 65536, "64KiB"},
        {&bytes, "64KiB", 65536, "64KiB"},
        {&bytes, "64 KiB", 65536, "64KiB"},
        {&bytes, "8MiB", 8388608, "8MiB"},
        {&bytes, "3GiB", 3221225472, "3GiB"},
        {&bytes, "1000B", 1000, "1000"},
        {&bytes, "4294967295", UINT32_MAX, "4294967295"},
        {&duration, "500ms", 500, "500ms"},
        {&duration, "10", 10000, "10s"},
        {&duration, "10s", 10000, "10s"},
        {&duration, "90s", 90000, "90s"},
        {&duration, "120s", 120000, "2min"},
        {&duration, "2h", 7200000, "2h"},
        {&hours, "168", 168, "7d"},
        {&hours, "7d", 168, "7d"},
        {&hours, "25h", 25, "25"},
        {&hours, "0", 0, "0"},
        {&choice, "error", 0, "error"},
        {&choice, "info", 2, "info"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target target = {0};
        struct err err;
        struct buf out = {0};
        assert_int_equal(
            option_set(cases[i].option, &target, cases[i].text, "x", EXIT_CODE_USAGE, &err),
            STATUS_OK);
        assert_int_equal(target.number, cases[i].value);
        option_write(cases[i].option, &target, &out);
        assert_string_equal(buf_text(&out), cases[i].written);
        buf_release(&out);
    }
}

static void test_bad_values_get_a_sentence_and_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const struct option *option;
        const char *text, *sentence;
    } cases[] = {
        {&count, "", "--x: \"\" is not a number"},
        {&count, "-1", "--x: \"-1\" is not a number"},
        {&count, "1k", "--x: \"1k\" is not a number"},
        {&count, "1.5", "--x: \"1.5\" is not a number"},
        {&count, "0", "--x: 0 is out of range: it must be 1 to 1000"},
        {&count, "1001", "--x: 1001 is out of range: it must be 1 to 1000"},
        {&count, "99999999999999999999", "--x: \"99999999999999999999\" is not a number"},
        {&bytes, "64kb", "--x: \"64kb\" is not a number of bytes, such as 65536, 64KiB or 8MiB"},
        {&bytes, "4GiB", "--x: 4GiB is out of range: it must be 0 to 4294967295"},
        {&bytes, "18446744073709551615GiB",
         "--x: \"18446744073709551615GiB\" is not a number of bytes, such as 65536, 64KiB or 8MiB"},
        {&duration, "5m", "--x: \"5m\" is not a duration, such as 500ms, 10s or 2min"},
        {&duration, "1ms", "--x: 1ms is out of range: it must be 10ms to 2h"},
        {&hours, "1w", "--x: \"1w\" is not a number of hours, such as 168, or days, such as 7d"},
        {&choice, "inf", "--x: \"inf\" is not one of error|warn|info"},
        {&choice, "error|warn", "--x: \"error|warn\" is not one of error|warn|info"},
        {&flag, "maybe", "--x: \"maybe\" is not yes or no"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target target = {.number = 77, .flag = true};
        struct err err = {0};
        assert_int_equal(
            option_set(cases[i].option, &target, cases[i].text, "--x", EXIT_CODE_CONFIG, &err),
            STATUS_FAILED);
        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(err.code, EXIT_CODE_CONFIG);
        assert_int_equal(target.number, 77);
        assert_true(target.flag);
    }
}

static void test_switches(void **state)
{
    (void)state;
    static const char *const yes[] = {"yes", "on", "true", "1"};
    static const char *const no[] = {"no", "off", "false", "0"};
    for (size_t i = 0; i < 4; i++) {
        struct target target = {0};
        struct err err;
        assert_int_equal(option_set(&flag, &target, yes[i], "x", EXIT_CODE_USAGE, &err), STATUS_OK);
        assert_true(target.flag);
        assert_int_equal(option_set(&flag, &target, no[i], "x", EXIT_CODE_USAGE, &err), STATUS_OK);
        assert_false(target.flag);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {"127.0.0.1:8080", true},
        {"localhost:0", false},
        {"[::1]:8080", true},
        {"0.0.0.0:65535", true},
        {"127.0.0.1", false},
        {":8080", false},
        {"127.0.0.1:", false},
        {"127.0.0.1:x", false},
        {"127.0.0.1:65536", false},
        {"::1:8080", false},
        {"[127.0.0.1]:1", false},
        {"300.0.0.1:1", false},
        {"[:1", false},
        {"[]:1", false},
        {"[]:8080", false},
        {"", false},
        {"127.0.0.1:-1", false},
        {"127.0.0.1:80 ", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct target target = {0};
        struct err err;
        enum status status =
            option_set(&address, &target, cases[i].text, "x", EXIT_CODE_USAGE, &err);
        assert_int_equal(status, cases[i].is_good ? STATUS_OK : STATUS_FAILED);
        if (cases[i].is_good) {
            assert_string_equal(target.text, cases[i].text);
        } else {
            assert_null(target.text);
        }
        option_release(&address, 1, &target);
    }
}

static void test_passwords_are_taken_out(void **state)
{
    (void)state;
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"", ""},
        {"postgresql:///db", "postgresql:///db"},
        {"postgresql://u@h:1/db", "postgresql://u@h:1/db"},
        {"postgresql://u:secret@h:1/db", "postgresql://u@h:1/db"},
        {"postgres://u:secret@[::1]:1/db?a=b", "postgres://u@[::1]:1/db?a=b"},
        {"postgresql://u:se@cret@h/db", "postgresql://u@h/db"},
        {"postgresql://u:se/cret@h/db", "postgresql://u@h/db"},
        {"postgresql://h/db?password=secret", "postgresql://h/db"},
        {"postgresql://h/db?password=secret&host=/tmp", "postgresql://h/db?host=/tmp"},
        {"postgresql://h/db?host=/tmp&PASSWORD=secret&sslpassword=secret&port=1",
         "postgresql://h/db?host=/tmp&port=1"},
        {"postgresql://u:secret@h1:1,h2:2/db", "postgresql://u@h1:1,h2:2/db"},
        {"host=h password=secret dbname=db", "host=h dbname=db"},
        {"password = 'se cr\\'et' host = h", "host=h"},
        {"host='a b' password=sec\\ ret user=u", "host='a b' user=u"},
        {"password='never closed", ""},
        {"what is this secret", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *shown = option_public_url(cases[i].url);
        assert_string_equal(shown, cases[i].shown);
        assert_null(strstr(shown, "cret"));
        free(shown);
    }
}

static void test_variables_are_named_after_options(void **state)
{
    (void)state;
    char name[64];
    option_variable(&bytes, name);
    assert_string_equal(name, "PGHERALD_SOME_BYTES");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_read_and_written),
        cmocka_unit_test(test_bad_values_get_a_sentence_and_change_nothing),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_passwords_are_taken_out),
        cmocka_unit_test(test_variables_are_named_after_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
