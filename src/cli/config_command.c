/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald config`: shows, checks and documents the options. Loading them already checked each
 * value, so --check has little left to do: libpq must understand the URL. */
#include <stdlib.h>

#include "cli/admin.h"
#include "cli/command.h"
#include "core/metrics.h"

static enum exit_code config_run(const struct invocation *invocation, struct err *err)
{
    const struct config *config = invocation->config;
    int n_asked = (int)config->print + (int)config->check + (int)config->reference +
                  (int)config->metrics_reference;
    if (n_asked != 1) {
        err_set(err, EXIT_CODE_USAGE,
                "config wants one of --print, --check, --reference and --metrics-reference");
        return EXIT_CODE_USAGE;
    }
    if (config->print) {
        config_print(config, invocation->origins, stdout);
    } else if (config->reference) {
        config_reference(stdout);
    } else if (config->metrics_reference) {
        metrics_reference(stdout);
    } else {
        char *url = NULL;
        if (admin_complete_url(config->database.url, "", "", &url, err) != STATUS_OK) {
            return err->code;
        }
        free(url);
        fprintf(stderr, "The configuration is good.\n");
    }
    return EXIT_CODE_OK;
}

const struct subcommand config_command = {
    .name = "config",
    .group = COMMAND_GROUP_TOOLS,
    .usage = "--print|--check|--reference|--metrics-reference [-c FILE]",
    .summary = "show or check the options in force",
    .about = "Reads the file and the environment as serve does, and shows or checks the outcome.",
    .options = CONFIG_FOR_CONFIG,
    .run = config_run,
};
