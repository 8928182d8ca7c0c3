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
 * Some things are not let pass: a position to resume from that is none (to ignore it would be a
 * silent gap), the address of a private message that is none (to ignore it would make the
 * message public), and a ref or a key that is none (its sender would wait for ever, or send what is
 * meant to be sent once twice).
 *
 * The options that few messages have come last in the list of the scan: the others pay nothing. */
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"
#include "core/json_span.h"
#include "proto/xano.h"

enum {
    EPOCH_MAX = 255,                   /* bytes; ours have far fewer */
    ESCAPE_MAX = 6,                    /* a byte can be written as \u0041 */
    QUOTED_MAX = 255 * ESCAPE_MAX + 2, /* the longest spelling of any name that is looked at */
    REF_MAX = 64,                      /* bytes */
    ID_KEY_MIN = 16,                   /* characters */
    ID_KEY_MAX = 64,
    BY_LEN = 32,
    NUMBER_MAX = 40, /* of a row_id that is written as a number */
};

enum option {
    OPTION_CHANNEL,
    OPTION_SOCKET_ID,
    OPTION_AUTHENTICATED,
    OPTION_VIEW,
    OPTION_REF,
    OPTION_ID_KEY,
    OPTION_BY,
    OPTION_TO,
    OPTION_COUNT,
};

/* What was found; its spans point into the text, or for names with escapes into the scratch. */
struct draft {
    struct command *command; /* on the caller's stack, without data */
    char channel[QUOTED_MAX];
    char detail[QUOTED_MAX]; /* of the socketId, or of the epoch: no command has both */
    char view[QUOTED_MAX];
    char ref[QUOTED_MAX];
    char id_key[QUOTED_MAX];
    char by[QUOTED_MAX];
    char row_id[QUOTED_MAX];
};

static bool is_nothing(struct str value)
{
    enum json_kind kind = json_kind_of(value);
    return kind == JSON_KIND_INVALID || kind == JSON_KIND_NULL || kind == JSON_KIND_FALSE;
}

/* The same for what few frames have: absent is told without a look. */
static bool is_something(struct str value)
{
    return value.ptr && !is_nothing(value);
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

/* What few commands have, and none of it is empty. */
static void copy_rare(struct command *command, const struct command *draft, char *to)
{
    command->filter = copy_span(&to, draft->filter);
    command->snapshot = copy_span(&to, draft->snapshot);
    command->ref = copy_span(&to, draft->ref);
    command->id_key = copy_span(&to, draft->id_key);
    command->by = copy_span(&to, draft->by);
    command->to_row_id = copy_span(&to, draft->to_row_id);
}

static struct command *finish(const struct command *draft)
{
    size_t n_rare = draft->filter.len + draft->snapshot.len + draft->ref.len + draft->id_key.len +
                    draft->by.len + draft->to_row_id.len;
    size_t len = draft->since_epoch.len + draft->channel.len + draft->view.len +
                 draft->socket_id.len + draft->payload.len + n_rare;
    struct command *command = mem_alloc(sizeof *command + len);
    char *to = command->data;
    *command = *draft;
    command->since_epoch = copy_span(&to, draft->since_epoch);
    command->channel = copy_span(&to, draft->channel);
    command->view = copy_span(&to, draft->view);
    command->socket_id = copy_span(&to, draft->socket_id);
    command->payload = copy_span(&to, draft->payload);
    if (n_rare > 0)
        copy_rare(command, draft, to);
    return command;
}

/* Of the draft only the session and, as far as known, the channel and the ref survive. */
static struct command *finish_told(const struct command *draft, enum error_code error,
                                   const char *why)
{
    return finish(&(struct command){
        .type = COMMAND_INVALID,
        .session = draft->session,
        .error = error,
        .why = why,
        .channel = draft->channel,
        .ref = draft->ref,
    });
}

static struct command *finish_invalid(const struct command *draft, enum error_code error)
{
    return finish_told(draft, error, NULL);
}

static struct command *finish_bad(const struct command *draft, const char *why)
{
    return finish_told(draft, ERROR_CODE_BAD_JSON, why);
}

static enum command_type action_type(struct str action)
{
    static const struct {
        struct str name;
        enum command_type type;
    } table[] = {
        {{"message", 7}, COMMAND_MESSAGE},   {{"join", 4}, COMMAND_JOIN},
        {{"leave", 5}, COMMAND_LEAVE},       {{"history", 7}, COMMAND_HISTORY},
        {{"presence", 8}, COMMAND_PRESENCE}, {{"ping", 4}, COMMAND_PING},
        {{"txid", 4}, COMMAND_TXID},         {{"token", 5}, COMMAND_TOKEN},
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
    draft->command->wants_state = str_equals(members[1].value, STR("\"state\""));
    draft->command->wants_presence = is_true(members[1].value) || draft->command->wants_state;
    if (!is_nothing(members[2].value) && !read_since(draft, members[2].value))
        return finish_invalid(draft->command, ERROR_CODE_BAD_JSON);
    if (json_kind_of(members[3].value) != JSON_KIND_NULL)
        draft->command->filter = members[3].value;
    if (!is_nothing(members[4].value))
        draft->command->snapshot = members[4].value;
    return finish(draft->command);
}

/* ---- messages ---- */

static size_t n_characters(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
    return n;
}

/* The database is to keep it, so it has no NUL. */
static bool read_id_key(struct draft *draft, struct str value)
{
    struct str *key = &draft->command->id_key;
    if (!read_string(value, draft->id_key, key))
        return false;
    size_t n = n_characters(*key);
    return n >= ID_KEY_MIN && n <= ID_KEY_MAX && memchr(key->ptr, '\0', key->len) == NULL;
}

static bool read_by(struct draft *draft, struct str value)
{
    struct str *by = &draft->command->by;
    if (!read_string(value, draft->by, by) || by->len != BY_LEN)
        return false;
    for (size_t i = 0; i < by->len; i++)
        if (memchr("0123456789abcdefABCDEF", by->ptr[i], 22) == NULL)
            return false;
    return true;
}

/* An integer in its one usual spelling, as a key is printed. */
static bool is_integer(struct str number)
{
    struct str digits = number;
    if (digits.len > 1 && digits.ptr[0] == '-') {
        digits.ptr++;
        digits.len--;
    }
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
    return number.len <= NUMBER_MAX && digits.len > 0 && (digits.ptr[0] != '0' || number.len == 1);
}

/* options.to = {"dbo_id": integer, "row_id": text or integer} */
static bool read_to(struct draft *draft, struct str to)
{
    struct json_member members[] = {{.key = STR("dbo_id")}, {.key = STR("row_id")}};
    struct command *command = draft->command;
    uint64_t dbo_id;
    if (json_scan(to, members, 2) != JSON_KIND_OBJECT || !str_to_u64(members[0].value, &dbo_id) ||
        dbo_id == 0 || dbo_id > INT32_MAX)
        return false;
    command->has_to = true;
    command->to_dbo_id = (int32_t)dbo_id;
    if (json_kind_of(members[1].value) == JSON_KIND_NUMBER) {
        command->to_row_id = members[1].value;
        return is_integer(members[1].value);
    }
    return read_string(members[1].value, draft->row_id, &command->to_row_id) &&
           command->to_row_id.len > 0;
}

static struct command *decode_message(struct draft *draft, const struct json_member *options,
                                      struct str payload)
{
    struct str socket_id = options[OPTION_SOCKET_ID].value;
    struct command *command = draft->command;
    if (is_something(socket_id) && !read_string(socket_id, draft->detail, &command->socket_id))
        return finish_invalid(command, ERROR_CODE_NO_SUCH_CLIENT);
    if (is_something(options[OPTION_TO].value) &&
        (command->socket_id.ptr || !read_to(draft, options[OPTION_TO].value)))
        return finish_bad(command, "options.to must have dbo_id and row_id, and no socketId beside "
                                   "it.");
    if (is_something(options[OPTION_ID_KEY].value) &&
        !read_id_key(draft, options[OPTION_ID_KEY].value))
        return finish_bad(command, "options.id_key must be a text of 16 to 64 characters.");
    if (is_something(options[OPTION_BY].value) && !read_by(draft, options[OPTION_BY].value))
        return finish_bad(command, "options.by must be 32 hex digits.");
    command->is_authenticated = is_true(options[OPTION_AUTHENTICATED].value);
    command->payload = payload.ptr ? payload : STR("null");
    return finish(command);
}

/* ---- the rest ---- */

static struct command *decode_presence(struct draft *draft, struct str payload)
{
    if (!is_nothing(payload) && json_kind_of(payload) != JSON_KIND_OBJECT)
        return finish_bad(draft->command, "A presence state must be an object or null.");
    draft->command->payload = is_nothing(payload) ? STR("null") : payload;
    return finish(draft->command);
}

static struct command *decode_txid(struct draft *draft, struct str payload)
{
    struct str text;
    if (!read_string(payload, draft->detail, &text) || !str_to_u64(text, &draft->command->xid))
        return finish_bad(draft->command, "The payload must be the text of a transaction id.");
    return finish(draft->command);
}

static struct command *decode_token(struct draft *draft, struct str payload)
{
    if (!is_nothing(payload) && !read_string(payload, draft->detail, &draft->command->payload))
        return finish_bad(draft->command, "The payload must be the text of a token.");
    return finish(draft->command);
}

/* Of an action that is about a channel, whose name is known. */
static struct command *decode_about_channel(struct draft *draft, const struct json_member *options,
                                            struct str payload)
{
    struct command *command = draft->command;
    if (command->type == COMMAND_JOIN)
        return decode_join(draft, payload);
    if (command->type == COMMAND_MESSAGE)
        return decode_message(draft, options, payload);
    if (command->type == COMMAND_PRESENCE)
        return decode_presence(draft, payload);
    if (command->type == COMMAND_HISTORY)
        read_string(options[OPTION_SOCKET_ID].value, draft->detail, &command->socket_id);
    if (is_something(options[OPTION_VIEW].value) &&
        !read_string(options[OPTION_VIEW].value, draft->view, &command->view))
        return finish_invalid(command, ERROR_CODE_NOT_JOINED);
    return finish(command);
}

static struct command *decode_action(struct draft *draft, const struct json_member *options,
                                     struct str payload)
{
    struct command *command = draft->command;
    if (command->type == COMMAND_PING || command->type == COMMAND_TXID ||
        command->type == COMMAND_TOKEN)
        command->channel = (struct str){0};
    if (command->type == COMMAND_PING)
        return finish(command);
    if (command->type == COMMAND_TXID)
        return decode_txid(draft, payload);
    if (command->type == COMMAND_TOKEN)
        return decode_token(draft, payload);
    if (!command->channel.ptr)
        return finish_invalid(command, ERROR_CODE_BAD_CHANNEL);
    return decode_about_channel(draft, options, payload);
}

static bool read_ref(struct draft *draft, struct str value)
{
    struct str ref;
    if (!read_string(value, draft->ref, &ref) || ref.len == 0 || ref.len > REF_MAX)
        return false;
    draft->command->ref = ref;
    return true;
}

struct command *xano_decode(struct str text, struct session_id session)
{
    struct command command = {.type = COMMAND_INVALID, .session = session};
    struct draft draft;
    struct str action, channel;
    char scratch[QUOTED_MAX];
    struct json_member envelope[] = {
        {.key = STR("action")}, {.key = STR("options")}, {.key = STR("payload")}};
    struct json_member options[OPTION_COUNT] = {
        [OPTION_CHANNEL] = {.key = STR("channel")},
        [OPTION_SOCKET_ID] = {.key = STR("socketId")},
        [OPTION_AUTHENTICATED] = {.key = STR("authenticated")},
        [OPTION_VIEW] = {.key = STR("view")},
        [OPTION_REF] = {.key = STR("ref")},
        [OPTION_ID_KEY] = {.key = STR("id_key")},
        [OPTION_BY] = {.key = STR("by")},
        [OPTION_TO] = {.key = STR("to")},
    };

    draft.command = &command;
    if (!str_is_utf8(text))
        return finish_invalid(&command, ERROR_CODE_BAD_UTF8);
    if (json_scan(text, envelope, 3) != JSON_KIND_OBJECT)
        return finish_invalid(&command, ERROR_CODE_BAD_JSON);
    json_scan(envelope[1].value, options, OPTION_COUNT);
    if (read_string(options[OPTION_CHANNEL].value, draft.channel, &channel) &&
        channel_name_is_valid(channel))
        command.channel = channel;
    if (is_something(options[OPTION_REF].value) && !read_ref(&draft, options[OPTION_REF].value))
        return finish_bad(&command, "options.ref must be a text of 1 to 64 bytes.");
    if (read_string(envelope[0].value, scratch, &action))
        command.type = action_type(action);
    if (command.type == COMMAND_INVALID)
        return finish_invalid(&command, ERROR_CODE_BAD_ACTION);
    return decode_action(&draft, options, envelope[2].value);
}
