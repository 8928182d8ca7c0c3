/* SPDX-License-Identifier: PostgreSQL */
/* The hub under a script: each byte pair is one step of sessions, database or delivery, in any
 * order that can happen. The fake world asserts at every frame that nothing is lost, repeated or
 * out of order; at the end, after all has settled, every member must have had everything. */
#include <stddef.h>
#include <stdint.h>

#include "../fakes/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void session_step(struct world *world, uint8_t step, uint8_t arg)
{
    unsigned worker = arg & 1u, slot = (arg >> 1u) % WORLD_SLOTS,
             channel = (arg >> 5u) % WORLD_CHANNELS;
    if (!world_is_open(world, worker, slot)) {
        world_open(world, worker, slot);
        return;
    }
    switch (step % 8u) {
    case 0:
        world_join(world, worker, slot, channel, (struct world_join){0});
        break;
    case 1:
        world_join(world, worker, slot, channel, (struct world_join){.history = true});
        break;
    case 2:
        world_join(world, worker, slot, channel,
                   (struct world_join){
                       .has_since = true, .since = (step >> 4u), .other_epoch = (step & 8u) != 0});
        break;
    case 3:
        world_leave(world, worker, slot, channel);
        break;
    case 4:
        world_message(world, worker, slot, channel, "1");
        break;
    case 5:
        world_history(world, worker, slot, channel);
        break;
    case 6:
        world_close(world, worker, slot);
        break;
    default:
        if (step > 240) {
            world_invalid(world, worker, slot);
        }
        break;
    }
}

static void database_step(struct world *world, uint8_t step, uint8_t arg)
{
    switch (step % 8u) {
    case 0:
    case 1:
        world_commit(world, arg % WORLD_CHANNELS);
        break;
    case 2:
        world_sequence(world);
        break;
    case 3:
        world_deliver(world);
        break;
    case 4:
        world_answer(world, (arg & 1u) != 0, arg > 250);
        break;
    case 5:
        world_site(world, (arg & 1u) * 20u, (arg & 6u) != 0, arg < 240);
        break;
    case 6:
        if (arg > 200) {
            world_refuse(world);
        }
        break;
    default:
        world_settle(world);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 2000) {
        return 0; /* the fake log and note arrays are bounded */
    }
    struct world *world = world_new();
    for (size_t i = 0; i + 2 < size; i += 3) {
        if (data[i] & 1u) {
            session_step(world, data[i + 1], data[i + 2]);
        } else {
            database_step(world, data[i + 1], data[i + 2]);
        }
    }
    world_settle(world);
    world_check_complete(world);
    world_free(world);
    return 0;
}
