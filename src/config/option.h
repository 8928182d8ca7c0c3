/* SPDX-License-Identifier: PostgreSQL */
/* One row of an option table and what can be done with it alone: read a value from text, write it
 * as text. A table is an array of rows over one plain struct (`offset`, `size`), so the process's
 * settings (table.c) and the arguments of a single subcommand share parsing, messages and help. */
#ifndef HERALD_CONFIG_OPTION_H
#define HERALD_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

enum option_type {
    OPTION_TEXT,     /* char *, owned by the struct */
    OPTION_URL,      /* char *; may hold a password, which is never shown */
    OPTION_LISTEN,   /* char *; ADDR:PORT or [V6]:PORT */
    OPTION_COUNT,    /* uint32_t; a plain number */
    OPTION_BYTES,    /* uint32_t; 65536, 64KiB, 8MiB, 1GiB */
    OPTION_DURATION, /* uint32_t milliseconds; 500ms, 10s, 2min, a bare number is seconds */
    OPTION_HOURS,    /* uint32_t hours; 168, 168h, 7d */
    OPTION_CHOICE,   /* index into choices; uint32_t or bool by size */
    OPTION_SWITCH,   /* bool; as a flag it needs no value */
};

struct option {
    const char *name; /* "max-frame-bytes": the flag without its dashes */
    enum option_type type;
    bool is_flag_only;      /* neither variable nor file */
    bool is_live;           /* a server takes it over while it runs */
    unsigned commands;      /* bits: the subcommands it belongs to */
    size_t offset, size;    /* of the field in the struct */
    const char *fallback;   /* the default, as one would type it; NULL: absent */
    const char *choices;    /* "text|json" */
    uint64_t min, max;      /* in the field's unit */
    const char *value_name; /* "ADDR:PORT", for help; NULL for switches */
    const char *help;       /* one sentence */
};

/* Reads text into the field of *target. On failure *target is as before, and err says what was
 * expected; `origin` is how its sentence begins ("--listen", "PGHERALD_LISTEN", "/etc/x.conf:3:
 * listen"). */
enum status option_set(const struct option *option, void *target, const char *text,
                       const char *origin, enum exit_code code, struct err *err) MUST_CHECK;
void option_write(const struct option *option, const void *target,
                  struct buf *out);                              /* as one would type it */
void option_variable(const struct option *option, char out[64]); /* PGHERALD_MAX_FRAME_BYTES */
void option_range(const struct option *option, struct buf *out); /* "1KiB to 16MiB", or nothing */
bool option_is_same(const struct option *option, const void *target, const void *other);
void option_copy(const struct option *option, void *target, const void *from);
void option_release(const struct option *options, size_t n, void *target); /* frees the texts */

/* The password, if any, taken out of a libpq URI or keyword/value string; a heap copy. */
char *option_public_url(const char *url);

#endif
