/* SPDX-License-Identifier: PostgreSQL */
/* The bus against a real NATS server: nodes hear each other, whatever happens to it; and nobody else
 * is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../fakes/nats_server.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "bus/link.h"
#include "bus/nats.h"
#include "bus/peers.h"

enum { N_NODES = 3, WAIT_MS = 15000 };

struct node {
    char id[ID_TEXT_SIZE];
    struct nats_bus *bus;
    struct bus seam;
    struct metrics *metrics;
    unsigned n_news[BUS_NEWS_DEAD + 1], n_parcels, n_beats, n_unknown_keys, n_doubles;
    uint64_t log_id;      /* what its beats say */
    uint64_t last_log_id; /* what it has heard */
    char name[64];        /* of who came last */
    char from[ID_TEXT_SIZE];
    struct buf bodies; /* of its parcels, with a / behind each */
};

static struct {
    struct loop *loop;
    struct loop_timer *timer;
    struct node nodes[N_NODES];
    struct bus_options options;
    bool (*is_done)(void);
    uint64_t deadline;
    bool was_done;
    uint64_t longest_turn_ms, turn_ms;
} bed;

static char secret_path[128], cert_path[128], key_path[128];

#define A (&bed.nodes[0])
#define B (&bed.nodes[1])
#define C (&bed.nodes[2])

/* ---- nodes ---- */

static void on_parcel(void *ctx, const char *from, enum bus_kind kind, struct str body)
{
    struct node *node = ctx;
    (void)kind;
    assert_true(node->n_news[BUS_NEWS_CAME] > 0);
    node->n_parcels++;
    memcpy(node->from, from, sizeof(node->from));
    buf_str(&node->bodies, body);
    buf_char(&node->bodies, '/');
}

static void on_peer(void *ctx, const struct bus_peer *peer, enum bus_news news)
{
    struct node *node = ctx;
    node->n_news[news]++;
    snprintf(node->name, sizeof(node->name), "%s", peer->name);
}

static void on_beat(void *ctx, const char *from, const struct bus_beat *beat)
{
    struct node *node = ctx;
    (void)from;
    node->n_beats++;
    node->last_log_id = beat->log_id;
}

static void fill_beat(void *ctx, struct bus_beat *beat)
{
    const struct node *node = ctx;
    beat->log_id = node->log_id;
    beat->epoch = STR("epoch");
}

static void on_unknown_key(void *arg)
{
    struct node *node = arg;
    node->n_unknown_keys++;
}

static void on_double(void *arg)
{
    struct node *node = arg;
    node->n_doubles++;
}

static struct seal_keys keys_of(char newest, char old)
{
    struct seal_keys keys = {.n = old ? 2 : 1};
    memset(keys.keys[0], newest, SEAL_KEY_SIZE);
    memset(keys.keys[1], old, SEAL_KEY_SIZE);
    return keys;
}

static void give_keys(struct node *node, const char *realm, char newest, char old)
{
    struct seal_keys keys = keys_of(newest, old);
    nats_bus_set_keys(node->bus, str_of(realm), &keys);
}

static void node_make(struct node *node, const char *name)
{
    struct err err = {0};
    if (!node->id[0]) {
        id_text(node->id);
    }
    node->metrics = metrics_new(1);
    struct nats_bus_options options = {
        .bus = &bed.options,
        .node_id = node->id,
        .node_name = name,
        .counts = metrics_block(node->metrics, 0),
        .arg = node,
        .on_unknown_key = on_unknown_key,
        .on_double = on_double,
    };
    if (nats_bus_new(bed.loop, &options, &node->bus, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    node->seam = nats_bus_seam(node->bus);
    nats_bus_start(node->bus, (struct bus_sink){.ctx = node,
                                                .on_parcel = on_parcel,
                                                .on_peer = on_peer,
                                                .on_beat = on_beat,
                                                .fill_beat = fill_beat});
}

static void node_start(struct node *node, const char *name)
{
    node_make(node, name);
    give_keys(node, "database", 'k', 0);
}

static void node_end(struct node *node)
{
    nats_bus_free(node->bus);
    metrics_free(node->metrics);
    buf_release(&node->bodies);
    *node = (struct node){0};
}

static bool node_send(struct node *node, const char *to, const char *text)
{
    return node->seam.send(node->seam.ctx, BUS_KIND_PRESENCE, to, str_of(text));
}

static uint64_t dropped(struct node *node, unsigned reason)
{
    nats_bus_measure(node->bus);
    return atomic_load(&metrics_block(node->metrics, 0)->cells[METRIC_BUS_DROPPED + reason]);
}

static bool node_has(struct node *node, const char *bodies)
{
    return strcmp(buf_text(&node->bodies), bodies) == 0;
}

/* ---- time ---- */

static void on_timer(void *arg)
{
    (void)arg;
    uint64_t now = clock_ms();
    uint64_t turn = now - bed.turn_ms;
    bed.longest_turn_ms = turn > bed.longest_turn_ms ? turn : bed.longest_turn_ms;
    bed.turn_ms = now;
    bed.was_done = bed.is_done && bed.is_done();
    if (bed.was_done || now >= bed.deadline) {
        loop_stop(bed.loop);
    }
}

static bool wait_ms(bool (*is_done)(void), uint64_t ms)
{
    bed.is_done = is_done;
    bed.turn_ms = clock_ms();
    bed.deadline = bed.turn_ms + ms;
    loop_timer_start(bed.timer, 5, 5);
    loop_run(bed.loop);
    loop_timer_stop(bed.timer);
    return bed.was_done;
}

#define await(condition) assert_true(wait_ms(condition, WAIT_MS))

static bool both_came(void)
{
    return A->n_news[BUS_NEWS_CAME] == 1 && B->n_news[BUS_NEWS_CAME] == 1;
}

static bool both_are_up(void)
{
    return nats_bus_is_up(A->bus) && nats_bus_is_up(B->bus);
}

static bool any_is_up(void)
{
    return (A->bus && nats_bus_is_up(A->bus)) || (B->bus && nats_bus_is_up(B->bus));
}

static bool both_are_down(void)
{
    return !nats_bus_is_up(A->bus) && !nats_bus_is_up(B->bus);
}

static int setup_with(const char *settings)
{
    memset(&bed, 0, sizeof(bed));
    nats_up(settings);
    bed.options.urls = (char *)(uintptr_t)nats_url();
    bed.loop = loop_new();
    bed.timer = loop_timer_new(bed.loop, on_timer, NULL);
    snprintf(secret_path, sizeof(secret_path), "%s/secret", nats_directory());
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", nats_directory());
    snprintf(key_path, sizeof(key_path), "%s/key.pem", nats_directory());
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with(NULL);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < N_NODES; i++) {
        if (bed.nodes[i].bus) {
            node_end(&bed.nodes[i]);
        }
    }
    loop_timer_free(bed.timer);
    loop_free(bed.loop);
    nats_stop();
    return 0;
}

static void start_two(void)
{
    node_start(A, "first");
    node_start(B, "second");
    await(both_came);
}

/* ---- tests ---- */

static bool b_has_two(void)
{
    return B->n_parcels == 2;
}

static void two_nodes_hear_each_other(void **state)
{
    (void)state;
    A->log_id = 7;
    start_two();
    assert_string_equal(A->name, "second");
    assert_string_equal(B->name, "first");
    assert_int_equal(B->last_log_id, 7);
    assert_true(node_send(A, NULL, "to all"));
    assert_true(node_send(A, B->id, "to one"));
    await(b_has_two);
    assert_true(node_has(B, "to all/to one/"));
    assert_string_equal(B->from, A->id);
    assert_int_equal(A->n_parcels, 0);
}

static bool a_was_left(void)
{
    return A->n_news[BUS_NEWS_LEFT] == 1;
}

static void a_node_says_goodbye(void **state)
{
    (void)state;
    start_two();
    node_end(B);
    await(a_was_left);
}

/* What was said while it was away is lost; what is said afterwards comes. */
static void a_server_that_was_killed_is_found_again(void **state)
{
    (void)state;
    start_two();
    nats_down();
    await(both_are_down);
    assert_false(node_send(A, NULL, "lost"));
    nats_up(NULL);
    await(both_are_up);
    assert_true(node_send(A, NULL, "one"));
    assert_true(node_send(A, NULL, "two"));
    await(b_has_two);
    assert_true(node_has(B, "one/two/"));
    assert_int_equal(A->n_news[BUS_NEWS_DEAD] + A->n_news[BUS_NEWS_STALE], 0);
    assert_int_equal(A->n_news[BUS_NEWS_CAME], 1);
}

/* ---- the server ---- */

/* Of a stopped server nobody hears that it has: it accepts all, until its buffers are full. */
static void a_server_that_was_stopped_never_stops_the_loop(void **state)
{
    (void)state;
    static char large[100000];
    memset(large, 'x', sizeof(large) - 1);
    start_two();
    nats_pause();
    bed.longest_turn_ms = 0;
    unsigned n_sent = 0;
    uint64_t before = clock_ms();
    while (node_send(A, NULL, large)) {
        n_sent++;
        assert_true(n_sent < 1000);
        wait_ms(NULL, 1);
    }
    /* Its queue is full, or the link has noticed: either way within the deadlines. */
    assert_true(clock_ms() - before < 3000);
    await(both_are_down);
    assert_true(clock_ms() - before < 4000);
    assert_true(bed.longest_turn_ms < 200);
    assert_false(node_send(A, NULL, "lost"));
    nats_resume();
    await(both_are_up);
    assert_true(bed.longest_turn_ms < 200);
}

static void too_much_at_once_is_refused(void **state)
{
    (void)state;
    static char large[1000000];
    memset(large, 'x', sizeof(large) - 1);
    start_two();
    nats_pause();
    unsigned n_sent = 0;
    while (n_sent < 100 && node_send(A, NULL, large)) {
        n_sent++;
    }
    assert_in_range(n_sent, 8, 24); /* 8 MiB, and what has gone into buffers of the kernel */
    nats_resume();
}

static void what_the_server_does_not_take_is_refused(void **state)
{
    (void)state;
    static char large[(1 << 20) + 1];
    memset(large, 'x', sizeof(large) - 1);
    start_two();
    assert_false(node_send(A, NULL, large));
    large[(1 << 20) - SEAL_SIZE] = '\0';
    assert_true(node_send(A, NULL, large));
    assert_true(node_send(A, NULL, "and on"));
    await(b_has_two);
}

static bool b_has_many(void)
{
    return B->n_parcels == 20000;
}

static void what_one_node_sends_comes_in_order(void **state)
{
    (void)state;
    struct buf expected = {0};
    start_two();
    for (int i = 0; i < 20000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        buf_printf(&expected, "%d/", i);
        assert_true(node_send(A, i % 3 ? NULL : B->id, text));
    }
    await(b_has_many);
    assert_true(node_has(B, buf_text(&expected)));
    buf_release(&expected);
}

/* ---- who else speaks ---- */

static struct {
    char subject[256];
    struct str data;
} recorded;

static void record(int socket, const char *kind)
{
    do {
        free((char *)(uintptr_t)recorded.data.ptr);
        assert_true(nats_next(socket, recorded.subject, &recorded.data));
    } while (!strstr(recorded.subject, kind));
}

static void forget_recorded(void)
{
    free((char *)(uintptr_t)recorded.data.ptr);
    memset(&recorded, 0, sizeof(recorded));
}

static bool b_has_dropped_all(void)
{
    return dropped(B, METRIC_BUS_DROP_UNSIGNED) == 3 &&
           dropped(B, METRIC_BUS_DROP_MALFORMED) == 1 && B->n_unknown_keys == 1;
}

static void nobody_without_the_key_is_believed(void **state)
{
    (void)state;
    char forged[SEAL_SIZE + 4];
    struct seal_keys wrong = keys_of('x', 0);
    struct seal_head head = {.version = 1, .kind = BUS_KIND_PRESENCE, .seq = 1000000};
    start_two();
    int spy = nats_connect();
    nats_subscribe(spy, ">");
    assert_true(node_send(A, NULL, "one"));
    record(spy, ".presence");
    memcpy(head.from, A->id, sizeof(head.from));
    memcpy(forged + SEAL_HEAD_SIZE, "evil", 4);
    seal_close(&head, &wrong, forged, sizeof(forged));
    int forger = nats_connect();
    for (int i = 0; i < 3; i++) {
        nats_publish(forger, recorded.subject, (struct str){forged, sizeof(forged)});
    }
    nats_publish(forger, recorded.subject, STR("nonsense"));
    await(b_has_dropped_all);
    assert_true(node_send(A, NULL, "two"));
    await(b_has_two); /* the forged number did not count */
    assert_true(node_has(B, "one/two/"));
    close(spy);
    close(forger);
    forget_recorded();
}

static bool b_has_repeated(void)
{
    return dropped(B, METRIC_BUS_DROP_REPEATED) == 2;
}

static bool b_has_one(void)
{
    return B->n_parcels == 1;
}

static void what_was_said_before_is_not_heard_again(void **state)
{
    (void)state;
    start_two();
    int spy = nats_connect();
    nats_subscribe(spy, ">");
    assert_true(node_send(A, NULL, "once"));
    record(spy, ".presence");
    await(b_has_one);
    int forger = nats_connect();
    nats_publish(forger, recorded.subject, recorded.data);
    nats_publish(forger, recorded.subject, recorded.data);
    await(b_has_repeated);
    assert_int_equal(B->n_parcels, 1);
    close(spy);
    close(forger);
    forget_recorded();
}

static bool all_came(void)
{
    return A->n_news[BUS_NEWS_CAME] == 2 && B->n_news[BUS_NEWS_CAME] == 2 &&
           C->n_news[BUS_NEWS_CAME] == 2;
}

static bool c_has_one(void)
{
    return C->n_parcels == 1;
}

/* To whom is signed, too. */
static void what_was_for_one_is_not_heard_by_another(void **state)
{
    (void)state;
    start_two();
    node_start(C, "third");
    await(all_came);
    int spy = nats_connect();
    nats_subscribe(spy, ">");
    assert_true(node_send(A, B->id, "for B"));
    record(spy, ".presence");
    char subject[256];
    snprintf(subject, sizeof(subject), "%.33s.presence", recorded.subject);
    int forger = nats_connect();
    nats_publish(forger, subject, recorded.data);
    snprintf(subject, sizeof(subject), "%.33s.to.%s.presence", recorded.subject, C->id);
    nats_publish(forger, subject, recorded.data);
    assert_true(node_send(A, NULL, "for all"));
    await(c_has_one);
    assert_true(node_has(C, "for all/"));
    close(spy);
    close(forger);
    forget_recorded();
}

static bool b_has_heard_itself(void)
{
    return B->n_doubles > 0;
}

/* A copy of a running machine: the one that has said less hears of it. */
static void who_hears_himself_says_so(void **state)
{
    (void)state;
    node_start(A, "original");
    memcpy(B->id, A->id, sizeof(A->id));
    for (int i = 0; i < 10 && !wait_ms(NULL, 100); i++) {
        node_send(A, NULL, "something");
    }
    node_start(B, "copy");
    await(both_are_up);
    for (int i = 0; i < 100; i++) {
        node_send(A, NULL, "something");
    }
    await(b_has_heard_itself);
    assert_int_equal(A->n_doubles, 0);
    assert_int_equal(A->n_news[BUS_NEWS_CAME] + B->n_news[BUS_NEWS_CAME], 0);
}

static void nodes_of_another_database_are_not_heard(void **state)
{
    (void)state;
    node_start(A, "first");
    node_make(B, "second");
    give_keys(B, "another database", 'k', 0);
    await(both_are_up);
    wait_ms(NULL, 300);
    assert_int_equal(A->n_beats + B->n_beats, 0);
    assert_int_equal(dropped(A, METRIC_BUS_DROP_UNSIGNED), 0);
}

static bool b_asks(void)
{
    return B->n_unknown_keys > 0;
}

/* A has read the keys after the rotation, B before it. */
static void keys_change_over(void **state)
{
    (void)state;
    start_two();
    give_keys(A, "database", 'n', 'k');
    assert_true(node_send(A, NULL, "lost"));
    await(b_asks);
    assert_int_equal(A->n_unknown_keys, 0);
    give_keys(B, "database", 'n', 'k');
    assert_true(node_send(A, NULL, "one"));
    assert_true(node_send(A, NULL, "two"));
    await(b_has_two);
    assert_true(node_has(B, "one/two/"));
}

/* ---- as whom ---- */

static void write_secret(const char *text)
{
    FILE *file = fopen(secret_path, "we");
    assert_non_null(file);
    fprintf(file, "%s\n", text);
    fclose(file);
}

#define USERS(password) "authorization { user: herald, password: " password " }\n"

static int setup_with_user(void **state)
{
    (void)state;
    setup_with(USERS("first"));
    static char user[] = "herald";
    bed.options.user = user;
    bed.options.password_file = secret_path;
    return 0;
}

static void a_wrong_password_is_read_again(void **state)
{
    (void)state;
    write_secret("wrong");
    node_start(A, "first");
    assert_false(wait_ms(any_is_up, 300));
    write_secret("first");
    node_start(B, "second");
    await(both_came);
}

static bool b_has_all(void)
{
    return B->n_parcels == 200;
}

/* The server takes both passwords for a while; nothing that is sent meanwhile is lost or doubled. */
static void a_reload_loses_nothing(void **state)
{
    (void)state;
    struct buf expected = {0};
    write_secret("first");
    start_two();
    for (int i = 0; i < 200; i++) {
        buf_printf(&expected, "%d/", i);
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        assert_true(node_send(A, NULL, text));
        if (i % 20 == 10) {
            nats_bus_reload(A->bus);
        } else if (i % 20 == 15) {
            nats_bus_reload(B->bus);
        }
        wait_ms(NULL, 2);
    }
    await(b_has_all);
    assert_true(node_has(B, buf_text(&expected)));
    buf_release(&expected);
    /* A mistake in the file changes nothing. */
    write_secret("wrong");
    nats_bus_reload(A->bus);
    wait_ms(NULL, 200);
    assert_true(both_are_up());
    /* And the password of a server that comes back with another one is read by itself. */
    write_secret("second");
    nats_down();
    await(both_are_down);
    nats_up(USERS("second"));
    await(both_are_up);
}

static int setup_with_token(void **state)
{
    (void)state;
    setup_with("authorization { token: t0k3n }\n");
    bed.options.token_file = secret_path;
    return 0;
}

static void a_token_opens(void **state)
{
    (void)state;
    write_secret("t0k3n");
    start_two();
}

static int setup_with_nkey(void **state)
{
    (void)state;
    setup_with("authorization { users: [ { nkey: "
               "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }\n");
    bed.options.nkey_file = secret_path;
    return 0;
}

static void an_nkey_opens(void **state)
{
    (void)state;
    write_secret("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY");
    start_two();
}

/* ---- TLS ---- */

static void make_certificate(const char *name)
{
    char command[512];
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
             "-subj /CN=%s -addext subjectAltName=%s -keyout %s -out %s 2>%s/openssl.log",
             name, name[0] == '1' ? "IP:127.0.0.1" : "DNS:elsewhere.example", key_path, cert_path,
             nats_directory());
    assert_int_equal(system(command), 0);
}

static void serve_with(const char *name)
{
    char settings[512];
    nats_down();
    make_certificate(name);
    snprintf(settings, sizeof(settings),
             "tls { cert_file: \"%s\", key_file: \"%s\" }\n"
             "authorization { user: herald, password: first }\n",
             cert_path, key_path);
    nats_up(settings);
}

static void tls_is_as_good_as_its_certificate(void **state)
{
    (void)state;
    static char url[64];
    write_secret("first");
    snprintf(url, sizeof(url), "tls%s", strchr(nats_url(), ':'));
    bed.options.urls = url;
    serve_with("127.0.0.1");
    node_start(A, "trusts nobody we know");
    assert_false(wait_ms(any_is_up, 500));
    node_end(A);
    bed.options.ca_file = cert_path;
    start_two();
    assert_true(node_send(A, NULL, "one"));
    await(b_has_one);
    serve_with("elsewhere.example"); /* signed as before, by itself */
    await(both_are_down);
    assert_false(wait_ms(any_is_up, 1500));
}

/* As docs/scaling.md has it, for what is ours: and a server that permits less is not taken for up. */
#define PERMITS(publish, subscribe)                                                                \
    "authorization { users: [ { user: herald, password: first, permissions: {"                     \
    " publish: \"" publish "\", subscribe: \"" subscribe "\" } } ] }\n"

static void permissions_may_be_narrow(void **state)
{
    (void)state;
    nats_down();
    nats_up(PERMITS("pgherald.>", "pgherald.>"));
    write_secret("first");
    start_two();
    assert_int_equal(dropped(A, METRIC_BUS_DROP_MALFORMED), 0);
    nats_down();
    await(both_are_down);
    nats_up(PERMITS("pgherald.>", "other.>"));
    assert_false(wait_ms(any_is_up, 1500));
    nats_down();
    nats_up(PERMITS("other.>", "pgherald.>"));
    assert_false(wait_ms(any_is_up, 1500));
}

/* Lists of members would never come over it. */
static void a_server_that_takes_too_little_is_not_up(void **state)
{
    (void)state;
    nats_down();
    nats_up("max_payload: 512KB\n");
    node_start(A, "first");
    assert_false(wait_ms(any_is_up, 1500));
}

int main(void)
{
#define TEST_WITH(what, test) cmocka_unit_test_setup_teardown(test, setup_with_##what, teardown)
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_nodes_hear_each_other),
        TEST(a_node_says_goodbye),
        TEST(a_server_that_was_killed_is_found_again),
        TEST(a_server_that_was_stopped_never_stops_the_loop),
        TEST(too_much_at_once_is_refused),
        TEST(what_the_server_does_not_take_is_refused),
        TEST(what_one_node_sends_comes_in_order),
        TEST(nobody_without_the_key_is_believed),
        TEST(what_was_said_before_is_not_heard_again),
        TEST(what_was_for_one_is_not_heard_by_another),
        TEST(who_hears_himself_says_so),
        TEST(a_server_that_takes_too_little_is_not_up),
        TEST(nodes_of_another_database_are_not_heard),
        TEST(keys_change_over),
        TEST_WITH(user, a_wrong_password_is_read_again),
        TEST_WITH(user, a_reload_loses_nothing),
        TEST_WITH(user, permissions_may_be_narrow),
        TEST_WITH(user, tls_is_as_good_as_its_certificate),
        TEST_WITH(token, a_token_opens),
        TEST_WITH(nkey, an_nkey_opens),
    };
#undef TEST
#undef TEST_WITH
    log_configure(getenv("LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, false);
    return cmocka_run_group_tests_name("nats", tests, NULL, NULL);
}
