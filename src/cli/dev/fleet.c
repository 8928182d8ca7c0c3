/* SPDX-License-Identifier: PostgreSQL */
/* Several nodes as in production, on one machine: nats-server and haproxy as Debian has them, and
 * `pgherald serve` N times. A node is a copy of this process that never was another program: so it
 * has all options, and the example pages, without a word on a command line. All of them end with
 * us, however that happens: the kernel tells them.
 *
 * The way to the bus has a password that is made at each start and stands in files that one account
 * can read. The balancer says on the answer that opens a WebSocket, and on no other, which node it
 * is from: in a cookie, because a page cannot read that answer's headers. Pages show it. */
#include "cli/dev/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "cli/dev/child.h"
#include "cli/dev/port.h"
#include "cli/dev/stop.h"
#include "net/listen/listener.h"
#include "server.h"

#define NATS "/usr/sbin/nats-server"
#define HAPROXY "/usr/sbin/haproxy"
#define BUS_USER "node"
#define LOOK_MS 100
#define STOP_EXTRA_MS 5000
#define MAX_NODES 9

enum { NATS_SERVER, BALANCER, FIRST_NODE };

struct node {
    struct fleet *all;
    char name[sizeof("node-4294967295")];
    int port;
    int said[2];     /* a pipe: what it prints on stdout, the ready line */
    struct buf line; /* of that, as far as it has come */
};

struct fleet {
    struct fleet_options options;
    uint32_t n, n_ready;
    struct node nodes[MAX_NODES];
    struct child children[FIRST_NODE + MAX_NODES];
    char *url, *nats_url;
    char *password_file, *nats_file, *balancer_file;
    char *nats_argv[4], *balancer_argv[5];
    struct account self;
    char *rest; /* of the ready line, behind the URL */
};

const char *fleet_url(const struct fleet *fleet)
{
    return fleet->url;
}

static struct child *child_of(struct fleet *fleet, const struct node *node)
{
    return &fleet->children[FIRST_NODE + (node - fleet->nodes)];
}

/* ---- what must be there ---- */

enum status fleet_check(const struct config *config, struct err *err)
{
    bool has_nats = access(NATS, X_OK) == 0, has_haproxy = access(HAPROXY, X_OK) == 0;
    if (!has_nats || !has_haproxy) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "--nodes needs what is not installed here: apt-get install%s%s",
                       has_nats ? "" : " nats-server", has_haproxy ? "" : " haproxy");
    }
    if (config->net.tls_listen) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "--nodes and --tls-listen do not go together: all nodes would listen there");
    }
    return STATUS_OK;
}

/* ---- logs ---- */

static char *log_path(const struct fleet *fleet, const char *name)
{
    return mem_printf("%s/%s.log", cluster_home(fleet->options.cluster)->dir, name);
}

static enum status open_log(const struct fleet *fleet, struct child *child, struct err *err)
{
    char *path = log_path(fleet, child->name);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    child->options.output_fd = open(path, flags, 0600);
    enum status status = STATUS_OK;
    if (child->options.output_fd < 0) {
        status = err_set(err, EXIT_CODE_CONFIG, "cannot write %s: %s", path, strerror(errno));
    }
    free(path);
    return status;
}

/* ---- the bus ---- */

static enum status write_bus(struct fleet *fleet, struct err *err)
{
    const struct home *home = cluster_home(fleet->options.cluster);
    char password[ID_TEXT_SIZE];
    int port = port_free(0);
    id_text(password);
    fleet->nats_url = mem_printf("nats://127.0.0.1:%d", port);
    char *text = mem_printf("listen: \"127.0.0.1:%d\"\n"
                            "authorization { user: " BUS_USER ", password: \"%s\" }\n",
                            port, password);
    enum status status = home_write(home, "bus-password", password, &fleet->password_file, err);
    if (status == STATUS_OK) {
        status = home_write(home, "nats.conf", text, &fleet->nats_file, err);
    }
    explicit_bzero(password, sizeof(password));
    explicit_bzero(text, strlen(text));
    free(text);
    return status;
}

static enum status start_nats(struct fleet *fleet, struct err *err)
{
    struct child *child = &fleet->children[NATS_SERVER];
    child->name = "nats";
    if (write_bus(fleet, err) != STATUS_OK || open_log(fleet, child, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    fleet->nats_argv[0] = mem_strdup(NATS);
    fleet->nats_argv[1] = mem_strdup("-c");
    fleet->nats_argv[2] = mem_strdup(fleet->nats_file);
    child->options.argv = fleet->nats_argv;
    child->options.account = &cluster_home(fleet->options.cluster)->account;
    child->options.death_signal = SIGTERM;
    return child_start(child, err);
}

/* ---- the nodes ---- */

/* Of what is open here a node keeps its streams alone: not the lock of the directory above all,
 * which is free as soon as we are gone. */
static int run_node(void *arg)
{
    const struct node *node = arg;
    const struct fleet *fleet = node->all;
    struct config config = *fleet->options.config;
    struct server_extras extras = {.has_examples = true, .psql = fleet->options.psql};
    struct err err = {0};
    dup2(node->said[1], STDOUT_FILENO);
    close_range(STDERR_FILENO + 1, ~0U, 0);
    signal(SIGPIPE, SIG_IGN);
    id_forget();
    config.net.listen = mem_printf("127.0.0.1:%d", node->port);
    config.bus.urls = fleet->nats_url;
    config.bus.user = (char[]){BUS_USER};
    config.bus.password_file = fleet->password_file;
    config.bus.node_name = mem_strdup(node->name);
    enum exit_code code = server_run(&config, &extras, &err);
    if (code != EXIT_CODE_OK) {
        fprintf(stderr, "pgherald: %s\n", err.text);
    }
    return (int)code;
}

static enum status start_node(struct fleet *fleet, uint32_t i, struct err *err)
{
    struct node *node = &fleet->nodes[i];
    struct child *child = child_of(fleet, node);
    node->all = fleet;
    snprintf(node->name, sizeof(node->name), "node-%u", (unsigned)(i + 1));
    node->port = port_free((int)strtol(strrchr(fleet->url, ':') + 1, NULL, 10) + 1 + (int)i);
    child->name = node->name;
    if (pipe2(node->said, O_CLOEXEC | O_NONBLOCK) != 0) {
        return err_set(err, EXIT_CODE_FAILED, "cannot make a pipe: %s", strerror(errno));
    }
    child->options.fn = run_node;
    child->options.arg = node;
    child->options.account = &fleet->self;
    child->options.death_signal = SIGTERM;
    return open_log(fleet, child, err) == STATUS_OK ? child_start(child, err) : STATUS_FAILED;
}

static void on_ready(struct fleet *fleet, struct node *node)
{
    const struct child *child = child_of(fleet, node);
    const char *rest = strstr(buf_text(&node->line), " canonical=");
    if (rest && !fleet->rest) {
        fleet->rest = mem_strdup(rest);
    }
    fleet->n_ready += child->n_starts == 1;
    fprintf(stderr, "%s serves%s (process %d, port %d)\n", node->name,
            child->n_starts == 1 ? "" : " again", (int)child->pid, node->port);
}

static void hear(struct fleet *fleet, struct node *node)
{
    char c;
    while (read(node->said[0], &c, 1) == 1) {
        buf_char(&node->line, c);
        if (c == '\n') {
            on_ready(fleet, node);
            buf_clear(&node->line);
        }
    }
}

void fleet_look(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->n; i++) {
        hear(fleet, &fleet->nodes[i]);
    }
    for (size_t i = 0; i < FIRST_NODE + fleet->n; i++) {
        if (fleet->children[i].n_starts > 0) {
            child_look(&fleet->children[i]);
        }
    }
}

/* ---- the balancer ---- */

static void write_servers(const struct fleet *fleet, struct buf *out)
{
    for (uint32_t i = 0; i < fleet->n; i++) {
        const struct node *node = &fleet->nodes[i];
        buf_printf(out, "    server %s 127.0.0.1:%d\n", node->name, node->port);
    }
}

static enum status write_balancer(struct fleet *fleet, struct err *err)
{
    const struct home *home = cluster_home(fleet->options.cluster);
    struct buf text = {0};
    buf_literal(&text, "global\n    maxconn 4000\n");
    buf_printf(&text,
               "defaults\n    mode http\n    timeout connect 5s\n    timeout client 75s\n"
               "    timeout server 75s\n    timeout tunnel 75s\n    timeout check 2s\n"
               "frontend realtime\n    bind %s\n    default_backend pgherald\n"
               "backend pgherald\n    balance leastconn\n    option forwardfor\n"
               "    option httpchk GET /ready\n"
               "    http-response add-header Set-Cookie "
               "\"pgherald-node=%%[srv_name]; Path=/; SameSite=Strict\" if { status 101 }\n"
               "    default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions\n",
               strstr(fleet->url, "://") + 3);
    write_servers(fleet, &text);
    enum status status =
        home_write(home, "haproxy.cfg", buf_text(&text), &fleet->balancer_file, err);
    buf_release(&text);
    return status;
}

/* Not as root, who could give it another user only by itself: then it would not hear of our death. */
static enum status start_balancer(struct fleet *fleet, struct err *err)
{
    struct child *child = &fleet->children[BALANCER];
    child->name = "haproxy";
    if (write_balancer(fleet, err) != STATUS_OK || open_log(fleet, child, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    fleet->balancer_argv[0] = mem_strdup(HAPROXY);
    fleet->balancer_argv[1] = mem_strdup("-db");
    fleet->balancer_argv[2] = mem_strdup("-f");
    fleet->balancer_argv[3] = mem_strdup(fleet->balancer_file);
    child->options.argv = fleet->balancer_argv;
    child->options.account = &cluster_home(fleet->options.cluster)->account;
    child->options.death_signal = SIGTERM;
    return child_start(child, err);
}

/* ---- all of it ---- */

static enum status fail_of(const struct fleet *fleet, const struct child *child, struct err *err)
{
    char *path = log_path(fleet, child->name);
    err_set(err, EXIT_CODE_FAILED, "%s did not start; its log is %s", child->name, path);
    free(path);
    return STATUS_FAILED;
}

/* Until is_there(fleet); not if one of the children ends before that. */
static enum status wait_until(struct fleet *fleet, bool (*is_there)(const struct fleet *fleet),
                              struct err *err)
{
    while (!is_there(fleet)) {
        struct pollfd fd = {.fd = stop_fd(), .events = POLLIN};
        if (poll(&fd, 1, LOOK_MS) > 0 || stop_is_asked()) {
            return err_set(err, EXIT_CODE_OK, "stopped as asked");
        }
        fleet_look(fleet);
        for (size_t i = 0; i < FIRST_NODE + fleet->n; i++) {
            const struct child *child = &fleet->children[i];
            if (child->n_starts > 0 && (child->pid == 0 || child->n_starts > 1)) {
                return fail_of(fleet, child, err);
            }
        }
    }
    return STATUS_OK;
}

static bool all_serve(const struct fleet *fleet)
{
    return fleet->n_ready == fleet->n;
}

/* It holds its port as soon as it can be reached. */
static bool balancer_listens(const struct fleet *fleet)
{
    char *url = NULL;
    struct err err;
    bool is_free =
        listener_bind(strstr(fleet->url, "://") + 3, false, 0, NULL, &url, &err) == STATUS_OK;
    free(url);
    return !is_free;
}

static enum status start_all(struct fleet *fleet, struct err *err)
{
    const struct config *config = fleet->options.config;
    if (listener_bind(config->net.listen, false, 0, NULL, &fleet->url, err) != STATUS_OK ||
        start_nats(fleet, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    for (uint32_t i = 0; i < config->n_nodes; i++) {
        fleet->n++;
        if (start_node(fleet, i, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
    }
    if (wait_until(fleet, all_serve, err) != STATUS_OK || start_balancer(fleet, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return wait_until(fleet, balancer_listens, err);
}

enum status fleet_start(const struct fleet_options *options, struct fleet **out, struct err *err)
{
    struct fleet *fleet = mem_zalloc(sizeof(*fleet));
    fleet->options = *options;
    fleet->self = (struct account){.uid = geteuid(), .gid = getegid()};
    for (size_t i = 0; i < FIRST_NODE + MAX_NODES; i++) {
        fleet->children[i].options.output_fd = -1;
    }
    *out = fleet;
    if (start_all(fleet, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    printf("ready url=%s%s", fleet->url, fleet->rest);
    fflush(stdout);
    return STATUS_OK;
}

static void release(struct fleet *fleet)
{
    char *const texts[] = {fleet->url,
                           fleet->nats_url,
                           fleet->password_file,
                           fleet->nats_file,
                           fleet->balancer_file,
                           fleet->rest,
                           fleet->nats_argv[0],
                           fleet->nats_argv[1],
                           fleet->nats_argv[2],
                           fleet->balancer_argv[0],
                           fleet->balancer_argv[1],
                           fleet->balancer_argv[2],
                           fleet->balancer_argv[3]};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free(texts[i]);
    }
    for (uint32_t i = 0; i < fleet->n; i++) {
        close(fleet->nodes[i].said[0]);
        close(fleet->nodes[i].said[1]);
        buf_release(&fleet->nodes[i].line);
    }
    for (size_t i = 0; i < FIRST_NODE + MAX_NODES; i++) {
        if (fleet->children[i].options.output_fd >= 0) {
            close(fleet->children[i].options.output_fd);
        }
    }
    free(fleet);
}

/* The balancer last but one: sessions are told that they may come back elsewhere, and try to. */
void fleet_stop(struct fleet *fleet)
{
    if (fleet) {
        uint64_t drain_ms = fleet->options.config->drain_ms + STOP_EXTRA_MS;
        children_stop(fleet->children + FIRST_NODE, fleet->n, SIGTERM, drain_ms);
        children_stop(fleet->children, FIRST_NODE, SIGTERM, STOP_EXTRA_MS);
        release(fleet);
    }
}
