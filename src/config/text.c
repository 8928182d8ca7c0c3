/* SPDX-License-Identifier: PostgreSQL */
/* What people read about options, all of it made from the table: the flags in --help, the values in
 * force in the syntax of the file (`config --print >pgherald.conf` is a good start of one), and the
 * reference page docs/options.md, which `make lint` compares with what the program says. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define HELP_COLUMN 30
#define HELP_WIDTH 100

/* The words of text, wrapped, in a column of their own. */
static void wrap(const char *text, FILE *out)
{
    size_t at = HELP_COLUMN;
    for (const char *separator = ""; *text; separator = " ") {
        size_t len = strcspn(text, " ");
        if (at + 1 + len > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
            separator = "";
        }
        fprintf(out, "%s%.*s", separator, (int)len, text);
        at += len + strlen(separator);
        text += len + (text[len] == ' ');
    }
}

static void help_option(const struct option *option, FILE *out)
{
    int at = fprintf(out, "  --%s%s%s", option->name, option->value_name ? " " : "",
                     option->value_name ? option->value_name : "");
    if (at + 2 > HELP_COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", HELP_COLUMN - at, "");
    struct buf text = {0};
    buf_literal(&text, option->help);
    if (option->type == OPTION_CHOICE) {
        buf_literal(&text, " One of ");
        option_range(option, &text);
        buf_char(&text, '.');
    }
    if (option->type != OPTION_SWITCH && option->fallback && option->fallback[0]) {
        buf_printf(&text, " (default %s)", option->fallback);
    }
    wrap(buf_text(&text), out);
    buf_release(&text);
    fputc('\n', out);
}

void config_help(struct option_table table, unsigned command, FILE *out)
{
    for (size_t i = 0; i < table.n; i++) {
        if (table.options[i].commands & command) {
            help_option(&table.options[i], out);
        }
    }
}

/* In double quotes, because an unquoted word ends at many characters of a URL; ${X} would be
 * replaced in them. */
static void print_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (strchr("\"\\$", *c)) {
            fputc('\\', out);
        }
        fputc(*c, out);
    }
    fputc('"', out);
}

/* An option that may stand in the file, and what is in force. */
struct setting {
    const struct option *option;
    enum config_origin from;
    bool is_absent; /* which has no spelling in the file */
    char variable[64];
    struct buf value;
};

static void print_setting(struct setting *setting, FILE *out)
{
    const char *const from[] = {
        [CONFIG_DEFAULT] = "default",
        [CONFIG_FILE] = "file",
        [CONFIG_VARIABLE] = setting->variable,
        [CONFIG_FLAG] = "flag",
    };
    fprintf(out, "%s%s = ", setting->is_absent ? "# " : "", setting->option->name);
    print_quoted(buf_text(&setting->value), out);
    fprintf(out, "  # %s%s\n", from[setting->from], setting->option->is_live ? ", live" : "");
}

/* Paths may be any bytes, JSON not: of what is no UTF-8 all above 127 become '?', as in the log. */
static void put_value(struct buf *json, struct buf *value)
{
    bool is_utf8 = str_is_utf8(buf_span(value));
    for (size_t i = 0; i < value->len && !is_utf8; i++) {
        value->data[i] = (unsigned char)value->data[i] > 127 ? '?' : value->data[i];
    }
    buf_json_string(json, buf_span(value));
}

static void print_setting_json(struct setting *setting, FILE *out)
{
    static const char *const from[] = {
        [CONFIG_DEFAULT] = "default",
        [CONFIG_FILE] = "file",
        [CONFIG_VARIABLE] = "variable",
        [CONFIG_FLAG] = "flag",
    };
    struct buf json = {0};
    buf_printf(&json, "{\"name\":\"%s\",\"value\":", setting->option->name);
    if (setting->is_absent) {
        buf_literal(&json, "null");
    } else {
        put_value(&json, &setting->value);
    }
    buf_printf(&json, ",\"from\":\"%s\",\"variable\":\"%s\",\"is_live\":%s}\n", from[setting->from],
               setting->variable, setting->option->is_live ? "true" : "false");
    fwrite(json.data, 1, json.len, out);
    buf_release(&json);
}

static void print_settings(const struct config *config, const struct config_origins *origins,
                           void (*print)(struct setting *setting, FILE *out), FILE *out)
{
    struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        const struct option *option = &table.options[i];
        if (option->is_flag_only || strcmp(option->name, "config") == 0) {
            continue;
        }
        struct setting setting = {.option = option, .from = origins->of[i]};
        option_variable(option, setting.variable);
        option_write(option, config, &setting.value);
        setting.is_absent = setting.value.len == 0 && !option->fallback;
        print(&setting, out);
        buf_release(&setting.value);
    }
}

void config_print(const struct config *config, const struct config_origins *origins, FILE *out)
{
    print_settings(config, origins, print_setting, out);
}

void config_print_json(const struct config *config, const struct config_origins *origins, FILE *out)
{
    print_settings(config, origins, print_setting_json, out);
}

static void reference_commands(unsigned commands, FILE *out)
{
    static const struct {
        unsigned bit;
        const char *names;
    } names[] = {
        {CONFIG_FOR_SERVE, "serve"},
        {CONFIG_FOR_DEV, "dev"},
        {CONFIG_FOR_INSTALL, "install, upgrade"},
        {CONFIG_FOR_UNINSTALL, "uninstall"},
        {CONFIG_FOR_WATCH, "watch and all that asks the database"},
        {CONFIG_FOR_CONFIG, "config"},
        {CONFIG_FOR_TOKEN, "token"},
        {CONFIG_FOR_CHECK_TOKEN, "check-token"},
        {CONFIG_FOR_DOCTOR, "doctor"},
        {CONFIG_FOR_TAIL, "tail"},
        {CONFIG_FOR_WHY, "why"},
    };
    const char *separator = "";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (commands & names[i].bit) {
            fprintf(out, "%s%s", separator, names[i].names);
            separator = ", ";
        }
    }
}

/* Of what a server reads: when another value comes into force. */
static void reference_change(const struct option *option, FILE *out)
{
    bool is_read = (option->commands & CONFIG_FOR_SERVE) && strcmp(option->name, "config") != 0;
    if (is_read) {
        fprintf(out, "* changes: %s\n",
                option->is_live ? "on SIGHUP, in the running server" : "with a restart");
    }
}

static void reference_option(const struct option *option, FILE *out)
{
    char variable[64];
    struct buf range = {0};
    option_variable(option, variable);
    option_range(option, &range);
    fprintf(out, "### `--%s%s%s`\n\n%s\n\n", option->name, option->value_name ? " " : "",
            option->value_name ? option->value_name : "", option->help);
    if (option->fallback && option->fallback[0]) {
        fprintf(out, "* default: `%s`\n", option->fallback);
    }
    if (range.len > 0) {
        fprintf(out, "* %s: %s\n", option->type == OPTION_CHOICE ? "one of" : "range",
                buf_text(&range));
    }
    if (option->is_flag_only) {
        fprintf(out, "* only as a flag\n");
    } else {
        fprintf(out, "* variable: `%s`\n", variable);
    }
    reference_change(option, out);
    fprintf(out, "* commands: ");
    reference_commands(option->commands, out);
    fprintf(out, "\n\n");
    buf_release(&range);
}

void config_reference(FILE *out)
{
    fprintf(out,
            "<!-- Made by `pgherald config --reference`; do not edit. -->\n"
            "# Options\n\n"
            "A flag wins over its variable, a variable over the file, the file over the default. "
            "The file is\n"
            "`" CONFIG_DEFAULT_FILE
            "` if it exists (serve, config, token, check-token, tail and why), "
            "or the one that `-c FILE` names. It "
            "holds one\n"
            "`name = value` a line, the names as below without the dashes; `#` begins a comment, "
            "values with other\n"
            "characters than letters, digits, `.`, `:`, `-` and `/` stand in double quotes, and "
            "`${NAME}` is an\n"
            "environment variable:\n\n"
            "    listen = 0.0.0.0:8080\n"
            "    database-url = \"postgresql://herald_server:${DB_PASSWORD}@db.example.com/app\"\n"
            "    retention-hours = 7d  # a week\n\n"
            "Bytes: `65536`, `64KiB`, `8MiB`, `1GiB`. Durations: `500ms`, `10s`, `2min`, `1h`; a "
            "bare number is seconds.\n"
            "Hours: `168`, `168h`, `7d`. Yes or no: `yes`, `on`, `true`, `1`, `no`, `off`, "
            "`false`, `0`.\n"
            "`pgherald config --print` shows what is in force, where it comes from, and what is "
            "live.\n\n"
            "On SIGHUP `serve` reads the file again. What changes on SIGHUP (live) is in force at "
            "once, for open sessions too\n"
            "as far as it is about them; the log says what was taken over, from which value to "
            "which, and in one more line\n"
            "what waits for a restart. A file with a mistake changes nothing, and the log names "
            "the mistake.\n"
            "`pgherald_config_reloads_total` counts both.\n\n");
    struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        reference_option(&table.options[i], out);
    }
}
