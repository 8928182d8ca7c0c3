/* SPDX-License-Identifier: PostgreSQL */
/* Which of a roster's subscribers get a frame: audiences, and presence. */
#include "harness.h"

static struct harness h;

enum { CHANNEL = 5, VIEWERS = 5 };

static int start(void **state)
{
    (void)state;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

static void attach(struct session_id session, bool is_held)
{
    h.transport.attach(h.transport.ctx, session, CHANNEL, is_held);
}

static void release(struct session_id session, uint64_t skip_to, enum presence_wish wish)
{
    h.transport.resume_live(h.transport.ctx, session, CHANNEL, skip_to, wish);
}

/* row_id NULL: absent. */
static void identify(struct session_id session, int32_t dbo_id, const char *row_id)
{
    struct identity *identity = identity_new(dbo_id, str_of(row_id), (struct str){0}, 0);
    h.transport.identify(h.transport.ctx, session, identity);
    identity_unref(identity);
}

static void publish(const struct audience *audience, const char *text, uint64_t offset)
{
    struct frame *plain = text_frame(text, strlen(text), offset);
    struct frame *frame = frame_new(plain->len, audience);
    memcpy(frame->bytes, plain->bytes, plain->len);
    frame->offset = offset;
    h.transport.publish(h.transport.ctx, 0, CHANNEL, frame);
    frame_unref(plain);
    frame_unref(frame);
}

static void publish_presence(const char *text)
{
    publish(&(struct audience){.kind = AUDIENCE_PRESENCE}, text, 0);
}

/* Everything before `end` that the client gets must be this: the texts, each followed by a space.
 */
static void expect_until_end(struct session_id session, int fd, const char *texts)
{
    char got[1024] = "", payload[256];
    size_t len;
    send_text(&h, session, "end");
    flush(&h);
    do {
        assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len), 0x81);
        if (strcmp(payload, "end") != 0) {
            strncat(got, payload, sizeof(got) - strlen(got) - 1);
            strncat(got, " ", sizeof(got) - strlen(got) - 1);
        }
    } while (strcmp(payload, "end") != 0);
    assert_string_equal(got, texts);
}

static void close_and_forget(int fd)
{
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static const struct {
    const char *text;
    struct audience audience;
} events[] = {
    {"all", {.kind = AUDIENCE_ALL}},
    {"signed-in", {.kind = AUDIENCE_AUTHENTICATED}},
    {"table-12", {.kind = AUDIENCE_TABLE, .dbo_id = 12}},
    {"table-13", {.kind = AUDIENCE_TABLE, .dbo_id = 13}},
    {"12/34", {.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = {"34", 2}}},
    {"12/3", {.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = {"3", 1}}},
    {"13/34", {.kind = AUDIENCE_USER, .dbo_id = 13, .row_id = {"34", 2}}},
};

static const struct {
    int32_t dbo_id; /* -1: anonymous */
    const char *row_id;
    const char *gets;
} viewers[VIEWERS] = {
    {-1, NULL, "all "},
    {12, "34", "all signed-in table-12 12/34 "},
    {12, NULL, "all signed-in table-12 "},
    {13, "34", "all signed-in table-13 13/34 "},
    {0, "3", "all signed-in "},
};

/* Live, and out of what was held. */
static void check_audiences(bool is_held)
{
    struct session_id sessions[VIEWERS];
    int fds[VIEWERS];
    for (int i = 0; i < VIEWERS; i++) {
        fds[i] = client_open(&h, &sessions[i]);
        if (viewers[i].dbo_id >= 0) {
            identify(sessions[i], viewers[i].dbo_id, viewers[i].row_id);
        }
        attach(sessions[i], is_held);
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        publish(&events[i].audience, events[i].text, i + 1);
    }
    for (int i = 0; i < VIEWERS; i++) {
        release(sessions[i], 0, PRESENCE_WISH_NONE);
        expect_until_end(sessions[i], fds[i], viewers[i].gets);
    }
    for (int i = 0; i < VIEWERS; i++) {
        close_and_forget(fds[i]);
    }
}

static void test_audiences(void **state)
{
    (void)state;
    check_audiences(false);
}

static void test_audiences_while_held(void **state)
{
    (void)state;
    check_audiences(true);
}

static void test_identify_changes_what_one_gets(void **state)
{
    (void)state;
    static const struct audience ann = {.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = {"34", 2}};
    struct session_id session;
    int fd = client_open(&h, &session);
    attach(session, false);
    publish(&ann, "before", 0);
    identify(session, 12, "34");
    publish(&ann, "as-ann", 0);
    identify(session, 12, "35");
    publish(&ann, "as-bob", 0);
    publish(&(struct audience){.kind = AUDIENCE_AUTHENTICATED}, "as-anybody", 0);
    h.transport.identify(h.transport.ctx, session, NULL);
    publish(&(struct audience){.kind = AUDIENCE_AUTHENTICATED}, "as-nobody", 0);
    expect_until_end(session, fd, "as-ann as-anybody ");
    close_and_forget(fd);
}

/* An offset that was in the history is dropped whatever the audience; one that is not for this
 * session is not missed. */
static void test_audiences_and_offsets(void **state)
{
    (void)state;
    static const struct audience all = {.kind = AUDIENCE_ALL};
    static const struct audience other = {.kind = AUDIENCE_TABLE, .dbo_id = 99};
    struct session_id session;
    int fd = client_open(&h, &session);
    identify(session, 12, "34");
    attach(session, true);
    publish(&all, "seven", 7);
    publish(&other, "not-for-me", 8);
    publish(&all, "nine", 9);
    release(session, 8, PRESENCE_WISH_NONE);
    publish(&other, "not-for-me", 10);
    publish(&all, "eleven", 11);
    expect_until_end(session, fd, "nine eleven ");
    close_and_forget(fd);
}

static void test_presence_goes_to_those_who_asked(void **state)
{
    (void)state;
    struct session_id asked, not_asked;
    int fd_asked = client_open(&h, &asked), fd_not = client_open(&h, &not_asked);
    identify(not_asked, 12, "34"); /* it is not about who one is */
    attach(asked, true);
    attach(not_asked, true);
    publish_presence("while-held"); /* the list that the session will be sent knows of it */
    release(asked, 0, PRESENCE_WISH_LIST);
    release(not_asked, 0, PRESENCE_WISH_NONE);
    publish_presence("one");
    publish(NULL, "event", 0);
    expect_until_end(asked, fd_asked, "one event ");
    expect_until_end(not_asked, fd_not, "event ");

    /* A second join changes the wish, both ways. */
    release(asked, 0, PRESENCE_WISH_NONE);
    release(not_asked, 0, PRESENCE_WISH_LIST);
    publish_presence("two");
    expect_until_end(asked, fd_asked, "");
    expect_until_end(not_asked, fd_not, "two ");

    /* It ends with the membership. */
    h.transport.detach(h.transport.ctx, not_asked, CHANNEL);
    publish_presence("three");
    attach(not_asked, false);
    publish_presence("four");
    release(not_asked, 0, PRESENCE_WISH_LIST);
    publish_presence("five");
    expect_until_end(not_asked, fd_not, "five ");
    close_and_forget(fd_asked);
    close_and_forget(fd_not);
}

/* The one whose place in the channel's list is taken by the last keeps his wish, and so does that.
 */
static void test_wishes_survive_leaving(void **state)
{
    (void)state;
    enum { N = 9 };
    struct session_id sessions[N];
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&h, &sessions[i]);
        attach(sessions[i], false);
        release(sessions[i], 0, i % 2 == 0 ? PRESENCE_WISH_LIST : PRESENCE_WISH_STATES);
    }
    for (int i = 0; i < N; i += 3) {
        h.transport.detach(h.transport.ctx, sessions[i], CHANNEL);
    }
    publish_presence("update");
    for (int i = 0; i < N; i++) {
        expect_until_end(sessions[i], fds[i], i % 3 != 0 && i % 2 == 0 ? "update " : "");
    }
    for (int i = 0; i < N; i++) {
        close_and_forget(fds[i]);
    }
}

/* A burst of presence updates is one frame with several messages. */
static void test_several_messages_in_a_frame(void **state)
{
    (void)state;
    static const char *const texts[] = {"ann-joined", "", "bob-left"};
    static const struct audience presence = {.kind = AUDIENCE_PRESENCE};
    struct session_id session;
    uint8_t bytes[256];
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        size_t text_len = strlen(texts[i]);
        len += rfc6455_header(bytes + len, RFC6455_OPCODE_TEXT, text_len);
        memcpy(bytes + len, texts[i], text_len);
        len += text_len;
    }
    int fd = client_open(&h, &session);
    attach(session, false);
    release(session, 0, PRESENCE_WISH_LIST);
    struct frame *frame = frame_new(len, &presence);
    memcpy(frame->bytes, bytes, len);
    publish(NULL, "before", 0);
    h.transport.publish(h.transport.ctx, 0, CHANNEL, frame);
    h.transport.send(h.transport.ctx, session, frame); /* to one: whatever the audience */
    frame_unref(frame);
    expect_until_end(session, fd, "before ann-joined  bob-left ann-joined  bob-left ");
    close_and_forget(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_audiences, start, stop),
        cmocka_unit_test_setup_teardown(test_audiences_while_held, start, stop),
        cmocka_unit_test_setup_teardown(test_identify_changes_what_one_gets, start, stop),
        cmocka_unit_test_setup_teardown(test_audiences_and_offsets, start, stop),
        cmocka_unit_test_setup_teardown(test_presence_goes_to_those_who_asked, start, stop),
        cmocka_unit_test_setup_teardown(test_wishes_survive_leaving, start, stop),
        cmocka_unit_test_setup_teardown(test_several_messages_in_a_frame, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
