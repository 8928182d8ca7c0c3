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

uint32_t command_bytes(const struct command *command)
{
    return (uint32_t)(sizeof(*command) + command->channel.len + command->view.len +
                      command->since_epoch.len + command->socket_id.len + command->payload.len +
                      command->filter.len + command->snapshot.len + command->ref.len +
                      command->id_key.len + command->by.len + command->to_row_id.len);
}
