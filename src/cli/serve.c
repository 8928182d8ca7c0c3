/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald serve`: the server for production. What it adds to server_run is the login (where nothing
 * else is said, the roles are herald_server, for rules' functions herald_hook, and to judge rows
 * herald_judge, which `pgherald install` made for it), and that SIGHUP reads the options again.
 *
 * It loads options of its own, because what was taken over is written into them. */
#include <stdlib.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/login.h"
#include "server.h"
#include "settings.h"

struct serve {
    const struct arguments *arguments;
    bool is_quiet;        /* whatever the log's level is in the file */
    struct config own;    /* as they were loaded, and on SIGHUP as they are taken over */
    struct config config; /* the same for the server: with whole URLs. Owns only these */
};

static enum status complete_urls(struct serve *serve, struct err *err)
{
    struct login login;
    enum status status = login_complete(&serve->own.database, &login, err);
    serve->config.database.url = login.url;
    serve->config.database.hook_url = login.hook_url;
    serve->config.database.judge_url = login.judge_url;
    return status;
}

/* All but the URLs, which stay as they were at the start. */
static void take_options(struct serve *serve)
{
    struct database_options urls = serve->config.database;
    serve->config = serve->own;
    serve->config.log_level = serve->is_quiet ? LOG_LEVEL_ERROR : serve->own.log_level;
    serve->config.database.url = urls.url;
    serve->config.database.hook_url = urls.hook_url;
    serve->config.database.judge_url = urls.judge_url;
}

static void log_changes(struct config_changes *changes)
{
    if (changes->taken.len > 0) {
        log_info("the options have changed: %s", buf_text(&changes->taken));
    } else {
        log_info("the options have been read again");
    }
    if (changes->left.len > 0) {
        log_warn("these options stay as they are until a restart: %s", buf_text(&changes->left));
    }
}

/* What waits for a restart goes on beside what is taken over now, so these must fit together, too. */
static enum status check_found(const struct serve *serve, const struct config *found,
                               struct err *err)
{
    struct err why;
    struct config together = *found;
    together.net.proxy_protocol = serve->own.net.proxy_protocol;
    together.net.tls_proxy_protocol = serve->own.net.tls_proxy_protocol;
    together.net.tls_listen = serve->own.net.tls_listen;
    if (settings_check(found, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return settings_check(&together, &why) == STATUS_OK
               ? STATUS_OK
               : err_set(err, why.code, "until a restart %s", why.text);
}

static const struct config *on_reload(void *arg, struct err *err)
{
    struct serve *serve = arg;
    struct config found;
    struct config_changes changes = {{0}, {0}};
    enum status status = config_load(serve->arguments, CONFIG_FOR_SERVE, &found, NULL, err);
    if (status == STATUS_OK) {
        status = check_found(serve, &found, err);
    }
    if (status == STATUS_OK) {
        config_adopt(&serve->own, &found, CONFIG_FOR_SERVE, &changes);
        take_options(serve);
        log_changes(&changes);
    }
    config_changes_release(&changes);
    config_release(&found);
    return status == STATUS_OK ? &serve->config : NULL;
}

static void disown(const char *url)
{
    free((char *)(uintptr_t)url);
}

static enum exit_code serve_run(const struct invocation *invocation, struct err *err)
{
    struct serve serve = {.arguments = invocation->arguments, .is_quiet = invocation->is_quiet};
    struct server_extras extras = {.reload = on_reload, .arg = &serve};
    enum exit_code code = EXIT_CODE_CONFIG;
    if (config_load(serve.arguments, CONFIG_FOR_SERVE, &serve.own, NULL, err) == STATUS_OK &&
        complete_urls(&serve, err) == STATUS_OK) {
        take_options(&serve);
        code = server_run(&serve.config, &extras, err);
    } else {
        code = err->code;
    }
    disown(serve.config.database.url);
    disown(serve.config.database.hook_url);
    disown(serve.config.database.judge_url);
    config_release(&serve.own);
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
        "SIGHUP reads the file, keys and certificate again; the log says what is in force then, "
        "and\n"
        "what needs a restart (pgherald config --print: what is live).\n\n"
        "Exit codes: 0 stopped as asked, 1 failed while running, 64 bad usage, 75 port in use,\n"
        "78 bad configuration, or a schema that is missing or older than this program.",
    .options = CONFIG_FOR_SERVE,
    .is_service = true,
    .run = serve_run,
};
