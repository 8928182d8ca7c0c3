/* SPDX-License-Identifier: PostgreSQL */
/* The server reads the same while it is connected asynchronously (pg/sequencer/site.c); here it is
 * read once. Directives are for live servers. */
#include "cli/why/world.h"

#include <stdlib.h>

#include "base/buf.h"
#include "pg/site_loader.h"

static enum status load_site(struct admin *admin, struct world *world, struct err *err)
{
    struct site_directives directives;
    char *json = NULL;
    if (admin_value(admin, "SELECT herald.site(NULL)", 0, NULL, &json, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    world->site = site_load(str_of(json), &directives);
    free(json);
    if (!world->site) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "herald.site() answered what this program does not understand: it is of "
                       "another version than the schema");
    }
    site_directives_release(&directives);
    return STATUS_OK;
}

static enum status load_shapes(struct admin *admin, struct world *world, struct err *err)
{
    struct shape_wish wish = {0};
    struct buf sql = {0};
    PGresult *rows = NULL;
    struct site *site = world->site;
    buf_literal(&sql, "SELECT number, description FROM herald.shape WHERE number IN (0");
    for (size_t i = 0; i < site->n_watches; i++) {
        shapes_want(&world->shapes, site->watches[i].number, &wish);
        buf_printf(&sql, ", %lld", (long long)site->watches[i].number);
    }
    buf_char(&sql, ')');
    enum status status = admin_rows(admin, buf_text(&sql), 0, NULL, &rows, err);
    if (status == STATUS_OK) {
        shapes_take(&world->shapes, &wish, rows);
    }
    for (size_t i = 0; i < site->n_watches; i++) {
        struct shape *shape = shapes_find(&world->shapes, site->watches[i].number);
        site->watches[i].shape = shape ? shape_ref(shape) : NULL;
    }
    PQclear(rows);
    shape_wish_release(&wish);
    buf_release(&sql);
    return status;
}

static enum status load_key(struct admin *admin, struct world *world, struct err *err)
{
    char *text = NULL;
    if (admin_value(admin, "SELECT herald.get_signing_key()", 0, NULL, &text, err) != STATUS_OK) {
        struct err found = *err;
        return err_set(err, EXIT_CODE_CONFIG,
                       "%s. Functions of rules are called as the server calls them: connect as "
                       "herald_server (-c FILE of the server) or as a superuser",
                       found.text);
    }
    world->key = text ? PQunescapeBytea((const unsigned char *)text, &world->key_len) : NULL;
    free(text);
    return STATUS_OK;
}

enum status world_load(struct admin *admin, struct world *out, struct err *err)
{
    if (load_key(admin, out, err) != STATUS_OK || load_site(admin, out, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return load_shapes(admin, out, err);
}

void world_release(struct world *world)
{
    site_free(world->site);
    shapes_clear(&world->shapes);
    PQfreemem(world->key);
}
