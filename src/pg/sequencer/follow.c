/* SPDX-License-Identifier: PostgreSQL */
/* One of several nodes. All serve, and all store their own clients' messages, behind the same fence;
 * one leads: it moves outbox rows, holds the doorbell, and decides about the epoch.
 *
 * Whoever has the advisory lock leads. A leader that stands still would keep it for ever, and one
 * whose host has gone for as long as TCP takes; so the lock is worth something only while its holder
 * asks something of Postgres every half second, which each node does anyway, to know how far the log
 * has got. Who does not lead tries for the lock as often, and looks at its holder: if its session has
 * waited for it for two seconds, and did so already a second ago, that session is ended
 * (herald.depose). All by Postgres' clock and ours, never by another node's.
 *
 * What the others store comes over the bus (pieces.c). That is a favour, not the road: each node asks
 * its own Postgres how far the log has got, twice a second, and every 50 ms when the bus brings
 * nothing, unless nobody else is on it and nothing has come for ten seconds; and reads from the log
 * what did not come. With it comes whether the site is still the one that it has: who does not lead
 * does not LISTEN, as Postgres wakes all who do, in whatever channel, for each of them that rings.
 * A node believes Postgres alone about the epoch, the term, and which ids there
 * are; what it hears only makes it ask sooner. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/sequencer/internal.h"

enum {
    NEWEST_MS = 500, /* at most; a leader is silent for no longer, either */
    BUSLESS_MS = 50, /* while nobody tells us anything */
    CALM_MS = 10000, /* nobody is there, and asking has brought nothing for so long */
    LEAD_MS = 500,
    SIGHT_MS = 1000,  /* a leader is seen waiting for so long before it is deposed */
    AGAIN_MS = 20,    /* it is ended in a moment */
    ANSWER_MS = 1500, /* Postgres is asked each half second */
    BUS_MS = 2500,    /* beats come each second */
    GAP_MS = 5,       /* the bus has so long to bring what is missing, and up to GAP_MORE_MS */
    GAP_MORE_MS = 15, /* more, so that not all nodes read at once */
    CLOSED_MS = 100,
    BEHIND_MS = 5,
};

static uint64_t age(uint64_t now_ms, uint64_t since_ms)
{
    return now_ms > since_ms ? now_ms - since_ms : 0;
}

bool sequencer_is_bus_alive(const struct sequencer *sequencer)
{
    return sequencer->heard_ms > 0 && age(clock_ms(), sequencer->heard_ms) < BUS_MS;
}

/* ---- the lead ---- */

static void set_leading(struct sequencer *sequencer, bool is_leading)
{
    bool is_news = sequencer->is_leading != is_leading;
    sequencer->is_leading = is_leading;
    if (is_news) {
        sequencer_settle_anew(sequencer);
        if (sequencer->options.on_lead) {
            sequencer->options.on_lead(sequencer->options.arg, is_leading);
        }
    }
}

static void take_sight(struct sequencer *sequencer, struct str sight)
{
    bool is_same = sequencer->sight && str_equals(str_of(sequencer->sight), sight);
    if (is_same) {
        return;
    }
    free(sequencer->sight);
    sequencer->sight = NULL;
    if (sight.ptr && sight.len == 0) {
        log_warn("the node that led stands still, or cannot be reached from the database: its "
                 "session was ended, and another node leads");
        sequencer->lead_ms = clock_ms() - LEAD_MS + AGAIN_MS;
    } else if (sight.ptr) {
        sequencer->sight = str_dup(sight);
        sequencer->sight_ms = clock_ms();
    }
}

static void on_lead_beside(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    bool is_serving = sequencer->phase == SEQUENCER_PHASE_SERVING;
    if (!sequencer_answered(sequencer, result, "herald.lead")) {
        return;
    }
    take_sight(sequencer, rows_text(result->rows, 0, 1));
    if (rows_bool(result->rows, 0, 0)) {
        log_info("this node leads");
        sequencer_forget_batch(sequencer);
        set_leading(sequencer, true);
    }
    if (sequencer->is_leading) {
        sequencer_listen(sequencer);
    } else if (!is_serving) {
        sequencer_open(sequencer);
    } else {
        sequencer_go_on(sequencer);
    }
}

/* While a node leads that is one of us, nobody has to be looked for who holds the lock otherwise. */
static void ask_lead(struct sequencer *sequencer)
{
    struct params params = {0};
    uint64_t now_ms = clock_ms();
    bool is_seen = sequencer->sight && age(now_ms, sequencer->sight_ms) >= SIGHT_MS;
    sequencer->lead_ms = now_ms;
    params_text(&params, is_seen ? str_of(sequencer->sight) : STR("-"));
    sequencer_ask(sequencer,
                  sequencer->sight ? "SELECT herald.try_lead(), herald.depose($1)"
                                   : "SELECT herald.lead(), herald.depose($1)",
                  &params, on_lead_beside);
}

static void on_enter(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "herald.enter")) {
        sequencer->is_entered = true;
        sequencer->told_stand = STAND_UNTOLD;
        sequencer_lead_beside(sequencer);
    }
}

static void ask_enter(struct sequencer *sequencer)
{
    /* Who stands still in the middle of a batch has the fence: all others wait for it. */
    static const char *const patience[] = {"SET idle_in_transaction_session_timeout = '2s'", NULL};
    struct params params = {0};
    params_text(&params, str_of(sequencer->node));
    params_text(&params, str_of(sequencer->node_name));
    sequencer_ask_framed(sequencer, (struct query_frame){.before = patience},
                         "SELECT herald.enter($1, $2)", &params, on_enter);
}

void sequencer_lead_beside(struct sequencer *sequencer)
{
    if (sequencer->is_pooled) {
        connection_drop(sequencer->connection,
                        "nodes need sessions of their own, and a connection pooler stands between "
                        "this one and the database: connect directly, or in session mode");
    } else if (!sequencer->is_entered) {
        ask_enter(sequencer);
    } else if (sequencer->is_resigned) {
        sequencer_follow(sequencer);
    } else {
        ask_lead(sequencer);
    }
}

static void on_resigned(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "herald.resign")) {
        log_info("this node leads no longer, as it is about to end");
        sequencer->is_holding = sequencer->wants_wake = false;
        set_leading(sequencer, false);
        sequencer_go_on(sequencer);
    }
}

static void ask_resign(struct sequencer *sequencer)
{
    if (sequencer->is_holding) {
        struct params params = {0};
        params_int(&params, sequencer->lease);
        sequencer_ask(sequencer, "SELECT herald.wake($1), herald.resign()", &params, on_resigned);
    } else {
        sequencer_ask(sequencer, "SELECT herald.resign()", NULL, on_resigned);
    }
}

void sequencer_resign(struct sequencer *sequencer)
{
    if (sequencer->options.bus) {
        sequencer->is_resigned = true;
        loop_timer_start(sequencer->soon_timer, 0, 0);
    }
}

/* ---- how far the log has got ---- */

/* A node that speaks another version tells us nothing of what it stores. */
static uint32_t newest_period(const struct sequencer *sequencer)
{
    const struct bus *bus = sequencer->options.bus;
    bool is_told = sequencer_is_bus_alive(sequencer), is_calm = false;
    switch (bus->company(bus->ctx)) {
    case BUS_COMPANY_NONE:
        is_calm = age(clock_ms(), sequencer->found_ms) >= CALM_MS;
        break;
    case BUS_COMPANY_PART:
        is_told = false;
        break;
    case BUS_COMPANY_UNKNOWN:
    case BUS_COMPANY_WHOLE:
        break;
    }
    return is_told || is_calm ? NEWEST_MS : BUSLESS_MS;
}

static void on_following(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.follow")) {
        return;
    }
    struct str epoch = rows_text(result->rows, 0, 0);
    if (PQntuples(result->rows) != 1 || !epoch.ptr || !rows_bool(result->rows, 0, 3)) {
        sequencer_tell_down(sequencer, "no node leads on this database yet");
        loop_timer_start(sequencer->wait_timer, CLOSED_MS, 0);
        return;
    }
    sequencer->term = rows_u64(result->rows, 0, 2);
    sequencer_take_place(sequencer, epoch, rows_u64(result->rows, 0, 1));
}

static const char follow_query[] = "SELECT epoch, id, term, is_open, herald.version(),"
                                   " herald.watches_version() FROM herald.follow()";

void sequencer_follow(struct sequencer *sequencer)
{
    sequencer->phase = SEQUENCER_PHASE_OPENING;
    sequencer_ask(sequencer, follow_query, NULL, on_following);
}

/* What is in hand is of what was: if it is committed it is found in the log. */
static void open_again(struct sequencer *sequencer)
{
    sequencer_forget_batch(sequencer);
    sequencer_open(sequencer);
}

static void on_newest(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.follow")) {
        return;
    }
    uint64_t newest = rows_u64(result->rows, 0, 1);
    bool is_same = PQntuples(result->rows) == 1 && rows_bool(result->rows, 0, 3) &&
                   str_equals(rows_text(result->rows, 0, 0), str_of(sequencer->epoch));
    if (!is_same || newest < sequencer->asked_at) {
        open_again(sequencer);
        return;
    }
    if (!sequencer->is_leading) {
        sequencer->term = rows_u64(result->rows, 0, 2);
    }
    if (newest > sequencer->newest) {
        sequencer->newest = newest;
        sequencer->found_ms = clock_ms();
    }
    if (sequencer->is_hinted) {
        sequencer->gap_ms = clock_ms(); /* it has had its time */
    }
    sequencer->wants_version |= !sequencer_is_site(sequencer, result->rows, 4);
    sequencer_go_on(sequencer);
}

static void ask_newest(struct sequencer *sequencer)
{
    sequencer->is_hinted = sequencer->hint_ms > 0;
    sequencer->hint_ms = sequencer->hinted = 0;
    sequencer->told = 0; /* the answer has it, or there is no such id */
    sequencer->newest_ms = clock_ms();
    sequencer->asked_at = sequencer->delivered;
    sequencer_ask(sequencer, follow_query, NULL, on_newest);
}

void sequencer_note_stored(struct sequencer *sequencer)
{
    sequencer->heads_id = batch_newest(&sequencer->batch) + sequencer->batch.n;
    if (sequencer->options.bus) {
        sequencer->newest = sequencer->heads_id;
        sequencer_publish(sequencer);
    }
}

/* Not all nodes at once. */
static uint64_t soon_ms(const struct sequencer *sequencer)
{
    uint8_t chance = 0;
    id_random(&chance, sizeof(chance));
    return clock_ms() + (sequencer_is_bus_alive(sequencer) ? GAP_MS + chance % GAP_MORE_MS : 0);
}

void sequencer_hint(struct sequencer *sequencer, uint64_t id)
{
    bool is_serving = sequencer->phase == SEQUENCER_PHASE_SERVING;
    if (is_serving && id > sequencer->delivered && id > sequencer->newest) {
        sequencer->hinted = id > sequencer->hinted ? id : sequencer->hinted;
        if (sequencer->hint_ms == 0) {
            sequencer->hint_ms = soon_ms(sequencer);
            loop_timer_start(sequencer->beside_timer, BEHIND_MS, 0);
        }
    }
}

static bool is_newest_due(struct sequencer *sequencer)
{
    uint64_t now_ms = clock_ms();
    if (sequencer->hinted <= sequencer->delivered) {
        sequencer->hint_ms = sequencer->hinted = 0;
    }
    return (sequencer->hint_ms > 0 && now_ms >= sequencer->hint_ms) ||
           age(now_ms, sequencer->newest_ms) >= newest_period(sequencer);
}

/* Up to where the log is to be read: not into what is in hand, which is ours, or is held. */
static uint64_t missing_up_to(const struct sequencer *sequencer)
{
    const struct held *held = hold_first(sequencer->hold);
    uint64_t up_to = sequencer->newest;
    if (sequencer->is_stashed && up_to > batch_newest(&sequencer->batch)) {
        up_to = batch_newest(&sequencer->batch);
    }
    if (held && held->first <= sequencer->delivered + 1) {
        return sequencer->delivered;
    }
    return held && held->first <= up_to ? held->first - 1 : up_to;
}

/* True: something is missing, and the bus had its time to bring it. */
static bool is_read_due(struct sequencer *sequencer)
{
    if (sequencer->delivered >= missing_up_to(sequencer)) {
        sequencer->gap_ms = 0;
        return false;
    }
    uint64_t now_ms = clock_ms();
    if (sequencer->gap_ms == 0) {
        sequencer->gap_ms = soon_ms(sequencer);
    }
    return now_ms >= sequencer->gap_ms &&
           (sequencer->is_stashed || !sequencer_is_behind(sequencer));
}

/* ---- what next ---- */

static void wait_for(uint32_t *wait_ms, uint64_t since_ms, uint32_t period_ms)
{
    uint64_t passed_ms = age(clock_ms(), since_ms);
    uint32_t rest_ms = passed_ms < period_ms ? period_ms - (uint32_t)passed_ms : 0;
    *wait_ms = rest_ms < *wait_ms ? rest_ms : *wait_ms;
}

static void wait_beside(struct sequencer *sequencer)
{
    uint32_t wait_ms = NEWEST_MS;
    wait_for(&wait_ms, sequencer->newest_ms, newest_period(sequencer));
    if (!sequencer->is_leading && !sequencer->is_resigned) {
        wait_for(&wait_ms, sequencer->lead_ms, LEAD_MS);
    }
    bool is_soon = sequencer->gap_ms > 0 || sequencer->hint_ms > 0 ||
                   hold_first(sequencer->hold) != NULL ||
                   (sequencer->messages.n > 0 && sequencer->is_leading) ||
                   (sequencer->settling && !sequencer->is_leading);
    if (is_soon && wait_ms > BEHIND_MS) {
        wait_ms = BEHIND_MS;
    }
    loop_timer_start(sequencer->beside_timer, wait_ms + 1, 0);
}

/* What is due, by how much it hurts to wait for it. */
static bool ask_beside(struct sequencer *sequencer)
{
    uint64_t now_ms = clock_ms();
    if (sequencer->wants_version) {
        sequencer_ask_version(sequencer, sequencer_go_on);
    } else if (is_read_due(sequencer)) {
        sequencer_catch_up(sequencer, missing_up_to(sequencer));
    } else if (is_newest_due(sequencer)) {
        ask_newest(sequencer);
    } else if (sequencer->is_leading && sequencer->is_resigned && !sequencer->is_stashed) {
        ask_resign(sequencer);
    } else if (!sequencer->is_leading && !sequencer->is_resigned &&
               age(now_ms, sequencer->lead_ms) >= LEAD_MS && !sequencer->is_stashed) {
        ask_lead(sequencer);
    } else {
        return sequencer_ask_for_pieces(sequencer) ||
               (!sequencer->is_leading && sequencer_ask_sequenced(sequencer)) ||
               sequencer_ask_stand(sequencer);
    }
    return true;
}

bool sequencer_go_beside(struct sequencer *sequencer)
{
    sequencer_apply_pieces(sequencer);
    sequencer_deliver_stash(sequencer);
    if (ask_beside(sequencer)) {
        return true;
    }
    wait_beside(sequencer);
    if (sequencer->is_stashed) {
        return true;
    }
    if (!sequencer->is_leading && sequencer->messages.n > 0) {
        sequencer_look(sequencer);
    }
    return !sequencer->is_leading;
}

/* ---- away ---- */

void sequencer_note_away(struct sequencer *sequencer)
{
    set_leading(sequencer, false);
    sequencer->gap_ms = sequencer->hint_ms = sequencer->hinted = 0;
    if (sequencer->options.bus) {
        sequencer_settle_anew(sequencer);
        hold_clear(sequencer->hold);
        sequencer->away_ms = sequencer->away_ms > 0 ? sequencer->away_ms : clock_ms();
        loop_timer_start(sequencer->beside_timer, NEWEST_MS, NEWEST_MS);
    }
}

/* If the leader has none, either, then where should they go? */
void sequencer_judge_away(struct sequencer *sequencer)
{
    uint64_t now_ms = clock_ms();
    bool is_long = sequencer->options.grace_ms > 0 && sequencer->away_ms > 0 && !sequencer->is_up &&
                   age(now_ms, sequencer->away_ms) >= sequencer->options.grace_ms;
    bool has_leader = sequencer->led_ms > 0 && age(now_ms, sequencer->led_ms) < BUS_MS;
    if (is_long && has_leader && sequencer->was_up && !sequencer->is_superseded) {
        sequencer_step_back(sequencer, "this server has lost the database, another one has it");
    }
}

/* ---- beats ---- */

void sequencer_hear_beat(struct sequencer *sequencer, const struct bus_beat *beat)
{
    if (!sequencer->options.bus) {
        return;
    }
    sequencer->heard_ms = clock_ms();
    if (beat->is_leader && beat->epoch.ptr) {
        sequencer->led_ms = sequencer->heard_ms;
    }
    if (sequencer->epoch && str_equals(beat->epoch, str_of(sequencer->epoch))) {
        sequencer->told = beat->log_id > sequencer->told ? beat->log_id : sequencer->told;
        sequencer_hint(sequencer, beat->log_id);
    } else if (beat->epoch.ptr) {
        sequencer_hint(sequencer, UINT64_MAX);
    }
}

void sequencer_fill_beat(const struct sequencer *sequencer, struct bus_beat *beat)
{
    if (sequencer->is_up) {
        /* One that waits for an answer in vain has no database to offer. */
        bool is_answered = age(clock_ms(), sequencer->newest_ms) < ANSWER_MS;
        beat->is_leader = sequencer->is_leading && is_answered;
        beat->epoch = str_of(sequencer->epoch);
        beat->log_id =
            sequencer->newest > sequencer->delivered ? sequencer->newest : sequencer->delivered;
    }
}
