/* SPDX-License-Identifier: PostgreSQL */
/* A small world around the hub, for its unit tests and its fuzz target: a protocol whose frames are
 * a C struct, workers that keep subscriptions exactly as core/transport.h promises, and a database
 * whose log, reads and appends move one step at a time, when the test says so. Everything a session
 * receives is checked against the log as it arrives. */
#ifndef HERALD_TESTS_FAKES_WORLD_H
#define HERALD_TESTS_FAKES_WORLD_H

#include "core/hub/hub.h"

#define WORLD_WORKERS 2
#define WORLD_SLOTS 6 /* per worker */
#define WORLD_CHANNELS 4
#define WORLD_MAX_LOG 4096

enum note_kind { NOTE_JOINED, NOTE_LEFT, NOTE_EVENT, NOTE_MESSAGE, NOTE_HISTORY, NOTE_ERROR };

struct note { /* a frame, as the fake protocol writes it */
    enum note_kind kind;
    bool is_resumed, is_gap, is_replayed;
    uint64_t offset;      /* of the event, or the head in NOTE_JOINED */
    uint64_t first, last; /* NOTE_HISTORY: offsets it holds */
    size_t n;             /* NOTE_HISTORY: how many */
    enum error_code code;
    char channel[16];
    char payload[24];
};

struct world;

struct world *world_new(void);
void world_free(struct world *world);
struct hub *world_hub(struct world *world);

/* The site: one rule for everything, with this history; and the database's state. */
void world_site(struct world *world, uint32_t message_history, bool anonymous, bool messaging);
void world_up(struct world *world, const char *epoch);

const char *world_channel_name(unsigned channel); /* 0 … WORLD_CHANNELS-1 */
struct session_id world_open(struct world *world, unsigned worker, unsigned slot);
void world_close(struct world *world, unsigned worker, unsigned slot);
bool world_is_open(struct world *world, unsigned worker, unsigned slot);

struct world_join {
    bool history, has_since, other_epoch;
    uint64_t since;
};
void world_join(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                struct world_join how);
void world_leave(struct world *world, unsigned worker, unsigned slot, unsigned channel);
void world_message(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                   const char *payload);
void world_history(struct world *world, unsigned worker, unsigned slot, unsigned channel);
void world_invalid(struct world *world, unsigned worker, unsigned slot);

void world_commit(struct world *world,
                  unsigned channel);      /* an event is in the log; the hub does not know yet */
bool world_sequence(struct world *world); /* one appended message is in the log; false: none */
bool world_refuse(struct world *world);   /* one appended message is refused; false: none */
bool world_deliver(struct world *world);  /* the hub hears of the next log row; false: none */
/* The oldest read is answered, from the log as it is now or (is_early) as it was when it was asked.
 */
bool world_answer(struct world *world, bool is_early, bool is_failed);
void world_settle(struct world *world); /* all of the above until nothing moves */

/* What a session has received since the last call of world_take, oldest first. */
size_t world_received(struct world *world, unsigned worker, unsigned slot,
                      const struct note **notes);
void world_take(struct world *world, unsigned worker, unsigned slot);
unsigned world_close_code(struct world *world, unsigned worker,
                          unsigned slot); /* 0: not told to close */
uint64_t world_head(struct world *world, unsigned channel);
/* After world_settle: asserts that every member has had every event of its channels up to the head.
 */
void world_check_complete(struct world *world);

#endif
