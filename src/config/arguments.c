/* SPDX-License-Identifier: PostgreSQL */
/* Our own reader of flags instead of getopt_long: it knows the option tables, so that a mistake
 * gets a sentence that names the flag and what it wants, and there is no second list of flags to
 * keep in step. Abbreviated flags are not accepted: they would break whenever an option is added.
 */
#include "config/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/guess.h"

struct reader {
    char **argv;
    int argc, next;
    const struct option_table *tables;
    size_t n_tables;
    unsigned commands;
    struct arguments *out;
};

static const struct option *arguments_find(const struct reader *reader, const char *name,
                                           size_t len)
{
    for (size_t t = 0; t < reader->n_tables; t++) {
        for (size_t i = 0; i < reader->tables[t].n; i++) {
            const struct option *option = &reader->tables[t].options[i];
            if ((option->commands & reader->commands) && strlen(option->name) == len &&
                memcmp(option->name, name, len) == 0) {
                return option;
            }
        }
    }
    return NULL;
}

/* The few options that have a letter as well; a command that has the option takes it. */
static const char *name_of_letter(char letter)
{
    switch (letter) {
    case 'c':
        return "config";
    case 'n':
        return "limit";
    case 'q':
        return "quiet";
    }
    return NULL;
}

/* `flag` is the word as typed; its value, which may be a secret, is not repeated. */
static enum status refuse_flag(const struct reader *reader, const char *flag, struct str name,
                               struct err *err)
{
    struct guess guess;
    guess_init(&guess, name);
    for (size_t t = 0; t < reader->n_tables; t++) {
        for (size_t i = 0; i < reader->tables[t].n; i++) {
            if (reader->tables[t].options[i].commands & reader->commands) {
                guess_try(&guess, reader->tables[t].options[i].name);
            }
        }
    }
    return err_set(err, EXIT_CODE_USAGE, "unknown option %.*s%s%s", (int)strcspn(flag, "="), flag,
                   guess.best ? "; did you mean --" : "", guess.best ? guess.best : "");
}

static void add(struct arguments *arguments, const struct option *option, const char *text)
{
    arguments->given =
        mem_array(arguments->given, arguments->n_given + 1, sizeof(*arguments->given));
    arguments->given[arguments->n_given++] = (struct argument){option, text};
}

/* `flag` is the word as typed; name is the option's name in it, text a value that is in it as well,
 * or NULL. */
static enum status read_flag(struct reader *reader, const char *flag, struct str name,
                             const char *text, struct err *err)
{
    const struct option *option = arguments_find(reader, name.ptr, name.len);
    if (!option) {
        return refuse_flag(reader, flag, name, err);
    }
    if (!text && option->type == OPTION_SWITCH) {
        text = "yes";
    }
    if (!text && reader->next < reader->argc) {
        text = reader->argv[reader->next++];
    }
    if (!text) {
        return err_set(err, EXIT_CODE_USAGE, "%s wants a value: --%s %s", flag, option->name,
                       option->value_name);
    }
    add(reader->out, option, text);
    return STATUS_OK;
}

/* -n 5, -n5, -q; NULL: no letter that this command takes, or a name that lacks a hyphen. */
static const struct option *option_of_letter(const struct reader *reader, const char *word)
{
    const char *name = word[0] == '-' && word[1] ? name_of_letter(word[1]) : NULL;
    const struct option *option = name ? arguments_find(reader, name, strlen(name)) : NULL;
    bool has_value = word[0] && word[1] && word[2];
    bool is_other =
        has_value && option &&
        (option->type == OPTION_SWITCH || arguments_find(reader, word + 1, strcspn(word + 1, "=")));
    return is_other ? NULL : option;
}

static enum status read_word(struct reader *reader, const char *word, struct err *err)
{
    struct arguments *out = reader->out;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        out->wants_help = true;
        return STATUS_OK;
    }
    const struct option *of_letter = option_of_letter(reader, word);
    if (of_letter) {
        return read_flag(reader, word, str_of(of_letter->name), word[2] ? word + 2 : NULL, err);
    }
    if (word[0] == '-' && word[1] == '-') {
        struct str name = {word + 2, strcspn(word + 2, "=")};
        return read_flag(reader, word, name, name.ptr[name.len] ? name.ptr + name.len + 1 : NULL,
                         err);
    }
    if (word[0] == '-' && word[1] != '\0') {
        return refuse_flag(reader, word, (struct str){word + 1, strcspn(word + 1, "=")}, err);
    }
    out->words = mem_array(out->words, out->n_words + 1, sizeof(*out->words));
    out->words[out->n_words++] = word;
    return STATUS_OK;
}

enum status arguments_parse(int argc, char **argv, const struct option_table *tables,
                            size_t n_tables, unsigned commands, struct arguments *out,
                            struct err *err)
{
    struct arguments arguments = {0};
    struct reader reader = {
        .argv = argv,
        .argc = argc,
        .tables = tables,
        .n_tables = n_tables,
        .commands = commands,
        .out = &arguments,
    };
    bool flags_ended = false;
    while (reader.next < argc) {
        const char *word = argv[reader.next++];
        if (flags_ended) {
            arguments.words =
                mem_array(arguments.words, arguments.n_words + 1, sizeof(*arguments.words));
            arguments.words[arguments.n_words++] = word;
        } else if (strcmp(word, "--") == 0) {
            flags_ended = true;
        } else if (read_word(&reader, word, err) != STATUS_OK) {
            arguments_release(&arguments);
            return STATUS_FAILED;
        }
    }
    *out = arguments;
    return STATUS_OK;
}

enum status arguments_apply(const struct arguments *arguments, struct option_table table,
                            void *target, struct err *err)
{
    for (size_t i = 0; i < arguments->n_given; i++) {
        const struct argument *given = &arguments->given[i];
        if (given->option < table.options || given->option >= table.options + table.n) {
            continue;
        }
        char *origin = mem_printf("--%s", given->option->name);
        enum status status =
            option_set(given->option, target, given->text, origin, EXIT_CODE_USAGE, err);
        free(origin);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

const char *arguments_text(const struct arguments *arguments, const char *name)
{
    for (size_t i = arguments->n_given; i > 0; i--) {
        if (strcmp(arguments->given[i - 1].option->name, name) == 0) {
            return arguments->given[i - 1].text;
        }
    }
    return NULL;
}

void arguments_release(struct arguments *arguments)
{
    free(arguments->given);
    free(arguments->words);
    *arguments = (struct arguments){0};
}
