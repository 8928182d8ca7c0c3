/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald rule set`, `rule drop`. What a rule says may be written as options or as in SQL:
 * presence, presence=no, message_history=100, authorize=app.may. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/ask/ask.h"
#include "config/guess.h"

struct rule_arguments {
    bool anonymous_clients, public_messaging, public_auth, private_messaging, private_auth,
        auth_channel, presence, active;
    uint32_t message_history, messages_per_minute;
    char *authorize, *on_join, *on_message, *on_leave, *on_connect, *on_disconnect;
};

#define OPTIONS_OF struct rule_arguments
#define RULE (CONFIG_FOR_WATCH | ONLY_FLAG)
#include "config/rows.h"

#define FUNCTION(name, field, help) TEXT(name, field, "FUNCTION", RULE, NULL, help)

static const struct option rule_options[] = {
    SWITCH("anonymous-clients", anonymous_clients, RULE, "Clients without an identity may join."),
    SWITCH("public-messaging", public_messaging, RULE, "Clients may send to the channel."),
    SWITCH("public-auth", public_auth, RULE, "Only clients with an identity may send."),
    SWITCH("private-messaging", private_messaging, RULE,
           "Clients may send to one another by socket id."),
    SWITCH("private-auth", private_auth, RULE, "Only between clients with an identity."),
    SWITCH("auth-channel", auth_channel, RULE,
           "Messages marked authenticated go to clients with an identity only."),
    SWITCH("presence", presence, RULE, "Members are listed."),
    COUNT("message-history", message_history, RULE, NULL, 0, INT32_MAX,
          "How many events are kept for ever; above 0 messages go through the log."),
    COUNT("messages-per-minute", messages_per_minute, RULE, NULL, 0, INT32_MAX,
          "How many messages one sender may send on one channel; 0: any number."),
    SWITCH("active", active, RULE, "An inactive rule is as good as absent."),
    FUNCTION("authorize", authorize, "Decides who may join and send; '-' takes it away."),
    FUNCTION("on-join", on_join, "Hears of a join first, and may refuse it."),
    FUNCTION("on-message", on_message, "Each message passes it."),
    FUNCTION("on-leave", on_leave, "Hears when a client leaves."),
    FUNCTION("on-connect", on_connect, "Hears of new sessions."),
    FUNCTION("on-disconnect", on_disconnect, "Hears of ended sessions."),
};
#define RULE_TABLE                                                                                 \
    ((struct option_table){rule_options, sizeof(rule_options) / sizeof(rule_options[0])})

/* - and _ are the same here. */
static bool is_name_of(const struct option *option, struct str word)
{
    if (strlen(option->name) != word.len) {
        return false;
    }
    for (size_t i = 0; i < word.len; i++) {
        if ((word.ptr[i] == '_' ? '-' : word.ptr[i]) != option->name[i]) {
            return false;
        }
    }
    return true;
}

static enum status refuse_word(struct str word, struct err *err)
{
    struct guess guess;
    char *name = str_dup(word);
    for (char *c = name; *c; c++) {
        *c = *c == '_' ? '-' : *c;
    }
    guess_init(&guess, str_of(name));
    for (size_t i = 0; i < RULE_TABLE.n; i++) {
        guess_try(&guess, rule_options[i].name);
    }
    err_set(err, EXIT_CODE_USAGE,
            "a rule says nothing of \"%.*s\"%s%s (pgherald rule set --help lists what it says)",
            (int)word.len, word.ptr, guess.best ? "; did you mean " : "",
            guess.best ? guess.best : "");
    free(name);
    return STATUS_FAILED;
}

static void add(struct arguments *arguments, const struct option *option, const char *text)
{
    arguments->given =
        mem_array(arguments->given, arguments->n_given + 1, sizeof(*arguments->given));
    arguments->given[arguments->n_given++] = (struct argument){option, text};
}

static enum status add_word(struct arguments *arguments, const char *word, struct err *err)
{
    struct str name = {word, strcspn(word, "=")};
    for (size_t i = 0; i < RULE_TABLE.n; i++) {
        const struct option *option = &rule_options[i];
        if (!is_name_of(option, name)) {
            continue;
        }
        bool is_empty = word[name.len] == '\0' || word[name.len + 1] == '\0';
        if (is_empty && option->type != OPTION_SWITCH) {
            return err_set(err, EXIT_CODE_USAGE, "%s wants a value: %.*s=%s%s", word, (int)name.len,
                           word, option->value_name,
                           option->type == OPTION_TEXT ? ", or - for none" : "");
        }
        add(arguments, option, word[name.len] ? word + name.len + 1 : "yes");
        return STATUS_OK;
    }
    return refuse_word(name, err);
}

/* The options, and the words as if they were options. */
static enum status collect(const struct arguments *given, struct arguments *out, struct err *err)
{
    for (size_t i = 0; i < given->n_given; i++) {
        add(out, given->given[i].option, given->given[i].text);
    }
    for (size_t i = 1; i < given->n_words; i++) {
        if (add_word(out, given->words[i], err) != STATUS_OK) {
            return STATUS_FAILED;
        }
    }
    return STATUS_OK;
}

static const struct ask rule_now = {
    .rows = "SELECT * FROM herald.rules WHERE channel = $1",
    .done = "The rule $ is set.",
};

static enum status set_rule(struct admin *admin, const struct invocation *invocation,
                            const struct arguments *said, const struct rule_arguments *values,
                            struct err *err)
{
    const char *channel = invocation->arguments->words[0];
    struct named_call call = {.params = {channel}, .n = 1};
    bool is_well;
    buf_literal(&call.sql, "SELECT herald.set_rule($1");
    named_call_add(&call, said, RULE_TABLE, values);
    enum status status = named_call_run(&call, admin, err);
    named_call_release(&call);
    if (status != STATUS_OK) {
        admin_explain(admin, "herald_admin", err);
        return status;
    }
    return ask_tell(admin, &rule_now, invocation, 1, &channel, &is_well, err);
}

static enum exit_code run_rule_set(const struct invocation *invocation, struct err *err)
{
    struct arguments said = {0};
    struct rule_arguments values = {0};
    struct admin *admin = NULL;
    enum status status = collect(invocation->arguments, &said, err);
    if (status == STATUS_OK) {
        status = arguments_apply(&said, RULE_TABLE, &values, err);
    }
    if (status == STATUS_OK) {
        status = admin_open(invocation->config->database.url, -1, &admin, err);
    }
    if (status == STATUS_OK) {
        status = set_rule(admin, invocation, &said, &values, err);
    }
    admin_close(admin);
    option_release(rule_options, RULE_TABLE.n, &values);
    arguments_release(&said);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

const struct subcommand rule_set_command = {
    .name = "rule set",
    .group = COMMAND_GROUP_RULES,
    .usage = "CHANNEL [NAME|NAME=VALUE …] [OPTIONS]",
    .summary = "make or change the rule of channels",
    .about = "CHANNEL is a name, prefix/*, schema.* or *. What is not named stays as it is; a new "
             "rule begins with\n"
             "nothing allowed but to join with an identity. What a rule says are options, or "
             "words as in SQL:\n\n"
             "    pgherald rule set 'chat/*' public_messaging presence message_history=100\n"
             "    pgherald rule set 'chat/*' presence=no authorize=-",
    .options = CONFIG_FOR_WATCH,
    .own = {rule_options, sizeof(rule_options) / sizeof(rule_options[0])},
    .has_json = true,
    .min_words = 1,
    .max_words = 32,
    .run = run_rule_set,
};

static const struct ask rule_drop = {
    .call = "SELECT herald.drop_rule($1)",
    .rows = "SELECT $1 AS channel",
    .done = "The rule $ is gone; the next less special one takes its place.",
    .role = "herald_admin",
};

const struct subcommand rule_drop_command = {
    .name = "rule drop",
    .group = COMMAND_GROUP_RULES,
    .usage = "CHANNEL [--json] [--database-url URL]",
    .summary = "remove the rule of channels",
    .about = "CHANNEL is the rule's name, as pgherald rules prints it.",
    .options = CONFIG_FOR_WATCH,
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = ask_run,
    .ask = &rule_drop,
};
