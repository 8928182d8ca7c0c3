/* SPDX-License-Identifier: PostgreSQL */
/* Two clocks: one that only goes forward, for deadlines, and the wall clock, as seconds for claims
 * and as text for people.
 *
 * The text is written digit by digit: it is needed for each ephemeral event and each log line, and
 * strftime with a separate millisecond part would need three buffers to say the same. */
#include "base/clock.h"

#include <time.h>

uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t clock_wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

static char *put_digits(char *out, int number, int n_digits)
{
    for (int i = n_digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + n_digits;
}

uint64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_text(uint64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    time_t wall_s = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&wall_s, &utc);
    char *p = put_digits(out, utc.tm_year + 1900, 4);
    *p++ = '-';
    p = put_digits(p, utc.tm_mon + 1, 2);
    *p++ = '-';
    p = put_digits(p, utc.tm_mday, 2);
    *p++ = 'T';
    p = put_digits(p, utc.tm_hour, 2);
    *p++ = ':';
    p = put_digits(p, utc.tm_min, 2);
    *p++ = ':';
    p = put_digits(p, utc.tm_sec, 2);
    *p++ = '.';
    p = put_digits(p, (int)(wall_ms % 1000), 3);
    *p++ = 'Z';
    *p = '\0';
}

void clock_wall_text(char out[CLOCK_TEXT_SIZE])
{
    clock_text(clock_wall_ms(), out);
}
