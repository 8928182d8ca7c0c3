/* SPDX-License-Identifier: PostgreSQL */
/* How large a filter may be. A client writes it, and each row of its channel pays for it. */
#ifndef HERALD_CORE_LIVE_LIMITS_H
#define HERALD_CORE_LIVE_LIMITS_H

#define FILTER_DEPTH_MAX 8   /* trees inside of each other: {"not": {"a": 1}} are two */
#define FILTER_LEAVES_MAX 64 /* comparisons */
#define FILTER_VALUES_MAX 100
#define FILTER_DIGITS_MAX 1000 /* of a number written without an exponent */
#define FILTER_TEXT_MAX 4096   /* bytes of the JSON text */

#endif
