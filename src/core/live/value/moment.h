/* SPDX-License-Identifier: PostgreSQL */
/* Dates and times in ISO 8601, as payloads have them and as people write them, put as keys: bytes
 * that compare (memcmp) as the moments do. False: the text is none, and nothing was put.
 *
 *   date         2024-02-29, 10000-01-01, 0044-03-15 BC
 *   time         10:30, 10:30:05.123456, 24:00:00
 *   timestamp    a date, or with a time behind T or a blank
 *   timestamptz  with a time and an offset: Z, +01, +0100, +01:00, +01:53:28
 *
 * All but a time may be infinity or -infinity. Seconds have six decimals at most, as in Postgres:
 * more would have to be rounded. The era stands at the end. */
#ifndef HERALD_CORE_LIVE_VALUE_MOMENT_H
#define HERALD_CORE_LIVE_VALUE_MOMENT_H

#include "base/buf.h"

bool moment_put_date(struct buf *out, struct str text);
bool moment_put_time(struct buf *out, struct str text);
bool moment_put_timestamp(struct buf *out, struct str text);
bool moment_put_timestamptz(struct buf *out, struct str text);

#endif
