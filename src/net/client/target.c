/* SPDX-License-Identifier: PostgreSQL */
/* An address goes into a request line and a Host header as it stands: what has a blank, a control
 * character or a user in front is refused here, and nothing has to be escaped later. */
#include "net/client/target.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const struct scheme {
    const char *text;
    bool is_tls;
} schemes[] = {{"ws://", false}, {"wss://", true}, {"http://", false}, {"https://", true}};

static enum status target_refuse(struct err *err, const char *what)
{
    return err_set(err, EXIT_CODE_USAGE,
                   "the URL of the server %s; such as ws://127.0.0.1:8080 or "
                   "wss://chat.example/rt/<canonical>",
                   what);
}

static const char *scheme_skip(const char *url, bool *is_tls)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        size_t len = strlen(schemes[i].text);
        if (strncmp(url, schemes[i].text, len) == 0) {
            *is_tls = schemes[i].is_tls;
            return url + len;
        }
    }
    return NULL;
}

static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~' || strchr("@#\\\"<>", *text)) {
            return false;
        }
    }
    return true;
}

static bool take(struct str from, char *out, size_t size)
{
    if (from.len >= size) {
        return false;
    }
    memcpy(out, from.ptr, from.len);
    out[from.len] = 0;
    return true;
}

/* host, host:port, [v6] or [v6]:port */
static bool take_authority(struct str text, struct target *out)
{
    const char *end = text.ptr + text.len, *host_end;
    bool has_brackets = text.len > 0 && *text.ptr == '[';
    if (has_brackets) {
        host_end = memchr(text.ptr, ']', text.len);
        text.ptr++;
    } else {
        host_end = memchr(text.ptr, ':', text.len);
        host_end = host_end ? host_end : end;
    }
    if (!host_end || host_end == text.ptr ||
        !take((struct str){text.ptr, (size_t)(host_end - text.ptr)}, out->host,
              sizeof(out->host))) {
        return false;
    }
    const char *rest = host_end + has_brackets;
    uint64_t port;
    if (rest == end) {
        return take(out->is_tls ? STR("443") : STR("80"), out->port, sizeof(out->port));
    }
    struct str digits = {rest + 1, (size_t)(end - rest) - 1};
    return *rest == ':' && str_to_u64(digits, &port) && port > 0 && port <= UINT16_MAX &&
           take(digits, out->port, sizeof(out->port));
}

enum status target_parse(const char *url, struct target *out, struct err *err)
{
    struct target target = {0};
    const char *authority = scheme_skip(url, &target.is_tls);
    if (!authority) {
        return target_refuse(err, "begins with neither ws:// nor wss://");
    }
    if (!is_plain(url)) {
        return target_refuse(err, "holds a character that has no place there");
    }
    size_t len = strcspn(authority, "/?");
    if (!take_authority((struct str){authority, len}, &target)) {
        return target_refuse(err, "names no host, or no port that there is");
    }
    const char *path = authority + len;
    if (strcmp(path, "/") != 0 && !take(str_of(path), target.path, sizeof(target.path))) {
        return target_refuse(err, "is too long");
    }
    if (*target.path && strncmp(target.path, "/rt/", 4) != 0) {
        return target_refuse(err, "has a path that does not begin with /rt/");
    }
    *out = target;
    return STATUS_OK;
}

enum status target_complete(struct target *target, const char *canonical, struct err *err)
{
    if (*target->path) {
        return STATUS_OK;
    }
    int len = snprintf(target->path, sizeof(target->path), "/rt/%s", canonical);
    return len > 0 && (size_t)len < sizeof(target->path) && is_plain(target->path)
               ? STATUS_OK
               : target_refuse(err, "cannot be completed by that canonical");
}
