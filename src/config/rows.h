/* SPDX-License-Identifier: PostgreSQL */
/* Constructors for the rows of an option table, a line or two each. Define OPTIONS_OF, the struct
 * that the table fills, before this is included. Their arguments are, as far as a type has them:
 *
 *   name, field, word for the value, subcommands, default, choices, least, most, help
 *
 * ONLY_FLAG among the subcommands: neither variable nor file have the option. LIVE: a server that runs
 * takes it over. */
#ifndef HERALD_CONFIG_ROWS_H
#define HERALD_CONFIG_ROWS_H

#include "config/option.h"

#define ONLY_FLAG (1u << 31)
#define LIVE (1u << 29)
#define ROW(n, f, t, v, c, d, o, l, m, h)                                                          \
    {                                                                                              \
        .name = (n), .type = (t), .value_name = (v), .commands = (c) & ~(ONLY_FLAG | LIVE),        \
        .is_flag_only = ((c)&ONLY_FLAG) != 0, .is_live = ((c)&LIVE) != 0,                          \
        .offset = offsetof(OPTIONS_OF, f), .size = sizeof(((OPTIONS_OF *)0)->f), .fallback = (d),  \
        .choices = (o), .min = (l), .max = (m), .help = (h)                                        \
    }
#define TEXT(n, f, v, c, d, h) ROW(n, f, OPTION_TEXT, v, c, d, NULL, 0, 0, h)
#define PATH(n, f, c, h) TEXT(n, f, "FILE", c, NULL, h)
#define URL(n, f, c, d, h) ROW(n, f, OPTION_URL, "URL", c, d, NULL, 0, 0, h)
#define LISTEN(n, f, c, d, h) ROW(n, f, OPTION_LISTEN, "ADDR:PORT", c, d, NULL, 0, 0, h)
#define COUNT(n, f, c, d, l, m, h) ROW(n, f, OPTION_COUNT, "N", c, d, NULL, l, m, h)
#define BYTES(n, f, c, d, l, m, h) ROW(n, f, OPTION_BYTES, "BYTES", c, d, NULL, l, m, h)
#define DURATION(n, f, c, d, l, m, h) ROW(n, f, OPTION_DURATION, "DURATION", c, d, NULL, l, m, h)
#define HOURS(n, f, c, d, l, m, h) ROW(n, f, OPTION_HOURS, "HOURS", c, d, NULL, l, m, h)
#define CHOICE(n, f, v, c, d, o, h) ROW(n, f, OPTION_CHOICE, v, c, d, o, 0, 0, h)
#define SWITCH(n, f, c, h) ROW(n, f, OPTION_SWITCH, NULL, c, "no", NULL, 0, 0, h)

#endif
