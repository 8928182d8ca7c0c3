/* SPDX-License-Identifier: PostgreSQL */
/* From argv to a subcommand: finds its row, takes its flags apart, loads its options, runs it. Help
 * goes to stdout when it was asked for, to stderr with exit code 64 when it answers a mistake. */
#include "cli/command.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/guess.h"

/* In the order of the list, those of a group beside each other. */
static const struct subcommand *const commands[] = {
    &dev_command,         &serve_command,    &install_command,    &upgrade_command,
    &uninstall_command,   &watch_command,    &unwatch_command,    &watches_command,
    &refresh_command,     &types_command,    &rules_command,      &rule_set_command,
    &rule_drop_command,   &status_command,   &doctor_command,     &channels_command,
    &history_command,     &sessions_command, &presence_command,   &why_command,
    &tail_command,        &publish_command,  &disconnect_command, &token_command,
    &check_token_command, &config_command,   &version_command,
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct common_arguments {
    bool is_quiet, is_json;
};

#define OPTIONS_OF struct common_arguments
/* No subcommand's: it only has to be among the bits that are looked for. */
#define COMMON_BIT (1U << 30)
#define COMMON (COMMON_BIT | ONLY_FLAG)
#include "config/rows.h"

/* Which every command has; the second only those that have an answer for programs. */
static const struct option common_options[] = {
    SWITCH("quiet", is_quiet, COMMON, "Say nothing but errors, and the answer."),
    SWITCH("json", is_json, COMMON, "The answer as JSON: for programs."),
};

static struct option_table common_table(const struct subcommand *command)
{
    return (struct option_table){common_options, command->has_json ? 2 : 1};
}

const struct subcommand *command_at(size_t i)
{
    return i < N_COMMANDS ? commands[i] : NULL;
}

const char *command_group_name(enum command_group group)
{
    static const char *const names[] = {
        [COMMAND_GROUP_BEGIN] = "Begin", [COMMAND_GROUP_TABLES] = "Tables",
        [COMMAND_GROUP_RULES] = "Rules", [COMMAND_GROUP_LOOK] = "Look",
        [COMMAND_GROUP_ACT] = "Act",     [COMMAND_GROUP_TOOLS] = "Tools",
    };
    return names[group];
}

/* How many words of argv the name takes: all of them, or 0 if it is another. */
static int n_words_of(const char *name, int argc, char **argv)
{
    int n = 0;
    for (const char *word = name; *word; n++) {
        size_t len = strcspn(word, " ");
        if (n == argc || strlen(argv[n]) != len || memcmp(argv[n], word, len) != 0) {
            return 0;
        }
        word += len + (word[len] == ' ');
    }
    return n;
}

static const struct subcommand *command_find(int argc, char **argv, int *n_words)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        *n_words = n_words_of(commands[i]->name, argc, argv);
        if (*n_words > 0) {
            return commands[i];
        }
    }
    return NULL;
}

/* "rule" alone, or with a word that none has: those that begin with it. */
static bool print_family(const char *word, FILE *out)
{
    bool is_found = false;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        size_t len = strlen(word);
        if (strncmp(commands[i]->name, word, len) == 0 && commands[i]->name[len] == ' ') {
            fprintf(out, "usage: pgherald %s %s\n", commands[i]->name, commands[i]->usage);
            is_found = true;
        }
    }
    return is_found;
}

static enum exit_code refuse_name(const char *name, struct err *err)
{
    struct guess guess;
    if (name[0] == '-') {
        err_set(err, EXIT_CODE_USAGE,
                "options stand behind the command: pgherald COMMAND %.*s (pgherald help lists the "
                "commands)",
                (int)strcspn(name, "="), name);
        return EXIT_CODE_USAGE;
    }
    if (print_family(name, stderr)) {
        return EXIT_CODE_USAGE;
    }
    guess_init(&guess, str_of(name));
    for (size_t i = 0; i < N_COMMANDS; i++) {
        guess_try(&guess, commands[i]->name);
    }
    err_set(err, EXIT_CODE_USAGE, "there is no command \"%s\"%s%s (pgherald help lists them)", name,
            guess.best ? "; did you mean pgherald " : "", guess.best ? guess.best : "");
    return EXIT_CODE_USAGE;
}

static void print_usage(FILE *out)
{
    fprintf(out, "pgherald: your Postgres tables, announced to every browser\n\n"
                 "usage: pgherald COMMAND [OPTIONS]\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (i == 0 || commands[i]->group != commands[i - 1]->group) {
            fprintf(out, "\n%s\n", command_group_name(commands[i]->group));
        }
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n  pgherald COMMAND --help   what a command does, and its options\n\n"
                 "To see it work: pgherald dev\n");
}

static void print_help(const struct subcommand *command, FILE *out)
{
    fprintf(out, "usage: pgherald %s %s\n\n%s\n\nOptions:\n", command->name, command->usage,
            command->about);
    config_help(command->own, ~0U, out);
    config_help(common_table(command), ~0U, out);
    config_help(config_table(), command->options, out);
    if (command->options == 0) {
        return;
    }
    fprintf(
        out,
        "\nExcept for those that make sense only once, options can also come from the environment\n"
        "(--max-frame-bytes is PGHERALD_MAX_FRAME_BYTES) and from the file that -c names.\n");
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(word, *words) == 0) {
            return true;
        }
    }
    return false;
}

/* "--json no": what was meant is a switch's value. */
static bool is_value_of_switch(const char *word)
{
    static const char *const values[] = {"yes", "no", "on", "off", "true", "false", NULL};
    return is_one_of(word, values);
}

static enum status check_words(const struct subcommand *command, const struct arguments *arguments,
                               struct err *err)
{
    if (arguments->n_words > command->max_words) {
        const char *word = arguments->words[command->max_words];
        return err_set(
            err, EXIT_CODE_USAGE, "%s: \"%s\" is too much%s; usage: pgherald %s %s", command->name,
            word, is_value_of_switch(word) ? " (of a switch it stands behind a =: --json=no)" : "",
            command->name, command->usage);
    }
    if (arguments->n_words < command->min_words) {
        return err_set(err, EXIT_CODE_USAGE, "something is missing; usage: pgherald %s %s",
                       command->name, command->usage);
    }
    for (size_t i = 0; i < arguments->n_words; i++) {
        if (!*arguments->words[i]) {
            return err_set(err, EXIT_CODE_USAGE,
                           "%s: a word is empty (a variable that is not set?); usage: pgherald %s "
                           "%s",
                           command->name, command->name, command->usage);
        }
    }
    return STATUS_OK;
}

static enum status load(const struct subcommand *command, const struct arguments *arguments,
                        struct config *config, struct config_origins *origins, struct err *err)
{
    if (command->options == 0) {
        return STATUS_OK;
    }
    return config_load(arguments, command->options, config, origins, err);
}

/* Who had read enough has closed the pipe, as head does. */
static bool is_reader_gone(void)
{
    struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR);
}

/* An answer that has not arrived is none. */
static enum exit_code check_written(const char *name, enum exit_code code, struct err *err)
{
    bool is_written = fflush(stdout) == 0 && !ferror(stdout);
    if (!is_written && code == EXIT_CODE_OK && is_reader_gone()) {
        return EXIT_CODE_FAILED; /* without a word: he knows */
    }
    if (!is_written && code == EXIT_CODE_OK) {
        err_set(err, EXIT_CODE_FAILED, "%s: not all of the answer could be written to stdout",
                name);
        return err->code;
    }
    return code;
}

static enum exit_code command_run(const struct subcommand *command,
                                  const struct arguments *arguments, struct err *err)
{
    struct common_arguments common = {0};
    struct config config = {.log_level = LOG_LEVEL_INFO};
    struct config_origins origins = {0};
    enum exit_code code;
    if (arguments_apply(arguments, common_table(command), &common, err) != STATUS_OK ||
        load(command, arguments, &config, &origins, err) != STATUS_OK) {
        code = err->code;
    } else {
        config.log_level = common.is_quiet ? LOG_LEVEL_ERROR : config.log_level;
        log_configure(config.log_level, config.log_json);
        config_warn_of_variables();
        struct invocation invocation = {command,  arguments,      &config,
                                        &origins, common.is_json, common.is_quiet};
        code = command->run(&invocation, err);
        code = command->is_service ? code : check_written(command->name, code, err);
    }
    config_release(&config);
    return code;
}

static enum exit_code parse_and_run(const struct subcommand *command, int argc, char **argv,
                                    struct err *err)
{
    struct option_table tables[] = {command->own, common_table(command), config_table()};
    struct arguments arguments;
    enum exit_code code;
    if (arguments_parse(argc, argv, tables, 3, command->options | COMMON_BIT, &arguments, err) !=
        STATUS_OK) {
        struct err found = *err;
        err_set(err, found.code, "%s (pgherald %s --help lists the options)", found.text,
                command->name);
        return err->code;
    }
    if (arguments.wants_help) {
        print_help(command, stdout);
        code = check_written(command->name, EXIT_CODE_OK, err);
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
    static const char *const help[] = {"help", "--help", "-h", NULL};
    static const char *const version[] = {"--version", "-V", NULL};
    int n_words = 1;
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_CODE_USAGE;
    }
    bool is_help = is_one_of(argv[1], help);
    if (is_help && (argc == 2 || is_one_of(argv[2], help))) {
        print_usage(stdout);
        return check_written("help", EXIT_CODE_OK, err);
    }
    argc -= is_help ? 2 : 1;
    argv += is_help ? 2 : 1;
    const struct subcommand *command =
        is_one_of(argv[0], version) ? &version_command : command_find(argc, argv, &n_words);
    if (!command && is_help && print_family(argv[0], stdout)) {
        return check_written("help", EXIT_CODE_OK, err);
    }
    if (!command) {
        return refuse_name(argv[0], err);
    }
    if (is_help) {
        print_help(command, stdout);
        return check_written("help", EXIT_CODE_OK, err);
    }
    return parse_and_run(command, argc - n_words, argv + n_words, err);
}
