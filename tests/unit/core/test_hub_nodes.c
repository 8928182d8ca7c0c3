/* SPDX-License-Identifier: PostgreSQL */
/* Messages that nobody keeps, over several nodes: to a channel, to an identity, to one socketId. */
#include "nodes_harness.h"

/* ---- to the channel ---- */

static void test_a_message_reaches_members_everywhere(void **state)
{
    (void)state;
    const char *ann = sit(0, 0, WHO_ANN);
    sit(0, 1, WHO_ANYBODY);
    sit(1, 0, WHO_ANYBODY);
    sit(2, 0, WHO_BEN);
    say(0, 0, "\"hi\"");
    assert_string_equal(got(0, 0), "M"); /* at once, not by the bus */
    assert_string_equal(got(1, 0), "");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M"); /* once */
    assert_string_equal(got(0, 1), "M");
    assert_string_equal(got(1, 0), "M");
    assert_string_equal(got(2, 0), "M");
    assert_string_equal(newest(2, 0).text, "\"hi\"");
    assert_string_equal(newest(2, 0).socket, ann);
    assert_int_equal(world_count(nodes[0], METRIC_RELAYED_OUT), 1);
    assert_int_equal(world_count(nodes[0], METRIC_RELAYED_IN), 0);
    assert_int_equal(world_count(nodes[1], METRIC_RELAYED_IN), 1);
    assert_int_equal(world_count(nodes[1], METRIC_RELAYED_OUT), 0);
}

static void test_messages_of_a_sender_stay_in_order(void **state)
{
    (void)state;
    const struct note *notes;
    char text[12];
    unsigned next[2] = {0};
    sit(0, 0, WHO_ANN);
    sit(1, 0, WHO_BEN);
    sit(2, 0, WHO_ANYBODY);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(text, sizeof(text), "%u", i);
        say(i % 2, 0, text);
        if (i % 7 == 3) {
            carry(i % 2, 2);
        }
    }
    world_bus_settle(bus);
    size_t n = world_received(nodes[2], 0, 0, &notes);
    assert_int_equal(n, 40);
    for (size_t i = 0; i < n; i++) {
        unsigned long said = strtoul(notes[i].text, NULL, 10);
        assert_int_equal(said / 2, next[said % 2]++);
    }
}

static void test_the_audience_is_the_same_everywhere(void **state)
{
    (void)state;
    rule_all((struct rule){.anonymous_clients = true, .auth_channel = true});
    sit(0, 0, WHO_ANN);
    sit(1, 0, WHO_ANYBODY);
    sit(1, 1, WHO_TABLE);
    sit(2, 0, WHO_BEN);
    world_message_authenticated(nodes[0], 0, 0, 0);
    world_bus_settle(bus);
    assert_string_equal(got(1, 0), "");
    assert_string_equal(got(1, 1), "M");
    assert_string_equal(got(2, 0), "M");
}

static void test_who_is_in_no_such_channel_there_gets_nothing(void **state)
{
    (void)state;
    struct rule elsewhere = OPEN;
    elsewhere.pattern = (char[]){"room/1"};
    sit(0, 0, WHO_ANN);
    world_open_as(nodes[1], 0, 0, WHO_BEN);
    world_join(nodes[1], 0, 0, 1, PLAIN);
    sit(2, 0, WHO_BEN);
    world_rules(nodes[2], &elsewhere, 1); /* it has heard of that first */
    world_take(nodes[1], 0, 0);
    world_take(nodes[2], 0, 0);
    say(0, 0, "1");
    world_bus_settle(bus);
    assert_string_equal(got(1, 0), "");
    assert_string_equal(got(2, 0), "");
}

static void test_without_the_others_nobody_gets_it(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    sit(0, 1, WHO_BEN);
    sit(1, 0, WHO_BEN);
    world_bus_cut(bus, 0, true);
    refer(0, "r");
    say(0, 0, "1");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "O"); /* and no receipt */
    assert_int_equal(newest(0, 0).code, ERROR_CODE_NO_BUS);
    assert_string_equal(newest(0, 0).ref, "r");
    assert_string_equal(got(0, 1), "");
    assert_string_equal(got(1, 0), "");
    assert_int_equal(world_count(nodes[0], METRIC_ERRORS + ERROR_CODE_NO_BUS), 1);
    assert_int_equal(world_count(nodes[0], METRIC_MESSAGES + METRIC_MESSAGE_EPHEMERAL), 0);
    world_bus_cut(bus, 0, false);
    world_take(nodes[0], 0, 0);
    refer(0, "s");
    say(0, 0, "2");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "RM");
    assert_string_equal(got(1, 0), "M");
}

static void test_without_the_others_nothing_is_done(void **state)
{
    (void)state;
    struct rule asking = OPEN;
    const struct world_call *calls;
    asking.on_message = (char[]){"hook"};
    asking.messages_per_minute = 1;
    world_rule(nodes[0], asking);
    sit(0, 0, WHO_ANN);
    world_bus_cut(bus, 0, true);
    say(0, 0, "1");
    expect_code(0, 0, ERROR_CODE_NO_BUS);
    whisper(0, 0, "nobody-has-this-");
    expect_code(0, 0, ERROR_CODE_NO_BUS);
    assert_int_equal(world_calls(nodes[0], &calls), 0);
    world_bus_cut(bus, 0, false);
    say(0, 0, "2"); /* nothing was counted */
    assert_int_equal(world_calls(nodes[0], &calls), 1);
    world_bus_cut(bus, 0, true); /* meanwhile */
    assert_true(world_reply(nodes[0], 0, DONE));
    expect_code(0, 0, ERROR_CODE_NO_BUS);
}

static void test_what_is_larger_than_the_bus_takes(void **state)
{
    (void)state;
    char text[300];
    snprintf(text, sizeof(text), "\"%200d\"", 7);
    sit(0, 0, WHO_ANN);
    sit(1, 0, WHO_BEN);
    world_bus_limit(bus, 200);
    say(0, 0, text);
    expect_code(0, 0, ERROR_CODE_TOO_LARGE);
    say(0, 0, "1");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M");
    assert_string_equal(got(1, 0), "M");
    world_take(nodes[0], 0, 0);
    world_bus_limit(bus, 20);
    whisper(0, 0, "nobody-has-this-");
    expect_code(0, 0, ERROR_CODE_TOO_LARGE);
}

static void test_what_is_kept_needs_no_bus(void **state)
{
    (void)state;
    world_site(nodes[0], 100, true, true);
    sit(0, 0, WHO_ANN);
    world_bus_cut(bus, 0, true);
    say(0, 0, "1");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M");
    assert_int_equal(newest(0, 0).offset, 1);
}

/* ---- to an identity ---- */

static void test_a_message_to_an_identity_finds_all_its_sessions(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    sit(0, 1, WHO_BEN);
    sit(1, 0, WHO_BEN);
    sit(1, 1, WHO_CLEO);
    sit(2, 0, WHO_ANN);
    world_message_to(nodes[0], 0, 0, 0, WHO_BEN);
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M");
    assert_string_equal(got(0, 1), "M");
    assert_string_equal(got(1, 0), "M");
    assert_string_equal(got(1, 1), "");
    assert_string_equal(got(2, 0), "");
}

static void test_nobody_is_told_whether_an_identity_is_anywhere(void **state)
{
    (void)state;
    struct rule strict = OPEN;
    strict.private_auth = true;
    sit(0, 0, WHO_ANN);
    refer(0, "r");
    world_message_to(nodes[0], 0, 0, 0, WHO_CLEO); /* nobody */
    assert_string_equal(got(0, 0), "RM");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "RM");
    world_take(nodes[0], 0, 0);
    sit(1, 0, WHO_CLEO);
    refer(0, "s");
    world_message_to(nodes[0], 0, 0, 0, WHO_CLEO);
    assert_string_equal(got(0, 0), "RM"); /* no later, no other */
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "RM");
    assert_string_equal(got(1, 0), "M");
    world_take(nodes[0], 0, 0);
    world_bus_cut(bus, 0, true);
    world_message_to(nodes[0], 0, 0, 0, WHO_CLEO);
    expect_code(0, 0, ERROR_CODE_NO_BUS);
    world_bus_cut(bus, 0, false);
    rule_all(strict);
    sit(0, 1, WHO_ANYBODY);
    world_message_to(nodes[0], 0, 1, 0, WHO_CLEO);
    expect_code(0, 1, ERROR_CODE_PRIVATE_REFUSED);
    assert_int_equal(world_bus_n(bus), 0);
}

/* ---- to one client ---- */

static void test_a_private_message_to_another_node(void **state)
{
    (void)state;
    const char *ann = sit(0, 0, WHO_ANN);
    sit(0, 1, WHO_BEN);
    const char *ben = sit(2, 0, WHO_BEN);
    sit(2, 1, WHO_BEN);
    sit(1, 0, WHO_BEN);
    refer(0, "r");
    whisper(0, 0, ben);
    assert_string_equal(got(0, 0), ""); /* not before it has arrived */
    carry(0, 1);
    carry(1, 0);
    assert_string_equal(got(0, 0), "");
    assert_int_equal(world_count(nodes[0], METRIC_MESSAGES + METRIC_MESSAGE_PRIVATE), 0);
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "RM");
    assert_string_equal(newest(0, 0).to, ben);
    assert_string_equal(got(2, 0), "M");
    assert_string_equal(newest(2, 0).to, ben);
    assert_string_equal(newest(2, 0).socket, ann);
    assert_string_equal(newest(2, 0).text, "\"psst\"");
    assert_string_equal(got(0, 1), "");
    assert_string_equal(got(1, 0), "");
    assert_string_equal(got(2, 1), "");
    assert_int_equal(world_count(nodes[0], METRIC_MESSAGES + METRIC_MESSAGE_PRIVATE), 1);
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_ANSWERS + METRIC_ANSWER_DELIVERED), 1);
}

static void test_whoever_is_here_is_not_asked_for_elsewhere(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(0, 1, WHO_BEN);
    world_bus_cut(bus, 0, true);
    whisper(0, 0, ben);
    assert_string_equal(got(0, 0), "M");
    assert_string_equal(got(0, 1), "M");
    assert_int_equal(world_bus_n(bus), 0);
}

static void test_a_client_that_is_nowhere(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    refer(0, "r");
    whisper(0, 0, "nobody-has-this-");
    carry(0, 1);
    carry(1, 0);
    assert_string_equal(got(0, 0), ""); /* the third one may have it */
    world_bus_settle(bus);
    assert_string_equal(newest(0, 0).ref, "r");
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_ANSWERS + METRIC_ANSWER_NOWHERE), 1);
}

static void test_who_is_in_another_channel_there_is_not_found(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    sit(1, 1, WHO_CLEO);
    world_open_as(nodes[1], 0, 0, WHO_BEN);
    world_join(nodes[1], 0, 0, 1, PLAIN);
    world_bus_settle(bus);
    world_take(nodes[1], 0, 0);
    whisper(0, 0, world_socket_id(nodes[1], 0, 0));
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
    assert_string_equal(got(1, 0), "");
}

static void test_who_has_left_meanwhile_is_not_found(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    sit(1, 1, WHO_CLEO);
    whisper(0, 0, ben);
    world_leave(nodes[1], 0, 0, 0);
    world_take(nodes[1], 0, 0);
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
    assert_string_equal(got(1, 0), "");
}

static void test_without_an_answer_nobody_knows(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    refer(0, "r");
    whisper(0, 0, ben);
    carry(0, 1);
    carry(0, 2);
    carry(2, 0);
    world_bus_tick(bus, 950);
    assert_string_equal(got(0, 0), "");
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_QUESTIONS), 1);
    world_bus_tick(bus, 50);
    assert_string_equal(newest(0, 0).ref, "r");
    assert_non_null(strstr(newest(0, 0).text, "nobody knows"));
    expect_code(0, 0, ERROR_CODE_UNAVAILABLE);
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_QUESTIONS), 0);
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_ANSWERS + METRIC_ANSWER_UNKNOWN), 1);
    world_bus_settle(bus); /* too late */
    assert_string_equal(got(0, 0), "");
}

static void test_an_answer_that_is_lost(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    whisper(0, 0, "nobody-has-this-");
    carry(0, 1);
    carry(0, 2);
    lose(1, 0);
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "");
    world_bus_tick(bus, 1000);
    expect_code(0, 0, ERROR_CODE_UNAVAILABLE);
}

/* It came from this one alone, so all others say no as well. */
static void test_a_node_that_ends_is_waited_for_no_longer(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    whisper(0, 0, ben);
    carry(0, 2);
    carry(2, 0);
    assert_string_equal(got(0, 0), "");
    world_bus_end(bus, 1, BUS_NEWS_DEAD);
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
    whisper(0, 0, "nobody-has-this-"); /* nor is it asked */
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
}

static void test_a_node_that_is_silent_is_waited_for(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    whisper(0, 0, "nobody-has-this-");
    carry(0, 2);
    carry(2, 0);
    world_peer_news(bus, 0, 1, BUS_NEWS_STALE);
    assert_string_equal(got(0, 0), "");
    world_bus_tick(bus, 1000);
    expect_code(0, 0, ERROR_CODE_UNAVAILABLE);
}

static void test_without_other_nodes_nobody_is_waited_for(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    world_bus_end(bus, 1, BUS_NEWS_LEFT);
    world_bus_end(bus, 2, BUS_NEWS_LEFT);
    whisper(0, 0, "nobody-has-this-");
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
}

/* They know this one: what they delivered would be denied here. */
static void test_nodes_that_are_not_known_are_not_asked(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    world_peer_news(bus, 0, 1, BUS_NEWS_DEAD);
    world_peer_news(bus, 0, 2, BUS_NEWS_DEAD);
    whisper(0, 0, ben);
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_NO_SUCH_CLIENT);
    assert_string_equal(got(1, 0), "");
    world_bus_cut(bus, 0, true);
    whisper(0, 0, ben);
    expect_code(0, 0, ERROR_CODE_NO_BUS);
}

static void test_without_a_bus_nobody_is_asked(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    world_bus_cut(bus, 0, true);
    whisper(0, 0, ben);
    expect_code(0, 0, ERROR_CODE_NO_BUS);
}

static void test_each_node_judges_its_half(void **state)
{
    (void)state;
    struct rule strict = OPEN;
    strict.private_auth = true;
    rule_all(strict);
    sit(0, 0, WHO_ANN);
    sit(0, 1, WHO_ANYBODY);
    const char *ben = sit(1, 0, WHO_BEN), *anonymous = sit(1, 1, WHO_ANYBODY);
    whisper(0, 0, anonymous);
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_PRIVATE_REFUSED);
    assert_string_equal(got(1, 1), "");
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_ANSWERS + METRIC_ANSWER_REFUSED), 1);
    whisper(0, 0, ben);
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M");
    assert_string_equal(got(1, 0), "M");
    whisper(0, 1, ben); /* whoever may not send learns nothing: nobody is even asked */
    assert_int_equal(world_bus_n(bus), 0);
    expect_code(0, 1, ERROR_CODE_PRIVATE_REFUSED);
    whisper(0, 1, "nobody-has-this-");
    expect_code(0, 1, ERROR_CODE_PRIVATE_REFUSED);
}

/* The addressee's node has heard of it first. */
static void test_a_rule_that_allows_it_no_more_there(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    world_rule(nodes[1], (struct rule){.anonymous_clients = true});
    whisper(0, 0, ben);
    world_bus_settle(bus);
    expect_code(0, 0, ERROR_CODE_PRIVATE_REFUSED);
    assert_string_equal(got(1, 0), "");
}

static void test_two_questions_at_once(void **state)
{
    (void)state;
    const char *ann = sit(0, 0, WHO_ANN), *cleo = sit(0, 1, WHO_CLEO);
    const char *ben = sit(1, 0, WHO_BEN), *anybody = sit(2, 0, WHO_ANYBODY);
    whisper(0, 1, anybody);
    whisper(0, 0, ben);
    assert_int_equal(world_count(nodes[0], METRIC_ERRORS + ERROR_CODE_NO_SUCH_CLIENT), 0);
    carry(0, 2);
    carry(2, 0);
    assert_string_equal(got(0, 0), "");
    assert_string_equal(got(0, 1), "M");
    assert_string_equal(newest(2, 0).socket, cleo);
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M");
    assert_string_equal(newest(1, 0).socket, ann);
    assert_string_equal(got(1, 0), "M");
}

static void test_later_frames_wait_for_the_answer(void **state)
{
    (void)state;
    const struct note *notes;
    sit(0, 0, WHO_ANN);
    sit(0, 1, WHO_BEN);
    const char *ben = sit(1, 0, WHO_BEN);
    say(0, 0, "1");
    whisper(0, 0, ben);
    say(0, 0, "2");
    world_ping(nodes[0], 0, 0);
    assert_string_equal(got(0, 0), "M");
    say(0, 1, "9"); /* another one does not wait */
    assert_string_equal(got(0, 1), "MM");
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "MMMMP");
    assert_int_equal(world_received(nodes[1], 0, 0, &notes), 4);
    assert_string_equal(notes[0].text, "1");
    assert_string_equal(notes[1].text, "\"psst\"");
    assert_string_equal(notes[2].text, "9");
    assert_string_equal(notes[3].text, "2");
}

static void test_a_session_that_ends_asks_nothing_any_more(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    whisper(0, 0, ben);
    world_close(nodes[0], 0, 0);
    world_bus_tick(bus, 50);
    assert_int_equal(world_count(nodes[0], METRIC_PRIVATE_QUESTIONS), 0);
    sit(0, 0, WHO_CLEO); /* in the same place */
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "");
    assert_string_equal(got(1, 0), "M"); /* it was under way */
    world_bus_tick(bus, 1000);
}

static void test_a_session_that_is_sent_away_while_it_asks(void **state)
{
    (void)state;
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    refer(0, "r");
    whisper(0, 0, ben);
    world_disconnect(nodes[0], (struct directive){.version = 1, .channel = STR("room/0")});
    assert_string_equal(got(0, 0), "O");
    carry(0, 2);
    carry(2, 0);
    carry(0, 1);
    carry(1, 0);
    assert_string_equal(got(0, 0), "OR"); /* it has arrived; but of the channel he sees nothing */
}

/* What the function makes of it is what is sent, and shown to the sender. */
static void test_a_function_is_asked_before_other_nodes_are(void **state)
{
    (void)state;
    struct rule asking = OPEN;
    asking.on_message = (char[]){"hook"};
    world_rule(nodes[0], asking);
    sit(0, 0, WHO_ANN);
    const char *ben = sit(1, 0, WHO_BEN);
    whisper(0, 0, ben);
    assert_int_equal(n_under_way(BUS_KIND_PRIVATE), 0);
    struct world_reply reply = DONE;
    reply.payload = "\"other\"";
    assert_true(world_reply(nodes[0], 0, reply));
    assert_int_equal(n_under_way(BUS_KIND_PRIVATE), 2);
    world_bus_settle(bus);
    assert_string_equal(newest(1, 0).text, "\"other\"");
    assert_string_equal(newest(0, 0).text, "\"other\"");
}

/* ---- what others say ---- */

static void put_message(struct buf *body, enum audience_kind kind, struct str row_id,
                        struct str channel, struct str payload)
{
    parcel_put_u8(body, (uint8_t)kind);
    parcel_put_u32(body, 12);
    parcel_put_str(body, row_id);
    parcel_put_str(body, channel);
    parcel_put_str(body, STR("{}"));
    parcel_put_str(body, payload);
}

static void test_a_bad_message_is_for_nobody(void **state)
{
    (void)state;
    struct buf body = {0};
    sit(0, 0, WHO_ANN);
    put_message(&body, AUDIENCE_ALL, (struct str){0}, STR("room/0"), STR("1"));
    expect_nothing(BUS_KIND_MESSAGE, &body);
    struct {
        enum audience_kind kind;
        struct str row_id, channel, payload;
    } bad[] = {
        {AUDIENCE_USER, {0}, STR("room/0"), STR("1")},
        {AUDIENCE_PRESENCE, {0}, STR("room/0"), STR("1")},
        {(enum audience_kind)200, {0}, STR("room/0"), STR("1")},
        {AUDIENCE_ALL, {0}, STR("room/*"), STR("1")},
        {AUDIENCE_ALL, {0}, {0}, STR("1")},
        {AUDIENCE_ALL, {0}, STR("room/0"), {0}},
        {AUDIENCE_ALL, {0}, STR("room/0"), STR("")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        uint64_t before = world_count(nodes[0], METRIC_PARCELS_BAD);
        put_message(&body, bad[i].kind, bad[i].row_id, bad[i].channel, bad[i].payload);
        send_bytes(BUS_KIND_MESSAGE, &body, body.len);
        assert_int_equal(world_count(nodes[0], METRIC_PARCELS_BAD), before + 1);
        buf_release(&body);
    }
    assert_string_equal(got(0, 0), "");
    assert_int_equal(world_count(nodes[0], METRIC_RELAYED_IN), 0);
}

static void test_a_bad_private_message_has_no_answer(void **state)
{
    (void)state;
    struct buf body = {0};
    const char *ann = sit(0, 0, WHO_ANN);
    parcel_put_u64(&body, 7);
    parcel_put_str(&body, STR("room/0"));
    parcel_put_str(&body, str_of(ann));
    parcel_put_str(&body, STR("{}"));
    parcel_put_str(&body, STR("1"));
    expect_nothing(BUS_KIND_PRIVATE, &body);
}

static void test_answers_that_nobody_has_asked_for(void **state)
{
    (void)state;
    struct buf body = {0};
    const char *ben = sit(1, 0, WHO_BEN);
    sit(0, 0, WHO_ANN);
    whisper(0, 0, ben);
    parcel_put_u64(&body, 2); /* not its number */
    parcel_put_u8(&body, 1);
    world_bus_forge(bus, 2, 0, BUS_KIND_PRIVATE_ANSWER, buf_span(&body));
    carry(2, 0);
    buf_clear(&body);
    parcel_put_u64(&body, 1);
    parcel_put_u8(&body, 9); /* of a version to come */
    world_bus_forge(bus, 2, 0, BUS_KIND_PRIVATE_ANSWER, buf_span(&body));
    carry(2, 0);
    buf_release(&body);
    assert_string_equal(got(0, 0), "");
    assert_int_equal(world_count(nodes[0], METRIC_PARCELS_BAD), 1);
    world_bus_settle(bus);
    assert_string_equal(got(0, 0), "M");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        N(test_a_message_reaches_members_everywhere),
        N(test_messages_of_a_sender_stay_in_order),
        N(test_the_audience_is_the_same_everywhere),
        N(test_who_is_in_no_such_channel_there_gets_nothing),
        N(test_without_the_others_nobody_gets_it),
        N(test_without_the_others_nothing_is_done),
        N(test_what_is_larger_than_the_bus_takes),
        N(test_what_is_kept_needs_no_bus),
        N(test_a_message_to_an_identity_finds_all_its_sessions),
        N(test_nobody_is_told_whether_an_identity_is_anywhere),
        N(test_a_private_message_to_another_node),
        N(test_whoever_is_here_is_not_asked_for_elsewhere),
        N(test_a_client_that_is_nowhere),
        N(test_who_is_in_another_channel_there_is_not_found),
        N(test_who_has_left_meanwhile_is_not_found),
        N(test_without_an_answer_nobody_knows),
        N(test_an_answer_that_is_lost),
        N(test_a_node_that_ends_is_waited_for_no_longer),
        N(test_a_node_that_is_silent_is_waited_for),
        N(test_without_other_nodes_nobody_is_waited_for),
        N(test_nodes_that_are_not_known_are_not_asked),
        N(test_without_a_bus_nobody_is_asked),
        N(test_each_node_judges_its_half),
        N(test_a_rule_that_allows_it_no_more_there),
        N(test_two_questions_at_once),
        N(test_later_frames_wait_for_the_answer),
        N(test_a_session_that_ends_asks_nothing_any_more),
        N(test_a_session_that_is_sent_away_while_it_asks),
        N(test_a_function_is_asked_before_other_nodes_are),
        N(test_a_bad_message_is_for_nobody),
        N(test_a_bad_private_message_has_no_answer),
        N(test_answers_that_nobody_has_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
