/* SPDX-License-Identifier: PostgreSQL */
/* The process's options: one table gives parsing, defaults, environment, file, --help, `config
 * --print` and the reference page. Rules, watches and canonicals are not here: they live in SQL. */
#ifndef HERALD_CONFIG_CONFIG_H
#define HERALD_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "config/arguments.h"
#include "config/option.h"

struct config {
    char *listen;     /* "127.0.0.1:8080" */
    char *tls_listen; /* NULL: no TLS */
    bool proxy_protocol, tls_proxy_protocol;
    char *tls_cert_file, *tls_key_file;
    char *database_url; /* "": what libpq takes by itself */
    uint32_t workers;   /* 0: cores minus one, at least one */
    uint32_t max_sessions;
    uint32_t max_frame_bytes;
    uint32_t max_channels;
    uint32_t outqueue_bytes;
    uint32_t handshake_timeout_ms;
    uint32_t ping_interval_ms;
    uint32_t ping_misses;
    uint32_t drain_ms;
    uint32_t look_ms;
    uint32_t batch_rows;
    uint32_t batch_bytes;
    uint32_t query_timeout_ms;
    uint32_t append_max_bytes;
    uint32_t retention_hours;
    uint32_t recent_bytes;
    uint32_t recent_rows;
    uint32_t resume_max_rows;
    char *token_secret_file; /* NULL, as the next ones: no such key */
    char *token_secret_algorithm;
    char *token_key_file;
    char *token_key_algorithm; /* NULL: the usual one of the key's type */
    char *token_jwks_file;
    char *token_jwks_url;
    char *token_jwks_ca_file;            /* NULL: the system's */
    char *token_issuer, *token_audience; /* NULL: not checked */
    uint32_t token_jwks_refresh_ms;
    uint32_t token_leeway_ms;
    char *token_dbo_claim, *token_row_claim, *token_extras_claim;
    uint32_t token_max_bytes;
    char *token_function; /* NULL: opaque tokens are refused */
    char *hook_url;       /* NULL: database_url, as herald_hook */
    uint32_t hook_timeout_ms;
    uint32_t hook_connections;
    uint32_t authorize_cache_ms;
    uint32_t presence_grace_ms;
    /* Limits; 0: none. */
    char *origins; /* NULL: any */
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
    char *metrics_token_file; /* NULL: nobody may read /metrics */
    enum log_level log_level;
    bool log_json;
    bool token_in_query;
    bool invalid_token_rejects;

    char *config_file;          /* NULL: the default one, if it is there */
    char *data_dir;             /* dev */
    char *pg_bindir;            /* dev; NULL: searched */
    bool no_writer;             /* dev */
    char *server_password_file; /* install, upgrade; NULL: the password stays */
    char *hook_password_file;   /* NULL: as the server's */
    bool yes;                   /* uninstall */
    struct {                    /* token */
        char *row_id, *extras;
        uint32_t dbo_id, expires_ms;
    } mint;
    bool print, check, reference, metrics_reference; /* config */
};

/* Which subcommands an option belongs to. */
enum config_commands {
    CONFIG_FOR_SERVE = 1,
    CONFIG_FOR_DEV = 2,
    CONFIG_FOR_INSTALL = 4, /* and upgrade */
    CONFIG_FOR_UNINSTALL = 8,
    CONFIG_FOR_WATCH = 16, /* and unwatch, watches */
    CONFIG_FOR_CONFIG = 32,
    CONFIG_FOR_TOKEN = 64,
};

enum config_origin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_VARIABLE, CONFIG_FLAG };
#define CONFIG_MAX_OPTIONS 96
struct config_origins {
    enum config_origin of[CONFIG_MAX_OPTIONS]; /* by the option's place in the table */
};

#define CONFIG_DEFAULT_FILE "/etc/pgherald/pgherald.conf"

struct option_table config_table(void);

/* Flags over environment over file over defaults; each value is checked, even one that is
 * overridden. The default file is read for serve, config and token only: it holds the server's keys
 * and login, the other subcommands need an administrator's. Release *out whatever comes back.
 * origins may be NULL.
 */
enum status config_load(const struct arguments *arguments, unsigned command, struct config *out,
                        struct config_origins *origins, struct err *err) MUST_CHECK;
void config_release(struct config *config);

/* Logs a warning for each PGHERALD_ variable that no option has: it is most likely misspelt. */
void config_warn_of_variables(void);

/* Reads one file (file.c); a mistake gives "FILE:LINE: …" and exit code 78. */
enum status config_read_file(const char *path, struct config *config,
                             struct config_origins *origins, struct err *err) MUST_CHECK;
const char *config_library_version(void); /* of libconfuse */

/* Text about options (text.c). */
void config_print(const struct config *config, const struct config_origins *origins, FILE *out);
void config_reference(FILE *out); /* Markdown: docs/options.md */
void config_help(struct option_table table, unsigned command, FILE *out);

#endif
