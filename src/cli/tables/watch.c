/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald watch`, `unwatch`, `watches`: herald.set_watch() and its kin for those who type
 * commands. What is not named stays as it is, and the database refuses what would show more. */
#include "cli/ask/ask.h"
#include "core/json_span.h"

struct watch_arguments {
    char *channel, *columns, *exclude, *key_columns, *mode, *numbers, *keep, *visible, *claims;
    uint32_t max_bytes, max_snapshot;
    bool always, snapshot, restate, replace;
};

#define OPTIONS_OF struct watch_arguments
#define WATCH (CONFIG_FOR_WATCH | ONLY_FLAG)
#include "config/rows.h"

static const struct option watch_options[] = {
    TEXT("channel", channel, "TEMPLATE", WATCH, NULL,
         "The channel of a row, such as orders/{customer_id}. Default: schema.table."),
    TEXT("columns", columns, "A,B", WATCH, NULL,
         "Announce these columns only. Default: all, also those that come later ('*')."),
    TEXT("exclude", exclude, "A,B", WATCH, NULL, "Announce all columns but these."),
    TEXT("key-columns", key_columns, "A,B", WATCH, NULL,
         "What names a row. Default: the primary key ('')."),
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
    TEXT("claims", claims, "A,B", WATCH, NULL,
         "Claims that tell groups of clients apart, where --visible asks Postgres."),
    SWITCH("replace", replace, WATCH,
           "What is named may show more than the watch does now. Without it that is refused."),
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

#define WATCHES                                                                                    \
    "SELECT \"table\"::text AS \"table\", channel, columns, mode, enabled, stale, visible, "       \
    "snapshot, max_snapshot, reduced, skipped FROM herald.watches"

static const struct ask watched = {
    .rows = WATCHES " WHERE \"table\" = $1::pg_catalog.regclass",
    .done = "Changes of $ are announced from now on.",
};

static enum status watch(struct admin *admin, const struct invocation *invocation,
                         const struct watch_arguments *arguments, struct err *err)
{
    const char *table = invocation->arguments->words[0];
    struct named_call call = {.params = {table}, .n = 1};
    bool is_well;
    buf_literal(&call.sql, "SELECT herald.set_watch($1::pg_catalog.regclass");
    named_call_add(&call, invocation->arguments, WATCH_TABLE, arguments);
    enum status status = named_call_run(&call, admin, err);
    named_call_release(&call);
    if (status != STATUS_OK) {
        admin_explain(admin, "herald_admin", err);
        return status;
    }
    return ask_tell(admin, &watched, invocation, 1, &table, &is_well, err);
}

static enum status check_visible(const char *visible, struct err *err)
{
    struct str text = str_of(visible);
    return !visible || (str_is_utf8(text) && json_check(text))
               ? STATUS_OK
               : err_set(err, EXIT_CODE_USAGE,
                         "--visible is not JSON: it wants a filter, or '\"everybody\"' with the "
                         "double quotes, which the shell must leave");
}

static enum exit_code run_watch(const struct invocation *invocation, struct err *err)
{
    struct watch_arguments arguments = {0};
    struct admin *admin = NULL;
    enum status status = arguments_apply(invocation->arguments, WATCH_TABLE, &arguments, err);
    if (status == STATUS_OK) {
        status = check_visible(arguments.visible, err);
    }
    if (status == STATUS_OK) {
        status = admin_open(invocation->config->database.url, -1, &admin, err);
    }
    if (status == STATUS_OK) {
        status = watch(admin, invocation, &arguments, err);
    }
    admin_close(admin);
    option_release(watch_options, WATCH_TABLE.n, &arguments);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

/* If it was not watched, a notice has said so: nothing is left to do, which is what was asked for.
 */
static const struct ask unwatch = {
    .rows = "SELECT $1 AS \"table\" WHERE herald.unwatch($1::pg_catalog.regclass)",
    .done = "Changes of $ are not announced any more.",
    .role = "herald_admin",
};

static const struct ask watches = {
    .rows = WATCHES " ORDER BY 1",
    .shown = "\"table\", channel, pg_catalog.array_to_string(columns, ', ') AS columns, mode, "
             "enabled, stale, coalesce(visible::text, '\"everybody\"') AS visible, snapshot",
    .empty = "No table is watched: pgherald watch TABLE",
    .role = "herald_admin",
    .tells_following = true,
};

const struct subcommand watch_command = {
    .name = "watch",
    .group = COMMAND_GROUP_TABLES,
    .usage = "TABLE [--channel TEMPLATE] [--columns A,B] [--replace] [OPTIONS]",
    .summary = "announce the changes of a table",
    .about =
        "Creates the trigger, with the rights of whoever connects: he must own TABLE and be a "
        "member of\n"
        "herald_admin. TABLE is written as in SQL: orders, sales.orders, '\"Order Lines\"'. "
        "Of a table that is\n"
        "watched only what is named changes; --snapshot=no and the like take away. What would "
        "show more than\n"
        "before takes --replace: more columns; another --visible or --claims; another channel; "
        "--snapshot, --always\n"
        "and --restate, where they were off; the primary key instead of --key-columns. A "
        "column name with a comma\n"
        "in it needs herald.set_watch() in SQL.",
    .options = CONFIG_FOR_WATCH,
    .own = {watch_options, sizeof(watch_options) / sizeof(watch_options[0])},
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = run_watch,
};

const struct subcommand unwatch_command = {
    .name = "unwatch",
    .group = COMMAND_GROUP_TABLES,
    .usage = "TABLE [--json] [--database-url URL]",
    .summary = "do not announce them any more",
    .about = "Removes the trigger and its function. What is in the history stays.",
    .options = CONFIG_FOR_WATCH,
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = ask_run,
    .ask = &unwatch,
};

const struct subcommand watches_command = {
    .name = "watches",
    .group = COMMAND_GROUP_TABLES,
    .usage = "[--json] [--database-url URL]",
    .summary = "list the watched tables",
    .about = "Prints one line for each watched table.",
    .options = CONFIG_FOR_WATCH,
    .has_json = true,
    .run = ask_run,
    .ask = &watches,
};
