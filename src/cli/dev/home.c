/* SPDX-License-Identifier: PostgreSQL */
/* What lies in the data directory DIR:
 *
 * - pgherald-dev: the marker. The directory is ours; the process that uses it holds a lock on it.
 * - postgres: Postgres's data directory, or a link to it (below).
 * - postgres.new: the same while initdb runs, renamed when it is complete. Found at a start, it is
 *   half-made.
 * - postgres.log: what Postgres and initdb say.
 * - port: the TCP port of the last start, to be used again if it is free.
 * - token-secret: what dev checks tokens with (secret.c).
 * - socket: a directory for the unix socket, or a link to one in /tmp if the path is too long.
 * - with --nodes (fleet.c): nats.conf, bus-password and haproxy.cfg beside postgres, written at each
 *   start, and the logs node-1.log …, nats.log and haproxy.log.
 *
 * Postgres refuses to be root, so root starts it as another user, and that one must be able to
 * reach the data: below /root he cannot. Then the cluster lies in /var/lib/pgherald-dev, and
 * DIR/postgres is a link to it. The owner of an existing
 * cluster is who Postgres runs as.
 *
 * Nothing is ever removed here but what this very start made, and socket directories. */
#include "cli/dev/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/dev/tree.h"

#define MARKER "pgherald-dev"
#define ELSEWHERE "/var/lib/pgherald-dev"

static enum status home_fail(const char *what, const char *path, struct err *err)
{
    return err_set(err, EXIT_CODE_CONFIG, "cannot %s %s: %s", what, path, strerror(errno));
}

static char *inside(const char *dir, const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* ---- looking ---- */

static bool is_elsewhere(const struct home *home)
{
    return strcmp(home->place, home->dir) != 0;
}

static enum status check_is_ours(const struct home *home, bool *has_marker, struct err *err)
{
    DIR *dir = opendir(home->dir);
    if (!dir) {
        return home_fail("read", home->shown, err);
    }
    bool is_empty = true;
    struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; glibc's is safe: nobody else has this DIR */
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            is_empty = false;
            *has_marker = *has_marker || strcmp(entry->d_name, MARKER) == 0;
        }
    }
    closedir(dir);
    if (is_empty || *has_marker) {
        return STATUS_OK;
    }
    return err_set(err, EXIT_CODE_CONFIG,
                   "%s is not empty and was not made by pgherald dev: choose another --data-dir",
                   home->shown);
}

static enum status lock(struct home *home, int flags, struct err *err)
{
    char *marker = inside(home->dir, MARKER);
    int fd = open(marker, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
    enum status status = STATUS_OK;
    if (fd < 0) {
        status = home_fail("open", marker, err);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = err_set(err, EXIT_CODE_CONFIG,
                         "another pgherald dev is using %s: stop it, or choose another --data-dir",
                         home->shown);
        close(fd);
    } else {
        home->lock_fd = fd;
    }
    free(marker);
    return status;
}

static void settle(struct home *home, char *place)
{
    free(home->place);
    free(home->data);
    free(home->making);
    home->place = place;
    home->data = inside(place, "postgres");
    home->making = inside(place, "postgres.new");
}

/* The directory that the link `postgres` points into; NULL: it is no link. */
static char *linked_place(const char *link)
{
    char target[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n <= 0) {
        return NULL;
    }
    target[n] = '\0';
    char *slash = strrchr(target, '/');
    if (target[0] != '/' || slash == target) {
        return NULL;
    }
    *slash = '\0';
    return mem_strdup(target);
}

/* Where the cluster is, if there is one or a beginning of one. */
static void find_place(struct home *home)
{
    char *link = inside(home->dir, "postgres");
    char *place = linked_place(link);
    settle(home, place ? place : mem_strdup(home->dir));
    free(link);
}

static int home_read_number(const char *dir, const char *name)
{
    char text[16] = "";
    char *path = inside(dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return n > 0 ? (int)strtol(text, NULL, 10) : 0;
}

/* As one word for a shell: what a person is told to paste after rm must be exact. */
static void add_quoted(struct buf *out, const char *path)
{
    buf_literal(out, " '");
    for (const char *c = path; *c; c++) {
        buf_literal(out, *c == '\'' ? "'\\''" : (char[]){*c, '\0'});
    }
    buf_char(out, '\'');
}

static enum status check_cluster(struct home *home, struct err *err)
{
    bool is_begun = exists(home->making);
    home->major = is_begun ? 0 : home_read_number(home->data, "PG_VERSION");
    if (!is_begun && exists(home->data) == (home->major > 0)) {
        return STATUS_OK;
    }
    struct buf remedy = {0};
    buf_literal(&remedy, "rm -rf");
    add_quoted(&remedy, home->dir);
    if (is_elsewhere(home)) {
        add_quoted(&remedy, home->place);
    }
    err_set(err, EXIT_CODE_CONFIG,
            "%s is half-made (%s): an earlier start was killed, or something was removed; make "
            "room for a new one with: %s",
            home->shown, is_begun ? "initdb did not end" : "postgres/PG_VERSION is not readable",
            buf_text(&remedy));
    buf_release(&remedy);
    return STATUS_FAILED;
}

enum status home_look(const char *dir, struct home *out, struct err *err)
{
    struct stat info;
    bool has_marker = false;
    *out = (struct home){.shown = mem_strdup(dir), .lock_fd = -1};
    if (stat(dir, &info) != 0) {
        return errno == ENOENT ? STATUS_OK : home_fail("look at", dir, err);
    }
    if (!S_ISDIR(info.st_mode)) {
        return err_set(err, EXIT_CODE_CONFIG, "%s is not a directory: choose another --data-dir",
                       dir);
    }
    out->dir = realpath(dir, NULL);
    if (!out->dir) {
        return home_fail("look at", dir, err);
    }
    if (check_is_ours(out, &has_marker, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    find_place(out);
    if (has_marker && lock(out, 0, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return check_cluster(out, err);
}

/* ---- claiming ---- */

static bool can_enter(void *arg)
{
    return chdir(arg) == 0;
}

/* Postgres's user, else nobody; for an existing cluster its owner. */
static enum status choose_account(struct home *home, struct err *err)
{
    struct stat info;
    home->account = (struct account){.uid = geteuid(), .gid = getegid()};
    if (geteuid() != 0) {
        return STATUS_OK;
    }
    /* There is no other thread yet, so the plain functions do. */
    /* cppcheck-suppress getpwnamCalled */
    const struct passwd *user = getpwnam("postgres");
    if (!user) {
        /* cppcheck-suppress getpwnamCalled */
        user = getpwnam("nobody");
    }
    bool is_owned = home->major > 0 && stat(home->data, &info) == 0;
    if (is_owned && info.st_uid == 0) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "%s belongs to root, and Postgres does not run as root: chown -R it to another user",
            home->data);
    }
    if (!is_owned && !user) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "Postgres does not run as root, and there is no user postgres or nobody to run it as");
    }
    home->account.uid = is_owned ? info.st_uid : user->pw_uid;
    home->account.gid = is_owned ? info.st_gid : user->pw_gid;
    home->account.is_other = true;
    return STATUS_OK;
}

static enum status make_dir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) != 0) {
        return errno == EEXIST ? STATUS_OK : home_fail("create", path, err);
    }
    /* The umask may have taken what Postgres's user needs to pass. */
    return chmod(path, mode) == 0 ? STATUS_OK : home_fail("create", path, err);
}

/* The link remembers the place, so its name need say nothing. */
static enum status settle_elsewhere(struct home *home, const char *link, struct err *err)
{
    if (!is_elsewhere(home)) {
        char place[] = ELSEWHERE "/XXXXXX";
        if (make_dir(ELSEWHERE, 0755, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
        if (!mkdtemp(place) || chmod(place, 0755) != 0) {
            return home_fail("create", place, err);
        }
        settle(home, mem_strdup(place));
        if (symlink(home->data, link) != 0) {
            return home_fail("create", link, err);
        }
    }
    fprintf(stderr,
            "The user that Postgres runs as cannot reach %s: the cluster lies in %s instead.\n",
            home->shown, home->place);
    return make_dir(home->place, 0755, err);
}

/* For a new cluster: the directory itself, unless the account cannot get there. */
static enum status choose_place(struct home *home, struct err *err)
{
    char *link = inside(home->dir, "postgres");
    enum status status = STATUS_OK;
    if (home->account.is_other && !process_as(&home->account, can_enter, home->dir)) {
        status = settle_elsewhere(home, link, err);
    } else if (is_elsewhere(home)) {
        unlink(link); /* it points to nothing, and nothing is in the way any more */
        settle(home, mem_strdup(home->dir));
    }
    free(link);
    return status;
}

static enum status write_marker(const struct home *home, struct err *err)
{
    char *text = mem_printf(
        "This directory was made by `pgherald dev`, which keeps a private PostgreSQL here.\n"
        "To start afresh, stop it and remove the whole directory%s%s.\n",
        is_elsewhere(home) ? " and " : "", is_elsewhere(home) ? home->place : "");
    size_t len = strlen(text);
    bool is_good =
        ftruncate(home->lock_fd, 0) == 0 && pwrite(home->lock_fd, text, len, 0) == (ssize_t)len;
    free(text);
    return is_good ? STATUS_OK : home_fail("write", home->shown, err);
}

enum status home_claim(struct home *home, struct err *err)
{
    if (!home->dir) {
        /* Root's own may be entered by the user that Postgres runs as. */
        if (mkdir(home->shown, 0700) != 0 ||
            chmod(home->shown, geteuid() == 0 ? 0755 : 0700) != 0) {
            return home_fail("create", home->shown, err);
        }
        home->is_new = true;
        home->dir = realpath(home->shown, NULL);
        if (!home->dir) {
            return home_fail("look at", home->shown, err);
        }
        settle(home, mem_strdup(home->dir));
    }
    if ((home->lock_fd < 0 && lock(home, O_CREAT, err) != STATUS_OK) ||
        choose_account(home, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (home->major == 0 && choose_place(home, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    home->log = inside(home->dir, "postgres.log");
    if (home->major > 0 && is_elsewhere(home)) {
        fprintf(stderr, "The cluster of %s lies in %s.\n", home->shown, home->place);
    }
    return write_marker(home, err);
}

/* ---- the cluster's directory ---- */

static enum status give(const char *path, const struct account *account, struct err *err)
{
    if (account->is_other && lchown(path, account->uid, account->gid) != 0) {
        return home_fail("give away", path, err);
    }
    return STATUS_OK;
}

enum status home_begin_cluster(struct home *home, struct err *err)
{
    if (mkdir(home->making, 0700) != 0) {
        return home_fail("create", home->making, err);
    }
    return give(home->making, &home->account, err);
}

enum status home_finish_cluster(struct home *home, struct err *err)
{
    if (rename(home->making, home->data) != 0) {
        return home_fail("rename", home->making, err);
    }
    return STATUS_OK;
}

static bool remove_contents(void *arg)
{
    return tree_remove_contents(arg);
}

void home_undo_cluster(struct home *home)
{
    if (!home->making) {
        return; /* not claimed */
    }
    /* As its owner: what lies in a stranger's directory is not for root to follow. */
    process_as(&home->account, remove_contents, home->making);
    rmdir(home->making);
    if (is_elsewhere(home)) {
        rmdir(home->place); /* stays if anything is in it */
    }
    if (home->is_new) {
        const char *const names[] = {MARKER, "postgres", "postgres.log", "port"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            char *path = inside(home->dir, names[i]);
            unlink(path);
            free(path);
        }
        rmdir(home->dir);
    }
}

/* ---- the socket ---- */

#define SOCKET_NAME "/.s.PGSQL.65535"
#define MAX_SOCKET_DIR (107 - (sizeof(SOCKET_NAME) - 1)) /* sun_path has 108 bytes with its NUL */
#define TEMPORARY "/tmp/pgherald-"

/* Postgres reads a list of quoted names there; plain characters need no thought. */
static bool is_good_socket_dir(const char *path)
{
    return strlen(path) <= MAX_SOCKET_DIR &&
           path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789/._-")] == '\0';
}

/* The one in /tmp that a start before this one left, if it was killed. */
static void forget_socket_dir(const char *link)
{
    char target[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n <= 0) {
        return;
    }
    target[n] = '\0';
    bool is_ours = strncmp(target, TEMPORARY, strlen(TEMPORARY)) == 0 &&
                   !strchr(target + strlen(TEMPORARY), '/');
    if (is_ours) {
        tree_remove_sockets(target);
    }
    unlink(link);
}

static enum status open_temporary(struct home *home, const char *link, struct err *err)
{
    char path[] = TEMPORARY "XXXXXX";
    if (!mkdtemp(path)) {
        return home_fail("create", path, err);
    }
    home->socket_dir = mem_strdup(path);
    return symlink(path, link) == 0 ? STATUS_OK : home_fail("create", link, err);
}

enum status home_open_socket_dir(struct home *home, struct err *err)
{
    char *link = inside(home->dir, "socket");
    char *usual = inside(home->place, "socket");
    struct stat info;
    enum status status = STATUS_OK;
    forget_socket_dir(link);
    if (!is_good_socket_dir(usual)) {
        status = open_temporary(home, link, err);
    } else if ((mkdir(usual, 0700) != 0 && errno != EEXIST) || lstat(usual, &info) != 0 ||
               !S_ISDIR(info.st_mode)) {
        status = home_fail("create", usual, err);
    } else {
        home->socket_dir = mem_strdup(usual);
    }
    if (status == STATUS_OK) {
        status = give(home->socket_dir, &home->account, err);
    }
    free(usual);
    free(link);
    return status;
}

void home_close_socket_dir(struct home *home)
{
    if (home->socket_dir) {
        char *link = inside(home->dir, "socket");
        tree_remove_sockets(home->socket_dir);
        struct stat info;
        if (lstat(link, &info) == 0 && S_ISLNK(info.st_mode)) {
            unlink(link);
        }
        free(link);
    }
    free(home->socket_dir);
    home->socket_dir = NULL;
}

/* ---- the port ---- */

int home_read_port(const struct home *home)
{
    int port = home_read_number(home->dir, "port");
    return port > 0 && port <= 65535 ? port : 0;
}

void home_write_port(const struct home *home, int port)
{
    char *path = inside(home->dir, "port");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0) {
        dprintf(fd, "%d\n", port); /* lost: the next start takes another port */
        close(fd);
    }
    free(path);
}

/* ---- files of what else runs ---- */

static bool write_all(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len = strlen(text);
    bool is_good = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (fd >= 0) {
        close(fd);
    }
    return is_good;
}

enum status home_write(const struct home *home, const char *name, const char *text, char **path,
                       struct err *err)
{
    char *file = inside(home->place, name);
    unlink(file); /* of an earlier start */
    enum status status =
        write_all(file, text) ? give(file, &home->account, err) : home_fail("write", file, err);
    if (status != STATUS_OK) {
        free(file);
        return status;
    }
    *path = file;
    return STATUS_OK;
}

void home_release(struct home *home)
{
    home_close_socket_dir(home);
    if (home->lock_fd >= 0) {
        close(home->lock_fd);
    }
    free(home->shown);
    free(home->dir);
    free(home->place);
    free(home->data);
    free(home->making);
    free(home->log);
    *home = (struct home){.lock_fd = -1};
}
