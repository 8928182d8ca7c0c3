/* SPDX-License-Identifier: PostgreSQL */
/* Whether a text is JSON: what type json takes in a UTF8 database, if the text is valid UTF-8. */
#ifndef HERALD_CORE_ROW_JSON_CHECK_H
#define HERALD_CORE_ROW_JSON_CHECK_H

#include "base/str.h"

#define JSON_CHECK_DEPTH_MAX 1024 /* arrays and objects around each other */

bool json_check(struct str text);        /* RFC 8259; not deeper than that */
bool json_check_number(struct str text); /* a JSON number and nothing else */

#endif
