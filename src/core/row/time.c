/* SPDX-License-Identifier: PostgreSQL */
/* A timestamptz carries the offset of the session that wrote it. Only whole seconds move when it is
 * put into UTC, so the fraction is carried as the digits that it is. The calendar is the proleptic
 * Gregorian one of Postgres, in days by the algorithm of Howard Hinnant ("chrono-compatible
 * low-level date algorithms"). */
#include "core/row/time.h"

#include <string.h>

#include "core/row/cursor.h"

enum { SECONDS_A_DAY = 86400, HOURS_A_WEEK = 168, DAYS_AN_ERA = 146097, YEARS_AN_ERA = 400 };

struct moment {
    int64_t year; /* 0 is 1 BC */
    int64_t month;
    int64_t day;
    int64_t second;      /* of the day */
    struct str fraction; /* with its point, or empty */
};

static bool take_date(struct cursor *c, struct moment *m)
{
    return cursor_digits(c, 7, &m->year) >= 4 && m->year > 0 && cursor_char(c, '-') &&
           cursor_two(c, 1, 12, &m->month) && cursor_char(c, '-') && cursor_two(c, 1, 31, &m->day);
}

static bool take_time(struct cursor *c, struct moment *m)
{
    int64_t hour, minute, second, digits;
    if (!cursor_two(c, 0, 23, &hour) || !cursor_char(c, ':') || !cursor_two(c, 0, 59, &minute) ||
        !cursor_char(c, ':') || !cursor_two(c, 0, 59, &second)) {
        return false;
    }
    m->second = (hour * 60 + minute) * 60 + second;
    const char *start = c->p;
    if (cursor_char(c, '.') && cursor_digits(c, 6, &digits) == 0) {
        return false;
    }
    m->fraction = (struct str){start, (size_t)(c->p - start)};
    return true;
}

/* +02, -03:30, +01:53:28; and up to a week, which is what Postgres allows in a zone that a session
 * makes up: SET timezone = 'X+100'. */
static bool take_offset(struct cursor *c, int64_t *seconds)
{
    int64_t hour, minute = 0, second = 0;
    bool is_negative = cursor_char(c, '-');
    if ((!is_negative && !cursor_char(c, '+')) || cursor_digits(c, 3, &hour) < 2 ||
        hour >= HOURS_A_WEEK) {
        return false;
    }
    if (cursor_char(c, ':') && !cursor_two(c, 0, 59, &minute)) {
        return false;
    }
    if (cursor_char(c, ':') && !cursor_two(c, 0, 59, &second)) {
        return false;
    }
    *seconds = ((hour * 60 + minute) * 60 + second) * (is_negative ? -1 : 1);
    return true;
}

/* The era, and the text's end. */
static bool take_end(struct cursor *c, struct moment *m)
{
    if (str_equals(cursor_rest(c), STR(" BC"))) {
        m->year = 1 - m->year;
        return true;
    }
    return cursor_is_at_end(c);
}

static bool is_infinity(struct str text)
{
    return str_equals(text, STR("infinity")) || str_equals(text, STR("-infinity"));
}

int64_t time_days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - (YEARS_AN_ERA - 1)) / YEARS_AN_ERA;
    int64_t of_era = year - era * YEARS_AN_ERA;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * DAYS_AN_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
}

static void set_days(struct moment *m, int64_t days)
{
    int64_t era = (days >= 0 ? days : days - (DAYS_AN_ERA - 1)) / DAYS_AN_ERA;
    int64_t day = days - era * DAYS_AN_ERA;
    int64_t of_era = (day - day / 1460 + day / 36524 - day / (DAYS_AN_ERA - 1)) / 365;
    int64_t of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    int64_t month = (5 * of_year + 2) / 153;
    m->day = of_year - (153 * month + 2) / 5 + 1;
    m->month = month < 10 ? month + 3 : month - 9;
    m->year = of_era + era * YEARS_AN_ERA + (m->month <= 2 ? 1 : 0);
}

static void put_in_utc(struct moment *m, int64_t offset)
{
    int64_t second = m->second - offset;
    int64_t days = (second >= 0 ? second : second - (SECONDS_A_DAY - 1)) / SECONDS_A_DAY;
    m->second = second - days * SECONDS_A_DAY;
    if (days != 0) {
        set_days(m, time_days(m->year, m->month, m->day) + days);
    }
}

static char *put_two(char *to, unsigned number)
{
    to[0] = (char)('0' + number / 10);
    to[1] = (char)('0' + number % 10);
    return to + 2;
}

/* Four digits or more. */
static char *put_year(char *to, uint64_t year)
{
    for (uint64_t power = 10000000; power >= 10000; power /= 10) {
        if (year >= power) {
            *to++ = (char)('0' + year / power % 10);
        }
    }
    return put_two(put_two(to, (unsigned)(year / 100 % 100)), (unsigned)(year % 100));
}

/* With `separator` between date and time, and `zone` behind them. */
static void put_moment(struct buf *out, const struct moment *m, char separator, struct str zone)
{
    char text[32]; /* 8 digits of a year at most and 15 characters behind it */
    unsigned second = (unsigned)m->second;
    char *p = put_year(text, (uint64_t)(m->year > 0 ? m->year : 1 - m->year));
    *p++ = '-';
    p = put_two(p, (unsigned)m->month);
    *p++ = '-';
    p = put_two(p, (unsigned)m->day);
    *p++ = separator;
    p = put_two(p, second / 3600);
    *p++ = ':';
    p = put_two(p, second / 60 % 60);
    *p++ = ':';
    p = put_two(p, second % 60);
    buf_add(out, text, (size_t)(p - text));
    buf_str(out, m->fraction);
    buf_str(out, zone);
    if (m->year <= 0) {
        buf_literal(out, " BC");
    }
}

bool time_put_date(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    struct moment m;
    if (!is_infinity(text) && (!take_date(&c, &m) || !take_end(&c, &m))) {
        return false;
    }
    buf_str(out, text);
    return true;
}

bool time_put_timestamp(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    struct moment m;
    if (is_infinity(text)) {
        buf_str(out, text);
        return true;
    }
    if (!take_date(&c, &m) || !cursor_char(&c, ' ') || !take_time(&c, &m) || !take_end(&c, &m)) {
        return false;
    }
    put_moment(out, &m, 'T', STR(""));
    return true;
}

static bool put_utc(struct buf *out, struct str text, char separator, struct str zone)
{
    struct cursor c = cursor_over(text);
    struct moment m;
    int64_t offset;
    if (is_infinity(text)) {
        buf_str(out, text);
        return true;
    }
    if (!take_date(&c, &m) || !cursor_char(&c, ' ') || !take_time(&c, &m) ||
        !take_offset(&c, &offset) || !take_end(&c, &m)) {
        return false;
    }
    put_in_utc(&m, offset);
    put_moment(out, &m, separator, zone);
    return true;
}

bool time_put_timestamptz(struct buf *out, struct str text)
{
    return put_utc(out, text, 'T', STR("+00:00"));
}

/* ---- ranges ---- */

/* Up to one of the two ends. A timestamptz has a blank and is quoted therefore, infinity is not. */
static bool put_bound(struct buf *out, struct cursor *c, const char *ends)
{
    bool is_quoted = cursor_char(c, '"');
    const char *start = c->p;
    while (c->p < c->end && *c->p != '"' && (is_quoted || !strchr(ends, *c->p))) {
        c->p++;
    }
    struct str bound = {start, (size_t)(c->p - start)};
    if (!is_quoted) {
        buf_str(out, bound);
        return bound.len == 0 || is_infinity(bound);
    }
    buf_char(out, '"');
    if (!put_utc(out, bound, ' ', STR("+00")) || !cursor_char(c, '"')) {
        return false;
    }
    buf_char(out, '"');
    return true;
}

static bool put_one_of(struct buf *out, struct cursor *c, const char *wanted)
{
    if (cursor_is_at_end(c) || *c->p == '\0' || !strchr(wanted, *c->p)) {
        return false;
    }
    buf_char(out, *c->p++);
    return true;
}

static bool put_bounds(struct buf *out, struct cursor *c)
{
    return put_one_of(out, c, "[(") && put_bound(out, c, ",") && put_one_of(out, c, ",") &&
           put_bound(out, c, "])") && put_one_of(out, c, "])");
}

bool time_put_range(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    size_t mark = out->len;
    if (str_equals(text, STR("empty"))) {
        buf_str(out, text);
        return true;
    }
    bool is_range = put_bounds(out, &c) && cursor_is_at_end(&c);
    out->len = is_range ? out->len : mark;
    return is_range;
}

bool time_put_multirange(struct buf *out, struct str text)
{
    struct cursor c = cursor_over(text);
    size_t mark = out->len;
    bool is_good = put_one_of(out, &c, "{");
    while (is_good && !put_one_of(out, &c, "}")) {
        is_good = (out->len == mark + 1 || put_one_of(out, &c, ",")) && put_bounds(out, &c);
    }
    is_good = is_good && cursor_is_at_end(&c);
    out->len = is_good ? out->len : mark;
    return is_good;
}
