/* SPDX-License-Identifier: PostgreSQL */
/* A moment is a day and the microsecond of the day: two numbers, so that no year is too large for
 * them, and a date is a moment without the second one. core/row/time.c reads what Postgres prints and
 * moves seconds only; here the calendar counts, and nobody has checked that a month has 31 days. */
#include "core/live/value/moment.h"

#include "core/row/cursor.h"
#include "core/row/time.h"

#define SECOND INT64_C(1000000) /* in microseconds */
#define DAY (86400 * SECOND)

struct moment {
    int64_t year; /* 0 is 1 BC */
    int64_t month;
    int64_t day;
    int64_t of_day; /* microseconds */
};

static bool take_date(struct cursor *c, struct moment *m)
{
    return cursor_digits(c, 7, &m->year) >= 4 && m->year > 0 && cursor_char(c, '-') &&
           cursor_two(c, 1, 12, &m->month) && cursor_char(c, '-') && cursor_two(c, 1, 31, &m->day);
}

static bool take_fraction(struct cursor *c, int64_t *microseconds)
{
    size_t n = cursor_digits(c, 6, microseconds);
    for (size_t i = n; i < 6; i++) {
        *microseconds *= 10;
    }
    return n > 0;
}

static bool take_time(struct cursor *c, struct moment *m)
{
    int64_t hour, minute, second = 0, fraction = 0;
    if (!cursor_two(c, 0, 24, &hour) || !cursor_char(c, ':') || !cursor_two(c, 0, 59, &minute)) {
        return false;
    }
    if (cursor_char(c, ':') &&
        (!cursor_two(c, 0, 59, &second) || (cursor_char(c, '.') && !take_fraction(c, &fraction)))) {
        return false;
    }
    m->of_day = ((hour * 60 + minute) * 60 + second) * SECOND + fraction;
    return m->of_day <= DAY;
}

static bool take_offset(struct cursor *c, int64_t *seconds)
{
    int64_t hour, minute = 0, second = 0;
    *seconds = 0;
    if (cursor_char(c, 'Z')) {
        return true;
    }
    bool is_negative = cursor_char(c, '-');
    if ((!is_negative && !cursor_char(c, '+')) || !cursor_two(c, 0, 23, &hour)) {
        return false;
    }
    bool has_colon = cursor_char(c, ':');
    bool has_minute = has_colon || (!cursor_is_at_end(c) && *c->p != ' ');
    if (has_minute && !cursor_two(c, 0, 59, &minute)) {
        return false;
    }
    if (has_colon && cursor_char(c, ':') && !cursor_two(c, 0, 59, &second)) {
        return false;
    }
    *seconds = ((hour * 60 + minute) * 60 + second) * (is_negative ? -1 : 1);
    return true;
}

static int64_t days_of_month(const struct moment *m)
{
    return time_days(m->month == 12 ? m->year + 1 : m->year, m->month % 12 + 1, 1) -
           time_days(m->year, m->month, 1);
}

/* The era, the text's end, and whether there is such a day. */
static bool take_end(struct cursor *c, struct moment *m)
{
    if (str_equals(cursor_rest(c), STR(" BC"))) {
        m->year = 1 - m->year;
        c->p = c->end;
    }
    return cursor_is_at_end(c) && m->day <= days_of_month(m);
}

static void put_number(struct buf *out, int64_t number)
{
    uint64_t bits = (uint64_t)number ^ UINT64_C(1) << 63;
    for (int shift = 56; shift >= 0; shift -= 8) {
        buf_char(out, (char)(bits >> shift & 0xFF));
    }
}

static bool put_infinity(struct buf *out, struct str text)
{
    bool is_negative = str_equals(text, STR("-infinity"));
    if (!is_negative && !str_equals(text, STR("infinity"))) {
        return false;
    }
    put_number(out, is_negative ? INT64_MIN : INT64_MAX);
    return true;
}

/* A day and the microsecond after its start, which an offset may have put into another day. */
static void put_moment(struct buf *out, const struct moment *m, int64_t offset)
{
    int64_t of_day = m->of_day - offset * SECOND;
    int64_t days = of_day < 0 ? -1 : of_day / DAY;
    put_number(out, time_days(m->year, m->month, m->day) + days);
    put_number(out, of_day - days * DAY);
}

bool moment_put_date(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    struct moment m = {0};
    if (put_infinity(out, text)) {
        return true;
    }
    if (!take_date(&c, &m) || !take_end(&c, &m)) {
        return false;
    }
    put_number(out, time_days(m.year, m.month, m.day));
    return true;
}

bool moment_put_time(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    struct moment m = {0};
    if (!take_time(&c, &m) || !cursor_is_at_end(&c)) {
        return false;
    }
    put_number(out, m.of_day);
    return true;
}

/* 24:00:00 is the next day's first moment. */
static bool take_time_of_date(struct cursor *c, struct moment *m)
{
    return (cursor_char(c, 'T') || cursor_char(c, ' ')) && take_time(c, m);
}

bool moment_put_timestamp(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    struct moment m = {0};
    if (put_infinity(out, text)) {
        return true;
    }
    if (!take_date(&c, &m)) {
        return false;
    }
    struct cursor date = c;
    if (!take_time_of_date(&c, &m)) {
        c = date;
        m.of_day = 0;
    }
    if (!take_end(&c, &m)) {
        return false;
    }
    put_moment(out, &m, 0);
    return true;
}

bool moment_put_timestamptz(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    struct moment m = {0};
    int64_t offset;
    if (put_infinity(out, text)) {
        return true;
    }
    if (!take_date(&c, &m) || !take_time_of_date(&c, &m) || !take_offset(&c, &offset) ||
        !take_end(&c, &m)) {
        return false;
    }
    put_moment(out, &m, offset);
    return true;
}
