/* SPDX-License-Identifier: PostgreSQL */
/* What the sequencer's own files share: sequencer.c (life, when to look and when to sleep),
 * open.c, session.c and site.c (from a new connection to serving), sequence.c (a batch is a transaction) and
 * deliver.c (what is committed is told, catching up), settle.c (when all is told). Nobody else
 * includes this. */
#ifndef HERALD_PG_SEQUENCER_INTERNAL_H
#define HERALD_PG_SEQUENCER_INTERNAL_H

#include "pg/query.h"
#include "pg/rows.h"
#include "pg/batch/batch.h"
#include "pg/sequencer/sequencer.h"

enum sequencer_phase {
    SEQUENCER_PHASE_AWAY,    /* no connection, or stopped */
    SEQUENCER_PHASE_OPENING, /* the steps of open.c, and catching up */
    SEQUENCER_PHASE_SERVING,
};

struct sequencer {
    struct loop *loop;
    struct sequencer_options options;
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
    bool is_due;        /* rung since the last look was sent */
    bool wants_look, wants_version, wants_wake;
    unsigned n_hits;     /* looks in a row that found something while holding the doorbell */
    uint32_t backoff_ms; /* 0: the shortest */
    uint32_t pause_ms;   /* before the next look, which is wanted; 0: none */
    uint64_t version_ms; /* when the version was last asked for */

    /* Settling. A look that was sent after the question, and has taken all that it saw, answers it. */
    struct settling *settling;
    bool wants_snapshot; /* somebody is to be told of which transactions it is the answer */
    uint64_t n_looks;    /* sent */
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
    uint64_t position; /* that our last batch left behind; heads hold while it is the newest */
    struct heads heads;
    struct shape_wish wish;
    struct emptied emptied;
    size_t few_rows;    /* a batch was refused: so many of its rows are tried; 0: no such thing */
    uint64_t poison_id; /* the one that was refused alone */

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
void sequencer_tell_down(struct sequencer *sequencer, const char *reason);

/* open.c */
void sequencer_begin_opening(struct sequencer *sequencer);
void sequencer_lead(struct sequencer *sequencer);
void sequencer_open(struct sequencer *sequencer); /* herald.open and what follows it */

/* settle.c */
void sequencer_ask_snapshot(struct sequencer *sequencer); /* for who wants one; then goes on */
/* A look has been answered, and what it brought was told; has_all: nothing that it saw is left. */
void sequencer_note_look(struct sequencer *sequencer, bool has_all);
void sequencer_unsettle(struct sequencer *sequencer); /* the end */

/* site.c */
/* Reads it and tells the sink, then calls `then`. */
void sequencer_load_site(struct sequencer *sequencer, void (*then)(struct sequencer *sequencer));
/* Loads it if it has changed, then calls `then`. */
void sequencer_ask_version(struct sequencer *sequencer, void (*then)(struct sequencer *sequencer));
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
/* The batch is committed; newest: the log's newest id before it. Then goes on. */
void sequencer_deliver_batch(struct sequencer *sequencer, uint64_t newest);
void sequencer_catch_up(struct sequencer *sequencer, uint64_t target); /* then goes on */
void sequencer_void_positions(struct sequencer *sequencer);
void sequencer_forget_batch(
    struct sequencer *sequencer); /* what it holds of answers and heads, not its messages */

#endif
