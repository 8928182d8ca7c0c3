/* SPDX-License-Identifier: PostgreSQL */
/* A strict reader of HTTP/1.1 and HTTP/1.0 request heads.
 *
 * A server that sits behind proxies must not see another request than they do: every ambiguity is a
 * way to smuggle one. So nothing is repaired here. Lines end with CRLF and nothing else does; no
 * folded lines, no blanks around the field name, no empty line in front, one Host, which an
 * absolute target ("http://host/path?query", which RFC 9112 makes every server take) must repeat,
 * no body but one of a stated small length. What is not understood exactly gets an answer in 4xx or
 * 5xx and the connection ends.
 *
 * The reader keeps where it stopped, so a client that sends a head byte by byte costs one look at
 * each byte, and a client that speaks something else (TLS to the plain port, for one) is refused at
 * its first control character.
 *
 * HTTP/1.0 is what the health checks of proxies ask with, and nginx unless told otherwise. It may
 * do without a Host, and cannot upgrade; the answer is the same, since no connection is kept
 * anyway.
 *
 * Only GET and HEAD exist: there is nothing to post to. A path is compared as it stands, percent
 * signs and all: what we serve needs none. */
#include "proto/http_head.h"

#include <string.h>
#include <strings.h>

#include "proto/rfc6455.h"

static enum http_head_state bad(struct http_head *head, uint16_t status, const char *reason)
{
    head->status = status;
    head->reason = reason;
    return HTTP_HEAD_BAD;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar of RFC 9110, section 5.6.2. */
static bool is_token_char(char c)
{
    return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char(text.ptr[i]))
            return false;
    return text.len > 0;
}

static bool are_equal_ignoring_case(struct str a, struct str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static struct str trim(struct str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Cuts *text at the first `separator`: returns what is in front of it and leaves what is behind it,
 * which is absent if there was none. */
static struct str cut(struct str *text, char separator)
{
    struct str front = *text;
    const char *at = text->len > 0 ? memchr(text->ptr, separator, text->len) : NULL;
    if (!at) {
        *text = (struct str){0};
        return front;
    }
    front.len = (size_t)(at - text->ptr);
    text->ptr += front.len + 1;
    text->len -= front.len + 1;
    return front;
}

static bool starts_ignoring_case(struct str text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && strncasecmp(text.ptr, start, len) == 0;
}

/* Takes scheme and authority off an absolute target. What is left of another one is not a path. */
static void cut_authority(struct http_head *head, struct str *target)
{
    const char *scheme = starts_ignoring_case(*target, "http://")    ? "http://"
                         : starts_ignoring_case(*target, "https://") ? "https://"
                                                                     : NULL;
    head->authority = (struct str){0};
    if (!scheme)
        return;
    struct str rest = {target->ptr + strlen(scheme), target->len - strlen(scheme)};
    const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
    if (!slash)
        return;
    head->authority = (struct str){rest.ptr, (size_t)(slash - rest.ptr)};
    *target = (struct str){slash, rest.len - head->authority.len};
}

/* OPTIONS is what a page of another origin sends before it asks for something; of the whole server
 * ("*") there is nothing to ask. */
static bool is_method(struct str method, struct str target)
{
    return str_equals(method, STR("GET")) || str_equals(method, STR("HEAD")) ||
           (str_equals(method, STR("OPTIONS")) && !str_equals(target, STR("*")));
}

/* Browsers send more than RFC 3986 allows ('|', '{' …), but none of those that are named here. */
static bool is_target_char(char c)
{
    return is_alpha(c) || is_digit(c) || (c >= 0x21 && c <= 0x7E && strchr("\"#<>\\", c) == NULL);
}

/* The line "GET /path?query HTTP/1.1", or 1.0. Spaces are single, so three cuts must use it up. */
static enum http_head_state read_request_line(struct http_head *head, struct str line)
{
    struct str method = cut(&line, ' ');
    struct str target = cut(&line, ' ');
    struct str version = line;
    if (!is_token(method) || target.len == 0)
        return bad(head, 400, "malformed request line");
    if (version.len != 8 || memcmp(version.ptr, "HTTP/", 5) != 0 || !is_digit(version.ptr[5]) ||
        version.ptr[6] != '.' || !is_digit(version.ptr[7]))
        return bad(head, 400, "malformed HTTP version");
    if (version.ptr[5] != '1' || version.ptr[7] > '1')
        return bad(head, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    if (!is_method(method, target))
        return bad(head, 405, "only GET and HEAD are possible");
    cut_authority(head, &target);
    if (target.ptr[0] != '/')
        return bad(head, 400, "the target must begin with a slash");
    for (size_t i = 0; i < target.len; i++)
        if (!is_target_char(target.ptr[i]))
            return bad(head, 400, "the target holds a character that must be encoded");
    head->method = method;
    head->path = cut(&target, '?');
    head->query = target;
    head->is_1_0 = version.ptr[7] == '0';
    head->has_request = true;
    return HTTP_HEAD_INCOMPLETE;
}

static enum http_head_state read_field_line(struct http_head *head, struct str line)
{
    struct str rest = line;
    struct str name = cut(&rest, ':');
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return bad(head, 400, "folded header lines are not accepted");
    if (!rest.ptr || !is_token(name))
        return bad(head, 400, "malformed header name");
    if (head->n_fields == HTTP_HEAD_FIELDS_MAX)
        return bad(head, 431, "too many header lines");
    struct str value = trim(rest);
    head->fields[head->n_fields++] = (struct http_head_field){
        .name = (uint16_t)(name.ptr - head->data),
        .name_len = (uint16_t)name.len,
        .value = (uint16_t)(value.ptr - head->data),
        .value_len = (uint16_t)value.len,
    };
    return HTTP_HEAD_INCOMPLETE;
}

/* The value of the first field of that name from *i on, and in *i where to go on; absent if there
 * is none. */
static struct str next_field(const struct http_head *head, const char *name, size_t *i)
{
    struct str wanted = str_of(name);
    for (; *i < head->n_fields; ++*i) {
        const struct http_head_field *field = &head->fields[*i];
        if (are_equal_ignoring_case((struct str){head->data + field->name, field->name_len},
                                    wanted)) {
            ++*i;
            return (struct str){head->data + field->value, field->value_len};
        }
    }
    return (struct str){0};
}

struct str http_head_field(const struct http_head *head, const char *name)
{
    size_t i = 0;
    return next_field(head, name, &i);
}

static size_t count_fields(const struct http_head *head, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; next_field(head, name, &i).ptr;)
        n++;
    return n;
}

/* Is `token` in the comma-separated lists of all fields of that name? */
static bool lists_token(const struct http_head *head, const char *name, const char *token)
{
    struct str list;
    for (size_t i = 0; (list = next_field(head, name, &i)).ptr;)
        while (list.ptr)
            if (are_equal_ignoring_case(trim(cut(&list, ',')), str_of(token)))
                return true;
    return false;
}

/* The characters of a host and a port (RFC 3986, section 3.2.2), without judging how they stand
 * together. */
static bool is_host(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (!is_alpha(c) && !is_digit(c) && strchr("-._~!$&'()*+,;=%:[]", c) == NULL)
            return false;
    }
    return value.len > 0;
}

/* What is read as one value must be one: of two, a proxy in front may have looked at the other. The
 * complaint about the first such field that stands there twice, or NULL. */
static const char *repeated_field(const struct http_head *head)
{
    static const struct {
        const char *name, *complaint;
    } single[] = {
        {"host", "more than one Host"},
        {"content-length", "more than one Content-Length"},
        {"authorization", "more than one Authorization"},
        {"origin", "more than one Origin"},
        {"sec-websocket-key", "more than one Sec-WebSocket-Key"},
        {"sec-websocket-version", "more than one Sec-WebSocket-Version"},
    };
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (count_fields(head, single[i].name) > 1)
            return single[i].complaint;
    return NULL;
}

/* Rules about the body and the connection, for every request. */
static enum http_head_state check_fields(struct http_head *head)
{
    struct str length = http_head_field(head, "content-length");
    struct str host = http_head_field(head, "host");
    uint64_t content_length = 0;
    const char *repeated = repeated_field(head);
    if (repeated)
        return bad(head, 400, repeated);
    bool lacks_host = head->is_1_0 && host.ptr == NULL;
    if (!lacks_host && !is_host(host))
        return bad(head, 400, "exactly one valid Host header is needed");
    if (head->authority.ptr && (lacks_host || !are_equal_ignoring_case(head->authority, host)))
        return bad(head, 400, "the target is of another host than the Host header");
    if (http_head_field(head, "transfer-encoding").ptr)
        return bad(head, 411, "Transfer-Encoding is not accepted");
    if (length.ptr) {
        for (size_t i = 0; i < length.len; i++)
            if (!is_digit(length.ptr[i]))
                return bad(head, 400, "malformed Content-Length");
        if (length.len == 0)
            return bad(head, 400, "malformed Content-Length");
        /* Digits that do not fit 64 bits are a length too: too much. */
        if (!str_to_u64(length, &content_length) || content_length > HTTP_HEAD_BODY_MAX)
            return bad(head, 413, "the body is too large");
    }
    /* RFC 9110, section 10.1.1: of a client that speaks 1.0 it means nothing. */
    if (!head->is_1_0 && http_head_field(head, "expect").ptr)
        return bad(head, 417, "Expect is not supported");
    head->content_length = (uint32_t)content_length;
    return HTTP_HEAD_COMPLETE;
}

/* 16 bytes in base64 (RFC 6455, section 4.1): 22 characters and "==". The last carries only two
 * bits of data. */
static bool is_key(struct str key)
{
    if (key.len != 24 || memcmp(key.ptr + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!is_alpha(key.ptr[i]) && !is_digit(key.ptr[i]) && key.ptr[i] != '+' &&
            key.ptr[i] != '/')
            return false;
    return strchr("AQgw", key.ptr[21]) != NULL;
}

/* The offered subprotocols must be lists of tokens; the first is the one to echo. */
static enum http_head_state read_protocols(struct http_head *head)
{
    struct str list;
    for (size_t i = 0; (list = next_field(head, "sec-websocket-protocol", &i)).ptr;) {
        while (list.ptr) {
            struct str protocol = trim(cut(&list, ','));
            if (!is_token(protocol))
                return bad(head, 400, "malformed Sec-WebSocket-Protocol");
            if (!head->protocol.ptr)
                head->protocol = protocol;
        }
    }
    return HTTP_HEAD_COMPLETE;
}

static enum http_head_state check_upgrade(struct http_head *head)
{
    /* RFC 9110, section 7.8: without "Connection: upgrade" the field is meant for another hop, and
     * in HTTP/1.0 it is ignored. */
    if (head->is_1_0 || !lists_token(head, "upgrade", "websocket") ||
        !lists_token(head, "connection", "upgrade"))
        return HTTP_HEAD_COMPLETE;
    if (!str_equals(head->method, STR("GET")))
        return bad(head, 400, "a WebSocket handshake is a GET");
    if (head->content_length > 0)
        return bad(head, 400, "a WebSocket handshake has no body");
    if (!str_equals(http_head_field(head, "sec-websocket-version"), STR("13")))
        return bad(head, 426, "only WebSocket version 13 is spoken here");
    if (!is_key(http_head_field(head, "sec-websocket-key")))
        return bad(head, 400, "a valid Sec-WebSocket-Key is needed");
    head->key = http_head_field(head, "sec-websocket-key");
    head->is_upgrade = true;
    return read_protocols(head);
}

static enum http_head_state finish(struct http_head *head)
{
    enum http_head_state state = check_fields(head);
    return state == HTTP_HEAD_COMPLETE ? check_upgrade(head) : state;
}

/* If the bytes came in pieces, they may have moved since the request line was read: its spans are
 * made anew. */
static enum http_head_state finish_moved(struct http_head *head)
{
    const char *end = memchr(head->data, '\r', head->searched);
    read_request_line(head, (struct str){head->data, (size_t)(end - head->data)});
    return finish(head);
}

static enum http_head_state read_line(struct http_head *head, size_t end)
{
    struct str line = {head->data + head->line, end - head->line};
    head->line = (uint32_t)end + 2;
    if (!head->has_request)
        return read_request_line(head, line);
    if (line.len > 0)
        return read_field_line(head, line);
    return head->is_in_pieces ? finish_moved(head) : finish(head);
}

/* A byte that is of a line, and not a control character. */
static bool is_ordinary(unsigned char c)
{
    return (c >= 0x20 && c != 0x7F) || c == '\t';
}

/* One byte at `at`, judged by itself and by the one before it. */
static enum http_head_state read_byte(struct http_head *head, size_t at)
{
    unsigned char c = (unsigned char)head->data[at];
    bool after_cr = at > head->line && head->data[at - 1] == '\r';
    if (after_cr != (c == '\n'))
        return bad(head, 400, "lines must end with CRLF");
    if (!is_ordinary(c) && c != '\r' && c != '\n')
        return bad(head, 400, "control character");
    if (c == '\n')
        return read_line(head, at - 1);
    if (!head->has_request && at >= HTTP_HEAD_LINE_MAX)
        return bad(head, 414, "the request line is too long");
    return HTTP_HEAD_INCOMPLETE;
}

/* Passes over what read_byte would find nothing to say about. */
static void skip_ordinary(struct http_head *head, size_t len)
{
    size_t most = head->has_request ? HTTP_HEAD_MAX : HTTP_HEAD_LINE_MAX;
    size_t end = len < most ? len : most, at = head->searched;
    if (at > head->line && head->data[at - 1] == '\r')
        return; /* only one byte is right there */
    while (at < end && is_ordinary((unsigned char)head->data[at]))
        at++;
    head->searched = (uint32_t)at;
}

enum http_head_state http_head_read(struct http_head *head, const char *data, size_t len)
{
    if (head->is_complete || head->status != 0)
        return head->is_complete ? HTTP_HEAD_COMPLETE : HTTP_HEAD_BAD;
    enum http_head_state state = HTTP_HEAD_INCOMPLETE;
    head->data = data;
    head->is_in_pieces = head->searched > 0;
    while (state == HTTP_HEAD_INCOMPLETE && head->searched < len) {
        skip_ordinary(head, len);
        if (head->searched == len)
            break;
        if (head->searched == HTTP_HEAD_MAX)
            return bad(head, 431, "the request head is too large");
        state = read_byte(head, head->searched);
        head->searched++;
    }
    head->is_complete = state == HTTP_HEAD_COMPLETE;
    return state;
}

static const char *status_text(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].status == status)
            return table[i].text;
    return "Unknown"; /* the phrase may be anything: clients go by the number */
}

void http_accept(struct buf *out, const struct http_head *head, struct rfc6455_hash *hash)
{
    char accept[RFC6455_ACCEPT_SIZE];
    rfc6455_accept(hash, head->key, accept);
    buf_literal(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    buf_literal(out, accept);
    if (head->protocol.ptr) {
        buf_literal(out, "\r\nSec-WebSocket-Protocol: ");
        buf_str(out, head->protocol);
    }
    buf_literal(out, "\r\n\r\n");
}

void http_answer(struct buf *out, const struct http_answer *answer)
{
    buf_literal(out, "HTTP/1.1 ");
    buf_u64(out, answer->status);
    buf_char(out, ' ');
    buf_literal(out, status_text(answer->status));
    buf_literal(out, "\r\nContent-Type: ");
    buf_literal(out, answer->content_type ? answer->content_type : "text/plain; charset=utf-8");
    buf_literal(out, "\r\nContent-Length: ");
    buf_u64(out, answer->body.len);
    buf_literal(out, "\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n");
    if (answer->extra_headers)
        buf_literal(out, answer->extra_headers);
    buf_literal(out, "\r\n");
    if (!answer->is_head)
        buf_str(out, answer->body);
}

void http_answer_bad(struct buf *out, const struct http_head *head)
{
    const char *extra = NULL;
    if (head->status == 405)
        extra = "Allow: GET, HEAD\r\n";
    else if (head->status == 426)
        extra = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    struct buf body = {0};
    buf_literal(&body, head->reason);
    buf_char(&body, '\n');
    http_answer(out, &(struct http_answer){
                         .status = head->status,
                         .extra_headers = extra,
                         .body = {body.data, body.len},
                     });
    buf_release(&body);
}
