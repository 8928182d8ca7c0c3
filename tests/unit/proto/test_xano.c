/* SPDX-License-Identifier: PostgreSQL */
/* The frames that the server sends, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/rfc6455.h"
#include "proto/xano.h"

#define CLIENT "{\"socketId\":\"9f3c\",\"extras\":{},\"permissions\":{\"dbo_id\":0,\"row_id\":0}}"
#define AT "2026-11-23T22:14:36.123Z"

/* The frame is the header for this text, and this text; and the text is JSON. Takes the frame. */
static void assert_frame(struct frame *frame, uint64_t offset, const char *expected)
{
    uint8_t header[RFC6455_HEADER_MAX];
    size_t len = strlen(expected);
    size_t header_len = rfc6455_header(header, RFC6455_OPCODE_TEXT, len);
    const char *text = (const char *)frame->bytes + header_len;
    if (frame->len != header_len + len || memcmp(text, expected, len) != 0)
        fail_msg("got:      %.*s\nexpected: %s", (int)(frame->len - header_len), text, expected);
    assert_memory_equal(frame->bytes, header, header_len);
    assert_true(frame->offset == offset);
    assert_int_equal(atomic_load(&frame->refs), 1);
    json_t *json = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    json_decref(json);
    frame_unref(frame);
}

static struct event *new_event(enum event_action action, uint64_t offset, struct str client,
                               struct str payload)
{
    return event_new(&(struct event_fields){
        .action = action,
        .id = offset * 10,
        .offset = offset,
        .audience = {.kind = AUDIENCE_ALL},
        .channel = STR("room/1"),
        .at = offset > 0 ? STR(AT) : (struct str){0},
        .client = client,
        .payload = payload,
    });
}

static struct frame *frame_of(const struct event *event, bool is_replayed)
{
    struct protocol_event told = protocol_event_of(&event->f);
    return xano_protocol.event(&told, (struct str){0}, is_replayed);
}

static void assert_event(enum event_action action, uint64_t offset, struct str client,
                         struct str payload, bool is_replayed, const char *expected)
{
    struct event *event = new_event(action, offset, client, payload);
    assert_frame(frame_of(event, is_replayed), offset, expected);
    event_unref(event);
}

static void test_message(void **state)
{
    (void)state;
    assert_event(EVENT_ACTION_MESSAGE, 0, STR(CLIENT), STR("{\"text\":\"hi\"}"), false,
                 "{\"action\":\"message\",\"client\":" CLIENT
                 ",\"options\":{\"authenticated\":false,\"socketId\":null,\"channel\":\"room/1\"},"
                 "\"payload\":{\"text\":\"hi\"}}");
    assert_event(EVENT_ACTION_MESSAGE, 42, STR(CLIENT), STR("null"), false,
                 "{\"action\":\"message\",\"client\":" CLIENT
                 ",\"options\":{\"authenticated\":false,\"socketId\":null,\"channel\":\"room/1\","
                 "\"id\":42,\"at\":\"" AT "\"},\"payload\":null}");
    assert_event(EVENT_ACTION_MESSAGE, INT64_MAX, STR(CLIENT), STR("1"), true,
                 "{\"action\":\"message\",\"client\":" CLIENT
                 ",\"options\":{\"authenticated\":false,\"socketId\":null,\"channel\":\"room/1\","
                 "\"id\":9223372036854775807,\"at\":\"" AT "\",\"replayed\":true},\"payload\":1}");
}

static void test_authenticated_message(void **state)
{
    (void)state;
    struct event *event = event_new(&(struct event_fields){
        .action = EVENT_ACTION_MESSAGE,
        .audience = {.kind = AUDIENCE_AUTHENTICATED},
        .channel = STR("a\"b\\c/é"),
        .client = STR(CLIENT),
        .payload = STR("[]"),
    });
    assert_frame(frame_of(event, false), 0,
                 "{\"action\":\"message\",\"client\":" CLIENT
                 ",\"options\":{\"authenticated\":true,\"socketId\":null,"
                 "\"channel\":\"a\\\"b\\\\c/é\"},\"payload\":[]}");
    event_unref(event);
}

/* The key of an addressee is written as that of a sender. */
static void test_message_to_an_identity(void **state)
{
    (void)state;
    static const char *const keys[][2] = {{"34", "34"}, {"034", "\"034\""}, {"a\"b", "\"a\\\"b\""}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct event_fields fields = {
            .action = EVENT_ACTION_MESSAGE,
            .audience = {.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = str_of(keys[i][0])},
            .channel = STR("room/1"),
            .client = STR(CLIENT),
            .payload = STR("1"),
        };
        struct protocol_event told = protocol_event_of(&fields);
        char *expected = mem_printf("{\"action\":\"message\",\"client\":" CLIENT
                                    ",\"options\":{\"authenticated\":false,\"socketId\":null,"
                                    "\"to\":{\"dbo_id\":12,\"row_id\":%s},"
                                    "\"channel\":\"room/1\"},\"payload\":1}",
                                    keys[i][1]);
        assert_frame(xano_protocol.event(&told, (struct str){0}, false), 0, expected);
        free(expected);
    }
}

/* Without states to the byte what it was before there were any. */
static void test_presence(void **state)
{
    (void)state;
    struct protocol_member members[] = {{.client = STR(CLIENT)},
                                        {.client = STR("{}"), .action = PROTOCOL_MEMBER_LEAVE}};
    assert_frame(xano_protocol.presence_full(STR("room/1"), members, 2), 0,
                 "{\"action\":\"presence_full\",\"client\":null,\"options\":{\"channel\":"
                 "\"room/1\"},\"payload\":{\"presence\":[" CLIENT ",{}]}}");
    struct frame *frame = xano_protocol.presence_updates(STR("room/1"), members, 1);
    assert_int_equal(frame->audience.kind, AUDIENCE_PRESENCE);
    assert_frame(frame, 0,
                 "{\"action\":\"presence_update\",\"client\":null,\"options\":{\"channel\":"
                 "\"room/1\"},\"payload\":{\"action\":\"join\",\"presence\":" CLIENT "}}");
    members[0].state = STR("null");
    members[1] = (struct protocol_member){
        .client = STR(CLIENT), .action = PROTOCOL_MEMBER_UPDATE, .state = STR("{\"x\": 1}")};
    assert_frame(xano_protocol.presence_full(STR("r"), members, 1), 0,
                 "{\"action\":\"presence_full\",\"client\":null,\"options\":{\"channel\":\"r\"},"
                 "\"payload\":{\"presence\":[{\"socketId\":\"9f3c\",\"extras\":{},\"permissions\":"
                 "{\"dbo_id\":0,\"row_id\":0},\"state\":null}]}}");
    frame = xano_protocol.presence_updates(STR("r"), &members[1], 1);
    assert_int_equal(frame->audience.kind, AUDIENCE_STATES);
    assert_frame(frame, 0,
                 "{\"action\":\"presence_update\",\"client\":null,\"options\":{\"channel\":\"r\"},"
                 "\"payload\":{\"action\":\"update\",\"presence\":{\"socketId\":\"9f3c\","
                 "\"extras\":{},\"permissions\":{\"dbo_id\":0,\"row_id\":0},"
                 "\"state\":{\"x\": 1}}}}");
}

static void test_event(void **state)
{
    (void)state;
    assert_event(EVENT_ACTION_EVENT, 7, (struct str){0},
                 STR("{\"data\":{},\"dbo_id\":0,\"row_id\":0}"), false,
                 "{\"action\":\"event\",\"client\":null,\"options\":{\"channel\":\"room/1\","
                 "\"id\":7,\"at\":\"" AT
                 "\"},\"payload\":{\"data\":{},\"dbo_id\":0,\"row_id\":0}}");
    assert_event(EVENT_ACTION_EVENT, 7, (struct str){0}, STR("{}"), true,
                 "{\"action\":\"event\",\"client\":null,\"options\":{\"channel\":\"room/1\","
                 "\"id\":7,\"at\":\"" AT "\",\"replayed\":true},\"payload\":{}}");
}

/* A row change says who wrote it; in a view, in which, and what it is to who sees one row only. */
static void test_moved(void **state)
{
    (void)state;
    struct event *event = event_new(&(struct event_fields){
        .action = EVENT_ACTION_EVENT,
        .offset = 7,
        .channel = STR("orders"),
        .at = STR(AT),
        .payload = STR("{\"was\":1}"),
        .xid = 18446744073709551615u,
    });
    struct protocol_event told = {.f = &event->f, .payload = STR("{}"), .moved = "enter"};
    assert_frame(xano_protocol.event(&told, STR("AbC-_012345"), false), 7,
                 "{\"action\":\"event\",\"client\":null,\"options\":{\"channel\":\"orders\","
                 "\"view\":\"AbC-_012345\",\"id\":7,\"at\":\"" AT
                 "\",\"txid\":\"18446744073709551615\",\"moved\":\"enter\"},\"payload\":{}}");
    assert_frame(xano_protocol.left(STR("orders"), STR("v"), (struct str){0}), 0,
                 "{\"action\":\"leave\",\"options\":{\"channel\":\"orders\",\"view\":\"v\"},"
                 "\"payload\":null}");
    event_unref(event);
}

/* Bytes that a parser would change. */
static void test_payload_is_verbatim(void **state)
{
    (void)state;
    static const char payload[] =
        "[ 1.10, 12345678901234567890,\t\"\\u0000\\/é\",{\"a\":1,\"a\":2} ]";
    struct event *event = new_event(EVENT_ACTION_MESSAGE, 1, STR(CLIENT), STR(payload));
    struct frame *frame = frame_of(event, false);
    assert_true(frame->len > sizeof payload);
    assert_memory_equal(frame->bytes + frame->len - sizeof payload, payload, sizeof payload - 1);
    assert_int_equal(frame->bytes[frame->len - 1], '}');
    frame_unref(frame);
    event_unref(event);
}

/* Around the lengths where the WebSocket header grows. */
static void test_frame_lengths(void **state)
{
    (void)state;
    static const char head[] = "{\"action\":\"event\",\"client\":null,\"options\":{\"channel\":"
                               "\"room/1\"},\"payload\":";
    static const size_t lens[] = {125, 126, 127, 65535, 65536, 65537, 1048576};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        size_t payload_len = lens[i] - (sizeof head - 1) - 1;
        char *expected = mem_alloc(lens[i] + 1);
        memcpy(expected, head, sizeof head - 1);
        memset(expected + sizeof head - 1, '9', payload_len);
        expected[lens[i] - 1] = '}';
        expected[lens[i]] = '\0';
        expected[sizeof head - 1] = '"';
        expected[lens[i] - 2] = '"';
        assert_event(EVENT_ACTION_EVENT, 0, (struct str){0},
                     (struct str){expected + sizeof head - 1, payload_len}, false, expected);
        free(expected);
    }
}

static void test_joined(void **state)
{
    (void)state;
    struct protocol_joined joined = {
        .channel = STR("room/1"),
        .client = STR(CLIENT),
        .epoch = STR("e-1"),
        .offset = 12,
    };
    assert_frame(xano_protocol.joined(&joined), 0,
                 "{\"action\":\"join\",\"client\":" CLIENT ",\"options\":{\"channel\":\"room/1\"},"
                 "\"payload\":{\"epoch\":\"e-1\",\"offset\":12,\"resumed\":false,\"gap\":false}}");
    joined.offset = 0;
    joined.is_resumed = true;
    assert_frame(xano_protocol.joined(&joined), 0,
                 "{\"action\":\"join\",\"client\":" CLIENT ",\"options\":{\"channel\":\"room/1\"},"
                 "\"payload\":{\"epoch\":\"e-1\",\"offset\":0,\"resumed\":true,\"gap\":false}}");
    joined.is_resumed = false;
    joined.is_gap = true;
    assert_frame(xano_protocol.joined(&joined), 0,
                 "{\"action\":\"join\",\"client\":" CLIENT ",\"options\":{\"channel\":\"room/1\"},"
                 "\"payload\":{\"epoch\":\"e-1\",\"offset\":0,\"resumed\":false,\"gap\":true}}");
}

static void test_left(void **state)
{
    (void)state;
    assert_frame(xano_protocol.left(STR("room/1"), (struct str){0}, (struct str){0}), 0,
                 "{\"action\":\"leave\",\"options\":{\"channel\":\"room/1\"},\"payload\":null}");
}

static void test_history(void **state)
{
    (void)state;
    struct event *events[] = {
        new_event(EVENT_ACTION_MESSAGE, 1, STR(CLIENT), STR("\"a\"")),
        new_event(EVENT_ACTION_EVENT, 3, (struct str){0}, STR("{}")),
    };
    struct protocol_event told[] = {protocol_event_of(&events[0]->f),
                                    protocol_event_of(&events[1]->f)};
    assert_frame(
        xano_protocol.history(STR("room/1"), (struct str){0}, told, 2), 0,
        "{\"action\":\"history\",\"client\":null,\"options\":{\"channel\":\"room/1\"},"
        "\"payload\":{\"history\":["
        "{\"action\":\"message\",\"client\":" CLIENT
        ",\"options\":{\"authenticated\":false,\"socketId\":null,\"channel\":\"room/1\","
        "\"id\":1,\"at\":\"" AT "\"},\"payload\":\"a\"},"
        "{\"action\":\"event\",\"client\":null,\"options\":{\"channel\":\"room/1\",\"id\":3,"
        "\"at\":\"" AT "\"},\"payload\":{}}]}}");
    assert_frame(xano_protocol.history(STR("room/1"), (struct str){0}, NULL, 0), 0,
                 "{\"action\":\"history\",\"client\":null,\"options\":{\"channel\":\"room/1\"},"
                 "\"payload\":{\"history\":[]}}");
    event_unref(events[0]);
    event_unref(events[1]);
}

static void test_error(void **state)
{
    (void)state;
    struct protocol_error error = {.channel = STR("room/1"), .code = ERROR_CODE_ANONYMOUS_REFUSED};
    assert_frame(xano_protocol.error(&error), 0,
                 "{\"action\":\"error\",\"client\":null,\"options\":{\"channel\":\"room/1\"},"
                 "\"payload\":{\"message\":\"Anonymous clients cannot join this channel.\","
                 "\"code\":\"anonymous_refused\"}}");
    error = (struct protocol_error){.code = ERROR_CODE_BAD_JSON, .text = "Say \"hej\"\n."};
    assert_frame(xano_protocol.error(&error), 0,
                 "{\"action\":\"error\",\"client\":null,\"options\":{},"
                 "\"payload\":{\"message\":\"Say \\\"hej\\\"\\n.\",\"code\":\"bad_json\"}}");
}

/* Seconds, rounded up to a tenth. */
static void test_retry_after(void **state)
{
    (void)state;
    static const struct {
        uint32_t ms;
        const char *text;
    } cases[] = {
        {1, "0.1"},  {100, "0.1"},  {101, "0.2"},  {999, "1"},
        {1000, "1"}, {1001, "1.1"}, {60000, "60"}, {UINT32_MAX, "4294967.3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf text = {0};
        buf_printf(
            &text,
            "{\"action\":\"error\",\"client\":null,\"options\":{\"channel\":\"a\",\"ref\":\"r\"},"
            "\"payload\":{\"message\":\"Too many messages.\",\"code\":\"rate_limited\","
            "\"retry_after\":%s}}",
            cases[i].text);
        struct protocol_error error = {.channel = STR("a"),
                                       .ref = STR("r"),
                                       .code = ERROR_CODE_RATE_LIMITED,
                                       .retry_after_ms = cases[i].ms};
        assert_frame(xano_protocol.error(&error), 0, buf_text(&text));
        buf_release(&text);
    }
}

static void test_refs(void **state)
{
    (void)state;
    struct protocol_joined joined = {.channel = STR("a"),
                                     .view = STR("v"),
                                     .client = STR(CLIENT),
                                     .epoch = STR("e"),
                                     .ref = STR("\"1\n"),
                                     .message_bytes = 65536,
                                     .is_durable = true};
    assert_frame(xano_protocol.joined(&joined), 0,
                 "{\"action\":\"join\",\"client\":" CLIENT
                 ",\"options\":{\"channel\":\"a\",\"view\":\"v\",\"ref\":\"\\\"1\\n\"},"
                 "\"payload\":{\"epoch\":\"e\",\"offset\":0,\"resumed\":false,\"gap\":false,"
                 "\"limits\":{\"message_bytes\":65536,\"durable\":true}}}");
    assert_frame(
        xano_protocol.left(STR("a"), STR("v"), STR("r")), 0,
        "{\"action\":\"leave\",\"options\":{\"channel\":\"a\",\"view\":\"v\",\"ref\":\"r\"},"
        "\"payload\":null}");
    struct protocol_error error = {.ref = STR("r"), .code = ERROR_CODE_BAD_ACTION};
    assert_frame(xano_protocol.error(&error), 0,
                 "{\"action\":\"error\",\"client\":null,\"options\":{\"ref\":\"r\"},"
                 "\"payload\":{\"message\":\"Unknown action.\",\"code\":\"bad_action\"}}");
}

#define RECEIPT                                                                                    \
    "{\"action\":\"receipt\",\"client\":null,\"options\":{\"channel\":\"a\",\"ref\":\"r\""

static void test_receipt(void **state)
{
    (void)state;
    struct protocol_receipt receipt = {.channel = STR("a"), .ref = STR("r")};
    assert_frame(xano_protocol.receipt(&receipt), 0, RECEIPT "},\"payload\":{}}");
    receipt.is_dropped = true;
    assert_frame(xano_protocol.receipt(&receipt), 0, RECEIPT "},\"payload\":{\"dropped\":true}}");
    receipt.is_dropped = false;
    receipt.is_duplicate = true; /* of an epoch that is over */
    assert_frame(xano_protocol.receipt(&receipt), 0, RECEIPT "},\"payload\":{\"duplicate\":true}}");
    receipt.epoch = STR("e");
    receipt.offset = 7;
    assert_frame(xano_protocol.receipt(&receipt), 0,
                 RECEIPT ",\"id\":7},\"payload\":{\"epoch\":\"e\",\"offset\":7,"
                         "\"duplicate\":true}}");
    receipt.is_duplicate = false;
    assert_frame(xano_protocol.receipt(&receipt), 0,
                 RECEIPT ",\"id\":7},\"payload\":{\"epoch\":\"e\",\"offset\":7}}");
}

static void test_about_no_channel(void **state)
{
    (void)state;
    assert_frame(xano_protocol.pong((struct str){0}), 0,
                 "{\"action\":\"pong\",\"client\":null,\"options\":{},\"payload\":null}");
    assert_frame(
        xano_protocol.pong(STR("r")), 0,
        "{\"action\":\"pong\",\"client\":null,\"options\":{\"ref\":\"r\"},\"payload\":null}");
    assert_frame(xano_protocol.txid(STR("r"), UINT64_MAX), 0,
                 "{\"action\":\"txid\",\"client\":null,\"options\":{\"ref\":\"r\"},"
                 "\"payload\":\"18446744073709551615\"}");
    struct protocol_renewal renewal = {.ref = STR("r"), .client = STR(CLIENT)};
    assert_frame(xano_protocol.token(&renewal), 0,
                 "{\"action\":\"token\",\"client\":" CLIENT
                 ",\"options\":{\"ref\":\"r\"},\"payload\":{\"expires_at\":null}}");
    renewal.ref = (struct str){0};
    renewal.expires_at = STR(AT);
    assert_frame(xano_protocol.token(&renewal), 0,
                 "{\"action\":\"token\",\"client\":" CLIENT
                 ",\"options\":{},\"payload\":{\"expires_at\":\"" AT "\"}}");
}

static void test_client(void **state)
{
    (void)state;
    static const struct {
        int32_t dbo_id;
        const char *row_id;
        const char *permissions;
    } cases[] = {
        {0, NULL, "{\"dbo_id\":0,\"row_id\":0}"},
        {12, "34", "{\"dbo_id\":12,\"row_id\":34}"},
        {12, "0", "{\"dbo_id\":12,\"row_id\":0}"},
        {12, "-34", "{\"dbo_id\":12,\"row_id\":-34}"},
        {12, "9007199254740991", "{\"dbo_id\":12,\"row_id\":9007199254740991}"},
        {12, "9007199254740992", "{\"dbo_id\":12,\"row_id\":\"9007199254740992\"}"},
        {12, "-9007199254740992", "{\"dbo_id\":12,\"row_id\":\"-9007199254740992\"}"},
        {12, "99999999999999999999", "{\"dbo_id\":12,\"row_id\":\"99999999999999999999\"}"},
        {12, "034", "{\"dbo_id\":12,\"row_id\":\"034\"}"},
        {12, "00", "{\"dbo_id\":12,\"row_id\":\"00\"}"},
        {12, "-0", "{\"dbo_id\":12,\"row_id\":\"-0\"}"},
        {12, "-", "{\"dbo_id\":12,\"row_id\":\"-\"}"},
        {12, "", "{\"dbo_id\":12,\"row_id\":\"\"}"},
        {12, "3 4", "{\"dbo_id\":12,\"row_id\":\"3 4\"}"},
        {12, "a\"b", "{\"dbo_id\":12,\"row_id\":\"a\\\"b\"}"},
        {-1, "8b1d", "{\"dbo_id\":-1,\"row_id\":\"8b1d\"}"},
        {INT32_MIN, "1", "{\"dbo_id\":-2147483648,\"row_id\":1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        buf_literal(&out, "before ");
        struct identity *identity =
            identity_new(cases[i].dbo_id, str_of(cases[i].row_id), STR("{\"name\":\"Ann\"}"), 0);
        xano_protocol.client(STR("9f3c"), identity, &out);
        identity_unref(identity);
        char *expected = mem_printf("before {\"socketId\":\"9f3c\",\"extras\":{\"name\":\"Ann\"},"
                                    "\"permissions\":%s}",
                                    cases[i].permissions);
        assert_string_equal(buf_text(&out), expected);
        free(expected);
        buf_release(&out);
    }
    struct buf out = {0};
    xano_protocol.client(STR("9f3c"), NULL, &out);
    assert_string_equal(buf_text(&out), CLIENT);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_authenticated_message),
        cmocka_unit_test(test_message_to_an_identity),
        cmocka_unit_test(test_presence),
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_payload_is_verbatim),
        cmocka_unit_test(test_frame_lengths),
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_refs),
        cmocka_unit_test(test_receipt),
        cmocka_unit_test(test_about_no_channel),
        cmocka_unit_test(test_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
