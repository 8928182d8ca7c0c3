/* SPDX-License-Identifier: PostgreSQL */
/* The configuration file: `name = value` lines in libconfuse's syntax, with # comments, quotes and
 * ${VARIABLES}. The only file that knows the library. Every option is a string to it: our table
 * does the reading of numbers, durations and choices, so that a value means the same in a file, in
 * a variable and in a flag.
 *
 * Two of its habits are worked around. libconfuse 3.3 counts the lines of comments twice and more,
 * so messages would name a wrong line: comments are replaced by blanks before it sees the text (try
 * the test of line numbers without that, when a newer version comes). And it ends the process when
 * asked to read a directory: only text that was read here is given to it. */
#include "config/config.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define MAX_FILE_BYTES (1 << 20) /* a thousand times what all options take */
#define NOTES "\1notes"          /* a name that nobody types: see notes_of */

struct notes {
    void *self; /* libconfuse reads the pointer through a pointer */
    const char *path;
    struct config *config;
    struct config_origins *origins;
    struct err *err;
    bool has_failed;
};

/* libconfuse hands its callbacks no argument of ours, and there is no place for one in cfg_t; but
 * an option may be a pointer. So the notes travel as an option. */
static struct notes *notes_of(cfg_t *cfg)
{
    return cfg_getptr(cfg, NOTES);
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
                                                           va_list arguments)
{
    struct notes *notes = notes_of(cfg);
    if (notes->has_failed) {
        return; /* the first mistake explains the later ones */
    }
    notes->has_failed = true;
    char text[512];
    vsnprintf(text, sizeof(text), format, arguments);
    err_set(notes->err, EXIT_CODE_CONFIG, "%s:%d: %s", notes->path, cfg->line, text);
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    struct notes *notes = notes_of(cfg);
    struct option_table table = config_table();
    size_t i = 0;
    while (i < table.n && strcmp(table.options[i].name, opt->name) != 0) {
        i++;
    }
    const char *text = cfg_opt_getnstr(opt, 0);
    if (notes->has_failed || i == table.n || !text) {
        return -1;
    }
    char *origin = mem_printf("%s:%d: %s", notes->path, cfg->line, opt->name);
    enum status status =
        option_set(&table.options[i], notes->config, text, origin, EXIT_CODE_CONFIG, notes->err);
    free(origin);
    notes->has_failed = status != STATUS_OK;
    notes->origins->of[i] = CONFIG_FILE;
    return notes->has_failed ? -1 : 0;
}

static enum status read_text(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0) {
        return err_set(err, EXIT_CODE_CONFIG, "cannot read the configuration %s: %s", path,
                       strerror(errno));
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > MAX_FILE_BYTES) {
        close(fd);
        return err_set(err, EXIT_CODE_CONFIG, "the configuration %s is not a file of at most 1 MiB",
                       path);
    }
    char block[4096];
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0 && out->len <= MAX_FILE_BYTES) {
        buf_add(out, block, (size_t)n);
    }
    int failed = n < 0 ? errno : 0;
    close(fd);
    if (failed) {
        return err_set(err, EXIT_CODE_CONFIG, "cannot read the configuration %s: %s", path,
                       strerror(failed));
    }
    return STATUS_OK;
}

static char *end_of_quoted(char *c)
{
    char quote = *c++;
    while (*c && *c != quote) {
        c += *c == '\\' && c[1] ? 2 : 1;
    }
    return *c ? c + 1 : c;
}

/* As libconfuse's lexer sees it, a comment begins only where a word could: `a#b` and
 * `postgresql://x` are words. */
static void blank_comments(char *c)
{
    while (*c) {
        if (*c == '"' || *c == '\'') {
            c = end_of_quoted(c);
        } else if (*c == '#' || (c[0] == '/' && c[1] == '/')) {
            while (*c && *c != '\n') {
                *c++ = ' ';
            }
        } else if (c[0] == '/' && c[1] == '*') {
            const char *close = strstr(c + 2, "*/");
            const char *end = close ? close + 2 : c + strlen(c);
            for (; c < end; c++) {
                *c = *c == '\n' ? '\n' : ' ';
            }
        } else if (strchr(" \t\r\n={}(),+", *c)) {
            c++;
        } else {
            c += strcspn(c, " \t\r\n={}(),+\"'");
        }
    }
}

static cfg_t *make_parser(struct notes *notes)
{
    struct option_table table = config_table();
    cfg_opt_t opts[CONFIG_MAX_OPTIONS + 2] = {
        {.name = NOTES,
         .type = CFGT_PTR,
         .flags = CFGF_NODEFAULT,
         .simple_value.ptr = &notes->self},
    };
    size_t n = 1;
    for (size_t i = 0; i < table.n; i++) {
        if (!table.options[i].is_flag_only && strcmp(table.options[i].name, "config") != 0) {
            opts[n++] = (cfg_opt_t)CFG_STR(table.options[i].name, NULL, CFGF_NODEFAULT);
        }
    }
    opts[n] = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    if (!cfg) {
        abort(); /* out of memory */
    }
    cfg_set_error_function(cfg, on_error);
    for (size_t i = 1; i < n; i++) {
        cfg_set_validate_func(cfg, opts[i].name, on_value);
    }
    return cfg;
}

enum status config_read_file(const char *path, struct config *config,
                             struct config_origins *origins, struct err *err)
{
    struct buf text = {0};
    if (read_text(path, &text, err) != STATUS_OK) {
        buf_release(&text);
        return STATUS_FAILED;
    }
    buf_char(&text, '\0');
    blank_comments(text.data);
    struct notes notes = {.path = path, .config = config, .origins = origins, .err = err};
    notes.self = &notes;
    cfg_t *cfg = make_parser(&notes);
    int result = cfg_parse_buf(cfg, text.data);
    if (result != CFG_SUCCESS && !notes.has_failed) {
        notes.has_failed = true;
        err_set(err, EXIT_CODE_CONFIG, "%s: not understood", path);
    }
    cfg_free(cfg);
    buf_release(&text);
    return notes.has_failed ? STATUS_FAILED : STATUS_OK;
}

const char *config_library_version(void)
{
    return confuse_version;
}
