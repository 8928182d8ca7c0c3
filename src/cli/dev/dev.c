/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald dev`: everything at once, for a first look and for developing: a private Postgres, the
 * schema, the examples, the server, a small writer. Nothing of it touches what is installed on the
 * machine.
 *
 * The order: what can be refused without a trace is refused first (port, directory, missing
 * initdb), then things are started, each one undone by its mirror in the end. The environment's PG*
 * variables are dropped, because they belong to another database and would leak into ours
 * (PGSSLMODE, PGOPTIONS, PGSERVICE …). */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assets.h"
#include "base/mem.h"
#include "cli/admin.h"
#include "cli/command.h"
#include "cli/dev/cluster.h"
#include "cli/dev/fleet.h"
#include "cli/dev/port.h"
#include "cli/dev/secret.h"
#include "cli/dev/stop.h"
#include "cli/dev/writer.h"
#include "cli/schema/install.h"
#include "server.h"

#define DATABASE "herald"
#define FRONT_SCRIPT "web/landing.sql"
#define SUPERUSER "postgres"
#define LOOK_MS 250
#define SUGGESTION                                                                                 \
    "    update demo.orders set quantity = quantity + 1 where id = (select min(id) from "          \
    "demo.orders);\n"
#define WRITER "Every two seconds an order changes by itself; --no-writer leaves that to you.\n"

struct dev {
    const struct config *config;
    struct cluster *cluster;
    struct writer writer;
    char *psql;   /* the line to type */
    char *secret; /* the file of our own token secret; NULL: one is configured */
};

/* ---- the port of the server ---- */

static bool is_listen_chosen(const struct invocation *invocation)
{
    struct option_table table = config_table();
    size_t i = 0;
    while (i < table.n && strcmp(table.options[i].name, "listen") != 0) {
        i++;
    }
    return i < table.n && invocation->origins->of[i] != CONFIG_DEFAULT;
}

/* The server checks again when it binds; this is to know it before a cluster is made and started. A
 * port that nobody has named may be another one: people try things while something else runs. */
static enum status choose_port(const struct invocation *invocation, struct config *config,
                               char **listen, struct err *err)
{
    bool is_chosen = is_listen_chosen(invocation);
    enum status status = port_check(config->net.listen, !is_chosen, listen, err);
    if (status == STATUS_OK && strcmp(*listen, config->net.listen) != 0) {
        fprintf(stderr, "%s is in use by another program: taking %s (--listen chooses).\n",
                config->net.listen, *listen);
    }
    config->net.listen = *listen;
    return status;
}

/* ---- schema and examples ---- */

static enum status make_database(struct dev *dev, struct err *err)
{
    struct admin *admin = NULL;
    char *found = NULL;
    char *url = cluster_url(dev->cluster, SUPERUSER, "postgres");
    enum status status = admin_open(url, stop_fd(), &admin, err);
    if (status == STATUS_OK) {
        status = admin_value(admin, "SELECT 1 FROM pg_database WHERE datname = '" DATABASE "'", 0,
                             NULL, &found, err);
    }
    if (status == STATUS_OK && !found) {
        status = admin_run(admin, NULL, "CREATE DATABASE " DATABASE, err);
    }
    free(found);
    free(url);
    admin_close(admin);
    return status;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_example_script(const char *path)
{
    size_t len = strlen(path);
    return starts(path, "examples/") && len > 4 && strcmp(path + len - 4, ".sql") == 0;
}

/* They may be run at every start: each changes only what is missing. */
static enum status load_examples(struct admin *admin, struct err *err)
{
    for (size_t i = 0; i < n_assets; i++) {
        bool is_ours =
            is_example_script(assets[i].path) || strcmp(assets[i].path, FRONT_SCRIPT) == 0;
        if (is_ours && admin_run(admin, assets[i].path, assets[i].body, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
    }
    return STATUS_OK;
}

static enum status prepare_database(struct dev *dev, struct err *err)
{
    struct admin *admin = NULL;
    int from, to;
    if (make_database(dev, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    char *url = cluster_url(dev->cluster, SUPERUSER, DATABASE);
    enum status status = admin_open(url, stop_fd(), &admin, err);
    if (status == STATUS_OK) {
        status = install_schema(admin, stderr, &from, &to, err);
    }
    if (status == STATUS_OK) {
        status = load_examples(admin, err);
    }
    free(url);
    admin_close(admin);
    return status;
}

/* ---- the server ---- */

/* The front page, and the page of each example whose script was loaded. */
static void print_pages(const char *url)
{
    if (assets_find("web/index.html")) {
        fprintf(stderr, "    %s/\n", url);
    }
    for (size_t i = 0; i < n_assets; i++) {
        const char *path = assets[i].path;
        if (is_example_script(path)) {
            fprintf(stderr, "    %s/%.*s\n", url, (int)(strrchr(path, '/') + 1 - path), path);
        }
    }
}

static void on_ready(void *arg, const char *url)
{
    const struct dev *dev = arg;
    char *local_url = port_local_url(url);
    bool has_orders = assets_find("examples/live-table/live-table.sql") != NULL;
    fprintf(stderr, "\nOpen in a browser:\n\n");
    print_pages(local_url);
    port_print_others(url, stderr);
    free(local_url);
    fprintf(stderr,
            "\nType in another terminal, change a row, and see it arrive:\n\n    %s\n%s\n"
            "%sCtrl-C stops everything; the data stays in %s.\n\n",
            dev->psql, has_orders ? SUGGESTION : "",
            has_orders && !dev->config->no_writer ? WRITER : "", dev->config->data_dir);
}

static bool is_alive(void *arg)
{
    struct dev *dev = arg;
    if (!dev->config->no_writer) {
        writer_step(&dev->writer);
    }
    return cluster_is_alive(dev->cluster) && !stop_is_asked();
}

static enum exit_code serve_alone(struct dev *dev, const struct config *config, struct err *err)
{
    struct server_extras extras = {
        .has_examples = true,
        .psql = dev->psql,
        .on_ready = on_ready,
        .arg = dev,
        .is_alive = is_alive,
        .stops_on_hangup = true,
    };
    enum exit_code code = server_run(config, &extras, err);
    stop_catch(); /* the server's loop had the signals */
    return code;
}

static enum exit_code serve_nodes(struct dev *dev, const struct config *config, struct err *err)
{
    struct fleet *fleet = NULL;
    enum status status = fleet_start(
        &(struct fleet_options){.config = config, .cluster = dev->cluster, .psql = dev->psql},
        &fleet, err);
    if (status == STATUS_OK) {
        on_ready(dev, fleet_url(fleet));
        while (is_alive(dev)) {
            struct pollfd fd = {.fd = stop_fd(), .events = POLLIN};
            fleet_look(fleet);
            poll(&fd, 1, LOOK_MS);
        }
    }
    stop_forget(); /* a second Ctrl-C hurries */
    fleet_stop(fleet);
    return status == STATUS_OK ? EXIT_CODE_OK : err->code;
}

static enum exit_code serve(struct dev *dev, struct err *err)
{
    struct config config = *dev->config;
    char *server_url = cluster_url(dev->cluster, "herald_server", DATABASE);
    config.database.url = server_url;
    if (dev->secret) {
        config.tokens.secret_file = dev->secret;
        config.tokens.secret_algorithm = SECRET_ALGORITHM;
    }
    char *writer_url = cluster_url(dev->cluster, SUPERUSER, DATABASE);
    dev->writer.url = writer_url;
    dev->psql =
        cluster_psql(dev->cluster, DATABASE); /* starts a process: before there are threads */
    enum exit_code code =
        config.n_nodes > 1 ? serve_nodes(dev, &config, err) : serve_alone(dev, &config, err);
    PQfinish(dev->writer.conn);
    if (!cluster_is_alive(dev->cluster)) {
        code = EXIT_CODE_FAILED;
        err_set(err, code, "the private Postgres has stopped by itself; its log is %s",
                cluster_log(dev->cluster));
    }
    free(dev->psql);
    free(writer_url);
    free(server_url);
    return code;
}

/* ---- all of it ---- */

static void forget_pg_variables(void)
{
    for (size_t i = 0; environ[i];) {
        size_t len = strcspn(environ[i], "=");
        if (strncmp(environ[i], "PG", 2) == 0 && strncmp(environ[i], "PGHERALD_", 9) != 0) {
            char *name = mem_printf("%.*s", (int)len, environ[i]);
            unsetenv(name); /* the next one takes its place */
            free(name);
        } else {
            i++;
        }
    }
}

static enum status open_secret(struct dev *dev, struct err *err)
{
    const struct config *config = dev->config;
    return config->tokens.secret_file ? STATUS_OK
                                      : secret_open(config->data_dir, &dev->secret, err);
}

static enum exit_code run_cluster(struct dev *dev, struct err *err)
{
    if (cluster_start(dev->cluster, err) != STATUS_OK) {
        return err->code;
    }
    enum exit_code code = EXIT_CODE_OK;
    if (open_secret(dev, err) != STATUS_OK || prepare_database(dev, err) != STATUS_OK) {
        code = err->code;
    } else if (!stop_is_asked()) {
        code = serve(dev, err);
    }
    /* A stop that came while something else was waited for makes that fail; it is still what was
     * asked. */
    code = stop_is_asked() ? EXIT_CODE_OK : code;
    fprintf(stderr, "Stopping the private Postgres ...\n");
    cluster_stop(dev->cluster);
    free(dev->secret);
    return code;
}

static enum exit_code run(struct dev *dev, struct err *err)
{
    if (dev->config->n_nodes > 1 && fleet_check(dev->config, err) != STATUS_OK) {
        return err->code;
    }
    stop_catch();
    if (cluster_open(dev->config->data_dir, dev->config->pg_bindir, &dev->cluster, err) !=
        STATUS_OK) {
        return err->code;
    }
    enum exit_code code = run_cluster(dev, err);
    cluster_close(dev->cluster);
    return stop_is_asked() ? EXIT_CODE_OK : code;
}

static enum exit_code dev_run(const struct invocation *invocation, struct err *err)
{
    struct config config = *invocation->config;
    struct dev dev = {.config = &config};
    char *listen = NULL;
    forget_pg_variables();
    enum exit_code code =
        choose_port(invocation, &config, &listen, err) == STATUS_OK ? run(&dev, err) : err->code;
    free(listen);
    return code;
}

const struct subcommand dev_command = {
    .name = "dev",
    .group = COMMAND_GROUP_BEGIN,
    .usage = "[--listen ADDR:PORT] [--data-dir DIR] [--nodes N] [--no-writer] [OPTIONS]",
    .summary = "try it: a private Postgres, the examples and the server at once",
    .about = "Makes a private PostgreSQL cluster in DIR at the first start, installs the schema "
             "and the examples in\n"
             "its database " DATABASE
             ", and serves them. Prints what to open and the psql line to type. The data survives\n"
             "until the next start; Ctrl-C or SIGTERM stops everything. Started by root, Postgres "
             "runs as the user\n"
             "postgres (else nobody). Tokens are checked with DIR/token-secret, unless a "
             "--token-secret-file is named;\n"
             "pgherald token makes some. If no address is named and its port is taken, it is the "
             "next free one.\n\n"
             "With --nodes N there are N servers, a NATS server between them and HAProxy on the "
             "port that is announced, each\n"
             "a process of its own: end one, and see what happens. Their logs are in DIR.\n\n"
             "Exit codes: as those of serve; 78 also for a directory that is not ours, half-made "
             "or in use, and for a\n"
             "missing PostgreSQL.",
    .options = CONFIG_FOR_DEV,
    .is_service = true,
    .run = dev_run,
};
