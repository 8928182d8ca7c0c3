/* SPDX-License-Identifier: PostgreSQL */
/* Finds initdb and postgres. Debian keeps them out of PATH, in a directory per version, so that
 * several can live side by side; a cluster is bound to the version that made it. Hence a list of
 * candidates and a wanted version. */
#include "cli/dev/binaries.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/dev/process.h"

#define DEBIAN "/usr/lib/postgresql/"

struct search {
    int wanted;
    struct binaries found;
    int other; /* a version that was there but is not the wanted one */
};

char *binaries_path(const struct binaries *binaries, const char *program)
{
    return mem_printf("%s/%s", binaries->dir, program);
}

void binaries_release(struct binaries *binaries)
{
    free(binaries->dir);
    *binaries = (struct binaries){0};
}

/* "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)" */
static int major_of(char *postgres)
{
    char *argv[] = {postgres, (char[]){"-V"}, NULL};
    struct buf output = {0};
    process_output(argv, &output);
    const char *number = strstr(buf_text(&output), ") ");
    long major = number ? strtol(number + 2, NULL, 10) : 0;
    buf_release(&output);
    return (int)major;
}

/* True ends the search. */
static bool try_dir(struct search *search, const char *dir)
{
    struct binaries candidate = {.dir = mem_strdup(dir)};
    char *initdb = binaries_path(&candidate, "initdb");
    char *postgres = binaries_path(&candidate, "postgres");
    if (access(initdb, X_OK) == 0 && access(postgres, X_OK) == 0) {
        candidate.major = major_of(postgres);
    }
    free(postgres);
    free(initdb);
    bool is_it = candidate.major > 0 && (search->wanted == 0 || candidate.major == search->wanted);
    if (is_it) {
        search->found = candidate;
    } else {
        search->other = candidate.major > 0 ? candidate.major : search->other;
        binaries_release(&candidate);
    }
    return is_it;
}

static bool try_pg_config(struct search *search)
{
    char *argv[] = {(char[]){"pg_config"}, (char[]){"--bindir"}, NULL};
    struct buf output = {0};
    process_output(argv, &output);
    char *dir = mem_strdup(buf_text(&output));
    dir[strcspn(dir, "\n")] = '\0';
    bool is_it = dir[0] == '/' && try_dir(search, dir);
    free(dir);
    buf_release(&output);
    return is_it;
}

static bool try_path(struct search *search)
{
    const char *path = getenv("PATH");
    bool is_it = false;
    while (path && *path && !is_it) {
        size_t len = strcspn(path, ":");
        char *dir = mem_printf("%.*s", (int)len, path);
        is_it = dir[0] == '/' && try_dir(search, dir);
        free(dir);
        path += len + (path[len] == ':');
    }
    return is_it;
}

static int by_version(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    long m = strtol(*x + strlen(DEBIAN), NULL, 10), n = strtol(*y + strlen(DEBIAN), NULL, 10);
    return (m < n) - (m > n); /* the newest first */
}

static bool try_debian(struct search *search)
{
    glob_t matches;
    bool is_it = false;
    if (glob(DEBIAN "*/bin", 0, NULL, &matches) != 0) {
        return false;
    }
    qsort(matches.gl_pathv, matches.gl_pathc, sizeof(char *), by_version);
    for (size_t i = 0; i < matches.gl_pathc && !is_it; i++) {
        is_it = try_dir(search, matches.gl_pathv[i]);
    }
    globfree(&matches);
    return is_it;
}

enum status binaries_find(const char *bindir, int major, struct binaries *out, struct err *err)
{
    struct search search = {.wanted = major};
    if (bindir ? try_dir(&search, bindir)
               : try_pg_config(&search) || try_path(&search) || try_debian(&search)) {
        *out = search.found;
        return STATUS_OK;
    }
    if (search.other > 0) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "the data directory was made by PostgreSQL %d, but only PostgreSQL %d is here: install "
            "postgresql-%d, or choose another --data-dir",
            major, search.other, major);
    }
    if (bindir) {
        return err_set(err, EXIT_CODE_CONFIG, "there is no initdb and postgres in %s (--pg-bindir)",
                       bindir);
    }
    return err_set(err, EXIT_CODE_CONFIG,
                   "PostgreSQL's initdb is missing: install its server (on Debian: apt install "
                   "postgresql), or "
                   "say where it is with --pg-bindir");
}
