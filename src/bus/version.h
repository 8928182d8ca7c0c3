/* SPDX-License-Identifier: PostgreSQL */
/* Which forms of the bodies on the bus there are, and which of them this program speaks.
 *
 * The head of a message and its signature (seal.h) are the same in all versions; what kinds there are
 * and what stands in a body is a version's. A program writes its own version N and the one before
 * it, and reads both. It writes N-1 until each node that it hears has said that it reads N, and again
 * when one comes that does not: so all are understood while servers are replaced one by one.
 *
 *   1   a beat ends with the ids of those that are heard
 *   2   behind them, the newest version that its node reads */
#ifndef HERALD_BUS_VERSION_H
#define HERALD_BUS_VERSION_H

#include <stdbool.h>
#include <stdint.h>

enum { VERSION_FIRST = 1 }; /* that of who says nothing of it */

uint8_t version_newest(void);
bool version_is_read(uint8_t version);
/* What to write, if this is the newest that all others read; 0: nobody is there. */
uint8_t version_to_speak(uint8_t others);

#endif
