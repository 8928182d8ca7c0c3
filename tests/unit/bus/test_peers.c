/* SPDX-License-Identifier: PostgreSQL */
/* Who is there, by a clock that the test turns: leases, what is old, what is late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "bus/peers.h"

enum { TICK_MS = 100 };

static struct {
    struct peers *peers;
    uint64_t now, link, seq;
    char news[64]; /* a letter each */
    char name[80], id[ID_TEXT_SIZE];
} bed;

static void on_peer(void *ctx, const struct bus_peer *peer, enum bus_news news)
{
    (void)ctx;
    size_t n = strlen(bed.news);
    assert_true(n + 1 < sizeof(bed.news));
    bed.news[n] = "CSBLD"[news]; /* Came Stale Back Left Dead */
    snprintf(bed.name, sizeof(bed.name), "%s", peer->name);
    memcpy(bed.id, peer->id, sizeof(bed.id));
}

static bool is_news(const char *expected)
{
    bool is_same = strcmp(bed.news, expected) == 0;
    if (!is_same) {
        print_error("news: \"%s\" instead of \"%s\"\n", bed.news, expected);
    }
    memset(bed.news, 0, sizeof(bed.news));
    return is_same;
}

static struct seal_head head_of(const char *id, uint64_t seq, uint64_t sent_ms)
{
    struct seal_head head = {.kind = BUS_KIND_BEAT, .seq = seq, .sent_ms = sent_ms};
    snprintf(head.from, sizeof(head.from), "%-16.16s", id);
    return head;
}

/* A message that took so long. The sender's clock began at another time than ours. */
static enum peers_verdict hear(const char *id, uint64_t took_ms)
{
    struct seal_head head = head_of(id, ++bed.seq, bed.now - took_ms + 123456789);
    return peers_hear(bed.peers, &head, bed.now);
}

static bool beat_reading(const char *id, bool names_me, uint8_t newest)
{
    struct seal_head head = head_of(id, 0, 0);
    struct peers_word word = {.name = str_of(id), .newest = newest, .names_me = names_me};
    hear(id, 0);
    return peers_beat(bed.peers, head.from, &word);
}

static bool beat(const char *id, bool names_me)
{
    return beat_reading(id, names_me, 2);
}

static bool hear_foreign(const char *id)
{
    struct seal_head head = head_of(id, ++bed.seq, bed.now);
    return peers_hear_foreign(bed.peers, &head, bed.now);
}

static void pass(uint64_t ms)
{
    for (uint64_t end = bed.now + ms; bed.now < end;) {
        bed.now += TICK_MS;
        peers_tick(bed.peers, bed.now, bed.link);
    }
}

/* It beats all the time, we are well: for so long. */
static void beats_for(const char *id, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += 1000) {
        beat(id, true);
        pass(1000);
    }
}

static int setup(void **state)
{
    (void)state;
    memset(&bed, 0, sizeof(bed));
    bed.now = 1000000;
    bed.link = 1;
    bed.peers = peers_new(on_peer, NULL);
    peers_tick(bed.peers, bed.now, bed.link);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peers_free(bed.peers);
    return 0;
}

/* ---- coming and going ---- */

static void a_node_is_there_when_it_names_me(void **state)
{
    (void)state;
    assert_int_equal(hear("one", 0), PEERS_STRANGER);
    assert_true(beat("one", false));
    assert_false(beat("one", false));
    assert_true(is_news(""));
    assert_int_equal(hear("one", 0), PEERS_STRANGER);
    assert_false(beat("one", true));
    assert_true(is_news("C"));
    assert_string_equal(bed.name, "one");
    assert_string_equal(bed.id, "one             ");
    assert_int_equal(hear("one", 0), PEERS_NEW);
    assert_false(beat("one", false)); /* it has lost me: that is his affair */
    assert_true(is_news(""));
}

static void who_is_heard_is_written(void **state)
{
    (void)state;
    struct buf heard = {0};
    beat("one", false);
    beat("two", true);
    hear("three", 0); /* no beat yet */
    beat("four", true);
    peers_goodbye(bed.peers, "four            ");
    peers_write_heard(bed.peers, &heard);
    assert_string_equal(buf_text(&heard), "one             two             ");
    buf_release(&heard);
}

static void who_says_goodbye_has_left_at_once(void **state)
{
    (void)state;
    beat("one", true);
    peers_goodbye(bed.peers, "one             ");
    assert_true(is_news("CL"));
    peers_goodbye(bed.peers, "one             ");
    peers_goodbye(bed.peers, "nobody          ");
    pass(20000);
    assert_true(is_news(""));
    assert_int_equal(hear("one", 0), PEERS_STRANGER);
}

static void silence_is_stale_then_dead(void **state)
{
    (void)state;
    beats_for("one", 10000);
    assert_true(is_news("C"));
    pass(1900); /* and the second behind the last beat */
    assert_true(is_news(""));
    pass(200);
    assert_true(is_news("S"));
    assert_int_equal(peers_count(bed.peers).stale, 1);
    pass(1800);
    assert_true(is_news(""));
    pass(200);
    assert_true(is_news("D"));
    assert_int_equal(peers_count(bed.peers).alive + peers_count(bed.peers).stale, 0);
}

static void who_was_stale_is_back(void **state)
{
    (void)state;
    beats_for("one", 10000);
    pass(2500);
    hear("one", 0);
    assert_true(is_news("CSB"));
    pass(2900);
    assert_true(is_news(""));
}

static void who_was_dead_comes_when_he_names_me_again(void **state)
{
    (void)state;
    beats_for("one", 10000);
    pass(5000);
    assert_true(is_news("CSD"));
    assert_int_equal(hear("one", 0), PEERS_STRANGER);
    assert_true(beat("one", false));
    assert_true(is_news(""));
    beat("one", true);
    assert_true(is_news("C"));
}

/* ---- my own state ---- */

static void nobody_is_silent_while_i_am_away(void **state)
{
    (void)state;
    beats_for("one", 10000);
    bed.link = 0;
    pass(60000);
    assert_true(is_news("C"));
    bed.link = 2;
    pass(2900);
    assert_true(is_news("")); /* counted from the connection */
    pass(200);
    assert_true(is_news("S"));
    pass(2000);
    assert_true(is_news("D"));
}

static void another_connection_begins_anew(void **state)
{
    (void)state;
    beats_for("one", 10000);
    pass(1500);
    bed.link++; /* lost and found between two looks */
    pass(2900);
    assert_true(is_news("C"));
}

static void a_pause_of_mine_begins_anew(void **state)
{
    (void)state;
    beats_for("one", 10000);
    bed.now += 60000;
    peers_tick(bed.peers, bed.now, bed.link);
    assert_true(is_news("C"));
    pass(2900);
    assert_true(is_news(""));
    pass(200);
    assert_true(is_news("S"));
}

static void a_short_pause_changes_nothing(void **state)
{
    (void)state;
    beats_for("one", 10000);
    bed.now += 500;
    peers_tick(bed.peers, bed.now, bed.link);
    pass(4500);
    assert_true(is_news("CSD"));
}

/* ---- what is old ---- */

static void the_same_and_what_comes_behind_it_is_old(void **state)
{
    (void)state;
    beat("one", true);
    struct seal_head next = head_of("one", 100, bed.now), same = next, older = next;
    older.seq = 99;
    assert_int_not_equal(peers_hear(bed.peers, &next, bed.now), PEERS_REPEATED);
    assert_int_equal(peers_hear(bed.peers, &same, bed.now), PEERS_REPEATED);
    assert_int_equal(peers_hear(bed.peers, &older, bed.now), PEERS_REPEATED);
}

/* What was recorded of a node before it went is old for ever. */
static void who_has_gone_is_remembered(void **state)
{
    (void)state;
    beat("one", true);
    peers_goodbye(bed.peers, "one             ");
    pass(60000);
    struct seal_head recorded = head_of("one", 1, bed.now);
    assert_int_equal(peers_hear(bed.peers, &recorded, bed.now), PEERS_REPEATED);
}

static void old_messages_do_not_keep_a_node_alive(void **state)
{
    (void)state;
    beats_for("one", 10000);
    struct seal_head recorded = head_of("one", 1, bed.now);
    for (int i = 0; i < 60; i++) {
        pass(100);
        assert_int_equal(peers_hear(bed.peers, &recorded, bed.now), PEERS_REPEATED);
    }
    assert_true(is_news("CSD"));
}

static void those_who_have_gone_make_room(void **state)
{
    (void)state;
    char id[17];
    for (int i = 0; i < PEERS_MAX; i++) {
        snprintf(id, sizeof(id), "%016d", i);
        beat(id, true);
        memset(bed.news, 0, sizeof(bed.news));
        bed.now += i == 0 ? 1 : 0; /* the first is the oldest */
    }
    assert_int_equal(hear("one more", 0), PEERS_TOO_MANY);
    peers_goodbye(bed.peers, "0000000000000007");
    assert_int_equal(hear("one more", 0), PEERS_STRANGER);
    beat("one more", true);
    assert_true(is_news("LC"));
    assert_int_equal(hear("0000000000000000", 0), PEERS_NEW);
}

/* ---- what is late ---- */

static void a_second_over_the_fastest_is_late(void **state)
{
    (void)state;
    beat("one", true);
    hear("one", 5);
    assert_int_equal(hear("one", 1000), PEERS_NEW);
    assert_int_equal(hear("one", 1001), PEERS_LATE);
    assert_int_equal(hear("one", 20000), PEERS_LATE);
    assert_int_equal(hear("one", 5), PEERS_NEW);
}

static void clocks_may_drift(void **state)
{
    (void)state;
    beat("one", true);
    for (uint64_t drift = 0; drift < 600 * 2; drift++) { /* 10 minutes, 5 ms a second */
        bed.now += 500;
        assert_int_equal(hear("one", drift * 5 / 2), PEERS_NEW);
    }
}

/* I was stopped: what waited for me is late, although no window has been open for so long. */
static void what_waited_for_me_is_late(void **state)
{
    (void)state;
    beats_for("one", 10000);
    bed.now += 300000;
    peers_tick(bed.peers, bed.now, bed.link);
    for (uint64_t took = 300000; took > 1000; took -= 1000) {
        assert_int_equal(hear("one", took), PEERS_LATE);
    }
    assert_int_equal(hear("one", 0), PEERS_NEW);
}

/* A node that was stopped and given up: its old words must not bring it back, nor be the measure. */
static void what_a_dead_node_said_before_is_nothing(void **state)
{
    (void)state;
    beats_for("one", 10000);
    pass(20000);
    assert_true(is_news("CSD"));
    assert_int_equal(hear("one", 20000), PEERS_REPEATED);
    assert_int_equal(hear("one", 0), PEERS_STRANGER);
}

static void who_is_not_understood_is_counted_while_he_speaks(void **state)
{
    (void)state;
    assert_true(hear_foreign("x"));
    assert_false(hear_foreign("x"));
    assert_int_equal(peers_count(bed.peers).foreign, 1);
    assert_int_equal(peers_company(bed.peers), BUS_COMPANY_PART);
    struct buf heard = {0};
    peers_write_heard(bed.peers, &heard);
    assert_int_equal(heard.len, 0);
    for (int i = 0; i < 12; i++) {
        pass(1000);
        hear_foreign("x");
    }
    assert_int_equal(peers_count(bed.peers).foreign, 1);
    pass(PEERS_DEAD_MS + TICK_MS);
    assert_int_equal(peers_count(bed.peers).foreign, 0);
    assert_true(is_news(""));
    assert_true(hear_foreign("x"));
    beat("x", true); /* it has gone back */
    assert_int_equal(peers_count(bed.peers).foreign, 0);
    assert_true(is_news("C"));
    assert_false(hear_foreign("x")); /* which is no reason to give it up */
    assert_int_equal(peers_count(bed.peers).alive, 1);
}

static void the_oldest_program_decides_what_all_read(void **state)
{
    (void)state;
    assert_int_equal(peers_newest(bed.peers), 0);
    beat_reading("a", true, 3);
    assert_int_equal(peers_newest(bed.peers), 3);
    beat_reading("b", false, 2);
    assert_int_equal(peers_newest(bed.peers), 2);
    struct seal_head head = head_of("b", 0, 0);
    peers_goodbye(bed.peers, head.from);
    assert_int_equal(peers_newest(bed.peers), 3);
}

static void nobody_is_there_only_if_he_had_time_to_say_so(void **state)
{
    (void)state;
    assert_int_equal(peers_company(bed.peers), BUS_COMPANY_UNKNOWN);
    pass(PEERS_DEAD_MS + TICK_MS);
    assert_int_equal(peers_company(bed.peers), BUS_COMPANY_NONE);
    beat("a", true);
    assert_int_equal(peers_company(bed.peers), BUS_COMPANY_WHOLE);
    bed.link = 0;
    pass(TICK_MS);
    assert_int_equal(peers_company(bed.peers), BUS_COMPANY_UNKNOWN);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_node_is_there_when_it_names_me),
        TEST(who_is_heard_is_written),
        TEST(who_says_goodbye_has_left_at_once),
        TEST(silence_is_stale_then_dead),
        TEST(who_was_stale_is_back),
        TEST(who_was_dead_comes_when_he_names_me_again),
        TEST(nobody_is_silent_while_i_am_away),
        TEST(another_connection_begins_anew),
        TEST(a_pause_of_mine_begins_anew),
        TEST(a_short_pause_changes_nothing),
        TEST(the_same_and_what_comes_behind_it_is_old),
        TEST(who_has_gone_is_remembered),
        TEST(old_messages_do_not_keep_a_node_alive),
        TEST(those_who_have_gone_make_room),
        TEST(a_second_over_the_fastest_is_late),
        TEST(clocks_may_drift),
        TEST(what_waited_for_me_is_late),
        TEST(what_a_dead_node_said_before_is_nothing),
        TEST(who_is_not_understood_is_counted_while_he_speaks),
        TEST(the_oldest_program_decides_what_all_read),
        TEST(nobody_is_there_only_if_he_had_time_to_say_so),
    };
#undef TEST
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
