/* SPDX-License-Identifier: PostgreSQL */
/* What becomes of outbox rows in a batch, without a database: libpq makes results by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/batch/batch.h"
#include "pg/batch/order.h"
#include "pg/rows.h"

enum { N_COLUMNS = TAKE_COLUMN_OPTIONS + 1 };

static struct batch batch;
static struct heads heads;
static struct shapes shapes;
static struct shape_wish wish;
static struct emptied emptied;
static struct batch_source source;

static PGresult *result_new(int n_columns)
{
    static char name[] = "c";
    PGresAttDesc columns[N_COLUMNS] = {0};
    for (int i = 0; i < n_columns; i++) {
        columns[i].name = name;
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(rows, n_columns, columns), 1);
    return rows;
}

static void put(PGresult *rows, int row, int column, const char *text)
{
    char copy[400];
    int len = text ? snprintf(copy, sizeof(copy), "%s", text) : -1;
    assert_int_equal(PQsetvalue(rows, row, column, text ? copy : NULL, len), 1);
}

/* The next row as herald.take returns it. */
static void taken(const char *shape, const char *action, const char *old, const char *new,
                  const char *channel)
{
    int row = PQntuples(batch.rows);
    char id[16];
    snprintf(id, sizeof(id), "%d", 100 + row);
    const char *texts[N_COLUMNS] = {id, "77", shape, action, old, new, channel, NULL};
    for (int column = 0; column < N_COLUMNS; column++) {
        put(batch.rows, row, column, texts[column]);
    }
}

static void know_shape(const char *number, const char *watch, const char *template, const char *key,
                       int n_columns)
{
    char text[500];
    snprintf(text, sizeof(text),
             "{\"watch\":\"%s\",\"schema\":\"s\",\"table\":\"t\",\"template\":[%s],\"numbers\":"
             "\"text\",\"max_bytes\":1000,\"key\":%s,\"columns\":[{\"name\":\"id\",\"type\":"
             "\"int\",\"announced\":true,\"kept\":false}%s]}",
             watch, template, key,
             n_columns == 1 ? ""
                            : ",{\"name\":\"name\",\"type\":\"text\",\"announced\":true,"
                              "\"kept\":false}");
    PGresult *rows = result_new(2);
    put(rows, 0, 0, number);
    put(rows, 0, 1, text);
    shapes_take(&shapes, &wish, rows);
    PQclear(rows);
}

static int setup(void **state)
{
    (void)state;
    batch.rows = result_new(N_COLUMNS);
    /* The batch itself: position, newest id of the log. */
    const char *texts[N_COLUMNS] = {"5",    "40", NULL,    "b",
                                    "1:1:", "",   "epoch", "2026-11-29T00:00:00.000Z"};
    for (int column = 0; column < N_COLUMNS; column++) {
        put(batch.rows, 0, column, texts[column]);
    }
    source = (struct batch_source){.heads = &heads,
                                   .shapes = &shapes,
                                   .emptied = &emptied,
                                   .max_rows = 100,
                                   .max_bytes = 100000};
    know_shape("-1", "w1", "\"t/\",0", "[0]", 1);
    know_shape("2", "w2", "\"u\"", "[0]", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    batch_release(&batch);
    batch = (struct batch){0};
    heads_clear(&heads);
    shapes_clear(&shapes);
    shape_wish_release(&wish);
    emptied_clear(&emptied);
    return 0;
}

static void fill(void)
{
    batch_fill(&batch, &source);
    batch_number(&batch);
}

/* Channels and offsets of the events, in order. */
static void check_events(const char *expected)
{
    struct buf text = {0};
    for (size_t i = 0; i < batch.n; i++) {
        const struct event *event = batch.places[i].event;
        assert_int_equal(event->f.id, 41 + i);
        buf_printf(&text, "%.*s=%llu ", (int)event->f.channel.len, event->f.channel.ptr,
                   (unsigned long long)event->f.offset);
    }
    assert_string_equal(buf_text(&text), expected);
    buf_release(&text);
}

static void test_rows_are_numbered_per_channel(void **state)
{
    (void)state;
    heads_at(&heads, STR("t/2"))->offset = 7;
    heads_at(&heads, STR("t/2"))->is_known = true;
    taken("-1", "i", NULL, "(1)", NULL);
    taken("-1", "u", "(1)", "(2)", NULL);
    taken(NULL, "p", NULL, "{}", "said");
    taken("2", "i", NULL, "(9)", NULL);
    batch_want_shapes(&batch, &shapes, &wish);
    assert_int_equal(wish.n, 0);
    fill();
    check_events("t/1=1 t/1=2 t/2=8 said=1 u=1 ");
    assert_true(batch.is_all);
    assert_int_equal(batch.last_row, 4);
    assert_int_equal(batch.n_unknown, 3);
    assert_int_equal(batch.n_blemishes, 0);
}

static void test_what_cannot_be_announced_is_told(void **state)
{
    (void)state;
    taken("-1", "i", NULL, "(1,2)", NULL);  /* not of this shape */
    taken("77", "i", NULL, "(1)", NULL);    /* nobody knows it */
    taken(NULL, "?", NULL, NULL, NULL);     /* written by hand */
    taken(NULL, "p", NULL, "{}", "");       /* no channel */
    taken(NULL, "p", NULL, NULL, "x");      /* no payload */
    taken("-1", "s", NULL, NULL, NULL);     /* the trigger skipped it */
    taken("-1", "i", NULL, "no row", NULL); /* nonsense */
    taken("-1", "i", NULL, "(5)", NULL);
    batch_want_shapes(&batch, &shapes, &wish);
    assert_int_equal(wish.n, 1);
    fill();
    check_events("t/5=1 ");
    assert_int_equal(batch.n_blemishes, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_true(batch.blemishes[i].is_skipped);
    }
    assert_int_equal(batch.last_row, 8);
    assert_true(batch.is_all);
}

static void test_limits_leave_something(void **state)
{
    (void)state;
    taken("-1", "i", NULL, "(1)", NULL);
    taken("-1", "i", NULL, "(2)", NULL);
    source.max_rows = 2;
    fill();
    assert_false(batch.is_all); /* there may be more than so many */
    check_events("t/1=1 t/2=1 ");
}

static void test_bytes_leave_something(void **state)
{
    (void)state;
    taken("-1", "i", NULL, "(1)", NULL);
    taken("-1", "u", "(1)", "(2)", NULL);
    source.max_bytes = 9; /* reached exactly */
    fill();
    assert_false(batch.is_all);
    assert_int_equal(batch.row_bytes, 9);
}

static void test_few_rows_and_the_poisoned_one(void **state)
{
    (void)state;
    taken("-1", "i", NULL, "(1)", NULL);
    taken("-1", "i", NULL, "(2)", NULL);
    taken("-1", "i", NULL, "(3)", NULL);
    source.few_rows = 2;
    source.poison_id = 101;
    fill();
    check_events("t/2=1 ");
    assert_int_equal(batch.last_row, 2);
    assert_false(batch.is_all);
    assert_int_equal(batch.n_blemishes, 1);
}

static void test_a_message_alone_leaves_all_rows_and_the_place_in_a_truncate(void **state)
{
    (void)state;
    put(batch.rows, 0, TAKE_COLUMN_NEW, "t/1");
    source.is_without_rows = true; /* none were asked for */
    fill();
    check_events("");
    assert_int_equal(batch.last_row, 0);
    assert_true(str_equals(batch.last_channel, STR("t/1")));
    assert_false(batch.is_all);
}

static void name_channels(const char *const *names)
{
    batch.emptied = result_new(1);
    for (int i = 0; names[i]; i++) {
        put(batch.emptied, i, 0, names[i]);
    }
}

static void test_a_truncate_is_first_and_what_follows_goes_with_it(void **state)
{
    (void)state;
    struct buf template = {0};
    struct str after;
    taken("-1", "t", NULL, NULL, NULL);
    taken("-1", "t", NULL, NULL, NULL); /* says nothing new */
    taken("2", "i", NULL, "(1)", NULL);
    taken("-1", "t", NULL, NULL, NULL); /* nor does this: the row was of another table */
    taken("-1", "i", NULL, "(4)", NULL);
    taken("-1", "t", NULL, NULL, NULL); /* another batch */
    taken("-1", "i", NULL, "(5)", NULL);
    assert_true(batch_wants_emptied(&batch, &source, &template, &after));
    assert_string_equal(buf_text(&template), "t/{column}");
    assert_int_equal(after.len, 0);
    buf_release(&template);
    name_channels((const char *const[]){"t/1", "t/2", NULL});
    fill();
    check_events("t/1=1 t/2=1 u=1 t/4=1 ");
    assert_int_equal(batch.last_row, 5);
    assert_false(batch.is_all);
    assert_int_equal(emptied.n, 0);
}

static void test_a_truncate_in_pieces(void **state)
{
    (void)state;
    taken("-1", "t", NULL, NULL, NULL);
    taken("-1", "i", NULL, "(4)", NULL);
    source.max_rows = 2;
    name_channels((const char *const[]){"t/1", "t/2", NULL});
    fill();
    check_events("t/1=1 t/2=1 ");
    assert_int_equal(batch.last_row, 0);
    assert_true(str_equals(batch.last_channel, STR("t/2")));
    assert_false(batch.is_all);
    assert_int_equal(emptied.n, 0); /* not before all of it is told */
}

static void test_a_truncate_of_one_channel_asks_nobody(void **state)
{
    (void)state;
    struct buf template = {0};
    struct str after;
    taken("2", "t", NULL, NULL, NULL);
    taken("2", "t", NULL, NULL, NULL);
    assert_false(batch_wants_emptied(&batch, &source, &template, &after));
    fill();
    check_events("u=1 ");
    assert_string_equal(emptied.items[0].watch, "w2");
    assert_true(batch.is_all);
}

static void check_order(const char *const *actions, size_t n, const char *expected)
{
    struct buf text = {0};
    batch_clear(&batch);
    (void)setup(NULL);
    for (size_t i = 0; i < n; i++) {
        taken("7", actions[i], NULL, NULL, NULL);
    }
    int *order = batch_order(batch.rows, (int)n);
    for (size_t i = 0; i <= n; i++) {
        buf_printf(&text, "%d ", order[i]);
    }
    assert_string_equal(buf_text(&text), expected);
    buf_release(&text);
    free(order);
}

#define CHECK_ORDER(expected, ...)                                                                 \
    do {                                                                                           \
        static const char *const actions[] = {__VA_ARGS__};                                        \
        check_order(actions, sizeof(actions) / sizeof(*actions), expected);                        \
    } while (0)

static void test_what_triggers_of_others_put_in_front_goes_back(void **state)
{
    (void)state;
    /* "Only the newest is the current one": inserted is the second, and the first one's trigger has changed it. */
    CHECK_ORDER("0 1 3 2 ", "i>9(0,1)", "u<9(0,2)>9(0,3)", "i>9(0,2)");
    CHECK_ORDER("0 3 1 2 ", "u<9(0,1)>9(0,2)", "u<9(0,2)>9(0,3)", "i>9(0,1)");
    CHECK_ORDER("0 1 3 2 ", "i>9(0,1)", "d<9(0,2)", "i>9(0,2)");
    /* Each nested in the next. */
    CHECK_ORDER("0 4 3 2 1 ", "d<9(0,4)", "wk<9(0,3)>9(0,4)", "u<9(0,2)>9(0,3)", "iC>9(0,2)");
    CHECK_ORDER("0 2 1 4 3 ", "u<9(0,2)>9(0,3)", "u<9(0,1)>9(0,2)", "w<9(0,12)>9(0,13)",
                "w<9(0,11)>9(0,12)");
    /* A key has changed the row before the trigger did, and is told last. */
    CHECK_ORDER("0 2 3 1 ", "u<9(0,3)>9(0,4)", "u<9(0,1)>9(0,2)", "u<9(0,2)>9(0,3)");
    CHECK_ORDER("0 5 3 4 1 2 ", "u<9(0,4)>9(0,5)", "i>9(1,1)", "u<9(0,2)>9(0,3)", "u<9(0,3)>9(0,4)",
                "i>9(0,2)");
    /* Deleted and inserted anew by the trigger. */
    CHECK_ORDER("0 3 1 2 ", "d<9(0,1)", "i>9(0,2)", "i>9(0,1)");
}

static void test_what_is_in_order_stays(void **state)
{
    (void)state;
    CHECK_ORDER("0 1 2 3 ", "i>9(0,1)", "u<9(0,1)>9(0,2)", "d<9(0,2)");
    /* No versions; of another table, or another place; a TRUNCATE between. */
    CHECK_ORDER("0 1 2 3 4 ", "u", "uk", "i", "p");
    CHECK_ORDER("0 1 2 3 ", "u<8(0,1)>8(0,2)", "d<9(0,11)", "i>9(0,1)");
    CHECK_ORDER("0 1 2 3 ", "d<9(0,1)", "t", "i>9(0,1)");
    CHECK_ORDER("0 1 2 3 ", "d<9(0,1)", "r", "i>9(0,1)");
    /* Foreign rows are nowhere, and what somebody writes by hand need not be a version. */
    CHECK_ORDER("0 1 2 ", "d<9(4294967295,0)", "i>9(4294967295,0)");
    CHECK_ORDER("0 1 2 3 4 5 ", "d<)", "i>)", "<", ">", "");
    CHECK_ORDER("0 2 1 ", "u<9(0,1)>9(0,2)", "u<9(0,2)>9(0,1)");
    CHECK_ORDER("0 1 ", "u<9(0,1)>9(0,1)");
}

static void test_a_version_is_of_one_transaction(void **state)
{
    (void)state;
    taken("7", "d<9(0,1)", NULL, NULL, NULL);
    taken("7", "i>9(0,1)", NULL, NULL, NULL);
    put(batch.rows, 2, TAKE_COLUMN_XID, "78");
    taken("7", "d<9(0,1)", NULL, NULL, NULL);
    put(batch.rows, 3, TAKE_COLUMN_XID, "79");
    taken("7", "i>9(0,1)", NULL, NULL, NULL);
    put(batch.rows, 4, TAKE_COLUMN_XID, "79");
    int *order = batch_order(batch.rows, 4);
    assert_memory_equal(order, ((int[]){0, 1, 2, 4, 3}), 5 * sizeof(int));
    free(order);
}

static void test_rows_in_another_order_are_done_all_the_same(void **state)
{
    (void)state;
    taken("2", "u", "(1)", "(1)", NULL);
    know_shape("7", "w7", "\"v/\",1", "[0]", 2);
    taken("7", "u<9(0,1)>9(0,2)", "(1,a)", "(1,b)", NULL);
    taken("7", "i>9(0,1)", NULL, "(1,a)", NULL);
    source.few_rows = 2; /* which are not both of them */
    fill();
    assert_int_equal(batch.last_row, 2);
    batch_clear(&batch);
    (void)setup(NULL);
    taken("7", "u<9(0,1)>9(0,2)", "(1,a)", "(1,b)", NULL);
    taken("7", "i>9(0,1)", NULL, "(1,a)", NULL);
    fill();
    check_events("v/a=2 v/a=3 v/b=2 "); /* the first two are of the other half */
    assert_int_equal(batch.last_row, 2);
    assert_true(batch.is_all);
}

static void test_a_storm_of_truncates_is_one_batch(void **state)
{
    (void)state;
    taken("-1", "t", NULL, NULL, NULL);
    taken("2", "i", NULL, "(1)", NULL);
    taken("2", "t", NULL, NULL, NULL);
    taken("2", "i", NULL, "(2)", NULL);
    taken("2", "t", NULL, NULL, NULL);
    name_channels((const char *const[]){"t/1", "t/2", NULL}); /* which are the first one's alone */
    fill();
    check_events("t/1=1 t/2=1 u=1 u=2 u=3 u=4 ");
    assert_true(batch.is_all);
}

static void test_truncates_of_several_tables_and_templates(void **state)
{
    (void)state;
    struct buf template = {0};
    struct str after;
    know_shape("3", "w2", "\"v\"", "[0]", 1);
    taken("2", "t", NULL, NULL, NULL);
    fill();
    batch_clear(&batch);
    (void)setup(state);
    taken("3", "t", NULL, NULL, NULL); /* of the same watch, with another template */
    fill();
    check_events("v=1 ");
    batch_clear(&batch);
    (void)setup(state);
    taken("3", "t", NULL, NULL, NULL);
    taken("2", "t", NULL, NULL, NULL);
    taken("3", "t", NULL, NULL, NULL);
    taken("2", "i", NULL, "(1)", NULL);
    assert_false(batch_wants_emptied(&batch, &source, &template, &after));
    fill();
    check_events("u=2 "); /* and neither is said again, however often */
    assert_int_equal(emptied.n, 0);
}

static void reread(const char *shape, const char *options)
{
    taken(shape, "r", NULL, NULL, NULL);
    put(batch.rows, PQntuples(batch.rows) - 1, TAKE_COLUMN_OPTIONS, options);
}

static void test_rows_that_are_to_be_read_anew(void **state)
{
    (void)state;
    static const char ann[] = "{\"dbo_id\":12,\"row_id\":\"34\"}";
    reread(NULL, ann);
    reread("2", NULL);
    taken("2", "i", NULL, "(1)", NULL);
    reread("-1", NULL);
    reread(NULL, "{\"dbo_id\":12,\"row_id\":\"35\"}");
    reread(NULL, ann);
    reread("2", NULL);
    reread("99", NULL); /* of a watch that nobody knows nobody has rows */
    fill();
    check_events("*=1 *=2 u=1 *=3 *=4 ");
    assert_int_equal(batch.n_blemishes, 0);
    assert_int_equal(batch.places[0].event->f.audience.kind, AUDIENCE_USER);
    assert_true(str_equals(batch.places[0].event->f.audience.row_id, STR("34")));
    assert_ptr_equal(batch.places[1].event->f.shape, shapes_find(&shapes, 2));
    assert_true(event_is_reread(&batch.places[1].event->f));
    assert_false(event_is_reread(&batch.places[2].event->f));
    assert_false(batch.is_altered);
}

static void test_a_truncate_says_it_of_its_parts(void **state)
{
    (void)state;
    taken("2", "t", NULL, NULL, NULL);
    reread("2", NULL);
    reread("-1", NULL);
    taken("2", "i", NULL, "(1)", NULL);
    reread("2", NULL);
    taken(NULL, "a", NULL, NULL, NULL);
    fill();
    check_events("u=1 *=1 u=2 *=2 ");
    assert_true(batch.is_altered);
    assert_true(batch.is_all);
    batch_clear(&batch);
    assert_false(batch.is_altered);
}

static void test_the_oldest_truncate_is_forgotten(void **state)
{
    (void)state;
    char number[16], watch[16];
    for (int i = 0; i <= EMPTIED_MAX; i++) {
        (void)snprintf(number, sizeof(number), "%d", 100 + i);
        (void)snprintf(watch, sizeof(watch), "w%d", 100 + i);
        know_shape(number, watch, "\"x\"", "[0]", 1);
        emptied_add(&emptied, shapes_find(&shapes, 100 + i));
    }
    assert_false(emptied_has(&emptied, shapes_find(&shapes, 100)));
    assert_true(emptied_has(&emptied, shapes_find(&shapes, 101)));
    emptied_forget(&emptied, shapes_find(&shapes, 101));
    assert_false(emptied_has(&emptied, shapes_find(&shapes, 101)));
    assert_true(emptied_has(&emptied, shapes_find(&shapes, 100 + EMPTIED_MAX)));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_are_numbered_per_channel),
        TEST(test_what_cannot_be_announced_is_told),
        TEST(test_limits_leave_something),
        TEST(test_bytes_leave_something),
        TEST(test_few_rows_and_the_poisoned_one),
        TEST(test_a_message_alone_leaves_all_rows_and_the_place_in_a_truncate),
        TEST(test_a_truncate_is_first_and_what_follows_goes_with_it),
        TEST(test_a_truncate_in_pieces),
        TEST(test_a_truncate_of_one_channel_asks_nobody),
        TEST(test_what_triggers_of_others_put_in_front_goes_back),
        TEST(test_what_is_in_order_stays),
        TEST(test_a_version_is_of_one_transaction),
        TEST(test_rows_in_another_order_are_done_all_the_same),
        TEST(test_a_storm_of_truncates_is_one_batch),
        TEST(test_truncates_of_several_tables_and_templates),
        TEST(test_rows_that_are_to_be_read_anew),
        TEST(test_a_truncate_says_it_of_its_parts),
        TEST(test_the_oldest_truncate_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
