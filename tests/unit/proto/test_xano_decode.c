/* SPDX-License-Identifier: PostgreSQL */
/* What clients send, and the commands it becomes: first all that the stock client can send, then
 * the loose and the wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/xano.h"

#define ROOM "\"options\":{\"channel\":\"room/1\"}"

struct expectation {
    const char *text;
    enum command_type type;
    enum error_code error; /* INVALID */
    const char *channel;   /* NULL: absent */
    const char *socket_id;
    const char *payload;
    const char *epoch;
    uint64_t offset;
    bool history, presence, authenticated, has_since;
};

static void assert_span(const char *text, struct str span, const char *expected)
{
    bool is_right = expected == NULL ? span.ptr == NULL
                                     : span.ptr != NULL && str_equals(span, str_of(expected));
    if (!is_right)
        fail_msg("'%.*s' and not '%s' in: %s", (int)span.len, span.ptr == NULL ? "" : span.ptr,
                 expected == NULL ? "(absent)" : expected, text);
}

/* From a heap copy that is freed before the command is looked at: nothing may point into it. */
static struct command *decode_copy(struct str text)
{
    char *copy = mem_alloc(text.len);
    memcpy(copy, text.ptr, text.len);
    struct command *command =
        xano_protocol.decode((struct str){copy, text.len}, (struct session_id){1, 2, 3});
    free(copy);
    return command;
}

static void assert_decodes(const struct expectation *e)
{
    struct command *command = decode_copy(str_of(e->text));
    if (command->type != e->type)
        fail_msg("type %d and not %d for: %s", (int)command->type, (int)e->type, e->text);
    assert_null(command->next);
    assert_int_equal(command->session.worker, 1);
    assert_int_equal(command->session.slot, 2);
    assert_int_equal(command->session.generation, 3);
    if (command->type == COMMAND_INVALID && command->error != e->error)
        fail_msg("'%s' for: %s", error_code_name(command->error), e->text);
    assert_span(e->text, command->channel, e->channel);
    assert_span(e->text, command->socket_id, e->socket_id);
    assert_span(e->text, command->payload, e->payload);
    assert_span(e->text, command->since_epoch, e->epoch);
    assert_true(command->since_offset == e->offset);
    assert_int_equal(command->wants_history, e->history);
    assert_int_equal(command->wants_presence, e->presence);
    assert_int_equal(command->is_authenticated, e->authenticated);
    assert_int_equal(command->has_since, e->has_since);
    free(command);
}

static const struct expectation good[] = {
    /* The stock client. */
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"history\":true,\"presence\":true}}",
     .type = COMMAND_JOIN, .channel = "room/1", .history = true, .presence = true},
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"history\":false,\"presence\":false}}",
     .type = COMMAND_JOIN, .channel = "room/1"},
    {"{\"action\":\"leave\"," ROOM ",\"payload\":null}", .type = COMMAND_LEAVE,
     .channel = "room/1"},
    {"{\"action\":\"message\"," ROOM ",\"payload\":{\"text\":\"hi\"}}", .type = COMMAND_MESSAGE,
     .channel = "room/1", .payload = "{\"text\":\"hi\"}"},
    {"{\"action\":\"message\",\"options\":{\"authenticated\":true,\"channel\":\"room/1\"},"
     "\"payload\":\"hello\"}",
     .type = COMMAND_MESSAGE, .channel = "room/1", .payload = "\"hello\"", .authenticated = true},
    {"{\"action\":\"message\",\"options\":{\"channel\":\"room/1\",\"socketId\":\"S1\"},"
     "\"payload\":{\"pm\":1}}",
     .type = COMMAND_MESSAGE, .channel = "room/1", .socket_id = "S1", .payload = "{\"pm\":1}"},
    {"{\"action\":\"message\"," ROOM ",\"payload\":null}", .type = COMMAND_MESSAGE,
     .channel = "room/1", .payload = "null"},
    {"{\"action\":\"history\"," ROOM ",\"payload\":null}", .type = COMMAND_HISTORY,
     .channel = "room/1"},
    {"{\"action\":\"history\",\"options\":{\"channel\":\"room/1\",\"socketId\":\"S1\"},"
     "\"payload\":null}",
     .type = COMMAND_HISTORY, .channel = "room/1", .socket_id = "S1"},
    {"{\"action\":\"message\",\"options\":{\"authenticated\":false,\"socketId\":null,"
     "\"channel\":\"room/1\"},\"payload\":1}",
     .type = COMMAND_MESSAGE, .channel = "room/1", .payload = "1"},
    /* The payload's bytes are the client's. */
    {"{\"action\":\"message\"," ROOM ",\"payload\": [ 1.10 , 1e400,\"\\u0000\\ud800\" ] }",
     .type = COMMAND_MESSAGE, .channel = "room/1",
     .payload = "[ 1.10 , 1e400,\"\\u0000\\ud800\" ]"},
    {"{\"payload\":12345678901234567890123,\"action\":\"message\"," ROOM "}",
     .type = COMMAND_MESSAGE, .channel = "room/1", .payload = "12345678901234567890123"},
    {"{\"action\":\"message\"," ROOM "}", .type = COMMAND_MESSAGE, .channel = "room/1",
     .payload = "null"},
    {"{\"action\":\"message\"," ROOM ",\"payload\":{\"options\":{\"channel\":\"x\"}}}",
     .type = COMMAND_MESSAGE, .channel = "room/1", .payload = "{\"options\":{\"channel\":\"x\"}}"},
    /* null, false and missing are the same; unknown options are ignored, whatever they are. */
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"socketId\":false,"
     "\"authenticated\":null,\"x\":[1e999,\"\\ud800\\u0000\",12345678901234567890123]}}",
     .type = COMMAND_MESSAGE, .channel = "a", .payload = "null"},
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"authenticated\":1},\"more\":{}}",
     .type = COMMAND_MESSAGE, .channel = "a", .payload = "null"},
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"history\":1,\"presence\":\"true\"}}",
     .type = COMMAND_JOIN, .channel = "room/1"},
    {"{\"action\":\"join\"," ROOM ",\"payload\":null}", .type = COMMAND_JOIN, .channel = "room/1"},
    {"{\"action\":\"join\"," ROOM ",\"payload\":[{\"history\":true}]}", .type = COMMAND_JOIN,
     .channel = "room/1"},
    {"{\"action\":\"join\"," ROOM "}", .type = COMMAND_JOIN, .channel = "room/1"},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"a\",\"socketId\":5}}", .type = COMMAND_JOIN,
     .channel = "a"},
    {"{\"action\":\"history\",\"options\":{\"channel\":\"a\",\"socketId\":5}}",
     .type = COMMAND_HISTORY, .channel = "a"},
    /* Spellings. */
    {"\t{ \"\\u0061ction\" : \"me\\u0073sage\" , \"options\" : { \"channel\" : "
     "\"r\\u00f8d\\/1 \\ud83d\\ude00\" , \"socketId\" : \"\\u0053\" } , \"payload\" : 0 }\n",
     .type = COMMAND_MESSAGE, .channel = "rød/1 😀", .socket_id = "S", .payload = "0"},
    {"{\"action\":\"leave\",\"action\":\"message\",\"payload\":1,\"payload\":2,"
     "\"options\":{\"channel\":\"a\"},\"options\":{\"channel\":\"b\",\"channel\":\"c\"}}",
     .type = COMMAND_MESSAGE, .channel = "c", .payload = "2"},
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"socketId\":\"\"}}",
     .type = COMMAND_MESSAGE, .channel = "a", .socket_id = "", .payload = "null"},
    /* Resuming. */
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"since\":{\"epoch\":\"e1\",\"offset\":0}}}",
     .type = COMMAND_JOIN, .channel = "room/1", .has_since = true, .epoch = "e1"},
    {"{\"action\":\"join\"," ROOM
     ",\"payload\":{\"since\":{\"offset\":9223372036854775807,\"epoch\":\"\"},\"history\":true}}",
     .type = COMMAND_JOIN, .channel = "room/1", .history = true, .has_since = true, .epoch = "",
     .offset = INT64_MAX},
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"since\":{\"epoch\":\"\\u0065\",\"offset\":12}}}",
     .type = COMMAND_JOIN, .channel = "room/1", .has_since = true, .epoch = "e", .offset = 12},
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"since\":null}}", .type = COMMAND_JOIN,
     .channel = "room/1"},
    {"{\"action\":\"join\"," ROOM ",\"payload\":{\"since\":false}}", .type = COMMAND_JOIN,
     .channel = "room/1"},
};

static const struct expectation bad[] = {
    {"", .error = ERROR_CODE_BAD_JSON},
    {"hello", .error = ERROR_CODE_BAD_JSON},
    {"[]", .error = ERROR_CODE_BAD_JSON},
    {"\"join\"", .error = ERROR_CODE_BAD_JSON},
    {"{\"action\":\"join\"," ROOM, .error = ERROR_CODE_BAD_JSON},
    {"{\"action\":\"message\"," ROOM ",\"payload\":01}", .error = ERROR_CODE_BAD_JSON},
    {"{\"action\":\"join\"," ROOM "}{}", .error = ERROR_CODE_BAD_JSON},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"\xff\"}}", .error = ERROR_CODE_BAD_UTF8},
    {"\xc3", .error = ERROR_CODE_BAD_UTF8},
    {"{}", .error = ERROR_CODE_BAD_ACTION},
    {"{" ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":\"event\"," ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":\"Join\"," ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":\"\"," ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":null," ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":[\"join\"]," ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":\"join\\ud800\"," ROOM "}", .error = ERROR_CODE_BAD_ACTION, .channel = "room/1"},
    {"{\"action\":\"nope\",\"options\":{\"channel\":\"*\"}}", .error = ERROR_CODE_BAD_ACTION},
    {"{\"action\":\"join\"}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"leave\",\"options\":null}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"message\",\"options\":false}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"history\",\"options\":{}}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":[\"channel\"]}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":null}}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":5}}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"\"}}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"a*\"}}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"a\\nb\"}}", .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"a\\u0000\"}}",
     .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"a\\ud800\"}}",
     .error = ERROR_CODE_BAD_CHANNEL},
    {"{\"action\":\"join\",\"options\":{\"channel\":\"a\\u0085\"}}",
     .error = ERROR_CODE_BAD_CHANNEL},
    /* A private message must not become a public one. */
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"socketId\":5}}",
     .error = ERROR_CODE_NO_SUCH_CLIENT, .channel = "a"},
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"socketId\":true}}",
     .error = ERROR_CODE_NO_SUCH_CLIENT, .channel = "a"},
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"socketId\":{}}}",
     .error = ERROR_CODE_NO_SUCH_CLIENT, .channel = "a"},
    {"{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"socketId\":\"\\ud800\"}}",
     .error = ERROR_CODE_NO_SUCH_CLIENT, .channel = "a"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_decodes(&good[i]);
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct expectation e = bad[i];
        e.type = COMMAND_INVALID;
        assert_decodes(&e);
    }
}

/* A position that is none must not be taken for "from now on". */
static void test_bad_since(void **state)
{
    (void)state;
    static const char *const positions[] = {
        "true",
        "0",
        "\"e1\"",
        "[]",
        "{}",
        "{\"epoch\":\"e1\"}",
        "{\"offset\":1}",
        "{\"epoch\":1,\"offset\":1}",
        "{\"epoch\":null,\"offset\":1}",
        "{\"epoch\":\"e1\",\"offset\":\"1\"}",
        "{\"epoch\":\"e1\",\"offset\":null}",
        "{\"epoch\":\"e1\",\"offset\":-1}",
        "{\"epoch\":\"e1\",\"offset\":-0}",
        "{\"epoch\":\"e1\",\"offset\":1.0}",
        "{\"epoch\":\"e1\",\"offset\":1e3}",
        "{\"epoch\":\"e1\",\"offset\":9223372036854775808}",
        "{\"epoch\":\"e1\",\"offset\":18446744073709551616}",
        "{\"epoch\":\"e\\u0000\",\"offset\":1}",
        "{\"epoch\":\"\\ud800\",\"offset\":1}",
    };
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        struct buf text = {0};
        buf_printf(&text, "{\"action\":\"join\"," ROOM ",\"payload\":{\"since\":%s}}",
                   positions[i]);
        struct expectation e = {.text = buf_text(&text),
                                .type = COMMAND_INVALID,
                                .error = ERROR_CODE_BAD_JSON,
                                .channel = "room/1"};
        assert_decodes(&e);
        buf_release(&text);
    }
}

static enum command_type type_with_channel(const char *letter, int n)
{
    struct buf text = {0};
    buf_literal(&text, "{\"action\":\"join\",\"options\":{\"channel\":\"");
    for (int i = 0; i < n; i++)
        buf_literal(&text, letter);
    buf_literal(&text, "\"}}");
    struct command *command = decode_copy((struct str){text.data, text.len});
    enum command_type type = command->type;
    if (type == COMMAND_JOIN)
        assert_int_equal(command->channel.len, 255);
    free(command);
    buf_release(&text);
    return type;
}

/* 255 bytes, however each is spelled. */
static void test_longest_channel(void **state)
{
    (void)state;
    assert_int_equal(type_with_channel("a", 255), COMMAND_JOIN);
    assert_int_equal(type_with_channel("a", 256), COMMAND_INVALID);
    assert_int_equal(type_with_channel("\\u0061", 255), COMMAND_JOIN);
    assert_int_equal(type_with_channel("\\u0061", 256), COMMAND_INVALID);
    assert_int_equal(type_with_channel("\\u20ac", 85), COMMAND_JOIN);
    assert_int_equal(type_with_channel("\\u20ac", 86), COMMAND_INVALID);
    assert_int_equal(type_with_channel("\\u0061", 5000), COMMAND_INVALID);
}

static void test_long_epoch(void **state)
{
    (void)state;
    for (int n = 255; n <= 256; n++) {
        struct buf text = {0};
        buf_printf(&text,
                   "{\"action\":\"join\"," ROOM
                   ",\"payload\":{\"since\":{\"offset\":1,\"epoch\":\"%0*d\"}}}",
                   n, 7);
        struct command *command = decode_copy((struct str){text.data, text.len});
        assert_int_equal(command->type, n == 255 ? COMMAND_JOIN : COMMAND_INVALID);
        free(command);
        buf_release(&text);
    }
}

/* ---- what only some clients send ---- */

#define REFERRED(more) "\"options\":{\"channel\":\"a\",\"ref\":\"r\"" more "}"
#define KEY "0123456789abcdef"
#define BY "0123456789abcdef0123456789ABCDEF"

static struct command *decode_text(const char *text)
{
    return decode_copy(str_of(text));
}

static void assert_bad(const char *text, const char *ref)
{
    struct command *command = decode_text(text);
    if (command->type != COMMAND_INVALID || command->error != ERROR_CODE_BAD_JSON)
        fail_msg("let pass: %s", text);
    assert_non_null(command->why);
    assert_span(text, command->ref, ref);
    free(command);
}

/* Every frame of a client may have one, and what is wrong with the rest does not take it away. */
static void test_ref(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum command_type type;
    } cases[] = {
        {"{\"action\":\"join\"," REFERRED("") "}", COMMAND_JOIN},
        {"{\"action\":\"leave\"," REFERRED("") "}", COMMAND_LEAVE},
        {"{\"action\":\"message\"," REFERRED("") "}", COMMAND_MESSAGE},
        {"{\"action\":\"history\"," REFERRED("") "}", COMMAND_HISTORY},
        {"{\"action\":\"presence\"," REFERRED("") "}", COMMAND_PRESENCE},
        {"{\"action\":\"ping\"," REFERRED("") "}", COMMAND_PING},
        {"{\"action\":\"ping\",\"options\":{\"ref\":\"\\u0072\"}}", COMMAND_PING},
        {"{\"action\":\"token\",\"options\":{\"ref\":\"r\"}}", COMMAND_TOKEN},
        {"{\"action\":\"nope\"," REFERRED("") "}", COMMAND_INVALID},
        {"{\"action\":\"join\",\"options\":{\"ref\":\"r\"}}", COMMAND_INVALID},
        {"{\"action\":\"message\"," REFERRED(",\"socketId\":1") "}", COMMAND_INVALID},
        {"{\"action\":\"leave\"," REFERRED(",\"view\":1") "}", COMMAND_INVALID},
        {"{\"action\":\"join\"," REFERRED("") ",\"payload\":{\"since\":1}}", COMMAND_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct command *command = decode_text(cases[i].text);
        assert_int_equal(command->type, cases[i].type);
        assert_span(cases[i].text, command->ref, "r");
        free(command);
    }
    assert_bad("{\"action\":\"ping\",\"options\":{\"ref\":\"\"}}", NULL);
    assert_bad("{\"action\":\"ping\",\"options\":{\"ref\":1}}", NULL);
    assert_bad("{\"action\":\"ping\",\"options\":{\"ref\":\"\\ud800\"}}", NULL);
    assert_bad("{\"action\":\"message\",\"options\":{\"channel\":\"a\",\"ref\":{}}}", NULL);
    struct command *command = decode_text("{\"action\":\"ping\",\"options\":{\"ref\":null}}");
    assert_int_equal(command->type, COMMAND_PING);
    assert_null(command->ref.ptr);
    free(command);
}

static void test_longest_ref(void **state)
{
    (void)state;
    for (int n = 64; n <= 65; n++) {
        struct buf text = {0};
        buf_printf(&text, "{\"action\":\"ping\",\"options\":{\"ref\":\"%0*d\"}}", n, 7);
        struct command *command = decode_text(buf_text(&text));
        assert_int_equal(command->type, n == 64 ? COMMAND_PING : COMMAND_INVALID);
        free(command);
        buf_release(&text);
    }
}

static void test_key(void **state)
{
    (void)state;
    const char *text = "{\"action\":\"message\"," REFERRED(",\"id_key\":\"" KEY "\",\"by\":\"" BY
                                                           "\"") ",\"payload\":1}";
    struct command *command = decode_text(text);
    assert_int_equal(command->type, COMMAND_MESSAGE);
    assert_span(text, command->id_key, KEY);
    assert_span(text, command->by, BY);
    assert_span(text, command->payload, "1");
    free(command);
    /* Characters, not bytes. */
    text = "{\"action\":\"message\"," REFERRED(
        ",\"id_key\":\"\\u20ac\\u20ac\\u20ac\\u20ac€€€€€€€€€€€€\"") "}";
    command = decode_text(text);
    assert_span(text, command->id_key, "€€€€€€€€€€€€€€€€");
    free(command);
    assert_bad("{\"action\":\"message\"," REFERRED(",\"id_key\":\"0123456789abcde\"") "}", "r");
    assert_bad("{\"action\":\"message\"," REFERRED(",\"id_key\":\"€€€€€€€€€€€€€€€\"") "}", "r");
    assert_bad("{\"action\":\"message\"," REFERRED(",\"id_key\":\"" KEY KEY KEY KEY "0\"") "}",
               "r");
    assert_bad("{\"action\":\"message\"," REFERRED(",\"id_key\":\"" KEY "\\u0000\"") "}", "r");
    assert_bad("{\"action\":\"message\"," REFERRED(",\"id_key\":1234567890123456") "}", "r");
    assert_bad("{\"action\":\"message\"," REFERRED(",\"by\":\"" BY "0\"") "}", "r");
    assert_bad(
        "{\"action\":\"message\"," REFERRED(",\"by\":\"g123456789abcdef0123456789abcdef\"") "}",
        "r");
}

static void test_to(void **state)
{
    (void)state;
    static const struct {
        const char *text, *row_id;
    } good_ones[] = {
        {"{\"action\":\"message\"," REFERRED(",\"to\":{\"dbo_id\":7,\"row_id\":\"\\u0034\"}") "}",
         "4"},
        {"{\"action\":\"message\"," REFERRED(",\"to\":{\"dbo_id\":7,\"row_id\":42}") "}", "42"},
        {"{\"action\":\"message\"," REFERRED(",\"to\":{\"dbo_id\":7,\"row_id\":-1}") "}", "-1"},
        {"{\"action\":\"message\"," REFERRED(",\"to\":{\"dbo_id\":7,\"row_id\":0}") "}", "0"},
    };
    for (size_t i = 0; i < sizeof good_ones / sizeof good_ones[0]; i++) {
        struct command *command = decode_text(good_ones[i].text);
        assert_int_equal(command->type, COMMAND_MESSAGE);
        assert_true(command->has_to);
        assert_int_equal(command->to_dbo_id, 7);
        assert_span(good_ones[i].text, command->to_row_id, good_ones[i].row_id);
        free(command);
    }
    struct buf long_one = {0};
    buf_printf(
        &long_one,
        "{\"action\":\"message\"," REFERRED(",\"to\":{\"dbo_id\":7,\"row_id\":\"%05000d\"}") "}",
        0);
    struct command *kept = decode_text(buf_text(&long_one));
    assert_int_equal(kept->to_row_id.len, 5000);
    assert_true(command_bytes(kept) > 5000); /* what is held back is limited by this */
    free(kept);
    buf_release(&long_one);
    static const char *const bad_ones[] = {
        "true",
        "7",
        "[]",
        "{}",
        "{\"dbo_id\":7}",
        "{\"row_id\":7}",
        "{\"dbo_id\":0,\"row_id\":7}",
        "{\"dbo_id\":-7,\"row_id\":7}",
        "{\"dbo_id\":2147483648,\"row_id\":7}",
        "{\"dbo_id\":\"7\",\"row_id\":7}",
        "{\"dbo_id\":7,\"row_id\":1.5}",
        "{\"dbo_id\":7,\"row_id\":1e3}",
        "{\"dbo_id\":7,\"row_id\":-0}",
        "{\"dbo_id\":7,\"row_id\":\"\"}",
        "{\"dbo_id\":7,\"row_id\":null}",
        "{\"dbo_id\":7,\"row_id\":7},\"socketId\":\"s\"",
    };
    for (size_t i = 0; i < sizeof bad_ones / sizeof bad_ones[0]; i++) {
        struct buf text = {0};
        buf_printf(&text, "{\"action\":\"message\"," REFERRED(",\"to\":%s") "}", bad_ones[i]);
        assert_bad(buf_text(&text), "r");
        buf_release(&text);
    }
}

static void test_about_no_channel(void **state)
{
    (void)state;
    const char *text =
        "{\"action\":\"txid\"," REFERRED("") ",\"payload\":\"18446744073709551615\"}";
    struct command *command = decode_text(text);
    assert_int_equal(command->type, COMMAND_TXID);
    assert_true(command->xid == UINT64_MAX);
    assert_span(text, command->channel, NULL);
    free(command);
    static const char *const xids[] = {"12",     "null",   "\"\"",
                                       "\"-1\"", "\"1 \"", "\"18446744073709551616\""};
    for (size_t i = 0; i < sizeof xids / sizeof xids[0]; i++) {
        struct buf xid = {0};
        buf_printf(&xid, "{\"action\":\"txid\"," REFERRED("") ",\"payload\":%s}", xids[i]);
        assert_bad(buf_text(&xid), "r");
        buf_release(&xid);
    }
    text = "{\"action\":\"token\",\"options\":{},\"payload\":\"a.b\"}";
    command = decode_text(text);
    assert_int_equal(command->type, COMMAND_TOKEN);
    assert_span(text, command->payload, "a.b");
    free(command);
    text = "{\"action\":\"token\",\"payload\":null}";
    command = decode_text(text);
    assert_int_equal(command->type, COMMAND_TOKEN);
    assert_span(text, command->payload, NULL);
    free(command);
    assert_bad("{\"action\":\"token\",\"payload\":7}", NULL);
}

static void test_presence(void **state)
{
    (void)state;
    const char *text = "{\"action\":\"join\"," ROOM ",\"payload\":{\"presence\":\"state\"}}";
    struct command *command = decode_text(text);
    assert_int_equal(command->type, COMMAND_JOIN);
    assert_true(command->wants_state && command->wants_presence);
    free(command);
    text = "{\"action\":\"presence\"," ROOM ",\"payload\":{\"x\": 1}}";
    command = decode_text(text);
    assert_int_equal(command->type, COMMAND_PRESENCE);
    assert_span(text, command->payload, "{\"x\": 1}");
    free(command);
    text = "{\"action\":\"presence\"," ROOM "}";
    command = decode_text(text);
    assert_span(text, command->payload, "null");
    free(command);
    assert_bad("{\"action\":\"presence\"," ROOM ",\"payload\":7}", NULL);
    assert_bad("{\"action\":\"presence\"," ROOM ",\"payload\":[]}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_bad_since),   cmocka_unit_test(test_longest_channel),
        cmocka_unit_test(test_long_epoch),  cmocka_unit_test(test_ref),
        cmocka_unit_test(test_longest_ref), cmocka_unit_test(test_key),
        cmocka_unit_test(test_to),          cmocka_unit_test(test_about_no_channel),
        cmocka_unit_test(test_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
