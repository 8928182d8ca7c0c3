/* SPDX-License-Identifier: PostgreSQL */
/* The subcommands: one table gives dispatch, usage and help. A subcommand's file holds its row. */
#ifndef HERALD_CLI_COMMAND_H
#define HERALD_CLI_COMMAND_H

#include "base/err.h"
#include "config/arguments.h"
#include "config/config.h"

struct invocation {
    const struct arguments *arguments;
    const struct config *config; /* loaded for the subcommand's options */
    const struct config_origins *origins;
};

struct subcommand {
    const char *name;
    const char *usage;       /* what follows "pgherald NAME" */
    const char *summary;     /* one line for the list */
    const char *about;       /* paragraphs for its --help */
    unsigned options;        /* enum config_commands */
    struct option_table own; /* flags that only this one has */
    size_t min_words, max_words;
    enum exit_code (*run)(const struct invocation *invocation, struct err *err);
};

extern const struct subcommand dev_command, serve_command, install_command, upgrade_command,
    uninstall_command, watch_command, unwatch_command, watches_command, token_command,
    types_command, config_command, doctor_command;

enum exit_code command_main(int argc, char **argv, struct err *err);
void version_print(void); /* version.c: pgherald and all that is linked */

#endif
