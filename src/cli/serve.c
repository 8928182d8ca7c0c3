/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald serve`: the server for production. All it adds to server_run is the login: where
 * nothing else is said, the roles are herald_server, for rules' functions herald_hook, and to judge
 * rows herald_judge, which `pgherald install` made for it. */
#include <stdlib.h>

#include "cli/admin.h"
#include "cli/command.h"
#include "server.h"

static enum exit_code serve_run(const struct invocation *invocation, struct err *err)
{
    struct config config = *invocation->config;
    char *url = NULL, *hook_url = NULL, *judge_url = NULL;
    enum status status =
        admin_complete_url(config.database.url, "herald_server", "postgres", &url, err);
    if (status == STATUS_OK && config.database.hook_url) {
        status =
            admin_complete_url(config.database.hook_url, "herald_hook", "postgres", &hook_url, err);
    }
    if (status == STATUS_OK && config.database.judge_url) {
        status = admin_complete_url(config.database.judge_url, "herald_judge", "postgres",
                                    &judge_url, err);
    }
    config.database.url = url;
    config.database.hook_url = hook_url;
    config.database.judge_url = judge_url;
    enum exit_code code = status == STATUS_OK ? server_run(&config, NULL, err) : err->code;
    free(url);
    free(hook_url);
    free(judge_url);
    return code;
}

const struct subcommand serve_command = {
    .name = "serve",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "[-c FILE] [--database-url URL] [--listen ADDR:PORT] [OPTIONS]",
    .summary = "run the server",
    .about =
        "Runs until SIGTERM or SIGINT. When it is ready it prints one line on stdout:\n"
        "  ready url=http://HOST:PORT canonical=CANONICAL database=URL\n"
        "Everything else goes to stderr. The schema must be there: see pgherald install.\n\n"
        "Exit codes: 0 stopped as asked, 1 failed while running, 64 bad usage, 75 port in use,\n"
        "78 bad configuration, or a schema that is missing or older than this program.",
    .options = CONFIG_FOR_SERVE,
    .run = serve_run,
};
