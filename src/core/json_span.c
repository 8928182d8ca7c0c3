/* SPDX-License-Identifier: PostgreSQL */
/* A strict scanner of JSON texts.
 *
 * Payloads of clients travel as bytes: to other clients, and into columns of type json. Many share
 * one transaction there, so a single text that PostgreSQL refuses would fail the messages of
 * everybody else in the batch; and what a shape calls a column of type json may no longer be one.
 * Therefore this scanner accepts exactly what `text::json` accepts in a UTF8 database, up to a limit
 * of depth. Compared with json_lex and json_lex_string of
 * PostgreSQL's src/common/jsonapi.c (15), and tried against a server with the table in
 * tests/unit/core/test_json_span.c:
 *
 *   - blanks are space, tab, CR and LF; nothing else is skipped, not even a byte order mark;
 *   - bytes below 0x20 in a string must be escaped, 0x7F need not be;
 *   - \u takes any four hex digits: type json checks neither surrogate pairs nor \u0000 (jsonb and
 * ->> do);
 *   - numbers have the grammar of the RFC and any size: 1e400 and -0 are fine, 01, .5, 1. and +1
 * are not;
 *   - literals are lower-case; a text may be any value, not only an object;
 *   - keys may repeat.
 *
 * A library that builds a tree will not do: jansson refuses 1e400, integers over 64 bits and
 * \u0000, and prints 1.10 as 1.1000000000000001. Nothing here recurses: a nesting is one byte in an
 * array. */
#include "core/json_span.h"

#include <endian.h>
#include <string.h>

struct scan {
    const char *p;
    const char *end;
    unsigned depth, max_depth;
    bool *is_object; /* max_depth: what is open, from the outside in */
    struct json_member *members;
    size_t n_members;
    struct json_member *wanted; /* whose value comes next at depth 1, or NULL */
};

static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

/* Steps over c, after blanks. */
static bool take(struct scan *s, char c)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* The value of a hex digit, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Behind a backslash. */
static bool take_escape(struct scan *s)
{
    if (s->p == s->end)
        return false;
    char c = *s->p++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++, s->p++)
        if (s->p == s->end || hex_value(*s->p) < 0)
            return false;
    return true;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bits of those of eight bytes that are below least, which is at most 0x80. Behind the first
 * one others may be marked, too. */
static uint64_t mark_below(uint64_t bytes, unsigned char least)
{
    return (bytes - EACH(least)) & ~bytes & EACH(0x80);
}

/* All but the quote, the backslash and the control characters stand for themselves. Most of a message
 * is such bytes, so they are looked at by eights. */
static const char *skip_plain(const char *p, const char *end)
{
    uint64_t bytes;
    for (; (size_t)(end - p) >= sizeof bytes; p += sizeof bytes) {
        memcpy(&bytes, p, sizeof bytes);
        bytes = le64toh(bytes); /* the first byte is the lowest */
        uint64_t marks = mark_below(bytes, 0x20) | mark_below(bytes ^ EACH('"'), 1) |
                         mark_below(bytes ^ EACH('\\'), 1);
        if (marks != 0)
            return p + __builtin_ctzll(marks) / 8;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

/* Behind the opening quote. */
static bool take_string_rest(struct scan *s)
{
    while ((s->p = skip_plain(s->p, s->end)) < s->end) {
        char c = *s->p++;
        if (c != '\\')
            return c == '"';
        if (!take_escape(s))
            return false;
    }
    return false;
}

static bool take_digits(struct scan *s)
{
    const char *start = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > start;
}

static bool take_number(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++; /* nothing may follow but a fraction: the caller then meets a digit where none can
                   be */
    else if (!take_digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!take_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!take_digits(s))
            return false;
    }
    return true;
}

static bool take_literal(struct scan *s, struct str literal)
{
    if (!str_starts((struct str){s->p, (size_t)(s->end - s->p)}, literal))
        return false;
    s->p += literal.len;
    return true;
}

/* Whose value comes next: the member of this key; NULL: nobody wants it. */
static struct json_member *find_member(const struct scan *s, struct str key)
{
    for (size_t i = 0; i < s->n_members; i++)
        if (str_equals(key, s->members[i].key))
            return &s->members[i];
    return NULL;
}

static struct json_member *find_quoted_member(const struct scan *s, struct str quoted)
{
    struct str raw = {quoted.ptr + 1, quoted.len - 2};
    if (raw.len == 0 || memchr(raw.ptr, '\\', raw.len) == NULL)
        return find_member(s, raw);
    char decoded[128];
    size_t len;
    /* An escape takes at most six bytes for one, so a longer text is not the key of up to 21 bytes
     * that anybody here wants. */
    return quoted.len <= sizeof decoded && json_unquote(quoted, decoded, &len)
               ? find_member(s, (struct str){decoded, len})
               : NULL;
}

/* A key and its colon. At depth 1 it also says who wants the value. */
static bool take_key(struct scan *s)
{
    if (!take(s, '"'))
        return false;
    const char *start = s->p - 1;
    if (!take_string_rest(s))
        return false;
    if (s->depth == 1)
        s->wanted = find_quoted_member(s, (struct str){start, (size_t)(s->p - start)});
    return take(s, ':');
}

enum outcome {
    OUTCOME_BAD,
    OUTCOME_OPEN,  /* a container was opened and is not empty: its first value comes next */
    OUTCOME_WHOLE, /* a value is complete */
};

static enum outcome open_container(struct scan *s, bool is_object)
{
    if (s->depth == s->max_depth)
        return OUTCOME_BAD;
    s->p++;
    if (take(s, is_object ? '}' : ']'))
        return OUTCOME_WHOLE;
    s->is_object[s->depth++] = is_object;
    return is_object && !take_key(s) ? OUTCOME_BAD : OUTCOME_OPEN;
}

static enum outcome take_value(struct scan *s)
{
    bool is_good = false;
    switch (*s->p) {
    case '{':
    case '[':
        return open_container(s, *s->p == '{');
    case '"':
        s->p++;
        is_good = take_string_rest(s);
        break;
    case 't':
        is_good = take_literal(s, STR("true"));
        break;
    case 'f':
        is_good = take_literal(s, STR("false"));
        break;
    case 'n':
        is_good = take_literal(s, STR("null"));
        break;
    default:
        is_good = take_number(s);
        break;
    }
    return is_good ? OUTCOME_WHOLE : OUTCOME_BAD;
}

/* Behind a value inside a container: closes what ends here, or steps to the next value. WHOLE: the
 * text's own value is complete. */
static enum outcome after_value(struct scan *s, const char *start)
{
    while (s->depth > 0) {
        if (s->depth == 1 && s->wanted) {
            s->wanted->value = (struct str){start, (size_t)(s->p - start)};
            s->wanted = NULL;
        }
        bool is_object = s->is_object[s->depth - 1];
        if (take(s, ','))
            return is_object && !take_key(s) ? OUTCOME_BAD : OUTCOME_OPEN;
        if (!take(s, is_object ? '}' : ']'))
            return OUTCOME_BAD;
        s->depth--;
    }
    return OUTCOME_WHOLE;
}

static bool scan_text(struct scan *s)
{
    const char *start = s->p; /* of the latest value at depth 1 (or of the text) */
    enum outcome outcome = OUTCOME_OPEN;
    while (outcome == OUTCOME_OPEN) {
        skip_blanks(s);
        if (s->p == s->end)
            return false;
        if (s->depth <= 1)
            start = s->p;
        outcome = take_value(s);
        if (outcome == OUTCOME_WHOLE)
            outcome = after_value(s, start);
    }
    skip_blanks(s);
    return outcome == OUTCOME_WHOLE && s->p == s->end;
}

enum json_kind json_scan(struct str text, struct json_member *members, size_t n_members)
{
    bool is_object[JSON_SPAN_DEPTH_MAX];
    struct scan s = {
        .p = text.ptr,
        .end = text.len > 0 ? text.ptr + text.len : text.ptr,
        .max_depth = JSON_SPAN_DEPTH_MAX,
        .is_object = is_object,
        .members = members,
        .n_members = n_members,
    };
    for (size_t i = 0; i < n_members; i++)
        members[i].value = (struct str){0};
    skip_blanks(&s);
    enum json_kind kind = json_kind_of((struct str){s.p, (size_t)(s.end - s.p)});
    if (scan_text(&s))
        return kind;
    for (size_t i = 0; i < n_members; i++)
        members[i].value = (struct str){0};
    return JSON_KIND_INVALID;
}

bool json_check(struct str text)
{
    bool is_object[JSON_CHECK_DEPTH_MAX];
    struct scan s = {
        .p = text.ptr,
        .end = text.ptr + text.len,
        .max_depth = JSON_CHECK_DEPTH_MAX,
        .is_object = is_object,
    };
    return scan_text(&s);
}

bool json_check_number(struct str text)
{
    struct scan s = {.p = text.ptr, .end = text.ptr + text.len};
    return text.len > 0 && take_number(&s) && s.p == s.end;
}

enum json_kind json_kind_of(struct str value)
{
    if (value.len == 0)
        return JSON_KIND_INVALID;
    switch (value.ptr[0]) {
    case '{':
        return JSON_KIND_OBJECT;
    case '[':
        return JSON_KIND_ARRAY;
    case '"':
        return JSON_KIND_STRING;
    case 't':
        return JSON_KIND_TRUE;
    case 'f':
        return JSON_KIND_FALSE;
    case 'n':
        return JSON_KIND_NULL;
    default:
        return JSON_KIND_NUMBER;
    }
}

static unsigned hex4(const char *digits)
{
    unsigned number = 0;
    for (int i = 0; i < 4; i++)
        number = number << 4 | (unsigned)hex_value(digits[i]);
    return number;
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

/* The character of the \u escape whose digits begin at *p, and steps over it; 0xD800 if it is half
 * of a pair. The string ends with a quote, so the two bytes looked at behind the digits are either
 * there or not needed. */
static unsigned take_unicode(const char **p)
{
    unsigned c = hex4(*p);
    *p += 4;
    if (c < 0xD800 || c > 0xDFFF)
        return c;
    if (c > 0xDBFF || (*p)[0] != '\\' || (*p)[1] != 'u')
        return 0xD800;
    unsigned low = hex4(*p + 2);
    if (low < 0xDC00 || low > 0xDFFF)
        return 0xD800;
    *p += 6;
    return 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
}

bool json_unquote(struct str value, char *out, size_t *len)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *p = value.ptr + 1, *end = value.ptr + value.len - 1;
    char *to = out;
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        char escape = p[1];
        p += 2;
        const char *letter = strchr(letters, escape);
        if (escape == 'u') {
            unsigned c = take_unicode(&p);
            if (c == 0xD800)
                return false;
            to = put_utf8(to, c);
        } else {
            *to++ = letter != NULL ? meanings[letter - letters] : escape;
        }
    }
    *len = (size_t)(to - out);
    return true;
}
