/* SPDX-License-Identifier: PostgreSQL */
/* What the loop has of the bus: letters come from the link, those that are new and in time go to the
 * sink, and once a second a beat says that we are there.
 *
 * A beat goes out at once when a connection is new and when a node is heard for the first time: two
 * nodes know each other after three of them, in milliseconds.
 *
 * What is dropped is counted by its reason, and told once a minute if it should not happen: somebody
 * else on our subjects is worth a line, not one for each of his messages. */
#include "bus/nats.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "bus/address.h"
#include "bus/beat.h"
#include "bus/link.h"
#include "bus/peers.h"
#include "bus/version.h"

enum {
    TICK_MS = 100,
    BEAT_MS = 1000,
    ASK_MS = 5000,   /* for keys, at most */
    TELL_MS = 60000, /* of what was dropped */
};

struct nats_bus {
    struct nats_bus_options options;
    struct bus_sink sink;
    struct loop_waker *waker;
    struct loop_timer *timer;
    struct link *link;
    struct peers *peers;
    uint64_t number; /* of the connection that we know of */
    uint64_t beaten_ms, asked_ms, told_ms;
    uint64_t n_malformed;        /* beats */
    uint64_t n_unsigned, n_told; /* of the link's counts, when they were last looked at */
    uint8_t version;             /* that we speak */
    bool wants_beat;
    bool is_double_told;
};

/* It goes on while the machine sleeps, which CLOCK_MONOTONIC does not: a node that slept must not
 * have all it says taken for late. */
static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void drop(struct nats_bus *bus, unsigned reason)
{
    metrics_count(bus->options.counts, METRIC_BUS_DROPPED + reason);
}

/* ---- out ---- */

static bool bus_send(void *ctx, enum bus_kind kind, const char *to, struct str body)
{
    struct nats_bus *bus = ctx;
    return link_send(bus->link, kind, to, body, now_ms(), false);
}

static size_t bus_max_body(void *ctx)
{
    const struct nats_bus *bus = ctx;
    return link_max_body(bus->link);
}

static enum bus_company bus_company(void *ctx)
{
    const struct nats_bus *bus = ctx;
    return peers_company(bus->peers);
}

struct bus nats_bus_seam(struct nats_bus *bus)
{
    return (struct bus){.ctx = bus,
                        .send = bus_send,
                        .max_body = bus_max_body,
                        .version = version_newest(),
                        .company = bus_company};
}

static void send_beat(struct nats_bus *bus)
{
    struct buf heard = {0}, body = {0};
    struct beat beat = {.name = str_of(bus->options.node_name), .newest = version_newest()};
    bus->sink.fill_beat(bus->sink.ctx, &beat.bus);
    peers_write_heard(bus->peers, &heard);
    beat.heard = buf_span(&heard);
    beat_write(&beat, &body);
    link_send(bus->link, BUS_KIND_BEAT, NULL, buf_span(&body), now_ms(), true);
    buf_release(&body);
    buf_release(&heard);
    bus->wants_beat = false;
    bus->beaten_ms = now_ms();
}

/* ---- versions ---- */

static void choose_version(struct nats_bus *bus)
{
    uint8_t version = version_to_speak(peers_newest(bus->peers));
    if (version != bus->version) {
        log_info("the bus is spoken in version %d now: all nodes that are heard read it", version);
        bus->version = version;
        link_speak(bus->link, version);
    }
}

static void hear_foreign(struct nats_bus *bus, const struct seal_head *head)
{
    if (peers_hear_foreign(bus->peers, head, now_ms())) {
        log_warn("node %s speaks version %d of the bus, and this program reads %d and %d: what is "
                 "kept goes on between them through the database, messages that nobody keeps, and "
                 "who is present, do not; bring all servers to one version",
                 head->from, head->version, version_newest() - 1, version_newest());
    }
}

/* ---- in ---- */

static void hear_beat(struct nats_bus *bus, const struct incoming *letter, bool is_known)
{
    struct beat beat;
    const char *from = letter->head.from;
    if (!beat_read(letter->body, &beat)) {
        bus->n_malformed++;
        return;
    }
    struct peers_word word = {.name = beat.name,
                              .newest = beat.newest,
                              .names_me = beat_names(&beat, bus->options.node_id)};
    bus->wants_beat |= peers_beat(bus->peers, from, &word);
    choose_version(bus);
    if (is_known || word.names_me) {
        bus->sink.on_beat(bus->sink.ctx, from, &beat.bus);
    }
}

static void hear_known(struct nats_bus *bus, const struct incoming *letter)
{
    enum bus_kind kind = letter->head.kind;
    if (kind == BUS_KIND_BEAT) {
        hear_beat(bus, letter, true);
    } else if (kind == BUS_KIND_GOODBYE) {
        peers_goodbye(bus->peers, letter->head.from);
    } else {
        bus->sink.on_parcel(bus->sink.ctx, letter->head.from, kind, letter->body);
    }
}

static bool is_worthless_late(uint8_t kind)
{
    return kind == BUS_KIND_MESSAGE || kind == BUS_KIND_PRIVATE || kind == BUS_KIND_BEAT;
}

static void hear_late(struct nats_bus *bus, const struct incoming *letter)
{
    if (is_worthless_late(letter->head.kind)) {
        drop(bus, METRIC_BUS_DROP_LATE);
    } else {
        hear_known(bus, letter);
    }
}

static void hear_stranger(struct nats_bus *bus, const struct incoming *letter)
{
    if (letter->head.kind == BUS_KIND_BEAT) {
        hear_beat(bus, letter, false);
    } else {
        drop(bus, METRIC_BUS_DROP_STRANGER);
    }
}

static void hear_double(struct nats_bus *bus)
{
    if (!bus->is_double_told) {
        bus->is_double_told = true;
        bus->options.on_double(bus->options.arg);
    }
}

static void hear(struct nats_bus *bus, const struct incoming *letter)
{
    if (letter->is_mine) {
        hear_double(bus);
        return;
    }
    if (!version_is_read(letter->head.version)) {
        hear_foreign(bus, &letter->head);
        return;
    }
    switch (peers_hear(bus->peers, &letter->head, now_ms())) {
    case PEERS_NEW:
        hear_known(bus, letter);
        break;
    case PEERS_LATE:
        hear_late(bus, letter);
        break;
    case PEERS_STRANGER:
        hear_stranger(bus, letter);
        break;
    case PEERS_REPEATED:
        drop(bus, METRIC_BUS_DROP_REPEATED);
        break;
    case PEERS_TOO_MANY:
        drop(bus, METRIC_BUS_DROP_STRANGER);
        break;
    }
}

/* Time first: after a pause of ours nobody may be judged by what he sent before it. */
static void bus_look(struct nats_bus *bus)
{
    uint64_t number = link_number(bus->link);
    bus->wants_beat |= number != bus->number && number != 0;
    bus->number = number;
    peers_tick(bus->peers, now_ms(), number);
}

static void on_wake(void *arg)
{
    struct nats_bus *bus = arg;
    bus_look(bus);
    struct incoming **letters;
    size_t n = link_take(bus->link, &letters);
    for (size_t i = 0; i < n; i++) {
        hear(bus, letters[i]);
        free(letters[i]);
    }
    if (bus->wants_beat) {
        send_beat(bus);
    }
}

/* ---- time ---- */

static void on_peer(void *ctx, const struct bus_peer *peer, enum bus_news news)
{
    static const char *const words[] = {
        [BUS_NEWS_CAME] = "is there",
        [BUS_NEWS_STALE] = "has been silent for some seconds",
        [BUS_NEWS_BACK] = "is heard again",
        [BUS_NEWS_LEFT] = "has said good-bye",
        [BUS_NEWS_DEAD] = "is given up: it has been silent for too long",
    };
    const struct nats_bus *bus = ctx;
    log_info("node %s (%s) %s", peer->id, peer->name, words[news]);
    bus->sink.on_peer(bus->sink.ctx, peer, news);
}

static void ask_for_keys(struct nats_bus *bus, const struct link_counts *counts)
{
    if (counts->n_unsigned != bus->n_unsigned && now_ms() - bus->asked_ms >= ASK_MS) {
        bus->n_unsigned = counts->n_unsigned;
        bus->asked_ms = now_ms();
        bus->options.on_unknown_key(bus->options.arg);
    }
}

static void tell_dropped(struct nats_bus *bus, const struct link_counts *counts)
{
    uint64_t n = counts->n_unsigned + counts->n_malformed;
    if (n != bus->n_told && now_ms() - bus->told_ms >= TELL_MS) {
        log_warn(
            "%llu messages on the bus were dropped: not signed with its key, or no messages of "
            "a pgherald; see docs/scaling.md",
            (unsigned long long)(n - bus->n_told));
        bus->n_told = n;
        bus->told_ms = now_ms();
    }
}

static void on_tick(void *arg)
{
    struct nats_bus *bus = arg;
    struct link_counts counts;
    on_wake(bus);
    link_count(bus->link, &counts);
    if (bus->number != 0 && now_ms() - bus->beaten_ms >= BEAT_MS) {
        send_beat(bus);
    }
    choose_version(bus);
    ask_for_keys(bus, &counts);
    tell_dropped(bus, &counts);
}

void nats_bus_measure(struct nats_bus *bus)
{
    struct metrics_block *block = bus->options.counts;
    struct peers_counts peers = peers_count(bus->peers);
    struct link_counts counts;
    link_count(bus->link, &counts);
    metrics_set(block, METRIC_BUS_UP, nats_bus_is_up(bus));
    metrics_set(block, METRIC_BUS_PEERS + METRIC_PEER_ALIVE, peers.alive);
    metrics_set(block, METRIC_BUS_PEERS + METRIC_PEER_STALE, peers.stale);
    metrics_set(block, METRIC_BUS_PEERS + METRIC_PEER_OTHER_VERSION, peers.foreign);
    metrics_set(block, METRIC_BUS_VERSION, bus->version);
    metrics_set(block, METRIC_BUS_SENT, counts.n_sent);
    metrics_set(block, METRIC_BUS_SENT_BYTES, counts.sent_bytes);
    metrics_set(block, METRIC_BUS_RECEIVED, counts.n_received);
    metrics_set(block, METRIC_BUS_RECEIVED_BYTES, counts.received_bytes);
    metrics_set(block, METRIC_BUS_DROPPED + METRIC_BUS_DROP_UNSIGNED, counts.n_unsigned);
    metrics_set(block, METRIC_BUS_DROPPED + METRIC_BUS_DROP_VERSION, counts.n_foreign);
    metrics_set(block, METRIC_BUS_DROPPED + METRIC_BUS_DROP_FULL, counts.n_full);
    metrics_set(block, METRIC_BUS_DROPPED + METRIC_BUS_DROP_UNSENT, counts.n_unsent);
    metrics_set(block, METRIC_BUS_DROPPED + METRIC_BUS_DROP_MALFORMED,
                counts.n_malformed + bus->n_malformed);
}

/* ---- life ---- */

static void wake(void *arg)
{
    const struct nats_bus *bus = arg;
    loop_waker_wake(bus->waker);
}

enum status nats_bus_new(struct loop *loop, const struct nats_bus_options *options,
                         struct nats_bus **out, struct err *err)
{
    struct bus_address address;
    if (bus_address_read(options->bus, &address, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    bus_address_release(&address);
    struct nats_bus *bus = mem_zalloc(sizeof(*bus));
    bus->options = *options;
    bus->version = version_to_speak(0);
    bus->peers = peers_new(on_peer, bus);
    bus->waker = loop_waker_new(loop, on_wake, bus);
    bus->timer = loop_timer_new(loop, on_tick, bus);
    bus->link = link_new(&(struct link_options){
        .bus = options->bus, .node_id = options->node_id, .wake = wake, .arg = bus});
    *out = bus;
    return STATUS_OK;
}

void nats_bus_free(struct nats_bus *bus)
{
    if (!bus) {
        return;
    }
    link_send(bus->link, BUS_KIND_GOODBYE, NULL, STR(""), now_ms(), true);
    link_free(bus->link);
    loop_timer_free(bus->timer);
    loop_waker_free(bus->waker);
    peers_free(bus->peers);
    free(bus);
}

void nats_bus_start(struct nats_bus *bus, struct bus_sink sink)
{
    bus->sink = sink;
    bus->told_ms = now_ms() - TELL_MS;
    loop_timer_start(bus->timer, TICK_MS, TICK_MS);
}

void nats_bus_set_keys(struct nats_bus *bus, struct str realm, const struct seal_keys *keys)
{
    link_set_keys(bus->link, realm, keys);
}

void nats_bus_reload(struct nats_bus *bus)
{
    link_reload(bus->link);
}

unsigned nats_bus_n_foreign(const struct nats_bus *bus)
{
    return peers_count(bus->peers).foreign;
}

bool nats_bus_is_up(const struct nats_bus *bus)
{
    return link_number(bus->link) != 0;
}
