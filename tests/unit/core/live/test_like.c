/* SPDX-License-Identifier: PostgreSQL */
/* Patterns against a matcher that tries everything, and what the worst of them costs. */
#include "live_harness.h"

#include <time.h>

#include "core/live/value/like.h"

/* Of bytes: what is tried here has no other characters. */
static bool match_slowly(const char *text, const char *pattern)
{
    if (*pattern == '%') {
        return match_slowly(text, pattern + 1) || (*text && match_slowly(text + 1, pattern));
    }
    if (*pattern == '\0' || *text == '\0') {
        return *pattern == *text;
    }
    if (*pattern == '\\') {
        pattern++;
    } else if (*pattern == '_') {
        return match_slowly(text + 1, pattern + 1);
    }
    return *pattern == *text && match_slowly(text + 1, pattern + 1);
}

static bool matches(const char *pattern, const char *text)
{
    struct like *like = like_new(str_of(pattern));
    assert_non_null(like);
    char *copy = str_dup(str_of(text));
    bool is_match = like_matches(like, (struct str){copy, strlen(text)});
    free(copy);
    like_free(like);
    return is_match;
}

/* The n-th text of up to 6 characters. */
static void spell(unsigned n, const char *const *letters, unsigned n_letters, char *out)
{
    out[0] = '\0';
    for (size_t at = 0; n > 0 && at < 12; n /= n_letters) {
        const char *letter = letters[n % n_letters];
        memcpy(out + at, letter, strlen(letter) + 1);
        at += strlen(letter);
    }
}

static void test_all_short_patterns(void **state)
{
    static const char *const in_patterns[] = {"%", "_", "a", "b", "\\%"};
    static const char *const in_texts[] = {"a", "b", "%"};
    (void)state;
    for (unsigned p = 0; p < 3125; p++) {
        char pattern[16];
        spell(p, in_patterns, 5, pattern);
        for (unsigned t = 0; t < 243; t++) {
            char text[16];
            spell(t, in_texts, 3, text);
            if (matches(pattern, text) != match_slowly(text, pattern)) {
                fail_msg("%s LIKE %s", text, pattern);
            }
        }
    }
}

static void test_characters(void **state)
{
    (void)state;
    assert_true(matches("_", "\xf0\x9f\x98\x80"));
    assert_false(matches("__", "\xf0\x9f\x98\x80"));
    assert_true(matches("%_", "a\xc3\xa9"));
    assert_true(matches("a_", "a\xc3\xa9"));
    assert_true(matches("%_b%", "x\xc3\xa9"
                                "by"));
    assert_true(matches("%\xc3\xa9", "e\xc3\xa9"));
    assert_false(matches("%_\xc3\xa9", "\xc3\xa9"));
    assert_true(matches("\\\xc3\xa9", "\xc3\xa9"));
    assert_true(matches("", ""));
    assert_true(matches("%%", ""));
    assert_false(matches("_", ""));
}

static void test_what_is_no_pattern(void **state)
{
    struct buf pattern = {0};
    (void)state;
    assert_null(like_new(STR("\\")));
    assert_null(like_new(STR("a%\\\\\\")));
    for (int i = 0; i < LIKE_PIECE_MAX; i++) {
        buf_char(&pattern, '_');
    }
    char around[LIKE_PIECE_MAX + 4];
    snprintf(around, sizeof around, "%%%s%%", buf_text(&pattern));
    struct like *like = like_new(str_of(around));
    assert_non_null(like);
    like_free(like);
    snprintf(around, sizeof around, "%%%s_%%", buf_text(&pattern));
    assert_null(like_new(str_of(around)));
    snprintf(around, sizeof around, "%s_%%",
             buf_text(&pattern)); /* at the start there is one place */
    like = like_new(str_of(around));
    assert_non_null(like);
    like_free(like);
    buf_release(&pattern);
}

/* A megabyte of a's, and patterns that nearly match at each place of it. Each step back and forth
 * again would be 10^12 of them. */
static void test_the_worst(void **state)
{
    struct buf text = {0}, literal = {0}, any = {0};
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        buf_char(&text, 'a');
    }
    for (int i = 0; i < 40; i++) {
        buf_literal(&literal,
                    "%aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
        buf_literal(&any, "%_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    }
    clock_t start = clock();
    assert_false(matches(buf_text(&literal), buf_text(&text)));
    assert_false(matches(buf_text(&any), buf_text(&text)));
    assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
    buf_release(&text);
    buf_release(&literal);
    buf_release(&any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_short_patterns),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_what_is_no_pattern),
        cmocka_unit_test(test_the_worst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
