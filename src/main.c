/* SPDX-License-Identifier: PostgreSQL */
/* The way in: pick the subcommand, run it, print what went wrong, end with its exit code. What the
 * program can do is listed in cli/command.c. */
#include <signal.h>
#include <stdio.h>

#include "cli/ask/print.h"
#include "cli/command.h"

int main(int argc, char **argv)
{
    /* A peer that goes away while we write is an error of that write, not the end of the process.
     */
    signal(SIGPIPE, SIG_IGN);
    struct err err = {0};
    enum exit_code code = command_main(argc, argv, &err);
    if (code != EXIT_CODE_OK && err.text[0] != '\0') {
        struct buf line = {0};
        print_escape(&line, str_of(err.text)); /* others' words may stand in it */
        fprintf(stderr, "pgherald: %s\n", buf_text(&line));
        buf_release(&line);
    }
    return (int)code;
}
