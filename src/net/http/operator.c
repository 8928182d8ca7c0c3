/* SPDX-License-Identifier: PostgreSQL */
/* Who is the operator is not a matter of addresses: behind a proxy on the same machine everybody
 * comes from 127.0.0.1, and the common configurations of such proxies add nothing to a request by
 * which it could be told from one that the operator makes himself. A page in a browser on this
 * machine can ask from there, too (DNS rebinding). So it is who has the token, and without one
 * nobody. */
#include "net/http/operator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

enum {
    MIN_CHARS = 16, /* of what is not to be guessed; openssl rand -hex 16 makes 32 */
    MAX_CHARS = 1024,
};

static bool is_token(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return len >= MIN_CHARS && len <= MAX_CHARS;
}

enum status operator_read_token(const char *path, char **out, struct err *err)
{
    char *line = str_first_line(path);
    if (!line) {
        return err_set(err, EXIT_CODE_CONFIG, "cannot read --metrics-token-file %s: %s", path,
                       strerror(errno));
    }
    if (!is_token(line)) {
        free(line);
        return err_set(err, EXIT_CODE_CONFIG,
                       "the first line of --metrics-token-file %s must be %d to %d visible ASCII "
                       "characters, such as `openssl rand -hex 16` makes",
                       path, MIN_CHARS, MAX_CHARS);
    }
    *out = line;
    return STATUS_OK;
}

bool operator_has(const char *token, struct str given)
{
    return token && given.len == strlen(token) && CRYPTO_memcmp(given.ptr, token, given.len) == 0;
}
