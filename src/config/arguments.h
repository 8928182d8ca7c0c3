/* SPDX-License-Identifier: PostgreSQL */
/* A command line taken apart by one or more option tables: which flags were given with which text,
 * and the rest. The texts are only looked at when they are applied, because flags are the last to
 * speak: defaults, file and environment come before them. Everything points into argv. */
#ifndef HERALD_CONFIG_ARGUMENTS_H
#define HERALD_CONFIG_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config/option.h"

struct option_table {
    const struct option *options;
    size_t n;
};

struct argument {
    const struct option *option;
    const char *text;
};

struct arguments {
    struct argument *given; /* in the order of the command line */
    size_t n_given;
    const char **words; /* what is not a flag */
    size_t n_words;
    bool wants_help; /* --help or -h was there */
};

/* `--name VALUE`, `--name=VALUE`, `-c FILE` for --config, `-n N` for --limit (also in one word: -n5),
 * `-q` for --quiet, `--` ends the flags. Only options that belong to one of `commands` are known; of one that is not, the
 * sentence says which one is near. A failure is a mistake in usage (exit code 64); *out needs no
 * release then. */
enum status arguments_parse(int argc, char **argv, const struct option_table *tables,
                            size_t n_tables, unsigned commands, struct arguments *out,
                            struct err *err) MUST_CHECK;
/* Writes the flags that belong to `table` into *target. */
enum status arguments_apply(const struct arguments *arguments, struct option_table table,
                            void *target, struct err *err) MUST_CHECK;
const char *arguments_text(const struct arguments *arguments,
                           const char *name); /* the last one given; or NULL */
void arguments_release(struct arguments *arguments);

#endif
