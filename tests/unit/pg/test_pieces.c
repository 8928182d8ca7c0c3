/* SPDX-License-Identifier: PostgreSQL */
/* What nodes tell one another of the log, whatever the bus makes of it, and what strangers say. */
#include "core/nodes/parcel.h"
#include "nodes_harness.h"
#include "pg/pieces/hold.h"
#include "pg/pieces/piece.h"

/* ---- what is held ---- */

static void test_pieces_are_held_by_their_first_number(void **state)
{
    (void)state;
    struct hold *hold = calloc(1, sizeof(*hold));
    assert_true(hold_add(hold, 7, 9, 1, STR("c")));
    assert_true(hold_add(hold, 3, 4, 2, STR("a")));
    assert_true(hold_add(hold, 5, 6, 3, STR("b")));
    assert_false(hold_add(hold, 5, 9, 4, STR("again")));
    static const char expected[] = "abc";
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(hold_first(hold)->body[0], expected[i]);
        hold_drop_first(hold);
    }
    assert_null(hold_first(hold));
    char *large = calloc(1, HOLD_BYTES);
    assert_true(hold_add(hold, 1, 1, 1, (struct str){large, HOLD_BYTES}));
    assert_false(hold_add(hold, 2, 2, 1, STR("x")));
    hold_clear(hold);
    for (uint64_t i = 0; i < HOLD_MAX; i++) {
        assert_true(hold_add(hold, 1 + i, 1 + i, 1, STR("x")));
    }
    assert_false(hold_add(hold, 5000, 5000, 1, STR("x")));
    hold_clear(hold);
    free(large);
    free(hold);
}

/* ---- what is no piece ---- */

static struct piece_head head(uint64_t term, uint64_t first, uint64_t last)
{
    return (struct piece_head){
        .term = term, .epoch = str_of(bed->epoch), .first = first, .last = last};
}

static void test_what_is_no_piece(void **state)
{
    (void)state;
    struct buf whole = {0};
    struct piece_head made = {.term = 1, .epoch = STR("e"), .first = 3, .last = 3}, read;
    struct parcel rows;
    piece_write_numbers(&made, &whole);
    assert_true(piece_open(buf_span(&whole), &read, &rows));
    assert_int_equal(read.last, 3);
    for (size_t len = 0; len < whole.len; len++) {
        assert_false(piece_open((struct str){whole.data, len}, &read, &rows));
    }
    made.first = 4; /* behind its last */
    buf_clear(&whole);
    piece_write_numbers(&made, &whole);
    assert_false(piece_open(buf_span(&whole), &read, &rows));
    buf_release(&whole);
}

/* ---- whatever the bus does ---- */

static struct metrics *metrics;

static uint64_t count(size_t i, unsigned cell)
{
    return metrics_block(metrics, (uint32_t)i)->cells[cell];
}

static void start_counted(void)
{
    metrics = metrics_new(N_NODES);
    for (size_t i = 0; i < N_NODES; i++) {
        struct database_options options = node_options(i);
        options.counts = metrics_block(metrics, (uint32_t)i);
        bed_start(nodes[i], &options);
        bed_wait(nodes[i], &nodes[i]->n_up, 1);
    }
    publish(1);
    wait_for_events(1);
}

static int teardown_counted(void **state)
{
    int result = teardown_nodes(state);
    metrics_free(metrics);
    return result;
}

static void flow(enum wire_mode mode)
{
    start_counted();
    wire_set_mode(wire, mode);
    for (uint32_t nth = 1; nth <= 60; nth++) {
        say(nth % 3, nth % 2 ? "room" : "hall", nth);
        publish(3);
    }
    wait_for_events(241);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_check_against_log(nodes[i], 0);
        assert_int_equal(nodes[i]->n_up, 1);
        assert_int_equal(nodes[i]->n_down, 0);
    }
}

static void test_the_bus_brings_all(void **state)
{
    (void)state;
    flow(WIRE_WHOLE);
    for (size_t i = 1; i < N_NODES; i++) {
        assert_true(count(i, METRIC_PIECE_ROWS) > 200);
        assert_true(count(i, METRIC_LOG_READ_ROWS) < 20);
    }
}

static void test_pieces_are_lost(void **state)
{
    (void)state;
    flow(WIRE_LOSING);
    assert_true(count(1, METRIC_LOG_READ_ROWS) > 0);
}

static void test_pieces_come_twice(void **state)
{
    (void)state;
    flow(WIRE_DOUBLING);
}

static void test_pieces_come_in_another_order(void **state)
{
    (void)state;
    flow(WIRE_SWAPPING);
}

static void test_the_bus_goes_and_comes(void **state)
{
    (void)state;
    start_counted();
    for (uint32_t nth = 1; nth <= 60; nth++) {
        wire_set_mode(wire, nth / 10 % 2 ? WIRE_CUT : WIRE_WHOLE);
        say(nth % 3, "room", nth);
        publish(1);
        if (nth % 10 == 0) {
            wait_for_events(1 + 2 * nth);
        }
    }
    wait_for_events(121);
    bed_check_against_log(nodes[2], 0);
}

/* One row does not fit into a piece. */
static void test_a_row_that_is_too_large(void **state)
{
    (void)state;
    start_counted();
    bed_sql(bed, "SELECT herald.publish('room', to_json(repeat('x', 600000)))");
    publish(2);
    wait_for_events(4);
    bed_check_against_log(nodes[1], 0);
    assert_true(count(1, METRIC_LOG_READ_ROWS) > 0);
}

/* ---- what must not be believed ---- */

/* A row that is not in the log, as the next one. */
static void forge(struct piece_head forged)
{
    struct buf body = {0};
    parcel_put_u64(&body, forged.term);
    parcel_put_str(&body, forged.epoch);
    parcel_put_u8(&body, 0);
    parcel_put_u64(&body, forged.first);
    parcel_put_u64(&body, forged.last);
    parcel_put_u32(&body, 1);
    parcel_put_str(&body, STR("2026-11-30T06:00:00.000Z"));
    parcel_put_u64(&body, 77);
    parcel_put_str(&body, STR("room"));
    parcel_put_u8(&body, 0);
    parcel_put_str(&body, (struct str){0});
    parcel_put_str(&body, (struct str){0});
    parcel_put_str(&body, STR("\"planted\""));
    parcel_put_u64(&body, 0);
    parcel_put_u8(&body, 0);
    parcel_put_u64(&body, 0);
    parcel_put_str(&body, (struct str){0});
    wire_send(wire, buf_span(&body));
    buf_release(&body);
}

static void test_pieces_of_another_term_or_epoch(void **state)
{
    (void)state;
    start_counted();
    uint64_t term = (uint64_t)bed_number(bed, "SELECT term FROM herald.state");
    forge(head(term - 1, 2, 2));
    forge(head(term + 1, 2, 2));
    struct piece_head other = head(term, 2, 2);
    other.epoch = STR("another");
    forge(other);
    wire_send(wire, STR("what is this"));
    publish(1);
    wait_for_events(2);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_check_against_log(nodes[i], 0);
    }
}

/* What is far ahead of the log is never reached, and costs nothing but questions. */
static void test_numbers_that_are_not_in_the_log(void **state)
{
    (void)state;
    start_counted();
    uint64_t term = (uint64_t)bed_number(bed, "SELECT term FROM herald.state");
    struct buf body = {0};
    struct piece_head far = head(term, 500, 1000);
    piece_write_numbers(&far, &body);
    wire_send(wire, buf_span(&body));
    buf_release(&body);
    forge(head(term, 400, 400));
    publish(5);
    wait_for_events(6);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_check_against_log(nodes[i], 0);
        assert_int_equal(nodes[i]->n_up, 1); /* no position became void */
    }
}

/* What was heard before another epoch began is of the old one, whatever its numbers say. */
static void test_what_is_held_goes_with_its_epoch(void **state)
{
    (void)state;
    start_counted();
    forge(head((uint64_t)bed_number(bed, "SELECT term FROM herald.state"), 4, 4));
    bed_sql(bed, "SELECT pg_sleep(0.05)");
    publish(1);
    wait_for_events(2);
    bed_sql(bed, "SELECT herald.open(1000000)");
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_up, 2);
    }
    for (size_t n = 3; n <= 5; n++) {
        publish(1);
        wait_for_events(n);
    }
    for (size_t i = 0; i < N_NODES; i++) {
        bed_check_against_log(nodes[i], 0);
    }
}

/* ---- what is told of watches ---- */

static struct piece_head last_told;

static bool note_told(void *ctx, enum bus_kind kind, const char *to, struct str body)
{
    struct parcel rows;
    (void)ctx;
    assert_true(kind == BUS_KIND_ROWS && !to);
    assert_true(piece_open(body, &last_told, &rows));
    return true;
}

/* Also if nothing else was in that batch: the next rows are those that the others must not judge by
 * what was before. */
static void test_the_first_rows_after_a_watch_is_altered_say_so(void **state)
{
    (void)state;
    struct database_options options = node_options(0);
    struct bus told = *options.bus;
    told.send = note_told;
    options.bus = &told;
    bed_start(bed, &options);
    bed_wait(bed, &bed->n_up, 1);
    publish(1);
    bed_wait(bed, &bed->n_events, 1);
    assert_true(last_told.is_altered); /* who led before may have owed it */
    publish(1);
    bed_wait(bed, &bed->n_events, 2);
    assert_false(last_told.is_altered);
    bed_sql(bed, "CREATE TABLE t (id int PRIMARY KEY)");
    bed_sql(bed, "SELECT herald.watch('t', channel => 't/{id}')");
    bed_wait_sql(bed, "SELECT herald.sequenced(pg_current_snapshot()) = 2");
    bed_sql(bed, "INSERT INTO t VALUES (1)");
    bed_wait(bed, &bed->n_events, 3);
    assert_int_equal(last_told.first, 3);
    assert_true(last_told.is_altered);
}

#define COUNTED_TEST(name) cmocka_unit_test_setup_teardown(name, setup_nodes, teardown_counted)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_are_held_by_their_first_number),
        cmocka_unit_test(test_what_is_no_piece),
        COUNTED_TEST(test_the_bus_brings_all),
        COUNTED_TEST(test_pieces_are_lost),
        COUNTED_TEST(test_pieces_come_twice),
        COUNTED_TEST(test_pieces_come_in_another_order),
        COUNTED_TEST(test_the_bus_goes_and_comes),
        COUNTED_TEST(test_a_row_that_is_too_large),
        COUNTED_TEST(test_pieces_of_another_term_or_epoch),
        COUNTED_TEST(test_numbers_that_are_not_in_the_log),
        COUNTED_TEST(test_what_is_held_goes_with_its_epoch),
        NODES_TEST(test_the_first_rows_after_a_watch_is_altered_say_so),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
