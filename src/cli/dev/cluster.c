/* SPDX-License-Identifier: PostgreSQL */
/* The life of the private Postgres:
 *
 * 1. initdb into postgres.new, renamed when complete: a cluster is there or it is not.
 * 2. If a Postgres of an earlier start still runs on the data (its `dev` was killed; the death
 *    signal makes it stop, but that takes a moment), it is stopped first. A postmaster.pid that
 *    names some other process is removed: Postgres would believe it, and our lock on the directory
 *    says that nobody else is starting one.
 * 3. postgres on a private unix socket and on a loopback port, with its default durability. It is
 *    our child, in its own process group, and gets SIGINT (a fast shutdown) should we die.
 * 4. SIGINT, then SIGQUIT if that takes too long or somebody presses Ctrl-C again.
 *
 * Who can open the socket's directory is a superuser without a password (trust): that is the user
 * himself and root. Over TCP a password is asked for (scram), and no role has one until somebody
 * sets it. */
#include "cli/dev/cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/dev/binaries.h"
#include "cli/dev/home.h"
#include "cli/dev/port.h"
#include "cli/dev/process.h"
#include "cli/dev/stop.h"

#define START_TIMEOUT_MS 600000 /* recovery after a crash may replay a lot */
#define STOP_TIMEOUT_MS 60000
#define PORT_TRIES 3
#define MAX_LOG_BYTES (16 << 20)

struct cluster {
    struct home home;
    struct binaries binaries;
    pid_t postgres; /* 0: not running */
    int port;
    int log_fd;
    off_t log_start; /* where this start's lines begin */
};

const char *cluster_log(const struct cluster *cluster)
{
    return cluster->home.log;
}

/* ---- the log ---- */

static enum status open_log(struct cluster *cluster, struct err *err)
{
    struct stat info;
    const char *path = cluster->home.log;
    int flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
    if (lstat(path, &info) == 0 && info.st_size > MAX_LOG_BYTES) {
        flags |= O_TRUNC;
    }
    cluster->log_fd = open(path, flags, 0600);
    if (cluster->log_fd < 0) {
        return err_set(err, EXIT_CODE_CONFIG, "cannot write %s: %s", path, strerror(errno));
    }
    cluster->log_start = lseek(cluster->log_fd, 0, SEEK_END);
    return STATUS_OK;
}

/* What the log says about the failure: its last line with FATAL or error in it, else its last line.
 * A heap string. */
static char *complaint(const struct cluster *cluster)
{
    char text[8192];
    off_t end = lseek(cluster->log_fd, 0, SEEK_END);
    off_t from = end - (off_t)sizeof(text) + 1;
    from = from > cluster->log_start ? from : cluster->log_start;
    ssize_t n = pread(cluster->log_fd, text, sizeof(text) - 1, from);
    text[n > 0 ? n : 0] = '\0';
    const char *best = "it said nothing";
    bool is_error = false;
    for (char *line = text; line && *line;) {
        char *next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        bool says_error =
            strstr(line, "FATAL:") || strstr(line, "PANIC:") || strstr(line, "error:");
        if (*line && (says_error || !is_error)) {
            best = line;
            is_error = says_error;
        }
        line = next;
    }
    return mem_strdup(best);
}

static enum status fail_with_log(const struct cluster *cluster, const char *what, struct err *err)
{
    char *line = complaint(cluster);
    err_set(err, EXIT_CODE_FAILED, "%s: %s", what, line);
    free(line);
    return STATUS_FAILED;
}

static enum status fail_stopped(struct err *err)
{
    return err_set(err, EXIT_CODE_OK, "stopped as asked");
}

/* ---- opening ---- */

static enum status open_all(struct cluster *cluster, const char *data_dir, const char *bindir,
                            struct err *err)
{
    struct home *home = &cluster->home;
    if (home_look(data_dir, home, err) != STATUS_OK ||
        binaries_find(bindir, home->major, &cluster->binaries, err) != STATUS_OK ||
        home_claim(home, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

enum status cluster_open(const char *data_dir, const char *bindir, struct cluster **out,
                         struct err *err)
{
    struct cluster *cluster = mem_zalloc(sizeof(*cluster));
    cluster->log_fd = -1;
    if (open_all(cluster, data_dir, bindir, err) != STATUS_OK) {
        if (cluster->home.is_new) {
            home_undo_cluster(&cluster->home);
        }
        cluster_close(cluster);
        return STATUS_FAILED;
    }
    *out = cluster;
    return STATUS_OK;
}

void cluster_close(struct cluster *cluster)
{
    if (cluster) {
        if (cluster->log_fd >= 0) {
            close(cluster->log_fd);
        }
        binaries_release(&cluster->binaries);
        home_release(&cluster->home);
        free(cluster);
    }
}

/* ---- initdb ---- */

static void end_process(pid_t pid, int signal)
{
    int status;
    kill(-pid, signal); /* its group: initdb has children */
    if (!process_wait(pid, STOP_TIMEOUT_MS, -1, &status)) {
        kill(-pid, SIGKILL);
        process_wait(pid, STOP_TIMEOUT_MS, -1, &status);
    }
}

static enum status run_initdb(struct cluster *cluster, struct err *err)
{
    /* C.UTF-8 is everywhere on Linux since glibc 2.35; before that it is Debian's. */
    locale_t utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    char *program = binaries_path(&cluster->binaries, "initdb");
    char *data = mem_printf("--pgdata=%s", cluster->home.making);
    char *locale = mem_printf("--locale=%s", utf8 ? "C.UTF-8" : "C");
    char *argv[] = {program,
                    data,
                    locale,
                    (char[]){"--encoding=UTF8"},
                    (char[]){"--username=postgres"},
                    (char[]){"--auth-local=trust"},
                    (char[]){"--auth-host=scram-sha-256"},
                    NULL};
    struct process_options options = {.argv = argv,
                                      .account = &cluster->home.account,
                                      .output_fd = cluster->log_fd,
                                      .death_signal = SIGTERM};
    pid_t pid;
    int status = 0;
    enum status result = process_start(&options, &pid, err);
    if (result == STATUS_OK && !process_wait(pid, START_TIMEOUT_MS, stop_fd(), &status)) {
        end_process(pid, SIGTERM);
        result = stop_is_asked()
                     ? fail_stopped(err)
                     : err_set(err, EXIT_CODE_FAILED, "initdb did not end within ten minutes");
    } else if (result == STATUS_OK && status != 0) {
        result = fail_with_log(cluster, "initdb failed", err);
    }
    free(locale);
    free(data);
    free(program);
    if (utf8) {
        freelocale(utf8);
    }
    return result;
}

static enum status make_cluster(struct cluster *cluster, struct err *err)
{
    fprintf(stderr, "Making a private PostgreSQL %d in %s (once; it takes some seconds) ...\n",
            cluster->binaries.major, cluster->home.shown);
    if (home_begin_cluster(&cluster->home, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (run_initdb(cluster, err) != STATUS_OK) {
        home_undo_cluster(&cluster->home);
        return STATUS_FAILED;
    }
    return home_finish_cluster(&cluster->home, err);
}

/* ---- a Postgres of an earlier start ---- */

static char *pid_file(const struct cluster *cluster)
{
    return mem_printf("%s/postmaster.pid", cluster->home.data);
}

static pid_t read_pid(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[32] = "";
    if (file) {
        if (!fgets(line, sizeof(line), file)) {
            line[0] = '\0';
        }
        fclose(file);
    }
    long pid = strtol(line, NULL, 10);
    return pid > 1 ? (pid_t)pid : 0;
}

/* A postmaster's working directory is its data directory. */
static bool is_postmaster_of(pid_t pid, const char *data)
{
    char *link = mem_printf("/proc/%d/cwd", (int)pid);
    char *cwd = realpath(link, NULL);
    char *wanted = realpath(data, NULL);
    bool is_it = cwd && wanted && strcmp(cwd, wanted) == 0;
    free(wanted);
    free(cwd);
    free(link);
    return is_it;
}

static enum status stop_foreign(const struct cluster *cluster, pid_t pid, struct err *err)
{
    uint64_t started = clock_ms();
    fprintf(stderr, "Stopping the Postgres that an earlier start left behind (process %d) ...\n",
            (int)pid);
    kill(pid, SIGINT);
    while (is_postmaster_of(pid, cluster->home.data)) {
        struct pollfd fd = {.fd = stop_fd(), .events = POLLIN};
        if (poll(&fd, 1, 20) > 0) {
            return fail_stopped(err);
        }
        if (clock_ms() - started > STOP_TIMEOUT_MS) {
            return err_set(
                err, EXIT_CODE_CONFIG,
                "a Postgres (process %d) runs on %s and does not stop: end it, then start again",
                (int)pid, cluster->home.data);
        }
    }
    return STATUS_OK;
}

static enum status take_over(const struct cluster *cluster, struct err *err)
{
    char *path = pid_file(cluster);
    enum status status = STATUS_OK;
    pid_t pid = read_pid(path);
    if (pid > 0 && is_postmaster_of(pid, cluster->home.data)) {
        status = stop_foreign(cluster, pid, err);
    } else if (pid > 0) {
        unlink(path);
    }
    free(path);
    return status;
}

/* ---- postgres ---- */

static enum status spawn_postgres(struct cluster *cluster, struct err *err)
{
    char *program = binaries_path(&cluster->binaries, "postgres");
    char *data = mem_strdup(cluster->home.data);
    char *port = mem_printf("port=%d", cluster->port);
    char *socket = mem_printf("unix_socket_directories=%s", cluster->home.socket_dir);
    char dash_d[] = "-D", dash_c[] = "-c";
    char *argv[] = {program, dash_d, data,   dash_c, (char[]){"listen_addresses=127.0.0.1"}, dash_c,
                    port,    dash_c, socket, dash_c, (char[]){"cluster_name=pgherald-dev"},  NULL};
    struct process_options options = {.argv = argv,
                                      .account = &cluster->home.account,
                                      .output_fd = cluster->log_fd,
                                      .death_signal = SIGINT};
    enum status status = process_start(&options, &cluster->postgres, err);
    free(socket);
    free(port);
    free(data);
    free(program);
    return status;
}

static bool accepts(const struct cluster *cluster)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", cluster->port);
    const char *const keywords[] = {"host", "port", "user", "dbname", NULL};
    const char *const values[] = {cluster->home.socket_dir, port, "postgres", "postgres", NULL};
    return PQpingParams(keywords, values, 0) == PQPING_OK;
}

static enum status wait_until_it_accepts(struct cluster *cluster, struct err *err)
{
    uint64_t started = clock_ms();
    int status;
    while (!accepts(cluster)) {
        struct pollfd fd = {.fd = stop_fd(), .events = POLLIN};
        if (process_has_ended(cluster->postgres, &status)) {
            cluster->postgres = 0;
            return fail_with_log(cluster, "Postgres did not start", err);
        }
        if (poll(&fd, 1, 30) > 0 || stop_is_asked()) {
            return fail_stopped(err);
        }
        if (clock_ms() - started > START_TIMEOUT_MS) {
            return fail_with_log(cluster, "Postgres does not accept connections after ten minutes",
                                 err);
        }
    }
    return STATUS_OK;
}

/* Between our look and Postgres's bind somebody else may take the port: then another one is tried.
 */
static enum status start_postgres(struct cluster *cluster, struct err *err)
{
    enum status status = STATUS_FAILED;
    cluster->port = home_read_port(&cluster->home);
    for (int i = 0; i < PORT_TRIES; i++) {
        cluster->port = port_free(cluster->port);
        if (cluster->port == 0) {
            return err_set(err, EXIT_CODE_FAILED, "there is no free port on 127.0.0.1: %s",
                           strerror(errno));
        }
        status = spawn_postgres(cluster, err);
        if (status == STATUS_OK) {
            status = wait_until_it_accepts(cluster, err);
        }
        bool is_lost_port = status != STATUS_OK && cluster->postgres == 0 && !stop_is_asked() &&
                            port_free(cluster->port) != cluster->port;
        if (!is_lost_port) {
            break;
        }
    }
    if (status == STATUS_OK) {
        home_write_port(&cluster->home, cluster->port);
    }
    return status;
}

enum status cluster_start(struct cluster *cluster, struct err *err)
{
    if (open_log(cluster, err) != STATUS_OK ||
        (cluster->home.major == 0 && make_cluster(cluster, err) != STATUS_OK) ||
        take_over(cluster, err) != STATUS_OK ||
        home_open_socket_dir(&cluster->home, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (stop_is_asked()) {
        return fail_stopped(err);
    }
    if (start_postgres(cluster, err) != STATUS_OK) {
        cluster_stop(cluster);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

bool cluster_is_alive(struct cluster *cluster)
{
    int status;
    if (cluster->postgres > 0 && process_has_ended(cluster->postgres, &status)) {
        cluster->postgres = 0;
    }
    return cluster->postgres > 0;
}

void cluster_stop(struct cluster *cluster)
{
    int status;
    if (cluster_is_alive(cluster)) {
        stop_forget();
        kill(cluster->postgres, SIGINT);
        if (!process_wait(cluster->postgres, STOP_TIMEOUT_MS, stop_fd(), &status)) {
            end_process(cluster->postgres, SIGQUIT);
        }
        cluster->postgres = 0;
    }
    home_close_socket_dir(&cluster->home);
}

/* ---- how to reach it ---- */

const struct home *cluster_home(const struct cluster *cluster)
{
    return &cluster->home;
}

char *cluster_url(const struct cluster *cluster, const char *role, const char *database)
{
    /* The path has plain characters only (is_good_socket_dir). */
    return mem_printf("postgresql://%s@/%s?host=%s&port=%d", role, database,
                      cluster->home.socket_dir, cluster->port);
}

char *cluster_psql(const struct cluster *cluster, const char *database)
{
    char *own = binaries_path(&cluster->binaries, "psql");
    char *argv[] = {(char[]){"psql"}, (char[]){"--version"}, NULL};
    struct buf output = {0};
    process_output(argv, &output);
    const char *program = output.len > 0 || access(own, X_OK) != 0 ? "psql" : own;
    char *line = mem_printf("%s -h %s -p %d -U postgres %s", program, cluster->home.socket_dir,
                            cluster->port, database);
    buf_release(&output);
    free(own);
    return line;
}
