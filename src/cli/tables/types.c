/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald types`: what the rows of the watched tables look like, for pages that are written in
 * TypeScript. It reads the very shapes by which the server makes JSON of rows (herald.shape), so
 * that excluded columns, numbers and templates are what pages get. */
#include <stdlib.h>

#include "cli/admin.h"
#include "cli/command.h"
#include "cli/tables/typescript.h"
#include "pg/shapes/shape_loader.h"

#define HEAD                                                                                       \
    "// Written by `pgherald types`: the rows of the watched tables, as pages get them. After a "  \
    "migration, write it anew.\n\nexport interface Watches {\n"

/* A row of herald.row_types(). */
static enum status put_row(const PGresult *rows, int row, struct buf *out, struct err *err)
{
    const char *reason = NULL;
    int64_t number = strtoll(PQgetvalue(rows, row, 0), NULL, 10);
    struct shape *shape = shape_load(number, str_of(PQgetvalue(rows, row, 1)), &reason);
    if (!shape) {
        return err_set(err, EXIT_CODE_FAILED,
                       "the database describes a watched table in a way that this pgherald does "
                       "not know (%s): run one of the server's version",
                       reason);
    }
    typescript_put_watch(out, &shape->f, PQgetvalue(rows, row, 2));
    shape_unref(shape);
    return STATUS_OK;
}

static enum status put_rows(const PGresult *rows, struct buf *out, struct err *err)
{
    buf_literal(out, HEAD);
    for (int row = 0; row < PQntuples(rows); row++) {
        if (put_row(rows, row, out, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
    }
    buf_literal(out, "}\n");
    return STATUS_OK;
}

/* All of it or nothing: it is meant for `> types.ts`. */
static enum status print_types(struct admin *admin, struct err *err)
{
    PGresult *rows = NULL;
    struct buf text = {0};
    enum status status = admin_rows(
        admin, "SELECT shape, description, not_null FROM herald.row_types()", 0, NULL, &rows, err);
    if (status == STATUS_OK) {
        status = put_rows(rows, &text, err);
    }
    if (status == STATUS_OK) {
        fputs(buf_text(&text), stdout);
        status = admin_tell_following(admin, err);
    }
    buf_release(&text);
    PQclear(rows);
    return status;
}

static enum exit_code run_types(const struct invocation *invocation, struct err *err)
{
    struct admin *admin = NULL;
    enum status status = admin_open(invocation->config->database.url, -1, &admin, err);
    if (status == STATUS_OK) {
        status = print_types(admin, err);
        if (status != STATUS_OK) {
            admin_explain(admin, "herald_admin", err);
        }
    }
    admin_close(admin);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

const struct subcommand types_command = {
    .name = "types",
    .group = COMMAND_GROUP_TABLES,
    .usage = "[--database-url URL]",
    .summary = "write the rows of the watched tables as TypeScript types",
    .about =
        "Prints an interface with a member for each watched table: its channel, its key, its row "
        "as JSON has it.\n"
        "For a client that knows which rows a channel brings:\n\n"
        "    pgherald types > watches.ts\n\n"
        "    import type { Watches } from './watches.ts';\n"
        "    const herald = connect<Watches>({ canonical });\n"
        "    const orders = await herald.table('live/orders').ready;     // its rows have a "
        "type\n\n"
        "After a migration, or another watch, write it anew.",
    .options = CONFIG_FOR_WATCH,
    .run = run_types,
};
