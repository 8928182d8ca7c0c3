/* SPDX-License-Identifier: PostgreSQL */
/* Who may say what the options are: flags over environment over file over defaults.
 *
 * Every value is checked where it is found, even if a stronger source overrides it later: a mistake
 * in the file should not wait for the day on which the flag is dropped. */
#include "config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

void config_release(struct config *config)
{
    const struct option_table table = config_table();
    option_release(table.options, table.n, config);
}

static void load_defaults(struct config *config)
{
    const struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        if (table.options[i].fallback) {
            struct err err;
            enum status status = option_set(&table.options[i], config, table.options[i].fallback,
                                            table.options[i].name, EXIT_CODE_CONFIG, &err);
            assert(status == STATUS_OK);
            (void)status;
        }
    }
}

/* `config` checks what any server would read. */
static bool belongs(const struct option *option, unsigned command)
{
    return !option->is_flag_only && ((option->commands & command) || command == CONFIG_FOR_CONFIG);
}

static enum status load_variables(unsigned command, struct config *config,
                                  struct config_origins *origins, struct err *err)
{
    const struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        char variable[64];
        option_variable(&table.options[i], variable);
        const char *text = getenv(variable);
        if (!text || !belongs(&table.options[i], command)) {
            continue;
        }
        if (option_set(&table.options[i], config, text, variable, EXIT_CODE_CONFIG, err) !=
            STATUS_OK) {
            return STATUS_FAILED;
        }
        origins->of[i] = CONFIG_VARIABLE;
    }
    return STATUS_OK;
}

static enum status load_file(const struct arguments *arguments, unsigned command,
                             struct config *config, struct config_origins *origins, struct err *err)
{
    const char *path = arguments_text(arguments, "config");
    if (!path) {
        path = getenv("PGHERALD_CONFIG");
    }
    bool has_default = command & (CONFIG_FOR_SERVE | CONFIG_FOR_CONFIG | CONFIG_FOR_TOKEN |
                                  CONFIG_FOR_CHECK_TOKEN | CONFIG_FOR_TAIL | CONFIG_FOR_WHY);
    /* It may well be closed to who makes or checks a token with a key of his own. */
    int wanted =
        command & (CONFIG_FOR_TOKEN | CONFIG_FOR_CHECK_TOKEN | CONFIG_FOR_TAIL) ? R_OK : F_OK;
    if (!path && has_default && access(CONFIG_DEFAULT_FILE, wanted) == 0) {
        path = CONFIG_DEFAULT_FILE;
    }
    return path ? config_read_file(path, config, origins, err) : STATUS_OK;
}

enum status config_load(const struct arguments *arguments, unsigned command, struct config *out,
                        struct config_origins *origins, struct err *err)
{
    const struct option_table table = config_table();
    struct config_origins unasked;
    origins = origins ? origins : &unasked;
    *origins = (struct config_origins){0};
    *out = (struct config){0};
    load_defaults(out);
    if (load_file(arguments, command, out, origins, err) != STATUS_OK ||
        load_variables(command, out, origins, err) != STATUS_OK ||
        arguments_apply(arguments, table, out, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    for (size_t i = 0; i < table.n; i++) {
        if (arguments_text(arguments, table.options[i].name)) {
            origins->of[i] = CONFIG_FLAG;
        }
    }
    return STATUS_OK;
}

static bool is_known_variable(const char *entry, size_t len)
{
    const struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        char variable[64];
        option_variable(&table.options[i], variable);
        if (!table.options[i].is_flag_only && strlen(variable) == len &&
            memcmp(variable, entry, len) == 0) {
            return true;
        }
    }
    return false;
}

void config_warn_of_variables(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        size_t len = strcspn(*entry, "=");
        if (strncmp(*entry, "PGHERALD_", 9) == 0 && !is_known_variable(*entry, len)) {
            log_warn("no option has the variable %.*s: it is ignored", (int)len, *entry);
        }
    }
}
