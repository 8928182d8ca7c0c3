/* SPDX-License-Identifier: PostgreSQL */
/* The options. Nothing else in the program knows the name, the default, the limits or the words of
 * one; a new one is a row here and a field in struct config. */
#include <assert.h>

#include "config/config.h"

#define SERVE CONFIG_FOR_SERVE
#define DEV CONFIG_FOR_DEV
#define INSTALL CONFIG_FOR_INSTALL
#define UNINSTALL CONFIG_FOR_UNINSTALL
#define CONFIG CONFIG_FOR_CONFIG
#define TOKEN CONFIG_FOR_TOKEN
#define DOCTOR CONFIG_FOR_DOCTOR
#define TAIL CONFIG_FOR_TAIL
#define CHECK_TOKEN CONFIG_FOR_CHECK_TOKEN
#define WHY CONFIG_FOR_WHY
#define SERVER (SERVE | DEV)
#define KEYS (SERVER | TOKEN | CHECK_TOKEN | DOCTOR)
#define ADMIN (INSTALL | UNINSTALL | CONFIG_FOR_WATCH | DOCTOR | TAIL | WHY)
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define SECOND UINT64_C(1000)

#define OPTIONS_OF struct config
#include "config/rows.h"

static const struct option options[] = {
    PATH("config", config_file, SERVER | ADMIN | CONFIG | TOKEN | CHECK_TOKEN,
         "Read options from FILE (also -c FILE). Default of serve, config, token, "
         "check-token, tail and why: " CONFIG_DEFAULT_FILE ", if it exists; of the others: none."),
    LISTEN("listen", net.listen, SERVER | TAIL | DOCTOR, "127.0.0.1:8080",
           "Where browsers connect. Port 0 takes a free one."),
    SWITCH(
        "proxy-protocol", net.proxy_protocol, SERVE,
        "Connections to listen come from trusted-proxies only and begin with a header of HAProxy's "
        "PROXY protocol, version 1 or 2, which names the client; all others are closed."),
    LISTEN(
        "tls-listen", net.tls_listen, SERVER, NULL,
        "Where browsers connect with TLS, besides listen. Needs tls-cert-file and tls-key-file."),
    PATH("tls-cert-file", net.tls_cert_file, SERVER | DOCTOR | LIVE,
         "The certificate with its chain, PEM. Read again on SIGHUP; open sessions stay."),
    PATH("tls-key-file", net.tls_key_file, SERVER | DOCTOR | LIVE, "Its private key, PEM."),
    SWITCH("tls-proxy-protocol", net.tls_proxy_protocol, SERVE,
           "The same as proxy-protocol for tls-listen: the header comes before TLS."),
    URL("database-url", database.url, SERVE | ADMIN, "",
        "The database, as a libpq URI or keyword/value string; what it leaves out comes from "
        "PGHOST, PGDATABASE and so on. serve logs in as herald_server, into the database postgres, "
        "unless told otherwise; the others need an administrator."),
    COUNT("workers", workers, SERVER, "0", 0, 256,
          "Threads that own sockets. 0: one less than there are cores, at least one."),
    COUNT("max-sessions", net.max_sessions, SERVER | LIVE, "10000", 1, 1000000,
          "Most sessions at a time; above, handshakes get HTTP 503. If it grows while the server "
          "runs, tls-listen needs a restart to take more."),
    BYTES("max-frame-bytes", net.max_frame_bytes, SERVER | LIVE, "64KiB", KIB, 16 * MIB,
          "Longest message of a client; above, its session is closed with 1009."),
    COUNT("max-channels", hub.max_channels, SERVER | LIVE, "100", 1, 100000,
          "Most channels that one session may join."),
    BYTES("outqueue-bytes", net.outqueue_bytes, SERVER | LIVE, "8MiB", 4 * KIB, 1024 * MIB,
          "Most unsent bytes of one session; a slower reader is closed with 1013."),
    DURATION("handshake-timeout", net.handshake_timeout_ms, SERVER | LIVE, "10s", 100, 300 * SECOND,
             "How long a new connection may take until it is a session."),
    DURATION("ping-interval", net.ping_interval_ms, SERVER | LIVE, "25s", 100, 3600 * SECOND,
             "How often a silent session is asked whether it is there."),
    COUNT("ping-misses", net.ping_misses, SERVER | LIVE, "2", 1, 100,
          "Unanswered pings after which a session is dropped."),
    DURATION("drain", drain_ms, SERVER | LIVE, "5s", 0, 600 * SECOND,
             "Over how long sessions are closed (1012) when the server is asked to stop."),
    DURATION("look", database.look_ms, SERVER | LIVE, "1s", 10, 60 * SECOND,
             "The safety look: how often the outbox is read although nobody rang."),
    COUNT("batch-rows", database.batch_rows, SERVER | LIVE, "2000", 1, 100000,
          "Most rows that one transaction moves from the outbox to the log."),
    BYTES("batch-bytes", database.batch_bytes, SERVER | LIVE, "8MiB", KIB, 512 * MIB,
          "Most payload bytes of such a transaction; one row always fits."),
    DURATION("query-timeout", database.query_timeout_ms, SERVER | LIVE, "30s", 100, 3600 * SECOND,
             "How long a query may take before its connection is given up."),
    BYTES(
        "append-max-bytes", database.append_max_bytes, SERVER | LIVE, "64MiB", 4 * KIB, 2048 * MIB,
        "Most bytes of messages that wait for the log; above, senders get the error unavailable."),
    DURATION(
        "postgres-grace", database.postgres_grace_ms, SERVER | LIVE, "10s", 0, 3600 * SECOND,
        "Among several nodes: one that has no database for so long, while the node that leads has "
        "one, closes its sessions (1012), for them to go there. 0: never."),
    HOURS("retention-hours", database.retention_hours, SERVER | LIVE, "168", 0, 876000,
          "How long the log keeps events beyond what each rule's message_history keeps. 0: for "
          "ever."),
    BYTES("recent-bytes", hub.recent_bytes, SERVER | LIVE, "32MiB", 0, 2048 * MIB,
          "Memory for the log's newest events, from which sessions that come back are served "
          "without the database. 0: none."),
    COUNT("recent-rows", hub.recent_rows, SERVER | LIVE, "100000", 0, 10000000,
          "Most events in that memory. 0: none."),
    COUNT("resume-max-rows", hub.resume_max_rows, SERVER | LIVE, "100000", 1, 10000000,
          "Most missed events of a channel that a session is sent when it comes back; if there are "
          "more it is told of a gap."),
    PATH("token-secret-file", tokens.secret_file, KEYS | LIVE,
         "A shared secret for tokens: the bytes of FILE without a last line feed, at least as many "
         "as the algorithm's digest has. Read again on SIGHUP, as all key files."),
    TEXT("token-secret-algorithm", tokens.secret_algorithm, "ALG", KEYS | LIVE, "HS256",
         "The one algorithm that the secret is for: HS256, HS384 or HS512 (JWT), dir or A256KW "
         "(JWE)."),
    PATH("token-key-file", tokens.key_file, KEYS | LIVE,
         "A key for tokens, PEM: a public key (or a private one, which token and JWE need)."),
    TEXT("token-key-algorithm", tokens.key_algorithm, "ALG", KEYS | LIVE, NULL,
         "The one algorithm that the key is for: RS256, PS256, ES256 and their like (JWT), "
         "RSA-OAEP-256 or ECDH-ES (JWE). Default: RS256, or by the curve (ES256, EdDSA, ...)."),
    PATH(
        "token-jwks-file", tokens.jwks_file, KEYS | LIVE,
        "A JWK set (RFC 7517); each key names its algorithm (alg), or has a type that leaves one."),
    URL("token-jwks-url", tokens.jwks_url, SERVER, NULL,
        "Where to fetch a JWK set, https only (http for a loopback address). Fetched again when "
        "it is old, and when a token names a key that it does not have."),
    PATH("token-jwks-ca-file", tokens.jwks_ca_file, SERVER,
         "The certificates, PEM, that one of must have signed that of token-jwks-url's server. "
         "Default: those that the system trusts."),
    DURATION("token-jwks-refresh", tokens.jwks_refresh_ms, SERVER, "10min", SECOND,
             24 * 3600 * SECOND, "How old a fetched JWK set may get."),
    TEXT("token-issuer", tokens.issuer, "TEXT", KEYS | LIVE, NULL,
         "Accept only tokens of this issuer (iss). Default: any."),
    TEXT("token-audience", tokens.audience, "TEXT", KEYS | LIVE, NULL,
         "Accept only tokens for this audience (aud, or one of it). Default: any."),
    DURATION("token-leeway", tokens.leeway_ms, SERVER | LIVE, "5s", 0, 600 * SECOND,
             "How far clocks may differ (exp, nbf)."),
    TEXT("token-dbo-claim", tokens.dbo_claim, "NAME", KEYS | LIVE, "dbo_id",
         "The claim that names the table of the user, a number; a dot goes into an object "
         "(user.dbo)."),
    TEXT("token-row-claim", tokens.row_claim, "NAME", KEYS | LIVE, "row_id",
         "The claim that names the row of the user, a number or a string such as a UUID (often "
         "sub)."),
    TEXT("token-extras-claim", tokens.extras_claim, "NAME", KEYS | LIVE, "extras",
         "The claim with what other clients may see of the user, an object."),
    BYTES("token-max-bytes", tokens.max_bytes, SERVER | LIVE, "8KiB", 64, 12 * KIB,
          "Longest token that is looked at."),
    SWITCH("token-in-query", net.takes_token_in_query, SERVER | LIVE,
           "Take a token also from the query of the address (access_token=...), which ends up in "
           "logs of proxies."),
    TEXT("token-function", database.token_function, "NAME", SERVER, NULL,
         "An SQL function (text) returning json that checks tokens which are neither JWT nor JWE; "
         "it must be SECURITY DEFINER and named with its schema."),
    CHOICE("invalid-token", net.rejects_invalid_tokens, "ANSWER", SERVER | LIVE, "anonymous",
           "anonymous|reject",
           "What a token that is not accepted gets: an anonymous session with an error at its "
           "first join, or HTTP 401."),
    URL("hook-url", database.hook_url, SERVE | WHY, NULL,
        "Where the SQL functions of rules are called, as role herald_hook. Default: database-url "
        "with that role. Not through a pooler in transaction mode."),
    DURATION("hook-timeout", database.hook_timeout_ms, SERVER | WHY | LIVE, "2s", 10, 300 * SECOND,
             "How long an SQL function of a rule may take; one that takes longer has refused. As "
             "long may it take to judge who may see some rows."),
    COUNT("hook-connections", database.hook_connections, SERVER, "4", 2, 64,
          "Connections on which those functions run."),
    URL("judge-url", database.judge_url, SERVE | WHY, NULL,
        "Where it is asked who may see rows of tables that are watched with visible => 'policy' or "
        "a function, as role herald_judge. Default: database-url with that role. Not through a "
        "pooler in transaction mode."),
    TEXT("role-claim", hub.role_claim, "NAME", SERVER | WHY, NULL,
         "The claim that names the role of a user: what that role may select of such tables he is "
         "shown. A name in extras; a dot goes into an object."),
    TEXT(
        "judge-roles", hub.judge_roles, "LIST", SERVER | WHY, NULL,
        "The roles that role-claim may name, separated by commas; each is granted to herald_judge. "
        "Whoever comes with another one is shown no rows of such tables."),
    TEXT("anonymous-role", hub.anonymous_role, "NAME", SERVER | WHY, NULL,
         "The role of who has no role-claim; it is granted to herald_judge. Default: none, those "
         "are shown no rows of tables with visible => 'policy'."),
    DURATION("authorize-cache", hub.authorize_cache_ms, SERVER | LIVE, "1min", 0,
             24 * 3600 * SECOND,
             "How long the answer of an authorize function holds for the same rule, channel and "
             "identity; herald.forget() ends it earlier. 0: it is asked each time."),
    DURATION("presence-grace", hub.presence_grace_ms, SERVER | LIVE, "0", 0, 600 * SECOND,
             "How long a member whose connection dropped stays listed; who comes back with the "
             "same identity in that time goes on under his socketId. 0: not at all."),
    CHOICE("proxy-header", net.limits.proxy_header, "HEADER", SERVER | LIVE, "x-forwarded-for",
           "x-forwarded-for|forwarded|x-real-ip|none",
           "Which header trusted-proxies set, or append to: its last address that is none of "
           "theirs is the client. A proxy that passes on what the client wrote there lets him "
           "choose his address. The other headers are ignored."),
    TEXT("origins", net.limits.origins, "LIST", SERVER | LIVE, NULL,
         "Web pages that may connect, as their browsers name them: https://example.com, with a "
         "port if it is not the usual one, separated by commas; https://*.example.com stands for "
         "all names below, * for any, null for pages without an origin. The others get HTTP 403. "
         "Clients without an Origin are no browsers and may. Default: any."),
    TEXT("trusted-proxies", trusted_proxies, "LIST", SERVER | LIVE, "127.0.0.0/8, ::1",
         "Addresses and networks (10.0.0.0/8) of proxies: what they say in proxy-header is where a "
         "client comes from. One that names no client there has limits of its own, proxy-sessions "
         "and proxy-handshakes. What others say there is ignored."),
    COUNT("session-messages", net.limits.messages.n, SERVER | LIVE, "200", 0, 1000000,
          "Frames a second that one session may send on average; above, each gets the error "
          "rate_limited, and who goes on is closed with 1008. 0: no limit, as with all limits."),
    COUNT("session-messages-burst", net.limits.messages.burst, SERVER | LIVE, "1000", 0, 1000000,
          "How many of them may come at once."),
    COUNT("session-joins", net.limits.joins.n, SERVER | LIVE, "600", 0, 1000000,
          "Joins and histories a minute, and at once, that one session may ask for."),
    BYTES("session-bytes", net.limits.bytes.n, SERVER | LIVE, "2MiB", 0, 1024 * MIB,
          "Bytes a second that one session may send on average; four times as many at once."),
    COUNT("user-sessions", hub.max_user_sessions, SERVER | LIVE, "100", 0, 1000000,
          "Most sessions of one user (dbo_id and row_id) on one server; one more is closed with "
          "1008."),
    COUNT("address-sessions", net.limits.address_sessions, SERVER | LIVE, "1000", 0, 1000000,
          "Most sessions from one address (IPv6: from one /64); one more gets HTTP 429."),
    COUNT("address-handshakes", net.limits.address_handshakes.n, SERVER | LIVE, "50", 0, 1000000,
          "Handshakes a second from one address on average; above: HTTP 429."),
    COUNT("address-handshakes-burst", net.limits.address_handshakes.burst, SERVER | LIVE, "500", 0,
          1000000, "How many of them may come at once."),
    COUNT("proxy-sessions", net.limits.proxy_sessions, SERVER | LIVE, "0", 0, 1000000,
          "Most sessions through one of trusted-proxies that names no client; one more gets HTTP "
          "429. 0: as many as max-sessions."),
    COUNT("proxy-handshakes", net.limits.proxy_handshakes.n, SERVER | LIVE, "1000", 0, 1000000,
          "Handshakes a second through one of trusted-proxies that names no client, and so many at "
          "once; above: HTTP 429."),
    COUNT("channel-members", hub.max_channel_members, SERVER | LIVE, "0", 0, 1000000,
          "Most members of one channel on one server; one more gets the error channel_full."),
    COUNT("channel-messages", hub.channel_messages.n, SERVER | LIVE, "1000", 0, 1000000,
          "Messages of one server's clients a second on one channel on average, twice as many at "
          "once; above, their senders get the error rate_limited."),
    COUNT("open-channels", hub.max_open_channels, SERVER | LIVE, "200000", 0, 100000000,
          "Most channels that have members on one server; a join that would open one more gets the "
          "error unavailable."),
    COUNT("accept-rate", net.limits.accepts.n, SERVER | LIVE, "5000", 0, 1000000,
          "Connections a second that are accepted, over all workers; the others wait in the "
          "kernel, so that a storm of them leaves time for the sessions."),
    BYTES("outqueue-soft-bytes", net.limits.outqueue_soft_bytes, SERVER | LIVE, "1MiB", 0,
          1024 * MIB,
          "Unsent bytes that a session may have for outqueue-soft-time; a reader that stays above "
          "for longer is closed with 1013."),
    DURATION("outqueue-soft-time", net.limits.outqueue_soft_ms, SERVER | LIVE, "10s", 0,
             3600 * SECOND, "See outqueue-soft-bytes."),
    BYTES("outqueue-total-bytes", net.limits.outqueue_total_bytes, SERVER | LIVE, "1GiB", 0,
          4095 * MIB,
          "Memory of all unsent frames; above, every reader with more than 64 KiB to come is "
          "closed with 1013."),
    BYTES("transit-bytes", net.limits.transit_bytes, SERVER | LIVE, "64MiB", 0, 4095 * MIB,
          "Bytes on their way between the hub and the workers; above, the workers read nothing "
          "until half of it is done."),
    BYTES("partial-bytes", net.limits.partial_bytes, SERVER | LIVE, "256MiB", 0, 4095 * MIB,
          "Bytes of messages that have not come whole; above, who sends more of one is closed with "
          "1013."),
    BYTES("held-bytes", hub.max_held_total_bytes, SERVER | LIVE, "256MiB", 0, 4095 * MIB,
          "Bytes of commands that wait because an earlier one of their session waits; above, they "
          "get the error rate_limited."),
    URL("bus", bus.urls, SERVE, "local",
        "Over what this server and others of the same database tell each other what they have: "
        "nats://HOST:PORT or tls://HOST:PORT, several with commas. local: it is the only one."),
    TEXT("bus-user", bus.user, "NAME", SERVE, NULL,
         "The user of the NATS server. Needs bus-password-file."),
    PATH("bus-password-file", bus.password_file, SERVE,
         "The password of bus-user, the first line of FILE. Read again on SIGHUP and at each "
         "connection, as the next three."),
    PATH("bus-token-file", bus.token_file, SERVE,
         "A token for the NATS server instead, the first line of FILE."),
    PATH("bus-nkey-file", bus.nkey_file, SERVE,
         "Or the seed of a user's nkey (SU...), the first line of FILE."),
    PATH("bus-ca-file", bus.ca_file, SERVE,
         "The certificates, PEM, that one of must have signed that of the NATS server. Default: "
         "those that the system trusts."),
    SWITCH("bus-plaintext", bus.is_plaintext, SERVE,
           "Speak to a NATS server on another machine without TLS or without credentials, because "
           "nobody else can reach it: who can, reads all."),
    TEXT("node-name", bus.node_name, "NAME", SERVE, NULL,
         "What this server is called in the log of the others. Default: host/pid."),
    PATH("metrics-token-file", net.metrics_token_file, SERVER | DOCTOR | LIVE,
         "Who sends the first line of FILE as a bearer token may read /metrics, and is told by "
         "/ready why the server is not ready. Read again on SIGHUP. Without it nobody may."),
    CHOICE("log-level", log_level, "LEVEL", SERVER | TAIL | WHY | LIVE, "info",
           "error|warn|info|debug", "How much is written to stderr."),
    CHOICE("log-format", log_json, "FORMAT", SERVER | TAIL | WHY | LIVE, "text", "text|json",
           "Log lines as text, or as one JSON object each."),
    TEXT("data-dir", data_dir, "DIR", DEV, "./pgherald-data",
         "Where dev keeps its private Postgres; made at the first start."),
    TEXT("pg-bindir", pg_bindir, "DIR", DEV, NULL,
         "Where initdb and postgres are. Default: asked from pg_config, then PATH, then "
         "/usr/lib/postgresql."),
    COUNT("nodes", n_nodes, DEV, "1", 1, 9,
          "How many servers dev runs. With more than one there are a private NATS server between "
          "them and HAProxy in front, on listen."),
    SWITCH("no-writer", no_writer, DEV,
           "Leave out dev's small writer, which changes a row of the example now and then."),
    PATH(
        "server-password-file", server_password_file, INSTALL,
        "Give the roles herald_server, herald_hook and herald_judge the password that is the first "
        "line of FILE."),
    PATH("hook-password-file", hook_password_file, INSTALL,
         "Give the role herald_hook a password of its own, the first line of FILE."),
    PATH("judge-password-file", judge_password_file, INSTALL,
         "Give the role herald_judge a password of its own, the first line of FILE."),
    SWITCH("yes", yes, ONLY_FLAG | UNINSTALL,
           "Yes, remove the schema with all its history and every watch."),
    COUNT("dbo-id", mint.dbo_id, ONLY_FLAG | TOKEN, "0", 0, 2147483647, "The table of the user."),
    TEXT("row-id", mint.row_id, "KEY", ONLY_FLAG | TOKEN, NULL,
         "The row of the user: a number, a UUID, any text."),
    TEXT("extras", mint.extras, "JSON", ONLY_FLAG | TOKEN, NULL,
         "What others may see of the user, a JSON object."),
    DURATION("expires", mint.expires_ms, ONLY_FLAG | TOKEN, "1h", 0, 365 * 24 * 3600 * SECOND,
             "How long the token is valid. 0: for ever."),
    SWITCH("print", print, ONLY_FLAG | CONFIG,
           "Print all options as they are now, and where each comes from; passwords are left out."),
    SWITCH("check", check, ONLY_FLAG | CONFIG,
           "Only check the file and the environment: exit code 78 says that something is wrong."),
    SWITCH("reference", reference, ONLY_FLAG | CONFIG,
           "Print the reference of all options as Markdown."),
    SWITCH("metrics-reference", metrics_reference, ONLY_FLAG | CONFIG,
           "Print the reference of all metrics as Markdown."),
    SWITCH("man", man, ONLY_FLAG | CONFIG, "Print the manual page pgherald(1)."),
    SWITCH("man-conf", man_conf, ONLY_FLAG | CONFIG, "Print the manual page pgherald.conf(5)."),
    SWITCH(
        "bash-completion", bash_completion, ONLY_FLAG | CONFIG,
        "Print the completion for bash; make install puts it, and the pages, where they belong."),
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))
static_assert(N_OPTIONS <= CONFIG_MAX_OPTIONS, "struct config_origins is too small");

struct option_table config_table(void)
{
    return (struct option_table){options, N_OPTIONS};
}
