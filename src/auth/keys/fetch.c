/* SPDX-License-Identifier: PostgreSQL */
/* libcurl, used for one thing. What it may do by itself is taken away: no redirects, no .netrc, no
 * protocols but the one of the URL, no signals, and for a loopback URL no proxy from the
 * environment. Size and time are capped. An ETag is kept, so that a set that has not changed costs
 * one empty answer. */
#include "auth/keys/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define CONNECT_TIMEOUT_MS 5000L
#define TIMEOUT_MS 10000L
#define MAX_ETAG 256

struct fetch {
    CURL *curl;
    struct curl_slist *headers; /* of the next request: If-None-Match */
    char error[CURL_ERROR_SIZE];
    char etag[MAX_ETAG + 1];     /* of the last good body; "": none */
    char new_etag[MAX_ETAG + 1]; /* of the answer that is being read */
    const atomic_bool *stop;
    size_t max_bytes;
    struct buf *body;
    bool is_too_big;
};

/* ---- which URLs ---- */

static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

/* 127.evil.example is a name, not an address. */
static bool is_plain(const char *host)
{
    return strncmp(host, "127.", 4) != 0 || strspn(host, "0123456789.") == strlen(host);
}

enum status fetch_check_url(const char *url, struct err *err)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL;
    bool is_url = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                  curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                  curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    bool is_good = is_url && (strcmp(scheme, "https") == 0 ||
                              (strcmp(scheme, "http") == 0 && is_loopback(host) && is_plain(host)));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    if (is_good) {
        return STATUS_OK;
    }
    return err_set(err, EXIT_CODE_CONFIG, "--token-jwks-url: %s",
                   is_url ? "keys are fetched over https only (http only from a loopback address)"
                          : "it is not an address that can be fetched, such as "
                            "https://example.com/.well-known/jwks.json");
}

/* ---- one request ---- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct fetch *fetch = arg;
    size_t len = size * n;
    if (len > fetch->max_bytes - fetch->body->len) {
        fetch->is_too_big = true;
        return 0;
    }
    buf_add(fetch->body, data, len);
    return len;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    static const char name[] = "etag:";
    struct fetch *fetch = arg;
    size_t len = size * n, at = sizeof(name) - 1;
    if (len <= at || strncasecmp(data, name, at) != 0) {
        return len;
    }
    while (at < len && data[at] == ' ') {
        at++;
    }
    size_t end = at;
    while (end < len && data[end] >= 0x20 && data[end] < 0x7F) {
        end++;
    }
    if (end - at <= MAX_ETAG) {
        memcpy(fetch->new_etag, data + at, end - at);
        fetch->new_etag[end - at] = '\0';
    }
    return len;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    const struct fetch *fetch = arg;
    return atomic_load(fetch->stop) ? 1 : 0;
}

static void set_options(struct fetch *fetch, const char *url, const char *ca_file)
{
    CURL *curl = fetch->curl;
    bool is_http = strncasecmp(url, "http:", 5) == 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, is_http ? "http" : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pgherald");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetch->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, fetch);
    if (is_http) {
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    if (ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
}

struct fetch *fetch_new(const char *url, const char *ca_file, size_t max_bytes,
                        const atomic_bool *stop)
{
    struct fetch *fetch = mem_zalloc(sizeof(*fetch));
    fetch->max_bytes = max_bytes;
    fetch->stop = stop;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    fetch->curl = curl_easy_init();
    if (!fetch->curl) {
        abort(); /* no memory, as in mem_alloc */
    }
    set_options(fetch, url, ca_file);
    return fetch;
}

static void ask_for_changes(struct fetch *fetch)
{
    curl_slist_free_all(fetch->headers);
    fetch->headers = NULL;
    if (fetch->etag[0] != '\0') {
        char *header = mem_printf("If-None-Match: %s", fetch->etag);
        fetch->headers = curl_slist_append(NULL, header);
        free(header);
    }
    curl_easy_setopt(fetch->curl, CURLOPT_HTTPHEADER, fetch->headers);
}

enum fetch_answer fetch_get(struct fetch *fetch, struct buf *out, struct err *err)
{
    long code = 0;
    buf_clear(out);
    fetch->body = out;
    fetch->is_too_big = false;
    fetch->error[0] = '\0';
    fetch->new_etag[0] = '\0';
    ask_for_changes(fetch);
    CURLcode result = curl_easy_perform(fetch->curl);
    if (fetch->is_too_big) {
        err_set(err, EXIT_CODE_FAILED, "the answer is bigger than %zu bytes", fetch->max_bytes);
        return FETCH_FAILED;
    }
    if (result != CURLE_OK) {
        err_set(err, EXIT_CODE_FAILED, "%s",
                fetch->error[0] != '\0' ? fetch->error : curl_easy_strerror(result));
        return FETCH_FAILED;
    }
    curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code == 304 && fetch->headers) {
        return FETCH_SAME;
    }
    if (code != 200) {
        err_set(err, EXIT_CODE_FAILED, "the answer is HTTP %ld%s", code,
                code / 100 == 3 ? ", and redirects are not followed" : "");
        return FETCH_FAILED;
    }
    memcpy(fetch->etag, fetch->new_etag, sizeof(fetch->etag));
    return FETCH_NEW;
}

void fetch_forget(struct fetch *fetch)
{
    fetch->etag[0] = '\0';
}

void fetch_free(struct fetch *fetch)
{
    if (fetch) {
        curl_slist_free_all(fetch->headers);
        curl_easy_cleanup(fetch->curl);
        curl_global_cleanup();
        free(fetch);
    }
}
