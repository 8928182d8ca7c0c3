/* SPDX-License-Identifier: PostgreSQL */
/* The chain of proxies, read from its trustworthy end: the last entry was written by the proxy that
 * speaks to us, and each one before it is as good as the one behind it. An entry that is no address
 * (RFC 7239 allows "unknown" and hidden names) ends the search: who is behind it cannot be known.
 *
 * Only one field is read, the one that the proxies are known to write. A proxy passes on what it
 * does not know: a client behind one that writes X-Forwarded-For can send any Forwarded, and would
 * choose whose limits it spends.
 *
 * Several fields of the same name are one list (RFC 9110, 5.2). X-Real-IP is none: the last field
 * counts, and it is one address. */
#include "proto/forwarded.h"

#include <string.h>
#include <strings.h>

static bool is_named(const struct http_head *head, const struct http_head_field *field,
                     const char *name)
{
    return field->name_len == strlen(name) &&
           strncasecmp(head->data + field->name, name, field->name_len) == 0;
}

static struct str trim(struct str text)
{
    while (text.len > 0 && strchr(" \t", text.ptr[0])) {
        text = (struct str){text.ptr + 1, text.len - 1};
    }
    while (text.len > 0 && strchr(" \t", text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* Takes the last element of a list off. */
static struct str last_of(struct str *list, char separator)
{
    size_t at = list->len;
    while (at > 0 && list->ptr[at - 1] != separator) {
        at--;
    }
    struct str element = {list->ptr + at, list->len - at};
    list->len = at > 0 ? at - 1 : 0;
    return trim(element);
}

/* for="[2001:db8::1]:4711" among an element's parameters; absent if it has none. */
static struct str for_of(struct str element)
{
    while (element.len > 0) {
        struct str pair = last_of(&element, ';');
        if (pair.len >= 4 && strncasecmp(pair.ptr, "for=", 4) == 0) {
            struct str value = {pair.ptr + 4, pair.len - 4};
            bool is_quoted = value.len >= 2 && value.ptr[0] == '"';
            return is_quoted ? (struct str){value.ptr + 1, value.len - 2} : value;
        }
    }
    return (struct str){0};
}

/* An address with or without a port. */
static bool read_node(struct str node, struct address *out)
{
    const char *bracket = node.len > 0 ? memchr(node.ptr, ']', node.len) : NULL;
    const char *colon = node.len > 0 ? memchr(node.ptr, ':', node.len) : NULL;
    if (bracket) {
        node.len = (size_t)(bracket - node.ptr) + 1;
    } else if (colon && !memchr(colon + 1, ':', node.len - (size_t)(colon - node.ptr) - 1)) {
        node.len = (size_t)(colon - node.ptr);
    }
    return address_parse(node, out);
}

const char *forwarded_name(enum forwarded_header header)
{
    static const char *const names[] = {
        [FORWARDED_X_FORWARDED_FOR] = "X-Forwarded-For",
        [FORWARDED_FORWARDED] = "Forwarded",
        [FORWARDED_X_REAL_IP] = "X-Real-IP",
        [FORWARDED_NONE] = "no header",
    };
    return names[header];
}

enum found { FOUND_CLIENT, FOUND_PROXIES, FOUND_NOTHING };

static enum found search(struct str value, enum forwarded_header header,
                         const struct address_range *proxies, size_t n_proxies, struct address *out)
{
    while (value.len > 0) {
        struct address address;
        struct str element =
            header == FORWARDED_X_REAL_IP ? last_of(&value, '\0') : last_of(&value, ',');
        if (!read_node(header == FORWARDED_FORWARDED ? for_of(element) : element, &address)) {
            return FOUND_NOTHING;
        }
        if (!address_is_in(&address, proxies, n_proxies)) {
            *out = address;
            return FOUND_CLIENT;
        }
    }
    return header == FORWARDED_X_REAL_IP ? FOUND_NOTHING : FOUND_PROXIES;
}

bool forwarded_client(const struct http_head *head, enum forwarded_header header,
                      const struct address_range *proxies, size_t n_proxies, struct address *out)
{
    for (size_t i = head->n_fields; i > 0 && header != FORWARDED_NONE; i--) {
        const struct http_head_field *field = &head->fields[i - 1];
        if (!is_named(head, field, forwarded_name(header))) {
            continue;
        }
        struct str value = {head->data + field->value, field->value_len};
        switch (search(value, header, proxies, n_proxies, out)) {
        case FOUND_CLIENT:
            return true;
        case FOUND_NOTHING:
            return false;
        case FOUND_PROXIES:
            break;
        }
    }
    return false;
}
