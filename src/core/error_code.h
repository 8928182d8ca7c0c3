/* SPDX-License-Identifier: PostgreSQL */
/* The stable machine codes of `error` frames, each with its name on the wire and its default
 * sentence. */
#ifndef HERALD_CORE_ERROR_CODE_H
#define HERALD_CORE_ERROR_CODE_H

#define ERROR_CODES(X)                                                                             \
    X(BAD_JSON, "bad_json", "The frame is not a JSON object.")                                     \
    X(BAD_UTF8, "bad_utf8", "The frame is not valid UTF-8.")                                       \
    X(BAD_ACTION, "bad_action", "Unknown action.")                                                 \
    X(BAD_CHANNEL, "bad_channel", "The channel name is not valid.")                                \
    X(NO_CHANNEL, "no_channel", "No such channel.")                                                \
    X(NOT_JOINED, "not_joined", "You have not joined this channel.")                               \
    X(ANONYMOUS_REFUSED, "anonymous_refused", "Anonymous clients cannot join this channel.")       \
    X(JOIN_REFUSED, "join_refused", "You may not join this channel.")                              \
    X(SEND_REFUSED, "send_refused", "You may not send to this channel.")                           \
    X(PRIVATE_REFUSED, "private_refused", "Private messages are not allowed on this channel.")     \
    X(NO_SUCH_CLIENT, "no_such_client", "That client is not in this channel.")                     \
    X(HISTORY_OFF, "history_off", "This channel keeps no history.")                                \
    X(TOO_LARGE, "too_large", "The message is too large.")                                         \
    X(RATE_LIMITED, "rate_limited", "Too many messages.")                                          \
    X(TOO_MANY_CHANNELS, "too_many_channels", "You have joined too many channels.")                \
    X(CHANNEL_FULL, "channel_full", "This channel has too many members.")                          \
    X(TOKEN_INVALID, "token_invalid", "The token was not accepted.")                               \
    X(TOKEN_EXPIRED, "token_expired", "The token has expired.")                                    \
    X(HOOK_FAILED, "hook_failed", "The channel's hook failed.")                                    \
    X(HOOK_REFUSED, "hook_refused", "The channel's hook refused.")                                 \
    X(BAD_FILTER, "bad_filter", "The filter is not valid.")                                        \
    X(TOO_MANY_GROUPS, "too_many_groups",                                                          \
      "This channel has too many groups of people who see different rows.")                        \
    X(SNAPSHOT_OFF, "snapshot_off", "This channel gives no snapshots of rows.")                    \
    X(REMOVED, "removed", "You were removed from this channel.")                                   \
    X(NO_BUS, "no_bus", "Other servers cannot be reached now: nothing was delivered; try again.")  \
    X(UNAVAILABLE, "unavailable", "The server cannot do this now; try again.")

enum error_code {
#define ERROR_CODE_ENUM(name, wire, text) ERROR_CODE_##name,
    ERROR_CODES(ERROR_CODE_ENUM)
#undef ERROR_CODE_ENUM
};

const char *error_code_name(enum error_code code); /* as on the wire */
const char *error_code_text(enum error_code code); /* the default sentence */

#endif
