/* SPDX-License-Identifier: PostgreSQL */
/* The manual pages, in man(7)'s macros. The texts are those of --help and of the reference, so there is
 * nothing to keep in step; only what belongs to the pages alone is written here. */
#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "cli/made/made.h"

#ifndef PGHERALD_VERSION /* which the Makefile says */
#define PGHERALD_VERSION "0"
#endif

/* A dash is one that can be copied; a line that begins like a request is none. */
static void text(const char *words, size_t len, FILE *out)
{
    for (size_t i = 0; i < len; i++) {
        bool is_at_start = i == 0 || words[i - 1] == '\n';
        if (is_at_start && (words[i] == '.' || words[i] == '\'')) {
            fputs("\\&", out);
        }
        if (words[i] == '\\') {
            fputs("\\e", out);
        } else if (words[i] == '-') {
            fputs("\\-", out);
        } else {
            fputc(words[i], out);
        }
    }
}

static void line(const char *words, FILE *out)
{
    text(words, strlen(words), out);
    fputc('\n', out);
}

/* Paragraphs with an empty line between them, wrapped by hand for terminals: here the formatter does
 * that. Indented lines are examples, and stay as they are. */
static void paragraphs(const char *about, FILE *out)
{
    bool is_example = false;
    while (*about) {
        size_t len = strcspn(about, "\n");
        bool is_indented = about[0] == ' ';
        if (is_indented != is_example) {
            fputs(is_indented ? ".PP\n.nf\n" : ".fi\n.PP\n", out);
            is_example = is_indented;
        }
        if (len > 0) {
            text(about, len, out);
            fputc('\n', out);
        } else if (!is_example) {
            fputs(".PP\n", out);
        }
        about += len + (about[len] == '\n');
        if (len == 0 && about[0] == '\n') {
            about++;
        }
    }
    fputs(is_example ? ".fi\n" : "", out);
}

/* ---- options ---- */

static void option_head(const struct option *option, const char *dashes, FILE *out)
{
    fputs(".TP\n\\fB", out);
    text(dashes, strlen(dashes), out);
    text(option->name, strlen(option->name), out);
    fputs("\\fR", out);
    if (option->value_name && dashes[0]) {
        fprintf(out, " \\fI%s\\fR", option->value_name);
    }
    fputc('\n', out);
    line(option->help, out);
}

static void option_facts(const struct option *option, FILE *out)
{
    struct buf range = {0};
    option_range(option, &range);
    if (range.len > 0) {
        fputs(option->type == OPTION_CHOICE ? "One of " : "From ", out);
        text(range.data, range.len, out);
        fputs(".\n", out);
    }
    if (option->type != OPTION_SWITCH && option->fallback && option->fallback[0]) {
        fputs("Default: ", out);
        text(option->fallback, strlen(option->fallback), out);
        fputs(".\n", out);
    }
    buf_release(&range);
}

static void flag(const struct option *option, FILE *out)
{
    option_head(option, "--", out);
    option_facts(option, out);
}

static void flags(struct option_table table, FILE *out)
{
    for (size_t i = 0; i < table.n; i++) {
        flag(&table.options[i], out);
    }
}

/* The options of the table that it takes as well, by name. */
static void shared_flags(unsigned commands, FILE *out)
{
    const struct option_table table = config_table();
    const char *before = ".PP\nAlso takes ";
    for (size_t i = 0; i < table.n; i++) {
        if (table.options[i].commands & commands) {
            fprintf(out, "%s\\fB\\-\\-", before);
            text(table.options[i].name, strlen(table.options[i].name), out);
            fputs("\\fR", out);
            before = ",\n";
        }
    }
    fputs(before[0] == ',' ? ".\n" : "", out);
}

/* ---- pages ---- */

static void head(const char *name, const char *section, const char *of, FILE *out)
{
    fprintf(out,
            ".\\\" Made by pgherald config; do not edit.\n"
            ".TH %s %s \"\" \"pgherald " PGHERALD_VERSION "\" \"%s\"\n.SH NAME\n",
            name, section, of);
}

static void command_section(const struct subcommand *command, FILE *out)
{
    fprintf(out, ".SS \"pgherald %s\"\n.B pgherald %s\n", command->name, command->name);
    line(command->usage, out);
    fputs(".PP\n", out);
    paragraphs(command->about, out);
    flags(command->own, out);
    shared_flags(command->options, out);
}

void made_man(FILE *out)
{
    head("PGHERALD", "1", "User Commands", out);
    fputs("pgherald \\- realtime for PostgreSQL: rows and messages as events for browsers\n"
          ".SH SYNOPSIS\n.B pgherald\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
          ".SH DESCRIPTION\n"
          "Triggers capture the rows of watched tables, one server turns them into events of "
          "channels, and browsers get\nthem over WebSockets.\n"
          "To see it work: \\fBpgherald dev\\fR.\n"
          ".PP\n"
          "Options come from flags, from the environment (\\fB\\-\\-max\\-frame\\-bytes\\fR is "
          "PGHERALD_MAX_FRAME_BYTES) and\nfrom a file, see\n.BR pgherald.conf (5);\n"
          "a flag wins over its variable, a variable over the file. "
          "\\fB\\-h\\fR or \\fB\\-\\-help\\fR behind a command\nexplains it, \\fB\\-\\-quiet\\fR "
          "lets "
          "it say only errors and its answer, and \\fB\\-\\-json\\fR makes\nthe answer JSON where "
          "there is one.\n"
          ".SH COMMANDS\n",
          out);
    const struct subcommand *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        command_section(command, out);
    }
    fputs(".SH OPTIONS\nThose that several commands share; each command says which it takes.\n",
          out);
    flags(config_table(), out);
    fputs(".SH SIGNALS\n"
          "SIGTERM and SIGINT stop \\fBserve\\fR: its sessions are closed over the time of "
          "\\fB\\-\\-drain\\fR.\n"
          "SIGHUP lets it read the file, keys and certificate again;\n.BR pgherald.conf (5)\n"
          "says what that changes.\n"
          ".SH EXIT STATUS\n"
          ".TP\n0\nDone, or stopped as asked.\n"
          ".TP\n1\nFailed while running.\n"
          ".TP\n64\nBad usage.\n"
          ".TP\n75\nThe port is in use: later it may be free.\n"
          ".TP\n78\nBad configuration, or a schema that is missing or older than the program.\n"
          ".SH FILES\n"
          ".TP\n.I " CONFIG_DEFAULT_FILE "\n"
          "The options of \\fBserve\\fR, \\fBconfig\\fR and \\fBtoken\\fR, unless another file is "
          "named.\n"
          ".SH SEE ALSO\n.BR pgherald.conf (5),\n.BR psql (1)\n",
          out);
}

static void file_option(const struct option *option, FILE *out)
{
    char variable[64];
    option_variable(option, variable);
    option_head(option, "", out);
    option_facts(option, out);
    fprintf(out, "Variable: %s.\n", variable);
    if (option->commands & CONFIG_FOR_SERVE) {
        fputs(option->is_live ? "SIGHUP changes it in the running server.\n"
                              : "It changes with a restart.\n",
              out);
    }
}

void made_man_conf(FILE *out)
{
    const struct option_table table = config_table();
    head("PGHERALD.CONF", "5", "File Formats", out);
    fputs(
        "pgherald.conf \\- options of pgherald\n"
        ".SH SYNOPSIS\n.I " CONFIG_DEFAULT_FILE "\n"
        ".SH DESCRIPTION\n"
        "One \\fIname\\fR = \\fIvalue\\fR a line; # begins a comment. Values with other characters "
        "than letters, digits,\n"
        "dots, colons, dashes and slashes stand in double quotes, and ${\\fINAME\\fR} is an "
        "environment variable.\n"
        "A flag of the same name wins over its variable, a variable over the file.\n"
        ".PP\n"
        "Bytes are written 65536, 64KiB, 8MiB; durations 500ms, 10s, 2min, 1h, where a bare "
        "number is seconds; hours\n168, 168h, 7d; yes or no.\n"
        ".PP\n"
        "\\fBpgherald config \\-\\-check\\fR says whether the file is good, \\fBpgherald config "
        "\\-\\-print\\fR what is in\nforce. On SIGHUP \\fBpgherald serve\\fR reads the file "
        "again; one with a mistake changes nothing, and the log\nnames the mistake.\n"
        ".SH OPTIONS\n",
        out);
    for (size_t i = 0; i < table.n; i++) {
        if (!table.options[i].is_flag_only && strcmp(table.options[i].name, "config") != 0) {
            file_option(&table.options[i], out);
        }
    }
    fputs(".SH EXAMPLES\n.nf\n"
          "listen = 0.0.0.0:8080\n"
          "database\\-url = \"postgresql://herald_server:${DB_PASSWORD}@db.example.com/app\"\n"
          "retention\\-hours = 7d  # a week\n.fi\n"
          ".SH SEE ALSO\n.BR pgherald (1)\n",
          out);
}
