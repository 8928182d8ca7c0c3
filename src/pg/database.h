/* SPDX-License-Identifier: PostgreSQL */
/* The store seam over libpq: keeps the connections, runs the sequencer, answers reads, loads the
 * site. Lives on the hub's loop. Whatever happens to Postgres, it stays up, says so through the
 * sink, and tries again. */
#ifndef HERALD_PG_DATABASE_H
#define HERALD_PG_DATABASE_H

#include "base/err.h"
#include "core/metrics.h"
#include "core/nodes/bus.h"
#include "core/store.h"
#include "loop/loop.h"
#include "pg/house/remarks.h"

/* The newest step of sql/ that belongs to this program: an older schema is refused, a newer one
 * warned about. */
enum { DATABASE_SCHEMA_STEP = 15 };

struct database;

struct database_options {
    const char *url;           /* libpq URI or keyword/value string; copied */
    uint32_t look_ms;          /* the safety look while asleep */
    uint32_t batch_rows;       /* most outbox rows per batch */
    uint32_t batch_bytes;      /* most payload bytes per batch (one row always fits) */
    uint32_t query_timeout_ms; /* deadline of every query */
    uint32_t append_max_bytes; /* pending messages; beyond it append refuses */
    uint32_t retention_hours;  /* 0: keep everything */
    uint32_t hook_timeout_ms;  /* of the owner's functions */
    uint32_t hook_connections;
    const char *hook_url;       /* NULL: url, as herald_hook; copied */
    const char *judge_url;      /* NULL: url, as herald_judge; copied */
    const char *token_function; /* NULL: check_token accepts nothing; copied */
    const char *node;      /* names this process in herald.presence: of several, its id; copied */
    const char *node_name; /* for people, of several; copied */
    /* To the other nodes, which all serve. NULL: alone, and a second one waits for the first. */
    const struct bus *bus;
    /* Without the database for so long, while a node that leads has it: sessions are closed, for them
     * to go there. 0: never. */
    uint32_t postgres_grace_ms;
    struct metrics_block *counts; /* of the loop's thread; NULL: nothing is counted */
    /* Called once, when waiting will not help: at the start the schema is missing or older than
     * this program, or the URL is none. Later a missing schema is waited for, as in a restore. */
    void (*on_fatal)(void *arg, const struct err *err);
    /* Those who get the events have too many of them already: no more are taken from the outbox for
     * now. Asked again every few milliseconds. NULL: never. */
    bool (*is_behind)(void *arg);
    void *arg;
    /* The keys of the bus, the newest first, and which database this is, as the bus calls it: at each
     * new connection and when asked for. NULL: there is no bus. */
    void (*on_bus_keys)(void *arg, struct str realm, const struct str *keys, size_t n);
    void *bus_keys_arg;
};

struct database *database_new(struct loop *loop, const struct database_options *options);
/* The numbers of these, for what is done from now on; but hook_connections, which stays. */
void database_set_options(struct database *database, const struct database_options *options);
struct store database_store(struct database *database);
void database_measure(struct database *database); /* brings gauges up to date */
void database_remark(struct database *database, enum remark remark, struct str detail);
void database_ask_bus_keys(struct database *database); /* if it is there */
/* Of another node: BUS_KIND_ROWS, and its beats. What this node's beat says of the log. */
void database_hear(struct database *database, const char *from, struct str body);
void database_hear_beat(struct database *database, const char *from, const struct bus_beat *beat);
void database_fill_beat(const struct database *database, struct bus_beat *beat);
bool database_is_leading(const struct database *database);
uint64_t database_lag(const struct database *database); /* events that were not delivered yet */
/* What waits in the outbox, if it is much or for long (pg/backlog.h); NULL: it is not, or another node
 * knows. Borrowed until the next turn. */
const struct backlog *database_backlog(const struct database *database);
/* This node is about to end: another one may lead from now on. Alone: nothing. */
void database_resign(struct database *database);
void database_start(struct database *database, struct store_sink sink);
/* Gives pending messages and calls up to drain_ms, then ends the connections and calls done. */
void database_stop(struct database *database, uint32_t drain_ms, loop_fn *done, void *arg);
void database_free(struct database *database);

#endif
