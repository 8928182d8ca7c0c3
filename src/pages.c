/* SPDX-License-Identifier: PostgreSQL */
/* The table of static answers, made once at the start from the built-in files. It is not changed
 * afterwards, so all workers read it without a lock. Two answers have no body here: which canonical
 * the example pages shall use, which the worker makes from its gate, and the demo's sign-in. */
#include "pages.h"

#include <stdlib.h>
#include <string.h>

#include "assets.h"
#include "base/mem.h"
#include "demo_token.h"

struct pages {
    struct net_page *list;
    size_t n;
    struct tokens_options tokens; /* of the demo's sign-in */
};

static const char *content_type(const char *path)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
        {".sql", "text/plain; charset=utf-8"},
        {".service", "text/plain; charset=utf-8"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(dot, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

static void add(struct pages *pages, char *path, const char *type, const struct asset *asset)
{
    pages->list = mem_array(pages->list, pages->n + 1, sizeof(*pages->list));
    pages->list[pages->n++] = (struct net_page){
        .path = path,
        .content_type = type,
        .body = asset ? asset->body : NULL,
        .len = asset ? asset->len : 0,
    };
}

static int by_path(const void *a, const void *b)
{
    const struct net_page *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What every server has: the client's modules, and the documents with what they look like. */
static bool is_for_all(const char *path)
{
    static const char *const prefixes[] = {"web/pgherald", "web/docs.css", "web/style.css",
                                           "web/icon.svg", "docs/"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (starts(path, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* Where an asset is served; NULL: nowhere. web/x is /x, and of the documents only the list has
 * another name than its address: docs/access.html is /docs/access. */
static char *public_path(const struct asset *asset, bool has_examples)
{
    const char *path = asset->path;
    if (starts(path, "sql/") || !(has_examples || is_for_all(path))) {
        return NULL;
    }
    if (starts(path, "web/")) {
        return mem_strdup(path + strlen("web"));
    }
    const char *ending = strstr(path, ".html");
    bool is_page = starts(path, "docs/") && ending && strcmp(path, "docs/index.html") != 0;
    return mem_printf("/%.*s", is_page ? (int)(ending - path) : (int)strlen(path), path);
}

struct pages *pages_new(bool has_examples, const struct tokens_options *tokens)
{
    struct pages *pages = mem_zalloc(sizeof(*pages));
    for (size_t i = 0; i < n_assets; i++) {
        char *path = public_path(&assets[i], has_examples);
        if (path) {
            add(pages, path, content_type(assets[i].path), &assets[i]);
        }
    }
    if (has_examples) {
        add(pages, mem_strdup("/examples/config.json"), "application/json", NULL);
        add(pages, mem_strdup("/examples/token"), "application/json", NULL);
        pages->tokens = *tokens;
        pages->list[pages->n - 1].make = demo_token_make;
        pages->list[pages->n - 1].ctx = &pages->tokens;
    }
    qsort(pages->list, pages->n, sizeof(*pages->list), by_path);
    return pages;
}

const struct net_page *pages_list(const struct pages *pages, size_t *n)
{
    *n = pages->n;
    return pages->list;
}

void pages_free(struct pages *pages)
{
    if (!pages) {
        return;
    }
    for (size_t i = 0; i < pages->n; i++) {
        free((char *)(uintptr_t)pages->list[i].path); /* ours: made by pages_new */
    }
    free(pages->list);
    free(pages);
}
