/* SPDX-License-Identifier: PostgreSQL */
/* Rows of a query, for people or for programs. Nothing is ever cut short. */
#ifndef HERALD_CLI_ASK_PRINT_H
#define HERALD_CLI_ASK_PRINT_H

#include <libpq-fe.h>
#include <stdio.h>

#include "base/buf.h"

/* The first n_rows under the names of their columns, lined up; numbers to the right. */
void print_table(const PGresult *rows, int n_rows, FILE *out);
/* The first row, a line for each field; the lines of a text stand below each other. */
void print_record(const PGresult *rows, FILE *out);
/* The first field of each, which is a JSON text: a value a line. */
void print_json_lines(const PGresult *rows, int n_rows, FILE *out);

/* UTF-8 as a terminal may have it: what would move the cursor, or turn the direction of writing, is
 * spelled out (\n, \x1b, \u202e). */
void print_escape(struct buf *out, struct str text);

#endif
