/* SPDX-License-Identifier: PostgreSQL */
/* Commands that are a statement: what they ask of the database, and how the answer is told, is one
 * row of data. */
#ifndef HERALD_CLI_ASK_ASK_H
#define HERALD_CLI_ASK_ASK_H

#include "cli/admin.h"
#include "cli/command.h"

/* In all statements $1 … are the words, as many as the command takes, then the values of its own
 * options, in their order: texts, and NULL where nothing was given and there is no default. */
struct ask {
    const char *call; /* a statement that comes first, for what it does; or NULL */
    const char *rows; /* the answer: a SELECT that can stand in parentheses */
    /* For people: what they see of a row, as a list of expressions over it; NULL: all of it. */
    const char *shown;
    const char *done;  /* for people, instead of rows: "Published to $.", $ being the first field */
    const char *empty; /* for people, if there is no row; NULL: nothing is said */
    const char *role;  /* who may; named if the database refuses and it is missing */
    /* One of these options must be given, by their names with a blank behind each, and what is said
     * if none is; or NULL. */
    const char *needs, *needs_said;
    bool is_record; /* for people: one row, a line a field */
    /* The first field, "ok", says whether all is well: if not, the exit code is 1. */
    bool is_verdict;
    /* rows has at most one more than --limit says: that there are more is told. */
    bool is_limited;
    bool tells_following; /* that nothing follows ALTER TABLE is told at last */
    /* Looks at the parameters before there is a connection; may replace one by *owned, a heap text.
     * NULL: there is nothing to look at. */
    enum status (*prepare)(const char **params, char **owned, struct err *err);
};

/* Where the options of such commands go. */
struct ask_values {
    uint32_t limit, dbo_id;
    char *row_id, *socket_id, *channel, *reason;
};

enum exit_code ask_run(const struct invocation *invocation, struct err *err);

/* Asks for the rows and tells them as the invocation wants it. *is_well: see is_verdict. */
enum status ask_tell(struct admin *admin, const struct ask *ask,
                     const struct invocation *invocation, int n_params, const char *const *params,
                     bool *is_well, struct err *err) MUST_CHECK;

/* A call of a function with named arguments, made of the options that were given. */
#define NAMED_CALL_MAX 32
struct named_call {
    struct buf sql;
    const char *params[NAMED_CALL_MAX]; /* not copied */
    int n;
};

/* Appends ", name => …" for each option of the table that is among `given`, from its text, or from
 * *values if it is a number. Of one that was given twice the last counts. Options whose value is
 * called A,B are lists, and those of FUNCTION may have the types of its arguments. Names are the
 * options' with _ for -. */
void named_call_add(struct named_call *call, const struct arguments *given,
                    struct option_table table, const void *values);
/* Ends the parenthesis and runs it. */
enum status named_call_run(struct named_call *call, struct admin *admin,
                           struct err *err) MUST_CHECK;
void named_call_release(struct named_call *call);

#endif
