/* SPDX-License-Identifier: PostgreSQL */
/* Only what a handshake needs is looked at. What comes from a server that is none of ours is bounded
 * and harmless on a terminal, no more. */
#include "proto/http_reply.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.1 101 … */
static bool read_status(struct str line, uint16_t *out)
{
    const char *digits = line.ptr + strlen("HTTP/1.1 ");
    if (line.len < strlen("HTTP/1.1 101") || !str_starts(line, STR("HTTP/1.")) ||
        !is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2])) {
        return false;
    }
    *out = (uint16_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0');
    return true;
}

static struct str value_of(struct str line, const char *name)
{
    size_t len = strlen(name);
    if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0) {
        return (struct str){0};
    }
    struct str value = {line.ptr + len + 1, line.len - len - 1};
    while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) {
        value = (struct str){value.ptr + 1, value.len - 1};
    }
    while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t')) {
        value.len--;
    }
    return value;
}

static void take_field(struct str line, struct http_reply *out)
{
    const struct {
        const char *name;
        struct str *value;
    } fields[] = {{"sec-websocket-accept", &out->accept},
                  {"sec-websocket-protocol", &out->protocol},
                  {"content-length", &out->length}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        struct str value = value_of(line, fields[i].name);
        if (value.ptr) {
            *fields[i].value = value;
        }
    }
}

enum http_reply_state http_reply_read(struct str bytes, struct http_reply *out)
{
    struct http_reply reply = {0};
    size_t searched = bytes.len < HTTP_REPLY_MAX ? bytes.len : HTTP_REPLY_MAX;
    const char *end = memmem(bytes.ptr, searched, "\r\n\r\n", 4);
    if (!end) {
        return bytes.len < HTTP_REPLY_MAX ? HTTP_REPLY_INCOMPLETE : HTTP_REPLY_BAD;
    }
    const char *line = bytes.ptr;
    end += 2;
    reply.head_len = (size_t)(end - bytes.ptr) + 2;
    while (line < end) {
        const char *line_end = memmem(line, (size_t)(end - line), "\r\n", 2);
        struct str text = {line, (size_t)(line_end - line)};
        if (line != bytes.ptr) {
            take_field(text, &reply);
        } else if (!read_status(text, &reply.status)) {
            return HTTP_REPLY_BAD;
        }
        line = line_end + 2;
    }
    *out = reply;
    return HTTP_REPLY_COMPLETE;
}

void http_reply_line(struct str body, char *out, size_t size)
{
    size_t len = 0;
    while (len < body.len && len + 1 < size && body.ptr[len] != '\n') {
        out[len] = body.ptr[len] >= ' ' && body.ptr[len] <= '~' ? body.ptr[len] : '?';
        len++;
    }
    out[len] = 0;
}
