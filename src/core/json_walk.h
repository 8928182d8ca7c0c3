/* SPDX-License-Identifier: PostgreSQL */
/* Steps through a JSON container. What is walked must have been checked before (json_scan, or a
 * column of type json): of a text that is no JSON the spans may be anything inside of it, and
 * json_unquote must not get them. */
#ifndef HERALD_CORE_JSON_WALK_H
#define HERALD_CORE_JSON_WALK_H

#include <stdbool.h>

#include "base/str.h"

struct json_walk {
    const char *p;
    const char *end;
    bool has_keys;
};

/* Of an object or an array, without blanks around; of anything else there is nothing to walk. */
struct json_walk json_walk_open(struct str container);
/* The next member or element. `key` is the string with its quotes, absent in an array. False: there
 * is none. */
bool json_walk_next(struct json_walk *walk, struct str *key, struct str *value);

/* The same in halves, for who wants to go into a value without having to find its end before. The
 * next member's key; the walk then stands at its value, which is taken, or entered if it is an object
 * and left when that has no more members. */
bool json_walk_key(struct json_walk *walk, struct str *key);
struct str json_walk_value(struct json_walk *walk);
bool json_walk_enter(const struct json_walk *walk,
                     struct json_walk *object); /* false: it is none */
void json_walk_leave(struct json_walk *walk, const struct json_walk *object);

#endif
