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
#include <sys/stat.h>
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

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_nodes_hear_each_other),
        TEST(a_node_says_goodbye),
        TEST(a_server_that_was_killed_is_found_again),
    };
#undef TEST
    log_configure(getenv("LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, false);
    return cmocka_run_group_tests_name("nats", tests, NULL, NULL);
}
