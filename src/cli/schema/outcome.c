/* SPDX-License-Identifier: PostgreSQL */
/* For programs it is one object at the end, so that there is none where something has failed. People
 * are told of the steps as they are done. */
#include "cli/schema/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct outcome outcome_begin(bool is_json)
{
    return (struct outcome){.did = "nothing",
                            .passwords = is_json ? json_array() : NULL,
                            .warnings = is_json ? json_array() : NULL};
}

void outcome_add_password(struct outcome *outcome, const char *role)
{
    outcome->has_password = true;
    if (outcome->passwords) {
        json_array_append_new(outcome->passwords, json_string(role));
    } else {
        printf("The password of %s is set.\n", role);
    }
}

static json_t *step(int number)
{
    return number > 0 ? json_integer(number) : json_null();
}

static void print_json(const struct outcome *outcome)
{
    json_t *all = json_pack("{s:s, s:o, s:o, s:O, s:O}", "did", outcome->did, "step_before",
                            step(outcome->before), "step_after", step(outcome->after),
                            "passwords_set", outcome->passwords, "warnings", outcome->warnings);
    if (!all) {
        abort(); /* out of memory */
    }
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

static void print_next(bool has_password)
{
    printf("\nNext:\n%s"
           "  * announce a table:   pgherald watch my_table\n"
           "  * allow to join it:   pgherald rule set 'public.*' anonymous_clients\n"
           "  * start the server:   pgherald serve --database-url "
           "postgresql://herald_server@HOST/DATABASE\n",
           has_password
               ? ""
               : "  * if herald_server, herald_hook and herald_judge log in with a password: "
                 "pgherald install --server-password-file FILE\n");
}

static void print_people(const struct outcome *outcome)
{
    if (strcmp(outcome->did, "made_roles") == 0) {
        printf("The roles of pgherald are there. Nothing was installed: now a dump of a database "
               "with the schema herald can be restored.\n");
    } else if (strcmp(outcome->did, "removed") == 0) {
        printf("The schema herald is removed.\n");
    } else if (outcome->after == 0) {
        printf("There was no schema herald in this database; its roles were looked after.\n");
    } else if (strcmp(outcome->did, "nothing") == 0) {
        printf("The schema herald is up to date (step %d).\n", outcome->after);
    } else {
        printf("The schema herald is %s (step %d).\n", outcome->did, outcome->after);
    }
    if (strcmp(outcome->did, "installed") == 0) {
        print_next(outcome->has_password);
    }
}

void outcome_print(const struct outcome *outcome)
{
    if (outcome->warnings) {
        print_json(outcome);
    } else {
        print_people(outcome);
    }
}

void outcome_release(struct outcome *outcome)
{
    json_decref(outcome->passwords);
    json_decref(outcome->warnings);
}
