/* SPDX-License-Identifier: PostgreSQL */
/* What was asked, what the hub said to it, and the words for that. */
#ifndef HERALD_CLI_WHY_VERDICT_H
#define HERALD_CLI_WHY_VERDICT_H

#include <stdio.h>

#include "cli/why/trial.h"

enum why_action { WHY_JOIN, WHY_SEND, WHY_SEE };

struct why_case {
    enum why_action action;
    const char *channel, *key; /* key: SEE */
    struct identity *who;      /* NULL: anonymous */
    const char *as;            /* for people: 12/34, or anonymous */
    const struct rule *rule;   /* of the channel; NULL: none. Borrowed, as the rest */
    const struct shape *shape; /* SEE: of the table behind the channel */
    uint32_t timeout_ms;       /* of functions */
};

enum why_verdict { WHY_ALLOWED, WHY_REFUSED, WHY_UNKNOWN };

struct why_answer {
    enum why_verdict verdict;
    struct buf code, message; /* what a client is told; "": nothing */
    struct buf by;            /* the rule, function or policy that decided */
    struct buf change;        /* what would change it, a statement if there is one */
    struct buf note;          /* what else is to be known; "": nothing */
};

/* rows_there: of SEE, how many rows have that key, whoever may see them. */
void verdict_make(const struct why_case *asked, const struct trial_answer *answer,
                  size_t rows_there, struct why_answer *out);
/* It could not even be asked: the sentence says why. */
void verdict_unknown(struct why_answer *out, const char *code, const char *message,
                     const char *change);
void verdict_switched_off(struct why_answer *out);
void verdict_print(const struct why_answer *verdict, const struct why_case *asked, bool is_json,
                   FILE *out);
const char *verdict_name(enum why_verdict verdict);
const char *why_action_name(enum why_action action);
void verdict_release(struct why_answer *verdict);

/* 'it''s' */
void put_literal(struct buf *out, const char *text);
/* The table, as SQL takes it in a literal. */
void put_table(struct buf *out, const struct shape *shape);

#endif
