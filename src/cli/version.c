/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald --version`: what is loaded now, not what was compiled against, because a library's fix
 * arrives by the package manager and this is how one sees that it did. */
#include <jansson.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "cli/command.h"

#ifndef PGHERALD_VERSION
#define PGHERALD_VERSION "0.1.0"
#endif

/* These two headers stay in src/net and src/loop; a version is all that is wanted here. */
extern const char *lws_get_library_version(void);
extern const char *uv_version_string(void);

void version_print(void)
{
    int pq = PQlibVersion();
    printf("pgherald %s\n", PGHERALD_VERSION);
    printf("libpq %d.%d\n", pq / 10000, pq % 10000);
    printf("libwebsockets %s\n", lws_get_library_version());
    printf("libuv %s\n", uv_version_string());
    printf("jansson %s\n", jansson_version_str());
    printf("openssl %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    printf("libconfuse %s\n", config_library_version());
}
