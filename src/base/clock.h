/* SPDX-License-Identifier: PostgreSQL */
#ifndef HERALD_BASE_CLOCK_H
#define HERALD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_ms(void);      /* monotonic milliseconds */
uint64_t clock_us(void);      /* the same clock in microseconds */
uint64_t clock_wall_ms(void); /* since 1970, UTC; jumps when it is set */
int64_t clock_wall_s(void);   /* seconds since 1970 */
#define CLOCK_TEXT_SIZE 25    /* "2026-11-23T22:14:36.123Z" and a NUL */
void clock_text(uint64_t wall_ms, char out[CLOCK_TEXT_SIZE]); /* RFC 3339, UTC, milliseconds */
void clock_wall_text(char out[CLOCK_TEXT_SIZE]);              /* now */

#endif
