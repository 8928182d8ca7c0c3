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

/* The page takes the path. */
static void add(struct pages *pages, struct net_page page)
{
    pages->list = mem_array(pages->list, pages->n + 1, sizeof(*pages->list));
    pages->list[pages->n++] = page;
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

static void add_assets(struct pages *pages, bool has_examples)
{
    for (size_t i = 0; i < n_assets; i++) {
        const struct asset *asset = &assets[i];
        char *path = public_path(asset, has_examples);
        if (path) {
            add(pages, (struct net_page){.path = path,
                                         .content_type = content_type(asset->path),
                                         .body = asset->body,
                                         .len = asset->len});
        }
    }
}

/* What the example pages ask for, and no file has. */
static void add_answers(struct pages *pages, const char *psql)
{
    add(pages, (struct net_page){.path = mem_strdup("/examples/config.json"),
                                 .content_type = "application/json"});
    add(pages, (struct net_page){.path = mem_strdup("/examples/token"),
                                 .content_type = "application/json",
                                 .make = demo_token_make,
                                 .ctx = &pages->tokens});
    if (psql) {
        add(pages, (struct net_page){.path = mem_strdup("/examples/psql"),
                                     .content_type = "text/plain; charset=utf-8",
                                     .body = psql,
                                     .len = strlen(psql)});
    }
}

struct pages *pages_new(const struct pages_options *options)
{
    struct pages *pages = mem_zalloc(sizeof(*pages));
    add_assets(pages, options->has_examples);
    if (options->has_examples) {
        pages->tokens = *options->tokens;
        add_answers(pages, options->psql);
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
