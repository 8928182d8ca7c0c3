/* SPDX-License-Identifier: PostgreSQL */
/* What it costs to read a client's message: the text of a frame becomes a command.
 *
 *   decode CASE     prints the messages read inside of measured(), which callgrind counts
 *
 * plain: without any of the options that few messages have; keyed: with a ref and a key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/xano.h"

enum { N_MESSAGES = 1000 };

#define PAYLOAD ",\"payload\":{\"text\":\"a message as people write them, of one line\",\"to\":17}}"

static const struct {
    const char *name, *text;
} cases[] = {
    {"plain", "{\"action\":\"message\",\"options\":{\"channel\":\"room/17\"}" PAYLOAD},
    {"keyed", "{\"action\":\"message\",\"options\":{\"channel\":\"room/17\",\"ref\":\"12\","
              "\"id_key\":\"0123456789abcdef\"}" PAYLOAD},
};

__attribute__((noipa)) static size_t measured(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < N_MESSAGES; i++) {
        struct command *command = xano_decode(text, (struct session_id){0});
        n += command->type == COMMAND_MESSAGE;
        command_free(command);
    }
    return n;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases && argc == 2; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            size_t n = measured(str_of(cases[i].text));
            printf("%zu\n", n);
            return n == N_MESSAGES ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    fputs("usage: decode plain|keyed\n", stderr);
    return EXIT_FAILURE;
}
