/* SPDX-License-Identifier: PostgreSQL */
/* The face of the network side: it makes the workers, and implements the hub's transport.
 *
 * The hub's orders are collected in one array per worker and handed over at flush, with one lock
 * and at most one wake-up for all of them. A frame for many sessions is one order, and one
 * reference, per worker.
 *
 * The number of file descriptors is set here, before libwebsockets reads it: its tables are as long
 * as the limit, a million that container runtimes like to give, or few that do not suffice. */
#include "net/net.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/site.h"
#include "net/http/addresses.h"
#include "net/http/http.h"
#include "net/http/refusals.h"
#include "net/listen/listener.h"
#include "net/tls.h"
#include "net/transit.h"
#include "net/worker/orders.h"
#include "net/worker/thread.h"
#include "net/worker/worker.h"

enum {
    ASKING_BURST = 10,  /* questions why, of an address: many may share it behind a router */
    OTHER_FDS = 256,    /* the database, logs, loops, listening sockets */
    KEEP_ORDERS = 4096, /* a larger array is given back after a quiet turn */
};

struct outgoing { /* orders collected for one worker */
    struct order *list;
    size_t n, cap;
};

struct net {
    struct net_shared shared;
    struct net_settings *settings; /* that the workers have, or are ordered to take */
    char *url, *tls_url;
    struct worker **workers;
    struct outgoing *outgoing;
    uint32_t n_workers;
    struct metrics_block *counts; /* of the hub's thread */
};

/* ---- the transport: hub thread ---- */

static void collect(struct net *net, uint32_t worker, struct order order)
{
    assert(worker < net->n_workers);
    struct outgoing *outgoing = &net->outgoing[worker];
    if (outgoing->n == outgoing->cap) {
        outgoing->cap = outgoing->cap > 0 ? outgoing->cap * 2 : 64;
        outgoing->list = mem_array(outgoing->list, outgoing->cap, sizeof(order));
    }
    outgoing->list[outgoing->n++] = order;
}

static void collect_for(struct net *net, struct session_id session, struct order order)
{
    order.slot = session.slot;
    order.generation = session.generation;
    collect(net, session.worker, order);
}

static void transport_send(void *ctx, struct session_id to, struct frame *frame)
{
    collect_for(ctx, to, (struct order){.type = ORDER_SEND, .frame = frame_ref(frame)});
}

static void transport_publish(void *ctx, uint32_t worker, uint32_t roster, struct frame *frame)
{
    collect(ctx, worker,
            (struct order){.type = ORDER_PUBLISH, .roster = roster, .frame = frame_ref(frame)});
}

static void transport_attach(void *ctx, struct session_id session, uint32_t roster, bool is_held)
{
    collect_for(ctx, session,
                (struct order){.type = ORDER_ATTACH, .roster = roster, .is_held = is_held});
}

static void transport_resume_live(void *ctx, struct session_id session, uint32_t roster,
                                  uint64_t skip_to, enum presence_wish wish)
{
    collect_for(ctx, session,
                (struct order){
                    .type = ORDER_RESUME_LIVE, .roster = roster, .skip_to = skip_to, .wish = wish});
}

static void transport_detach(void *ctx, struct session_id session, uint32_t roster)
{
    collect_for(ctx, session, (struct order){.type = ORDER_DETACH, .roster = roster});
}

static void transport_await_drain(void *ctx, struct session_id session)
{
    collect_for(ctx, session, (struct order){.type = ORDER_AWAIT_DRAIN});
}

static void transport_identify(void *ctx, struct session_id session, struct identity *identity)
{
    collect_for(ctx, session,
                (struct order){.type = ORDER_IDENTIFY, .identity = identity_ref(identity)});
}

static void transport_close(void *ctx, struct session_id session, uint16_t code, const char *reason)
{
    collect_for(ctx, session, (struct order){.type = ORDER_CLOSE, .code = code, .reason = reason});
}

static void transport_gate(void *ctx, struct site_gate *gate)
{
    struct net *net = ctx;
    for (uint32_t i = 0; i < net->n_workers; i++) {
        collect(net, i, (struct order){.type = ORDER_GATE, .gate = site_gate_ref(gate)});
    }
}

static void transport_close_all(void *ctx, uint16_t code, const char *reason, uint32_t spread_ms)
{
    struct net *net = ctx;
    for (uint32_t i = 0; i < net->n_workers; i++) {
        collect(
            net, i,
            (struct order){
                .type = ORDER_CLOSE_ALL, .code = code, .reason = reason, .spread_ms = spread_ms});
    }
}

static void hand_over(struct worker *worker, struct outgoing *outgoing,
                      struct metrics_block *counts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < outgoing->n; i++) {
        bytes += order_bytes(&outgoing->list[i]);
    }
    atomic_fetch_add_explicit(&worker->shared->orders_bytes, bytes, memory_order_relaxed);
    metrics_add(counts, METRIC_ORDERS, outgoing->n);
    /* After its thread has ended a worker has no waker; what comes then is only to be freed. */
    if (mailbox_put(worker->inbox, outgoing->list, outgoing->n) && worker->waker) {
        loop_waker_wake(worker->waker);
    }
    if (outgoing->cap > KEEP_ORDERS && outgoing->n < outgoing->cap / 4) {
        free(outgoing->list);
        *outgoing = (struct outgoing){0};
    }
    outgoing->n = 0;
}

static void transport_flush(void *ctx)
{
    struct net *net = ctx;
    for (uint32_t i = 0; i < net->n_workers; i++) {
        if (net->outgoing[i].n > 0) {
            hand_over(net->workers[i], &net->outgoing[i], net->counts);
        }
    }
}

struct transport net_transport(struct net *net)
{
    return (struct transport){
        .ctx = net,
        .send = transport_send,
        .publish = transport_publish,
        .attach = transport_attach,
        .resume_live = transport_resume_live,
        .detach = transport_detach,
        .await_drain = transport_await_drain,
        .identify = transport_identify,
        .close = transport_close,
        .gate = transport_gate,
        .close_all = transport_close_all,
        .flush = transport_flush,
    };
}

/* ---- life ---- */

static void *reallocate(void *memory, size_t size, const char *reason)
{
    (void)reason;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    return mem_array(memory, size, 1);
}

static void on_lws_log(int level, const char *line)
{
    (void)level;
    log_warn("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

static void set_fd_limit(uint32_t max_sockets)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)max_sockets + OTHER_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (needed > limit.rlim_max) {
        log_warn("open files are limited to %llu, so fewer than the allowed %u connections fit; "
                 "raise the limit to %llu (ulimit -n)",
                 (unsigned long long)limit.rlim_max, max_sockets, (unsigned long long)needed);
        needed = limit.rlim_max;
    }
    limit.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_warn("the limit of open files cannot be set");
    }
}

static int fd_limit(void)
{
    struct rlimit limit;
    bool is_known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    return is_known && limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

static void prepare_shared(struct net *net, const struct net_options *options)
{
    struct net_shared *shared = &net->shared;
    const struct bucket_rate asking_rate = {.n = 1, .period_ms = 1000, .burst = ASKING_BURST};
    shared->page_tags = mem_array(NULL, options->n_pages, sizeof(*shared->page_tags));
    for (size_t i = 0; i < options->n_pages; i++) {
        shared->page_tags[i] = http_page_tag(&options->pages[i]);
    }
    atomic_init(&shared->n_sessions, 0);
    atomic_init(&shared->n_sockets, 0);
    atomic_init(&shared->intake_bytes, 0);
    atomic_init(&shared->orders_bytes, 0);
    shared->addresses =
        addresses_new(options->limits.address_sessions, &options->limits.address_handshakes);
    shared->refusals = refusals_new();
    shared->proxies =
        addresses_new(options->limits.proxy_sessions, &options->limits.proxy_handshakes);
    shared->askers = addresses_new(0, &asking_rate);
    net->counts = metrics_block(options->metrics, 0);
}

/* All workers' sockets: n plain ones, then n for TLS. */
static enum status open_listeners(struct net *net, int *fds, struct err *err)
{
    const struct net_options *options = &net->settings->options;
    uint32_t n = options->n_workers;
    enum status status = listener_bind(options->listen, false, n, fds, &net->url, err);
    if (status == STATUS_OK && options->tls_listen) {
        status = listener_bind(options->tls_listen, true, n, fds + n, &net->tls_url, err);
    }
    return status;
}

static enum status make_workers(struct net *net, struct tls_pair *pair, struct err *err)
{
    uint32_t n = net->settings->options.n_workers;
    struct tls_seed seed;
    int *fds = mem_array(NULL, 2 * (size_t)n, sizeof(*fds));
    memset(fds, -1, 2 * (size_t)n * sizeof(*fds)); /* each is -1 then: not open, or handed over */
    enum status status = open_listeners(net, fds, err);
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    lws_set_allocator(reallocate);
    tls_seed_init(&seed);
    while (status == STATUS_OK && net->n_workers < n) {
        uint32_t i = net->n_workers;
        struct tls *tls = pair ? tls_new(pair, &seed) : NULL;
        status = thread_new(&net->shared, net->settings, i, tls, &net->workers[i], err);
        if (status == STATUS_OK) {
            thread_listen(net->workers[i], fds[i], fds[n + i]);
            fds[i] = fds[n + i] = -1;
            net->n_workers++;
        }
    }
    tls_seed_clear(&seed);
    for (uint32_t i = 0; i < 2 * n; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    free(fds);
    return status;
}

/* *pair stays NULL without TLS. */
static enum status load_pair(const struct net_options *options, struct tls_pair **pair,
                             struct err *err)
{
    if (!options->tls_listen) {
        return STATUS_OK;
    }
    if (!options->tls_cert_file || !options->tls_key_file) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "--tls-listen needs --tls-cert-file and --tls-key-file");
    }
    return tls_pair_load(options->tls_cert_file, options->tls_key_file, pair, err);
}

enum status net_new(const struct net_options *options, struct net **out, struct err *err)
{
    struct tls_pair *pair = NULL;
    struct net_settings *settings = NULL;
    if (net_settings_new(options, &settings, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (load_pair(options, &pair, err) != STATUS_OK) {
        net_settings_unref(settings);
        return STATUS_FAILED;
    }
    struct net *net = mem_zalloc(sizeof(*net));
    net->settings = settings;
    prepare_shared(net, options);
    net->workers = mem_zalloc(options->n_workers * sizeof(struct worker *));
    net->outgoing = mem_zalloc(options->n_workers * sizeof(struct outgoing));
    set_fd_limit(settings->max_sockets);
    net->shared.max_fds = fd_limit();
    enum status status = make_workers(net, pair, err);
    tls_pair_unref(pair);
    if (status != STATUS_OK) {
        net_free(net);
        return status;
    }
    *out = net;
    return STATUS_OK;
}

void net_start(struct net *net)
{
    for (uint32_t i = 0; i < net->n_workers; i++) {
        thread_start(net->workers[i]);
    }
}

void net_note_taken(struct net *net, size_t n, size_t bytes)
{
    atomic_fetch_sub_explicit(&net->shared.intake_bytes, bytes, memory_order_relaxed);
    metrics_add(net->counts, METRIC_INTAKE, 0 - (uint64_t)n);
    metrics_add(net->counts, METRIC_INTAKE_BYTES, 0 - (uint64_t)bytes);
}

bool net_is_behind(const struct net *net)
{
    return transit_is_behind(&net->shared, net->settings);
}

const char *net_url(const struct net *net)
{
    return net->url;
}

const char *net_tls_url(const struct net *net)
{
    return net->tls_url;
}

void net_write_proxy(const struct net *net, enum proxy_fault fault, uint64_t now_ms,
                     struct buf *out)
{
    proxy_finds_write(net->settings->finds, fault, now_ms, out);
}

enum status net_reload_tls(struct net *net, struct err *err)
{
    struct tls_pair *pair = NULL;
    if (load_pair(&net->settings->options, &pair, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    for (uint32_t i = 0; pair && i < net->n_workers; i++) {
        collect(net, i, (struct order){.type = ORDER_CERTIFICATE, .pair = tls_pair_ref(pair)});
    }
    tls_pair_unref(pair);
    transport_flush(net);
    return STATUS_OK;
}

static void raise_fd_limit(const struct net *net, uint32_t max_sockets)
{
    set_fd_limit(max_sockets);
    if (net->tls_url && max_sockets + OTHER_FDS > (uint32_t)net->shared.max_fds) {
        log_warn("max-sessions has grown beyond what tls-listen can take until a restart: its "
                 "connections are refused while %d files are open",
                 net->shared.max_fds);
    }
}

enum status net_set_options(struct net *net, const struct net_options *options, struct err *err)
{
    struct net_settings *settings = NULL;
    const struct net_limits *limits = &options->limits;
    if (net_settings_new(options, &settings, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    addresses_set_limits(net->shared.addresses, limits->address_sessions,
                         &limits->address_handshakes);
    addresses_set_limits(net->shared.proxies, limits->proxy_sessions, &limits->proxy_handshakes);
    if (settings->max_sockets > net->settings->max_sockets) {
        raise_fd_limit(net, settings->max_sockets);
    }
    for (uint32_t i = 0; i < net->n_workers; i++) {
        collect(net, i,
                (struct order){.type = ORDER_SETTINGS, .settings = net_settings_ref(settings)});
    }
    net_settings_unref(net->settings);
    net->settings = settings;
    transport_flush(net);
    return STATUS_OK;
}

void net_stop(struct net *net, uint32_t drain_ms)
{
    for (uint32_t i = 0; i < net->n_workers; i++) {
        collect(net, i, (struct order){.type = ORDER_STOP, .spread_ms = drain_ms});
    }
    transport_flush(net);
    for (uint32_t i = 0; i < net->n_workers; i++) {
        thread_join(net->workers[i]);
    }
    for (uint32_t i = 0; i < net->n_workers; i++) {
        thread_close_down(net->workers[i]);
    }
}

void net_free(struct net *net)
{
    if (!net) {
        return;
    }
    for (uint32_t i = 0; i < net->n_workers; i++) {
        for (size_t k = 0; k < net->outgoing[i].n; k++) {
            order_release(&net->outgoing[i].list[k]);
        }
        free(net->outgoing[i].list);
        thread_free(net->workers[i]);
    }
    free(net->outgoing);
    free(net->workers);
    free(net->shared.page_tags);
    refusals_free(net->shared.refusals);
    net_settings_unref(net->settings);
    addresses_free(net->shared.addresses);
    addresses_free(net->shared.proxies);
    addresses_free(net->shared.askers);
    free(net->url);
    free(net->tls_url);
    free(net);
}
