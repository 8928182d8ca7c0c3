/* SPDX-License-Identifier: PostgreSQL */
/* What the sequencer's own files share: sequencer.c (life, when to look and when to sleep),
 * open.c, session.c and site.c (from a new connection to serving), sequence.c (a batch is a
 * transaction) and deliver.c (what is committed is told, catching up), settle.c (when all is told),
 * follow.c, pieces.c and stand.c (one of several nodes). Nobody else includes this. */
#ifndef HERALD_PG_SEQUENCER_INTERNAL_H
#define HERALD_PG_SEQUENCER_INTERNAL_H

#include "pg/batch/batch.h"
#include "pg/pieces/hold.h"
#include "pg/query.h"
#include "pg/rows.h"
#include "pg/sequencer/sequencer.h"

enum sequencer_phase {
    SEQUENCER_PHASE_AWAY,    /* no connection, or stopped */
    SEQUENCER_PHASE_OPENING, /* the steps of open.c, and catching up */
    SEQUENCER_PHASE_SERVING,
};

enum stand { STAND_UNTOLD, STAND_UP, STAND_DOWN, STAND_OTHER_VERSIONS };

struct sequencer {
    struct loop *loop;
    struct sequencer_options options;
    struct sequencer_options wanted; /* whose numbers are taken between two batches */
    bool is_changed;
    struct store_sink sink;
    struct connection *connection;
    struct loop_timer *wait_timer; /* OPENING: the next try to lead; SERVING: the next look */
    struct loop_timer
        *soon_timer; /* the next turn of the loop: what one turn appends is one batch */
    enum sequencer_phase phase;
    bool is_busy; /* a query is under way: there is never more than one */
    bool is_stopped, is_draining;
    bool is_url_bad;

    /* What the sink has been told. */
    bool is_up, was_up;
    bool is_epoch_told; /* `epoch` is the one of the last on_up */
    bool is_void;       /* positions of this epoch became void while we were down */
    bool is_superseded; /* another server has led since we were up */
    char *down_reason;  /* the last one; NULL: none yet */
    char *epoch;        /* NULL: never opened */
    uint64_t delivered; /* the newest id of the log that is behind us; means nothing while epoch is
                           NULL */
    uint64_t site_version; /* means something if is_site_known */
    bool is_site_known;
    char *watches_version;          /* of the watches that the sink has been told of; NULL: none */
    struct arriving_site *arriving; /* site.c: read, while its watches' shapes are asked for */
    void (*after_version)(struct sequencer *sequencer);

    bool is_leading;     /* this node moves the outbox, and decides about the epoch */
    int session_pid;     /* whose process answers us */
    struct probe *probe; /* session.c; NULL: none is under way */
    int led_pid;         /* our session when we led last; 0: never; -1: a pooler's */

    /* Looking and sleeping. */
    bool is_pooled; /* our session is not our own */
    bool can_sleep; /* writers ring, and we would hear it */
    bool is_obstacle_told;
    bool is_holding;    /* the doorbell's locks are ours: whoever writes now rings */
    int32_t lease;      /* which of them, for herald.stay_asleep; while is_holding */
    uint64_t lease_ms;  /* when it was asked for */
    uint64_t looked_ms; /* when the last look was sent */
    bool is_slow;       /* it found nothing, and took its time */
    bool is_due;        /* rung since the last look was sent */
    bool wants_look, wants_version, wants_wake;
    unsigned n_misses;   /* looks in a row that found nothing */
    uint32_t backoff_ms; /* 0: the shortest */
    uint32_t flow_rows;  /* of the last batches, each of which weighs less than the next */
    uint32_t pause_ms;   /* before the next look, which is wanted; 0: none */
    uint64_t version_ms; /* when the version was last asked for */

    /* Settling. A look that was sent after the question, and has taken all that it saw, answers it. */
    struct settling *settling;
    uint64_t settle_ms;       /* not leading: when the database was last asked */
    uint32_t settle_pause_ms; /* and how long not again */
    bool wants_snapshot;      /* somebody is to be told of which transactions it is the answer */
    uint64_t n_looks;         /* sent */
    uint64_t begun_look; /* which of them began the difference that is being taken, or was taken */
    bool is_fresh;       /* the one under way sees all that was committed before it was sent */
    bool was_complete;   /* the last one left nothing behind that it saw */

    /* Batches. */
    struct messages messages;
    size_t n_keyed;  /* so many of those in flight have a key */
    size_t n_flight; /* so many of the oldest are in the batch that is under way, or in doubt */
    size_t n_alone;  /* so many of the oldest are sent one by one, to find the poisoned one */
    bool is_without_rows; /* the batch under way is of such a one: rows wait for the next */
    bool is_outbox_next;  /* while there are such: the next batch goes without messages */
    bool is_overtaken;    /* another server sequenced, or a restore did: open again */
    char base[ID_TEXT_SIZE];
    uint64_t n_batches;
    struct batch batch;
    bool is_stashed; /* it is committed and waits until we have caught up with what is before it */
    uint64_t position; /* that our last batch left behind */
    struct heads heads;
    uint64_t heads_id; /* of the log, up to which they hold */
    struct shape_wish wish;
    struct emptied emptied;
    size_t few_rows;    /* a batch was refused: so many of its rows are tried; 0: no such thing */
    uint64_t poison_id; /* the one that was refused alone */
    uint64_t lost_id; /* the largest row of the last large batch over which the session was lost */
    unsigned n_lost;  /* and how often in a row */

    /* One of several nodes. */
    struct loop_timer *beside_timer; /* the next thing to do beside looking and sleeping */
    bool is_resigned;                /* about to end: another one is to lead */
    bool is_entered;                 /* this session has said which node it is */
    uint64_t term;                   /* as Postgres named it; a leader's own */
    uint64_t newest;                 /* in the log, as Postgres named it, or we stored it */
    uint64_t told;                   /* in the log, as another node named it; of this epoch */
    uint64_t newest_ms;              /* when Postgres was last asked */
    uint64_t asked_at;               /* what was delivered then */
    uint64_t found_ms;               /* when that has last brought anything */
    uint64_t hinted;                 /* an id that was heard of; UINT64_MAX: of another epoch */
    uint64_t hint_ms;  /* from when on Postgres is asked, if it is not here by then; 0: no such */
    bool is_hinted;    /* it is asked for that reason */
    uint64_t lead_ms;  /* when we last tried to lead */
    char *sight;       /* of a leader that its session waits for (herald.depose) */
    uint64_t sight_ms; /* since when */
    enum stand stand, told_stand; /* on the bus, as it is and as the database has it */
    uint64_t stand_ms;            /* since when it is */
    uint64_t away_ms;             /* since when we have no database; 0: we have */
    uint64_t heard_ms;            /* when another node was last heard; 0: never */
    uint64_t led_ms;              /* when one that leads was last heard */
    uint64_t gap_ms; /* until when the bus has time to bring what is missing; 0: nothing is */
    bool is_catching_up;
    char *node, *node_name;
    struct hold *hold; /* NULL: this node is alone */
    struct shape_wish piece_wish;
    bool
        is_altered_untold; /* a watch is another one, and others may not know: the next piece says so */
    uint64_t n_heard;      /* pieces */
    uint64_t n_asked;      /* of those, when the site's version was last asked for */
    uint64_t n_sited;      /* so many of them are older than the site that we have */

    /* Catching up. */
    PGresult *log;   /* read, while its shapes are asked for */
    uint64_t target; /* deliver from the log up to here */
    uint64_t found;  /* what is in doubt is looked for in the log up to here */
    bool has_doubt;  /* what is in flight may have been committed … */
    bool is_found;   /* … and was */
};

/* sequencer.c */
void sequencer_ask(struct sequencer *sequencer, const char *sql, struct params *params,
                   query_fn *done);
void sequencer_ask_framed(struct sequencer *sequencer, struct query_frame frame, const char *sql,
                          struct params *params, query_fn *done);
/* First thing in the answer's function. False: lost, or failed and given up; nothing more is to be
 * done. */
bool sequencer_answered(struct sequencer *sequencer, const struct query_result *result,
                        const char *what);
void sequencer_give_up(struct sequencer *sequencer, const char *what,
                       const struct query_result *result);
void sequencer_go_on(struct sequencer *sequencer);
void sequencer_look(struct sequencer *sequencer);
bool sequencer_is_behind(const struct sequencer *sequencer);
bool sequencer_has_messages(const struct sequencer *sequencer); /* that can be stored now */
/* Messages are not kept until this node serves again. */
void sequencer_step_back(struct sequencer *sequencer, const char *reason);
void sequencer_tell_down(struct sequencer *sequencer, const char *reason);

/* open.c */
void sequencer_begin_opening(struct sequencer *sequencer);
void sequencer_lead(struct sequencer *sequencer);
void sequencer_listen(struct sequencer *sequencer); /* to the doorbell, for who leads; then opens */
void sequencer_open(struct sequencer *sequencer);   /* herald.open and what follows it */
/* From the log's epoch and newest id to serving. */
void sequencer_take_place(struct sequencer *sequencer, struct str epoch, uint64_t newest);

/* sequence.c: the session is, before the batch is forgotten */
void sequencer_note_lost_batch(struct sequencer *sequencer, const char *reason);

/* follow.c */
/* What one of several nodes does besides: true: it has asked something, or waits. */
bool sequencer_go_beside(struct sequencer *sequencer);
void sequencer_lead_beside(struct sequencer *sequencer); /* OPENING: leads or follows */
void sequencer_follow(
    struct sequencer *sequencer); /* the same as sequencer_open, without leading */
void sequencer_note_stored(struct sequencer *sequencer); /* the batch is committed, not told */
void sequencer_note_away(
    struct sequencer *sequencer); /* the connection is lost, or another epoch */
/* Whether sessions are to go to nodes that have the database, while we have none. */
void sequencer_judge_away(struct sequencer *sequencer);
/* Something up to this id was said to be in the log; UINT64_MAX: of another epoch. */
void sequencer_hint(struct sequencer *sequencer, uint64_t id);
bool sequencer_is_bus_alive(const struct sequencer *sequencer);

/* pieces.c */
void sequencer_publish(struct sequencer *sequencer); /* the batch, which is committed */
void sequencer_apply_pieces(struct sequencer *sequencer);
/* A piece that is next needs shapes, or the site's version: true: it was asked for. */
bool sequencer_ask_for_pieces(struct sequencer *sequencer);

/* stand.c */
bool sequencer_ask_stand(struct sequencer *sequencer); /* true: it is another one, and was told */

/* settle.c */
/* The same for who does not lead; true: it was asked. */
bool sequencer_ask_sequenced(struct sequencer *sequencer);
void sequencer_settle_anew(struct sequencer *sequencer);  /* we lead now, or no longer */
void sequencer_ask_snapshot(struct sequencer *sequencer); /* for who wants one; then goes on */
/* A look has been answered, and what it brought was told; has_all: nothing that it saw is left. */
void sequencer_note_look(struct sequencer *sequencer, bool has_all);
void sequencer_unsettle(struct sequencer *sequencer); /* the end */

/* site.c */
/* Reads it and tells the sink, then calls `then`. */
void sequencer_load_site(struct sequencer *sequencer, void (*then)(struct sequencer *sequencer));
/* Loads it if it has changed, then calls `then`. */
void sequencer_ask_version(struct sequencer *sequencer, void (*then)(struct sequencer *sequencer));
/* Whether herald.version() and herald.watches_version(), in this column and the next of an answer's
 * first row, are those of the site that we have. */
bool sequencer_is_site(const struct sequencer *sequencer, const PGresult *rows, int column);
void sequencer_drop_site(struct sequencer *sequencer); /* one that is not told yet */

/* session.c */
void sequencer_ask_session(struct sequencer *sequencer); /* then leads */
void sequencer_hear_probe(struct sequencer *sequencer); /* a notification, while there is a probe */
void sequencer_end_probe(struct sequencer *sequencer);

/* sequence.c */
void sequencer_send_batch(struct sequencer *sequencer);

/* deliver.c */
void sequencer_refuse_oldest(struct sequencer *sequencer); /* of the messages in flight */
/* The i-th of them is in the log already: epoch absent: it is not known where. */
void sequencer_complete_duplicate(struct sequencer *sequencer, size_t i, struct str epoch,
                                  uint64_t offset);
/* One of several nodes is committed, and not told yet. */
void sequencer_deliver_stash(struct sequencer *sequencer);
/* is_ours: this row is the oldest of our messages in flight. */
void sequencer_deliver(struct sequencer *sequencer, struct event *event, bool is_ours);
/* The batch is committed; newest: the log's newest id before it. Then goes on. */
void sequencer_deliver_batch(struct sequencer *sequencer, uint64_t newest);
void sequencer_catch_up(struct sequencer *sequencer, uint64_t target); /* then goes on */
void sequencer_void_positions(struct sequencer *sequencer);
void sequencer_forget_batch(
    struct sequencer *sequencer); /* what it holds of answers and heads, not its messages */

#endif
