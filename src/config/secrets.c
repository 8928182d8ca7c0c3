/* SPDX-License-Identifier: PostgreSQL */
/* Passwords taken out of connection strings, for whoever is shown one: a log, a terminal. What is no
 * connection string at all is not shown. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/option.h"

static bool is_secret_key(const char *key, size_t len)
{
    static const char *const keys[] = {"password", "sslpassword", NULL};
    for (size_t i = 0; keys[i]; i++) {
        if (strlen(keys[i]) == len && strncasecmp(keys[i], key, len) == 0) {
            return true;
        }
    }
    return false;
}

/* scheme://user:password@host/db?password=x&y=z. libpq wants '/', '?' and '@' of a password
 * percent-encoded; a person may forget it, so the last '@' before the query ends the user part:
 * rather hide too much than print half a password. */
static void public_uri(const char *url, struct buf *out)
{
    const char *authority = strstr(url, "://") + 3;
    const char *at = memrchr(authority, '@', strcspn(authority, "?"));
    const char *rest = authority;
    buf_add(out, url, (size_t)(authority - url));
    if (at) {
        const char *colon = memchr(authority, ':', (size_t)(at - authority));
        buf_add(out, authority, (size_t)((colon ? colon : at) - authority));
        rest = at;
    }
    size_t before_query = strcspn(rest, "?");
    buf_add(out, rest, before_query);
    const char *item = rest + before_query;
    char separator = '?';
    while (*item != '\0') {
        item++;
        size_t n = strcspn(item, "&");
        if (n > 0 && !is_secret_key(item, strcspn(item, "=&"))) {
            buf_char(out, separator);
            buf_add(out, item, n);
            separator = '&';
        }
        item += n;
    }
}

/* The end of a value of the keyword/value form: quoted by ', with \ before any character. */
static const char *end_of_value(const char *value)
{
    bool is_quoted = *value == '\'';
    const char *c = is_quoted ? value + 1 : value;
    while (*c && (is_quoted ? *c != '\'' : !isspace((unsigned char)*c))) {
        c += *c == '\\' && c[1] ? 2 : 1;
    }
    return is_quoted && *c ? c + 1 : c;
}

static void public_keywords(const char *text, struct buf *out)
{
    const char *c = text;
    while (*c) {
        c += strspn(c, " \t\r\n\f\v");
        const char *key = c;
        size_t key_len = strcspn(key, "= \t\r\n\f\v");
        c = key + key_len;
        c += strspn(c, " \t\r\n\f\v");
        if (*c != '=') {
            break; /* not this form at all: show no more of it */
        }
        c++;
        c += strspn(c, " \t\r\n\f\v");
        const char *end = end_of_value(c);
        if (!is_secret_key(key, key_len)) {
            buf_printf(out, "%s%.*s=%.*s", out->len ? " " : "", (int)key_len, key, (int)(end - c),
                       c);
        }
        c = end;
    }
}

char *option_public_url(const char *url)
{
    struct buf out = {0};
    if (strstr(url, "://")) {
        public_uri(url, &out);
    } else {
        public_keywords(url, &out);
    }
    char *text = mem_strdup(buf_text(&out));
    buf_release(&out);
    return text;
}
