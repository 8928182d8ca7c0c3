/* SPDX-License-Identifier: PostgreSQL */
/* Where the adapters meet, and the only place that knows them all: hub, store, tokens, network,
 * signals.
 * The main thread is the hub's thread: one loop carries the store's connections, the mailbox of the
 * workers' commands and the signals.
 *
 * A node whose id another process has (a copy of its machine) lives once more, under another id:
 * everything that has the id begins anew, and nothing else would know how to change it.
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
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "cli/dev/port.h"
#include "core/hub/hub.h"
#include "core/metrics.h"
#include "loop/loop.h"
#include "net/net.h"
#include "nodes.h"
#include "pages.h"
#include "pg/database.h"
#include "proto/xano.h"
#include "settings.h"

#define NODE_SIZE 80
#define ALIVE_CHECK_MS 250
#define DRAIN_CHECK_MS 20
#define DRAIN_GRACE_MS 1000 /* for the last closing handshakes */

struct server {
    const struct config *config; /* in force */
    struct bus_options bus;      /* as they were at the start, for threads that look at any time */
    uint32_t n_workers;
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
    bool is_double; /* because another process has our id: to begin again with another */
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

/* An address that opens, also where 0.0.0.0 is listened on. The password of a URI or of a
 * keyword/value string, if any, must not reach the terminal. */
static void print_ready(struct server *server)
{
    char *here = port_local_url(net_url(server->net));
    char *url = option_public_url(server->config->database.url);
    printf("ready url=%s canonical=%s database=%s\n", here, hub_canonical(server->hub), url);
    fflush(stdout);
    free(url);
    free(here);
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
    metrics_set(counts, METRIC_JWKS_FETCHES + METRIC_RESULT_DONE,
                tokens.n_fetches - tokens.n_failed_fetches);
    metrics_set(counts, METRIC_JWKS_FETCHES + METRIC_RESULT_FAILED, tokens.n_failed_fetches);
}

/* For herald.doctor(): an operator sees neither who comes nor how. */
static void tell_proxy(struct server *server, enum proxy_fault fault, enum remark remark)
{
    struct buf json = {0};
    net_write_proxy(server->net, fault, clock_ms(), &json);
    database_remark(server->database, remark, json.len > 0 ? buf_span(&json) : (struct str){0});
    buf_release(&json);
}

static void on_tick(void *arg)
{
    struct server *server = arg;
    hub_tick(server->hub, clock_ms(), clock_wall_ms());
    tell_proxy(server, PROXY_FAULT_SILENT, REMARK_PROXY_SILENT);
    tell_proxy(server, PROXY_FAULT_UNTRUSTED, REMARK_PROXY_UNTRUSTED);
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
    server->is_double = false;
    stop(server);
}

static void on_fatal(void *arg, const struct err *err)
{
    struct server *server = arg;
    server->err = *err;
    server->exit_code = err->code;
    stop(server);
}

static void on_double(void *arg)
{
    struct server *server = arg;
    server->is_double = !server->is_stopping;
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

static void fill_net_options(struct server *server, struct net_options *options)
{
    settings_of_net(server->config, server->n_workers, options);
    options->authenticator = &server->authenticator;
    options->node = server->node_id;
    options->standing = nodes_standing(server->nodes);
    options->protocol = &xano_protocol;
    options->metrics = server->metrics;
    options->pages = pages_list(server->pages, &options->n_pages);
    options->submit = submit;
    options->wake_hub = wake_hub;
    options->submit_ctx = server;
}

static enum status make_net(struct server *server, struct err *err)
{
    struct net_options options;
    fill_net_options(server, &options);
    enum status status = net_new(&options, &server->net, err);
    settings_of_net_release(&options);
    return status;
}

static enum status make_nodes(struct server *server, struct err *err)
{
    const char *name = server->bus.node_name;
    return nodes_new(server->loop,
                     &(struct nodes_options){.bus = &server->bus,
                                             .node_id = server->node_id,
                                             .node_name = name ? name : server->node,
                                             .counts = server->counts,
                                             .arg = server,
                                             .on_double = on_double},
                     &server->nodes, err);
}

static void make_store(struct server *server)
{
    struct database_options options = server->config->database;
    options.bus = nodes_is_shared(server->nodes) ? nodes_bus(server->nodes) : NULL;
    options.on_bus_keys = nodes_is_shared(server->nodes) ? nodes_on_keys : NULL;
    options.bus_keys_arg = server->nodes;
    if (options.bus) {
        const char *name = server->bus.node_name;
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

static void fill_hub_options(struct server *server, struct hub_options *options)
{
    settings_of_hub(server->config, options);
    options->n_workers = server->n_workers;
    options->protocol = &xano_protocol;
    options->transport = &server->transport;
    options->store = &server->store;
    options->bus = nodes_bus(server->nodes);
    options->node_id = server->node_id;
    options->counts = server->counts;
}

static void make_hub(struct server *server)
{
    struct hub_options options;
    server->transport = net_transport(server->net);
    fill_hub_options(server, &options);
    server->hub = hub_new(&options);
}

/* ---- other options ---- */

/* Options, keys and certificate are read again; sessions stay. A mistake in one of them keeps what was,
 * and is no reason not to take the others. */
static bool reload_options(struct server *server)
{
    struct err err;
    struct net_options of_net;
    struct hub_options of_hub;
    const struct config *config =
        server->extras->reload ? server->extras->reload(server->extras->arg, &err) : server->config;
    if (!config) {
        log_error("the options stay as they were: %s", err.text);
        return false;
    }
    server->config = config;
    log_configure(config->log_level, config->log_json);
    fill_net_options(server, &of_net);
    fill_hub_options(server, &of_hub);
    enum status status = net_set_options(server->net, &of_net, &err);
    settings_of_net_release(&of_net);
    if (status != STATUS_OK) {
        log_error(
            "the options are not in force, but those of before: %s; mend it, and send SIGHUP again",
            err.text);
        return false;
    }
    hub_set_options(server->hub, &of_hub);
    database_set_options(server->database, &config->database);
    return true;
}

static bool reload_keys(struct server *server)
{
    struct err err;
    struct tokens_counts counts;
    if (tokens_reload(server->tokens, &server->config->tokens, &err) != STATUS_OK) {
        log_error("the keys for tokens stay as they were, and what token-… options ask of a token: "
                  "%s; mend it, and send SIGHUP again",
                  err.text);
        return false;
    }
    tokens_counts(server->tokens, &counts);
    log_info("the keys for tokens are reloaded: %llu are in force",
             (unsigned long long)counts.n_keys);
    return true;
}

static bool reload_certificate(struct server *server)
{
    struct err err;
    if (!server->config->net.tls_listen) {
        return true;
    }
    if (net_reload_tls(server->net, &err) != STATUS_OK) {
        log_error("the certificate stays as it was: %s; mend it, and send SIGHUP again", err.text);
        return false;
    }
    log_info("the certificate is reloaded");
    return true;
}

static void reload(struct server *server)
{
    bool is_good = reload_options(server);
    nodes_reload(server->nodes);
    is_good &= reload_keys(server);
    is_good &= reload_certificate(server);
    metrics_count(server->counts,
                  METRIC_CONFIG_RELOADS + (is_good ? METRIC_RESULT_DONE : METRIC_RESULT_FAILED));
}

static void on_hangup(void *arg)
{
    struct server *server = arg;
    if (server->extras->stops_on_hangup) {
        on_stop_signal(server);
    } else if (!server->is_stopping) {
        reload(server);
    }
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

static void make_metrics(struct server *server)
{
    server->metrics = metrics_new(1 + server->n_workers);
    server->counts = metrics_block(server->metrics, 0);
    metrics_set(server->counts, METRIC_WORKERS, server->n_workers);
    metrics_set(server->counts, METRIC_START_TIME, (uint64_t)clock_wall_s());
}

/* From its beginning to its end. */
static enum exit_code live(struct server *life, struct err *err)
{
    struct server server = *life;
    const struct config *config = server.config;
    server.bus = config->bus;
    server.n_workers = worker_count(config);
    name_node(&server);
    server.loop = loop_new();
    server.commands = mailbox_new(sizeof(struct command *));
    server.waker = loop_waker_new(server.loop, on_commands, &server);
    server.pages = pages_new(&(struct pages_options){.has_examples = server.extras->has_examples,
                                                     .psql = server.extras->psql,
                                                     .tokens = &config->tokens});
    make_metrics(&server);
    if (settings_check(config, err) != STATUS_OK || make_tokens(&server, err) != STATUS_OK ||
        make_nodes(&server, err) != STATUS_OK || make_net(&server, err) != STATUS_OK) {
        server.exit_code = err->code;
        release(&server);
        return server.exit_code;
    }
    make_store(&server);
    make_hub(&server);
    start(&server);
    loop_run(server.loop);
    release(&server);
    life->is_double = server.is_double && server.exit_code == EXIT_CODE_OK;
    life->is_announced = server.is_announced;
    life->config = server.config; /* it may have been read again */
    *err = server.err;
    return server.exit_code;
}

enum exit_code server_run(const struct config *config, const struct server_extras *extras,
                          struct err *err)
{
    static const struct server_extras no_extras;
    struct server life = {.config = config, .extras = extras ? extras : &no_extras};
    enum exit_code code;
    do {
        life.is_double = false;
        code = live(&life, err);
    } while (life.is_double);
    return code;
}
