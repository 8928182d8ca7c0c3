/* SPDX-License-Identifier: PostgreSQL */
/* Commands that do something: publish, disconnect, refresh. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask/ask.h"
#include "cli/input.h"
#include "core/json_span.h"

#define OPTIONS_OF struct ask_values
#define ASK (CONFIG_FOR_WATCH | ONLY_FLAG)
#include "config/rows.h"

/* ---- publish ---- */

#define MAX_DATA ((size_t)16 * 1024 * 1024) /* that of herald.publish() */

static enum status check_data(const char *text, size_t len, struct err *err)
{
    struct str data = {text, len};
    if (strlen(text) != len || !str_is_utf8(data) || !json_check(data)) {
        return err_set(err, EXIT_CODE_USAGE,
                       "publish: DATA is not JSON; text stands in double quotes, which the shell "
                       "must leave: '\"hello\"'");
    }
    return STATUS_OK;
}

static enum status read_data(const char **params, char **owned, struct err *err)
{
    if (strcmp(params[1], "-") != 0) {
        return check_data(params[1], strlen(params[1]), err);
    }
    struct buf data = {0};
    enum status status = input_read(MAX_DATA, &data, err);
    if (status == STATUS_OK && data.len == 0) {
        status = err_set(err, EXIT_CODE_USAGE, "publish: stdin is empty, and DATA is JSON");
    }
    if (status == STATUS_OK) {
        status = check_data(buf_text(&data), data.len, err);
    }
    *owned = mem_strdup(buf_text(&data));
    params[1] = *owned;
    buf_release(&data);
    return status;
}

static const struct option publish_options[] = {
    COUNT("dbo-id", dbo_id, ASK, NULL, 1, INT32_MAX, "Only to users of this table."),
    TEXT("row-id", row_id, "KEY", ASK, NULL, "… and only to this one."),
};

static const struct ask publish = {
    .call = "SELECT herald.publish($1, $2::json, $3::int, $4)",
    .rows = "SELECT $1 AS channel, $3::int AS dbo_id, $4 AS row_id",
    .done = "Published to $.",
    .role = "herald_publisher",
    .prepare = read_data,
};

const struct subcommand publish_command = {
    .name = "publish",
    .group = COMMAND_GROUP_ACT,
    .usage = "CHANNEL DATA|- [--dbo-id N [--row-id KEY]] [--json] [--database-url URL]",
    .summary = "send an event to a channel",
    .about = "DATA is JSON, or - to read it from stdin. It is checked before it is sent. Whoever "
             "connects is a\n"
             "member of herald_publisher.",
    .options = CONFIG_FOR_WATCH,
    .own = {publish_options, sizeof(publish_options) / sizeof(publish_options[0])},
    .has_json = true,
    .min_words = 2,
    .max_words = 2,
    .run = ask_run,
    .ask = &publish,
};

/* ---- disconnect ---- */

static const struct option disconnect_options[] = {
    COUNT("dbo-id", dbo_id, ASK, NULL, 1, INT32_MAX, "Users of this table."),
    TEXT("row-id", row_id, "KEY", ASK, NULL, "This one of them."),
    TEXT("socket-id", socket_id, "ID", ASK, NULL, "This session."),
    TEXT("channel", channel, "NAME", ASK, NULL,
         "Only remove them from this channel; alone: all who are in it."),
    TEXT("reason", reason, "TEXT", ASK, NULL, "What they are told."),
};

static const struct ask disconnect = {
    .call = "SELECT herald.disconnect($1::int, $2, $3, $4, $5)",
    .rows = "SELECT $1::int AS dbo_id, $2 AS row_id, $3 AS socket_id, $4 AS channel, $5 AS reason",
    .done = "Asked for: each server does it as soon as it hears of it, and says so in its log.",
    .role = "herald_publisher",
    .needs = "dbo-id socket-id channel ",
    .needs_said = "say whom: --dbo-id N, --dbo-id N --row-id KEY, --socket-id ID or --channel NAME",
};

const struct subcommand disconnect_command = {
    .name = "disconnect",
    .group = COMMAND_GROUP_ACT,
    .usage = "[--dbo-id N [--row-id KEY]] [--socket-id ID] [--channel NAME] [--reason TEXT] "
             "[--json] [--database-url URL]",
    .summary = "end sessions, or remove them from a channel",
    .about = "Ends the sessions that match all that is given. It keeps nobody from coming back: "
             "take away the right\n"
             "first. Whoever connects is a member of herald_publisher.",
    .options = CONFIG_FOR_WATCH,
    .own = {disconnect_options, sizeof(disconnect_options) / sizeof(disconnect_options[0])},
    .has_json = true,
    .run = ask_run,
    .ask = &disconnect,
};

/* ---- refresh ---- */

static const struct ask refresh = {
    .rows = "SELECT r.n = 0 AS ok, r.n AS failed FROM (SELECT herald.refresh() AS n) r",
    .role = "herald_admin",
    .is_record = true,
    .is_verdict = true,
};

const struct subcommand refresh_command = {
    .name = "refresh",
    .group = COMMAND_GROUP_TABLES,
    .usage = "[--json] [--database-url URL]",
    .summary = "write the triggers anew after a migration",
    .about = "Needed where nothing follows an ALTER TABLE: no event triggers and no running "
             "server. Prints how many\n"
             "tables it could not do; exit code 1 if there are any, and a sentence for each on "
             "stderr.",
    .options = CONFIG_FOR_WATCH,
    .has_json = true,
    .run = ask_run,
    .ask = &refresh,
};
