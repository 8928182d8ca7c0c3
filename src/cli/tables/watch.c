/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald watch`, `unwatch`, `watches`: herald.watch() and its kin for those who type commands.
 * Only what was asked for is passed on, so the defaults stay those of the SQL function. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/admin.h"
#include "cli/command.h"

struct watch_arguments {
    char *channel, *columns, *exclude, *key_columns, *mode, *numbers, *keep, *visible;
    uint32_t max_bytes, max_snapshot;
    bool always, snapshot, restate;
};

#define OPTIONS_OF struct watch_arguments
#define WATCH (CONFIG_FOR_WATCH | ONLY_FLAG)
#include "config/rows.h"

static const struct option watch_options[] = {
    TEXT("channel", channel, "TEMPLATE", WATCH, NULL,
         "The channel of a row, such as orders/{customer_id}. Default: schema.table."),
    TEXT("columns", columns, "A,B", WATCH, NULL,
         "Announce these columns only. Default: all, also those that come later."),
    TEXT("exclude", exclude, "A,B", WATCH, NULL, "Announce all columns but these."),
    TEXT("key-columns", key_columns, "A,B", WATCH, NULL,
         "What names a row. Default: the primary key."),
    TEXT("mode", mode, "MODE", WATCH, NULL,
         "row (the default), or statement for tables that are loaded in bulk."),
    BYTES("max-bytes", max_bytes, WATCH, NULL, 1, INT32_MAX,
          "A larger change is announced by its key only. Default: 1MiB."),
    SWITCH("always", always, WATCH, "Also announce what logical replication applies."),
    TEXT("numbers", numbers, "FORM", WATCH, NULL,
         "text (the default): bigint and numeric as strings, for browsers; native: as JSON "
         "numbers."),
    TEXT("keep", keep, "A,B", WATCH, NULL,
         "Columns that the server stores beside a change and shows nobody: --visible may name "
         "them."),
    TEXT("visible", visible, "JSON", WATCH, NULL,
         "Who, of those who may join the channel, is shown a row: a filter, such as "
         "'{\"owner_id\": {\"eq\": {\"identity\": \"row_id\", \"dbo_id\": 12}}}'; or "
         "'\"everybody\"', "
         "the default, which must be said of a table with row level security."),
    SWITCH("restate", restate, WATCH,
           "What --visible says now holds for rows of before as well, in place of what was said "
           "then."),
    SWITCH("snapshot", snapshot, WATCH,
           "Clients may ask for the rows that are there. Needs a key that is announced."),
    COUNT("max-snapshot", max_snapshot, WATCH, NULL, 1, 1000000,
          "Most rows that one of them gets. Default: 10000."),
};
#define WATCH_TABLE                                                                                \
    ((struct option_table){watch_options, sizeof(watch_options) / sizeof(watch_options[0])})

static enum exit_code with_admin(const struct invocation *invocation,
                                 enum status (*use)(struct admin *admin,
                                                    const struct invocation *invocation,
                                                    struct err *err),
                                 struct err *err)
{
    struct admin *admin = NULL;
    enum status status = admin_open(invocation->config->database.url, -1, &admin, err);
    if (status == STATUS_OK) {
        status = use(admin, invocation, err);
    }
    admin_close(admin);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

/* The statement and its parameters, $1 being the table. */
struct call {
    struct buf sql;
    const char *params[10];
    int n;
};

static void add_argument(struct call *call, const char *name, const char *value, bool is_list)
{
    if (!value) {
        return;
    }
    call->params[call->n++] = value;
    buf_printf(&call->sql,
               is_list ? ", %s => pg_catalog.regexp_split_to_array($%d, '\\s*,\\s*')"
                       : ", %s => $%d",
               name, call->n);
}

static void add_number(struct call *call, const char *name, uint32_t value)
{
    if (value > 0) {
        buf_printf(&call->sql, ", %s => %u", name, value);
    }
}

static void add_switch(struct call *call, const char *name, bool is_on)
{
    if (is_on) {
        buf_printf(&call->sql, ", %s => true", name);
    }
}

static enum status call_watch(struct admin *admin, const struct watch_arguments *arguments,
                              const char *table, struct err *err)
{
    struct call call = {.params = {table}, .n = 1};
    char *ignored = NULL;
    buf_literal(&call.sql, "SELECT herald.watch($1::pg_catalog.regclass");
    add_argument(&call, "channel", arguments->channel, false);
    add_argument(&call, "columns", arguments->columns, true);
    add_argument(&call, "exclude", arguments->exclude, true);
    add_argument(&call, "key_columns", arguments->key_columns, true);
    add_argument(&call, "mode", arguments->mode, false);
    add_argument(&call, "numbers", arguments->numbers, false);
    add_argument(&call, "keep", arguments->keep, true);
    add_argument(&call, "visible", arguments->visible, false);
    add_number(&call, "max_bytes", arguments->max_bytes);
    add_number(&call, "max_snapshot", arguments->max_snapshot);
    add_switch(&call, "always", arguments->always);
    add_switch(&call, "restate", arguments->restate);
    add_switch(&call, "snapshot", arguments->snapshot);
    buf_char(&call.sql, ')');
    enum status status =
        admin_value(admin, buf_text(&call.sql), call.n, call.params, &ignored, err);
    free(ignored);
    buf_release(&call.sql);
    return status;
}

static enum status unwatch(struct admin *admin, const struct invocation *invocation,
                           struct err *err)
{
    const char *table = invocation->arguments->words[0];
    char *was_watched = NULL;
    if (admin_value(admin, "SELECT herald.unwatch($1::pg_catalog.regclass)", 1, &table,
                    &was_watched, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    /* If it was not, a notice has said so: nothing is left to do, which is what was asked for. */
    if (was_watched && strcmp(was_watched, "t") == 0) {
        printf("Changes of %s are not announced any more.\n", table);
    }
    free(was_watched);
    return STATUS_OK;
}

static enum status watches(struct admin *admin, const struct invocation *invocation,
                           struct err *err)
{
    (void)invocation;
    if (admin_print(admin,
                    "SELECT \"table\"::text AS \"table\", channel::text, "
                    "pg_catalog.array_to_string(columns, ', ') AS columns, "
                    "mode::text, enabled::text, stale::text, "
                    "coalesce(visible::text, '\"everybody\"') AS visible, snapshot::text "
                    "FROM herald.watches ORDER BY 1",
                    "No table is watched: pgherald watch TABLE", stdout, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return admin_tell_following(admin, err);
}

static enum exit_code run_watch(const struct invocation *invocation, struct err *err)
{
    const char *table = invocation->arguments->words[0];
    struct watch_arguments arguments = {0};
    struct admin *admin = NULL;
    enum status status = arguments_apply(invocation->arguments, WATCH_TABLE, &arguments, err);
    if (status == STATUS_OK) {
        status = admin_open(invocation->config->database.url, -1, &admin, err);
    }
    if (status == STATUS_OK) {
        status = call_watch(admin, &arguments, table, err);
    }
    if (status == STATUS_OK) {
        printf("Changes of %s are announced from now on.\n", table);
    }
    admin_close(admin);
    option_release(watch_options, WATCH_TABLE.n, &arguments);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

static enum exit_code run_unwatch(const struct invocation *invocation, struct err *err)
{
    return with_admin(invocation, unwatch, err);
}

static enum exit_code run_watches(const struct invocation *invocation, struct err *err)
{
    return with_admin(invocation, watches, err);
}

const struct subcommand watch_command = {
    .name = "watch",
    .group = COMMAND_GROUP_TABLES,
    .usage = "TABLE [--channel TEMPLATE] [--columns A,B] [OPTIONS]",
    .summary = "announce the changes of a table",
    .about = "Creates the trigger, with the rights of whoever connects: he must own TABLE and be a "
             "member of\n"
             "herald_admin. TABLE is written as in SQL: orders, sales.orders, '\"Order Lines\"'. "
             "Watching a table\n"
             "again replaces its settings. A column name with a comma in it needs herald.watch() "
             "in SQL.",
    .options = CONFIG_FOR_WATCH,
    .own = {watch_options, sizeof(watch_options) / sizeof(watch_options[0])},
    .min_words = 1,
    .max_words = 1,
    .run = run_watch,
};

const struct subcommand unwatch_command = {
    .name = "unwatch",
    .group = COMMAND_GROUP_TABLES,
    .usage = "TABLE [--database-url URL]",
    .summary = "do not announce them any more",
    .about = "Removes the trigger and its function. What is in the history stays.",
    .options = CONFIG_FOR_WATCH,
    .min_words = 1,
    .max_words = 1,
    .run = run_unwatch,
};

const struct subcommand watches_command = {
    .name = "watches",
    .group = COMMAND_GROUP_TABLES,
    .usage = "[--database-url URL]",
    .summary = "list the watched tables",
    .about = "Prints one line for each watched table.",
    .options = CONFIG_FOR_WATCH,
    .run = run_watches,
};
