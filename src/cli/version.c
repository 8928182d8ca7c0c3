/* SPDX-License-Identifier: PostgreSQL */
/* `pgherald version`: what is loaded now, not what was compiled against, because a library's fix
 * arrives by the package manager and this is how one sees that it did. */
#include <jansson.h>
#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "base/buf.h"
#include "cli/command.h"

#ifndef PGHERALD_VERSION
#define PGHERALD_VERSION "0.1.0"
#endif

/* These two headers stay in src/net and src/loop; a version is all that is wanted here. */
extern const char *lws_get_library_version(void);
extern const char *uv_version_string(void);

static void put(struct buf *out, bool is_json, const char *name, const char *version)
{
    if (!is_json) {
        buf_printf(out, "%s %s\n", name, version);
        return;
    }
    buf_char(out, out->len == 0 ? '{' : ',');
    buf_json_string(out, str_of(name));
    buf_char(out, ':');
    buf_json_string(out, str_of(version));
}

static enum exit_code version_run(const struct invocation *invocation, struct err *err)
{
    bool is_json = invocation->is_json;
    struct buf out = {0};
    char pq[32];
    (void)err;
    snprintf(pq, sizeof(pq), "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
    put(&out, is_json, "pgherald", PGHERALD_VERSION);
    put(&out, is_json, "libpq", pq);
    put(&out, is_json, "libwebsockets", lws_get_library_version());
    put(&out, is_json, "libuv", uv_version_string());
    put(&out, is_json, "jansson", jansson_version_str());
    put(&out, is_json, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
    put(&out, is_json, "libconfuse", config_library_version());
    printf("%s%s", buf_text(&out), is_json ? "}\n" : "");
    buf_release(&out);
    return EXIT_CODE_OK;
}

const struct subcommand version_command = {
    .name = "version",
    .group = COMMAND_GROUP_TOOLS,
    .usage = "[--json]",
    .summary = "versions of pgherald and its libraries (also -V)",
    .about = "Prints the version of this program, and of the libraries as they are loaded now.",
    .has_json = true,
    .run = version_run,
};
