/* SPDX-License-Identifier: PostgreSQL */
/* Removing directories: the cluster that an interrupted start leaves, and socket directories. Depth
 * first, by nftw, which with FTW_PHYS removes a link and not what it points to. */
#include "cli/dev/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    return at->level == 0 ? 0 : remove(path);
}

bool tree_remove_contents(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

void tree_remove_sockets(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        return;
    }
    struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; glibc's is safe: nobody else has this DIR */
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, ".s.PGSQL.", strlen(".s.PGSQL.")) == 0) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    closedir(dir);
    rmdir(path);
}
