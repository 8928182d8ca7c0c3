/* SPDX-License-Identifier: PostgreSQL */
/* Calls the owner's functions through the store of a bed and writes down what is answered. The
 * functions that the tests call are made by asker_new, in schema public. */
#ifndef HERALD_TESTS_FAKES_ASKER_H
#define HERALD_TESTS_FAKES_ASKER_H

#include "bed.h"

/* As the site names them. */
#define FUNCTION(name) "public." name "(text,text,json,json,json)"

struct asked {
    struct asker *asker;
    size_t rank; /* answered as the how manieth, from 1; 0: not yet */
    uint64_t asked_ms, answered_ms;
    enum store_verdict_result result;
    bool is_allowed, has_payload, has_reason;
    char payload[512], reason[768];
    bool is_accepted; /* a token */
    enum error_code error;
    struct identity *identity;
};

struct asker {
    struct bed *bed;
    struct asked *all;
    size_t n, cap, n_answered;
    size_t n_done, n_refused, n_failed;
};

struct asker *asker_new(struct bed *bed, size_t cap); /* at most so many questions */
void asker_free(struct asker *asker);                 /* when nothing is asked any more */
/* Calls an on_message function with this payload. slot 0: in no queue. */
struct asked *asker_call(struct asker *asker, const char *function, uint32_t slot,
                         const char *payload);
struct asked *asker_authorize(struct asker *asker, const char *function, const char *identity);
struct asked *asker_token(struct asker *asker, const char *token);
void asker_wait(struct asker *asker); /* until all are answered */

#endif
