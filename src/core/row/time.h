/* SPDX-License-Identifier: PostgreSQL */
/* Dates and times as Postgres prints them with DateStyle ISO, put as to_json() puts them: T between
 * date and time, a zone in UTC. Years have four digits or more and may be BC ("0044-03-15 BC"),
 * offsets may have seconds ("+01:53:28"), all but an offset may be infinity or -infinity
 * (PostgreSQL, EncodeDateTime). Each function puts plain text, no quotes, and false means that the
 * text was none and nothing was put. */
#ifndef HERALD_CORE_ROW_TIME_H
#define HERALD_CORE_ROW_TIME_H

#include "base/buf.h"

/* Days of the proleptic Gregorian calendar, from any date on; the year 0 is 1 BC. */
int64_t time_days(int64_t year, int64_t month, int64_t day);

bool time_put_date(struct buf *out, struct str text);
bool time_put_timestamp(struct buf *out, struct str text);
bool time_put_timestamptz(struct buf *out, struct str text); /* 2020-01-01T10:00:00+00:00 */

/* As Postgres itself prints them where TimeZone is UTC: ["2020-01-01 10:00:00+00",infinity) */
bool time_put_range(struct buf *out, struct str text);
bool time_put_multirange(struct buf *out, struct str text);

#endif
