/* SPDX-License-Identifier: PostgreSQL */
/* What the files of the fake world share: world.c (life, sessions, steps), world_protocol.c,
 * world_transport.c (workers, and the oracles at each frame), world_store.c (log, reads and
 * appends), world_calls.c (functions, tokens, presence in SQL), world_judges.c, world_snapshots.c,
 * world_refs.c, world_bus.c (other worlds) and world_check.c (at rest). */
#ifndef HERALD_TESTS_FAKES_WORLD_INTERNAL_H
#define HERALD_TESTS_FAKES_WORLD_INTERNAL_H

#include <uthash.h>

#include "world.h"
#include "world_bus.h"

struct bits { /* a set of small numbers */
    uint64_t *words;
    size_t n;
};

struct waiting {
    struct frame *frame;
    bool is_right; /* as it was judged when it came */
};

struct sub { /* a worker's part */
    uint32_t number;
    bool is_held;
    enum presence_wish wish;
    uint64_t skip_to;
    struct waiting *waiting;
    size_t n_waiting;
};

struct place { /* what a session knows of one channel */
    bool is_member;
    bool owes_history;   /* an answer skipped events: a history must follow */
    bool has_list;       /* of members */
    uint64_t position;   /* newest offset it knows */
    uint64_t replay_end; /* head of a resumed join */
    uint64_t replay_at;  /* newest replayed offset, 0: none yet */
    /* The positions that it has named, one bit each. */
    uint64_t sinces[WORLD_MAX_LOG / 64];
    bool owes_start;  /* resumed, and nothing has told yet whether all of it comes */
    size_t version;   /* of the watches, when it was acknowledged */
    struct bits list; /* by the entry's number */
    uint32_t *states; /* digests, by the same; NULL: it is told none */
    size_t n_states;
};

enum { WORLD_MAX_ROWS = 8 }; /* of a table, when they are read */
enum { MAX_SUBS = 16, MAX_VERSIONS = 200, MAX_SHAPES = 200 };

/* Of the channels' places the plain ones come first. */
enum { WORLD_PLACES = WORLD_CHANNELS * WORLD_VIEWS };

struct asked { /* a ref of a command */
    char ref[12];
    bool is_optional; /* HISTORY: answered only if it is refused */
};

struct peer { /* one session, with its worker's part and its oracle */
    struct session_id id;
    bool is_open;
    unsigned close_code;
    enum world_who who;         /* as the database knows */
    struct identity *on_worker; /* as the worker has been told */
    struct sub subs[MAX_SUBS];
    size_t n_subs;
    bool owes_drain; /* the hub waits for it */
    struct note *notes;
    size_t n_notes, cap_notes;
    struct asked *asked; /* refs that are not answered */
    size_t n_asked, cap_asked;
    struct entry *self; /* how others see it, from its acknowledgements */
    struct place places[WORLD_PLACES];
};

struct entry { /* a client's JSON, numbered */
    UT_hash_handle hh;
    uint32_t number;
    struct entry *same; /* with the same socketId, a ring */
    char socket[ID_TEXT_SIZE];
    size_t len;
    char text[];
};

struct read {
    struct store_query query;
    char channel[16], epoch[16];
    size_t log_len; /* when it was asked */
    store_answer_fn *done;
    void *arg;
};

struct row_read { /* for a snapshot */
    unsigned channel;
    store_snapshot_fn *done;
    void *arg;
};

struct look { /* at what the sequencer has told */
    store_settled_fn *done;
    void *arg;
};

struct judging { /* a question */
    enum store_judge_rank rank;
    size_t n_parties, n_images;
    char **claims, **images;
    store_judge_fn *done;
    void *arg;
};

struct append {
    struct event *event;
    struct session_id sender;
    char ref[12]; /* "": none */
};

struct token {
    struct session_id session;
    store_token_fn *done;
    void *arg;
};

struct sql_member { /* a row of herald.member */
    UT_hash_handle hh;
    char key[40]; /* channel and socketId */
    unsigned channel;
    struct identity *identity;
    uint64_t since_ms;
};

struct watched { /* a table, at some time */
    bool is_watched;
    unsigned shape;    /* today's, among the world's */
    bool is_restated;  /* shapes from before it are judged by its word alone */
    unsigned restated; /* up to here */
};

struct row_change { /* behind an event of the log */
    bool has_old, has_new, is_reduced;
    bool is_doubtful; /* the judges have failed at it, or will */
    struct world_row old, new;
    unsigned shape;
    size_t version;   /* when it was committed */
    size_t delivered; /* when the hub was told: whoever was there or held by then is told by that */
};

struct version { /* of the watches */
    struct watched tables[WORLD_CHANNELS];
};

struct world {
    struct world_options options;
    unsigned node; /* of options.bus */
    struct hub *hub;
    struct hub_options hub_options; /* that it has */
    struct store_sink sink;
    struct metrics *metrics;
    struct store store;
    struct transport transport;
    struct site *site; /* a copy of the hub's */
    uint64_t version;  /* of the newest directive */
    char epoch[16];
    bool is_up;
    uint64_t now_ms;
    struct peer *peers; /* options.slots of each worker */
    uint32_t n_peers;
    uint32_t generation;
    struct identity *identities[WHO_COUNT];
    struct entry *entries;
    struct entry **by_number;
    uint32_t n_entries, cap_entries;
    struct frame *newest_full; /* a list, and the set that it is */
    struct bits newest_list;
    struct event *log[WORLD_MAX_LOG];
    struct session_id senders[WORLD_MAX_LOG]; /* generation 0: not a message */
    char refs[WORLD_MAX_LOG][12];             /* of the messages; "": none */
    size_t n_log, n_delivered;
    uint64_t heads[WORLD_CHANNELS + 1], floors[WORLD_CHANNELS];  /* the last: rereads */
    size_t n_asked;                                              /* reads */
    struct event *by_channel[WORLD_CHANNELS + 1][WORLD_MAX_LOG]; /* by offset - 1 */
    struct read *reads;
    size_t n_reads, cap_reads;
    struct judging *judgings;
    size_t n_judgings, cap_judgings;
    struct world_row rows[WORLD_CHANNELS][WORLD_MAX_ROWS]; /* as they were read last */
    size_t n_rows[WORLD_CHANNELS];
    struct row_read row_reads[64];
    size_t n_row_reads;
    struct look looks[64];
    size_t n_looks;
    struct append appends[1024];
    const char *ref, *key, *by; /* of the next command; or NULL */
    size_t n_appends;
    struct world_call *calls;
    size_t n_calls, cap_calls;
    struct token *tokens;
    size_t n_tokens, cap_tokens;
    store_settled_fn *settled; /* is to be told; NULL: nobody has asked */
    void *settled_arg;
    bool denied[2][WORLD_CHANNELS][WHO_COUNT];
    struct sql_member *sql;
    struct world_stats stats;
    char kinds[256];
    struct shape *shapes[MAX_SHAPES];
    enum world_visible visible_of[MAX_SHAPES]; /* the shapes' */
    unsigned n_shapes;
    struct version versions[MAX_VERSIONS];
    size_t n_versions;
    struct row_change changes[WORLD_MAX_LOG]; /* by the events' number in the log */
    char view_names[WORLD_VIEWS][12];
};

/* ---- world.c ---- */

struct peer *world_peer(struct world *world, unsigned worker, unsigned slot);
struct peer *world_peer_of(struct world *world, struct session_id id); /* NULL: gone or closing */
unsigned world_channel_index(struct str name);
void world_copy(char *to, size_t size, struct str from);
void world_end_step(struct world *world); /* the turn ends, unless the test does that */
/* For a growing array: room for one more of `size` bytes. */
void *world_grow(void *array, size_t n, size_t *cap, size_t size);
bool world_is_same(const struct identity *a, const struct identity *b);

bool bits_has(const struct bits *bits, uint32_t i);
void bits_set(struct bits *bits, uint32_t i, bool is_in);
void bits_copy(struct bits *to, const struct bits *from);
bool bits_equal(const struct bits *a, const struct bits *b);
size_t bits_count(const struct bits *bits);
void bits_release(struct bits *bits);

/* ---- world_protocol.c ---- */

extern const struct protocol world_protocol;
struct note *world_note(struct frame *frame);
/* HISTORY: the events' numbers in the log, then their digests. FULL and UPDATES: the entries' numbers; an update that
 * is no join has WORLD_IS_LEAVE or WORLD_IS_UPDATE added; then
 * the digests of their states, 0: not told. */
#define WORLD_IS_LEAVE 0x80000000u
#define WORLD_IS_UPDATE 0x40000000u
const uint32_t *world_note_items(struct world *world, struct frame *frame);
struct entry *world_entry(struct world *world, struct str client); /* finds or makes it */

/* ---- world_transport.c ---- */

struct transport world_transport(struct world *world);
struct sub *world_find_sub(struct peer *peer, uint32_t number);
void world_drop_peer(struct peer *peer); /* its socket is gone */

/* ---- world_store.c and world_calls.c ---- */

void world_fake_settle(void *ctx, bool wants_snapshot, store_settled_fn *done, void *arg);
void world_fake_read(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg);
bool world_fake_append(void *ctx, const struct store_append *what);
void world_fake_call(void *ctx, const struct store_call *call, store_verdict_fn *done, void *arg);
void world_fake_check_token(void *ctx, struct str token, store_token_fn *done, void *arg);
void world_fake_presence(void *ctx, bool is_reset, const struct presence_news *members, size_t n);
void world_release_sql(struct world *world);
/* What this one is told of an event in this view. */
struct world_told {
    enum { TOLD_NOTHING, TOLD_EVENT, TOLD_GAP } kind;
    uint32_t digest; /* EVENT */
};
struct world_told world_told(struct world *world, const struct event *event, enum world_who who,
                             enum world_filter filter);
/* Must this one have been told of an event of the place's channel after `from` and up to `to`? Where
 * watches have changed since it was acknowledged, only what is so by all of them. */
bool world_has_visible(struct world *world, const struct peer *peer, unsigned place, uint64_t from,
                       uint64_t to);

/* ---- world_judges.c ---- */

void world_fake_judge(void *ctx, const struct store_case *asked, store_judge_fn *done, void *arg);
void world_release_judgings(struct world *world);

/* ---- world_refs.c ---- */

void world_note_ref(struct world *world, struct command *command); /* gives it the next ref */
void world_check_ref(struct peer *peer, const struct note *note);  /* which it receives */

/* ---- world_snapshots.c ---- */

void world_fake_read_rows(void *ctx, const struct store_snapshot_query *query,
                          store_snapshot_fn *done, void *arg);
void world_fake_look(struct world *world, store_settled_fn *done, void *arg);
void world_end_snapshots(struct world *world); /* as a store that stops */

/* ---- world_bus.c ---- */

const struct bus *world_bus_enter(struct world_bus *bus, struct world *world, unsigned *node);
void world_bus_open(struct world_bus *bus, unsigned node,
                    struct bus_sink sink); /* its hub is there */
void world_bus_leave(struct world_bus *bus, unsigned node);
void world_close_told(struct world *world); /* world.c: workers close what they were told to */

/* ---- world_rows.c ---- */

struct world_told world_told_row(struct world *world, size_t version, const struct event *event,
                                 enum world_who who, enum world_filter filter);
uint32_t world_digest(const char *moved, struct str payload);
const char *world_filter_text(enum world_filter filter);                   /* NULL: plain */
struct shape *world_shape_of(const struct world *world, unsigned channel); /* of its table today */
/* Of the rows that were read last as this one may see them today, as a frame has them. */
uint32_t world_digest_rows(const struct world *world, unsigned channel, enum world_who who);
unsigned world_place_of(const struct world *world, const struct note *note);
void world_start_rows(struct world *world);
void world_release_rows(struct world *world);
void world_fill_watches(struct world *world, struct site *site);
void world_tell_site(struct world *world); /* world.c: with the watches as they are now */
void world_add_to_log(struct world *world, struct event_fields fields, struct session_id sender);

#endif
