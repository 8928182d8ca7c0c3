/* SPDX-License-Identifier: PostgreSQL */
/* A server that listens everywhere is on this machine, too: 0.0.0.0 is no address to connect to, the
 * loopback one is. */
#include "cli/wire/where.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/admin.h"

static char *url_of_listen(const char *listen)
{
    static const struct {
        const char *from, *to;
    } anywhere[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
    for (size_t i = 0; i < sizeof(anywhere) / sizeof(*anywhere); i++) {
        if (str_starts(str_of(listen), str_of(anywhere[i].from))) {
            return mem_printf("ws://%s%s", anywhere[i].to, listen + strlen(anywhere[i].from));
        }
    }
    return mem_printf("ws://%s", listen);
}

#define NEWEST "SELECT name FROM herald.canonical ORDER BY created_at DESC, name LIMIT 1"

static enum status ask_canonical(const struct config *config, char **out, struct err *err)
{
    struct admin *admin = NULL;
    enum status status = admin_open(config->database.url, -1, &admin, err);
    if (status == STATUS_OK) {
        status = admin_value(admin, NEWEST, 0, NULL, out, err);
        admin_close(admin);
    }
    if (status == STATUS_OK && !*out) {
        status = err_set(err, EXIT_CODE_CONFIG,
                         "there is no canonical: SELECT herald.rotate_canonical()");
    }
    if (status != STATUS_OK) {
        struct err found = *err;
        err_set(err, EXIT_CODE_CONFIG,
                "%s. That is where the canonical would be; --url ws://HOST:PORT/rt/<canonical> "
                "says it without",
                found.text);
    }
    return status;
}

enum status where_find(const struct config *config, const char *url, struct target *out,
                       struct err *err)
{
    char *canonical = NULL;
    char *own = url ? NULL : url_of_listen(config->net.listen);
    enum status status = target_parse(url ? url : own, out, err);
    free(own);
    if (status == STATUS_OK && !*out->path) {
        status = ask_canonical(config, &canonical, err);
        if (status == STATUS_OK) {
            status = target_complete(out, canonical, err);
        }
    }
    free(canonical);
    return status;
}
