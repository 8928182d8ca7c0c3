/* SPDX-License-Identifier: PostgreSQL */
/* How threads name a session: never by pointer. A slot is used again after a close, its generation
 * then differs, so a late order for the old session is recognised and ignored. */
#ifndef HERALD_CORE_SESSION_ID_H
#define HERALD_CORE_SESSION_ID_H

#include <stdint.h>

struct session_id {
    uint32_t worker;     /* index, from 0 */
    uint32_t slot;       /* index in that worker's table, from 0 */
    uint32_t generation; /* from 1; 0 names no session */
};

#endif
