/* SPDX-License-Identifier: PostgreSQL */
/* The options about limits: a part of the table in config.c, and of its struct. */
#ifndef HERALD_CONFIG_LIMITS_H
#define HERALD_CONFIG_LIMITS_H

#include <stdint.h>

struct config_limits { /* 0: no limit */
    char *origins;     /* NULL: any */
    char *trusted_proxies;
    uint32_t session_messages, session_messages_burst, session_joins, session_bytes;
    uint32_t user_sessions;
    uint32_t proxy_header; /* enum forwarded_header */
    uint32_t address_sessions, address_handshakes, address_handshakes_burst;
    uint32_t proxy_sessions, proxy_handshakes;
    uint32_t channel_members, channel_messages, open_channels;
    uint32_t accept_rate;
    uint32_t outqueue_soft_bytes, outqueue_soft_ms, outqueue_total_bytes;
    uint32_t transit_bytes, partial_bytes, held_bytes;
};

#define LIMIT(option_name, option_type, field, word, option_fallback, option_max, option_help)     \
    {.name = (option_name),                                                                        \
     .type = (option_type),                                                                        \
     FIELD(limits.field),                                                                          \
     .value_name = (word),                                                                         \
     .commands = SERVER,                                                                           \
     .fallback = (option_fallback),                                                                \
     .max = (option_max),                                                                          \
     .help = (option_help)},

#define LIMIT_OPTIONS                                                                              \
    LIMIT("origins", OPTION_TEXT, origins, "LIST", NULL, 0,                                        \
          "Web pages that may connect, as their browsers name them: https://example.com, with a "  \
          "port if it is not the usual one, separated by commas; https://*.example.com stands "    \
          "for all names below, * for any, null for pages without an origin. The others get HTTP " \
          "403. Clients without an Origin are no browsers and may. Default: any.")                 \
    LIMIT("trusted-proxies", OPTION_TEXT, trusted_proxies, "LIST", "127.0.0.0/8, ::1", 0,          \
          "Addresses and networks (10.0.0.0/8) of proxies: what they say in proxy-header is "      \
          "where a client comes from. One that names no client there has limits of its own, "      \
          "proxy-sessions and proxy-handshakes. What others say there is ignored.")                \
    LIMIT("session-messages", OPTION_COUNT, session_messages, "N", "200", 1000000,                 \
          "Frames a second that one session may send on average; above, each gets the error "      \
          "rate_limited, and who goes on is closed with 1008. 0: no limit, as with all limits.")   \
    LIMIT("session-messages-burst", OPTION_COUNT, session_messages_burst, "N", "1000", 1000000,    \
          "How many of them may come at once.")                                                    \
    LIMIT("session-joins", OPTION_COUNT, session_joins, "N", "600", 1000000,                       \
          "Joins and histories a minute, and at once, that one session may ask for.")              \
    LIMIT("session-bytes", OPTION_BYTES, session_bytes, "BYTES", "2MiB", 1024 * MIB,               \
          "Bytes a second that one session may send on average; four times as many at once.")      \
    LIMIT("user-sessions", OPTION_COUNT, user_sessions, "N", "100", 1000000,                       \
          "Most sessions of one user (dbo_id and row_id); one more is closed with 1008.")          \
    LIMIT("address-sessions", OPTION_COUNT, address_sessions, "N", "1000", 1000000,                \
          "Most sessions from one address (IPv6: from one /64); one more gets HTTP 429.")          \
    LIMIT("address-handshakes", OPTION_COUNT, address_handshakes, "N", "50", 1000000,              \
          "Handshakes a second from one address on average; above: HTTP 429.")                     \
    LIMIT("address-handshakes-burst", OPTION_COUNT, address_handshakes_burst, "N", "500", 1000000, \
          "How many of them may come at once.")                                                    \
    LIMIT("proxy-sessions", OPTION_COUNT, proxy_sessions, "N", "0", 1000000,                       \
          "Most sessions through one of trusted-proxies that names no client; one more gets HTTP " \
          "429. 0: as many as max-sessions.")                                                      \
    LIMIT("proxy-handshakes", OPTION_COUNT, proxy_handshakes, "N", "1000", 1000000,                \
          "Handshakes a second through one of trusted-proxies that names no client, and so many "  \
          "at once; above: HTTP 429.")                                                             \
    LIMIT("channel-members", OPTION_COUNT, channel_members, "N", "0", 1000000,                     \
          "Most members of one channel; one more gets the error channel_full.")                    \
    LIMIT("channel-messages", OPTION_COUNT, channel_messages, "N", "1000", 1000000,                \
          "Clients' messages a second on one channel on average, twice as many at once; above, "   \
          "their senders get the error rate_limited.")                                             \
    LIMIT("open-channels", OPTION_COUNT, open_channels, "N", "200000", 100000000,                  \
          "Most channels that have members; a join that would open one more gets the error "       \
          "unavailable.")                                                                          \
    LIMIT("accept-rate", OPTION_COUNT, accept_rate, "N", "5000", 1000000,                          \
          "Connections a second that are accepted, over all workers; the others wait in the "      \
          "kernel, so that a storm of them leaves time for the sessions.")                         \
    LIMIT("outqueue-soft-bytes", OPTION_BYTES, outqueue_soft_bytes, "BYTES", "1MiB", 1024 * MIB,   \
          "Unsent bytes that a session may have for outqueue-soft-time; a reader that stays "      \
          "above for longer is closed with 1013.")                                                 \
    LIMIT("outqueue-soft-time", OPTION_DURATION, outqueue_soft_ms, "DURATION", "10s",              \
          3600 * SECOND, "See outqueue-soft-bytes.")                                               \
    LIMIT("outqueue-total-bytes", OPTION_BYTES, outqueue_total_bytes, "BYTES", "1GiB", 4095 * MIB, \
          "Memory of all unsent frames; above, every reader with more than 64 KiB to come is "     \
          "closed with 1013.")                                                                     \
    LIMIT("transit-bytes", OPTION_BYTES, transit_bytes, "BYTES", "64MiB", 4095 * MIB,              \
          "Bytes on their way between the hub and the workers; above, the workers read nothing "   \
          "until half of it is done.")                                                             \
    LIMIT("partial-bytes", OPTION_BYTES, partial_bytes, "BYTES", "256MiB", 4095 * MIB,             \
          "Bytes of messages that have not come whole; above, who sends more of one is closed "    \
          "with 1013.")                                                                            \
    LIMIT("held-bytes", OPTION_BYTES, held_bytes, "BYTES", "256MiB", 4095 * MIB,                   \
          "Bytes of commands that wait because an earlier one of their session waits; above, "     \
          "they get the error rate_limited.")

#endif
