/* SPDX-License-Identifier: PostgreSQL */
/* A small world around the hub, for its unit tests and its fuzz target: a protocol whose frames are
 * a C struct, workers that keep subscriptions exactly as core/transport.h promises, and a database
 * whose log, reads, appends, functions and presence table move one step at a time, when the test
 * says so. Everything a session receives is checked as it arrives: against the log, against who may
 * see it, and against the list of members that the session has been told so far. */
#ifndef HERALD_TESTS_FAKES_WORLD_H
#define HERALD_TESTS_FAKES_WORLD_H

#include "base/id.h"
#include "core/hub/hub.h"

#define WORLD_WORKERS 2
#define WORLD_SLOTS 6 /* per worker, unless the options say more */
#define WORLD_CHANNELS 4
#define WORLD_MAX_LOG 1024

/* Who somebody can be. */
enum world_who {
    WHO_ANYBODY, /* anonymous */
    WHO_ANN,     /* table 12, row 34 */
    WHO_BEN,     /* table 12, row 35 */
    WHO_CLEO,    /* table 13, row 34 */
    WHO_TABLE,   /* table 12, no row */
    WHO_ANN_NEW, /* Ann with other extras */
    WHO_COUNT,
};

enum note_kind {
    NOTE_JOINED,
    NOTE_LEFT,
    NOTE_EVENT,
    NOTE_MESSAGE,
    NOTE_HISTORY,
    NOTE_ERROR,
    NOTE_FULL,    /* the list of members */
    NOTE_UPDATES, /* its news */
    NOTE_RECEIPT,
    NOTE_PONG,
    NOTE_TXID,
    NOTE_TOKEN,
    NOTE_ROWS, /* of a snapshot */
};

/* Who may see the rows of a channel's table, and what a join may want of them (world_rows.c). */
enum world_visible {
    WORLD_EVERYBODY,
    WORLD_OWNER,  /* whose row_id of table 12 is the owner, a kept column */
    WORLD_NAME,   /* whose extras.name is the name, an announced one */
    WORLD_EITHER, /* the owner, and everybody if the state is a */
    WORLD_NOBODY,
    WORLD_POLICY, /* as OWNER, but the judges are asked (world_judges.c) */
    WORLD_VISIBLES,
};

enum world_filter {
    WORLD_PLAIN, /* none */
    WORLD_A,     /* the state is a */
    WORLD_FEW,   /* n is less than 3: no index finds it */
    WORLD_BOTH,  /* id > 2, and the state is b or n is 1 */
    WORLD_FILTERS,
    WORLD_ROWS = WORLD_FILTERS, /* none, but with a snapshot (world_snapshots.c) */
    WORLD_VIEWS,
};

/* How the judges answer: as they should; the same, but it has taken long; that they cannot tell; or not
 * at all, perhaps too late. */
enum world_judging { WORLD_JUDGES, WORLD_SLOWLY, WORLD_UNCLEAR, WORLD_FAILS, WORLD_LATE };

struct world_row {
    int id, n;
    char state;
    int owner, name; /* 34, 35; 1: Ann, 2: Anna; 0: NULL */
};

struct note { /* a frame, as the fake protocol writes it */
    enum note_kind kind;
    bool is_resumed, is_gap, is_replayed, is_interned;
    bool is_duplicate, is_dropped; /* RECEIPT */
    bool is_last, is_complete;     /* ROWS */
    uint64_t offset;               /* of the event or the RECEIPT, or the head in NOTE_JOINED */
    uint64_t first, last;          /* NOTE_HISTORY: offsets it holds */
    size_t n;                      /* HISTORY, ROWS: how many; FULL and UPDATES: entries */
    size_t n_joins;                /* UPDATES: so many of them came */
    size_t n_changed;              /* UPDATES: so many have another state */
    size_t wire_len;               /* FULL and UPDATES: the bytes of this frame on the real wire */
    enum error_code code;
    uint32_t retry_after_ms;
    char channel[16];
    char socket[ID_TEXT_SIZE]; /* the sender, the joiner, or the first one of UPDATES */
    char to[ID_TEXT_SIZE];     /* of a private message */
    char text[100];            /* payload, sentence of an error, states or rows */
    char view[12], moved[8];
    char ref[12];    /* of an answer */
    uint32_t digest; /* EVENT: of moved and all of the payload */
};

struct world_bus;

struct world_options {     /* zero: as the plain world has it */
    struct world_bus *bus; /* NULL: it is alone; else see world_bus.h */
    uint32_t slots;        /* per worker */
    uint32_t max_channels, max_held;
    uint32_t authorize_cache_ms, presence_grace_ms;
    uint32_t presence_at_once; /* 0: as the server has it */
    uint32_t max_user_sessions, max_channel_members, max_open_channels;
    uint32_t max_held_total_bytes;
    uint32_t channel_messages;                      /* a second, and at once */
    uint32_t recent_rows;                           /* 0: none are kept in memory */
    uint32_t page_rows, resume_max_rows, max_reads; /* 0: enough for everything */
    uint32_t max_waiting, max_waiting_bytes;        /* the same */
    uint32_t snapshot_reads, snapshot_queue;        /* as the server has it */
    bool rejects_invalid_tokens;
    bool has_manual_turns; /* a turn ends with world_flush, not with every step */
    bool keeps_no_notes;
    bool expects_gaps; /* that no row explains */
};

struct world;

struct world *world_new(void);
struct world *world_new_with(const struct world_options *options);
void world_free(struct world *world);
struct hub *world_hub(struct world *world);
void world_set_grace(struct world *world, uint32_t presence_grace_ms); /* from now on */

/* The site: these rules, whose texts are copied; or one rule for everything. */
void world_rules(struct world *world, const struct rule *rules, size_t n);
void world_rule(struct world *world, struct rule rule); /* pattern NULL: all rooms */
void world_site(struct world *world, uint32_t message_history, bool anonymous, bool messaging);
void world_switch_off(struct world *world); /* realtime, with the rules as they are */
void world_up(struct world *world, const char *epoch);
void world_down(struct world *world);

const char *world_channel_name(unsigned channel);                         /* room/0 … room/3 */
struct identity *world_identity(struct world *world, enum world_who who); /* borrowed */
struct session_id world_open(struct world *world, unsigned worker, unsigned slot);
struct session_id world_open_as(struct world *world, unsigned worker, unsigned slot,
                                enum world_who who);
/* Its token was not accepted by the worker; or the database is to say who it is. */
void world_open_refused(struct world *world, unsigned worker, unsigned slot, enum error_code error,
                        const char *why);
void world_open_opaque(struct world *world, unsigned worker, unsigned slot);
/* The oldest token question is answered; WHO_ANYBODY: with this error. */
bool world_answer_token(struct world *world, enum world_who who, enum error_code error);
void world_txid(struct world *world, unsigned worker, unsigned slot, uint64_t xid);
/* The store says that all is told that this snapshot sees; false: nobody has asked. NULL: it does
 * not, and is at its end. */
bool world_answer_settle(struct world *world, const char *snapshot);
/* It shows a newer token: of somebody; one that its worker does not accept; one for the database. */
void world_renew(struct world *world, unsigned worker, unsigned slot, enum world_who who);
void world_renew_refused(struct world *world, unsigned worker, unsigned slot, enum error_code error,
                         const char *why);
void world_renew_opaque(struct world *world, unsigned worker, unsigned slot);
void world_close(struct world *world, unsigned worker, unsigned slot);
bool world_is_open(struct world *world, unsigned worker, unsigned slot);
/* Of an open one, as far as the worker knows. */
enum world_who world_who_is(struct world *world, unsigned worker, unsigned slot);

struct world_join {
    bool history, presence, state, has_since, other_epoch;
    uint64_t since;
    enum world_filter filter;
};
void world_join(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                struct world_join how);
void world_leave(struct world *world, unsigned worker, unsigned slot, unsigned channel);
void world_leave_view(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                      enum world_filter filter);
void world_message(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                   const char *payload);
/* authenticated:true; its payload becomes "A": nobody else may ever get that. */
void world_message_authenticated(struct world *world, unsigned worker, unsigned slot,
                                 unsigned channel);
void world_message_private(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                           const char *socket_id);
/* To all sessions of somebody who has a row. */
void world_message_to(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                      enum world_who who);
void world_history(struct world *world, unsigned worker, unsigned slot, unsigned channel);
void world_set_state(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                     const char *state);
void world_history_view(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                        enum world_filter filter);
void world_history_of(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                      const char *socket_id);
void world_ping(struct world *world, unsigned worker, unsigned slot);
/* What the next command has; borrowed as long as the world lives. A ref is answered at most once. */
void world_refer(struct world *world, const char *ref);
void world_key(struct world *world, const char *key, const char *by);
void world_invalid(struct world *world, unsigned worker, unsigned slot);

/* ---- the database moves ---- */

void world_commit(struct world *world,
                  unsigned channel); /* an event is in the log; the hub does not know yet */
void world_commit_for(struct world *world, unsigned channel, struct audience audience);
/* Who it is may see other rows from now on. */
void world_commit_reread(struct world *world, enum world_who who);
/* The channel's table is watched from now on, or its watch says something else. Not if there was too
 * much of that. */
void world_watch(struct world *world, unsigned channel, enum world_visible visible, bool restate);
void world_unwatch(struct world *world, unsigned channel);
/* A change of a row of a watched table, NULL: there is none (both: TRUNCATE). One that nobody could be
 * told is no event. */
void world_commit_row(struct world *world, unsigned channel, const struct world_row *old,
                      const struct world_row *new, bool is_reduced);
bool world_sequence(struct world *world); /* one appended message is in the log; false: none */
/* The judges answer the nth question that waits; false: there are not so many. */
bool world_judge(struct world *world, size_t nth, enum world_judging how);
void world_doubt(struct world *world); /* of the newest event: they will not be able to tell */
size_t world_n_judging(const struct world *world); /* questions that wait */
/* Of the nth: how many parties and images it has. */
size_t world_n_parties(const struct world *world, size_t nth);
size_t world_n_images(const struct world *world, size_t nth);
/* The first one that has only the party of table 12's row; past the end: there is none. */
size_t world_find_judging(const struct world *world, const char *row_id);
enum store_judge_rank world_rank(const struct world *world, size_t nth);
bool world_repeat(struct world *world);  /* one is answered as a duplicate; false: none */
bool world_refuse(struct world *world);  /* one appended message is refused; false: none */
bool world_deliver(struct world *world); /* the hub hears of the next log row; false: none */
/* The oldest read is answered, from the log as it is now or (is_early) as it was when it was asked.
 */
bool world_answer(struct world *world, bool is_early, bool is_failed);
/* The oldest read for a snapshot is answered as of now, by these rows, which the channel's table is to
 * have; NULL: it fails. */
bool world_answer_rows(struct world *world, const struct world_row *rows, size_t n);
size_t world_n_row_reads(const struct world *world); /* that wait */
/* The sequencer has told what there was when it was asked; false: nobody has asked it. */
bool world_answer_look(struct world *world);

struct world_call { /* that is asked and not answered */
    enum store_call_kind kind;
    struct session_id queue;
    bool is_told;       /* nobody waits for it */
    bool is_denied;     /* AUTHORIZE: what was true when it was asked */
    enum world_who who; /* AUTHORIZE */
    unsigned channel;   /* WORLD_CHANNELS: none */
    char function[16], action[16];
    char client[128], options[128], payload[64]; /* "" if absent */
    store_verdict_fn *done;
    void *arg;
};

struct world_reply {
    enum store_verdict_result result;
    bool is_early;       /* AUTHORIZE: by what was true when it was asked, else by what is now */
    bool drops;          /* ON_ACTION: returns NULL */
    const char *payload; /* ON_ACTION: NULL: the payload that it was given */
    const char *reason;
};

size_t world_calls(struct world *world, const struct world_call **calls); /* oldest first */
/* The nth call that can be answered now: those of one session run one after the other. */
bool world_reply(struct world *world, size_t nth, struct world_reply reply);
/* One session that the hub waits for has taken what it was sent; false: it waits for none. */
bool world_drain(struct world *world);
/* The log has no events of the channel up to this offset any more. */
void world_trim(struct world *world, unsigned channel, uint64_t floor);
size_t world_n_reads(struct world *world); /* asked so far, answered or not */
size_t world_n_replay_frames(void);        /* encoded so far, in all worlds */

/* What the authorize functions auth_a and auth_b say to both join and send. */
void world_deny(struct world *world, char function, unsigned channel, enum world_who who,
                bool is_denied);
void world_forget(struct world *world, const char *channel); /* a directive; NULL: all */
/* Version 0: the next one. Else the site is told anew first, as that of this version. */
void world_disconnect(struct world *world, struct directive directive);

void world_tick(struct world *world, uint32_t ms);
void world_flush(struct world *world);  /* the end of a turn */
void world_settle(struct world *world); /* all of the above but time, until nothing moves */
/* That, with workers that say that what they were told to close is closed, and with so much time
 * that nothing is due any more. */
void world_rest(struct world *world);

/* ---- what came of it ---- */

/* What a session has received since the last call of world_take, oldest first. */
size_t world_received(struct world *world, unsigned worker, unsigned slot,
                      const struct note **notes);
void world_take(struct world *world, unsigned worker, unsigned slot);
/* Their kinds as letters: Joined Left Event Message History errOr Full Updates Receipt Pong tXid Token
 * rowS. */
const char *world_kinds(struct world *world, unsigned worker, unsigned slot);
struct note world_last(struct world *world, unsigned worker, unsigned slot);
const char *world_socket_id(struct world *world, unsigned worker,
                            unsigned slot); /* as it was told by an acknowledgement */
/* The same, NULL if there is none. */
const char *world_known_socket_id(struct world *world, unsigned worker, unsigned slot);
/* How many members its list has; asserts that it has one. */
size_t world_list_size(struct world *world, unsigned worker, unsigned slot, unsigned channel);
size_t world_sql_size(struct world *world, unsigned channel); /* rows of herald.presence */
unsigned world_close_code(struct world *world, unsigned worker,
                          unsigned slot); /* 0: not told to close */
uint64_t world_head(struct world *world, unsigned channel);
/* After world_settle: asserts that every member has had every event of its channels up to the head.
 */
void world_check_complete(struct world *world);
/* After world_rest: asserts that every list that somebody keeps, and the database's, is the true
 * one. */
void world_check_presence(struct world *world);
/* After world_rest, if nobody was denied without a world_forget: asserts that no member is in a
 * channel where it may not be. */
void world_check_rights(struct world *world);
/* After world_rest: asserts that each ref of a session that is open was answered. */
void world_check_refs(struct world *world);

uint64_t world_count(const struct world *world, unsigned cell); /* of enum metric_cell */

struct world_stats {
    uint64_t full_encoded, full_encoded_bytes; /* lists */
    uint64_t update_frames, updates, update_encoded_bytes;
    uint64_t full_sent, update_frames_sent, sent_bytes; /* to sessions, lists and updates */
    uint64_t sql_calls, sql_rows;
};
const struct world_stats *world_stats(struct world *world);

#endif
