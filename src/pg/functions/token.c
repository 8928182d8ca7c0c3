/* SPDX-License-Identifier: PostgreSQL */
/* A token function returns {"dbo_id":12,"row_id":"34","extras":{…},"exp":1800000000}, where each
 * member may be missing or null, or NULL for a token that it does not accept. The limits are those
 * of the claims of a JWT (src/auth). What is not of this shape is the function's mistake: nobody
 * becomes somebody by it, not even in part. */
#include "pg/functions/token.h"

#include <math.h>
#include <stdlib.h>

#include "pg/rows.h"

enum { MAX_EXTRAS = 4096, MAX_ROW_ID = 255 };

enum column {
    COLUMN_TYPE,
    COLUMN_DBO_TYPE,
    COLUMN_DBO,
    COLUMN_ROW_TYPE,
    COLUMN_ROW,
    COLUMN_EXTRAS_TYPE,
    COLUMN_EXTRAS,
    COLUMN_EXP_TYPE,
    COLUMN_EXP,
};

#define TYPE(name) "pg_catalog.json_typeof(pg_catalog.json_object_field(t.j, '" name "')), "
#define TEXT(name) "pg_catalog.json_object_field_text(t.j, '" name "')"

/* Materialized, so that the function is called once. */
const char token_sql[] =
    "WITH t AS MATERIALIZED (SELECT herald.call_function($1, $2)::pg_catalog.json AS j)"
    " SELECT pg_catalog.json_typeof(t.j), " TYPE("dbo_id") TEXT("dbo_id") ", " TYPE("row_id") TEXT(
        "row_id") ", " TYPE("extras") "pg_catalog.json_object_field(t.j, 'extras'), " TYPE("exp")
        TEXT("exp") " FROM t";

static bool is_type(const PGresult *rows, int column, struct str type)
{
    return str_equals(rows_text(rows, 0, column), type);
}

/* Absent and null are the same. */
static bool is_there(const PGresult *rows, int column)
{
    return !PQgetisnull(rows, 0, column) && !is_type(rows, column, STR("null"));
}

/* False: it is there and no number between the limits. */
static bool token_read_number(const PGresult *rows, int type, double min, double max, double *out)
{
    *out = 0;
    if (!is_there(rows, type)) {
        return true;
    }
    if (!is_type(rows, type, STR("number"))) {
        return false;
    }
    *out = strtod(PQgetvalue(rows, 0, (int)type + 1), NULL);
    return *out >= min && *out <= max;
}

/* A number's own digits are the key: the server has not touched them. "" names no row. */
static bool read_row_id(const PGresult *rows, struct str *out)
{
    *out = is_there(rows, COLUMN_ROW_TYPE) ? rows_text(rows, 0, COLUMN_ROW) : (struct str){0};
    if (out->len == 0) {
        *out = (struct str){0};
        return true;
    }
    bool is_string = is_type(rows, COLUMN_ROW_TYPE, STR("string"));
    bool is_integer = is_type(rows, COLUMN_ROW_TYPE, STR("number"));
    for (size_t i = 0; i < out->len && is_integer; i++) {
        is_integer = (out->ptr[i] >= '0' && out->ptr[i] <= '9') || (i == 0 && out->ptr[i] == '-');
    }
    return (is_string || is_integer) && out->len <= MAX_ROW_ID;
}

static bool read_extras(const PGresult *rows, struct str *out)
{
    *out = (struct str){0};
    if (!is_there(rows, COLUMN_EXTRAS_TYPE)) {
        return true;
    }
    *out = rows_text(rows, 0, COLUMN_EXTRAS);
    return is_type(rows, COLUMN_EXTRAS_TYPE, STR("object")) && out->len <= MAX_EXTRAS;
}

enum token_verdict token_read(const PGresult *rows, int64_t now_s, struct identity **out,
                              const char **mistake)
{
    double dbo_id;
    double exp;
    struct str row_id;
    struct str extras;
    if (!is_there(rows, COLUMN_TYPE)) {
        return TOKEN_REFUSED;
    }
    if (!is_type(rows, COLUMN_TYPE, STR("object"))) {
        *mistake = "it did not return an object";
    } else if (!token_read_number(rows, COLUMN_DBO_TYPE, INT32_MIN, INT32_MAX, &dbo_id) ||
               dbo_id != trunc(dbo_id)) {
        *mistake = "dbo_id is not a whole number of 32 bits";
    } else if (!read_row_id(rows, &row_id)) {
        *mistake = "row_id is neither a whole number nor a string of up to 255 bytes";
    } else if (!read_extras(rows, &extras)) {
        *mistake = "extras is not an object of up to 4096 bytes";
    } else if (!token_read_number(rows, COLUMN_EXP_TYPE, 0, 1e15, &exp)) {
        *mistake = "exp is not a number of seconds since 1970";
    } else if (is_there(rows, COLUMN_EXP_TYPE) && exp <= (double)now_s) {
        return TOKEN_EXPIRED;
    } else {
        *out = identity_new((int32_t)dbo_id, row_id, extras, (int64_t)exp);
        return TOKEN_ACCEPTED;
    }
    return TOKEN_UNCLEAR;
}
