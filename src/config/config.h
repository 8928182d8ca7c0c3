/* SPDX-License-Identifier: PostgreSQL */
/* The process's options: one table gives parsing, defaults, environment, file, --help, `config
 * --print` and the reference page. Rules, watches and canonicals are not here: they live in SQL. */
#ifndef HERALD_CONFIG_CONFIG_H
#define HERALD_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "auth/tokens.h"
#include "base/err.h"
#include "base/log.h"
#include "bus/options.h"
#include "config/arguments.h"
#include "config/option.h"
#include "core/hub/options.h"
#include "net/options.h"
#include "pg/database.h"

struct config {
    /* What each part of the server is given, as far as options say it; the rest is the server's. */
    struct net_options net;
    struct hub_options hub;
    struct database_options database; /* url "": what libpq takes by itself */
    struct tokens_options tokens;
    struct bus_options bus;
    uint32_t workers; /* 0: cores minus one, at least one */
    uint32_t drain_ms;
    char *trusted_proxies; /* NULL: none */
    enum log_level log_level;
    bool log_json;

    char *config_file;          /* NULL: the default one, if it is there */
    char *data_dir;             /* dev */
    char *pg_bindir;            /* dev; NULL: searched */
    uint32_t n_nodes;           /* dev */
    bool no_writer;             /* dev */
    char *server_password_file; /* install, upgrade; NULL: the password stays */
    char *hook_password_file;   /* NULL: as the server's */
    char *judge_password_file;  /* the same */
    bool yes;                   /* uninstall */
    struct {                    /* token */
        char *row_id, *extras;
        uint32_t dbo_id, expires_ms;
    } mint;
    bool print, check, reference, metrics_reference, man, man_conf, bash_completion; /* config */
};

/* Which subcommands an option belongs to. */
enum config_commands {
    CONFIG_FOR_SERVE = 1,
    CONFIG_FOR_DEV = 2,
    CONFIG_FOR_INSTALL = 4, /* and upgrade */
    CONFIG_FOR_UNINSTALL = 8,
    CONFIG_FOR_WATCH = 16, /* and all that asks the database */
    CONFIG_FOR_CONFIG = 32,
    CONFIG_FOR_TOKEN = 64,
    CONFIG_FOR_DOCTOR = 128,
    CONFIG_FOR_TAIL = 256,
    CONFIG_FOR_CHECK_TOKEN = 512,
    CONFIG_FOR_WHY = 1024,
};

enum config_origin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_VARIABLE, CONFIG_FLAG };
#define CONFIG_MAX_OPTIONS 128
struct config_origins {
    enum config_origin of[CONFIG_MAX_OPTIONS]; /* by the option's place in the table */
};

#define CONFIG_DEFAULT_FILE "/etc/pgherald/pgherald.conf"

struct option_table config_table(void);

/* Flags over environment over file over defaults; each value is checked, even one that is
 * overridden. The default file is read for serve, config, token, check-token, tail and why only: it
 * holds the server's keys and login, the other subcommands need an administrator's. Release *out
 * whatever comes back.
 * origins may be NULL.
 */
enum status config_load(const struct arguments *arguments, unsigned command, struct config *out,
                        struct config_origins *origins, struct err *err) MUST_CHECK;
void config_release(struct config *config);

/* What differs between the options in force and those that were found now: "NAME OLD → NEW, …", without
 * passwords. */
struct config_changes {
    struct buf taken, left; /* into force; until a restart */
};
/* Takes over what a server may change while it runs, of the options of `command`. The texts of all
 * others stay where they are: who has borrowed them keeps them. */
void config_adopt(struct config *in_force, const struct config *found, unsigned command,
                  struct config_changes *changes);
void config_changes_release(struct config_changes *changes);

/* Logs a warning for each PGHERALD_ variable that no option has: it is most likely misspelt. */
void config_warn_of_variables(void);

/* Reads one file (file.c); a mistake gives "FILE:LINE: …" and exit code 78. */
enum status config_read_file(const char *path, struct config *config,
                             struct config_origins *origins, struct err *err) MUST_CHECK;
const char *config_library_version(void); /* of libconfuse */

/* Text about options (text.c). */
void config_print(const struct config *config, const struct config_origins *origins, FILE *out);
/* The same for programs: an object a line, with name, value (as in the file; null: absent), from (default, file, variable or
 * flag), variable, and is_live. */
void config_print_json(const struct config *config, const struct config_origins *origins,
                       FILE *out);
void config_reference(FILE *out); /* Markdown: docs/options.md */
void config_help(struct option_table table, unsigned command, FILE *out);

#endif
