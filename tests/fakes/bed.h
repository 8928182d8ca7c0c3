/* SPDX-License-Identifier: PostgreSQL */
/* A test bed for src/pg: a database of its own (cluster.h), the store on a loop, and a sink that
 * writes down what it is told and checks what must always hold. Waiting means running the loop
 * until something is so, with a deadline. */
#ifndef HERALD_TESTS_FAKES_BED_H
#define HERALD_TESTS_FAKES_BED_H

#include <libpq-fe.h>

#include "base/buf.h"
#include "pg/database.h"

struct bed {
    struct loop *loop;
    bool is_beside; /* the loop is another bed's */
    struct loop_timer *watch;
    struct database *database;
    struct store store;
    PGconn *admin; /* a superuser's connection, blocking */
    char name[32]; /* of the database */

    struct event **events; /* everything on_event brought */
    size_t n_events, cap_events;
    size_t n_up, n_down, n_superseded, n_sites, n_done, n_failed, n_fatal, n_answers, n_stopped,
        n_warnings;
    uint64_t last_id;
    char epoch[64];
    char reason[256];
    char warnings[1024];
    struct err fatal;
    uint64_t site_version;
    size_t n_rules, n_canonicals;
    size_t n_directives;
    struct directive directive; /* the last one; its texts are in the next ones */
    char directive_row_id[64], directive_socket_id[64], directive_channel[64], directive_reason[64];
    void (*when_up)(struct bed *bed); /* called at the end of on_up; NULL: nothing */
    uint64_t receipts[64];            /* their offsets, 0: without one */
    size_t n_receipts;
    struct buf trace; /* one letter a call: Site Told-directive Up Down Event Append-done Failed */

    struct store_answer answer; /* the last one; events are referenced, epoch is in answer_epoch */
    char answer_epoch[64];
    struct event *answer_events[64];
};

struct bed *bed_new(void); /* creates the database, starts nothing */
/* Another node's, on the same database and loop; freed before the first. */
struct bed *bed_beside(struct bed *bed);
struct database_options bed_options(struct bed *bed, const char *url);
void bed_start(struct bed *bed, const struct database_options *options);
void bed_start_plainly(struct bed *bed); /* as herald_server, and waits for up */
void bed_end(struct bed *bed);           /* stops and frees the store only */
void bed_free(struct bed *bed);

void bed_wait(struct bed *bed, const size_t *counter, size_t at_least);
/* Until the query's first value is t. */
void bed_wait_sql(struct bed *bed, const char *query);
void bed_sql(struct bed *bed, const char *format, ...) __attribute__((format(printf, 2, 3)));
long long bed_number(struct bed *bed, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bed_kill_server_backends(struct bed *bed);
/* Another sequencer, which believes that it leads, takes what is pending, whatever ours does. */
void bed_drain_by_another(struct bed *bed);

bool bed_append(struct bed *bed, const char *channel, struct str payload, uint32_t sender);
/* With a receipt, sent once under by and key; NULL: any number of times. */
bool bed_append_once(struct bed *bed, const char *channel, struct str payload, uint32_t sender,
                     const char *by, const char *key);
void bed_read(struct bed *bed, const struct store_query *query); /* counts in n_answers */
/* All that the log holds after `after` was delivered, once and in order, with the same offsets and
 * payloads. */
void bed_check_against_log(struct bed *bed, long long after);

#endif
