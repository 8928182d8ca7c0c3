/* SPDX-License-Identifier: PostgreSQL */
/* What the doctor has found: herald.finding of the schema, and of the same form what only a client
 * sees. */
#ifndef HERALD_CLI_DOCTOR_FINDINGS_H
#define HERALD_CLI_DOCTOR_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* An array of objects with severity, cause, finding, remedy and about (or null), as herald.doctor()
 * has them. */
struct findings {
    json_t *list;
};

/* The JSON text of such an array. */
enum status findings_init(struct findings *findings, const char *json, struct err *err) MUST_CHECK;
/* Texts are copied. severity: error, warning or note. The words are a format's. */
void findings_add(struct findings *findings, const char *severity, const char *cause,
                  const char *remedy, const char *words, ...) __attribute__((format(printf, 5, 6)));
bool findings_are_bad(const struct findings *findings); /* an error or a warning is among them */
void findings_print(const struct findings *findings, bool is_json, FILE *out);
void findings_release(struct findings *findings);

#endif
