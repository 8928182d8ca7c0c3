/* SPDX-License-Identifier: PostgreSQL */
/* Postgres refuses to run as root, so a root test becomes user postgres in the child before it runs
 * the programs. The postmaster dies with the test (PR_SET_PDEATHSIG), also if the test is killed.
 */
#include "cluster.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <libpq-fe.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT "5432" /* part of the socket's name only */

static struct {
    char directory[64], data[80], bin[PATH_MAX], socket_path[96];
    struct passwd *user; /* NULL: ourselves */
    pid_t postmaster;
} cluster;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "cluster: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void find_binaries(void)
{
    const char *given = getenv("PGBIN");
    if (given) {
        snprintf(cluster.bin, sizeof(cluster.bin), "%s", given);
        return;
    }
    int newest = 0;
    DIR *directory = opendir("/usr/lib/postgresql");
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        int version = (int)strtol(entry->d_name, NULL, 10);
        newest = version > newest ? version : newest;
    }
    if (directory) {
        closedir(directory);
    }
    snprintf(cluster.bin, sizeof(cluster.bin), "/usr/lib/postgresql/%d/bin", newest);
}

static void become_user(void)
{
    if (cluster.user && (setgroups(0, NULL) != 0 || setgid(cluster.user->pw_gid) != 0 ||
                         setuid(cluster.user->pw_uid) != 0)) {
        die("becoming user postgres");
    }
}

static pid_t spawn(char *const argv[], bool is_quiet, bool as_user)
{
    fflush(NULL); /* or the child would write it once more */
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    if (as_user) {
        become_user();
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (is_quiet && (!freopen("/dev/null", "w", stdout))) {
        die("/dev/null");
    }
    execvp(argv[0], argv);
    die(argv[0]);
}

static void run(char *const argv[], bool as_user)
{
    pid_t pid = spawn(argv, true, as_user);
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0) {
        die(argv[0]);
    }
}

static char *path_of(const char *program)
{
    static char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", cluster.bin, program);
    return path;
}

const char *cluster_url(const char *database, const char *user)
{
    static char urls[4][160];
    static unsigned next;
    char *url = urls[next++ % 4];
    snprintf(url, sizeof(urls[0]), "host=%s port=" PORT " dbname=%s user=%s", cluster.directory,
             database, user);
    return url;
}

const char *cluster_socket_path(void)
{
    return cluster.socket_path;
}

void cluster_up(void)
{
    char socket_option[96];
    snprintf(socket_option, sizeof(socket_option), "unix_socket_directories=%s", cluster.directory);
    char *argv[] = {path_of("postgres"),
                    "-D",
                    cluster.data,
                    "-c",
                    socket_option,
                    "-c",
                    "listen_addresses=",
                    "-c",
                    "port=" PORT,
                    "-c",
                    "fsync=off",
                    "-c",
                    "shared_buffers=32MB",
                    "-c",
                    "log_min_messages=fatal",
                    "-c",
                    "log_destination=csvlog",
                    "-c",
                    "logging_collector=on",
                    NULL};
    cluster.postmaster = spawn(argv, false, true);
    for (int tries = 0; PQping(cluster_url("postgres", "postgres")) != PQPING_OK; tries++) {
        if (tries > 1500 || waitpid(cluster.postmaster, NULL, WNOHANG) != 0) {
            die("Postgres does not start");
        }
        pause_ms(20);
    }
}

void cluster_down(bool is_crash)
{
    kill(cluster.postmaster, is_crash ? SIGQUIT : SIGINT);
    waitpid(cluster.postmaster, NULL, 0);
    cluster.postmaster = 0;
}

static void sql(const char *text, const char *database)
{
    PGconn *conn = PQconnectdb(cluster_url(database, "postgres"));
    PGresult *result = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "cluster: %s\n%s", text, PQerrorMessage(conn));
        exit(1);
    }
    PQclear(result);
    PQfinish(conn);
}

void cluster_create(const char *database)
{
    char text[128];
    snprintf(text, sizeof(text), "CREATE DATABASE %s TEMPLATE herald_template", database);
    sql(text, "postgres");
}

void cluster_create_empty(const char *database)
{
    char text[128];
    snprintf(text, sizeof(text), "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", database);
    sql(text, "postgres");
}

void cluster_start(void)
{
    find_binaries();
    cluster.user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    snprintf(cluster.directory, sizeof(cluster.directory), "/tmp/pgherald-unit-XXXXXX");
    if (!mkdtemp(cluster.directory)) {
        die("mkdtemp");
    }
    if (cluster.user && chown(cluster.directory, cluster.user->pw_uid, cluster.user->pw_gid) != 0) {
        die("chown");
    }
    snprintf(cluster.data, sizeof(cluster.data), "%s/data", cluster.directory);
    snprintf(cluster.socket_path, sizeof(cluster.socket_path), "%s/.s.PGSQL." PORT,
             cluster.directory);
    char *initdb[] = {path_of("initdb"),
                      "-D",
                      cluster.data,
                      "-U",
                      "postgres",
                      "-A",
                      "trust",
                      "-E",
                      "UTF8",
                      "--locale=C.UTF-8",
                      "--no-sync",
                      NULL};
    run(initdb, true);
    cluster_up();
    cluster_create_empty("herald_template");
    char url[160];
    snprintf(url, sizeof(url), "%s", cluster_url("herald_template", "postgres"));
    /* PGBIN may have no clients: then whichever psql is in PATH. */
    char *own = path_of("psql");
    char *psql[] = {access(own, X_OK) == 0 ? own : (char[]){"psql"},
                    "-X",
                    "-q",
                    "-d",
                    url,
                    "-f",
                    "sql/install.sql",
                    NULL};
    run(psql, false); /* the sources may not be readable for user postgres */
}

void cluster_stop(void)
{
    if (cluster.postmaster > 0) {
        cluster_down(true);
    }
    char *rm[] = {"/bin/rm", "-rf", cluster.directory, NULL};
    run(rm, false);
}
