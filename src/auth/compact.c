/* SPDX-License-Identifier: PostgreSQL */
/* Takes a token apart and reads its header. The header is a stranger's: whatever it offers as a key
 * (jwk, jku, x5u, x5c) is not looked at, and what it asks us to understand (crit) we do not.
 *
 * A token that looks like neither form is not refused here: it may be an opaque one, for the
 * database to judge. The look is at the first part: an object in base64url begins with "e" and then
 * w to z, a digit, - or _. */
#include "auth/compact.h"

#include <string.h>

#include "auth/base64url.h"
#include "auth/json_text.h"

#define MAX_HEADER_DEPTH 4 /* an epk is 2 deep */

const char why_malformed[] = "it is not well formed";
const char why_algorithm[] = "its algorithm is not accepted here";

static bool looks_like_object(struct str part)
{
    return part.len > 2 && part.ptr[0] == 'e' && part.ptr[1] != '\0' &&
           strchr("wxyz0123456789-_", part.ptr[1]) != NULL;
}

bool compact_split(struct str token, struct compact *out)
{
    struct compact compact = {0};
    struct str rest = token;
    for (;;) {
        const char *dot = rest.len ? memchr(rest.ptr, '.', rest.len) : NULL;
        if (compact.n_parts == COMPACT_JWE_PARTS) {
            return false;
        }
        size_t len = dot ? (size_t)(dot - rest.ptr) : rest.len;
        compact.parts[compact.n_parts++] = (struct str){rest.ptr, len};
        if (!dot) {
            break;
        }
        rest = (struct str){dot + 1, rest.len - len - 1};
    }
    if ((compact.n_parts != COMPACT_JWS_PARTS && compact.n_parts != COMPACT_JWE_PARTS) ||
        !looks_like_object(compact.parts[0])) {
        return false;
    }
    *out = compact;
    return true;
}

static const char *judge(struct compact *compact)
{
    json_t *header = compact->header;
    compact->algorithm = json_string_value(json_object_get(header, "alg"));
    compact->key_id = json_string_value(json_object_get(header, "kid"));
    compact->encryption = json_string_value(json_object_get(header, "enc"));
    if (!compact->algorithm || (json_object_get(header, "kid") && !compact->key_id)) {
        return why_malformed;
    }
    if (json_object_get(header, "crit")) {
        return "it demands an extension that is not known here (crit)";
    }
    return NULL;
}

const char *compact_read_header(struct compact *compact)
{
    struct buf text = {0};
    if (base64url_decode(compact->parts[0], &text) &&
        json_depth((struct str){text.data, text.len}) <= MAX_HEADER_DEPTH) {
        json_error_t error;
        compact->header = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    }
    buf_release(&text);
    const char *why = json_is_object(compact->header) ? judge(compact) : why_malformed;
    if (why) {
        compact_release(compact);
    }
    return why;
}

void compact_release(struct compact *compact)
{
    json_decref(compact->header);
    compact->header = NULL;
}
