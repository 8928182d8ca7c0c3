/* SPDX-License-Identifier: PostgreSQL */
/* The seam to who judges rows in the database: row level security, or a function of the owner's. On
 * the hub thread; answers never come from inside the call that asks. */
#ifndef HERALD_CORE_STORE_JUDGES_H
#define HERALD_CORE_STORE_JUDGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct store_party {   /* those who are shown the same rows */
    struct str role;   /* as which it is judged; absent: the judging login itself */
    struct str claims; /* JSON text of an object */
};

/* Whose questions go first; each rank has a connection that those behind it do not use. */
enum store_judge_rank {
    STORE_JUDGE_LIVE,
    STORE_JUDGE_PAST, /* of who comes back, histories, snapshots */
    STORE_JUDGE_SLOW, /* of who was slow the last time */
    STORE_JUDGE_RANKS,
};

struct store_case {
    enum store_judge_rank rank;
    struct str watch;   /* its key */
    int64_t shape;      /* that the rows were captured by */
    struct str visible; /* JSON text: "policy", or {"function":"schema.name(types)"} */
    const struct store_party *parties;
    size_t n_parties;
    const struct str *images; /* JSON objects: the announced and kept columns of a row */
    size_t n_images;
};

struct store_judgement {
    struct str letters; /* one per image: t it may see it, f it may not, u it cannot be told */
    bool has_problem;   /* there was an error with one of them */
    uint32_t took_ms;   /* of the database's time */
};

struct store_verdicts {
    bool is_failed; /* the rest is unset */
    bool is_late;   /* failed: it was stopped, and one of the parties may be to blame */
    const struct store_judgement *judgements; /* one per party */
};

typedef void store_judge_fn(void *arg, const struct store_verdicts *verdicts);

struct store_judges {
    void *ctx;
    /* Borrows the spans for the call. `done` is called exactly once, later. */
    void (*judge)(void *ctx, const struct store_case *asked, store_judge_fn *done, void *arg);
};

#endif
