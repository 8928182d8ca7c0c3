/* SPDX-License-Identifier: PostgreSQL */
/* The one printer of what the database answers.
 *
 * Names of channels and what people write in rows are strangers' texts: they must neither move the
 * cursor of whoever reads them nor look like another line. Only a record, whose texts are ours, has
 * texts of several lines. */
#include "cli/ask/print.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define OID_BOOL 16

static bool is_number(Oid type)
{
    /* int8, int2, int4, oid, float4, float8, numeric: the numbers of pg_type never change. */
    static const Oid numbers[] = {20, 21, 23, 26, 700, 701, 1700};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i] == type) {
            return true;
        }
    }
    return false;
}

/* The character at the start of text, and how many bytes it has. What is no UTF-8 is one byte: behind
 * the beginning of a character might stand a control. */
static unsigned first_character(struct str text, size_t *len)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t n = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    unsigned character = n == 1 ? first : first & (0x7FU >> n);
    *len = 1;
    for (size_t i = 1; i < n; i++) {
        if (i == text.len || ((unsigned char)text.ptr[i] & 0xC0) != 0x80) {
            return first;
        }
        character = character << 6 | ((unsigned char)text.ptr[i] & 0x3FU);
    }
    *len = n;
    return character;
}

/* Controls of C1, separators of lines and paragraphs, marks and overrides of direction. */
static bool is_odd(unsigned character)
{
    return (character >= 0x80 && character <= 0x9F) || character == 0x061C || character == 0x200E ||
           character == 0x200F || (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069);
}

void print_escape(struct buf *out, struct str text)
{
    size_t len;
    for (; text.len > 0; text.ptr += len, text.len -= len) {
        unsigned character = first_character(text, &len);
        if (character == '\n') {
            buf_literal(out, "\\n");
        } else if (character == '\t') {
            buf_literal(out, "\\t");
        } else if (character < 0x20 || character == 0x7F || (len == 1 && character > 0x7F)) {
            buf_printf(out, "\\x%02x", character);
        } else if (is_odd(character)) {
            buf_printf(out, "\\u%04x", character);
        } else {
            buf_add(out, text.ptr, len);
        }
    }
}

/* NULL is empty. */
static void put_field(struct buf *out, const PGresult *rows, int row, int field)
{
    const char *text = PQgetvalue(rows, row, field);
    if (PQftype(rows, field) == OID_BOOL && *text) {
        text = *text == 't' ? "yes" : "no";
    }
    print_escape(out, str_of(text));
}

/* Characters, not bytes. */
static size_t width_of(const struct buf *text)
{
    size_t width = 0;
    for (size_t i = 0; i < text->len; i++) {
        width += ((unsigned char)text->data[i] & 0xC0) != 0x80;
    }
    return width;
}

static void pad(FILE *out, size_t n)
{
    fprintf(out, "%*s", (int)n, "");
}

/* row -1: the names. */
static void read_cell(struct buf *cell, const PGresult *rows, int row, int field)
{
    buf_clear(cell);
    if (row < 0) {
        print_escape(cell, str_of(PQfname(rows, field)));
    } else {
        put_field(cell, rows, row, field);
    }
}

static size_t widest(const PGresult *rows, int n_rows, int field)
{
    struct buf cell = {0};
    size_t width = 0;
    for (int row = -1; row < n_rows; row++) {
        read_cell(&cell, rows, row, field);
        width = width_of(&cell) > width ? width_of(&cell) : width;
    }
    buf_release(&cell);
    return width;
}

static void print_row(const PGresult *rows, int row, const size_t *widths, FILE *out)
{
    struct buf cell = {0};
    int n_fields = PQnfields(rows);
    size_t owed = 0; /* blanks: written before the next cell only, so that no line ends in them */
    for (int field = 0; field < n_fields; field++) {
        read_cell(&cell, rows, row, field);
        size_t rest = widths[field] - width_of(&cell);
        bool is_right = is_number(PQftype(rows, field));
        if (cell.len > 0) {
            pad(out, owed + (is_right ? rest : 0));
            fwrite(cell.data, 1, cell.len, out);
            owed = is_right ? 0 : rest;
        } else {
            owed += rest;
        }
        owed += 2;
    }
    fputc('\n', out);
    buf_release(&cell);
}

void print_table(const PGresult *rows, int n_rows, FILE *out)
{
    int n_fields = PQnfields(rows);
    size_t *widths = mem_array(NULL, (size_t)n_fields, sizeof(*widths));
    for (int field = 0; field < n_fields; field++) {
        widths[field] = widest(rows, n_rows, field);
    }
    for (int row = -1; row < n_rows; row++) {
        print_row(rows, row, widths, out);
    }
    free(widths);
}

static void print_paragraph(const char *text, size_t indent, FILE *out)
{
    struct buf line = {0};
    for (bool is_first = true; is_first || *text; is_first = false) {
        size_t len = strcspn(text, "\n");
        buf_clear(&line);
        print_escape(&line, (struct str){text, len});
        pad(out, is_first ? 0 : indent);
        fprintf(out, "%s\n", buf_text(&line));
        text += len + (text[len] == '\n');
    }
    buf_release(&line);
}

void print_record(const PGresult *rows, FILE *out)
{
    size_t width = 0;
    for (int field = 0; field < PQnfields(rows); field++) {
        size_t len = strlen(PQfname(rows, field));
        width = len > width ? len : width;
    }
    for (int field = 0; field < PQnfields(rows); field++) {
        const char *text = PQgetvalue(rows, 0, field);
        bool is_bool = PQftype(rows, field) == OID_BOOL && *text;
        if (*text) {
            fprintf(out, "%-*s  ", (int)width, PQfname(rows, field));
            print_paragraph(!is_bool ? text : *text == 't' ? "yes" : "no", width + 2, out);
        }
    }
}

/* Between the tokens of a JSON text may be ends of lines, inside of them there are none. */
void print_json_lines(const PGresult *rows, int n_rows, FILE *out)
{
    for (int row = 0; row < n_rows; row++) {
        for (const char *c = PQgetvalue(rows, row, 0); *c; c++) {
            fputc(*c == '\n' || *c == '\r' ? ' ' : *c, out);
        }
        fputc('\n', out);
    }
}
