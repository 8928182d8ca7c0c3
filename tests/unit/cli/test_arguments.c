/* SPDX-License-Identifier: PostgreSQL */
/* Command lines taken apart: flags in both spellings, words, mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/arguments.h"

enum { THIS = 1, OTHER = 2 };

static const struct option options[] = {
    {.name = "config", .type = OPTION_TEXT, .commands = THIS, .value_name = "FILE"},
    {.name = "name", .type = OPTION_TEXT, .commands = THIS, .value_name = "NAME"},
    {.name = "names", .type = OPTION_TEXT, .commands = THIS, .value_name = "NAMES"},
    {.name = "quiet", .type = OPTION_SWITCH, .commands = THIS},
    {.name = "other", .type = OPTION_TEXT, .commands = OTHER, .value_name = "X"},
};
static const struct option_table table = {options, sizeof(options) / sizeof(options[0])};

static enum status parse(const char *const *words, struct arguments *out, struct err *err)
{
    int n = 0;
    while (words[n]) {
        n++;
    }
    return arguments_parse(n, (char **)(uintptr_t)words, &table, 1, THIS, out, err);
}

static void test_flags_and_words(void **state)
{
    (void)state;
    static const struct {
        const char *words[8];
        const char *name, *config, *quiet;
        size_t n_words;
        bool wants_help;
    } cases[] = {
        {{NULL}, NULL, NULL, NULL, 0, false},
        {{"--name", "a", "w", NULL}, "a", NULL, NULL, 1, false},
        {{"w", "--name=a", "v", NULL}, "a", NULL, NULL, 2, false},
        {{"--name=", NULL}, "", NULL, NULL, 0, false},
        {{"--name=a=b", NULL}, "a=b", NULL, NULL, 0, false},
        {{"--name", "--quiet", NULL}, "--quiet", NULL, NULL, 0, false},
        {{"--name", "a", "--name", "b", NULL}, "b", NULL, NULL, 0, false},
        {{"-c", "f", "--quiet", "w", NULL}, NULL, "f", "yes", 1, false},
        {{"-cf", "-q", "w", NULL}, NULL, "f", "yes", 1, false},
        {{"--config=f", "--quiet=no", NULL}, NULL, "f", "no", 0, false},
        {{"--", "--name", "-x", NULL}, NULL, NULL, NULL, 2, false},
        {{"-", NULL}, NULL, NULL, NULL, 1, false},
        {{"--help", NULL}, NULL, NULL, NULL, 0, true},
        {{"w", "-h", "--name", "a", NULL}, "a", NULL, NULL, 1, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments arguments;
        struct err err;
        assert_int_equal(parse(cases[i].words, &arguments, &err), STATUS_OK);
        static const char *const names[] = {"name", "config", "quiet"};
        const char *const wanted[] = {cases[i].name, cases[i].config, cases[i].quiet};
        for (size_t k = 0; k < 3; k++) {
            const char *text = arguments_text(&arguments, names[k]);
            assert_true(text ? wanted[k] && strcmp(text, wanted[k]) == 0 : !wanted[k]);
        }
        assert_int_equal(arguments.n_words, cases[i].n_words);
        assert_int_equal(arguments.wants_help, cases[i].wants_help);
        arguments_release(&arguments);
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        const char *sentence;
    } cases[] = {
        {{"-qx", NULL}, "unknown option -qx"},
        {{"--nam", "a", NULL}, "unknown option --nam; did you mean --name"},
        {{"--nam=secret", NULL}, "unknown option --nam; did you mean --name"},
        {{"w", "--other", "x", NULL}, "unknown option --other"},
        {{"-x", NULL}, "unknown option -x"},
        {{"-name=secret", NULL}, "unknown option -name; did you mean --name"},
        {{"-config", "f", NULL}, "unknown option -config; did you mean --config"},
        {{"w", "--name", NULL}, "--name wants a value: --name NAME"},
        {{"-c", NULL}, "-c wants a value: --config FILE"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arguments arguments;
        struct err err = {0};
        assert_int_equal(parse(cases[i].words, &arguments, &err), STATUS_FAILED);
        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(err.code, EXIT_CODE_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_and_words),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
