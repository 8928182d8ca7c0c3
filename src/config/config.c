/* SPDX-License-Identifier: PostgreSQL */
/* The table of options, and who may say what they are: flags over environment over file over
 * defaults. Nothing else in the program knows the name, the default or the limits of an option.
 *
 * Every value is checked where it is found, even if a stronger source overrides it later: a mistake
 * in the file should not wait for the day on which the flag is dropped. */
#include "config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define TOKEN (CONFIG_FOR_SERVE | CONFIG_FOR_DEV | CONFIG_FOR_TOKEN)
#define SERVER (CONFIG_FOR_SERVE | CONFIG_FOR_DEV)
#define ADMIN (CONFIG_FOR_INSTALL | CONFIG_FOR_UNINSTALL | CONFIG_FOR_WATCH)
#define FIELD(member)                                                                              \
    .offset = offsetof(struct config, member), .size = sizeof(((struct config *)0)->member)
#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define SECOND UINT64_C(1000)

static const struct option options[] = {
    {.name = "config",
     .type = OPTION_TEXT,
     FIELD(config_file),
     .value_name = "FILE",
     .commands = SERVER | ADMIN | CONFIG_FOR_CONFIG | CONFIG_FOR_TOKEN,
     .help = "Read options from FILE (also -c FILE). Default of serve, config and "
             "token: " CONFIG_DEFAULT_FILE ", if it exists; of the others: none."},
    {.name = "listen",
     .type = OPTION_LISTEN,
     FIELD(listen),
     .value_name = "ADDR:PORT",
     .commands = SERVER,
     .fallback = "127.0.0.1:8080",
     .help = "Where browsers connect. Port 0 takes a free one."},
    {.name = "proxy-protocol",
     .type = OPTION_SWITCH,
     FIELD(proxy_protocol),
     .commands = CONFIG_FOR_SERVE,
     .fallback = "no",
     .help = "Connections to listen come from trusted-proxies only and begin with a header of "
             "HAProxy's PROXY protocol, version 1 or 2, which names the client; all others are "
             "closed."},
    {.name = "tls-listen",
     .type = OPTION_LISTEN,
     FIELD(tls_listen),
     .value_name = "ADDR:PORT",
     .commands = SERVER,
     .help =
         "Where browsers connect with TLS, besides listen. Needs tls-cert-file and tls-key-file."},
    {.name = "tls-cert-file",
     .type = OPTION_TEXT,
     FIELD(tls_cert_file),
     .value_name = "FILE",
     .commands = SERVER,
     .help = "The certificate with its chain, PEM. Read again on SIGHUP; open sessions stay."},
    {.name = "tls-key-file",
     .type = OPTION_TEXT,
     FIELD(tls_key_file),
     .value_name = "FILE",
     .commands = SERVER,
     .help = "Its private key, PEM."},
    {.name = "tls-proxy-protocol",
     .type = OPTION_SWITCH,
     FIELD(tls_proxy_protocol),
     .commands = CONFIG_FOR_SERVE,
     .fallback = "no",
     .help = "The same as proxy-protocol for tls-listen: the header comes before TLS."},
    {.name = "database-url",
     .type = OPTION_URL,
     FIELD(database_url),
     .value_name = "URL",
     .commands = CONFIG_FOR_SERVE | ADMIN,
     .fallback = "",
     .help = "The database, as a libpq URI or keyword/value string; what it leaves out comes from "
             "PGHOST, PGDATABASE and so on. serve logs in as herald_server, into the database "
             "postgres, unless told otherwise; the others need an administrator."},
    {.name = "workers",
     .type = OPTION_COUNT,
     FIELD(workers),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "0",
     .max = 256,
     .help = "Threads that own sockets. 0: one less than there are cores, at least one."},
    {.name = "max-sessions",
     .type = OPTION_COUNT,
     FIELD(max_sessions),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "10000",
     .min = 1,
     .max = 1000000,
     .help = "Most sessions at a time; above, handshakes get HTTP 503."},
    {.name = "max-frame-bytes",
     .type = OPTION_BYTES,
     FIELD(max_frame_bytes),
     .value_name = "BYTES",
     .commands = SERVER,
     .fallback = "64KiB",
     .min = KIB,
     .max = 16 * MIB,
     .help = "Longest message of a client; above, its session is closed with 1009."},
    {.name = "max-channels",
     .type = OPTION_COUNT,
     FIELD(max_channels),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "100",
     .min = 1,
     .max = 100000,
     .help = "Most channels that one session may join."},
    {.name = "outqueue-bytes",
     .type = OPTION_BYTES,
     FIELD(outqueue_bytes),
     .value_name = "BYTES",
     .commands = SERVER,
     .fallback = "8MiB",
     .min = 4 * KIB,
     .max = 1024 * MIB,
     .help = "Most unsent bytes of one session; a slower reader is closed with 1013."},
    {.name = "handshake-timeout",
     .type = OPTION_DURATION,
     FIELD(handshake_timeout_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "10s",
     .min = 100,
     .max = 300 * SECOND,
     .help = "How long a new connection may take until it is a session."},
    {.name = "ping-interval",
     .type = OPTION_DURATION,
     FIELD(ping_interval_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "25s",
     .min = 100,
     .max = 3600 * SECOND,
     .help = "How often a silent session is asked whether it is there."},
    {.name = "ping-misses",
     .type = OPTION_COUNT,
     FIELD(ping_misses),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "2",
     .min = 1,
     .max = 100,
     .help = "Unanswered pings after which a session is dropped."},
    {.name = "drain",
     .type = OPTION_DURATION,
     FIELD(drain_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "5s",
     .max = 600 * SECOND,
     .help = "Over how long sessions are closed (1012) when the server is asked to stop."},
    {.name = "look",
     .type = OPTION_DURATION,
     FIELD(look_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "1s",
     .min = 10,
     .max = 60 * SECOND,
     .help = "The safety look: how often the outbox is read although nobody rang."},
    {.name = "batch-rows",
     .type = OPTION_COUNT,
     FIELD(batch_rows),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "2000",
     .min = 1,
     .max = 100000,
     .help = "Most rows that one transaction moves from the outbox to the log."},
    {.name = "batch-bytes",
     .type = OPTION_BYTES,
     FIELD(batch_bytes),
     .value_name = "BYTES",
     .commands = SERVER,
     .fallback = "8MiB",
     .min = KIB,
     .max = 512 * MIB,
     .help = "Most payload bytes of such a transaction; one row always fits."},
    {.name = "query-timeout",
     .type = OPTION_DURATION,
     FIELD(query_timeout_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "30s",
     .min = 100,
     .max = 3600 * SECOND,
     .help = "How long a query may take before its connection is given up."},
    {.name = "append-max-bytes",
     .type = OPTION_BYTES,
     FIELD(append_max_bytes),
     .value_name = "BYTES",
     .commands = SERVER,
     .fallback = "64MiB",
     .min = 4 * KIB,
     .max = 2048 * MIB,
     .help =
         "Most bytes of messages that wait for the log; above, senders get the error unavailable."},
    {.name = "retention-hours",
     .type = OPTION_HOURS,
     FIELD(retention_hours),
     .value_name = "HOURS",
     .commands = SERVER,
     .fallback = "168",
     .max = 876000,
     .help = "How long the log keeps events beyond what each rule's message_history keeps. 0: for "
             "ever."},
    {.name = "recent-bytes",
     .type = OPTION_BYTES,
     FIELD(recent_bytes),
     .value_name = "BYTES",
     .commands = SERVER,
     .fallback = "32MiB",
     .max = 2048 * MIB,
     .help = "Memory for the log's newest events, from which sessions that come back are served "
             "without the database. 0: none."},
    {.name = "recent-rows",
     .type = OPTION_COUNT,
     FIELD(recent_rows),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "100000",
     .max = 10000000,
     .help = "Most events in that memory. 0: none."},
    {.name = "resume-max-rows",
     .type = OPTION_COUNT,
     FIELD(resume_max_rows),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "100000",
     .min = 1,
     .max = 10000000,
     .help = "Most missed events of a channel that a session is sent when it comes back; if there "
             "are more it is told of a gap."},
    {.name = "token-secret-file",
     .type = OPTION_TEXT,
     FIELD(token_secret_file),
     .value_name = "FILE",
     .commands = TOKEN,
     .help = "A shared secret for tokens: the bytes of FILE without a last line feed, at least as "
             "many as the algorithm's digest has. Read again on SIGHUP, as all key files."},
    {.name = "token-secret-algorithm",
     .type = OPTION_TEXT,
     FIELD(token_secret_algorithm),
     .value_name = "ALG",
     .commands = TOKEN,
     .fallback = "HS256",
     .help = "The one algorithm that the secret is for: HS256, HS384 or HS512 (JWT), dir or A256KW "
             "(JWE)."},
    {.name = "token-key-file",
     .type = OPTION_TEXT,
     FIELD(token_key_file),
     .value_name = "FILE",
     .commands = TOKEN,
     .help = "A key for tokens, PEM: a public key (or a private one, which token and JWE need)."},
    {.name = "token-key-algorithm",
     .type = OPTION_TEXT,
     FIELD(token_key_algorithm),
     .value_name = "ALG",
     .commands = TOKEN,
     .help = "The one algorithm that the key is for: RS256, PS256, ES256 and their like (JWT), "
             "RSA-OAEP-256 or ECDH-ES (JWE). Default: RS256, or by the curve (ES256, EdDSA, ...)."},
    {.name = "token-jwks-file",
     .type = OPTION_TEXT,
     FIELD(token_jwks_file),
     .value_name = "FILE",
     .commands = TOKEN,
     .help = "A JWK set (RFC 7517); each key names its algorithm (alg), or has a type that leaves "
             "one."},
    {.name = "token-jwks-url",
     .type = OPTION_TEXT,
     FIELD(token_jwks_url),
     .value_name = "URL",
     .commands = SERVER,
     .help = "Where to fetch a JWK set, https only (http for a loopback address). Fetched again "
             "when it is old, and when a token names a key that it does not have."},
    {.name = "token-jwks-ca-file",
     .type = OPTION_TEXT,
     FIELD(token_jwks_ca_file),
     .value_name = "FILE",
     .commands = SERVER,
     .help = "The certificates, PEM, that one of must have signed that of token-jwks-url's server. "
             "Default: those that the system trusts."},
    {.name = "token-jwks-refresh",
     .type = OPTION_DURATION,
     FIELD(token_jwks_refresh_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "10min",
     .min = SECOND,
     .max = 24 * 3600 * SECOND,
     .help = "How old a fetched JWK set may get."},
    {.name = "token-issuer",
     .type = OPTION_TEXT,
     FIELD(token_issuer),
     .value_name = "TEXT",
     .commands = TOKEN,
     .help = "Accept only tokens of this issuer (iss). Default: any."},
    {.name = "token-audience",
     .type = OPTION_TEXT,
     FIELD(token_audience),
     .value_name = "TEXT",
     .commands = TOKEN,
     .help = "Accept only tokens for this audience (aud, or one of it). Default: any."},
    {.name = "token-leeway",
     .type = OPTION_DURATION,
     FIELD(token_leeway_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "5s",
     .max = 600 * SECOND,
     .help = "How far clocks may differ (exp, nbf)."},
    {.name = "token-dbo-claim",
     .type = OPTION_TEXT,
     FIELD(token_dbo_claim),
     .value_name = "NAME",
     .commands = TOKEN,
     .fallback = "dbo_id",
     .help = "The claim that names the table of the user, a number; a dot goes into an object "
             "(user.dbo)."},
    {.name = "token-row-claim",
     .type = OPTION_TEXT,
     FIELD(token_row_claim),
     .value_name = "NAME",
     .commands = TOKEN,
     .fallback = "row_id",
     .help = "The claim that names the row of the user, a number or a string such as a UUID (often "
             "sub)."},
    {.name = "token-extras-claim",
     .type = OPTION_TEXT,
     FIELD(token_extras_claim),
     .value_name = "NAME",
     .commands = TOKEN,
     .fallback = "extras",
     .help = "The claim with what other clients may see of the user, an object."},
    {.name = "token-max-bytes",
     .type = OPTION_BYTES,
     FIELD(token_max_bytes),
     .value_name = "BYTES",
     .commands = SERVER,
     .fallback = "8KiB",
     .min = 64,
     .max = 12 * KIB,
     .help = "Longest token that is looked at."},
    {.name = "token-in-query",
     .type = OPTION_SWITCH,
     FIELD(token_in_query),
     .commands = SERVER,
     .fallback = "no",
     .help = "Take a token also from the query of the address (access_token=...), which ends up in "
             "logs of proxies."},
    {.name = "token-function",
     .type = OPTION_TEXT,
     FIELD(token_function),
     .value_name = "NAME",
     .commands = SERVER,
     .help = "An SQL function (text) returning json that checks tokens which are neither JWT nor "
             "JWE; it must be SECURITY DEFINER and named with its schema."},
    {.name = "invalid-token",
     .type = OPTION_CHOICE,
     FIELD(invalid_token_rejects),
     .value_name = "ANSWER",
     .commands = SERVER,
     .fallback = "anonymous",
     .choices = "anonymous|reject",
     .help = "What a token that is not accepted gets: an anonymous session with an error at its "
             "first join, or HTTP 401."},
    {.name = "hook-url",
     .type = OPTION_URL,
     FIELD(hook_url),
     .value_name = "URL",
     .commands = CONFIG_FOR_SERVE,
     .help = "Where the SQL functions of rules are called, as role herald_hook. Default: "
             "database-url with that role. Not through a pooler in transaction mode."},
    {.name = "hook-timeout",
     .type = OPTION_DURATION,
     FIELD(hook_timeout_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "2s",
     .min = 10,
     .max = 300 * SECOND,
     .help = "How long an SQL function of a rule may take; one that takes longer has refused."},
    {.name = "hook-connections",
     .type = OPTION_COUNT,
     FIELD(hook_connections),
     .value_name = "N",
     .commands = SERVER,
     .fallback = "4",
     .min = 2,
     .max = 64,
     .help = "Connections on which those functions run."},
    {.name = "authorize-cache",
     .type = OPTION_DURATION,
     FIELD(authorize_cache_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "1min",
     .max = 24 * 3600 * SECOND,
     .help = "How long the answer of an authorize function holds for the same rule, channel and "
             "identity; herald.forget() ends it earlier. 0: it is asked each time."},
    {.name = "presence-grace",
     .type = OPTION_DURATION,
     FIELD(presence_grace_ms),
     .value_name = "DURATION",
     .commands = SERVER,
     .fallback = "0",
     .max = 600 * SECOND,
     .help = "How long a member whose connection dropped stays listed; who comes back with the "
             "same identity in that time goes on under his socketId. 0: not at all."},
    {.name = "proxy-header",
     .type = OPTION_CHOICE,
     FIELD(limits.proxy_header),
     .value_name = "HEADER",
     .commands = SERVER,
     .fallback = "x-forwarded-for",
     .choices = "x-forwarded-for|forwarded|x-real-ip|none",
     .help = "Which header trusted-proxies set, or append to: its last address that is none of "
             "theirs is the client. A proxy that passes on what the client wrote there lets him "
             "choose his address. The other headers are ignored."},
    LIMIT_OPTIONS{
        .name = "metrics-token-file",
        .type = OPTION_TEXT,
        FIELD(metrics_token_file),
        .value_name = "FILE",
        .commands = SERVER,
        .help =
            "Who sends the first line of FILE as a bearer token may read /metrics, and is told by "
            "/ready why the server is not ready. Read at the start. Without it nobody may."},
    {.name = "log-level",
     .type = OPTION_CHOICE,
     FIELD(log_level),
     .value_name = "LEVEL",
     .commands = SERVER,
     .fallback = "info",
     .choices = "error|warn|info|debug",
     .help = "How much is written to stderr."},
    {.name = "log-format",
     .type = OPTION_CHOICE,
     FIELD(log_json),
     .value_name = "FORMAT",
     .commands = SERVER,
     .fallback = "text",
     .choices = "text|json",
     .help = "Log lines as text, or as one JSON object each."},
    {.name = "data-dir",
     .type = OPTION_TEXT,
     FIELD(data_dir),
     .value_name = "DIR",
     .commands = CONFIG_FOR_DEV,
     .fallback = "./pgherald-data",
     .help = "Where dev keeps its private Postgres; made at the first start."},
    {.name = "pg-bindir",
     .type = OPTION_TEXT,
     FIELD(pg_bindir),
     .value_name = "DIR",
     .commands = CONFIG_FOR_DEV,
     .help = "Where initdb and postgres are. Default: asked from pg_config, then PATH, then "
             "/usr/lib/postgresql."},
    {.name = "no-writer",
     .type = OPTION_SWITCH,
     FIELD(no_writer),
     .commands = CONFIG_FOR_DEV,
     .fallback = "no",
     .help = "Leave out dev's small writer, which changes a row of the example now and then."},
    {.name = "server-password-file",
     .type = OPTION_TEXT,
     FIELD(server_password_file),
     .value_name = "FILE",
     .commands = CONFIG_FOR_INSTALL,
     .help = "Give the roles herald_server and herald_hook the password that is the first line of "
             "FILE."},
    {.name = "hook-password-file",
     .type = OPTION_TEXT,
     FIELD(hook_password_file),
     .value_name = "FILE",
     .commands = CONFIG_FOR_INSTALL,
     .help = "Give the role herald_hook a password of its own, the first line of FILE."},
    {.name = "yes",
     .type = OPTION_SWITCH,
     FIELD(yes),
     .commands = CONFIG_FOR_UNINSTALL,
     .is_flag_only = true,
     .fallback = "no",
     .help = "Yes, remove the schema with all its history and every watch."},
    {.name = "dbo-id",
     .type = OPTION_COUNT,
     FIELD(mint.dbo_id),
     .value_name = "N",
     .commands = CONFIG_FOR_TOKEN,
     .fallback = "0",
     .max = 2147483647,
     .is_flag_only = true,
     .help = "The table of the user."},
    {.name = "row-id",
     .type = OPTION_TEXT,
     FIELD(mint.row_id),
     .value_name = "KEY",
     .commands = CONFIG_FOR_TOKEN,
     .is_flag_only = true,
     .help = "The row of the user: a number, a UUID, any text."},
    {.name = "extras",
     .type = OPTION_TEXT,
     FIELD(mint.extras),
     .value_name = "JSON",
     .commands = CONFIG_FOR_TOKEN,
     .is_flag_only = true,
     .help = "What others may see of the user, a JSON object."},
    {.name = "expires",
     .type = OPTION_DURATION,
     FIELD(mint.expires_ms),
     .value_name = "DURATION",
     .commands = CONFIG_FOR_TOKEN,
     .fallback = "1h",
     .max = 365 * 24 * 3600 * SECOND,
     .is_flag_only = true,
     .help = "How long the token is valid. 0: for ever."},
    {.name = "print",
     .type = OPTION_SWITCH,
     FIELD(print),
     .commands = CONFIG_FOR_CONFIG,
     .is_flag_only = true,
     .fallback = "no",
     .help =
         "Print all options as they are now, and where each comes from; passwords are left out."},
    {.name = "check",
     .type = OPTION_SWITCH,
     FIELD(check),
     .commands = CONFIG_FOR_CONFIG,
     .is_flag_only = true,
     .fallback = "no",
     .help = "Only check the file and the environment: exit code 78 says that something is wrong."},
    {.name = "reference",
     .type = OPTION_SWITCH,
     FIELD(reference),
     .commands = CONFIG_FOR_CONFIG,
     .is_flag_only = true,
     .fallback = "no",
     .help = "Print the reference of all options as Markdown."},
    {.name = "metrics-reference",
     .type = OPTION_SWITCH,
     FIELD(metrics_reference),
     .commands = CONFIG_FOR_CONFIG,
     .is_flag_only = true,
     .fallback = "no",
     .help = "Print the reference of all metrics as Markdown."},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))
static_assert(N_OPTIONS <= CONFIG_MAX_OPTIONS, "struct config_origins is too small");

struct option_table config_table(void)
{
    return (struct option_table){options, N_OPTIONS};
}

char *config_public_url(const char *url)
{
    return option_public_url(url);
}

void config_release(struct config *config)
{
    option_release(options, N_OPTIONS, config);
}

static void load_defaults(struct config *config)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].fallback) {
            struct err err;
            enum status status = option_set(&options[i], config, options[i].fallback,
                                            options[i].name, EXIT_CODE_CONFIG, &err);
            assert(status == STATUS_OK);
            (void)status;
        }
    }
}

/* `config` checks what any server would read. */
static bool belongs(const struct option *option, unsigned command)
{
    return !option->is_flag_only && ((option->commands & command) || command == CONFIG_FOR_CONFIG);
}

static enum status load_variables(unsigned command, struct config *config,
                                  struct config_origins *origins, struct err *err)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char variable[64];
        option_variable(&options[i], variable);
        const char *text = getenv(variable);
        if (!text || !belongs(&options[i], command)) {
            continue;
        }
        if (option_set(&options[i], config, text, variable, EXIT_CODE_CONFIG, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
        origins->of[i] = CONFIG_VARIABLE;
    }
    return STATUS_OK;
}

static enum status load_file(const struct arguments *arguments, unsigned command,
                             struct config *config, struct config_origins *origins, struct err *err)
{
    const char *path = arguments_text(arguments, "config");
    if (!path) {
        path = getenv("PGHERALD_CONFIG");
    }
    bool has_default = command & (CONFIG_FOR_SERVE | CONFIG_FOR_CONFIG | CONFIG_FOR_TOKEN);
    /* It may well be closed to who makes a token with a key of his own. */
    int wanted = command == CONFIG_FOR_TOKEN ? R_OK : F_OK;
    if (!path && has_default && access(CONFIG_DEFAULT_FILE, wanted) == 0) {
        path = CONFIG_DEFAULT_FILE;
    }
    return path ? config_read_file(path, config, origins, err) : STATUS_OK;
}

enum status config_load(const struct arguments *arguments, unsigned command, struct config *out,
                        struct config_origins *origins, struct err *err)
{
    struct config_origins unasked;
    origins = origins ? origins : &unasked;
    *origins = (struct config_origins){0};
    *out = (struct config){0};
    load_defaults(out);
    if (load_file(arguments, command, out, origins, err) != STATUS_OK ||
        load_variables(command, out, origins, err) != STATUS_OK ||
        arguments_apply(arguments, config_table(), out, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (arguments_text(arguments, options[i].name)) {
            origins->of[i] = CONFIG_FLAG;
        }
    }
    return STATUS_OK;
}

static bool is_known_variable(const char *entry, size_t len)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char variable[64];
        option_variable(&options[i], variable);
        if (!options[i].is_flag_only && strlen(variable) == len &&
            memcmp(variable, entry, len) == 0) {
            return true;
        }
    }
    return false;
}

void config_warn_of_variables(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        size_t len = strcspn(*entry, "=");
        if (strncmp(*entry, "PGHERALD_", 9) == 0 && !is_known_variable(*entry, len)) {
            log_warn("no option has the variable %.*s: it is ignored", (int)len, *entry);
        }
    }
}
