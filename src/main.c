/* SPDX-License-Identifier: PostgreSQL */
/* The way in: pick the subcommand, run it, print what went wrong, end with its exit code. What the
 * program can do is listed in cli/command.c. */
#include <signal.h>
#include <stdio.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
    /* A peer that goes away while we write is an error of that write, not the end of the process.
     */
    signal(SIGPIPE, SIG_IGN);
    struct err err = {0};
    enum exit_code code = command_main(argc, argv, &err);
    if (code != EXIT_CODE_OK && err.text[0] != '\0') {
        fprintf(stderr, "pgherald: %s\n", err.text);
    }
    return (int)code;
}
