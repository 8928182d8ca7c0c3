/* SPDX-License-Identifier: PostgreSQL */
/* From a row of the outbox to events: which there are, on which channels, and what is left of a row
 * that is too big, stale or unprintable. */
#include "row_harness.h"

#include "core/row/channel.h"

/* id and name are announced, room is in the template only, owner is kept. */
#define COLUMNS                                                                                    \
    COLUMN("id", "\"int\"")                                                                        \
    "," COLUMN("name", "\"text\"") "," HIDDEN("room", "\"text\"") "," KEPT("owner", "\"int\"")
#define HEAD(action) "{\"data\":{\"action\":\"" action "\",\"schema\":\"public\",\"table\":\"t\","
#define END "},\"dbo_id\":0,\"row_id\":0}"
#define CUT(reason) ",\"truncated_to_key\":true,\"reduced\":\"" reason "\"" END

struct expected {
    const char *channel;
    const char *payload;
    const char *kept;
};

static struct change_scratch scratch;

static int clean(void **state)
{
    (void)state;
    change_scratch_release(&scratch);
    return 0;
}

static struct shape *shape_of(size_t max_bytes)
{
    return shape_make("[\"r/\",2]", "text", max_bytes, "[0]", COLUMNS);
}

static void check_by(const struct shape *shape, struct change_row row,
                     enum change_fault expected_fault, const struct expected *expected,
                     size_t n_expected)
{
    struct change_event events[2];
    enum change_fault fault = CHANGE_FAULT_TEMPLATE;
    assert_int_equal(change_events(shape, &row, &scratch, events, &fault), n_expected);
    assert_string_equal(change_fault_name(fault), change_fault_name(expected_fault));
    for (size_t i = 0; i < n_expected; i++) {
        assert_span(events[i].channel, expected[i].channel);
        assert_span(events[i].payload, expected[i].payload);
        assert_span(events[i].kept, expected[i].kept);
    }
}

static struct change_row row_of(char action, char reduced, const char *old, const char *new)
{
    return (struct change_row){action, reduced, str_of(old), str_of(new)};
}

static void check(size_t max_bytes, struct change_row row, enum change_fault fault,
                  const struct expected *expected, size_t n_expected)
{
    struct shape *shape = shape_of(max_bytes);
    check_by(shape, row, fault, expected, n_expected);
    shape_unref(shape);
}

#define EVENTS(...)                                                                                \
    (const struct expected[]){__VA_ARGS__},                                                        \
        sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected)
#define NO_EVENT NULL, 0

static void test_whole_rows(void **state)
{
    (void)state;
    check(1000, row_of('i', 0, NULL, "(1,a,x,7)"), CHANGE_FAULT_NONE,
          EVENTS({"r/x", HEAD("insert") "\"new\":{\"id\":1,\"name\":\"a\"},\"old\":null" END,
                  "{\"new\":{\"owner\":7},\"old\":null}"}));
    check(1000, row_of('d', 0, "(1,,x,)", NULL), CHANGE_FAULT_NONE,
          EVENTS({"r/x", HEAD("delete") "\"new\":null,\"old\":{\"id\":1,\"name\":null}" END,
                  "{\"new\":null,\"old\":{\"owner\":null}}"}));
    check(1000, row_of('u', 0, "(1,a,x,7)", "(1,b,x,8)"), CHANGE_FAULT_NONE,
          EVENTS({"r/x",
                  HEAD("update") "\"new\":{\"id\":1,\"name\":\"b\"},\"old\":{\"id\":1,\"name\":"
                                 "\"a\"}" END,
                  "{\"new\":{\"owner\":8},\"old\":{\"owner\":7}}"}));
}

static void test_nothing_changed(void **state)
{
    (void)state;
    check(1000, row_of('u', 0, "(1,a,x,7)", "(1,a,x,8)"), CHANGE_FAULT_NONE, NO_EVENT);
    check(1000, row_of('w', 'k', "(1,x,7)", "(1,x,8)"), CHANGE_FAULT_NONE, NO_EVENT);
    /* NULL is not an empty text. */
    check(
        1000, row_of('u', 0, "(1,,x,7)", "(1,\"\",x,7)"), CHANGE_FAULT_NONE,
        EVENTS(
            {"r/x",
             HEAD("update") "\"new\":{\"id\":1,\"name\":\"\"},\"old\":{\"id\":1,\"name\":null}" END,
             "{\"new\":{\"owner\":7},\"old\":{\"owner\":7}}"}));
}

static void test_moves(void **state)
{
    static const struct expected moved[] = {
        {"r/x", HEAD("delete") "\"new\":null,\"old\":{\"id\":1,\"name\":\"a\"}" END,
         "{\"new\":null,\"old\":{\"owner\":7}}"},
        {"r/y", HEAD("insert") "\"new\":{\"id\":1,\"name\":\"a\"},\"old\":null" END,
         "{\"new\":{\"owner\":8},\"old\":null}"},
    };
    (void)state;
    check(1000, row_of('u', 0, "(1,a,x,7)", "(1,a,y,8)"), CHANGE_FAULT_NONE, moved, 2);
    check(1000, row_of('u', 0, "(1,a,x,7)", "(1,a,,8)"), CHANGE_FAULT_NONE, moved, 1);
    check(1000, row_of('u', 0, "(1,a,,7)", "(1,a,y,8)"), CHANGE_FAULT_NONE, moved + 1, 1);
    check(1000, row_of('u', 0, "(1,a,,7)", "(2,b,,8)"), CHANGE_FAULT_NONE, NO_EVENT);
    check(1000, row_of('w', 'c', "(x)", "(y)"), CHANGE_FAULT_SIZE,
          EVENTS({"r/x", HEAD("delete") "\"new\":null,\"old\":{}" CUT("size"), NULL},
                 {"r/y", HEAD("insert") "\"new\":{},\"old\":null" CUT("size"), NULL}));
}

static void test_reduced_by_the_trigger(void **state)
{
    (void)state;
    check(1000, row_of('u', 'k', "(1,x,7)", "(1,x,8)"), CHANGE_FAULT_SIZE,
          EVENTS({"r/x", HEAD("update") "\"new\":{\"id\":1},\"old\":{\"id\":1}" CUT("size"),
                  "{\"new\":{\"owner\":8},\"old\":{\"owner\":7}}"}));
    check(1000, row_of('i', 'K', NULL, "(1,x,7)"), CHANGE_FAULT_UNPRINTABLE,
          EVENTS({"r/x", HEAD("insert") "\"new\":{\"id\":1},\"old\":null" CUT("unprintable"),
                  "{\"new\":{\"owner\":7},\"old\":null}"}));
    check(1000, row_of('i', 'C', NULL, "(x)"), CHANGE_FAULT_UNPRINTABLE,
          EVENTS({"r/x", HEAD("insert") "\"new\":{},\"old\":null" CUT("unprintable"), NULL}));
    check(1000, row_of('s', 'u', NULL, NULL), CHANGE_FAULT_UNPRINTABLE, NO_EVENT);
    check(1000, row_of('s', 't', NULL, NULL), CHANGE_FAULT_TEMPLATE, NO_EVENT);
}

/* The limit is that of the payload, to the byte, and a row without its key is told at any price. */
static void test_size(void **state)
{
    static const char whole[] =
        HEAD("insert") "\"new\":{\"id\":1,\"name\":\"abcdefghijklmnopqrstuvwxyz"
                       "abcdefghijklmnopqrstuvwxyz\"},\"old\":null" END;
    static const char key[] = HEAD("insert") "\"new\":{\"id\":1},\"old\":null" CUT("size");
    static const char nothing[] = HEAD("insert") "\"new\":{},\"old\":null" CUT("size");
    static const char kept[] = "{\"new\":{\"owner\":7},\"old\":null}";
    struct change_row row =
        row_of('i', 0, NULL, "(1,abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz,x,7)");
    (void)state;
    check(sizeof(whole) - 1, row, CHANGE_FAULT_NONE, EVENTS({"r/x", whole, kept}));
    check(sizeof(whole) - 2, row, CHANGE_FAULT_SIZE, EVENTS({"r/x", key, kept}));
    check(sizeof(key) - 1, row, CHANGE_FAULT_SIZE, EVENTS({"r/x", key, kept}));
    check(sizeof(key) - 2, row, CHANGE_FAULT_SIZE, EVENTS({"r/x", nothing, kept}));
    check(0, row, CHANGE_FAULT_SIZE, EVENTS({"r/x", nothing, kept}));
}

static size_t len_within(const char *type, const char *value, size_t max_bytes,
                         enum change_fault expected)
{
    static const char nothing[] = HEAD("insert") "\"new\":{},\"old\":null" CUT("size");
    struct buf columns = {0}, record = {0};
    struct change_event events[2];
    enum change_fault fault;
    buf_printf(&columns, COLUMN("v", "%s"), type);
    buf_printf(&record, "(%s)", value);
    struct shape *shape = shape_make("[\"c\"]", "text", max_bytes, "[]", buf_text(&columns));
    struct change_row row = row_of('i', 0, NULL, buf_text(&record));
    assert_int_equal(change_events(shape, &row, &scratch, events, &fault), 1);
    assert_int_equal(fault, expected);
    if (expected == CHANGE_FAULT_SIZE) {
        assert_span(events[0].payload, nothing);
    }
    shape_unref(shape);
    buf_release(&columns);
    buf_release(&record);
    return events[0].payload.len;
}

/* Inside a value, too, it ends where the limit is passed. */
static void test_size_of_values(void **state)
{
    static const char *const types[][2] = {
        {"{\"array\":\"int\"}", "\"{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}\""},
        {"{\"vector\":\"int\"}", "\"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\""},
        {"{\"composite\":[[\"abcdefghijklmnop\",\"int\"],[\"qrstuvwxyzabcdef\",\"int\"],"
         "[\"ghijklmnopqrstuv\",\"int\"]]}",
         "\"(1,2,3)\""},
        {"\"json\"", "\"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]\""},
        {"\"hstore\"", "\"\"\"abcdefghijkl\"\"=>\"\"mnopqrstuvwxyzabcdefgh\"\"\""},
        {"{\"array\":{\"array\":\"timestamptz\"}}",
         "\"{\"\"{\\\\\"\"2020-01-01 10:00:00+02\\\\\"\",\\\\\"\"2020-01-01 "
         "10:00:00+02\\\\\"\"}\"\"}\""},
        {"{\"range\":\"timestamptz\"}",
         "\"[\"\"2020-01-01 10:00:00+02\"\",\"\"2020-01-01 10:00:00+02\"\"]\""},
        {"\"text\"", "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
                     "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t len = len_within(types[i][0], types[i][1], 1000, CHANGE_FAULT_NONE);
        for (size_t max_bytes = 0; max_bytes < len; max_bytes++) {
            len_within(types[i][0], types[i][1], max_bytes, CHANGE_FAULT_SIZE);
        }
        assert_int_equal(len_within(types[i][0], types[i][1], len, CHANGE_FAULT_NONE), len);
    }
}

/* Of an update whose old row is too big both go; of a move each row is judged for itself. */
static void test_size_of_two(void **state)
{
    static const char old[] = "(1,abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz,x,7)";
    (void)state;
    check(160, row_of('u', 0, old, "(1,b,x,7)"), CHANGE_FAULT_SIZE,
          EVENTS({"r/x", HEAD("update") "\"new\":{\"id\":1},\"old\":{\"id\":1}" CUT("size"),
                  "{\"new\":{\"owner\":7},\"old\":{\"owner\":7}}"}));
    check(160, row_of('u', 0, old, "(1,b,y,7)"), CHANGE_FAULT_SIZE,
          EVENTS({"r/x", HEAD("delete") "\"new\":null,\"old\":{\"id\":1}" CUT("size"),
                  "{\"new\":null,\"old\":{\"owner\":7}}"},
                 {"r/y", HEAD("insert") "\"new\":{\"id\":1,\"name\":\"b\"},\"old\":null" END,
                  "{\"new\":{\"owner\":7},\"old\":null}"}));
}

static void test_stale(void **state)
{
    (void)state;
    check(1000, row_of('i', 0, NULL, "(z,a,x,7)"), CHANGE_FAULT_STALE,
          EVENTS({"r/x",
                  HEAD("insert") "\"new\":{\"id\":\"z\",\"name\":\"a\"},\"old\":null,\"reduced\":"
                                 "\"stale\"" END,
                  "{\"new\":{\"owner\":7},\"old\":null}"}));
    /* Nobody judges by what is not of its type, and nothing of it is told. */
    check(
        1000, row_of('i', 0, NULL, "(1,a,x,z)"), CHANGE_FAULT_STALE,
        EVENTS({"r/x", HEAD("insert") "\"new\":{\"id\":1,\"name\":\"a\"},\"old\":null" END, NULL}));
}

static void test_no_row_of_the_shape(void **state)
{
    static const char *const records[] = {"(1,a,x)", "(1,a,x,7,8)", "()",          "",
                                          "1,a,x,7", "(1,a,x,7",    "(1,\"a,x,7)", NULL};
    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        check(1000, row_of('i', 0, NULL, records[i]), CHANGE_FAULT_STALE, NO_EVENT);
        check(1000, row_of('d', 0, records[i], NULL), CHANGE_FAULT_STALE, NO_EVENT);
        check(1000, row_of('u', 0, records[i], "(1,a,x,7)"), CHANGE_FAULT_STALE, NO_EVENT);
    }
    check(1000, row_of('i', 'k', NULL, "(1,a,x,7)"), CHANGE_FAULT_STALE, NO_EVENT);
    check(1000, row_of('i', 'c', NULL, "(1,x,7)"), CHANGE_FAULT_STALE, NO_EVENT);
    check(1000, row_of('i', 'q', NULL, "(1,a,x,7)"), CHANGE_FAULT_STALE, NO_EVENT);
    check(1000, row_of('p', 0, NULL, "(1,a,x,7)"), CHANGE_FAULT_STALE, NO_EVENT);
    check(1000, row_of(0, 0, NULL, "(1,a,x,7)"), CHANGE_FAULT_STALE, NO_EVENT);
}

static void test_no_utf8(void **state)
{
    (void)state;
    check(1000, row_of('i', 0, NULL, "(1,\xff,x,7)"), CHANGE_FAULT_UNPRINTABLE,
          EVENTS({"r/x", HEAD("insert") "\"new\":{\"id\":1},\"old\":null" CUT("unprintable"),
                  "{\"new\":{\"owner\":7},\"old\":null}"}));
    check(1000, row_of('u', 0, "(1,\xff,x,7)", "(1,a,x,7)"), CHANGE_FAULT_UNPRINTABLE,
          EVENTS({"r/x", HEAD("update") "\"new\":{\"id\":1},\"old\":{\"id\":1}" CUT("unprintable"),
                  "{\"new\":{\"owner\":7},\"old\":{\"owner\":7}}"}));
    check(
        1000, row_of('i', 0, NULL, "(1,a,x,\xff)"), CHANGE_FAULT_UNPRINTABLE,
        EVENTS({"r/x", HEAD("insert") "\"new\":{\"id\":1},\"old\":null" CUT("unprintable"), NULL}));
    check(1000, row_of('i', 0, NULL, "(1,a,\xff,7)"), CHANGE_FAULT_UNPRINTABLE, NO_EVENT);
    check(1000, row_of('i', 0, NULL, "(\xff,a,x,7)"), CHANGE_FAULT_UNPRINTABLE, NO_EVENT);
    check(1000, row_of('i', 'c', NULL, "(\xff)"), CHANGE_FAULT_UNPRINTABLE, NO_EVENT);
}

static void test_channels(void **state)
{
    char longer[300] = "(1,a,";
    (void)state;
    memset(longer + 5, 'v', 254);
    memcpy(longer + 259, ",7)", 4);
    check(1000, row_of('i', 0, NULL, "(1,a,,7)"), CHANGE_FAULT_NONE, NO_EVENT);
    check(1000, row_of('i', 0, NULL, longer), CHANGE_FAULT_CHANNEL, NO_EVENT);
    /* What has a place is told in it. */
    check(1000, row_of('u', 0, "(1,a,x,7)", longer), CHANGE_FAULT_CHANNEL,
          EVENTS({"r/x", HEAD("delete") "\"new\":null,\"old\":{\"id\":1,\"name\":\"a\"}" END,
                  "{\"new\":null,\"old\":{\"owner\":7}}"}));
}

/* The key is printed in its own order, and a shape may have none; nothing kept is no kept. */
static void test_keys(void **state)
{
    (void)state;
    struct shape *shape = shape_make("[\"c\"]", "text", 60, "[1,0]",
                                     COLUMN("a", "\"bigint\"") "," COLUMN("b", "\"bigint\""));
    check_by(shape, row_of('i', 'k', NULL, "(1,2)"), CHANGE_FAULT_SIZE,
             EVENTS({"c", HEAD("insert") "\"new\":{},\"old\":null" CUT("size"), NULL}));
    shape_unref(shape);
    shape = shape_make("[\"c\"]", "native", 1000, "[1,0]",
                       COLUMN("a", "\"bigint\"") "," COLUMN("b", "\"bigint\""));
    check_by(
        shape, row_of('i', 'k', NULL, "(1,2)"), CHANGE_FAULT_SIZE,
        EVENTS({"c", HEAD("insert") "\"new\":{\"b\":2,\"a\":1},\"old\":null" CUT("size"), NULL}));
    /* A template without columns: the record has none. */
    check_by(shape, row_of('i', 'c', NULL, "()"), CHANGE_FAULT_SIZE,
             EVENTS({"c", HEAD("insert") "\"new\":{},\"old\":null" CUT("size"), NULL}));
    shape_unref(shape);
    shape = shape_make("[\"c\"]", "text", 1000, "[]", COLUMN("a", "\"int\""));
    check_by(shape, row_of('d', 'k', "()", NULL), CHANGE_FAULT_SIZE,
             EVENTS({"c", HEAD("delete") "\"new\":null,\"old\":{}" CUT("size"), NULL}));
    shape_unref(shape);
}

static void test_truncate(void **state)
{
    struct buf payload = {0};
    struct shape *shape = shape_of(10);
    (void)state;
    change_truncate(shape, &payload);
    assert_span(buf_span(&payload), HEAD("truncate") "\"new\":null,\"old\":null" END);
    buf_release(&payload);
    shape_unref(shape);
}

/* One scratch for shapes of different widths, and for a row of a megabyte between small ones. */
static void test_scratch(void **state)
{
    struct buf record = {0}, payload = {0};
    struct shape *narrow = shape_make("[\"c\"]", "text", 4000000, "[]", COLUMN("a", "\"text\""));
    (void)state;
    for (int i = 0; i < 500000; i++) {
        buf_literal(&payload, "\\\"\\n");
        buf_literal(&record, "\"\"\n");
    }
    struct buf row = {0}, expected = {0};
    buf_printf(&row, "(\"%s\")", buf_text(&record));
    buf_printf(&expected, HEAD("insert") "\"new\":{\"a\":\"%s\"},\"old\":null" END,
               buf_text(&payload));
    for (int i = 0; i < 2; i++) {
        check(
            1000, row_of('i', 0, NULL, "(1,\"a\"\"\",x,7)"), CHANGE_FAULT_NONE,
            EVENTS({"r/x", HEAD("insert") "\"new\":{\"id\":1,\"name\":\"a\\\"\"},\"old\":null" END,
                    "{\"new\":{\"owner\":7},\"old\":null}"}));
        check_by(narrow, row_of('i', 0, NULL, buf_text(&row)), CHANGE_FAULT_NONE,
                 EVENTS({"c", buf_text(&expected), NULL}));
    }
    buf_release(&record);
    buf_release(&payload);
    buf_release(&row);
    buf_release(&expected);
    shape_unref(narrow);
}

/* A shape lives as long as its last reference. */
static void test_references(void **state)
{
    (void)state;
    struct shape *shape = shape_of(1000);
    assert_ptr_equal(shape_ref(shape), shape);
    shape_unref(shape);
    assert_int_equal(shape->f.number, 7);
    shape_unref(shape);
    shape_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_rows),
        cmocka_unit_test(test_nothing_changed),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_reduced_by_the_trigger),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_size_of_values),
        cmocka_unit_test(test_size_of_two),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_no_row_of_the_shape),
        cmocka_unit_test(test_no_utf8),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_scratch),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, clean);
}
