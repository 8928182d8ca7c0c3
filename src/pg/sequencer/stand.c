/* SPDX-License-Identifier: PostgreSQL */
/* How this node stands on the bus, told to the database for herald.doctor(): there somebody asks who
 * cannot reach a node. A change is told when it has held for a moment, so a bus that comes and goes
 * costs a statement a second and no more. */
#include "base/clock.h"
#include "pg/sequencer/internal.h"

enum { HOLD_MS = 1000 };

static const char *const words[] = {
    [STAND_UNTOLD] = "",
    [STAND_UP] = "up",
    [STAND_DOWN] = "down",
    [STAND_OTHER_VERSIONS] = "other_versions",
};

static enum stand stand_now(const struct bus *bus)
{
    if (bus->max_body(bus->ctx) == 0) {
        return STAND_DOWN;
    }
    return bus->company(bus->ctx) == BUS_COMPANY_PART ? STAND_OTHER_VERSIONS : STAND_UP;
}

static void on_stand(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "herald.stand")) {
        sequencer_go_on(sequencer);
    }
}

bool sequencer_ask_stand(struct sequencer *sequencer)
{
    const struct bus *bus = sequencer->options.bus;
    enum stand stand = stand_now(bus);
    uint64_t now_ms = clock_ms();
    if (stand != sequencer->stand) {
        sequencer->stand = stand;
        sequencer->stand_ms = now_ms;
    }
    if (stand == sequencer->told_stand || now_ms - sequencer->stand_ms < HOLD_MS) {
        return false;
    }
    struct params params = {0};
    sequencer->told_stand = stand;
    params_text(&params, str_of(sequencer->node));
    params_text(&params, str_of(words[stand]));
    params_int(&params, bus->version);
    sequencer_ask(sequencer, "SELECT herald.stand($1, $2, $3)", &params, on_stand);
    return true;
}
