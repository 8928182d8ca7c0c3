/* SPDX-License-Identifier: PostgreSQL */
/* From a client's message to a command: {"action", "options", "payload"}.
 *
 * One scan proves that the whole text is JSON and finds the three spans; a second one looks into
 * the options, and for a join into its payload. A message's payload is not looked into at all: its
 * bytes travel on as they are. No tree is built and, escapes in names apart, no string is decoded,
 * so the one allocation is the command itself.
 *
 * The client is loose in what it sends: an option that is null, false or missing is the same;
 * unknown options, and what a payload holds besides the known members, is ignored whatever it is.
 * Two things are not let pass: a position to resume from that is none (to ignore it would be a
 * silent gap) and the address of a private message that is none (to ignore it would make the
 * message public). */
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"
#include "core/json_span.h"
#include "proto/xano.h"

enum {
    EPOCH_MAX = 255,                   /* bytes; ours have far fewer */
    ESCAPE_MAX = 6,                    /* a byte can be written as \u0041 */
    QUOTED_MAX = 255 * ESCAPE_MAX + 2, /* the longest spelling of any name that is looked at */
};

/* What was found; its spans point into the text, or for names with escapes into the scratch. */
struct draft {
    struct command *command; /* on the caller's stack, without data */
    char channel[QUOTED_MAX];
    char detail[QUOTED_MAX]; /* of the socketId, or of the epoch: no command has both */
    char view[QUOTED_MAX];
};

static bool is_nothing(struct str value)
{
    enum json_kind kind = json_kind_of(value);
    return kind == JSON_KIND_INVALID || kind == JSON_KIND_NULL || kind == JSON_KIND_FALSE;
}

static bool is_true(struct str value)
{
    return json_kind_of(value) == JSON_KIND_TRUE;
}

/* The text of a string value. False if it is none, or one that no name can have: far too long, or
 * half a surrogate. */
static bool read_string(struct str value, char scratch[QUOTED_MAX], struct str *out)
{
    if (json_kind_of(value) != JSON_KIND_STRING)
        return false;
    struct str raw = {value.ptr + 1, value.len - 2};
    if (raw.len == 0 || memchr(raw.ptr, '\\', raw.len) == NULL) {
        *out = raw;
        return true;
    }
    size_t len;
    if (value.len > QUOTED_MAX || !json_unquote(value, scratch, &len))
        return false;
    *out = (struct str){scratch, len};
    return true;
}

static struct str copy_span(char **to, struct str from)
{
    if (!from.ptr)
        return from;
    struct str copy = {*to, from.len};
    if (from.len > 0)
        memcpy(*to, from.ptr, from.len);
    *to += from.len;
    return copy;
}

static struct command *finish(const struct command *draft)
{
    size_t len = draft->since_epoch.len + draft->channel.len + draft->view.len + draft->filter.len +
                 draft->snapshot.len + draft->socket_id.len + draft->payload.len;
    struct command *command = mem_alloc(sizeof *command + len);
    char *to = command->data;
    *command = *draft;
    command->since_epoch = copy_span(&to, draft->since_epoch);
    command->channel = copy_span(&to, draft->channel);
    command->view = copy_span(&to, draft->view);
    command->filter = copy_span(&to, draft->filter);
    command->snapshot = copy_span(&to, draft->snapshot);
    command->socket_id = copy_span(&to, draft->socket_id);
    command->payload = copy_span(&to, draft->payload);
    return command;
}

/* Of the draft only the session and the channel, as far as known, survive. */
static struct command *finish_invalid(const struct command *draft, enum error_code error)
{
    return finish(&(struct command){
        .type = COMMAND_INVALID,
        .session = draft->session,
        .error = error,
        .channel = draft->channel,
    });
}

static enum command_type action_type(struct str action)
{
    static const struct {
        struct str name;
        enum command_type type;
    } table[] = {
        {{"message", 7}, COMMAND_MESSAGE},
        {{"join", 4}, COMMAND_JOIN},
        {{"leave", 5}, COMMAND_LEAVE},
        {{"history", 7}, COMMAND_HISTORY},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (str_equals(action, table[i].name))
            return table[i].type;
    return COMMAND_INVALID;
}

/* payload.since = {"epoch": text, "offset": integer}. What the database could not take is refused
 * here: a NUL in a text, a number over bigint. */
static bool read_since(struct draft *draft, struct str since)
{
    struct json_member members[] = {{.key = STR("epoch")}, {.key = STR("offset")}};
    struct str epoch;
    uint64_t offset;
    if (json_scan(since, members, 2) != JSON_KIND_OBJECT ||
        !read_string(members[0].value, draft->detail, &epoch) || epoch.len > EPOCH_MAX ||
        (epoch.len > 0 && memchr(epoch.ptr, '\0', epoch.len) != NULL) ||
        !str_to_u64(members[1].value, &offset) || offset > INT64_MAX)
        return false;
    draft->command->has_since = true;
    draft->command->since_epoch = epoch;
    draft->command->since_offset = offset;
    return true;
}

static struct command *decode_join(struct draft *draft, struct str payload)
{
    struct json_member members[] = {{.key = STR("history")},
                                    {.key = STR("presence")},
                                    {.key = STR("since")},
                                    {.key = STR("filter")},
                                    {.key = STR("snapshot")}};
    json_scan(payload, members, 5); /* of a payload that is no object all are absent */
    draft->command->wants_history = is_true(members[0].value);
    draft->command->wants_presence = is_true(members[1].value);
    if (!is_nothing(members[2].value) && !read_since(draft, members[2].value))
        return finish_invalid(draft->command, ERROR_CODE_BAD_JSON);
    if (json_kind_of(members[3].value) != JSON_KIND_NULL)
        draft->command->filter = members[3].value;
    if (!is_nothing(members[4].value))
        draft->command->snapshot = members[4].value;
    return finish(draft->command);
}

static struct command *decode_message(struct draft *draft, struct str authenticated,
                                      struct str socket_id, struct str payload)
{
    if (!is_nothing(socket_id) &&
        !read_string(socket_id, draft->detail, &draft->command->socket_id))
        return finish_invalid(draft->command, ERROR_CODE_NO_SUCH_CLIENT);
    draft->command->is_authenticated = is_true(authenticated);
    draft->command->payload = payload.ptr ? payload : STR("null");
    return finish(draft->command);
}

struct command *xano_decode(struct str text, struct session_id session)
{
    struct command command = {.type = COMMAND_INVALID, .session = session};
    struct draft draft;
    struct str action, channel;
    char scratch[QUOTED_MAX];
    struct json_member envelope[] = {
        {.key = STR("action")}, {.key = STR("options")}, {.key = STR("payload")}};
    struct json_member options[] = {{.key = STR("channel")},
                                    {.key = STR("socketId")},
                                    {.key = STR("authenticated")},
                                    {.key = STR("view")}};

    draft.command = &command;
    if (!str_is_utf8(text))
        return finish_invalid(&command, ERROR_CODE_BAD_UTF8);
    if (json_scan(text, envelope, 3) != JSON_KIND_OBJECT)
        return finish_invalid(&command, ERROR_CODE_BAD_JSON);
    json_scan(envelope[1].value, options, 4);
    if (read_string(options[0].value, draft.channel, &channel) && channel_name_is_valid(channel))
        command.channel = channel;
    if (read_string(envelope[0].value, scratch, &action))
        command.type = action_type(action);
    if (command.type == COMMAND_INVALID)
        return finish_invalid(&command, ERROR_CODE_BAD_ACTION);
    if (!command.channel.ptr)
        return finish_invalid(&command, ERROR_CODE_BAD_CHANNEL);
    if (command.type == COMMAND_JOIN)
        return decode_join(&draft, envelope[2].value);
    if (command.type == COMMAND_MESSAGE)
        return decode_message(&draft, options[2].value, options[1].value, envelope[2].value);
    if (command.type == COMMAND_HISTORY)
        read_string(options[1].value, draft.detail, &command.socket_id);
    if (!is_nothing(options[3].value) && !read_string(options[3].value, draft.view, &command.view))
        return finish_invalid(&command, ERROR_CODE_NOT_JOINED);
    return finish(&command);
}
