/* SPDX-License-Identifier: PostgreSQL */
/* Log lines as they arrive on stderr: levels, both formats, and that nothing in a message can make
 * a second line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char output[8192];

/* stderr goes into a pipe while one line is written; what came is in `output`. */
#define CAPTURE(call)                                                                              \
    do {                                                                                           \
        int fds_[2], saved_ = dup(STDERR_FILENO);                                                  \
        assert_int_equal(pipe(fds_), 0);                                                           \
        dup2(fds_[1], STDERR_FILENO);                                                              \
        close(fds_[1]);                                                                            \
        call;                                                                                      \
        dup2(saved_, STDERR_FILENO);                                                               \
        close(saved_);                                                                             \
        ssize_t n_ = read(fds_[0], output, sizeof output - 1);                                     \
        close(fds_[0]);                                                                            \
        assert_true(n_ >= 0);                                                                      \
        output[n_] = '\0';                                                                         \
    } while (0)

static void test_levels(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_WARN, false);
    assert_true(log_is_on(LOG_LEVEL_ERROR));
    assert_true(log_is_on(LOG_LEVEL_WARN));
    assert_false(log_is_on(LOG_LEVEL_INFO));
    CAPTURE(log_info("not this"));
    assert_string_equal(output, "");
    CAPTURE(log_warn("but %s", "this"));
    assert_non_null(strstr(output, "Z warn  but this\n"));
    CAPTURE(log_error("and this"));
    assert_non_null(strstr(output, "Z error and this\n"));
    log_configure(LOG_LEVEL_DEBUG, false);
    CAPTURE(log_debug("%d", 5));
    assert_non_null(strstr(output, "Z debug 5\n"));
}

static void test_errno_survives(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, false);
    errno = EAGAIN;
    int after = 0;
    CAPTURE((log_info("x"), after = errno));
    assert_int_equal(after, EAGAIN);
}

static void test_one_line_whatever_the_message(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, false);
    CAPTURE(log_info("a\nb\r\tc\x1b[31m\x7f é"));
    assert_non_null(strstr(output, " a?b??c?[31m? é\n"));
    assert_int_equal(strcspn(output, "\n"), strlen(output) - 1);
    CAPTURE(log_info("a\xc2\x80"
                     "b\xc2\x9b"
                     "31m\xc2\xa0 é"));
    assert_non_null(strstr(output, " a??b??31m\xc2\xa0 é\n"));
    CAPTURE(log_info("bad \xff\xc3 utf8 é"));
    assert_non_null(strstr(output, " bad ?? utf8 ??\n"));
}

static void test_json_lines(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_INFO, true);
    CAPTURE(log_warn("say \"hej\" \\ é\n\xff"));
    json_t *line = json_loads(output, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "message")), "say \"hej\" \\ ????");
    assert_int_equal(json_string_length(json_object_get(line, "at")), 24);
    json_decref(line);
}

static void test_long_message_is_cut(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_configure(LOG_LEVEL_INFO, false);
    CAPTURE(log_info("%s", text));
    assert_in_range(strlen(output), 2000, 2200);
    assert_int_equal(output[strlen(output) - 1], '\n');
}

/* A full disk, and a reader that hangs: the line is lost and counted, and nobody waits. */
static void test_lines_without_room_are_lost(void **state)
{
    (void)state;
    static const char filler[4096];
    int fds[2], saved = dup(STDERR_FILENO), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    uint64_t before = log_n_lost();
    log_configure(LOG_LEVEL_INFO, false);
    assert_true(full >= 0);
    dup2(full, STDERR_FILENO);
    log_info("into a full disk");
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    while (write(fds[1], filler, sizeof filler) > 0) {
    }
    assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0); /* it would wait, as stderr does */
    dup2(fds[1], STDERR_FILENO);
    log_info("into a full pipe");
    dup2(saved, STDERR_FILENO);
    assert_int_equal(log_n_lost() - before, 2);
    close(fds[0]);
    close(fds[1]);
    close(full);
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_errno_survives),
        cmocka_unit_test(test_one_line_whatever_the_message),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_long_message_is_cut),
        cmocka_unit_test(test_lines_without_room_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
