/* SPDX-License-Identifier: PostgreSQL */
/* A client's message, on its whole way through the protocol: decoded, made an event, encoded, and
 * the frame taken apart again. Whatever the client sent, its payload must come out byte for byte,
 * the frame must be JSON, and nothing of the payload may leak into the rest of the envelope. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"
#include "core/json_span.h"
#include "proto/rfc6455.h"
#include "proto/xano.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str client_text = {"{\"socketId\":\"s\",\"extras\":{}}", 28};

/* The text behind the WebSocket header, which must be the right one. */
static struct str text_of(const struct frame *frame)
{
    uint8_t header[RFC6455_HEADER_MAX];
    size_t header_len = (frame->bytes[1] & 0x7F) == 127   ? 10
                        : (frame->bytes[1] & 0x7F) == 126 ? 4
                                                          : 2;
    assert(frame->len >= header_len);
    size_t len = frame->len - header_len;
    assert(rfc6455_header(header, RFC6455_OPCODE_TEXT, len) == header_len);
    assert(memcmp(frame->bytes, header, header_len) == 0);
    return (struct str){(const char *)frame->bytes + header_len, len};
}

static void check_channel(struct str options, struct str channel)
{
    struct json_member member = {.key = STR("channel")};
    assert(json_scan(options, &member, 1) == JSON_KIND_OBJECT);
    char *name = mem_alloc(member.value.len);
    size_t len;
    assert(json_unquote(member.value, name, &len));
    assert(str_equals((struct str){name, len}, channel));
    free(name);
}

/* Nothing else stands in options that have no channel. */
static void check_ref(struct str options, struct str channel, struct str ref)
{
    struct json_member member = {.key = STR("ref")};
    assert(json_scan(options, &member, 1) == JSON_KIND_OBJECT);
    assert((ref.ptr == NULL) == (member.value.ptr == NULL));
    assert(channel.ptr != NULL || ref.ptr != NULL || str_equals(options, STR("{}")));
    if (ref.ptr == NULL)
        return;
    char *text = mem_alloc(member.value.len);
    size_t len;
    assert(json_unquote(member.value, text, &len));
    assert(str_equals((struct str){text, len}, ref));
    free(text);
}

/* Takes the frame. */
static void check_frame(struct frame *frame, struct str action, struct str channel, struct str ref,
                        struct str payload)
{
    struct json_member envelope[] = {{.key = STR("action")},
                                     {.key = STR("client")},
                                     {.key = STR("options")},
                                     {.key = STR("payload")}};
    assert(json_scan(text_of(frame), envelope, 4) == JSON_KIND_OBJECT);
    assert(str_equals(envelope[0].value, action));
    if (channel.ptr != NULL)
        check_channel(envelope[2].value, channel);
    check_ref(envelope[2].value, channel, ref);
    if (payload.ptr != NULL)
        assert(str_equals(envelope[3].value, payload));
    frame_unref(frame);
}

static void check_message(const struct command *command)
{
    struct event_fields fields = {
        .action = EVENT_ACTION_MESSAGE,
        .offset = 7,
        .audience = {.kind = command->is_authenticated ? AUDIENCE_AUTHENTICATED : AUDIENCE_ALL},
        .channel = command->channel,
        .at = STR("2026-11-23T22:14:36.123Z"),
        .client = client_text,
        .payload = command->payload,
    };
    assert(json_scan(command->payload, NULL, 0) != JSON_KIND_INVALID);
    struct event *event = event_new(&fields);
    struct protocol_event told[] = {protocol_event_of(&event->f), protocol_event_of(&event->f)};
    check_frame(xano_protocol.event(&told[0], command->view, true), STR("\"message\""),
                command->channel, (struct str){0}, command->payload);
    check_frame(xano_protocol.history(command->channel, command->view, told, 2), STR("\"history\""),
                command->channel, (struct str){0}, (struct str){0});
    event_unref(event);
    assert(command->id_key.len <= 256 && (command->by.ptr == NULL || command->by.len == 32));
    assert(!command->has_to || (command->to_dbo_id > 0 && command->socket_id.ptr == NULL));
    struct protocol_receipt receipt = {.channel = command->channel, .ref = command->ref};
    check_frame(xano_protocol.receipt(&receipt), STR("\"receipt\""), command->channel, command->ref,
                STR("{}"));
}

static void check_join(const struct command *command)
{
    assert(command->since_offset <= INT64_MAX);
    assert(command->has_since == (command->since_epoch.ptr != NULL));
    assert(command->since_epoch.len <= 255 && str_is_utf8(command->since_epoch));
    check_frame(xano_protocol.joined(&(struct protocol_joined){
                    .channel = command->channel,
                    .client = client_text,
                    .epoch = command->has_since ? command->since_epoch : STR("e"),
                    .ref = command->ref,
                }),
                STR("\"join\""), command->channel, command->ref, (struct str){0});
}

static bool is_about_no_channel(enum command_type type)
{
    return type == COMMAND_PING || type == COMMAND_TXID || type == COMMAND_TOKEN;
}

static void check_command(const struct command *command)
{
    assert(command->session.generation == 3 && command->next == NULL);
    assert(command->channel.ptr == NULL || channel_name_is_valid(command->channel));
    assert(command->type == COMMAND_INVALID ||
           is_about_no_channel(command->type) == (command->channel.ptr == NULL));
    assert(command->type == COMMAND_TOKEN ||
           (command->type == COMMAND_MESSAGE || command->type == COMMAND_PRESENCE) ==
               (command->payload.ptr != NULL));
    assert(command->ref.ptr == NULL || (command->ref.len > 0 && command->ref.len <= 64));
    assert(command->type == COMMAND_JOIN || !command->has_since);
    assert(str_is_utf8(command->socket_id));
    switch (command->type) {
    case COMMAND_JOIN:
        check_join(command);
        break;
    case COMMAND_MESSAGE:
        check_message(command);
        break;
    case COMMAND_INVALID:
        check_frame(xano_protocol.error(&(struct protocol_error){.channel = command->channel,
                                                                 .ref = command->ref,
                                                                 .code = command->error,
                                                                 .text = command->why}),
                    STR("\"error\""), command->channel, command->ref, (struct str){0});
        break;
    case COMMAND_LEAVE:
        check_frame(xano_protocol.left(command->channel, command->view, command->ref),
                    STR("\"leave\""), command->channel, command->ref, STR("null"));
        break;
    case COMMAND_PRESENCE:
        assert(json_scan(command->payload, NULL, 0) != JSON_KIND_INVALID);
        break;
    case COMMAND_PING:
        check_frame(xano_protocol.pong(command->ref), STR("\"pong\""), command->channel,
                    command->ref, STR("null"));
        break;
    case COMMAND_TXID:
        check_frame(xano_protocol.txid(command->ref, command->xid), STR("\"txid\""),
                    command->channel, command->ref, (struct str){0});
        break;
    case COMMAND_HISTORY:
    case COMMAND_TOKEN:
        break;
    case COMMAND_OPEN:
    case COMMAND_CLOSE:
    case COMMAND_DRAINED:
        assert(false);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mem_alloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    struct str text = {copy, size};
    struct json_member payload = {.key = STR("payload")};
    struct command *command = xano_protocol.decode(text, (struct session_id){1, 2, 3});

    if (!str_is_utf8(text)) {
        assert(command->type == COMMAND_INVALID && command->error == ERROR_CODE_BAD_UTF8);
    } else if (json_scan(text, &payload, 1) != JSON_KIND_OBJECT) {
        assert(command->type == COMMAND_INVALID && command->error == ERROR_CODE_BAD_JSON);
    } else if (command->type == COMMAND_MESSAGE) {
        assert(
            str_equals(command->payload, payload.value.ptr != NULL ? payload.value : STR("null")));
    }
    free(copy); /* nothing may point into it from here on */
    check_command(command);
    free(command);
    return 0;
}
