/* SPDX-License-Identifier: PostgreSQL */
/* The site is asked for when its version, or that of the watches, is not the one that we have. It
 * comes with the directives since the version that we know, also those that were given while the
 * connection was away; what was ordered before this process served is none of its business. A
 * watch names its shape by number: those that are not known are read before the sink is told. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pg/sequencer/internal.h"
#include "pg/site_loader.h"

struct arriving_site {
    struct site *site;
    struct site_directives directives;
    char *watches_version;
    void (*then)(struct sequencer *sequencer);
};

void sequencer_drop_site(struct sequencer *sequencer)
{
    struct arriving_site *arriving = sequencer->arriving;
    sequencer->arriving = NULL;
    if (arriving) {
        site_free(arriving->site);
        site_directives_release(&arriving->directives);
        free(arriving->watches_version);
        free(arriving);
    }
}

static void tell_site(struct sequencer *sequencer)
{
    struct arriving_site *arriving = sequencer->arriving;
    struct site *site = arriving->site;
    void (*then)(struct sequencer * sequencer) = arriving->then;
    for (size_t i = 0; i < site->n_watches; i++) {
        struct shape *shape = shapes_find(sequencer->options.shapes, site->watches[i].number);
        site->watches[i].shape = shape ? shape_ref(shape) : NULL;
    }
    for (size_t i = 0; i < site->n_rereads; i++) {
        struct site_reread *reread = &site->rereads[i];
        struct shape *shape =
            reread->of_table ? shapes_find(sequencer->options.shapes, reread->number) : NULL;
        reread->shape = shape ? shape_ref(shape) : NULL;
    }
    arriving->site = NULL;
    sequencer->site_version = site->version;
    sequencer->is_site_known = true;
    sequencer->n_sited = sequencer->n_asked;
    free(sequencer->watches_version);
    sequencer->watches_version = arriving->watches_version;
    arriving->watches_version = NULL;
    site_directives_tell(&arriving->directives);
    sequencer->sink.on_site(sequencer->sink.ctx, site);
    for (size_t i = 0; i < arriving->directives.n; i++) {
        sequencer->sink.on_directive(sequencer->sink.ctx, &arriving->directives.items[i]);
    }
    sequencer_drop_site(sequencer);
    then(sequencer);
}

static void on_site_shapes(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "reading shapes")) {
        sequencer_drop_site(sequencer);
        return;
    }
    shapes_take(sequencer->options.shapes, &sequencer->wish, result->rows);
    tell_site(sequencer);
}

static void ask_site_shapes(struct sequencer *sequencer, const struct site *site)
{
    struct params params = {0};
    sequencer->wish.n = 0;
    for (size_t i = 0; i < site->n_watches; i++) {
        shapes_want(sequencer->options.shapes, site->watches[i].number, &sequencer->wish);
    }
    for (size_t i = 0; i < site->n_rereads; i++) {
        if (site->rereads[i].of_table) {
            shapes_want(sequencer->options.shapes, site->rereads[i].number, &sequencer->wish);
        }
    }
    if (sequencer->wish.n == 0) {
        tell_site(sequencer);
        return;
    }
    shape_wish_params(&sequencer->wish, &params);
    sequencer_ask(sequencer, SHAPES_QUERY, &params, on_site_shapes);
}

static void on_site(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    struct arriving_site *arriving = sequencer->arriving;
    if (!sequencer_answered(sequencer, result, "herald.site")) {
        sequencer_drop_site(sequencer);
        return;
    }
    arriving->site = site_load(rows_text(result->rows, 0, 0), &arriving->directives);
    arriving->watches_version = str_dup(rows_text(result->rows, 0, 1));
    if (!arriving->site) {
        sequencer_drop_site(sequencer);
        connection_drop(sequencer->connection,
                        "herald.site answered what this program does not understand");
        return;
    }
    ask_site_shapes(sequencer, arriving->site);
}

void sequencer_load_site(struct sequencer *sequencer, void (*then)(struct sequencer *sequencer))
{
    struct params params = {0};
    sequencer_drop_site(sequencer);
    sequencer->arriving = mem_zalloc(sizeof(*sequencer->arriving));
    sequencer->arriving->then = then;
    sequencer->n_asked = sequencer->n_heard;
    if (sequencer->is_site_known) {
        params_bigint(&params, (int64_t)sequencer->site_version);
    } else {
        params_null_bigint(&params);
    }
    sequencer_ask(sequencer, "SELECT herald.site($1), herald.watches_version()", &params, on_site);
}

bool sequencer_is_site(const struct sequencer *sequencer, const PGresult *rows, int column)
{
    return rows_u64(rows, 0, column) == sequencer->site_version &&
           str_equals(rows_text(rows, 0, column + 1), str_of(sequencer->watches_version));
}

static void on_version(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.version")) {
        return;
    }
    if (sequencer_is_site(sequencer, result->rows, 0)) {
        sequencer->n_sited = sequencer->n_asked;
        sequencer->after_version(sequencer);
    } else {
        sequencer_load_site(sequencer, sequencer->after_version);
    }
}

void sequencer_ask_version(struct sequencer *sequencer, void (*then)(struct sequencer *sequencer))
{
    sequencer->wants_version = false;
    sequencer->after_version = then;
    sequencer->version_ms = clock_ms();
    sequencer->n_asked = sequencer->n_heard;
    sequencer_ask(sequencer, "SELECT herald.version(), herald.watches_version()", NULL, on_version);
}
