/* SPDX-License-Identifier: PostgreSQL */
/* Reads of channels against a real Postgres: heads, the newest, what came since, and for whom. */
#include "bed_harness.h"

static void read_and_wait(enum store_read_kind kind, const char *channel, uint32_t limit,
                          struct str epoch, uint64_t since)
{
    struct store_query query = {kind, str_of(channel), limit, epoch, since, 1 << 20, 1000};
    size_t before = bed->n_answers;
    bed_read(bed, &query);
    bed_wait(bed, &bed->n_answers, before + 1);
    assert_false(bed->answer.is_failed);
    assert_string_equal(bed->answer_epoch, bed->epoch);
}

static void test_reads(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    bed_sql(bed, "SELECT herald.publish('r', to_jsonb(i)) FROM generate_series(1, 30) i");
    bed_wait(bed, &bed->n_events, 30);
    struct str epoch = str_of(bed->epoch);

    read_and_wait(STORE_READ_HEAD, "r", 0, (struct str){0}, 0);
    assert_int_equal(bed->answer.head, 30);
    assert_int_equal(bed->answer.n_events, 0);

    read_and_wait(STORE_READ_HEAD, "nobody", 0, (struct str){0}, 0);
    assert_int_equal(bed->answer.head, 0);

    read_and_wait(STORE_READ_LAST, "r", 7, (struct str){0}, 0);
    assert_int_equal(bed->answer.n_events, 7);
    assert_int_equal(bed->answer_events[0]->f.offset, 24);
    assert_int_equal(bed->answer_events[6]->f.offset, 30);
    assert_true(str_equals(bed->answer_events[6]->f.payload,
                           STR("{\"data\":30,\"dbo_id\":0,\"row_id\":0}")));
    assert_true(str_equals(bed->answer_events[6]->f.channel, STR("r")));

    read_and_wait(STORE_READ_SINCE, "r", 9, epoch, 28);
    assert_false(bed->answer.is_gap);
    assert_int_equal(bed->answer.n_events, 2);
    assert_int_equal(bed->answer_events[0]->f.offset, 29);

    read_and_wait(STORE_READ_SINCE, "r", 9, epoch, 11);
    assert_int_equal(bed->answer.n_events, 9);
    assert_int_equal(bed->answer_events[0]->f.offset, 12);
    assert_int_equal(bed->answer.head, 30);

    read_and_wait(STORE_READ_SINCE, "r", 9, epoch, 30);
    assert_false(bed->answer.is_gap);
    assert_int_equal(bed->answer.n_events, 0);

    const struct {
        struct str epoch;
        uint64_t since;
    } gaps[] = {{STR("other"), 28}, {epoch, 31},      {epoch, UINT64_MAX},
                {{"a\0b", 3}, 1},   {STR("\xC3"), 1}, {{0}, 1}};
    for (size_t i = 0; i < sizeof(gaps) / sizeof(*gaps); i++) {
        read_and_wait(STORE_READ_SINCE, "r", 9, gaps[i].epoch, gaps[i].since);
        assert_true(bed->answer.is_gap);
        assert_int_equal(bed->answer.n_events, 0);
        assert_int_equal(bed->answer.head, 30);
    }
}

/* The offsets of the channel r that are read and that such a viewer may see. */
static const char *seen_by(int32_t dbo_id, struct str row_id, enum store_read_kind kind,
                           uint32_t limit, uint64_t since)
{
    static char seen[64];
    struct identity *viewer = dbo_id < 0 ? NULL : identity_new(dbo_id, row_id, (struct str){0}, 0);
    read_and_wait(kind, "r", limit, str_of(bed->epoch), since);
    assert_false(bed->answer.is_gap);
    assert_int_equal(bed->answer.head, 6);
    size_t len = 0;
    seen[0] = 0;
    for (size_t i = 0; i < bed->answer.n_events; i++) {
        const struct event_fields *event = &bed->answer_events[i]->f;
        assert_int_equal(event->offset, bed->answer_events[0]->f.offset + i); /* no hole */
        if (audience_admits(&event->audience, viewer)) {
            len += (size_t)snprintf(seen + len, sizeof(seen) - len, "%llu",
                                    (unsigned long long)event->offset);
        }
    }
    identity_unref(viewer);
    return seen;
}

static void test_a_viewer_gets_what_is_for_him(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    bed_sql(bed, "SELECT herald.publish('r', '1'); SELECT herald.publish('r', '2', 12);"
                 " SELECT herald.publish('r', '3', 12, '34')");
    bed_wait(bed, &bed->n_events, 3);
    struct event_fields fields = {.action = EVENT_ACTION_MESSAGE,
                                  .channel = STR("r"),
                                  .audience = {.kind = AUDIENCE_AUTHENTICATED},
                                  .payload = STR("\"#1\"")};
    struct event *event = event_new(&fields);
    struct store_append append = {.message = event, .sender = {0, 1, 1}};
    assert_true(bed->store.log.append(bed->store.log.ctx, &append));
    event_unref(event);
    bed_wait(bed, &bed->n_events, 4);
    bed_sql(bed, "SELECT herald.publish('r', '5', 13); SELECT herald.publish('r', '6')");
    bed_wait(bed, &bed->n_events, 6);
    assert_int_equal(bed->events[1]->f.audience.kind, AUDIENCE_TABLE);
    assert_int_equal(bed->events[2]->f.audience.kind, AUDIENCE_USER);
    assert_true(str_equals(bed->events[2]->f.audience.row_id, STR("34")));

    static const struct str none = {0};
    assert_string_equal(seen_by(-1, none, STORE_READ_LAST, 9, 0), "16");
    assert_string_equal(seen_by(0, none, STORE_READ_LAST, 9, 0), "146");
    assert_string_equal(seen_by(12, none, STORE_READ_LAST, 9, 0), "1246");
    assert_string_equal(seen_by(12, STR("34"), STORE_READ_LAST, 9, 0), "12346");
    assert_string_equal(seen_by(12, STR("35"), STORE_READ_LAST, 9, 0), "1246");
    assert_string_equal(seen_by(13, STR("34"), STORE_READ_LAST, 9, 0), "1456");
    assert_string_equal(seen_by(12, STR("34"), STORE_READ_LAST, 1, 0), "6");
    assert_string_equal(seen_by(12, STR("34"), STORE_READ_SINCE, 3, 2), "34");
    assert_string_equal(seen_by(-1, none, STORE_READ_LAST, 2, 0), "16");
    assert_string_equal(seen_by(12, STR("34"), STORE_READ_SINCE, 9, 2), "346");
    assert_string_equal(seen_by(-1, none, STORE_READ_SINCE, 9, 2), "6");
}

static void test_many_reads_at_once(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    struct store_query query = {.kind = STORE_READ_HEAD, .channel = STR("r")};
    for (int i = 0; i < 1000; i++) {
        bed_read(bed, &query);
    }
    bed_wait(bed, &bed->n_answers, 1000);
    assert_false(bed->answer.is_failed);
}

static void test_reads_are_failed_when_it_ends(void **state)
{
    (void)state;
    bed_start_plainly(bed);
    cluster_down(false);
    bed_wait(bed, &bed->n_down, 1);
    struct store_query query = {.kind = STORE_READ_HEAD, .channel = STR("r")};
    bed_read(bed, &query);
    assert_true(bed_append(bed, "room", STR("\"#1\""), 1));
    database_stop(bed->database, 50, (loop_fn *)loop_stop, bed->loop);
    loop_run(bed->loop);
    assert_int_equal(bed->n_answers, 1);
    assert_true(bed->answer.is_failed);
    assert_int_equal(bed->n_failed, 1);
    bed_read(bed, &query);
    assert_false(bed_append(bed, "room", STR("\"#2\""), 2));
    database_free(bed->database);
    bed->database = NULL;
    assert_int_equal(bed->n_answers, 2);
    assert_true(bed->answer.is_failed);
    cluster_up();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads),
        TEST(test_a_viewer_gets_what_is_for_him),
        TEST(test_many_reads_at_once),
        TEST(test_reads_are_failed_when_it_ends),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
