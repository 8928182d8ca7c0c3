/* SPDX-License-Identifier: PostgreSQL */
/* The WebSocket codec. Each case is a list of client frames and the items that must come out,
 * written as a transcript; each is fed whole, byte by byte, and cut in two at every place, and must
 * give the same transcript. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/rfc6455.h"

/* STR() is no constant expression; the tables need one. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

enum { MAX_BYTES = 1000, FIN = 0x80 };

/* A masked client frame with a minimal length. */
static void add_frame(struct buf *buf, unsigned first, struct str payload)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t header[RFC6455_HEADER_MAX];
    size_t len = rfc6455_header(header, RFC6455_OPCODE_TEXT, payload.len);
    header[0] = (uint8_t)first;
    header[1] |= 0x80;
    buf_add(buf, header, len);
    buf_add(buf, mask, sizeof mask);
    for (size_t i = 0; i < payload.len; i++)
        buf_char(buf, (char)(payload.ptr[i] ^ (char)mask[i & 3]));
}

static void note(struct buf *transcript, const struct rfc6455_item *item)
{
    static const char letters[] = {'T', '<', '>', 'C', 'E'}; /* in the order of the item types */
    buf_char(transcript, letters[item->type]);
    if (item->type == RFC6455_ITEM_CLOSE || item->type == RFC6455_ITEM_ERROR)
        buf_u64(transcript, item->code);
    if (item->type != RFC6455_ITEM_ERROR) {
        buf_char(transcript, ':');
        buf_str(transcript, item->payload);
    } else {
        assert_true(item->payload.len > 0); /* it says why */
    }
    buf_char(transcript, '|');
}

/* Feeds one piece from a heap copy of exactly its size, so that AddressSanitizer sees what reads
 * over its end. */
static void feed(struct rfc6455_decoder *decoder, const char *data, size_t len,
                 struct buf *transcript)
{
    uint8_t *copy = mem_alloc(len);
    if (len > 0)
        memcpy(copy, data, len);
    struct rfc6455_input input = {copy, len};
    struct rfc6455_item item;
    while (rfc6455_decode(decoder, &input, MAX_BYTES, &item))
        note(transcript, &item);
    assert_int_equal(input.len, 0);
    assert_ptr_equal(input.data, copy + len);
    free(copy);
}

static void assert_transcript(struct str wire, size_t first, size_t step, const char *expected)
{
    struct rfc6455_decoder decoder = {0};
    struct buf transcript = {0};
    size_t piece = first;
    for (size_t at = 0; at < wire.len; at += piece, piece = step) {
        if (piece > wire.len - at)
            piece = wire.len - at;
        feed(&decoder, wire.ptr + at, piece, &transcript);
    }
    assert_string_equal(buf_text(&transcript), expected);
    rfc6455_decoder_release(&decoder);
    buf_release(&transcript);
}

static void assert_decodes(struct str wire, const char *expected)
{
    assert_transcript(wire, wire.len, wire.len, expected);
    assert_transcript(wire, 1, 1, expected);
    for (size_t cut = 1; cut < wire.len; cut++)
        assert_transcript(wire, cut, wire.len, expected);
}

static const struct {
    struct {
        unsigned first;
        struct str payload;
    } frames[6];
    const char *expected;
} frame_cases[] = {
    {{{FIN | 1, TEXT("hello")}}, "T:hello|"},
    {{{FIN | 1, TEXT("")}}, "T:|"},
    {{{FIN | 1, TEXT("a")}, {FIN | 1, TEXT("bc")}, {FIN | 1, TEXT("")}}, "T:a|T:bc|T:|"},
    {{{FIN | 1, TEXT("sixteen bytes are two words and a rest")}},
     "T:sixteen bytes are two words and a rest|"},
    /* Fragments, with control frames between them. */
    {{{1, TEXT("he")}, {0, TEXT("l")}, {FIN, TEXT("lo")}}, "T:hello|"},
    {{{1, TEXT("")}, {0, TEXT("")}, {FIN, TEXT("")}}, "T:|"},
    {{{1, TEXT("")}, {FIN, TEXT("x")}}, "T:x|"},
    {{{1, TEXT("he")}, {FIN, TEXT("")}}, "T:he|"},
    {{{1, TEXT("he")}, {FIN | 9, TEXT("ping")}, {FIN, TEXT("llo")}, {FIN | 1, TEXT("2")}},
     "<:ping|T:hello|T:2|"},
    {{{1, TEXT("he")},
      {FIN | 10, TEXT("pong")},
      {0, TEXT("l")},
      {FIN | 9, TEXT("")},
      {FIN, TEXT("lo")}},
     ">:pong|<:|T:hello|"},
    {{{1, TEXT("")}, {FIN | 9, TEXT("p")}, {FIN, TEXT("x")}}, "<:p|T:x|"},
    /* A character may be cut by a fragment. */
    {{{1, TEXT("\xc3")}, {FIN, TEXT("\xa9")}}, "T:\xc3\xa9|"},
    {{{1, TEXT("\xc3")}, {FIN, TEXT("x")}}, "E1007|"},
    {{{1, TEXT("\xc3")}, {FIN, TEXT("")}}, "E1007|"},
    {{{FIN | 1, TEXT("\xed\xa0\x80")}}, "E1007|"},
    {{{FIN | 1, TEXT("\xc3\x28")}, {FIN | 1, TEXT("x")}}, "E1007|"},
    {{{FIN | 9, TEXT("\xff\xfe")}}, "<:\xff\xfe|"}, /* a ping's payload is no text */
    /* Closing. */
    {{{FIN | 8, TEXT("")}}, "C1005:|"},
    {{{FIN | 8, TEXT("\x03\xe8")}}, "C1000:|"},
    {{{FIN | 8, TEXT("\x03\xe9gone")}}, "C1001:gone|"},
    {{{FIN | 8, TEXT("\x03\xe8")}, {FIN | 1, TEXT("after")}}, "C1000:|"},
    {{{1, TEXT("he")},
      {FIN | 8, TEXT("\x03\xe8"
                     "bye")},
      {FIN, TEXT("llo")}},
     "C1000:bye|"},
    {{{FIN | 8, TEXT("\x03")}}, "E1002|"},
    {{{FIN | 8, TEXT("\x03\xe8\xff")}}, "E1007|"},
    {{{FIN | 8, TEXT("\x03\xe7")}}, "E1002|"}, /* 999 */
    {{{FIN | 8, TEXT("\x03\xec")}}, "E1002|"}, /* 1004 */
    {{{FIN | 8, TEXT("\x03\xed")}}, "E1002|"}, /* 1005 */
    {{{FIN | 8, TEXT("\x03\xee")}}, "E1002|"}, /* 1006 */
    {{{FIN | 8, TEXT("\x03\xef")}}, "C1007:|"},
    {{{FIN | 8, TEXT("\x03\xf6")}}, "C1014:|"},
    {{{FIN | 8, TEXT("\x03\xf7")}}, "E1002|"}, /* 1015 */
    {{{FIN | 8, TEXT("\x0b\xb7")}}, "E1002|"}, /* 2999 */
    {{{FIN | 8, TEXT("\x0b\xb8")}}, "C3000:|"},
    {{{FIN | 8, TEXT("\x13\x87")}}, "C4999:|"},
    {{{FIN | 8, TEXT("\x13\x88")}}, "E1002|"}, /* 5000 */
    {{{FIN | 8, TEXT("\x00\x00")}}, "E1002|"},
    /* Opcodes and bits. */
    {{{FIN | 2, TEXT("binary")}}, "E1003|"},
    {{{2, TEXT("binary")}}, "E1003|"},
    {{{1, TEXT("a")}, {FIN | 2, TEXT("b")}}, "E1002|"},
    {{{1, TEXT("a")}, {FIN | 1, TEXT("b")}}, "E1002|"},
    {{{1, TEXT("a")}, {1, TEXT("b")}}, "E1002|"},
    {{{FIN, TEXT("a")}}, "E1002|"},
    {{{0, TEXT("a")}}, "E1002|"},
    {{{FIN | 1, TEXT("a")}, {FIN, TEXT("b")}}, "T:a|E1002|"},
    {{{1, TEXT("a")}, {FIN, TEXT("b")}, {FIN, TEXT("c")}}, "T:ab|E1002|"},
    {{{FIN | 0x40 | 1, TEXT("a")}}, "E1002|"},
    {{{FIN | 0x20 | 1, TEXT("a")}}, "E1002|"},
    {{{FIN | 0x10 | 1, TEXT("a")}}, "E1002|"},
    {{{FIN | 0x40 | 9, TEXT("a")}}, "E1002|"},
    {{{FIN | 3, TEXT("")}}, "E1002|"},
    {{{FIN | 7, TEXT("")}}, "E1002|"},
    {{{FIN | 11, TEXT("")}}, "E1002|"},
    {{{FIN | 15, TEXT("")}}, "E1002|"},
    {{{9, TEXT("a")}}, "E1002|"},
    {{{8, TEXT("")}}, "E1002|"},
};

static void test_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof frame_cases / sizeof frame_cases[0]; i++) {
        struct buf wire = {0};
        for (size_t j = 0; j < 6 && frame_cases[i].frames[j].payload.ptr != NULL; j++)
            add_frame(&wire, frame_cases[i].frames[j].first, frame_cases[i].frames[j].payload);
        assert_decodes((struct str){wire.data, wire.len}, frame_cases[i].expected);
        buf_release(&wire);
    }
}

static const struct {
    struct str wire;
    const char *expected;
} raw_cases[] = {
    {TEXT("\x81\x00"), "E1002|"}, /* not masked */
    {TEXT("\x81\x05hello"), "E1002|"},
    {TEXT("\x89\x00"), "E1002|"},
    {TEXT("\x89\xfe\x00\x7e"), "E1002|"}, /* control frames are 125 bytes at most */
    {TEXT("\x88\xff"), "E1002|"},
    {TEXT("\x81\xfe\x00\x7d\x00\x00\x00\x00"), "E1002|"}, /* not minimal */
    {TEXT("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00"), "E1002|"},
    {TEXT("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "E1002|"}, /* top bit */
    {TEXT("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"), "E1009|"},
    {TEXT("\x81\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), "E1009|"}, /* 2^32 */
    {TEXT("\x81\xfe\x03\xe9\x00\x00\x00\x00"), "E1009|"}, /* 1001 bytes announced, none sent */
    {TEXT("\x81\xfe\x03\xe8\x00\x00\x00\x00"), ""},
    {TEXT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "T:Hello|"}, /* RFC 6455, 5.7 */
    {TEXT("GET / HTTP/1.1\r\n\r\n"), "E1002|"},
};

static void test_raw_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof raw_cases / sizeof raw_cases[0]; i++)
        assert_decodes(raw_cases[i].wire, raw_cases[i].expected);
}

/* Lengths on both sides of the three encodings and of the limit. */
static void test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 9, 124, 125, 126, 127, 999, 1000};
    char text[MAX_BYTES];
    memset(text, 'y', sizeof text);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct buf wire = {0}, expected = {0};
        struct str payload = {text, lengths[i]};
        add_frame(&wire, FIN | 1, payload);
        buf_literal(&expected, "T:");
        buf_str(&expected, payload);
        buf_char(&expected, '|');
        assert_decodes((struct str){wire.data, wire.len}, buf_text(&expected));
        buf_release(&wire);
        buf_release(&expected);
    }
}

static void test_long_frames(void **state)
{
    (void)state;
    uint32_t max = 300000;
    char *text = mem_alloc(max + 1);
    memset(text, 'z', max + 1);
    struct buf wire = {0};
    add_frame(&wire, FIN | 1, (struct str){text, 70000});
    add_frame(&wire, 1, (struct str){text, 150000});
    add_frame(&wire, FIN | 9, STR("ping"));
    add_frame(&wire, FIN, (struct str){text, 150000});
    add_frame(&wire, FIN | 1, (struct str){text, max + 1});
    static const size_t expected_lens[] = {70000, 4, 300000, 0};

    struct rfc6455_decoder decoder = {0};
    size_t n_items = 0;
    for (size_t at = 0; at < wire.len; at += 1000) {
        size_t left = wire.len - at;
        struct rfc6455_input input = {(uint8_t *)wire.data + at, left < 1000 ? left : 1000};
        struct rfc6455_item item;
        while (rfc6455_decode(&decoder, &input, max, &item)) {
            assert_true(n_items < 4);
            if (n_items == 3)
                assert_int_equal(item.code, 1009);
            else
                assert_int_equal(item.payload.len, expected_lens[n_items]);
            for (size_t i = 0; n_items != 1 && n_items < 3 && i < item.payload.len; i++)
                assert_int_equal(item.payload.ptr[i], 'z');
            n_items++;
        }
    }
    assert_int_equal(n_items, 4);
    assert_null(decoder.data);
    rfc6455_decoder_release(&decoder);
    buf_release(&wire);
    free(text);
}

/* The limit is for the message, however it is cut. */
static void test_limit_over_fragments(void **state)
{
    (void)state;
    char text[MAX_BYTES];
    memset(text, 'y', sizeof text);
    struct buf wire = {0};
    add_frame(&wire, 1, (struct str){text, 600});
    add_frame(&wire, 0, (struct str){text, 400});
    add_frame(&wire, FIN, STR("y"));
    assert_decodes((struct str){wire.data, wire.len}, "E1009|");
    buf_release(&wire);
}

/* What a hundred thousand quiet connections cost. */
static void test_idle_decoder_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct rfc6455_decoder) < 64);
    struct rfc6455_decoder decoder = {0};
    struct buf wire = {0}, transcript = {0};
    add_frame(&wire, FIN | 1, STR("whole"));
    feed(&decoder, wire.data, wire.len, &transcript);
    assert_null(decoder.data);
    for (size_t i = 0; i < wire.len; i++) {
        feed(&decoder, wire.data + i, 1, &transcript);
        bool is_partial_payload = i >= 6 && i + 1 < wire.len;
        assert_true((decoder.data != NULL) == is_partial_payload);
        assert_true(decoder.cap <= 5); /* no more than the header announced */
    }
    assert_string_equal(buf_text(&transcript), "T:whole|T:whole|");

    /* A header alone, whatever it announces, holds nothing. */
    feed(&decoder, "\x81\xfe\x03\xe8\x00\x00\x00\x00", 8, &transcript);
    assert_null(decoder.data);
    rfc6455_decoder_release(&decoder);
    buf_release(&wire);
    buf_release(&transcript);
}

static void test_whole_payload_is_not_copied(void **state)
{
    (void)state;
    struct rfc6455_decoder decoder = {0};
    struct buf wire = {0};
    add_frame(&wire, FIN | 1, STR("whole"));
    struct rfc6455_input input = {(uint8_t *)wire.data, wire.len};
    struct rfc6455_item item;
    assert_true(rfc6455_decode(&decoder, &input, MAX_BYTES, &item));
    assert_ptr_equal(item.payload.ptr, wire.data + 6);
    assert_false(rfc6455_decode(&decoder, &input, MAX_BYTES, &item));
    buf_release(&wire);
}

static void test_header(void **state)
{
    (void)state;
    static const struct {
        uint64_t len;
        struct str header;
    } cases[] = {
        {0, TEXT("\x81\x00")},
        {125, TEXT("\x81\x7d")},
        {126, TEXT("\x81\x7e\x00\x7e")},
        {65535, TEXT("\x81\x7e\xff\xff")},
        {65536, TEXT("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
        {UINT64_C(0x0102030405060708), TEXT("\x81\x7f\x01\x02\x03\x04\x05\x06\x07\x08")},
    };
    uint8_t out[RFC6455_HEADER_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(rfc6455_header(out, RFC6455_OPCODE_TEXT, cases[i].len),
                         cases[i].header.len);
        assert_memory_equal(out, cases[i].header.ptr, cases[i].header.len);
    }
}

static void test_control_frames(void **state)
{
    (void)state;
    uint8_t out[RFC6455_CONTROL_MAX];
    char long_text[200];
    assert_int_equal(rfc6455_control_frame(out, RFC6455_OPCODE_PING, STR("")), 2);
    assert_memory_equal(out, "\x89\x00", 2);
    assert_int_equal(rfc6455_control_frame(out, RFC6455_OPCODE_PONG, STR("abc")), 5);
    assert_memory_equal(out,
                        "\x8a\x03"
                        "abc",
                        5);
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(rfc6455_control_frame(out, RFC6455_OPCODE_PONG, str_of(long_text)), 127);
    assert_int_equal(out[1], 125);

    assert_int_equal(rfc6455_close_frame(out, 1012, "restart"), 11);
    assert_memory_equal(out, "\x88\x09\x03\xf4restart", 11);
    assert_int_equal(rfc6455_close_frame(out, 1000, NULL), 4);
    assert_memory_equal(out, "\x88\x02\x03\xe8", 4);
    assert_int_equal(rfc6455_close_frame(out, 1000, long_text), 127);
    memcpy(long_text + 122, "\xc3\xa9", 2); /* would be cut in two */
    assert_int_equal(rfc6455_close_frame(out, 1000, long_text), 126);
    assert_int_equal(out[125], 'x');
}

static void test_accept(void **state)
{
    (void)state;
    char out[RFC6455_ACCEPT_SIZE];
    struct rfc6455_hash *hash = rfc6455_hash_new();
    rfc6455_accept(hash, STR("dGhlIHNhbXBsZSBub25jZQ=="), out); /* RFC 6455, 1.3 */
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    rfc6455_accept(hash, STR("AQIDBAUGBwgJCgsMDQ4PEA=="), out); /* the same hash, another key */
    assert_string_equal(out, "C/0nmHhBztSRGR1CwL6Tf4ZjwpY=");
    rfc6455_accept(hash, STR("dGhlIHNhbXBsZSBub25jZQ=="), out);
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    rfc6455_hash_free(hash);
}

/* What a client says is what the server's decoder reads, and the other way round. */
static void test_client_frames(void **state)
{
    (void)state;
    static const uint8_t mask[RFC6455_MASK_SIZE] = {1, 2, 0xfe, 0xff};
    struct buf wire = {0};
    rfc6455_client_frame(&wire, RFC6455_OPCODE_TEXT, STR("nine bytes, and more"), mask);
    rfc6455_client_frame(&wire, RFC6455_OPCODE_PONG, STR(""), mask);
    rfc6455_client_frame(&wire, RFC6455_OPCODE_CLOSE, STR("\x03\xe8"), mask);
    assert_decodes(buf_span(&wire), "T:nine bytes, and more|>:|C1000:|");
    buf_release(&wire);
}

static void assert_server_decodes(struct str wire, size_t step, const char *expected)
{
    struct rfc6455_decoder decoder = {.is_of_server = true};
    struct buf transcript = {0};
    for (size_t at = 0; at < wire.len; at += step)
        feed(&decoder, wire.ptr + at, step < wire.len - at ? step : wire.len - at, &transcript);
    assert_string_equal(buf_text(&transcript), expected);
    rfc6455_decoder_release(&decoder);
    assert_true(decoder.is_of_server); /* also when a failure has emptied it */
    buf_release(&transcript);
}

static void test_frames_of_a_server(void **state)
{
    (void)state;
    static const struct {
        struct str wire;
        const char *expected;
    } cases[] = {
        {TEXT("\x81\x05hello\x89\x00\x01\x02he\x80\x03llo"), "T:hello|<:|T:hello|"},
        {TEXT("\x81\x00\x81\x02ok"), "T:|T:ok|"},
        {TEXT("\x88\x05\x03\xf4"
              "end"),
         "C1012:end|"},
        {TEXT("\x81\x80\x00\x00\x00\x00"), "E1002|"}, /* masked */
        {TEXT("\x82\x00"), "E1003|"},
        {TEXT("\x81\x7e\x03\xe9"), "E1009|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= cases[i].wire.len; step++)
            assert_server_decodes(cases[i].wire, step, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_raw_headers),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_long_frames),
        cmocka_unit_test(test_limit_over_fragments),
        cmocka_unit_test(test_idle_decoder_is_small),
        cmocka_unit_test(test_whole_payload_is_not_copied),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_control_frames),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_client_frames),
        cmocka_unit_test(test_frames_of_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
