/* SPDX-License-Identifier: PostgreSQL */
/* What a command owns beside its own bytes. */
#include "core/command.h"

#include <stdlib.h>

void command_free(struct command *command)
{
    if (command) {
        identity_unref(command->identity);
        free(command->replacement);
        free(command);
    }
}
