/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald why`: may this identity, and who says so? It asks the hub that the server has (trial.c), and
 * says in Postgres' log that it did, as functions and policies of others were run for it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/login.h"
#include "cli/why/key.h"
#include "cli/why/trial.h"
#include "cli/why/verdict.h"
#include "cli/why/world.h"
#include "core/channel_name.h"
#include "core/json_span.h"
#include "core/live/narrow.h"
#include "core/row/channel.h"

struct why_arguments {
    char *as, *extras;
    bool anonymous;
};

#define OPTIONS_OF struct why_arguments
#define WHY (CONFIG_FOR_WHY | ONLY_FLAG)
#include "config/rows.h"

static const struct option why_options[] = {
    TEXT("as", as, "DBO/ROW", WHY, NULL,
         "Who: the table and the row of the user, as his token has them."),
    TEXT("extras", extras, "JSON", WHY, NULL, "And the extras of that token, an object."),
    SWITCH("anonymous", anonymous, WHY, "Who has no token."),
};
#define WHY_TABLE ((struct option_table){why_options, sizeof(why_options) / sizeof(why_options[0])})

/* ---- what is asked ---- */

static enum status read_who(const struct why_arguments *arguments, struct identity **out,
                            struct err *err)
{
    const char *slash = arguments->as ? strchr(arguments->as, '/') : NULL;
    const char *extras = arguments->extras ? arguments->extras : "{}";
    uint64_t dbo_id;
    *out = NULL;
    if (arguments->anonymous == (arguments->as != NULL)) {
        return err_set(err, EXIT_CODE_USAGE, "why wants --as DBO/ROW or --anonymous");
    }
    if (arguments->anonymous) {
        return arguments->extras ? err_set(err, EXIT_CODE_USAGE, "who is anonymous has no extras")
                                 : STATUS_OK;
    }
    if (!slash ||
        !str_to_u64((struct str){arguments->as, (size_t)(slash - arguments->as)}, &dbo_id) ||
        dbo_id > INT32_MAX || !slash[1] || !str_is_utf8(str_of(slash))) {
        return err_set(err, EXIT_CODE_USAGE,
                       "--as wants DBO/ROW: the number of a table, and the key of a row; 12/34");
    }
    if (!str_is_utf8(str_of(extras)) || json_scan(str_of(extras), NULL, 0) != JSON_KIND_OBJECT) {
        return err_set(err, EXIT_CODE_USAGE, "--extras wants a JSON object");
    }
    *out = identity_new((int32_t)dbo_id, str_of(slash + 1), str_of(extras), 0);
    return STATUS_OK;
}

static enum status read_case(const struct arguments *words, struct why_case *out, struct err *err)
{
    static const char *const names[] = {"join", "send", "see"};
    const char *name = words->n_words > 1 ? words->words[1] : "join";
    out->channel = words->words[0];
    out->key = words->n_words > 2 ? words->words[2] : NULL;
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        bool wants_key = i == WHY_SEE;
        if (strcmp(name, names[i]) == 0 && wants_key == (out->key != NULL)) {
            out->action = (enum why_action)i;
            return channel_name_is_valid(str_of(out->channel))
                       ? STATUS_OK
                       : err_set(err, EXIT_CODE_USAGE, "that is no name of a channel");
        }
    }
    return err_set(err, EXIT_CODE_USAGE, "what may be asked is join, send, or see KEY");
}

/* ---- frames of a client ---- */

static void put_frame(struct buf *out, const char *action, const char *channel, const char *payload)
{
    buf_printf(out, "{\"action\":\"%s\",\"options\":{\"ref\":\"why\",\"channel\":", action);
    buf_json_string(out, str_of(channel));
    buf_printf(out, "},\"payload\":%s}", payload);
}

/* ---- asking ---- */

static void ask_plain(struct trial *trial, const struct why_case *asked, struct why_answer *out)
{
    struct trial_answer answer = {0};
    struct buf frame = {0};
    put_frame(&frame, "join", asked->channel, "null");
    trial_ask(trial, buf_span(&frame), false, &answer);
    if (asked->action == WHY_SEND && answer.is_allowed) {
        trial_answer_release(&answer);
        buf_clear(&frame);
        put_frame(&frame, "message", asked->channel, "null");
        trial_ask(trial, buf_span(&frame), false, &answer);
    }
    verdict_make(asked, &answer, 0, out);
    trial_answer_release(&answer);
    buf_release(&frame);
}

/* How many rows with that key there are, whoever may see them; false: it cannot be told. */
static bool count_rows(struct trial *trial, const struct why_case *asked, struct str filter_text,
                       size_t *n)
{
    struct buf list = {0}, conditions = {0}, why = {0};
    bool is_known = false;
    struct filter *filter = filter_parse(filter_text, FILTER_CLIENT, &why);
    if (filter) {
        narrow_filter(&list, filter, asked->shape, NULL);
        narrow_channel(&list, asked->shape, str_of(asked->channel));
        buf_printf(&conditions, "[%s]", buf_text(&list));
        is_known = trial_count_rows(trial, asked->shape->f.watch, str_of(asked->channel),
                                    buf_span(&conditions), n);
    }
    filter_unref(filter);
    buf_release(&conditions);
    buf_release(&list);
    buf_release(&why);
    return is_known;
}

static void ask_row(struct trial *trial, const struct why_case *asked, struct str filter,
                    struct why_answer *out)
{
    struct trial_answer answer = {0};
    struct buf frame = {0}, payload = {0};
    buf_printf(&payload, "{\"snapshot\":true,\"filter\":%.*s}", (int)filter.len, filter.ptr);
    put_frame(&frame, "join", asked->channel, buf_text(&payload));
    trial_ask(trial, buf_span(&frame), true, &answer);
    size_t n = answer.n_rows;
    bool is_counted = !answer.is_allowed || n > 0 || count_rows(trial, asked, filter, &n);
    if (is_counted) {
        verdict_make(asked, &answer, n, out);
    } else {
        verdict_unknown(out, "unavailable",
                        "no such row is shown, and whether there is one could not be read",
                        "ask again; Postgres' log says what has failed");
    }
    trial_answer_release(&answer);
    buf_release(&frame);
    buf_release(&payload);
}

static void ask_see(struct trial *trial, const struct why_case *asked, struct why_answer *out)
{
    struct buf filter = {0};
    const char *why;
    if (!asked->shape) {
        verdict_unknown(out, "snapshot_off", "no table announces its rows on this channel",
                        "SELECT herald.watch(…): a template that gives this name");
    } else if ((why = key_filter(asked->shape, asked->key, &filter)) != NULL) {
        verdict_unknown(out, "bad_filter", why, "another KEY");
    } else {
        ask_row(trial, asked, buf_span(&filter), out);
    }
    buf_release(&filter);
}

/* ---- the database ---- */

#define LOG_LINE                                                                                   \
    "DO $$BEGIN RAISE LOG 'herald: why: %', pg_catalog.current_setting('herald.why'); END$$"

/* Whoever reads that log sees for whom functions and policies ran. */
static enum status tell_log(struct admin *admin, const struct why_case *asked,
                            const struct why_answer *verdict, struct err *err)
{
    char *line = mem_printf("%s %s%s%s as %s: %s", why_action_name(asked->action),
                            asked->key ? asked->key : "", asked->key ? " on " : "", asked->channel,
                            asked->as, verdict_name(verdict->verdict));
    const char *params[] = {line};
    char *set = NULL;
    enum status status = admin_value(admin, "SELECT pg_catalog.set_config('herald.why', $1, false)",
                                     1, params, &set, err);
    if (status == STATUS_OK) {
        status = admin_run(admin, NULL, LOG_LINE, err);
    }
    free(set);
    free(line);
    return status;
}

static const struct shape *shape_behind(const struct site *site, const char *channel)
{
    for (size_t i = 0; i < site->n_watches; i++) {
        const struct shape *shape = site->watches[i].shape;
        if (shape && shape_matches(shape, str_of(channel))) {
            return shape;
        }
    }
    return NULL;
}

static enum exit_code try_it(struct admin *admin, const struct config *config, bool is_json,
                             struct why_case *asked, struct err *err)
{
    struct world world = {0};
    struct why_answer verdict = {0};
    enum exit_code code;
    if (world_load(admin, &world, err) != STATUS_OK) {
        world_release(&world);
        return err->code;
    }
    const struct trial_options options = {.config = config,
                                          .shapes = &world.shapes,
                                          .key = {(const char *)world.key, world.key_len},
                                          .who = asked->who};
    struct site *site = world.site;
    world.site = NULL;
    bool is_enabled = site->is_enabled;
    asked->rule = site_rule(site, str_of(asked->channel));
    asked->shape = shape_behind(site, asked->channel);
    struct trial *trial = trial_new(&options, site);
    if (!is_enabled) { /* which is asked before there is a session */
        verdict_switched_off(&verdict);
    } else if (asked->action == WHY_SEE) {
        ask_see(trial, asked, &verdict);
    } else {
        ask_plain(trial, asked, &verdict);
    }
    if (tell_log(admin, asked, &verdict, err) == STATUS_OK) {
        verdict_print(&verdict, asked, is_json, stdout);
        code = verdict.verdict == WHY_ALLOWED ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    } else {
        code = err->code;
    }
    verdict_release(&verdict);
    trial_free(trial);
    world_release(&world);
    return code;
}

static enum exit_code connect_and_try(const struct invocation *invocation, struct why_case *asked,
                                      struct err *err)
{
    struct config config = *invocation->config;
    struct login login;
    struct admin *admin = NULL;
    enum exit_code code;
    if (login_complete(&config.database, &login, err) != STATUS_OK) {
        return err->code;
    }
    config.database.url = login.url;
    config.database.hook_url = login.hook_url;
    config.database.judge_url = login.judge_url;
    asked->timeout_ms = config.database.hook_timeout_ms;
    if (admin_open(config.database.url, -1, &admin, err) != STATUS_OK) {
        code = err->code = EXIT_CODE_CONFIG;
    } else {
        code = try_it(admin, &config, invocation->is_json, asked, err);
        admin_close(admin);
    }
    login_release(&login);
    return code;
}

static enum exit_code run_why(const struct invocation *invocation, struct err *err)
{
    struct why_arguments arguments = {0};
    struct why_case asked = {0};
    struct identity *who = NULL;
    enum exit_code code;
    if (arguments_apply(invocation->arguments, WHY_TABLE, &arguments, err) != STATUS_OK ||
        read_case(invocation->arguments, &asked, err) != STATUS_OK ||
        read_who(&arguments, &who, err) != STATUS_OK) {
        code = err->code;
    } else {
        asked.who = who;
        asked.as = who ? arguments.as : "anonymous";
        code = connect_and_try(invocation, &asked, err);
    }
    identity_unref(who);
    option_release(why_options, WHY_TABLE.n, &arguments);
    return code;
}

const struct subcommand why_command = {
    .name = "why",
    .group = COMMAND_GROUP_LOOK,
    .usage = "CHANNEL --as DBO/ROW|--anonymous [--extras JSON] [join|send|see KEY] [--json]",
    .summary = "say whether somebody may, and who says so",
    .about =
        "Asks what a server would answer to that identity: may it join CHANNEL (the default), send "
        "to it, or see the\n"
        "row with that KEY of the table behind it (one of several columns as a JSON object; the "
        "watch must have\n"
        "snapshot)? Says the verdict, the rule, function or policy that decided, and what would "
        "change it. Functions\n"
        "and policies run as with a server, under hook-timeout, but read only and rolled back; "
        "on_... functions do\n"
        "not. A line of it goes to Postgres' log. Connects as the server does (-c FILE), or as a "
        "superuser.\n\n"
        "Exit codes: 0 allowed, 1 refused or unknown, 64 bad usage, 78 no connection, or not the "
        "rights.",
    .options = CONFIG_FOR_WHY,
    .own = {why_options, sizeof(why_options) / sizeof(why_options[0])},
    .has_json = true,
    .min_words = 1,
    .max_words = 3,
    .run = run_why,
};
