/* SPDX-License-Identifier: PostgreSQL */
/* Which Postgres is installed here. */
#ifndef HERALD_CLI_DEV_BINARIES_H
#define HERALD_CLI_DEV_BINARIES_H

#include "base/err.h"

struct binaries {
    char *dir;
    int major; /* 15 */
};

/* bindir: the only place to look; NULL: pg_config's, those of PATH, Debian's (newest first). major:
 * the version that a cluster needs; 0: any. A failure says what to install (exit code 78). */
enum status binaries_find(const char *bindir, int major, struct binaries *out,
                          struct err *err) MUST_CHECK;
char *binaries_path(const struct binaries *binaries, const char *program); /* a heap string */
void binaries_release(struct binaries *binaries);

#endif
