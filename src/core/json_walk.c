/* SPDX-License-Identifier: PostgreSQL */
/* The scanner of json_span.c says whether a text is JSON and finds members by name. This one finds
 * them all, one after another, and checks nothing again: it only counts brackets outside of strings.
 * It never leaves the text and always gets on, whatever the text is. */
#include "core/json_walk.h"

#include <stddef.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_blanks(struct json_walk *w)
{
    while (w->p < w->end && is_blank(*w->p)) {
        w->p++;
    }
}

/* Whether the quote at p is covered: by an odd number of backslashes, back to the string's start. */
static bool is_escaped(const char *start, const char *p)
{
    size_t n = 0;
    while (p - n > start && p[-1 - (ptrdiff_t)n] == '\\') {
        n++;
    }
    return n % 2 == 1;
}

/* At the opening quote; behind the closing one, or at the end. */
static void skip_string(struct json_walk *w)
{
    const char *start = w->p + 1, *quote = start;
    while ((quote = memchr(quote, '"', (size_t)(w->end - quote))) && is_escaped(start, quote)) {
        quote++;
    }
    w->p = quote ? quote + 1 : w->end;
}

static void skip_container(struct json_walk *w)
{
    size_t depth = 0;
    while (w->p < w->end) {
        char c = *w->p;
        if (c == '"') {
            skip_string(w);
            continue;
        }
        w->p++;
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && --depth == 0) {
            return;
        }
    }
}

static void skip_word(struct json_walk *w)
{
    while (w->p < w->end && !is_blank(*w->p) && *w->p != ',' && *w->p != ']' && *w->p != '}') {
        w->p++;
    }
}

static struct str take_value(struct json_walk *w)
{
    skip_blanks(w);
    const char *start = w->p;
    if (w->p == w->end) {
        return (struct str){0};
    }
    if (*w->p == '"') {
        skip_string(w);
    } else if (*w->p == '{' || *w->p == '[') {
        skip_container(w);
    } else {
        skip_word(w);
    }
    return (struct str){start, (size_t)(w->p - start)};
}

/* Steps over c, after blanks. */
static bool take(struct json_walk *w, char c)
{
    skip_blanks(w);
    if (w->p == w->end || *w->p != c) {
        return false;
    }
    w->p++;
    return true;
}

struct json_walk json_walk_open(struct str container)
{
    struct json_walk walk = {0};
    if (container.len >= 2 && (container.ptr[0] == '{' || container.ptr[0] == '[')) {
        walk.p = container.ptr + 1;
        walk.end = container.ptr + container.len - 1;
        walk.has_keys = container.ptr[0] == '{';
    }
    return walk;
}

bool json_walk_key(struct json_walk *walk, struct str *key)
{
    take(walk, ',');
    skip_blanks(walk);
    if (!walk->has_keys || walk->p == walk->end || *walk->p != '"') {
        return false;
    }
    *key = take_value(walk);
    bool has_value = take(walk, ':');
    skip_blanks(walk);
    return has_value;
}

struct str json_walk_value(struct json_walk *walk)
{
    return take_value(walk);
}

bool json_walk_next(struct json_walk *walk, struct str *key, struct str *value)
{
    *key = (struct str){0};
    if (walk->has_keys && !json_walk_key(walk, key)) {
        return false;
    }
    take(walk, ',');
    *value = take_value(walk);
    return value->len > 0;
}

bool json_walk_enter(const struct json_walk *walk, struct json_walk *object)
{
    bool is_object = walk->p < walk->end && *walk->p == '{';
    if (is_object) {
        *object = (struct json_walk){walk->p + 1, walk->end, true};
    }
    return is_object;
}

void json_walk_leave(struct json_walk *walk, const struct json_walk *object)
{
    walk->p = object->p;
    take(walk, '}');
}
