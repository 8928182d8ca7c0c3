/* SPDX-License-Identifier: PostgreSQL */
/* Where the adapters meet, and the only place that knows them all: hub, store, tokens, network,
 * signals.
 * The main thread is the hub's thread: one loop carries the store's connections, the mailbox of the
 * workers' commands and the signals.
 *
 * The order of life: bind the port (a clear error before anything else starts), start the store,
 * start the workers (from here /health answers, /ready says 503), print the ready line at the first
 * on_up. Stopping mirrors it: the sessions are closed by 1012 over the drain time, then the store
 * writes what is pending, then the loop ends. */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "assets.h"
#include "auth/tokens.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "core/hub/hub.h"
#include "core/metrics.h"
#include "loop/loop.h"
#include "net/net.h"
#include "nodes.h"
#include "pages.h"
#include "pg/database.h"
#include "proto/origin.h"
#include "proto/xano.h"

/* Of one session, while a command of it waits: a client that comes back joins all its channels at
 * once. */
#define MAX_HELD_PER_CHANNEL 4
#define MAX_HELD_BYTES (1024 * 1024)
#define NODE_SIZE 80
#define MAX_INVALID 10 /* undecodable frames before close 1008 */
#define ALIVE_CHECK_MS 250
#define DRAIN_CHECK_MS 20
#define SECOND_MS 1000
#define MINUTE_MS 60000
#define BYTES_BURST_S 4     /* of session-bytes */
#define ACCEPT_BURSTS 20    /* a second's accepts come in so many parts: 50 ms each */
#define DRAIN_GRACE_MS 1000 /* for the last closing handshakes */

struct server {
    const struct config *config;
    const struct server_extras *extras;
    struct loop *loop;
    struct mailbox *commands; /* struct command *, from all workers */
    struct loop_waker *waker;
    struct loop_signal *on_int, *on_term, *on_hup;
    struct loop_timer *alive_timer;
    struct loop_timer *tick_timer;
    struct loop_timer *drain_timer;
    uint64_t drain_until;
    struct metrics *metrics; /* block 0 is this thread's */
    struct metrics_block *counts;
    struct address_range *proxies; /* those that are trusted */
    size_t n_proxies;
    struct pages *pages;
    struct tokens *tokens;
    struct authenticator authenticator;
    struct net *net;
    struct nodes *nodes;
    struct database *database;
    struct transport transport;
    struct store store;
    struct hub *hub;
    char node[NODE_SIZE];       /* names this process in herald.presence */
    char node_id[ID_TEXT_SIZE]; /* and to strangers, who need not know its host */
    bool is_announced;          /* the ready line was printed */
    bool is_stopping;
    bool is_net_stopped;
    struct err err;
    enum exit_code exit_code;
};

/* ---- commands: worker threads → hub ---- */

static void submit(void *ctx, struct command *command)
{
    struct server *server = ctx;
    mailbox_put(server->commands, &command, 1);
}

static void wake_hub(void *ctx)
{
    const struct server *server = ctx;
    loop_waker_wake(server->waker);
}

static void on_commands(void *arg)
{
    struct server *server = arg;
    void *items;
    size_t n = mailbox_take(server->commands, &items);
    struct command **commands = items;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = command_bytes(commands[i]);
        hub_command(server->hub, commands[i]);
        net_note_taken(server->net, 1, bytes);
    }
}

/* ---- turns ---- */

/* The password of a URI or of a keyword/value string, if any, must not reach the terminal. */
static void print_ready(struct server *server)
{
    char *url = option_public_url(server->config->database.url);
    printf("ready url=%s canonical=%s database=%s\n", net_url(server->net),
           hub_canonical(server->hub), url);
    fflush(stdout);
    free(url);
    if (server->extras->on_ready) {
        server->extras->on_ready(server->extras->arg, net_url(server->net));
    }
}

/* All that one round of callbacks gave to the workers goes over at once: that is what makes bursts
 * under load, and a lone event still leaves at the end of the turn it came in. */
static void on_turn(void *arg)
{
    struct server *server = arg;
    if (server->is_net_stopped) {
        return;
    }
    hub_flush(server->hub);
    /* After the flush: who reads the ready line must find the workers' gates open. */
    if (!server->is_announced && hub_canonical(server->hub)) {
        server->is_announced = true;
        print_ready(server);
    }
}

static void measure_tokens(struct server *server)
{
    struct metrics_block *counts = server->counts;
    struct tokens_counts tokens = {0};
    tokens_counts(server->tokens, &tokens);
    metrics_set(counts, METRIC_TOKENS + METRIC_VERDICT_ACCEPTED, tokens.n_accepted);
    metrics_set(counts, METRIC_TOKENS + METRIC_VERDICT_REFUSED, tokens.n_refused);
    metrics_set(counts, METRIC_TOKENS + METRIC_VERDICT_EXPIRED, tokens.n_expired);
    metrics_set(counts, METRIC_TOKENS + METRIC_VERDICT_OPAQUE, tokens.n_opaque);
    metrics_set(counts, METRIC_TOKEN_OPERATIONS, tokens.n_operations);
    metrics_set(counts, METRIC_TOKEN_KEYS, tokens.n_keys);
    metrics_set(counts, METRIC_JWKS_FETCHES + METRIC_FETCH_DONE,
                tokens.n_fetches - tokens.n_failed_fetches);
    metrics_set(counts, METRIC_JWKS_FETCHES + METRIC_FETCH_FAILED, tokens.n_failed_fetches);
}

static void on_tick(void *arg)
{
    struct server *server = arg;
    hub_tick(server->hub, clock_ms(), clock_wall_ms());
    database_measure(server->database);
    nodes_measure(server->nodes);
    measure_tokens(server);
    metrics_set(server->counts, METRIC_LOG_LINES_LOST, log_n_lost());
}

static bool is_net_behind(void *arg)
{
    const struct server *server = arg;
    return net_is_behind(server->net);
}

/* ---- stopping ---- */

static void on_database_stopped(void *arg)
{
    struct server *server = arg;
    loop_stop(server->loop);
}

/* All sessions have gone, or the drain time is over. */
static void finish_stop(struct server *server)
{
    loop_timer_stop(server->drain_timer);
    net_stop(server->net, 0);
    server->is_net_stopped = true;
    /* Messages that the workers handed over before their threads ended are still in the mailbox:
     * take them, so that those for the log are stored. */
    on_commands(server);
    database_stop(server->database, server->config->drain_ms, on_database_stopped, server);
}

static void on_drain_check(void *arg)
{
    struct server *server = arg;
    uint64_t now = clock_ms();
    if (hub_n_sessions(server->hub) == 0 || now >= server->drain_until) {
        finish_stop(server);
    }
}

static void stop(struct server *server)
{
    if (server->is_stopping) {
        return;
    }
    server->is_stopping = true;
    database_resign(server->database);
    hub_drain(server->hub, server->config->drain_ms);
    server->drain_until = clock_ms() + server->config->drain_ms + DRAIN_GRACE_MS;
    loop_timer_start(server->drain_timer, 0, DRAIN_CHECK_MS);
}

static void on_stop_signal(void *arg)
{
    struct server *server = arg;
    log_info("stopping as asked");
    stop(server);
}

/* Keys and certificate are read again; sessions stay. A mistake in a file changes nothing. */
static void reload(struct server *server)
{
    struct err err;
    nodes_reload(server->nodes);
    if (tokens_reload(server->tokens, &err) != STATUS_OK) {
        log_error("the keys for tokens stay as they were: %s", err.text);
    } else {
        log_info("the keys for tokens are reloaded");
    }
    if (!server->config->net.tls_listen) {
        return;
    }
    if (net_reload_tls(server->net, &err) != STATUS_OK) {
        log_error("the certificate stays as it was: %s", err.text);
    } else {
        log_info("the certificate is reloaded");
    }
}

static void on_hangup(void *arg)
{
    struct server *server = arg;
    if (server->extras->stops_on_hangup) {
        on_stop_signal(server);
    } else {
        reload(server);
    }
}

static void on_fatal(void *arg, const struct err *err)
{
    struct server *server = arg;
    server->err = *err;
    server->exit_code = err->code;
    stop(server);
}

static void on_alive_check(void *arg)
{
    struct server *server = arg;
    if (!server->extras->is_alive(server->extras->arg)) {
        server->exit_code = EXIT_CODE_FAILED;
        err_set(&server->err, EXIT_CODE_FAILED, "the private Postgres has stopped");
        stop(server);
    }
}

/* ---- starting ---- */

static uint32_t worker_count(const struct config *config)
{
    if (config->workers > 0) {
        return config->workers;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 2 ? (uint32_t)cores - 1 : 1;
}

static enum status make_tokens(struct server *server, struct err *err)
{
    if (tokens_new(&server->config->tokens, &server->tokens, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    server->authenticator = tokens_authenticator(server->tokens);
    return STATUS_OK;
}

/* A large limit in small parts. */
static uint32_t share(uint32_t limit, uint32_t n)
{
    return (limit + n - 1) / n;
}

static void set_rate(struct bucket_rate *rate, uint32_t period_ms, uint64_t burst)
{
    rate->period_ms = period_ms;
    rate->burst = burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX;
}

/* What no option says: the periods, and bursts that have no option of their own. */
static void complete_limits(const struct server *server, uint32_t n_workers,
                            struct net_limits *limits)
{
    limits->proxies = server->proxies;
    limits->n_proxies = server->n_proxies;
    limits->accepts.n = share(limits->accepts.n, n_workers);
    set_rate(&limits->accepts, SECOND_MS, share(limits->accepts.n, ACCEPT_BURSTS));
    set_rate(&limits->messages, SECOND_MS, limits->messages.burst);
    set_rate(&limits->joins, MINUTE_MS, limits->joins.n);
    set_rate(&limits->bytes, SECOND_MS, BYTES_BURST_S * (uint64_t)limits->bytes.n);
    set_rate(&limits->proxy_handshakes, SECOND_MS, limits->proxy_handshakes.n);
    set_rate(&limits->address_handshakes, SECOND_MS, limits->address_handshakes.burst);
}

static enum status check_origins(const struct server *server, struct err *err)
{
    struct str bad;
    const char *list = server->config->net.limits.origins;
    const char *complaint = list ? origins_complaint(list, &bad) : NULL;
    return !complaint ? STATUS_OK
                      : err_set(err, EXIT_CODE_CONFIG, "--origins: \"%.*s\" matches no page: %s",
                                (int)bad.len, bad.ptr, complaint);
}

static enum status read_proxies(struct server *server, struct err *err)
{
    struct str bad;
    const struct config *config = server->config;
    const char *list = config->trusted_proxies;
    if (list && !address_ranges_parse(list, &server->proxies, &server->n_proxies, &bad)) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "--trusted-proxies: \"%.*s\" is no address and no network such as 10.0.0.0/8",
            (int)bad.len, bad.ptr);
    }
    if (config->net.tls_proxy_protocol && !config->net.tls_listen) {
        return err_set(err, EXIT_CODE_CONFIG, "--tls-proxy-protocol needs --tls-listen");
    }
    if ((config->net.proxy_protocol || config->net.tls_proxy_protocol) && server->n_proxies == 0) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "--%sproxy-protocol needs --trusted-proxies: nobody else may connect then",
                       config->net.proxy_protocol ? "" : "tls-");
    }
    return STATUS_OK;
}

static enum status make_net(struct server *server, uint32_t n_workers, struct err *err)
{
    struct net_options options = server->config->net;
    complete_limits(server, n_workers, &options.limits);
    options.authenticator = &server->authenticator;
    options.token_max_bytes = server->config->tokens.max_bytes;
    options.n_workers = n_workers;
    options.node = server->node_id;
    options.standing = nodes_standing(server->nodes);
    options.protocol = &xano_protocol;
    options.metrics = server->metrics;
    options.pages = pages_list(server->pages, &options.n_pages);
    options.submit = submit;
    options.wake_hub = wake_hub;
    options.submit_ctx = server;
    return net_new(&options, &server->net, err);
}

static enum status make_nodes(struct server *server, struct err *err)
{
    const char *name = server->config->bus.node_name;
    return nodes_new(server->loop,
                     &(struct nodes_options){.bus = &server->config->bus,
                                             .node_id = server->node_id,
                                             .node_name = name ? name : server->node,
                                             .counts = server->counts,
                                             .arg = server,
                                             .on_double = on_fatal},
                     &server->nodes, err);
}

static void make_store(struct server *server)
{
    struct database_options options = server->config->database;
    options.bus = nodes_is_shared(server->nodes) ? nodes_bus(server->nodes) : NULL;
    options.on_bus_keys = nodes_is_shared(server->nodes) ? nodes_on_keys : NULL;
    options.bus_keys_arg = server->nodes;
    if (options.bus) {
        const char *name = server->config->bus.node_name;
        options.node = server->node_id;
        options.node_name = name ? name : server->node;
    } else {
        options.node = server->node;
    }
    options.counts = server->counts;
    options.on_fatal = on_fatal;
    options.is_behind = is_net_behind;
    options.arg = server;
    server->database = database_new(server->loop, &options);
    server->store = database_store(server->database);
}

static void make_hub(struct server *server, uint32_t n_workers)
{
    struct hub_options options = server->config->hub;
    server->transport = net_transport(server->net);
    options.n_workers = n_workers;
    options.protocol = &xano_protocol;
    options.transport = &server->transport;
    options.store = &server->store;
    options.bus = nodes_bus(server->nodes);
    options.node_id = server->node_id;
    options.counts = server->counts;
    options.max_held = MAX_HELD_PER_CHANNEL * options.max_channels + 64;
    options.max_held_bytes = MAX_HELD_BYTES;
    set_rate(&options.channel_messages, SECOND_MS, UINT64_C(2) * options.channel_messages.n);
    options.max_invalid = MAX_INVALID;
    options.rejects_invalid_tokens = server->config->net.rejects_invalid_tokens;
    options.presence_at_once = HUB_PRESENCE_AT_ONCE;
    options.page_rows = HUB_PAGE_ROWS;
    options.message_bytes = server->config->net.max_frame_bytes;
    options.page_bytes = HUB_PAGE_BYTES;
    options.max_reads = HUB_MAX_READS;
    options.max_waiting = HUB_MAX_WAITING;
    options.snapshot_reads = HUB_SNAPSHOT_READS;
    options.snapshot_queue = HUB_SNAPSHOT_QUEUE;
    options.max_waiting_bytes = HUB_MAX_WAITING_BYTES;
    server->hub = hub_new(&options);
}

static void log_listening(const char *url, bool is_proxied)
{
    log_info("listening on %s%s", url, is_proxied ? ", for proxies (PROXY protocol) only" : "");
}

static void start(struct server *server)
{
    server->on_int = loop_signal_new(server->loop, SIGINT, on_stop_signal, server);
    server->on_term = loop_signal_new(server->loop, SIGTERM, on_stop_signal, server);
    server->on_hup = loop_signal_new(server->loop, SIGHUP, on_hangup, server);
    server->drain_timer = loop_timer_new(server->loop, on_drain_check, server);
    server->tick_timer = loop_timer_new(server->loop, on_tick, server);
    if (server->extras->is_alive) {
        server->alive_timer = loop_timer_new(server->loop, on_alive_check, server);
        loop_timer_start(server->alive_timer, ALIVE_CHECK_MS, ALIVE_CHECK_MS);
    }
    loop_timer_start(server->tick_timer, HUB_TICK_MS, HUB_TICK_MS);
    loop_on_turn(server->loop, on_turn, server);
    net_start(server->net);
    nodes_start(server->nodes, server->database, server->hub);
    database_start(server->database, hub_sink(server->hub));
    log_listening(net_url(server->net), server->config->net.proxy_protocol);
    if (net_tls_url(server->net)) {
        log_listening(net_tls_url(server->net), server->config->net.tls_proxy_protocol);
    }
}

static void release(struct server *server)
{
    loop_timer_free(server->alive_timer);
    loop_timer_free(server->drain_timer);
    loop_timer_free(server->tick_timer);
    loop_signal_free(server->on_hup);
    loop_signal_free(server->on_term);
    loop_signal_free(server->on_int);
    nodes_stop(server->nodes);
    database_free(server->database);
    hub_free(server->hub);
    nodes_free(server->nodes);
    net_free(server->net);
    tokens_free(server->tokens);
    pages_free(server->pages);
    metrics_free(server->metrics);
    free(server->proxies);
    loop_waker_free(server->waker);
    mailbox_free(server->commands);
    loop_free(server->loop);
}

static void name_node(struct server *server)
{
    char host[NODE_SIZE / 2] = "";
    if (gethostname(host, sizeof(host) - 1) != 0) {
        host[0] = '\0';
    }
    snprintf(server->node, sizeof(server->node), "%s/%ld", host[0] ? host : "localhost",
             (long)getpid());
    id_text(server->node_id);
    log_info("this is node %s", server->node_id);
}

static void make_metrics(struct server *server, uint32_t n_workers)
{
    server->metrics = metrics_new(1 + n_workers);
    server->counts = metrics_block(server->metrics, 0);
    metrics_set(server->counts, METRIC_WORKERS, n_workers);
    metrics_set(server->counts, METRIC_START_TIME, (uint64_t)clock_wall_s());
}

enum exit_code server_run(const struct config *config, const struct server_extras *extras,
                          struct err *err)
{
    static const struct server_extras no_extras;
    struct server server = {.config = config, .extras = extras ? extras : &no_extras};
    name_node(&server);
    server.loop = loop_new();
    server.commands = mailbox_new(sizeof(struct command *));
    server.waker = loop_waker_new(server.loop, on_commands, &server);
    server.pages = pages_new(&(struct pages_options){.has_examples = server.extras->has_examples,
                                                     .psql = server.extras->psql,
                                                     .tokens = &config->tokens});
    uint32_t n_workers = worker_count(config);
    make_metrics(&server, n_workers);
    if (check_origins(&server, err) != STATUS_OK || read_proxies(&server, err) != STATUS_OK ||
        make_tokens(&server, err) != STATUS_OK || make_nodes(&server, err) != STATUS_OK ||
        make_net(&server, n_workers, err) != STATUS_OK) {
        server.exit_code = err->code;
        release(&server);
        return server.exit_code;
    }
    make_store(&server);
    make_hub(&server, n_workers);
    start(&server);
    loop_run(server.loop);
    release(&server);
    *err = server.err;
    return server.exit_code;
}
