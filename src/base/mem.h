/* SPDX-License-Identifier: PostgreSQL */
/* Allocation that cannot fail: exhausted memory aborts with a message, so no caller checks for
 * NULL. The price is that every size a stranger controls must be capped before it is allocated.
 * Freed with free(). */
#ifndef HERALD_BASE_MEM_H
#define HERALD_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);  /* uninitialised; size 0 gives a valid pointer */
void *mem_zalloc(size_t size); /* zeroed */
void *mem_array(void *old, size_t count,
                size_t size);       /* realloc with overflow check; old may be NULL */
char *mem_strdup(const char *text); /* NULL gives NULL */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
