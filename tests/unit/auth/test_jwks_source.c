/* SPDX-License-Identifier: PostgreSQL */
/* Keys behind a URL, with a small HTTP server on the loopback interface that answers what the test
 * wants and remembers what it was asked. */
#include "support.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "auth/keys/fetch.h"
#include "base/clock.h"

enum { WAIT_MS = 20000 };

struct issuer {
    int fd;
    char *url;
    pthread_t thread;
    pthread_mutex_t mutex;
    char *answer; /* a whole HTTP answer; NULL: none, it hangs up */
    char last[2048];
    unsigned n_asked;
    atomic_bool stop;
};

static void serve_one(struct issuer *issuer, int fd)
{
    size_t len = 0;
    char request[2048] = "";
    while (len < sizeof(request) - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t n = read(fd, request + len, sizeof(request) - 1 - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        request[len] = '\0';
    }
    pthread_mutex_lock(&issuer->mutex);
    char *answer = mem_strdup(issuer->answer);
    memcpy(issuer->last, request, sizeof(request));
    issuer->n_asked++;
    pthread_mutex_unlock(&issuer->mutex);
    size_t left = answer ? strlen(answer) : 0;
    const char *at = answer;
    while (left > 0) {
        ssize_t n = send(fd, at, left, MSG_NOSIGNAL);
        if (n <= 0) {
            break; /* too big for its reader */
        }
        at += n;
        left -= (size_t)n;
    }
    free(answer);
}

static void *serve(void *arg)
{
    struct issuer *issuer = arg;
    for (;;) {
        int fd = accept(issuer->fd, NULL, NULL);
        if (atomic_load(&issuer->stop)) {
            close(fd);
            return NULL;
        }
        serve_one(issuer, fd);
        close(fd);
    }
}

static void issuer_start(struct issuer *issuer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    *issuer = (struct issuer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(issuer->fd >= 0);
    assert_int_equal(bind(issuer->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(issuer->fd, 8), 0);
    assert_int_equal(getsockname(issuer->fd, (struct sockaddr *)&address, &len), 0);
    issuer->url = mem_printf("http://127.0.0.1:%d/jwks.json?a=b", ntohs(address.sin_port));
    pthread_mutex_init(&issuer->mutex, NULL);
    assert_int_equal(pthread_create(&issuer->thread, NULL, serve, issuer), 0);
}

static void issuer_stop(struct issuer *issuer)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    atomic_store(&issuer->stop, true);
    getsockname(issuer->fd, (struct sockaddr *)&address, &len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(fd, (struct sockaddr *)&address, len); /* ends its accept() */
    close(fd);
    pthread_join(issuer->thread, NULL);
    close(issuer->fd);
    free(issuer->answer);
    free(issuer->url);
    pthread_mutex_destroy(&issuer->mutex);
}

static void issuer_answers(struct issuer *issuer, char *answer)
{
    pthread_mutex_lock(&issuer->mutex);
    free(issuer->answer);
    issuer->answer = answer;
    pthread_mutex_unlock(&issuer->mutex);
}

static char *http(const char *status, const char *headers, const char *body)
{
    return mem_printf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
                      headers, strlen(body), body);
}

static char *rsa_set(const char *kid, const char *n)
{
    return mem_printf("{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"RS256\",\"kid\":\"%s\",\"e\":\"AQAB\","
                      "\"n\":\"%s\"}]}",
                      kid, n);
}

static void publish(struct issuer *issuer, const char *kid, const char *n, const char *headers)
{
    char *set = rsa_set(kid, n);
    issuer_answers(issuer, http("200 OK", headers, set));
    free(set);
}

static unsigned n_asked(struct issuer *issuer)
{
    pthread_mutex_lock(&issuer->mutex);
    unsigned n = issuer->n_asked;
    pthread_mutex_unlock(&issuer->mutex);
    return n;
}

/* Fetches that have ended. */
static void wait_for_fetches(struct tokens *tokens, uint64_t n)
{
    struct tokens_counts counts;
    uint64_t end = clock_ms() + WAIT_MS;
    for (;;) {
        tokens_counts(tokens, &counts);
        if (counts.n_fetches >= n) {
            return;
        }
        assert_true(clock_ms() < end);
        usleep(2000);
    }
}

/* Until the check says so. */
static void wait_for_check(struct tokens *tokens, const char *token, const char *why)
{
    uint64_t end = clock_ms() + WAIT_MS;
    while (strcmp(check(tokens, token), why) != 0) {
        assert_true(clock_ms() < end);
        usleep(2000);
    }
}

static struct tokens_options url_options(const struct issuer *issuer, uint32_t refresh_ms)
{
    return (struct tokens_options){
        .jwks_url = issuer->url, .jwks_refresh_ms = refresh_ms, .jwks_pause_ms = 20};
}

/* RS256, minted. */
static char *token_of(struct place *place, const char *pem)
{
    struct err err;
    char *token = NULL;
    struct tokens_claims claims = {.dbo_id = 12,
                                   .row_id = "34",
                                   .extras = "{\"name\":\"Ann\"}",
                                   .now_s = NOW,
                                   .expires_in_s = 3600};

    struct tokens_options options = {.key_file = place_text(place, "pem", pem)};
    assert_int_equal(tokens_mint(&options, &claims, &token, &err), STATUS_OK);
    return token;
}

/* A header that names a key; whether the rest is any good does not matter for what it sets off. */
static char *named(const char *kid)
{
    char *header = mem_printf("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid);
    char *token = hmac_token(header, EVERYTHING);
    free(header);
    return token;
}

static const char unknown[] = "it names a key that is not known here (kid)";

static void test_rotation(void **state)
{
    (void)state;
    struct place place;
    struct issuer issuer;
    place_open(&place);
    issuer_start(&issuer);
    publish(&issuer, "one", RSA_JWK_N, "");
    struct tokens_options options = url_options(&issuer, 3600000);
    struct tokens *tokens = new_tokens(&options);
    wait_for_fetches(tokens, 1);
    expect_ann(tokens, TOKEN_RS256);
    char *old = token_of(&place, RSA_PRIVATE), *new = token_of(&place, RSA_OTHER_PRIVATE);
    expect_ann(tokens, old);
    assert_string_equal(check(tokens, new), "its signature does not match");
    /* Nothing asks again by itself for an hour; a token with a new key does. */
    publish(&issuer, "two", RSA_OTHER_JWK_N, "");
    char *two = named("two");
    assert_string_equal(check(tokens, two), unknown);
    wait_for_check(tokens, two, "its signature does not match");
    expect_ann(tokens, new);
    assert_string_equal(check(tokens, old), "its signature does not match");
    free(two);
    free(new);
    free(old);
    tokens_free(tokens);
    issuer_stop(&issuer);
    place_close(&place);
}

static void test_an_old_set_is_fetched_again(void **state)
{
    (void)state;
    struct issuer issuer;
    issuer_start(&issuer);
    publish(&issuer, "one", RSA_JWK_N, "ETag: \"v1\"\r\n");
    struct tokens_options options = url_options(&issuer, 30);
    struct tokens *tokens = new_tokens(&options);
    wait_for_fetches(tokens, 1);
    expect_ann(tokens, TOKEN_RS256);
    /* The second asks whether it has changed. */
    wait_for_fetches(tokens, 2);
    pthread_mutex_lock(&issuer.mutex);
    assert_non_null(strstr(issuer.last, "GET /jwks.json?a=b HTTP/1.1\r\n"));
    assert_non_null(strstr(issuer.last, "If-None-Match: \"v1\"\r\n"));
    pthread_mutex_unlock(&issuer.mutex);
    issuer_answers(&issuer, mem_strdup("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"));
    struct tokens_counts counts;
    tokens_counts(tokens, &counts);
    wait_for_fetches(tokens, counts.n_fetches + 3);
    expect_ann(tokens, TOKEN_RS256);
    tokens_counts(tokens, &counts);
    assert_int_equal(counts.n_failed_fetches, 0);
    assert_int_equal(counts.n_keys, 1);
    /* The issuer withdraws all. */
    issuer_answers(&issuer, http("200 OK", "", "{\"keys\":[]}"));
    wait_for_check(tokens, TOKEN_RS256, "this server has no key for tokens");
    tokens_free(tokens);
    issuer_stop(&issuer);
}

static void test_a_failing_fetch_keeps_the_keys(void **state)
{
    (void)state;
    struct buf big = {0};
    struct issuer issuer;
    log_configure(LOG_LEVEL_ERROR, false);
    issuer_start(&issuer);
    publish(&issuer, "one", RSA_JWK_N, "");
    struct tokens_options options = url_options(&issuer, 30);
    struct tokens *tokens = new_tokens(&options);
    wait_for_fetches(tokens, 1);
    buf_literal(&big, "{\"keys\":[],\"pad\":\"");
    while (big.len < 300000) {
        buf_literal(&big, "xxxxxxxxxxxxxxxx");
    }
    buf_literal(&big, "\"}");
    char *const answers[] = {
        http("500 Oops", "", "{\"keys\":[]}"),
        http("302 Found", "Location: http://127.0.0.1:1/\r\n", "{\"keys\":[]}"),
        http("304 Not Modified", "", ""),
        http("200 OK", "", "<html>"),
        http("200 OK", "", ""),
        http("200 OK", "", buf_text(&big)),
        mem_printf("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", buf_text(&big)),
        mem_strdup("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"keys\":[]}"),
        mem_strdup("nonsense\r\n\r\n"),
        NULL,
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct tokens_counts before, after;
        issuer_answers(&issuer, answers[i]);
        tokens_counts(tokens, &before);
        wait_for_fetches(tokens, before.n_fetches + 2); /* the first may have begun before */
        tokens_counts(tokens, &after);
        if (after.n_failed_fetches == before.n_failed_fetches) {
            fail_msg("answer %zu is taken", i);
        }
        expect_ann(tokens, TOKEN_RS256);
    }
    publish(&issuer, "two", RSA_OTHER_JWK_N, "");
    wait_for_check(tokens, TOKEN_RS256, "its signature does not match");
    tokens_free(tokens);
    issuer_stop(&issuer);
    buf_release(&big);
}

/* However many tokens name keys that there are not. */
static void test_invented_keys_make_few_fetches(void **state)
{
    (void)state;
    struct issuer issuer;
    issuer_start(&issuer);
    publish(&issuer, "one", RSA_JWK_N, "");
    struct tokens_options options = url_options(&issuer, 3600000);
    options.jwks_pause_ms = 400;
    struct tokens *tokens = new_tokens(&options);
    wait_for_fetches(tokens, 1);
    uint64_t start = clock_ms();
    char *token = named("invented");
    for (int i = 0; i < 500; i++) {
        assert_string_equal(check(tokens, token), unknown);
    }
    wait_for_fetches(tokens, 2);
    uint64_t took = clock_ms() - start;
    assert_in_range(n_asked(&issuer), 2, 2 + took / 400);
    free(token);
    tokens_free(tokens);
    issuer_stop(&issuer);
}

/* Neither the start nor the end waits for a server that does not answer, and the files' keys work
 * meanwhile. */
static void test_a_dead_server(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* listens, and never accepts */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    char *url = mem_printf("http://127.0.0.1:%d/", ntohs(address.sin_port));
    uint64_t start = clock_ms();
    struct tokens_options options = {.jwks_url = url,
                                     .jwks_refresh_ms = 1000,
                                     .secret_file = place_text(&place, "secret", SECRET_64)};
    struct tokens *tokens = new_tokens(&options);
    expect_ann(tokens, TOKEN_HS256);
    tokens_free(tokens);
    assert_true(clock_ms() - start < 5000); /* less than its time-out */
    free(url);
    close(fd);
    place_close(&place);
}

static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool is_good;
    } cases[] = {
        {"https://example.com/jwks.json", true},
        {"HTTPS://example.com", true},
        {"http://127.0.0.1:8080/x", true},
        {"http://127.9.9.9/", true},
        {"http://localhost:1/", true},
        {"http://[::1]:1/", true},
        {"http://example.com/", false},
        {"http://127.0.0.1.example.com/", false},
        {"http://127.evil.example/", false},
        {"http://localhost.example.com/", false},
        {"http://[::2]/", false},
        {"http://127.0.0.1@example.com/", false},
        {"ftp://127.0.0.1/", false},
        {"file:///etc/passwd", false},
        {"gopher://127.0.0.1/", false},
        {"example.com/jwks.json", false},
        {"https://", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        enum status status = fetch_check_url(cases[i].url, &err);
        if ((status == STATUS_OK) != cases[i].is_good) {
            fail_msg("%s", cases[i].url);
        }
        if (status != STATUS_OK) {
            assert_int_equal(err.code, EXIT_CODE_CONFIG);
            assert_non_null(strstr(err.text, "--token-jwks-url"));
        }
    }
    struct tokens_options options = {.jwks_url = "http://example.com/"};
    expect_failure(&options, "--token-jwks-url: keys are fetched over https only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_an_old_set_is_fetched_again),
        cmocka_unit_test(test_a_failing_fetch_keeps_the_keys),
        cmocka_unit_test(test_invented_keys_make_few_fetches),
        cmocka_unit_test(test_a_dead_server),
        cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests_name("auth/keys/jwks_source", tests, NULL, NULL);
}
