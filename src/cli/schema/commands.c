/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald install`, `upgrade`, `uninstall`.
 *
 * install installs or brings up to date, so that it can stand in a deployment script; upgrade
 * refuses where nothing is installed, because then it is most likely the wrong database. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/schema/install.h"
#include "cli/schema/outcome.h"

static enum status read_password(const char *option, const char *path, char **out, struct err *err)
{
    char *line = str_first_line(path);
    if (!line) {
        return err_set(err, EXIT_CODE_CONFIG, "cannot read --%s %s: %s", option, path,
                       strerror(errno));
    }
    if (line[0] == '\0') {
        free(line);
        return err_set(err, EXIT_CODE_CONFIG, "the first line of --%s %s is empty", option, path);
    }
    *out = line;
    return STATUS_OK;
}

/* Of the roles that log in; NULL: it keeps what it has. */
struct passwords {
    char *server, *hook, *judge;
};

/* Its own, or else the server's. */
static enum status read_other_password(const char *option, const char *path,
                                       const struct passwords *passwords, char **out,
                                       struct err *err)
{
    if (path) {
        return read_password(option, path, out, err);
    }
    *out = mem_strdup(passwords->server);
    return STATUS_OK;
}

static enum status read_passwords(const struct config *config, struct passwords *out,
                                  struct err *err)
{
    enum status status = STATUS_OK;
    if (config->server_password_file) {
        status =
            read_password("server-password-file", config->server_password_file, &out->server, err);
    }
    if (status == STATUS_OK) {
        status = read_other_password("hook-password-file", config->hook_password_file, out,
                                     &out->hook, err);
    }
    if (status == STATUS_OK) {
        status = read_other_password("judge-password-file", config->judge_password_file, out,
                                     &out->judge, err);
    }
    return status;
}

static enum status set_password(struct admin *admin, const char *role, const char *password,
                                struct outcome *outcome, struct err *err)
{
    enum status status = password ? admin_set_password(admin, role, password, err) : STATUS_OK;
    if (status == STATUS_OK && password) {
        outcome_add_password(outcome, role);
    }
    return status;
}

static void forget_password(char *password)
{
    if (password) {
        explicit_bzero(password, strlen(password));
        free(password);
    }
}

enum task { TASK_INSTALL, TASK_UPGRADE, TASK_ROLES, TASK_UNINSTALL };

static enum status bring_schema(struct admin *admin, enum task task, struct outcome *outcome,
                                struct err *err)
{
    FILE *say = outcome->warnings ? NULL : stdout;
    if (task == TASK_UPGRADE && outcome->before == 0) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "nothing is installed in this database: run pgherald install, or check "
                       "--database-url");
    }
    if (install_schema(admin, say, &outcome->before, &outcome->after, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    outcome->did = outcome->before == outcome->after ? "nothing"
                   : outcome->before > 0             ? "upgraded"
                                                     : "installed";
    return admin_tell_following(admin, err);
}

static enum status make_roles(struct admin *admin, struct outcome *outcome, struct err *err)
{
    outcome->after = outcome->before;
    outcome->did = "made_roles";
    return install_roles(admin, err);
}

/* One that says no number is removed all the same. */
static enum status remove_schema(struct admin *admin, struct outcome *outcome, struct err *err)
{
    char *schema = NULL;
    if (admin_value(admin, "SELECT pg_catalog.to_regnamespace('herald')", 0, NULL, &schema, err) !=
        STATUS_OK) {
        return STATUS_FAILED;
    }
    outcome->did = schema ? "removed" : "nothing";
    free(schema);
    return uninstall_schema(admin, err);
}

static enum status change_schema(struct admin *admin, enum task task, struct outcome *outcome,
                                 struct err *err)
{
    enum status known = installed_version(admin, &outcome->before, err);
    if (task == TASK_UNINSTALL) {
        return remove_schema(admin, outcome, err);
    }
    return known != STATUS_OK   ? STATUS_FAILED
           : task == TASK_ROLES ? make_roles(admin, outcome, err)
                                : bring_schema(admin, task, outcome, err);
}

static enum status perform(struct admin *admin, const struct config *config, enum task task,
                           struct outcome *outcome, struct err *err)
{
    struct passwords passwords = {0};
    const struct {
        const char *role;
        char *const *password;
    } logins[] = {{"herald_server", &passwords.server},
                  {"herald_hook", &passwords.hook},
                  {"herald_judge", &passwords.judge}};
    enum status status = read_passwords(config, &passwords, err);
    if (status == STATUS_OK) {
        status = change_schema(admin, task, outcome, err);
    }
    for (size_t i = 0; i < 3 && status == STATUS_OK; i++) {
        status = set_password(admin, logins[i].role, *logins[i].password, outcome, err);
    }
    forget_password(passwords.server);
    forget_password(passwords.hook);
    forget_password(passwords.judge);
    return status;
}

/* What is refused is one of many statements: who may do them all is told. */
static void explain(struct admin *admin, enum task task, struct err *err)
{
    struct err found = *err;
    if (admin_was_denied(admin)) {
        err_set(err, found.code, "%s. This takes %s", found.text,
                task == TASK_UNINSTALL
                    ? "a superuser, as triggers stand on other people's tables"
                    : "a superuser, or who has installed it: a role with CREATEROLE that may "
                      "create schemas in this database");
    }
}

static enum exit_code task_run(const struct invocation *invocation, enum task task, struct err *err)
{
    struct admin *admin = NULL;
    struct outcome outcome = outcome_begin(invocation->is_json);
    enum status status = admin_open(invocation->config->database.url, -1, &admin, err);
    if (status == STATUS_OK) {
        admin_keep_warnings(admin, outcome.warnings);
        status = perform(admin, invocation->config, task, &outcome, err);
        if (status != STATUS_OK) {
            explain(admin, task, err);
        }
        admin_close(admin);
    }
    if (status == STATUS_OK) {
        outcome_print(&outcome);
    }
    outcome_release(&outcome);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

struct install_arguments {
    bool roles_only;
};
#define OPTIONS_OF struct install_arguments
#include "config/rows.h"

static const struct option install_options[] = {
    SWITCH("roles-only", roles_only, CONFIG_FOR_INSTALL | ONLY_FLAG,
           "Make the roles, which belong to the whole cluster, and nothing else: before a dump is "
           "restored into another cluster."),
};
#define INSTALL_TABLE ((struct option_table){install_options, 1})

static enum exit_code run_install(const struct invocation *invocation, struct err *err)
{
    struct install_arguments own = {false};
    if (arguments_apply(invocation->arguments, INSTALL_TABLE, &own, err) != STATUS_OK) {
        return err->code;
    }
    return task_run(invocation, own.roles_only ? TASK_ROLES : TASK_INSTALL, err);
}

static enum exit_code run_upgrade(const struct invocation *invocation, struct err *err)
{
    return task_run(invocation, TASK_UPGRADE, err);
}

static enum exit_code run_uninstall(const struct invocation *invocation, struct err *err)
{
    if (!invocation->config->yes) {
        err_set(err, EXIT_CODE_USAGE,
                "uninstall removes the schema herald with its history, all rules and all watches; "
                "if that is meant: "
                "pgherald uninstall --yes");
        return EXIT_CODE_USAGE;
    }
    return task_run(invocation, TASK_UNINSTALL, err);
}

const struct subcommand install_command = {
    .name = "install",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "[--database-url URL] [--server-password-file FILE] [--hook-password-file FILE] "
             "[--judge-password-file FILE] "
             "[--roles-only] [--json]",
    .summary = "install the schema, or bring it up to date",
    .about =
        "Runs the steps that the database does not have yet, each in its own transaction; running "
        "it again\n"
        "changes nothing. Needs a role that may create roles and schemas. A schema that is newer "
        "than this\n"
        "program is refused (exit code 78). The same files lie in sql/ and can be run with "
        "psql.\n\n"
        "--json: an object with did (installed, upgraded, nothing or made_roles), step_before and "
        "step_after\n"
        "(numbers of the schema, null: there is none), passwords_set (roles) and warnings.",
    .options = CONFIG_FOR_INSTALL,
    .has_json = true,
    .own = {install_options, 1},
    .run = run_install,
};

const struct subcommand upgrade_command = {
    .name = "upgrade",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "[--database-url URL] [--server-password-file FILE] [--hook-password-file FILE] "
             "[--judge-password-file FILE] [--json]",
    .summary = "bring an installed schema up to date",
    .about = "Like install, but refuses (exit code 78) where nothing is installed.",
    .options = CONFIG_FOR_INSTALL,
    .has_json = true,
    .run = run_upgrade,
};

const struct subcommand uninstall_command = {
    .name = "uninstall",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "--yes [--json] [--database-url URL]",
    .summary = "remove the schema, the watches and the roles",
    .about =
        "Removes everything that install and watch made in this database, the history "
        "included, and the\n"
        "roles that nothing else in the cluster uses; it warns of those that it kept. --json: an "
        "object as of install.",
    .options = CONFIG_FOR_UNINSTALL,
    .has_json = true,
    .run = run_uninstall,
};
