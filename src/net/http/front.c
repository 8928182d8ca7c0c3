/* SPDX-License-Identifier: PostgreSQL */
/* The address of a server is what people open first, out of a ready line or a proxy's configuration.
 * They want to know whether it works, and if not what to do; the status says the same to programs.
 *
 * No script: it must work where nothing else does, and a page that is not ready comes again by
 * itself. The canonical is not shown. It is no secret from who may connect, but it keeps out who only
 * scans addresses. */
#include "net/http/front.h"

#include <string.h>

#include "net/http/respond.h"

#define PAGE_HEADERS                                                                               \
    "Vary: Accept\r\n"                                                                             \
    "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; "              \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"                              \
    "Referrer-Policy: no-referrer\r\n" RESPOND_NO_STORE
#define LOOK_AGAIN "Refresh: 5\r\n"

struct step {
    const char *what;
    const char *name, *path; /* where it leads; NULL: nowhere */
    const char *command;     /* what to type; NULL: nothing */
};

static const struct step when_ready[] = {
    {.what = "What to do with it", .name = "the documents", .path = "/docs/"},
    {.what = "For a page of yours", .name = "pgherald.js", .path = "/pgherald.js"},
    {.what = "Clients name the canonical; the ready line has it, and psql",
     .command = "SELECT name FROM herald.canonical;"},
    {.what = "Nothing arrives? This says why", .command = "pgherald doctor"},
};

static const struct step when_not[] = {
    {.what = "What is missing, and what mends it, says", .command = "pgherald doctor"},
    {.what = "What it finds is explained in", .name = "the documents", .path = "/docs/doctor"},
    {.what = "For programs the same is at", .name = "/ready", .path = "/ready"},
};

struct front {
    const char *why; /* NULL: ready */
    const struct step *steps;
    size_t n;
};

static void write_html_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            buf_literal(out, "&lt;");
            break;
        case '&':
            buf_literal(out, "&amp;");
            break;
        default:
            buf_char(out, *text);
        }
    }
}

static void write_text(const struct front *front, struct buf *out)
{
    buf_printf(out, "pgherald is %s.\n\n", front->why ? "not ready" : "ready");
    if (front->why) {
        buf_printf(out, "It says: %s.\n", front->why);
    }
    for (size_t i = 0; i < front->n; i++) {
        const struct step *step = &front->steps[i];
        buf_printf(out, "%s: %s\n", step->what, step->command ? step->command : step->path);
    }
}

static void write_step(const struct step *step, struct buf *out)
{
    buf_printf(out, "<li>%s: ", step->what);
    if (step->command) {
        buf_printf(out, "<code>%s</code></li>\n", step->command);
    } else {
        buf_printf(out, "<a href=\"%s\">%s</a></li>\n", step->path, step->name);
    }
}

static void write_page(const struct front *front, struct buf *out)
{
    buf_literal(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<title>pgherald</title>\n"
                     "<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n"
                     "<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n"
                     "<header class=\"bar\"><a class=\"home\" href=\"/\">"
                     "<img src=\"/icon.svg\" alt=\"\">pgherald</a><span class=\"space\"></span>");
    buf_printf(out, "<span class=\"status\" data-status=\"%s\"><i></i>%s</span></header>\n",
               front->why ? "waiting" : "connected", front->why ? "Not ready" : "Ready");
    buf_printf(out, "<main class=\"front\">\n<h1>pgherald is %s.</h1>\n",
               front->why ? "not ready" : "ready");
    if (front->why) {
        buf_literal(out, "<p>It says: ");
        write_html_text(out, front->why);
        buf_literal(out, ". This page looks again every five seconds.</p>\n");
    }
    buf_literal(out, "<ul class=\"card\">\n");
    for (size_t i = 0; i < front->n; i++) {
        write_step(&front->steps[i], out);
    }
    buf_literal(out, "</ul>\n</main>\n</body>\n</html>\n");
}

static bool accepts_html(const struct http_head *head)
{
    struct str accept = http_head_field(head, "accept");
    return accept.ptr && memmem(accept.ptr, accept.len, "text/html", strlen("text/html"));
}

void front_answer(struct socket *socket, const struct http_head *head, const char *why)
{
    const struct front front = {
        .why = why,
        .steps = why ? when_not : when_ready,
        .n = why ? sizeof(when_not) / sizeof(when_not[0])
                 : sizeof(when_ready) / sizeof(when_ready[0]),
    };
    bool is_page = accepts_html(head);
    struct buf body = {0};
    if (is_page) {
        write_page(&front, &body);
    } else {
        write_text(&front, &body);
    }
    respond(socket, head,
            &(struct http_answer){.status = why ? 503 : 200,
                                  .content_type = is_page ? "text/html; charset=utf-8" : NULL,
                                  .extra_headers =
                                      why ? PAGE_HEADERS RESPOND_RETRY LOOK_AGAIN : PAGE_HEADERS,
                                  .body = {body.data, body.len}});
    buf_release(&body);
}
