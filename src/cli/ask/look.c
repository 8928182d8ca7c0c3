/* SPDX-License-Identifier: PostgreSQL */
/* Commands that look and change nothing: status, rules, channels, sessions, presence, history. */
#include "cli/ask/ask.h"

#define OPTIONS_OF struct ask_values
#define ASK (CONFIG_FOR_WATCH | ONLY_FLAG)
#include "config/rows.h"

#define LIMIT(d)                                                                                   \
    {                                                                                              \
        COUNT("limit", limit, ASK, d, 1, 1000000, "How many at most (also -n N).")                 \
    }
static const struct option limit_1000[] = LIMIT("1000");
static const struct option limit_100[] = LIMIT("100");

/* ---- status ---- */

static const struct ask status = {
    .rows =
        "WITH found AS MATERIALIZED (SELECT f.finding, f.remedy FROM herald.doctor() f "
        "WHERE f.severity <> 'note') "
        "SELECT NOT EXISTS (SELECT FROM found) AS ok, s.leader, "
        "ARRAY(SELECT n.name FROM herald.live_nodes() n ORDER BY n.name) AS nodes, "
        "(SELECT count(*) FROM herald.watches) AS watches, "
        "(SELECT count(*) FROM herald.rules r WHERE r.active) AS rules, s.newest_id, "
        "s.last_batch_at, s.pending_rows, s.pending_bytes, "
        "extract(epoch FROM s.oldest_age)::float8 AS oldest_s, s.drain_rate, "
        "extract(epoch FROM s.drain_left)::float8 AS drain_left_s, s.outbox_bytes, s.log_bytes, "
        "s.skipped, ARRAY(SELECT concat(f.finding, '. ', f.remedy) FROM found f) AS warnings "
        "FROM herald.status s",
    .shown =
        "ok, coalesce(leader, 'none') AS leader, "
        "pg_catalog.array_to_string(nodes, ', ') AS nodes, watches, rules, newest_id, "
        "last_batch_at, pending_rows, pg_catalog.pg_size_pretty(pending_bytes) AS pending, "
        "round(oldest_s::numeric, 1) AS oldest_s, concat(drain_rate, ' fewer a second, about ' "
        "|| drain_left_s || ' s to go') AS drain, "
        "pg_catalog.pg_size_pretty(outbox_bytes) AS outbox, "
        "pg_catalog.pg_size_pretty(log_bytes) AS log, skipped, "
        "pg_catalog.array_to_string(warnings, pg_catalog.chr(10)) AS warnings",
    .role = "herald_admin",
    .is_record = true,
    .is_verdict = true,
};

const struct subcommand status_command = {
    .name = "status",
    .group = COMMAND_GROUP_LOOK,
    .usage = "[--json] [--database-url URL]",
    .summary = "who leads, what waits, and whether all is well",
    .about = "Prints the leading server's session, the servers that serve side by side (none of "
             "them, if one is\n"
             "alone), how far the log is, what waits for it, and as warnings the errors and "
             "warnings that doctor\n"
             "finds.\n\n"
             "Exit codes: 0 all is well, 1 there are warnings, or no connection; 78 the schema is "
             "missing or old.",
    .options = CONFIG_FOR_WATCH,
    .has_json = true,
    .run = ask_run,
    .ask = &status,
};

/* ---- rules ---- */

static const struct ask rules = {
    .rows = "SELECT * FROM herald.rules",
    .shown = "channel, active, (SELECT pg_catalog.string_agg(f.key, ', ') "
             "FROM pg_catalog.json_each_text(pg_catalog.to_json(q)) f "
             "WHERE f.value = 'true' AND f.key NOT IN ('channel', 'active')) AS flags, "
             "message_history, messages_per_minute, "
             "(SELECT pg_catalog.string_agg(concat(f.key, ' ', f.value), ', ') "
             "FROM pg_catalog.json_each_text(pg_catalog.to_json(q)) f WHERE f.value IS NOT NULL "
             "AND (f.key = 'authorize' OR f.key LIKE 'on\\_%')) AS functions",
    .empty = "There is no rule, so nobody can join: pgherald rule set CHANNEL",
    .role = "herald_admin",
};

const struct subcommand rules_command = {
    .name = "rules",
    .group = COMMAND_GROUP_RULES,
    .usage = "[--json] [--database-url URL]",
    .summary = "list the rules of channels",
    .about = "Prints one line for each rule: who may join, send and see whom.",
    .options = CONFIG_FOR_WATCH,
    .has_json = true,
    .run = ask_run,
    .ask = &rules,
};

/* ---- channels, history ---- */

static const struct ask channels = {
    .rows = "SELECT channel, head, kept, last_at FROM herald.channels($1, $2::int + 1)",
    .empty = "There is no such channel: a channel is known from its first durable event on.",
    .role = "herald_admin",
    .is_limited = true,
};

const struct subcommand channels_command = {
    .name = "channels",
    .group = COMMAND_GROUP_LOOK,
    .usage = "[PATTERN] [-n N] [--json] [--database-url URL]",
    .summary = "list the channels that had durable events",
    .about = "Prints of each channel its head, the offset of its newest event; how many events "
             "are kept; and when\n"
             "the newest of those came. In PATTERN a star stands for any text: 'orders/*'.",
    .options = CONFIG_FOR_WATCH,
    .own = {limit_1000, 1},
    .has_json = true,
    .max_words = 1,
    .run = ask_run,
    .ask = &channels,
};

static const struct ask history = {
    .rows = "SELECT channel_offset, at, action, client, payload "
            "FROM herald.history($1, $2::int)",
    .empty = "Nothing is in the history of this channel.",
    .role = "herald_publisher",
};

const struct subcommand history_command = {
    .name = "history",
    .group = COMMAND_GROUP_LOOK,
    .usage = "CHANNEL [-n N] [--json] [--database-url URL]",
    .summary = "what was announced on a channel",
    .about = "Prints the newest N events of a channel, oldest first, whomever they were for. "
             "Whoever connects is a\n"
             "member of herald_publisher.",
    .options = CONFIG_FOR_WATCH,
    .own = {limit_100, 1},
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = ask_run,
    .ask = &history,
};

/* ---- who is there ---- */

#define ONLY_PRESENCE                                                                              \
    "Postgres knows who is in channels whose rule has presence (pgherald rule set CHANNEL "        \
    "presence);\nhow many sessions there are at all is in /metrics of each server."

static const struct ask sessions = {
    .rows = "SELECT socket_id, dbo_id, row_id, node, min(since) AS since, "
            "(pg_catalog.array_agg(extras))[1] AS extras, "
            "pg_catalog.array_agg(channel ORDER BY channel) AS channels FROM herald.presence "
            "GROUP BY socket_id, dbo_id, row_id, node ORDER BY min(since), socket_id "
            "LIMIT $1::bigint + 1",
    .shown = "socket_id, dbo_id, row_id, node, since, extras, "
             "pg_catalog.array_to_string(channels, ' ') AS channels",
    .empty = "Nobody is in a channel whose rule has presence: of others Postgres does not know.",
    .role = "herald_admin",
    .is_limited = true,
};

const struct subcommand sessions_command = {
    .name = "sessions",
    .group = COMMAND_GROUP_LOOK,
    .usage = "[-n N] [--json] [--database-url URL]",
    .summary = "who is connected, on all servers",
    .about = "Prints one line for each session, with its identity, its server and its "
             "channels.\n" ONLY_PRESENCE,
    .options = CONFIG_FOR_WATCH,
    .own = {limit_1000, 1},
    .has_json = true,
    .run = ask_run,
    .ask = &sessions,
};

static const struct ask presence = {
    .rows = "SELECT socket_id, dbo_id, row_id, extras, node, since FROM herald.presence "
            "WHERE channel = $1 ORDER BY since, socket_id LIMIT $2::bigint + 1",
    .empty = "Nobody is there, or the rule of the channel has no presence: pgherald rules",
    .role = "herald_admin",
    .is_limited = true,
};

const struct subcommand presence_command = {
    .name = "presence",
    .group = COMMAND_GROUP_LOOK,
    .usage = "CHANNEL [-n N] [--json] [--database-url URL]",
    .summary = "who is in a channel",
    .about = "Prints one line for each member of a channel.\n" ONLY_PRESENCE,
    .options = CONFIG_FOR_WATCH,
    .own = {limit_1000, 1},
    .has_json = true,
    .min_words = 1,
    .max_words = 1,
    .run = ask_run,
    .ask = &presence,
};
