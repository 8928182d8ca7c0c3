/* SPDX-License-Identifier: PostgreSQL */
/* Tokens at the handshake, by each road; identities that expire. */
#include "harness.h"

enum { TOKEN_MAX = 200, N_DEAR = 20, DEAR_MS = 5 };

static struct harness h;
static int n_checks;      /* by the worker; read when it has answered */
static bool is_gate_open; /* the first dear token waits for it */
static pthread_mutex_t checks_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opens = PTHREAD_COND_INITIALIZER;

/* A check that costs more than a turn has time for. */
static void toil(void)
{
    struct timespec pause = {.tv_nsec = DEAR_MS * 1000000L};
    pthread_mutex_lock(&checks_lock);
    while (!is_gate_open) {
        pthread_cond_wait(&gate_opens, &checks_lock);
    }
    pthread_mutex_unlock(&checks_lock);
    nanosleep(&pause, NULL);
}

/* The token says what becomes of it: "ann" is table 12, row "34"; "brief" the same for two seconds.
 */
static enum verdict check(void *ctx, struct str token, int64_t now_s, struct identity **out,
                          const char **why)
{
    if (ctx != &h || now_s < 1600000000) {
        abort(); /* not the test's thread: cmocka could not */
    }
    pthread_mutex_lock(&checks_lock);
    n_checks++;
    pthread_mutex_unlock(&checks_lock);
    if (str_equals(token, STR("dear"))) {
        toil();
    }
    if (str_equals(token, STR("ann")) || str_equals(token, STR("dear"))) {
        *out = identity_new(12, STR("34"), STR("{\"name\":\"Ann\"}"), 0);
        return VERDICT_ACCEPTED;
    }
    if (str_equals(token, STR("brief")) || str_equals(token, STR("lasting"))) {
        *out = identity_new(12, STR("35"), (struct str){0}, now_s + (token.len == 5 ? 2 : 3600));
        return VERDICT_ACCEPTED;
    }
    if (str_starts(token, STR("opaque"))) {
        return VERDICT_OPAQUE;
    }
    *why = str_equals(token, STR("old")) ? "its time is over" : "its signature does not match";
    return str_equals(token, STR("old")) ? VERDICT_EXPIRED : VERDICT_REFUSED;
}

static const struct authenticator authenticator = {.ctx = &h, .check = check};

static struct net_options token_options(void)
{
    struct net_options options = harness_options();
    options.authenticator = &authenticator;
    options.token_max_bytes = TOKEN_MAX;
    options.max_sessions = 3;
    return options;
}

static void start_with(struct net_options options)
{
    n_checks = 0;
    harness_start(&h, options);
    set_gate(&h, true, true);
}

static int start(void **state)
{
    (void)state;
    start_with(token_options());
    return 0;
}

static int start_query(void **state)
{
    (void)state;
    struct net_options options = token_options();
    options.takes_token_in_query = true;
    start_with(options);
    return 0;
}

static int start_rejecting(void **state)
{
    (void)state;
    struct net_options options = token_options();
    options.rejects_invalid_tokens = true;
    start_with(options);
    return 0;
}

static int start_without(void **state)
{
    (void)state;
    struct net_options options = token_options();
    options.authenticator = NULL;
    start_with(options);
    return 0;
}

static int start_roomy(void **state)
{
    (void)state;
    struct net_options options = token_options();
    options.max_sessions = N_DEAR + 1;
    is_gate_open = false;
    start_with(options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

static int n_checks_now(void)
{
    pthread_mutex_lock(&checks_lock);
    int n = n_checks;
    pthread_mutex_unlock(&checks_lock);
    return n;
}

/* Asks with that query and those header lines; the answer's head is in `answer`. */
static char answer[8192];

static void ask_on(int fd, const char *query, const char *lines)
{
    char request[8192];
    snprintf(request, sizeof(request),
             "GET /rt/canonical-1%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
             query, lines);
    client_write_text(fd, request);
}

static int ask(const char *query, const char *lines)
{
    int fd = client_connect(&h);
    ask_on(fd, query, lines);
    return fd;
}

/* The session's COMMAND_OPEN; the session stays open. The caller frees it. */
static struct command *open_session(const char *query, const char *lines, int *fd)
{
    *fd = ask(query, lines);
    client_read_head(*fd, answer, sizeof(answer));
    if (!strstr(answer, "HTTP/1.1 101 ")) {
        fail_msg("not accepted: %.100s", answer);
    }
    struct command *command = next_command(&h, WAIT_MS);
    assert_non_null(command);
    assert_int_equal(command->type, COMMAND_OPEN);
    return command;
}

static void close_and_forget(int fd)
{
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static void expect_ann(const char *query, const char *lines)
{
    int fd;
    struct command *command = open_session(query, lines, &fd);
    if (!command->identity) {
        fail_msg("nobody with %s %s", query, lines);
    }
    assert_int_equal(command->identity->dbo_id, 12);
    assert_true(str_equals(command->identity->row_id, STR("34")));
    assert_true(str_equals(command->identity->extras, STR("{\"name\":\"Ann\"}")));
    assert_null(command->why);
    assert_null(command->payload.ptr);
    close_and_forget(fd);
    command_free(command);
}

static void expect_anonymous(const char *query, const char *lines)
{
    int fd;
    struct command *command = open_session(query, lines, &fd);
    assert_null(command->identity);
    assert_null(command->why);
    assert_null(command->payload.ptr);
    close_and_forget(fd);
    command_free(command);
}

static void expect_why(const char *query, const char *lines, enum error_code error, const char *why)
{
    int fd;
    struct command *command = open_session(query, lines, &fd);
    assert_null(command->identity);
    assert_null(command->payload.ptr);
    assert_non_null(command->why);
    assert_string_equal(command->why, why);
    assert_int_equal(command->error, error);
    close_and_forget(fd);
    command_free(command);
}

static void expect_opaque(const char *query, const char *lines, const char *token)
{
    int fd;
    struct command *command = open_session(query, lines, &fd);
    assert_null(command->identity);
    assert_null(command->why);
    assert_int_equal(command->payload.len, strlen(token));
    assert_memory_equal(command->payload.ptr, token, strlen(token));
    close_and_forget(fd);
    command_free(command);
}

static void test_the_subprotocol(void **state)
{
    (void)state;
    expect_ann("", "Sec-WebSocket-Protocol: ann\r\n");
    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Protocol: ann\r\n"));
    expect_ann("", "sec-websocket-protocol: \t ann , other\r\n");
    expect_anonymous("", "");
    assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    assert_int_equal(n_checks_now(), 2);
}

static void test_the_authorization_header(void **state)
{
    (void)state;
    expect_ann("", "Authorization: Bearer ann\r\n");
    expect_ann("", "authorization: bEARER   ann  \r\n");
    expect_anonymous("", "Authorization: Bearer \r\n");
    expect_anonymous("", "Authorization: Bearer\r\n");
    expect_anonymous("", "Authorization: Basic YW5uOmFubg==\r\n");
    expect_anonymous("", "Authorization: Bearerann\r\n");
    expect_why("", "Authorization: Bearer ann ann\r\n", ERROR_CODE_TOKEN_INVALID,
               "it holds characters that no token has");
    expect_why("", "Authorization: Bearer \xC3\xA4\r\n", ERROR_CODE_TOKEN_INVALID,
               "it holds characters that no token has");
    assert_int_equal(n_checks_now(), 2);
}

/* The first road that has a token decides, even if another has a better one. */
static void test_the_order_of_roads(void **state)
{
    (void)state;
    expect_ann("?access_token=bad", "Authorization: Bearer bad\r\nSec-WebSocket-Protocol: ann\r\n");
    expect_ann("?access_token=bad", "Authorization: Bearer ann\r\n");
    expect_why("?access_token=ann", "Authorization: Bearer ann\r\nSec-WebSocket-Protocol: bad\r\n",
               ERROR_CODE_TOKEN_INVALID, "its signature does not match");
    expect_ann("?access_token=ann", "Authorization: Basic YW5uOmFubg==\r\n");
}

static void test_the_query(void **state)
{
    (void)state;
    expect_ann("?access_token=ann", "");
    expect_ann("?a=b&access_token=ann&access_token=bad", "");
    expect_ann("?access_token=%61n%6E", "");
    expect_ann("?access_token=%61%6e%6E&x", "");
    expect_anonymous("?access_token=", "");
    expect_anonymous("?access_token", "");
    expect_anonymous("?xaccess_token=ann", "");
    expect_anonymous("?Access_token=ann", "");
    expect_opaque("?access_token=opaque%2B%2f+=", "", "opaque+/+=");
    expect_opaque("?access_token=opaque%4&%41", "", "opaque%4");
    expect_opaque("?access_token=opaque%zz%4", "", "opaque%zz%4");
    expect_why("?access_token=ann%00", "", ERROR_CODE_TOKEN_INVALID,
               "it holds characters that no token has");
    expect_why("?access_token=ann%20", "", ERROR_CODE_TOKEN_INVALID,
               "it holds characters that no token has");
}

static void test_the_query_is_off(void **state)
{
    (void)state;
    expect_anonymous("?access_token=ann", "");
    assert_int_equal(n_checks_now(), 0);
}

static void test_refusals_are_told(void **state)
{
    (void)state;
    expect_why("", "Sec-WebSocket-Protocol: forged\r\n", ERROR_CODE_TOKEN_INVALID,
               "its signature does not match");
    /* Or the browser would drop the connection. */
    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Protocol: forged\r\n"));
    expect_why("", "Sec-WebSocket-Protocol: old\r\n", ERROR_CODE_TOKEN_EXPIRED, "its time is over");
    expect_opaque("", "Sec-WebSocket-Protocol: opaque-1\r\n", "opaque-1");
}

static void expect_401(const char *lines, const char *body)
{
    int fd = ask("", lines);
    client_read_all(fd, answer, sizeof(answer));
    close(fd);
    assert_memory_equal(answer, "HTTP/1.1 401 Unauthorized\r\n", 27);
    assert_non_null(strstr(answer, "\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n") + 4, body);
}

static void test_refusals_by_http(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) { /* more than there are places: none is kept */
        expect_401("Sec-WebSocket-Protocol: forged\r\n",
                   "the token was not accepted: its signature does not match\n");
    }
    expect_401("Authorization: Bearer old\r\n", "the token was not accepted: its time is over\n");
    assert_null(next_command(&h, 0));
    expect_ann("", "Sec-WebSocket-Protocol: ann\r\n");
    expect_opaque("", "Sec-WebSocket-Protocol: opaque\r\n", "opaque");
    expect_anonymous("", "");
}

/* Who is turned away for another reason costs no verification. */
static void test_the_token_is_looked_at_last(void **state)
{
    (void)state;
    int fd = client_connect(&h);
    client_write_text(fd, HANDSHAKE("/rt/canonical-2", "Sec-WebSocket-Protocol: ann\r\n"));
    client_read_all(fd, answer, sizeof(answer));
    close(fd);
    assert_memory_equal(answer, "HTTP/1.1 404 ", 13);
    set_gate(&h, false, true);
    fd = ask("", "Sec-WebSocket-Protocol: ann\r\n");
    client_read_all(fd, answer, sizeof(answer));
    close(fd);
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    assert_int_equal(n_checks_now(), 0);
}

static void test_a_long_token_is_not_read(void **state)
{
    (void)state;
    char token[TOKEN_MAX + 2], line[TOKEN_MAX + 100];
    memset(token, 'o', sizeof(token));
    memcpy(token, "opaque", 6);
    token[TOKEN_MAX] = '\0';
    snprintf(line, sizeof(line), "Sec-WebSocket-Protocol: %s\r\n", token);
    expect_opaque("", line, token);
    assert_int_equal(n_checks_now(), 1);
    token[TOKEN_MAX] = 'o';
    token[TOKEN_MAX + 1] = '\0';
    snprintf(line, sizeof(line), "Sec-WebSocket-Protocol: %s\r\n", token);
    expect_why("", line, ERROR_CODE_TOKEN_INVALID, "it is too long");
    assert_int_equal(n_checks_now(), 1);
}

/* Nobody could say anything about it: as if there were none, but echoed. */
static void test_without_an_authenticator(void **state)
{
    (void)state;
    expect_anonymous("", "Sec-WebSocket-Protocol: ann\r\n");
    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Protocol: ann\r\n"));
}

static void expect_expiry(int fd)
{
    client_expect_text(fd, "error token_expired ");
    client_expect_close(fd, 4000, "the token has expired");
    client_send_close(fd, 4000);
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* Within about a second of its time, and alone: others stay, and are looked at again later. */
/* Twenty handshakes that each fill a turn, and then a message of somebody who is in: he does not
 * wait for all of them. Nor is lost what a client says while its handshake waits. */
static void test_dear_tokens_take_turns(void **state)
{
    (void)state;
    int bystander, fds[N_DEAR], n_opened = 0;
    bool is_heard = false, is_early_heard = false;
    for (int i = 0; i < N_DEAR; i++) {
        fds[i] = client_connect(&h);
    }
    command_free(open_session("", "", &bystander)); /* so those before him have been accepted */
    for (int i = 0; i < N_DEAR; i++) {
        ask_on(fds[i], "", "Sec-WebSocket-Protocol: dear\r\n");
    }
    client_send_text(bystander, "hello");
    pthread_mutex_lock(&checks_lock);
    is_gate_open = true;
    pthread_cond_signal(&gate_opens);
    pthread_mutex_unlock(&checks_lock);
    while (n_opened < N_DEAR || !is_heard || !is_early_heard) {
        struct command *command = next_command(&h, WAIT_MS);
        assert_non_null(command);
        if (command->type == COMMAND_OPEN) {
            n_opened++;
        } else if (str_equals(command->payload, STR("hello"))) {
            assert_true(n_opened < N_DEAR / 2);
            client_send_text(fds[N_DEAR - 1], "early");
            is_heard = true;
        } else {
            assert_true(str_equals(command->payload, STR("early")));
            is_early_heard = true;
        }
        command_free(command);
    }
    assert_int_equal(n_checks_now(), N_DEAR);
    for (int i = 0; i < N_DEAR; i++) {
        client_read_head(fds[i], answer, sizeof(answer));
        assert_non_null(strstr(answer, "HTTP/1.1 101 "));
        close(fds[i]);
    }
    close(bystander);
}

static void test_expiry(void **state)
{
    (void)state;
    int brief, lasting, anonymous;
    uint64_t begin = clock_ms();
    struct command *first = open_session("", "Sec-WebSocket-Protocol: brief\r\n", &brief);
    struct command *second = open_session("", "Sec-WebSocket-Protocol: lasting\r\n", &lasting);
    command_free(open_session("", "", &anonymous));
    expect_expiry(brief);
    uint64_t took = clock_ms() - begin;
    assert_true(took >= 1000 && took < 6000); /* a loaded machine is given some time */

    /* The database can say it too, of anybody, and then that counts. */
    struct identity *until_now =
        identity_new(1, (struct str){0}, (struct str){0}, clock_wall_s() + 1);
    h.transport.identify(h.transport.ctx, second->session, until_now);
    identity_unref(until_now);
    send_text(&h, second->session, "still here");
    flush(&h);
    client_expect_text(lasting, "still here");
    expect_expiry(lasting);
    assert_null(next_command(&h, 0));
    client_send_text(anonymous, "me too");
    expect_command(&h, COMMAND_MESSAGE, "me too");
    close_and_forget(anonymous);
    command_free(first);
    command_free(second);
}

/* A new identity without an end takes the old one's away. */
static void test_a_longer_identity_stays(void **state)
{
    (void)state;
    int fd;
    struct command *command = open_session("", "Sec-WebSocket-Protocol: brief\r\n", &fd);
    struct identity *for_ever = identity_new(12, STR("35"), (struct str){0}, 0);
    h.transport.identify(h.transport.ctx, command->session, for_ever);
    h.transport.identify(h.transport.ctx, command->session, for_ever);
    identity_unref(for_ever);
    flush(&h);
    assert_null(next_command(&h, 3500));
    close_and_forget(fd);
    command_free(command);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_subprotocol, start, stop),
        cmocka_unit_test_setup_teardown(test_the_authorization_header, start, stop),
        cmocka_unit_test_setup_teardown(test_the_order_of_roads, start_query, stop),
        cmocka_unit_test_setup_teardown(test_the_query, start_query, stop),
        cmocka_unit_test_setup_teardown(test_the_query_is_off, start, stop),
        cmocka_unit_test_setup_teardown(test_refusals_are_told, start, stop),
        cmocka_unit_test_setup_teardown(test_refusals_by_http, start_rejecting, stop),
        cmocka_unit_test_setup_teardown(test_the_token_is_looked_at_last, start, stop),
        cmocka_unit_test_setup_teardown(test_a_long_token_is_not_read, start, stop),
        cmocka_unit_test_setup_teardown(test_without_an_authenticator, start_without, stop),
        cmocka_unit_test_setup_teardown(test_dear_tokens_take_turns, start_roomy, stop),
        cmocka_unit_test_setup_teardown(test_expiry, start, stop),
        cmocka_unit_test_setup_teardown(test_a_longer_identity_stays, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
