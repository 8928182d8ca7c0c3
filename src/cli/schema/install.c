/* SPDX-License-Identifier: PostgreSQL */
/* The numbered steps of sql/, which are built in. They never go back: a schema that is newer than the
 * program is refused, as an old server would misread it. Each step is one transaction that also
 * records its number, so that an interrupted install is continued by the next. */
#include "cli/schema/install.h"

#include <stdlib.h>
#include <string.h>

#include "assets.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/progress.h"

/* "herald" on a telephone, in the space of advisory locks that this program's schema uses for
 * nothing else. */
#define INSTALL_LOCK "437253, 1"

/* Runs before step 1, in its transaction. */
#define ROLES "sql/roles.sql"

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

enum status installed_version(struct admin *admin, int *out, struct err *err)
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
            if (say) {
                fprintf(say, "installed %s\n", assets[i].path);
            }
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

enum status install_roles(struct admin *admin, struct err *err)
{
    const struct asset *roles = NULL;
    return find_script(ROLES, &roles, err) == STATUS_OK ? run_script(admin, NULL, roles, err)
                                                        : STATUS_FAILED;
}

enum status uninstall_schema(struct admin *admin, struct err *err)
{
    const struct asset *script = NULL;
    return find_script("sql/uninstall.sql", &script, err) == STATUS_OK
               ? admin_run(admin, script->path, script->body, err)
               : STATUS_FAILED;
}
