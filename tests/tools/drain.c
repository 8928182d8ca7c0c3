/* SPDX-License-Identifier: PostgreSQL */
/* drain URL [max_rows [max_bytes [max_batches [channel client options payload]…]]]
 *
 * Lets the sequencer take what is pending, and prints how many batches it were (tests/fakes/drain.h).
 * The defaults are 2000 rows, 100 MB and all there is, which max_batches 0 says, too. Behind them
 * come messages to store; client and options may be "-": none. Ends with 1 and a sentence if it
 * cannot, with 64 if it is called otherwise. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fakes/drain.h"
#include "base/log.h"
#include "base/mem.h"

enum { FIRST_MESSAGE = 5, MESSAGE_ARGUMENTS = 4 };

static void usage(void)
{
    fputs("usage: drain URL [max_rows [max_bytes [max_batches "
          "[channel client|- {\"authenticated\":true}|- payload]...]]]\n",
          stderr);
    exit(EXIT_CODE_USAGE);
}

static uint32_t number(int argc, char **argv, int i, uint32_t fallback)
{
    if (i >= argc) {
        return fallback;
    }
    char *end = argv[i];
    unsigned long value = strtoul(argv[i], &end, 10);
    if (!*argv[i] || *end || value > INT32_MAX) {
        usage();
    }
    return (uint32_t)value;
}

static struct str optional(const char *text)
{
    return strcmp(text, "-") == 0 ? (struct str){0} : str_of(text);
}

static struct event_fields read_message(char **arguments)
{
    struct str options = optional(arguments[2]);
    bool is_authenticated = str_equals(options, STR("{\"authenticated\":true}"));
    if (options.ptr && !is_authenticated) {
        usage();
    }
    return (struct event_fields){
        .action = EVENT_ACTION_MESSAGE,
        .channel = str_of(arguments[0]),
        .client = optional(arguments[1]),
        .audience = {.kind = is_authenticated ? AUDIENCE_AUTHENTICATED : AUDIENCE_ALL},
        .payload = str_of(arguments[3]),
    };
}

int main(int argc, char **argv)
{
    int n_arguments = argc > FIRST_MESSAGE ? argc - FIRST_MESSAGE : 0;
    if (argc < 2 || n_arguments % MESSAGE_ARGUMENTS != 0) {
        usage();
    }
    size_t n_messages = (size_t)n_arguments / MESSAGE_ARGUMENTS;
    struct event_fields *messages = mem_array(NULL, n_messages + 1, sizeof(*messages));
    for (size_t i = 0; i < n_messages; i++) {
        messages[i] = read_message(argv + FIRST_MESSAGE + i * MESSAGE_ARGUMENTS);
    }
    log_configure(LOG_LEVEL_ERROR, false);
    struct drain_options options = {
        .url = argv[1],
        .max_rows = number(argc, argv, 2, 2000),
        .max_bytes = number(argc, argv, 3, 100000000),
        .max_batches = number(argc, argv, 4, 0),
        .messages = messages,
        .n_messages = n_messages,
    };
    struct err err;
    unsigned n_batches = 0;
    enum status status = drain_run(&options, &n_batches, &err);
    free(messages);
    if (status != STATUS_OK) {
        fprintf(stderr, "drain: %s\n", err.text);
        return EXIT_CODE_FAILED;
    }
    printf("%u\n", n_batches);
    return EXIT_CODE_OK;
}
