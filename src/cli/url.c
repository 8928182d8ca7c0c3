/* SPDX-License-Identifier: PostgreSQL */
/* What is wrong with a database URL, said so that it can be mended, and without its password.
 *
 * libpq quotes what it did not understand, and that may be a piece of a password: an "@" or a "/"
 * in one that is not percent-encoded moves all that follows to another place of the URL. So its
 * sentence is cut before the quote. Two things are named nevertheless: the scheme, which stands
 * before anything secret (people bring jdbc: and mysql: from elsewhere), and a parameter that libpq
 * does not know (?pgbouncer=true, ?schema=public), if it cannot be a piece of a password: a word
 * behind the only "?", with no "@" after it.
 *
 * And libpq reads two wrong URLs without a complaint, to fail later with a quote: a host with an
 * "@", and a port that is none. Both come from a password that should have been encoded. */
#include "cli/url.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define WANTED                                                                                     \
    "postgresql://USER@HOST:PORT/DATABASE, or words as in \"host=HOST dbname=DATABASE user=USER\""

/* The length of "name:" in front of a URL, 0 if there is none. */
static size_t scheme_length(const char *url)
{
    size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return len > 0 && url[len] == ':' ? len : 0;
}

static bool is_libpq_uri(const char *url)
{
    return strncmp(url, "postgresql://", strlen("postgresql://")) == 0 ||
           strncmp(url, "postgres://", strlen("postgres://")) == 0;
}

/* The parameter that libpq does not know, as a heap copy; NULL: it was something else, or it may be
 * a secret. */
static char *unknown_parameter(const char *url, const char *message)
{
    static const char begin[] = "invalid URI query parameter: \"";
    const char *question = strchr(url, '?');
    const char *name = strstr(message, begin);
    if (!is_libpq_uri(url) || !question || strpbrk(question + 1, "?@") || !name) {
        return NULL;
    }
    name += strlen(begin);
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return len > 0 && len <= 40 && name[len] == '"' ? str_dup((struct str){name, len}) : NULL;
}

/* Ends the sentence before what it quotes; of `missing "=" after "…"` the first is not the user's.
 */
static void cut_quote(char *message)
{
    static const char equals[] = "missing \"=\"";
    bool is_equals = strncmp(message, equals, strlen(equals)) == 0;
    message[is_equals ? strlen(equals) : strcspn(message, "\"\n")] = '\0';
    for (size_t len = strlen(message); len > 0 && strchr(" :", message[len - 1]); len--) {
        message[len - 1] = '\0';
    }
}

static enum status url_refuse(const char *url, char *message, struct err *err)
{
    size_t scheme = scheme_length(url);
    if (scheme > 0 && !is_libpq_uri(url)) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "the database URL begins with \"%.*s:\", which is not understood: give " WANTED,
            (int)(scheme < 40 ? scheme : 40), url);
    }
    char *parameter = unknown_parameter(url, message);
    if (parameter) {
        err_set(err, EXIT_CODE_CONFIG,
                "the database URL has a parameter \"%s\", which libpq does not know: remove it",
                parameter);
        free(parameter);
        return STATUS_FAILED;
    }
    cut_quote(message);
    return err_set(err, EXIT_CODE_CONFIG, "the database URL is not understood: %s. Give " WANTED,
                   message);
}

static bool is_port_list(const char *port)
{
    return !port || port[strspn(port, "0123456789,")] == '\0';
}

enum status url_parse(const char *url, PQconninfoOption **out, struct err *err)
{
    char *message = NULL;
    PQconninfoOption *parsed = PQconninfoParse(url, &message);
    if (!parsed) {
        char *copy = mem_strdup(message ? message : "out of memory");
        enum status status = url_refuse(url, copy, err);
        free(copy);
        PQfreemem(message);
        return status;
    }
    const char *host = url_value(parsed, "host");
    if ((host && strchr(host, '@')) || !is_port_list(url_value(parsed, "port"))) {
        PQconninfoFree(parsed);
        return err_set(err, EXIT_CODE_CONFIG,
                       "the database URL is not understood: its host or its port cannot be one. In "
                       "a user's name and a password write %%40 for @, %%3A for :, %%2F for /, "
                       "%%3F for ?, %%23 for # and %%25 for %%");
    }
    *out = parsed;
    return STATUS_OK;
}

const char *url_value(const PQconninfoOption *parsed, const char *keyword)
{
    for (const PQconninfoOption *option = parsed; option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val;
        }
    }
    return NULL;
}

/* ---- made complete ---- */

static void add_encoded(struct buf *out, const char *text, const char *also_plain)
{
    for (const char *c = text; *c; c++) {
        bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || strchr("-._~", *c) || strchr(also_plain, *c);
        if (is_plain) {
            buf_char(out, *c);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

/* libpq's own spelling: postgresql://user:password@/dbname?host=…&port=…, or host:port in its usual
 * place if it is one plain host. */
static char *compose(const PQconninfoOption *parsed, const char *user, const char *dbname)
{
    struct buf out = {0};
    const char *password = url_value(parsed, "password");
    const char *host = url_value(parsed, "host"), *port = url_value(parsed, "port");
    bool is_plain = host && *host && !strpbrk(host, "/,:@%[") && !(port && strchr(port, ','));
    buf_literal(&out, "postgresql://");
    if (user) {
        add_encoded(&out, user, "");
        if (password) {
            buf_char(&out, ':');
            add_encoded(&out, password, "");
        }
        buf_char(&out, '@');
    }
    if (is_plain) {
        buf_printf(&out, "%s%s%s", host, port ? ":" : "", port ? port : "");
    }
    buf_char(&out, '/');
    add_encoded(&out, dbname ? dbname : "", "");
    char separator = '?';
    for (const PQconninfoOption *option = parsed; option->keyword; option++) {
        const char *key = option->keyword;
        bool is_done = strcmp(key, "user") == 0 || strcmp(key, "dbname") == 0 ||
                       (user && strcmp(key, "password") == 0) ||
                       (is_plain && (strcmp(key, "host") == 0 || strcmp(key, "port") == 0));
        if (option->val && !is_done) {
            buf_printf(&out, "%c%s=", separator, key);
            add_encoded(&out, option->val, "/,");
            separator = '&';
        }
    }
    char *url = mem_strdup(buf_text(&out));
    buf_release(&out);
    return url;
}

enum status url_complete(const char *url, const char *user, const char *dbname, char **out,
                         struct err *err)
{
    PQconninfoOption *parsed = NULL;
    if (url_parse(url, &parsed, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    assert(parsed); /* which the analyzer cannot know of what err_set() returns */
    const char *in_url = url_value(parsed, "user");
    bool has_service = url_value(parsed, "service") || getenv("PGSERVICE");
    /* A service file may name both; libpq would let the URL override it. */
    const char *default_user = getenv("PGUSER") || has_service ? NULL : user;
    const char *default_dbname = getenv("PGDATABASE") || has_service ? NULL : dbname;
    const char *chosen_dbname = url_value(parsed, "dbname");
    *out = compose(parsed, in_url ? in_url : default_user,
                   chosen_dbname ? chosen_dbname : default_dbname);
    PQconninfoFree(parsed);
    return STATUS_OK;
}
