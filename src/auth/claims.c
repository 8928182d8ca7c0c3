/* SPDX-License-Identifier: PostgreSQL */
/* What a verified token says. By now the text is its issuer's; but an issuer may put its users'
 * input into it, so every value is looked at as if a stranger had written it.
 *
 * All numbers are read as doubles: no claim has more than 53 bits (RFC 7519 calls its times
 * NumericDate, which may have a fraction), and an integer of 20 digits among the extras, which
 * jansson would refuse otherwise, does not take the token down. The extras go on as they are
 * written. */
#include "auth/claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/json_text.h"

#define MAX_DEPTH 32
#define MAX_INTEGER 9007199254740991.0 /* 2^53-1 */
#define MAX_TIME 253402300799.0        /* the end of the year 9999 */

struct reader {
    const struct claims_rules *rules;
    struct str text;
    const json_t *claims;
    int64_t now_s;
    const char *why;
    /* what was found */
    int64_t expires_at;
    int32_t dbo_id;
    char number[24];
    struct str row_id;
    struct buf extras;
};

static bool claims_refuse(struct reader *reader, const char *why)
{
    reader->why = why;
    return false;
}

/* ---- when, from whom, for whom ---- */

static bool read_time(const json_t *value, double *out)
{
    if (!json_is_number(value)) {
        return false;
    }
    double time = json_number_value(value);
    *out = time > MAX_TIME ? MAX_TIME : time < -MAX_TIME ? -MAX_TIME : time;
    return true;
}

static enum verdict check_times(struct reader *reader)
{
    const json_t *exp = json_object_get(reader->claims, "exp");
    const json_t *nbf = json_object_get(reader->claims, "nbf");
    double now = (double)reader->now_s, leeway = (double)reader->rules->leeway_s, time;
    if (nbf && !read_time(nbf, &time)) {
        reader->why = "the time from which it is valid (nbf) is not a number";
        return VERDICT_REFUSED;
    }
    if (nbf && now < time - leeway) {
        reader->why = "it is not valid yet";
        return VERDICT_REFUSED;
    }
    if (exp && !read_time(exp, &time)) {
        reader->why = "the time at which it expires (exp) is not a number";
        return VERDICT_REFUSED;
    }
    if (exp && now >= time + leeway) {
        reader->why = "it has expired";
        return VERDICT_EXPIRED;
    }
    if (exp) {
        int64_t whole = (int64_t)(time + leeway);
        reader->expires_at = whole + ((double)whole < time + leeway);
    }
    return VERDICT_ACCEPTED;
}

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool is_for_us(const json_t *audience, const char *us)
{
    for (size_t i = 0; i < json_array_size(audience); i++) {
        if (is_text(json_array_get(audience, i), us)) {
            return true;
        }
    }
    return is_text(audience, us);
}

static bool check_parties(struct reader *reader)
{
    const struct claims_rules *rules = reader->rules;
    if (rules->issuer && !is_text(json_object_get(reader->claims, "iss"), rules->issuer)) {
        return claims_refuse(reader, "it is from another issuer (iss)");
    }
    if (rules->audience && !is_for_us(json_object_get(reader->claims, "aud"), rules->audience)) {
        return claims_refuse(reader, "it is for another audience (aud)");
    }
    return true;
}

/* ---- who ---- */

static const json_t *claims_find(const json_t *object, struct str name, struct json_path *path)
{
    const json_t *found = json_object_getn(object, name.ptr, name.len);
    if (path->n == JSON_PATH_MAX) {
        return NULL;
    }
    if (found) {
        path->names[path->n++] = name;
        return found;
    }
    for (size_t i = 0; i < name.len; i++) {
        const json_t *inner = name.ptr[i] == '.' ? json_object_getn(object, name.ptr, i) : NULL;
        if (json_is_object(inner)) {
            path->names[path->n++] = (struct str){name.ptr, i};
            found = claims_find(inner, (struct str){name.ptr + i + 1, name.len - i - 1}, path);
            if (found) {
                return found;
            }
            path->n--;
        }
    }
    return NULL;
}

/* null says as little as absence. */
static const json_t *find_claim(const struct reader *reader, const char *name,
                                struct json_path *path)
{
    *path = (struct json_path){0};
    const json_t *found = claims_find(reader->claims, str_of(name), path);
    return json_is_null(found) ? NULL : found;
}

static bool read_integer(const json_t *value, double min, double max, int64_t *out)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || number < min || number > max ||
        (double)(int64_t)number != number) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static bool read_decimal(const json_t *value, int64_t *out)
{
    uint64_t number;
    struct str text = {json_string_value(value), json_string_length(value)};
    if (!json_is_string(value) || !str_to_u64(text, &number) || number > INT32_MAX) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

static bool read_dbo(struct reader *reader)
{
    struct json_path path;
    int64_t number;
    const json_t *claim = find_claim(reader, reader->rules->dbo, &path);
    if (claim && !read_integer(claim, INT32_MIN, INT32_MAX, &number) &&
        !read_decimal(claim, &number)) {
        return claims_refuse(reader,
                             "its claim of the user's table is not a whole number of 32 bits");
    }
    reader->dbo_id = claim ? (int32_t)number : 0;
    return true;
}

static bool read_row(struct reader *reader)
{
    struct json_path path;
    int64_t number;
    const json_t *claim = find_claim(reader, reader->rules->row, &path);
    if (!claim) {
        return true;
    }
    if (json_is_string(claim)) {
        struct str text = {json_string_value(claim), json_string_length(claim)};
        if (text.len > CLAIMS_MAX_ROW_ID) {
            return claims_refuse(reader, "its claim of the user's row is too long");
        }
        reader->row_id = text.len > 0 ? text : (struct str){0}; /* "" names no row */
        return true;
    }
    if (!read_integer(claim, -MAX_INTEGER, MAX_INTEGER, &number)) {
        return claims_refuse(reader,
                             "its claim of the user's row is neither a whole number of 53 bits "
                             "nor a string");
    }
    int len = snprintf(reader->number, sizeof(reader->number), "%" PRId64, number);
    reader->row_id = (struct str){reader->number, (size_t)len};
    return true;
}

static bool read_extras(struct reader *reader)
{
    struct json_path path;
    const json_t *claim = find_claim(reader, reader->rules->extras, &path);
    if (!claim) {
        return true;
    }
    if (!json_is_object(claim)) {
        return claims_refuse(reader, "its claim of the user's extras is not an object");
    }
    json_value_text(reader->text, &path, &reader->extras);
    if (reader->extras.len > CLAIMS_MAX_EXTRAS) {
        return claims_refuse(reader, "its claim of the user's extras is too big");
    }
    return true;
}

static enum verdict read_all(struct reader *reader, struct identity **out)
{
    enum verdict verdict = check_times(reader);
    if (verdict != VERDICT_ACCEPTED) {
        return verdict;
    }
    if (!check_parties(reader) || !read_dbo(reader) || !read_row(reader) || !read_extras(reader)) {
        return VERDICT_REFUSED;
    }
    *out = identity_new(reader->dbo_id, reader->row_id,
                        (struct str){reader->extras.data, reader->extras.len}, reader->expires_at);
    return VERDICT_ACCEPTED;
}

enum verdict claims_check(const struct claims_rules *rules, struct str text, int64_t now_s,
                          struct identity **out, const char **why)
{
    json_error_t error;
    json_t *claims = NULL;
    enum verdict verdict = VERDICT_REFUSED;
    struct reader reader = {.rules = rules, .text = text, .now_s = now_s};
    if (json_depth(text) <= MAX_DEPTH) {
        claims = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
                            &error);
    }
    reader.claims = claims;
    if (json_is_object(claims)) {
        verdict = read_all(&reader, out);
    } else {
        reader.why = "its claims are not a JSON object";
    }
    if (verdict != VERDICT_ACCEPTED) {
        *why = reader.why;
    }
    buf_release(&reader.extras);
    json_decref(claims);
    return verdict;
}
