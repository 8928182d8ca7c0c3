/* SPDX-License-Identifier: PostgreSQL */
/* Allocation that cannot fail.
 *
 * A server that has run out of memory cannot do anything useful: an answer needs memory too, and
 * code for that case is never run before the day it is needed. So exhausted memory ends the process
 * with one line on stderr; the database still has every durable event, and the supervisor starts a
 * new process that resumes from the log.
 *
 * This is safe only because nobody outside decides how much is asked for: sizes that come from
 * strangers (frames, request heads, queues) are capped where they are read, before they arrive
 * here. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* write(2), not stdio: the message must not need memory itself. */
static _Noreturn void die(const char *message, size_t len)
{
    ssize_t ignored = write(STDERR_FILENO, message, len);
    (void)ignored;
    abort();
}

static _Noreturn void out_of_memory(void)
{
    static const char message[] = "pgherald: out of memory\n";
    die(message, sizeof message - 1);
}

void *mem_alloc(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *mem_zalloc(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

void *mem_array(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX)
        out_of_memory();
    void *memory = realloc(old, bytes > 0 ? bytes : 1);
    if (!memory)
        out_of_memory();
    return memory;
}

char *mem_strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        out_of_memory();
    return text;
}
