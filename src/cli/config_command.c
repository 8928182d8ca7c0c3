/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald config`: shows, checks and documents the options. Loading them already checked each
 * value, so --check has little left to do: libpq must understand the URL. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/made/made.h"
#include "cli/url.h"
#include "core/metrics.h"

static enum exit_code config_check(const struct config *config, bool is_json, struct err *err)
{
    char *url = NULL;
    if (url_complete(config->database.url, "", "", &url, err) != STATUS_OK) {
        return err->code;
    }
    free(url);
    if (is_json) {
        puts("{\"ok\":true}");
    } else {
        fprintf(stderr, "The configuration is good.\n");
    }
    return EXIT_CODE_OK;
}

static enum exit_code config_run(const struct invocation *invocation, struct err *err)
{
    const struct config *config = invocation->config;
    const struct {
        bool is_asked;
        void (*print)(FILE *out); /* NULL: one of those about this configuration */
    } what[] = {
        {config->print, NULL},
        {config->check, NULL},
        {config->reference, config_reference},
        {config->metrics_reference, metrics_reference},
        {config->man, made_man},
        {config->man_conf, made_man_conf},
        {config->bash_completion, made_completion},
    };
    int n_asked = 0;
    void (*print)(FILE * out) = NULL;
    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        n_asked += what[i].is_asked;
        print = what[i].is_asked ? what[i].print : print;
    }
    if (n_asked != 1) {
        err_set(err, EXIT_CODE_USAGE,
                "config wants one of --print, --check, --reference, --metrics-reference, --man, "
                "--man-conf and --bash-completion");
        return EXIT_CODE_USAGE;
    }
    if (print && invocation->is_json) {
        err_set(err, EXIT_CODE_USAGE,
                "config: --json goes with --print and --check; all else is a document, and has a "
                "form of its own");
        return EXIT_CODE_USAGE;
    }
    if (print) {
        print(stdout);
    } else if (config->print && invocation->is_json) {
        config_print_json(config, invocation->origins, stdout);
    } else if (config->print) {
        config_print(config, invocation->origins, stdout);
    } else {
        return config_check(config, invocation->is_json, err);
    }
    return EXIT_CODE_OK;
}

const struct subcommand config_command = {
    .name = "config",
    .group = COMMAND_GROUP_TOOLS,
    .usage = "--print|--check|--reference|--metrics-reference|--man|--man-conf|--bash-completion "
             "[--json] [-c FILE]",
    .summary = "show or check the options in force",
    .about =
        "Reads the file and the environment as serve does, and shows or checks the outcome.\n\n"
        "--print --json: an object a line, with name, value (as in the file; null: there is "
        "none), from (default,\n"
        "file, variable or flag), variable and is_live.",
    .options = CONFIG_FOR_CONFIG,
    .has_json = true,
    .run = config_run,
};
