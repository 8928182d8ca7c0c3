/* SPDX-License-Identifier: PostgreSQL */
/* The subcommands: one table gives dispatch, usage and help. A subcommand's file holds its row. */
#ifndef HERALD_CLI_COMMAND_H
#define HERALD_CLI_COMMAND_H

#include "base/err.h"
#include "config/arguments.h"
#include "config/config.h"

struct ask; /* cli/ask/ask.h */

/* Under which heading the list has it. */
enum command_group {
    COMMAND_GROUP_BEGIN,
    COMMAND_GROUP_TABLES,
    COMMAND_GROUP_RULES,
    COMMAND_GROUP_LOOK,
    COMMAND_GROUP_ACT,
    COMMAND_GROUP_TOOLS,
};

struct invocation {
    const struct subcommand *command;
    const struct arguments *arguments;
    const struct config *config; /* loaded for the subcommand's options */
    const struct config_origins *origins;
    bool is_json;  /* --json: the answer is for programs */
    bool is_quiet; /* --quiet; the log's level is error already */
};

struct subcommand {
    const char *name; /* a word, or two: "rule set" */
    enum command_group group;
    const char *usage;       /* what follows "pgherald NAME" */
    const char *summary;     /* one line for the list */
    const char *about;       /* paragraphs for its --help */
    unsigned options;        /* enum config_commands; 0: neither file nor environment is read */
    struct option_table own; /* flags that only this one has */
    bool has_json;           /* it takes --json, and gives JSON then: a value a line, or an array */
    bool is_service;         /* runs until it is stopped, and what it prints only goes with that */
    size_t min_words, max_words;
    enum exit_code (*run)(const struct invocation *invocation, struct err *err);
    const struct ask *ask; /* what ask_run asks; else NULL */
};

extern const struct subcommand dev_command, serve_command, install_command, upgrade_command,
    uninstall_command, watch_command, unwatch_command, watches_command, refresh_command,
    types_command, rules_command, rule_set_command, rule_drop_command, doctor_command,
    status_command, channels_command, history_command, sessions_command, presence_command,
    publish_command, disconnect_command, token_command, config_command, version_command,
    tail_command, check_token_command, why_command;

enum exit_code command_main(int argc, char **argv, struct err *err);

/* All of them, in the order of the list, until NULL; for what is made from the table. */
const struct subcommand *command_at(size_t i);
const char *command_group_name(enum command_group group);

#endif
