/* SPDX-License-Identifier: PostgreSQL */
/* Completion for bash: commands, then their flags, then what a flag may be. It is a script of lists, made
 * from the tables, and one function that looks into them; nothing of it asks the program or a database
 * while somebody types. */
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "cli/made/made.h"

static void put_flags(struct option_table table, unsigned commands, FILE *out)
{
    for (size_t i = 0; i < table.n; i++) {
        if (table.options[i].commands & commands) {
            fprintf(out, " --%s", table.options[i].name);
        }
    }
}

static size_t first_word(const struct subcommand *command)
{
    return strcspn(command->name, " ");
}

/* Families stand together in the table: each is said with its first one. */
static bool is_first(size_t i)
{
    const struct subcommand *command = command_at(i), *before = i > 0 ? command_at(i - 1) : NULL;
    size_t len = first_word(command);
    return !before || first_word(before) != len || memcmp(before->name, command->name, len) != 0;
}

static void put_first_words(FILE *out)
{
    for (size_t i = 0; command_at(i); i++) {
        if (is_first(i)) {
            fprintf(out, " %.*s", (int)first_word(command_at(i)), command_at(i)->name);
        }
    }
}

static void put_families(FILE *out)
{
    const struct subcommand *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        size_t len = first_word(command);
        if (command->name[len] != ' ') {
            continue;
        }
        if (is_first(i)) {
            fprintf(out, "    '%.*s') echo", (int)len, command->name);
        }
        fprintf(out, " %s", command->name + len + 1);
        if (!command_at(i + 1) || is_first(i + 1)) {
            fputs(" ;;\n", out);
        }
    }
}

static void put_commands(FILE *out)
{
    const struct subcommand *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        fprintf(out, "    '%s') echo --help --quiet%s", command->name,
                command->has_json ? " --json" : "");
        put_flags(command->own, ~0U, out);
        put_flags(config_table(), command->options, out);
        fputs(" ;;\n", out);
    }
}

/* What stands behind a flag: words, or a kind of name that bash knows. The same flag may be another one
 * elsewhere. */
static void put_values(const char *command, struct option_table table, FILE *out)
{
    for (size_t i = 0; i < table.n; i++) {
        const struct option *option = &table.options[i];
        const char *kind = option->value_name && strcmp(option->value_name, "FILE") == 0  ? "@file"
                           : option->value_name && strcmp(option->value_name, "DIR") == 0 ? "@dir"
                                                                                          : "@none";
        if (option->type == OPTION_CHOICE) {
            struct buf words = {0};
            for (const char *c = option->choices; *c; c++) {
                buf_char(&words, *c == '|' ? ' ' : *c);
            }
            fprintf(out, "    '%s--%s') echo %s ;;\n", command, option->name, buf_text(&words));
            buf_release(&words);
        } else if (option->type != OPTION_SWITCH) {
            fprintf(out, "    '%s--%s') echo %s ;;\n", command, option->name, kind);
        }
    }
}

static void put_all_values(FILE *out)
{
    const struct subcommand *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        struct buf prefix = {0};
        buf_printf(&prefix, "%s ", command->name);
        put_values(buf_text(&prefix), command->own, out);
        buf_release(&prefix);
    }
    put_values("", config_table(), out);
    fputs("    -c) echo @file ;;\n", out);
}

static const char function[] =
    "_pgherald() {\n"
    "    local cur=$2 before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} at=2 words\n"
    "    if [[ $cur == = ]]; then cur=; fi\n"
    "    if [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
    "    if [[ $command == help ]]; then\n"
    "        command=${COMP_WORDS[2]} at=3\n"
    "    fi\n"
    "    words=$(_pgherald_family \"$command\")\n"
    "    if ((COMP_CWORD < at)); then\n"
    "        words=$(_pgherald_first)\n"
    "    elif [[ -n $words ]] && ((COMP_CWORD == at)); then\n"
    "        :\n"
    "    else\n"
    "        [[ -z $words ]] || command=\"$command ${COMP_WORDS[at]}\"\n"
    "        words=$(_pgherald_value \"$command $before\")\n"
    "        [[ -n $words ]] || words=$(_pgherald_value \"$before\")\n"
    "        [[ -n $words ]] || words=$(_pgherald_flags \"$command\")\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    case $words in\n"
    "    @none) ;;\n"
    "    @file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") "
    ";;\n"
    "    @dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") "
    ";;\n"
    "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _pgherald pgherald\n";

static void put_list(const char *name, void (*put)(FILE *out), FILE *out)
{
    fprintf(out, "_pgherald_%s() {\n    case $1 in\n", name);
    put(out);
    fputs("    esac\n}\n", out);
}

void made_completion(FILE *out)
{
    fputs("# shellcheck shell=bash\n# Made by pgherald config --bash-completion; do not edit.\n"
          "_pgherald_first() {\n    echo help",
          out);
    put_first_words(out);
    fputs("\n}\n", out);
    put_list("family", put_families, out);
    put_list("flags", put_commands, out);
    put_list("value", put_all_values, out);
    fputs(function, out);
}
