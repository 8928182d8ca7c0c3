/* SPDX-License-Identifier: PostgreSQL */
/* The verified claims behind a session. Immutable and shared by threads; NULL stands for anonymous.
 * One allocation: the spans point into `data`. */
#ifndef HERALD_CORE_IDENTITY_H
#define HERALD_CORE_IDENTITY_H

#include <stdatomic.h>

#include "base/str.h"

struct identity {
    atomic_uint refs;
    int32_t dbo_id;     /* the table its user is a row of; 0: the claims name none */
    int64_t expires_at; /* seconds since 1970; 0: never */
    struct str row_id;  /* the row's key as text; absent: the claims name none */
    struct str extras;  /* JSON text of an object */
    char data[];
};

/* Copies the spans; one reference. An absent `extras` becomes {}. */
struct identity *identity_new(int32_t dbo_id, struct str row_id, struct str extras,
                              int64_t expires_at);
struct identity *identity_ref(struct identity *identity); /* NULL gives NULL */
void identity_unref(struct identity *identity);           /* NULL is fine */

#endif
