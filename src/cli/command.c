/* SPDX-License-Identifier: PostgreSQL */
/* From argv to a subcommand: finds its row, takes its flags apart, loads its options, runs it. Help
 * goes to stdout when it was asked for, to stderr with exit code 64 when it answers a mistake. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct subcommand *const commands[] = {
    &dev_command,       &serve_command, &install_command, &upgrade_command,
    &uninstall_command, &watch_command, &unwatch_command, &watches_command,
    &doctor_command,    &types_command, &token_command,   &config_command,
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct subcommand *command_find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static void print_usage(FILE *out)
{
    fprintf(out, "pgherald: your Postgres tables, announced to every browser\n\n"
                 "usage: pgherald COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n  pgherald COMMAND --help   what a command does, and its options\n"
                 "  pgherald --version        versions of pgherald and its libraries\n\n"
                 "To see it work: pgherald dev\n");
}

static void print_help(const struct subcommand *command, FILE *out)
{
    fprintf(out, "usage: pgherald %s %s\n\n%s\n\nOptions:\n", command->name, command->usage,
            command->about);
    config_help(command->own, ~0U, out);
    config_help(config_table(), command->options, out);
    fprintf(
        out,
        "\nExcept for those that make sense only once, options can also come from the environment\n"
        "(--max-frame-bytes is PGHERALD_MAX_FRAME_BYTES) and from the file that -c names.\n");
}

static enum status check_words(const struct subcommand *command, const struct arguments *arguments,
                               struct err *err)
{
    if (arguments->n_words > command->max_words) {
        return err_set(err, EXIT_CODE_USAGE, "%s: \"%s\" is too much; usage: pgherald %s %s",
                       command->name, arguments->words[command->max_words], command->name,
                       command->usage);
    }
    if (arguments->n_words < command->min_words) {
        return err_set(err, EXIT_CODE_USAGE, "something is missing; usage: pgherald %s %s",
                       command->name, command->usage);
    }
    return STATUS_OK;
}

static enum exit_code command_run(const struct subcommand *command,
                                  const struct arguments *arguments, struct err *err)
{
    struct config config = {0};
    struct config_origins origins;
    enum exit_code code;
    if (config_load(arguments, command->options, &config, &origins, err) != STATUS_OK) {
        code = err->code;
    } else {
        log_configure(config.log_level, config.log_json);
        config_warn_of_variables();
        struct invocation invocation = {arguments, &config, &origins};
        code = command->run(&invocation, err);
    }
    config_release(&config);
    return code;
}

static enum exit_code parse_and_run(const struct subcommand *command, int argc, char **argv,
                                    struct err *err)
{
    struct option_table tables[] = {command->own, config_table()};
    struct arguments arguments;
    enum exit_code code;
    if (arguments_parse(argc, argv, tables, 2, command->options, &arguments, err) != STATUS_OK) {
        struct err found = *err;
        err_set(err, found.code, "%s (pgherald %s --help lists the options)", found.text,
                command->name);
        return err->code;
    }
    if (arguments.wants_help) {
        print_help(command, stdout);
        code = EXIT_CODE_OK;
    } else if (check_words(command, &arguments, err) != STATUS_OK) {
        code = err->code;
    } else {
        code = command_run(command, &arguments, err);
    }
    arguments_release(&arguments);
    return code;
}

enum exit_code command_main(int argc, char **argv, struct err *err)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_CODE_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        version_print();
        return EXIT_CODE_OK;
    }
    bool is_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (is_help && argc == 2) {
        print_usage(stdout);
        return EXIT_CODE_OK;
    }
    const struct subcommand *command = command_find(is_help ? argv[2] : name);
    if (!command) {
        fprintf(stderr, "pgherald: there is no command \"%s\"\n\n", is_help ? argv[2] : name);
        print_usage(stderr);
        return EXIT_CODE_USAGE;
    }
    if (is_help) {
        print_help(command, stdout);
        return EXIT_CODE_OK;
    }
    return parse_and_run(command, argc - 2, argv + 2, err);
}
