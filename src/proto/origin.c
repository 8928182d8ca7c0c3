/* SPDX-License-Identifier: PostgreSQL */
/* A browser serialises an origin as scheme, host and port, the port only if it is not the scheme's
 * own, all in lower case and the host in its xn-- form (RFC 6454, 6.2). People write a slash behind
 * it, or the port, or capitals: both sides are taken apart by the same function and compared by
 * parts, so that these mean the same. What could never match is refused at the start, with what to
 * write instead; to let it stand would be a list that silently admits nobody.
 *
 * "*" is any origin; a host that begins with "*." is all names below; "null", which sandboxed pages
 * and files send, is admitted only if it is written. */
#include "proto/origin.h"

#include <string.h>
#include <strings.h>

struct origin {
    struct str scheme, host, port; /* port: absent if it is the scheme's own */
    bool has_names_below;          /* host: what follows the star, from its dot on */
};

static const char separators[] = ", \t";

static bool equals(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_made_of(struct str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == '\0' || !strchr(others, c))) {
            return false;
        }
    }
    return text.len > 0;
}

static bool is_own_port(struct str scheme, uint64_t port)
{
    return (equals(scheme, STR("https")) && port == 443) ||
           (equals(scheme, STR("http")) && port == 80);
}

/* Takes ":PORT" off the host. False: it is no port. */
static bool cut_port(struct origin *origin)
{
    struct str *host = &origin->host;
    const char *colon = memrchr(host->ptr, ':', host->len);
    if (!colon || memchr(colon, ']', host->len - (size_t)(colon - host->ptr))) {
        return true;
    }
    uint64_t port;
    struct str text = {colon + 1, host->len - (size_t)(colon - host->ptr) - 1};
    host->len = (size_t)(colon - host->ptr);
    if (!str_to_u64(text, &port) || port == 0 || port > 65535 || text.ptr[0] == '0') {
        return false;
    }
    if (!is_own_port(origin->scheme, port)) {
        origin->port = text;
    }
    return true;
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* Takes a word apart; NULL, or what is wrong with it. */
static const char *read_origin(struct str word, bool may_have_star, struct origin *out)
{
    const char *mark = word.len > 3 ? memmem(word.ptr, word.len, "://", 3) : NULL;
    *out = (struct origin){0};
    if (!is_ascii(word)) {
        return "write the host in its xn-- form, as browsers send it";
    }
    if (!mark) {
        return "write the scheme too: https://example.com";
    }
    out->scheme = (struct str){word.ptr, (size_t)(mark - word.ptr)};
    out->host = (struct str){mark + 3, word.len - out->scheme.len - 3};
    if (out->host.len > 0 && out->host.ptr[out->host.len - 1] == '/') {
        out->host.len--;
    }
    if (equals(out->scheme, STR("ws")) || equals(out->scheme, STR("wss"))) {
        return "write the page's scheme: https:// or http://";
    }
    if (out->host.len > 0 && memchr(out->host.ptr, '/', out->host.len)) {
        return "write it without a path: an origin is scheme, host and port";
    }
    if (!is_made_of(out->scheme, "+-.") || out->host.len == 0 || !cut_port(out)) {
        return "write scheme, host and perhaps a port: https://example.com:8443";
    }
    if (may_have_star && str_starts(out->host, STR("*."))) {
        out->has_names_below = true;
        out->host = (struct str){out->host.ptr + 1, out->host.len - 1};
    }
    return is_made_of(out->host, out->host.ptr[0] == '[' ? "[]:." : "-._")
               ? NULL
               : "write a host; a star stands only for the first names, https://*.example.com, or "
                 "alone for any page";
}

static bool covers(const struct origin *pattern, const struct origin *origin)
{
    struct str host = origin->host;
    if (pattern->has_names_below) {
        if (host.len <= pattern->host.len || host.ptr[0] == '.') {
            return false;
        }
        host = (struct str){host.ptr + host.len - pattern->host.len, pattern->host.len};
    }
    return equals(pattern->scheme, origin->scheme) && equals(pattern->host, host) &&
           equals(pattern->port, origin->port);
}

/* The next word of the list from *at on; absent at its end. */
static struct str next_word(const char **at)
{
    *at += strspn(*at, separators);
    struct str word = {*at, strcspn(*at, separators)};
    *at += word.len;
    return word.len > 0 ? word : (struct str){0};
}

static bool is_whole(struct str word)
{
    return str_equals(word, STR("*")) || equals(word, STR("null"));
}

const char *origins_complaint(const char *list, struct str *bad)
{
    const char *at = list;
    struct origin ignored;
    size_t n = 0;
    for (struct str word; (word = next_word(&at)).ptr; n++) {
        const char *complaint = is_whole(word) ? NULL : read_origin(word, true, &ignored);
        if (complaint) {
            *bad = word;
            return complaint;
        }
    }
    *bad = str_of(list);
    return n > 0 ? NULL : "name an origin, or * for any page";
}

bool origins_have(const char *list, struct str origin)
{
    struct origin asked, pattern;
    bool is_null = equals(origin, STR("null"));
    bool is_read = !is_null && !read_origin(origin, false, &asked);
    for (struct str word; (word = next_word(&list)).ptr;) {
        if (str_equals(word, STR("*")) || (is_null && equals(word, STR("null")))) {
            return true;
        }
        if (is_read && !is_whole(word) && !read_origin(word, true, &pattern) &&
            covers(&pattern, &asked)) {
            return true;
        }
    }
    return false;
}
