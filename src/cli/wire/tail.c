/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald tail`: what the clients of a channel get, for who sits at a terminal. */
#include "cli/command.h"
#include "cli/dev/stop.h"
#include "cli/wire/follow.h"
#include "cli/wire/where.h"

struct tail_arguments {
    char *url, *token, *token_file, *since, *ca_file;
    uint32_t limit;
    bool history;
};

#define OPTIONS_OF struct tail_arguments
#define TAIL (CONFIG_FOR_TAIL | ONLY_FLAG)
#include "config/rows.h"

static const struct option tail_options[] = {
    TEXT("url", url, "URL", TAIL, NULL,
         "The server, ws://HOST:PORT or wss://HOST, with or without /rt/<canonical>. Default: "
         "listen of the configuration on this machine."),
    TEXT("token", token, "TOKEN", TAIL, NULL,
         "Whose eyes it has; such as pgherald token makes. Default: an anonymous client's."),
    PATH("token-file", token_file, TAIL,
         "The same, the first line of FILE, read again at each connection."),
    TEXT("since", since, "EPOCH/OFFSET", TAIL, NULL,
         "First what came after that position, which it says when it joins."),
    SWITCH("history", history, TAIL, "First what the channel keeps."),
    COUNT("limit", limit, TAIL, NULL, 0, UINT32_MAX, "End after so many events; also -n."),
    PATH("ca-file", ca_file, TAIL,
         "The certificates, PEM, that one of must have signed that of the server. Default: those "
         "that the system trusts."),
};
#define TAIL_TABLE                                                                                 \
    ((struct option_table){tail_options, sizeof(tail_options) / sizeof(tail_options[0])})

static bool on_frame(const void *arg, const struct told *told)
{
    const struct invocation *invocation = arg;
    return line_print(told, invocation->is_json, stdout);
}

static enum status read_arguments(const struct invocation *invocation,
                                  struct tail_arguments *arguments, struct target *target,
                                  struct err *err)
{
    if (arguments_apply(invocation->arguments, TAIL_TABLE, arguments, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (arguments->token && arguments->token_file) {
        return err_set(err, EXIT_CODE_USAGE,
                       "tail: --token and --token-file are two tokens: give one of them");
    }
    return where_find(invocation->config, arguments->url, target, err);
}

static enum status tail(const struct invocation *invocation, struct tail_arguments *arguments,
                        struct err *err)
{
    struct target target;
    if (read_arguments(invocation, arguments, &target, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    stop_catch();
    const struct follow_options options = {
        .target = &target,
        .ca_file = arguments->ca_file,
        .channel = invocation->arguments->words[0],
        .token = arguments->token,
        .token_file = arguments->token_file,
        .since = arguments->since,
        .wants_history = arguments->history,
        .most = arguments->limit,
        .stop_fd = stop_fd(),
        .on_frame = on_frame,
        .arg = invocation,
    };
    return follow(&options, err);
}

static enum exit_code run_tail(const struct invocation *invocation, struct err *err)
{
    struct tail_arguments arguments = {0};
    enum status status = tail(invocation, &arguments, err);
    if (stop_is_asked()) {
        clearerr(stdout); /* a signal interrupts the write of a line as well, and is no failure */
    }
    option_release(tail_options, TAIL_TABLE.n, &arguments);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

const struct subcommand tail_command = {
    .name = "tail",
    .group = COMMAND_GROUP_LOOK,
    .usage = "CHANNEL [--url URL] [--token TOKEN|--token-file FILE] [--history] [--since "
             "EPOCH/OFFSET] [-n N] [--json]",
    .summary = "print what comes on a channel",
    .about =
        "Joins CHANNEL in a session of its own, as a page would, and prints what comes, one line "
        "each:\n\n"
        "    2026-11-23T22:14:36.123Z #7 insert public.orders {\"id\":\"1\"}\n"
        "    2026-11-23T22:14:37.456Z #8 message 12/34 {\"text\":\"hi\"}\n"
        "    2026-11-23T22:14:38.789Z - message b7uXq0eT1mZx8KfA \"kept nowhere, from somebody "
        "anonymous\"\n\n"
        "that is time, offset, what, by whom or of which table, and the payload; with --json the "
        "frame as it came.\n"
        "After a cut it comes back and goes on where it was; what it cannot get any more it calls "
        "a "
        "gap. Ctrl-C ends\n"
        "it. The canonical is that of the database, if the URL names none.\n\n"
        "Exit codes: 0 stopped, or after N events; 1 refused, with the server's words; 64 bad "
        "usage; 78 no canonical.",
    .options = CONFIG_FOR_TAIL,
    .own = {tail_options, sizeof(tail_options) / sizeof(tail_options[0])},
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = run_tail,
};
