/* SPDX-License-Identifier: PostgreSQL */
/* The reader of request heads: the same verdict however the bytes arrive, and a head that it calls
 * complete keeps the promises that the rest of the server builds on. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/http_head.h"
#include "proto/rfc6455.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_span(const struct http_head *head, struct str span)
{
    if (span.ptr == NULL)
        return;
    assert(span.ptr >= head->data && span.ptr + span.len <= head->data + head->line);
    for (size_t i = 0; i < span.len; i++)
        assert(span.ptr[i] != '\r' && span.ptr[i] != '\n' && span.ptr[i] != '\0');
}

static void check_complete(const struct http_head *head, size_t len)
{
    assert(head->line >= 4 && head->line <= len && head->line <= HTTP_HEAD_MAX);
    assert(memcmp(head->data + head->line - 4, "\r\n\r\n", 4) == 0);
    /* Nobody on the way can have seen the end earlier, or another line end. */
    for (size_t i = 0; i < head->line; i++) {
        assert((head->data[i] == '\r') == (i + 1 < head->line && head->data[i + 1] == '\n'));
        assert(i + 4 >= head->line || memcmp(head->data + i, "\r\n\r\n", 4) != 0);
    }
    check_span(head, head->method);
    check_span(head, head->authority);
    check_span(head, head->path);
    check_span(head, head->query);
    check_span(head, head->key);
    check_span(head, head->protocol);
    for (size_t i = 0; i < head->n_fields; i++) {
        const struct http_head_field *f = &head->fields[i];
        check_span(head, (struct str){head->data + f->name, f->name_len});
        check_span(head, (struct str){head->data + f->value, f->value_len});
    }
    assert(str_equals(head->method, STR("GET")) || str_equals(head->method, STR("HEAD")));
    assert(head->path.len > 0 && head->path.ptr[0] == '/');
    assert(head->is_1_0 || http_head_field(head, "Host").len > 0);
    assert(!head->is_1_0 || !head->is_upgrade);
    assert(head->authority.ptr == NULL || head->authority.len == http_head_field(head, "Host").len);
    assert(http_head_field(head, "Transfer-Encoding").ptr == NULL);
    assert(head->content_length <= HTTP_HEAD_BODY_MAX);
    assert(head->is_upgrade == (head->key.ptr != NULL));
}

static void accept_it(struct buf *out, const struct http_head *head)
{
    struct rfc6455_hash *hash = rfc6455_hash_new();
    http_accept(out, head, hash);
    rfc6455_hash_free(hash);
}

/* An answer of ours must not be something that a strict reader would read otherwise: one head, then
 * the body. */
static void check_answer(const struct http_head *head, enum http_head_state state)
{
    struct buf out = {0};
    if (state == HTTP_HEAD_BAD)
        http_answer_bad(&out, head);
    else if (head->is_upgrade)
        accept_it(&out, head);
    const char *text = buf_text(&out);
    if (out.len > 0) {
        assert(strlen(text) == out.len && strncmp(text, "HTTP/1.1 ", 9) == 0);
        const char *end = strstr(text, "\r\n\r\n");
        assert(end != NULL && (state == HTTP_HEAD_BAD || end[4] == '\0'));
    }
    buf_release(&out);
}

struct verdict {
    enum http_head_state state;
    uint16_t status;
    bool is_upgrade;
    uint32_t line;
    uint16_t n_fields;
    size_t path_len, protocol_len;
};

static struct verdict read_head(const char *data, size_t len, size_t first, size_t step)
{
    struct http_head head = {0};
    enum http_head_state state = HTTP_HEAD_INCOMPLETE;
    for (size_t have = first; state == HTTP_HEAD_INCOMPLETE; have += step) {
        if (have > len)
            have = len;
        char *moved = mem_alloc(have);
        memcpy(moved, data, have);
        state = http_head_read(&head, moved, have);
        if (state == HTTP_HEAD_COMPLETE)
            check_complete(&head, have);
        check_answer(&head, state);
        assert((state == HTTP_HEAD_BAD) == (head.status != 0));
        free(moved);
        if (have == len)
            break;
    }
    return (struct verdict){state,         head.status,   head.is_upgrade,  head.line,
                            head.n_fields, head.path.len, head.protocol.len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data;
    struct verdict whole = read_head(text, size, size, 1);
    for (size_t cut = 0; cut < size; cut += size / 16 + 1) {
        struct verdict parts = read_head(text, size, cut + 1, cut == 0 && size < 600 ? 1 : size);
        assert(parts.state == whole.state && parts.status == whole.status);
        assert(parts.is_upgrade == whole.is_upgrade && parts.line == whole.line);
        assert(parts.n_fields == whole.n_fields && parts.path_len == whole.path_len);
        assert(parts.protocol_len == whole.protocol_len);
    }
    return 0;
}
