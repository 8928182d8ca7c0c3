/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald install`, `upgrade`, `uninstall`: the numbered steps of sql/, which are built in.
 *
 * install installs or brings up to date, so that it can stand in a deployment script; upgrade
 * refuses where nothing is installed, because then it is most likely the wrong database. Neither
 * ever goes back: a schema that is newer than the program is refused, as an old server would
 * misread it. Each step is one transaction that also records its number, so that an interrupted
 * install is continued by the next. */
#include "cli/install.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "assets.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/progress.h"

/* "herald" on a telephone, in the space of advisory locks that this program's schema uses for
 * nothing else. */
#define INSTALL_LOCK "437253, 1"

#define ROLES "sql/roles.sql" /* runs before step 1, in its transaction */

/* sql/NNNN_name.sql → NNNN; 0 for other files. */
static int step_number(const char *path)
{
    uint64_t number;
    const char *name = path + strlen("sql/");
    if (strncmp(path, "sql/", strlen("sql/")) != 0 || strspn(name, "0123456789") != 4 ||
        name[4] != '_' || !str_to_u64((struct str){name, 4}, &number)) {
        return 0;
    }
    return (int)number;
}

static int newest_step(void)
{
    int newest = 0;
    for (size_t i = 0; i < n_assets; i++) {
        int number = step_number(assets[i].path);
        newest = number > newest ? number : newest;
    }
    return newest;
}

/* 0: not installed. */
static enum status installed_version(struct admin *admin, int *out, struct err *err)
{
    char *text = NULL;
    if (admin_value(admin, "SELECT pg_catalog.to_regprocedure('herald.schema_version()')", 0, NULL,
                    &text, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    *out = 0;
    if (!text) {
        return STATUS_OK;
    }
    free(text);
    if (admin_value(admin, "SELECT herald.schema_version()", 0, NULL, &text, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    uint64_t number = 0;
    bool is_number = text && str_to_u64(str_of(text), &number) && number <= 9999;
    free(text);
    if (!is_number) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "herald.schema_version() does not return a number: is the schema herald "
                       "another program's?");
    }
    *out = (int)number;
    return STATUS_OK;
}

static enum status find_script(const char *path, const struct asset **out, struct err *err)
{
    *out = assets_find(path);
    return *out ? STATUS_OK
                : err_set(err, EXIT_CODE_FAILED, "this program was built without %s", path);
}

/* before: what goes first, in the same transaction; or NULL. */
static enum status run_script(struct admin *admin, const struct asset *before,
                              const struct asset *script, struct err *err)
{
    struct err ignored;
    if (admin_run(admin, NULL, "BEGIN", err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if ((before && admin_run(admin, before->path, before->body, err) != STATUS_OK) ||
        admin_run(admin, script->path, script->body, err) != STATUS_OK) {
        if (admin_run(admin, NULL, "ROLLBACK", &ignored) != STATUS_OK) {
            /* The connection is gone, and the transaction with it. */
        }
        return STATUS_FAILED;
    }
    return admin_run(admin, script->path, "COMMIT", err);
}

static enum status run_step(struct admin *admin, const struct asset *step, struct err *err)
{
    const struct asset *roles = NULL;
    if (step_number(step->path) == 1 && find_script(ROLES, &roles, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return run_script(admin, roles, step, err);
}

/* Those after step `from`. */
static enum status run_new_steps(struct admin *admin, FILE *say, int from, struct err *err)
{
    size_t n_new = 0, n_done = 0;
    for (size_t i = 0; i < n_assets; i++) {
        n_new += step_number(assets[i].path) > from;
    }
    struct progress progress = progress_begin(stderr, n_new, clock_ms());
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n_assets && status == STATUS_OK; i++) {
        if (step_number(assets[i].path) <= from) {
            continue;
        }
        progress_tell(&progress, n_done, assets[i].path, clock_ms());
        status = run_step(admin, &assets[i], err);
        if (status == STATUS_OK) {
            progress_end(&progress);
            fprintf(say, "installed %s\n", assets[i].path);
            n_done++;
        }
    }
    progress_end(&progress);
    return status;
}

static enum status run_steps(struct admin *admin, FILE *say, int *from, int *to, struct err *err)
{
    int newest = newest_step();
    if (installed_version(admin, from, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (*from > newest) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "the schema in the database is newer (step %d) than this program (step %d): "
                       "install a newer pgherald",
                       *from, newest);
    }
    if (run_new_steps(admin, say, *from, err) != STATUS_OK ||
        installed_version(admin, to, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (*to != newest) {
        return err_set(err, EXIT_CODE_FAILED, "the steps ran, but the schema says %d instead of %d",
                       *to, newest);
    }
    return STATUS_OK;
}

enum status install_schema(struct admin *admin, FILE *say, int *from, int *to, struct err *err)
{
    struct err ignored;
    /* "already exists, skipping" is no news. */
    if (admin_run(admin, NULL, "SET client_min_messages = warning", err) != STATUS_OK ||
        admin_run(admin, NULL, "SELECT pg_catalog.pg_advisory_lock(" INSTALL_LOCK ")", err) !=
            STATUS_OK) {
        return STATUS_FAILED;
    }
    enum status status = run_steps(admin, say, from, to, err);
    enum status unlocked =
        admin_run(admin, NULL, "SELECT pg_catalog.pg_advisory_unlock(" INSTALL_LOCK ")", &ignored);
    (void)unlocked; /* a lost connection has let go of it as well */
    return status;
}

/* ---- the subcommands ---- */

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
                                struct err *err)
{
    enum status status = password ? admin_set_password(admin, role, password, err) : STATUS_OK;
    if (status == STATUS_OK && password) {
        printf("The password of %s is set.\n", role);
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

static void print_outcome(int from, int to, bool has_password)
{
    if (from == to) {
        printf("The schema herald is up to date (step %d).\n", to);
        return;
    }
    printf("The schema herald is installed (step %d).\n", to);
    if (from > 0) {
        return;
    }
    printf("\nNext:\n");
    if (!has_password) {
        printf(
            "  * if herald_server, herald_hook and herald_judge log in with a password: pgherald "
            "install --server-password-file FILE\n");
    }
    printf("  * announce a table:   pgherald watch my_table\n"
           "  * allow to join it:   psql -c \"SELECT herald.set_rule('public.*', anonymous_clients "
           "=> true)\"\n"
           "  * start the server:   pgherald serve --database-url "
           "postgresql://herald_server@HOST/DATABASE\n");
}

enum task { TASK_INSTALL, TASK_UPGRADE, TASK_ROLES };

static enum status make_roles(struct admin *admin, struct err *err)
{
    const struct asset *roles = NULL;
    if (find_script(ROLES, &roles, err) != STATUS_OK ||
        run_script(admin, NULL, roles, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    printf(
        "The roles of pgherald are there. Nothing was installed: now a dump of a database with the "
        "schema herald can be restored.\n");
    return STATUS_OK;
}

static enum status bring_schema(struct admin *admin, enum task task, bool has_password,
                                struct err *err)
{
    int from = 0, to = 0;
    enum status status = STATUS_OK;
    if (task == TASK_UPGRADE) {
        status = installed_version(admin, &from, err);
        if (status == STATUS_OK && from == 0) {
            status = err_set(err, EXIT_CODE_CONFIG,
                             "nothing is installed in this database: run pgherald install, or "
                             "check --database-url");
        }
    }
    if (status == STATUS_OK) {
        status = install_schema(admin, stdout, &from, &to, err);
    }
    if (status == STATUS_OK) {
        print_outcome(from, to, has_password);
        status = admin_tell_following(admin, err);
    }
    return status;
}

static enum status perform(struct admin *admin, const struct config *config, enum task task,
                           struct err *err)
{
    struct passwords passwords = {0};
    enum status status = read_passwords(config, &passwords, err);
    if (status == STATUS_OK) {
        status = task == TASK_ROLES ? make_roles(admin, err)
                                    : bring_schema(admin, task, passwords.server != NULL, err);
    }
    if (status == STATUS_OK) {
        status = set_password(admin, "herald_server", passwords.server, err);
    }
    if (status == STATUS_OK) {
        status = set_password(admin, "herald_hook", passwords.hook, err);
    }
    if (status == STATUS_OK) {
        status = set_password(admin, "herald_judge", passwords.judge, err);
    }
    forget_password(passwords.server);
    forget_password(passwords.hook);
    forget_password(passwords.judge);
    return status;
}

static enum exit_code task_run(const struct invocation *invocation, enum task task, struct err *err)
{
    struct admin *admin = NULL;
    enum status status = admin_open(invocation->config->database.url, -1, &admin, err);
    if (status == STATUS_OK) {
        status = perform(admin, invocation->config, task, err);
    }
    admin_close(admin);
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
    const struct asset *script = NULL;
    if (!invocation->config->yes) {
        err_set(err, EXIT_CODE_USAGE,
                "uninstall removes the schema herald with its history, all rules and all watches; "
                "if that is meant: "
                "pgherald uninstall --yes");
        return EXIT_CODE_USAGE;
    }
    if (find_script("sql/uninstall.sql", &script, err) != STATUS_OK) {
        return err->code;
    }
    struct admin *admin = NULL;
    enum status status = admin_open(invocation->config->database.url, -1, &admin, err);
    if (status == STATUS_OK) {
        status = admin_run(admin, script->path, script->body, err);
    }
    admin_close(admin);
    if (status != STATUS_OK) {
        return err->code;
    }
    printf("The schema herald is removed.\n");
    return EXIT_CODE_OK;
}

const struct subcommand install_command = {
    .name = "install",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "[--database-url URL] [--server-password-file FILE] [--hook-password-file FILE] "
             "[--judge-password-file FILE] "
             "[--roles-only]",
    .summary = "install the schema, or bring it up to date",
    .about =
        "Runs the steps that the database does not have yet, each in its own transaction; running "
        "it again\n"
        "changes nothing. Needs a role that may create roles and schemas. A schema that is newer "
        "than this\n"
        "program is refused (exit code 78). The same files lie in sql/ and can be run with psql.",
    .options = CONFIG_FOR_INSTALL,
    .own = {install_options, 1},
    .run = run_install,
};

const struct subcommand upgrade_command = {
    .name = "upgrade",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "[--database-url URL] [--server-password-file FILE] [--hook-password-file FILE] "
             "[--judge-password-file FILE]",
    .summary = "bring an installed schema up to date",
    .about = "Like install, but refuses (exit code 78) where nothing is installed.",
    .options = CONFIG_FOR_INSTALL,
    .run = run_upgrade,
};

const struct subcommand uninstall_command = {
    .name = "uninstall",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "--yes [--database-url URL]",
    .summary = "remove the schema, the watches and the roles",
    .about = "Removes everything that install and watch made in this database, the history "
             "included, and the\n"
             "roles that nothing else in the cluster uses; it says which ones it kept.",
    .options = CONFIG_FOR_UNINSTALL,
    .run = run_uninstall,
};
