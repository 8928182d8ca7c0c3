/* SPDX-License-Identifier: PostgreSQL */
/* Log lines on stderr.
 *
 * Each line is built in memory and leaves in one write(2): lines of several threads never mix, and
 * there is no lock. Text that came from outside may stand in a line, so a line must stay one line:
 * control characters become '?', those of C1 too, which move a terminal's cursor as well; and in JSON
 * lines, which must be UTF-8, so do all bytes above 127 of a message that is not valid UTF-8.
 *
 * A line that has no room is lost, and counted: a full disk, or a pipe whose reader hangs, must not
 * stop the server.
 *
 * The level is read on every call from every thread, without an order: a line more or less after a
 * change is no matter.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { MESSAGE_SIZE = 2048 };

static struct {
    atomic_uint level;
    atomic_bool as_json;
    atomic_uint_least64_t n_lost;
} config = {LOG_LEVEL_INFO, false, 0};

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "?";
}

void log_configure(enum log_level level, bool as_json)
{
    atomic_store_explicit(&config.level, (unsigned)level, memory_order_relaxed);
    atomic_store_explicit(&config.as_json, as_json, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (unsigned)level <= atomic_load_explicit(&config.level, memory_order_relaxed);
}

uint64_t log_n_lost(void)
{
    return atomic_load_explicit(&config.n_lost, memory_order_relaxed);
}

/* U+0080 to U+009F: the first of the two bytes is 0xC2, and the second one tells. */
static bool is_c1(const char *message, size_t len)
{
    return len > 1 && (unsigned char)message[0] == 0xC2 && (unsigned char)message[1] < 0xA0;
}

static void clean(char *message, size_t len)
{
    bool is_utf8 = str_is_utf8((struct str){message, len});
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)message[i];
        if (is_utf8 && is_c1(message + i, len - i))
            message[i] = message[i + 1] = '?';
        if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8))
            message[i] = '?';
    }
}

/* A pipe that says so takes PIPE_BUF bytes at once, and no line is longer. */
static bool has_room(void)
{
    struct pollfd stderr_now = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&stderr_now, 1, 0) != 0; /* an error shows when it is written to */
}

static bool write_line(const struct buf *line)
{
    size_t done = 0;
    if (!has_room())
        return false;
    while (done < line->len) {
        ssize_t n = write(STDERR_FILENO, line->data + done, line->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_is_on(level))
        return;
    int saved_errno = errno;
    char message[MESSAGE_SIZE], at[CLOCK_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof message ? (size_t)n : sizeof message - 1;
    clean(message, len);
    clock_wall_text(at);

    struct buf line = {0};
    if (atomic_load_explicit(&config.as_json, memory_order_relaxed)) {
        buf_printf(&line, "{\"at\":\"%s\",\"level\":\"%s\",\"message\":", at, level_name(level));
        buf_json_string(&line, (struct str){message, len});
        buf_literal(&line, "}\n");
    } else {
        buf_printf(&line, "%s %-5s ", at, level_name(level));
        buf_add(&line, message, len);
        buf_char(&line, '\n');
    }
    if (!write_line(&line))
        atomic_fetch_add_explicit(&config.n_lost, 1, memory_order_relaxed);
    buf_release(&line);
    errno = saved_errno;
}
