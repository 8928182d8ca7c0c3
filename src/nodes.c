/* SPDX-License-Identifier: PostgreSQL */
/* A node that is alone has a bus, too, and nothing else here: no thread, no key, no beat. */
#include "nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "bus/address.h"
#include "bus/local.h"
#include "core/nodes/standing.h"
#include "pg/backlog.h"

struct nodes {
    struct nodes_options options;
    struct nats_bus *nats; /* NULL: alone */
    struct bus bus;
    struct standing standing;
    struct database *database;
    struct bus_sink hub; /* whose matter all is that is not the database's */
};

static void on_unknown_key(void *arg)
{
    struct nodes *nodes = arg;
    database_ask_bus_keys(nodes->database);
}

/* An id is drawn at random: two of the same come from a copy of a running machine. */
static void on_double(void *arg)
{
    const struct nodes *nodes = arg;
    log_error("another process speaks as node %s (is this machine a copy of a running one?): this "
              "one takes another id, and its clients come back to it",
              nodes->options.node_id);
    nodes->options.on_double(nodes->options.arg);
}

enum status nodes_new(struct loop *loop, const struct nodes_options *options, struct nodes **out,
                      struct err *err)
{
    struct nodes *nodes = mem_zalloc(sizeof(*nodes));
    nodes->options = *options;
    struct nats_bus_options nats = {
        .bus = options->bus,
        .node_id = options->node_id,
        .node_name = options->node_name,
        .counts = options->counts,
        .arg = nodes,
        .on_unknown_key = on_unknown_key,
        .on_double = on_double,
    };
    bool is_local = bus_options_is_local(options->bus);
    if (!is_local && nats_bus_new(loop, &nats, &nodes->nats, err) != STATUS_OK) {
        free(nodes);
        return STATUS_FAILED;
    }
    nodes->bus = is_local ? bus_local : nats_bus_seam(nodes->nats);
    atomic_init(&nodes->standing.bus, is_local ? STANDING_BUS_LOCAL : STANDING_BUS_DOWN);
    *out = nodes;
    return STATUS_OK;
}

/* What database and hub still say while they end is said to nobody. */
void nodes_stop(struct nodes *nodes)
{
    if (nodes) {
        nats_bus_free(nodes->nats);
        nodes->nats = NULL;
        nodes->bus = bus_local;
    }
}

void nodes_free(struct nodes *nodes)
{
    nodes_stop(nodes);
    free(nodes);
}

const struct bus *nodes_bus(const struct nodes *nodes)
{
    return &nodes->bus;
}

const struct standing *nodes_standing(const struct nodes *nodes)
{
    return &nodes->standing;
}

bool nodes_is_shared(const struct nodes *nodes)
{
    return nodes->nats != NULL;
}

/* ---- what is heard ---- */

static void on_parcel(void *ctx, const char *from, enum bus_kind kind, struct str body)
{
    const struct nodes *nodes = ctx;
    if (kind == BUS_KIND_ROWS) {
        database_hear(nodes->database, from, body);
    } else {
        nodes->hub.on_parcel(nodes->hub.ctx, from, kind, body);
    }
}

static void on_peer(void *ctx, const struct bus_peer *peer, enum bus_news news)
{
    const struct nodes *nodes = ctx;
    nodes->hub.on_peer(nodes->hub.ctx, peer, news);
}

static void on_beat(void *ctx, const char *from, const struct bus_beat *beat)
{
    const struct nodes *nodes = ctx;
    database_hear_beat(nodes->database, from, beat);
    nodes->hub.on_beat(nodes->hub.ctx, from, beat);
}

static void fill_beat(void *ctx, struct bus_beat *beat)
{
    const struct nodes *nodes = ctx;
    database_fill_beat(nodes->database, beat);
    nodes->hub.fill_beat(nodes->hub.ctx, beat);
}

/* ---- life ---- */

void nodes_start(struct nodes *nodes, struct database *database, struct hub *hub)
{
    nodes->database = database;
    nodes->hub = hub_bus_sink(hub);
    if (nodes->nats) {
        struct bus_sink sink = {
            .ctx = nodes,
            .on_parcel = on_parcel,
            .on_peer = on_peer,
            .on_beat = on_beat,
            .fill_beat = fill_beat,
        };
        nats_bus_start(nodes->nats, sink);
    }
}

void nodes_on_keys(void *arg, struct str realm, const struct str *keys, size_t n)
{
    struct nodes *nodes = arg;
    struct seal_keys sealed = {0};
    for (size_t i = 0; i < n && sealed.n < SEAL_MAX_KEYS; i++) {
        if (keys[i].len == SEAL_KEY_SIZE) {
            memcpy(sealed.keys[sealed.n++], keys[i].ptr, SEAL_KEY_SIZE);
        }
    }
    if (sealed.n == 0) {
        log_error("herald.bus_keys() gives no key of %d bytes: call herald.rotate_bus_key()",
                  SEAL_KEY_SIZE);
        return;
    }
    nats_bus_set_keys(nodes->nats, realm, &sealed);
}

void nodes_reload(struct nodes *nodes)
{
    if (nodes->nats) {
        nats_bus_reload(nodes->nats);
    }
}

static void measure_backlog(struct nodes *nodes)
{
    static const struct backlog none;
    const struct backlog *known = database_backlog(nodes->database);
    const struct backlog *backlog = known ? known : &none;
    atomic_store(&nodes->standing.backlog_rows, backlog->n_rows);
    atomic_store(&nodes->standing.backlog_rate, backlog->rate);
    atomic_store(&nodes->standing.backlog_left_s, backlog->left_s);
}

void nodes_measure(struct nodes *nodes)
{
    measure_backlog(nodes);
    if (nodes->nats) {
        atomic_store(&nodes->standing.role, database_is_leading(nodes->database)
                                                ? STANDING_ROLE_LEADER
                                                : STANDING_ROLE_FOLLOWER);
        atomic_store(&nodes->standing.lag_events, database_lag(nodes->database));
        atomic_store(&nodes->standing.bus,
                     nats_bus_is_up(nodes->nats) ? STANDING_BUS_UP : STANDING_BUS_DOWN);
        atomic_store(&nodes->standing.other_versions, nats_bus_n_foreign(nodes->nats));
        nats_bus_measure(nodes->nats);
    } else {
        metrics_set(nodes->options.counts, METRIC_BUS_UP, 1);
    }
}
