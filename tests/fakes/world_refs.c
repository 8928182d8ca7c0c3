/* SPDX-License-Identifier: PostgreSQL */
/* The oracle of answers: what carries a ref answers a frame that had it and that nothing has answered
 * yet; and at rest each was answered, but of sessions that have ended. */
#include <assert.h>
#include <string.h>

#include "world_internal.h"

static bool is_answered(const struct command *command)
{
    return command->type != COMMAND_OPEN && command->type != COMMAND_CLOSE &&
           command->type != COMMAND_DRAINED;
}

void world_note_ref(struct world *world, struct command *command)
{
    struct peer *peer = world_peer(world, command->session.worker, command->session.slot);
    if (!world->ref || !is_answered(command)) {
        return;
    }
    command->ref = str_of(world->ref);
    peer->asked = world_grow(peer->asked, peer->n_asked, &peer->cap_asked, sizeof(*peer->asked));
    struct asked *asked = &peer->asked[peer->n_asked++];
    *asked = (struct asked){.is_optional = command->type == COMMAND_HISTORY};
    assert(command->ref.len < sizeof(asked->ref));
    world_copy(asked->ref, sizeof(asked->ref), command->ref);
}

void world_check_ref(struct peer *peer, const struct note *note)
{
    size_t i = 0;
    if (!note->ref[0]) {
        return;
    }
    while (i < peer->n_asked && strcmp(peer->asked[i].ref, note->ref) != 0) {
        i++;
    }
    assert(i < peer->n_asked);
    peer->asked[i] = peer->asked[--peer->n_asked];
}

void world_check_refs(struct world *world)
{
    for (uint32_t i = 0; i < world->n_peers; i++) {
        const struct peer *peer = &world->peers[i];
        for (size_t k = 0; peer->is_open && !peer->close_code && k < peer->n_asked; k++) {
            assert(peer->asked[k].is_optional);
        }
    }
}
