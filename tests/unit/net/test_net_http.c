/* SPDX-License-Identifier: PostgreSQL */
/* Plain requests, refused upgrades, and that every answer is followed by an orderly end. */
#include "harness.h"

static struct harness h;
static char answer[200000];

#define TOKEN "0123456789abcdef"

static char big_body[100001];

static const struct net_page pages[] = {
    {"/a/index.html", "text/html; charset=utf-8", "<p>a</p>", 8, NULL, NULL},
    {"/big.js", "text/javascript; charset=utf-8", big_body, sizeof(big_body) - 1, NULL, NULL},
    {"/config.json", "application/json", NULL, 0, NULL, NULL},
    {"/index.html", "text/html; charset=utf-8", "<p>top</p>", 10, NULL, NULL},
    {"/style.css", "text/css; charset=utf-8", "p{}", 3, NULL, NULL},
};

static int start(void **state)
{
    (void)state;
    struct net_options options = harness_options();
    char token_file[] = "/tmp/pgherald-token-XXXXXX";
    memset(big_body, 'j', sizeof(big_body) - 1);
    options.pages = pages;
    options.n_pages = sizeof(pages) / sizeof(pages[0]);
    options.max_sessions = 2;
    options.metrics_token_file = token_file;
    int fd = mkstemp(token_file);
    assert_true(fd >= 0 && write(fd, TOKEN "\n", sizeof(TOKEN)) == sizeof(TOKEN));
    close(fd);
    harness_start(&h, options);
    unlink(token_file);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

/* Sends the request and reads until the server ends the connection. */
static void ask(const char *request)
{
    int fd = client_connect(&h);
    client_write_text(fd, request);
    client_read_all(fd, answer, sizeof(answer));
    close(fd);
}

static void get(const char *path, const char *headers)
{
    char request[1024];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    ask(request);
}

static void expect_status(const char *status)
{
    char line[64];
    snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
    if (strncmp(answer, line, strlen(line)) != 0) {
        fail_msg("expected %s, got: %.60s", status, answer);
    }
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
}

static void expect_body(const char *body)
{
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end + 4, body);
}

static void test_health_and_ready(void **state)
{
    (void)state;
    get("/health", "");
    expect_status("200");
    expect_body("{\"status\":\"ok\"}");
    get("/ready", "");
    expect_status("503");
    expect_body("{\"status\":\"unavailable\",\"reason\":\"the server is starting\"}");
    set_gate(&h, false, true);
    get("/ready", "");
    expect_status("503");
    expect_body("{\"status\":\"unavailable\","
                "\"reason\":\"the server is not ready; its log says why\"}");
    get("/ready", "Authorization: Bearer " TOKEN "\r\n");
    expect_status("503");
    expect_body("{\"status\":\"unavailable\",\"reason\":\"the \\\"database\\\" is away\"}");
    get("/ready", "Authorization: Bearer " TOKEN "x\r\n");
    expect_body("{\"status\":\"unavailable\","
                "\"reason\":\"the server is not ready; its log says why\"}");
    ask(HANDSHAKE("/rt/canonical-1", ""));
    expect_status("503");
    expect_body("the server is not ready\n");
    set_gate(&h, true, true);
    get("/ready?verbose", "");
    expect_status("200");
    expect_body("{\"status\":\"ready\"}");
    get("/ready", "Authorization: Bearer " TOKEN "\r\n");
    expect_status("200");
    expect_body("{\"status\":\"ready\",\"advice\":\"the \\\"database\\\" is away\"}");
    get("/health", "");
    expect_status("200");
}

static void test_pages(void **state)
{
    (void)state;
    get("/", "");
    expect_status("200");
    expect_body("<p>top</p>");
    assert_non_null(strstr(answer, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "\r\nContent-Security-Policy: default-src 'none';"));
    get("/a", "");
    expect_status("301");
    assert_non_null(strstr(answer, "\r\nLocation: /a/\r\n"));
    get("/a?x=1&y", "");
    expect_status("301");
    assert_non_null(strstr(answer, "\r\nLocation: /a/?x=1&y\r\n"));
    get("/a/", "");
    expect_status("200");
    expect_body("<p>a</p>");
    get("/big.js", "");
    expect_status("200");
    expect_body(big_body);
    assert_non_null(strstr(answer, "\r\nAccess-Control-Allow-Origin: *\r\n"));
    get("/none", "");
    expect_status("404");
    get("/style.css/", "");
    expect_status("404");
    ask("HEAD /style.css HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_status("200");
    assert_non_null(strstr(answer, "\r\nContent-Length: 3\r\n"));
    expect_body("");
    ask("POST /style.css HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    expect_status("405");
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
}

static void test_a_known_page_is_not_sent_again(void **state)
{
    (void)state;
    char tag[64], headers[128];
    get("/style.css", "");
    const char *at = strstr(answer, "\r\nETag: ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\r\nETag: %63s", tag), 1);
    snprintf(headers, sizeof(headers), "If-None-Match: %s\r\n", tag);
    get("/style.css", headers);
    expect_status("304");
    expect_body("");
    get("/index.html", headers);
    expect_status("200");
}

static void test_the_canonical_comes_from_the_gate(void **state)
{
    (void)state;
    get("/config.json", "");
    expect_status("503");
    set_gate(&h, true, true);
    get("/config.json", "");
    expect_status("200");
    expect_body("{\"canonical\":\"canonical-1\"}");
}

static void test_an_answer_survives_what_follows(void **state)
{
    (void)state;
    static char junk[300000];
    int fd = client_connect(&h);
    memset(junk, 'x', sizeof(junk));
    client_write_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 16384\r\n\r\n");
    client_write(fd, junk, sizeof(junk)); /* far more than announced */
    client_read_all(fd, answer, sizeof(answer));
    close(fd);
    expect_status("200");
    expect_body("{\"status\":\"ok\"}");
}

static void test_upgrades_are_refused(void **state)
{
    (void)state;
    ask(HANDSHAKE("/rt/canonical-1", ""));
    expect_status("503");
    assert_non_null(strstr(answer, "\r\nRetry-After: "));
    set_gate(&h, true, false);
    ask(HANDSHAKE("/rt/canonical-1", ""));
    expect_status("503");
    expect_body("realtime is switched off\n");
    set_gate(&h, true, true);
    ask(HANDSHAKE("/rt/canonical-2", ""));
    expect_status("404");
    ask(HANDSHAKE("/rt/", ""));
    expect_status("404");
    ask(HANDSHAKE("/rt/canonical-1/", ""));
    expect_status("404");
    ask(HANDSHAKE("/elsewhere", ""));
    expect_status("404");
    get("/rt/canonical-1", "");
    expect_status("426");
    ask("nonsense\r\n\r\n");
    expect_status("400");
    assert_null(next_command(&h, 0)); /* none of it reached the hub */
}

static void test_capacity(void **state)
{
    (void)state;
    struct session_id session;
    set_gate(&h, true, true);
    int first = client_open(&h, &session), second = client_open(&h, &session);
    ask(HANDSHAKE("/rt/canonical-1", ""));
    expect_status("503");
    expect_body("too many sessions\n");
    get("/health", "");
    expect_status("200");
    close(first);
    expect_command(&h, COMMAND_CLOSE, NULL);
    first = client_open(&h, &session); /* a place has become free */
    close(first);
    close(second);
    expect_command(&h, COMMAND_CLOSE, NULL);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health_and_ready, start, stop),
        cmocka_unit_test_setup_teardown(test_pages, start, stop),
        cmocka_unit_test_setup_teardown(test_a_known_page_is_not_sent_again, start, stop),
        cmocka_unit_test_setup_teardown(test_the_canonical_comes_from_the_gate, start, stop),
        cmocka_unit_test_setup_teardown(test_an_answer_survives_what_follows, start, stop),
        cmocka_unit_test_setup_teardown(test_upgrades_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_capacity, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
