/* SPDX-License-Identifier: PostgreSQL */
/* What a command has done to the schema, for people or for programs. */
#ifndef HERALD_CLI_SCHEMA_OUTCOME_H
#define HERALD_CLI_SCHEMA_OUTCOME_H

#include <jansson.h>
#include <stdbool.h>

struct outcome {
    const char *did;   /* installed, upgraded, removed, made_roles or nothing */
    int before, after; /* the numbers of the schema's steps; 0: there was none, there is none */
    bool has_password; /* of a role was set */
    /* Only where is_json; else each is told as it comes, and there is no list. */
    json_t *passwords; /* whose */
    json_t *warnings;  /* sentences */
};

struct outcome outcome_begin(bool is_json);
/* The password of a role is set. */
void outcome_add_password(struct outcome *outcome, const char *role);
/* For programs all of it; for people the schema. */
void outcome_print(const struct outcome *outcome);
void outcome_release(struct outcome *outcome);

#endif
