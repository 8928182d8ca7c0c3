/* SPDX-License-Identifier: PostgreSQL */
/* Columns of type json are carried into the payload as they are, and what a shape calls json may no
 * longer be one. proto/json_span.c is the same grammar for what clients send, a floor above: it
 * finds members besides, and it is stricter about depth. Nothing here recurses: what is open takes
 * a bit each. */
#include "core/row/json_check.h"

#include <string.h>

struct check {
    const char *p;
    const char *end;
    unsigned depth;
    unsigned char *is_object; /* a bit for each that is open */
};

static void skip_blanks(struct check *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t')) {
        c->p++;
    }
}

static bool take(struct check *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted) {
        return false;
    }
    c->p++;
    return true;
}

static bool take_digits(struct check *c)
{
    const char *start = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        c->p++;
    }
    return c->p > start;
}

static bool take_number(struct check *c)
{
    take(c, '-');
    /* Behind a zero no digit may stand: who calls meets it where nothing of that kind can be. */
    if (!take(c, '0') && !take_digits(c)) {
        return false;
    }
    if (take(c, '.') && !take_digits(c)) {
        return false;
    }
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+')) {
            take(c, '-');
        }
        return take_digits(c);
    }
    return true;
}

bool json_check_number(struct str text)
{
    struct check c = {.p = text.ptr, .end = text.ptr + text.len};
    return take_number(&c) && c.p == c.end;
}

/* Behind a backslash. */
static bool take_escape(struct check *c)
{
    if (c->p == c->end) {
        return false;
    }
    char letter = *c->p++;
    if (letter != 'u') {
        return letter != '\0' && strchr("\"\\/bfnrt", letter) != NULL;
    }
    for (int i = 0; i < 4; i++, c->p++) {
        if (c->p == c->end || *c->p == '\0' || !strchr("0123456789abcdefABCDEF", *c->p)) {
            return false;
        }
    }
    return true;
}

static bool take_string(struct check *c)
{
    if (!take(c, '"')) {
        return false;
    }
    while (c->p < c->end) {
        unsigned char byte = (unsigned char)*c->p++;
        if (byte == '"') {
            return true;
        }
        if (byte < 0x20 || (byte == '\\' && !take_escape(c))) {
            return false;
        }
    }
    return false;
}

static bool take_word(struct check *c, struct str word)
{
    if (!str_starts((struct str){c->p, (size_t)(c->end - c->p)}, word)) {
        return false;
    }
    c->p += word.len;
    return true;
}

static bool take_key(struct check *c)
{
    skip_blanks(c);
    if (!take_string(c)) {
        return false;
    }
    skip_blanks(c);
    return take(c, ':');
}

static bool is_in_object(const struct check *c)
{
    unsigned top = c->depth - 1;
    return c->is_object[top / 8] >> (top % 8) & 1;
}

/* Behind the brace: is_value says whether a value comes next, or the container is complete. */
static bool open_container(struct check *c, bool is_object, bool *is_value)
{
    if (c->depth == JSON_CHECK_DEPTH_MAX) {
        return false;
    }
    skip_blanks(c);
    *is_value = !take(c, is_object ? '}' : ']');
    if (!*is_value) {
        return true;
    }
    unsigned char bit = (unsigned char)(1U << (c->depth % 8));
    unsigned char *byte = &c->is_object[c->depth / 8];
    *byte = (unsigned char)(is_object ? *byte | bit : *byte & ~bit);
    c->depth++;
    return !is_object || take_key(c);
}

static bool take_value(struct check *c, bool *is_value)
{
    *is_value = false;
    skip_blanks(c);
    if (c->p == c->end) {
        return false;
    }
    switch (*c->p) {
    case '{':
    case '[':
        return open_container(c, *c->p++ == '{', is_value);
    case '"':
        return take_string(c);
    case 't':
        return take_word(c, STR("true"));
    case 'f':
        return take_word(c, STR("false"));
    case 'n':
        return take_word(c, STR("null"));
    default:
        return take_number(c);
    }
}

/* Behind a value: closes what ends here. is_value: whether another one comes. */
static bool after_value(struct check *c, bool *is_value)
{
    while (c->depth > 0) {
        skip_blanks(c);
        if (take(c, ',')) {
            *is_value = true;
            return !is_in_object(c) || take_key(c);
        }
        if (!take(c, is_in_object(c) ? '}' : ']')) {
            return false;
        }
        c->depth--;
    }
    return true;
}

bool json_check(struct str text)
{
    unsigned char is_object[JSON_CHECK_DEPTH_MAX / 8] = {0};
    struct check c = {.p = text.ptr, .end = text.ptr + text.len, .is_object = is_object};
    bool is_value = true;
    while (is_value) {
        if (!take_value(&c, &is_value) || (!is_value && !after_value(&c, &is_value))) {
            return false;
        }
    }
    skip_blanks(&c);
    return c.p == c.end;
}
