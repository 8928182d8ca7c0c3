/* SPDX-License-Identifier: PostgreSQL */
/* judge SHAPE FILTERS ROWS
 *
 * Judges rows as the server does. The files are a shape's description, filters (JSON, one a line),
 * and texts of captured rows (herald.outbox.new, in hex, one a line). Prints a line for each filter: a
 * letter for each row, y, n or u (unknown). Ends with 1 and a sentence if something is none of that,
 * with 64 if it is called otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/live/judge.h"
#include "core/row/change.h"
#include "pg/shapes/shape_loader.h"

struct lines {
    char **items;
    size_t n;
};

struct event {
    char *payload;
    char *kept;
};

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "judge: %s: %s\n", what, text);
    exit(1);
}

static struct lines read_lines(const char *path)
{
    struct lines lines = {0};
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    FILE *file = fopen(path, "re");
    if (!file) {
        fail("cannot open", path);
    }
    while ((len = getline(&line, &size, file)) > 0) {
        size_t n = (size_t)len - (line[len - 1] == '\n');
        lines.items = mem_array(lines.items, lines.n + 1, sizeof(char *));
        lines.items[lines.n++] = str_dup((struct str){line, n});
    }
    free(line);
    fclose(file);
    return lines;
}

static void lines_release(struct lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        free(lines->items[i]);
    }
    free(lines->items);
}

static unsigned hex_value(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void put_hex(struct buf *out, const char *hex)
{
    for (; hex[0] && hex[1]; hex += 2) {
        buf_char(out, (char)(hex_value(hex[0]) << 4 | hex_value(hex[1])));
    }
}

/* The only event of an insert. */
static struct event make_event(const struct shape *shape, const char *hex)
{
    struct change_scratch scratch = {0};
    struct change_event events[2];
    struct buf text = {0};
    enum change_fault fault;
    put_hex(&text, hex);
    struct change_row row = {.action = 'i', .new = buf_span(&text)};
    size_t n = change_events(shape, &row, &scratch, events, &fault);
    if (n != 1 || fault != CHANGE_FAULT_NONE) {
        fail("a row is not of the shape", buf_text(&text));
    }
    struct event event = {str_dup(events[0].payload), str_dup(events[0].kept)};
    change_scratch_release(&scratch);
    buf_release(&text);
    return event;
}

static struct judge *make_judge(const struct shape *shape, const char *json)
{
    struct buf why = {0};
    struct filter *filter = filter_parse(str_of(json), FILTER_VISIBLE, &why);
    struct judge *judge = filter ? judge_new(filter, shape, NULL, &why) : NULL;
    if (!judge) {
        fprintf(stderr, "%s\n", json);
        fail("a filter is none", buf_text(&why));
    }
    filter_unref(filter);
    buf_release(&why);
    return judge;
}

static char letter(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_NO:
        return 'n';
    case VERDICT_UNKNOWN:
        return 'u';
    case VERDICT_YES:
        return 'y';
    case VERDICT_LACKING:
        break;
    }
    return '?';
}

static void judge_all(const struct shape *shape, const char *json, const struct event *events,
                      size_t n_events)
{
    struct judge *judge = make_judge(shape, json);
    struct column_set columns = {0};
    struct live_rows rows = {0};
    judge_columns(judge, &columns);
    for (size_t i = 0; i < n_events; i++) {
        live_rows_read(&rows, shape, &columns, str_of(events[i].payload), str_of(events[i].kept));
        putchar(letter(judge_row(judge, &rows, LIVE_NEW)));
    }
    putchar('\n');
    live_rows_release(&rows);
    judge_free(judge);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: judge SHAPE FILTERS ROWS\n", stderr);
        return 64;
    }
    struct lines description = read_lines(argv[1]), filters = read_lines(argv[2]);
    struct lines texts = read_lines(argv[3]);
    const char *reason = "it is empty";
    struct shape *shape =
        description.n > 0 ? shape_load(1, str_of(description.items[0]), &reason) : NULL;
    if (!shape) {
        fail("no shape", reason);
    }
    struct event *events = mem_array(NULL, texts.n + 1, sizeof(*events));
    for (size_t i = 0; i < texts.n; i++) {
        events[i] = make_event(shape, texts.items[i]);
    }
    for (size_t i = 0; i < filters.n; i++) {
        judge_all(shape, filters.items[i], events, texts.n);
    }
    for (size_t i = 0; i < texts.n; i++) {
        free(events[i].payload);
        free(events[i].kept);
    }
    free(events);
    shape_unref(shape);
    lines_release(&description);
    lines_release(&filters);
    lines_release(&texts);
    return 0;
}
