/* SPDX-License-Identifier: PostgreSQL */
/* What of the options that were read again may take the place of those in force. The others stay as
 * they are until a restart: what was made of them (sockets, threads, connections) is not made twice.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

static void put_value(const struct option *option, const struct config *config, struct buf *out)
{
    size_t mark = out->len;
    option_write(option, config, out);
    if (out->len == mark) {
        buf_literal(out, "nothing");
    }
}

/* A URL is shown without its password: if only that is another one, there is nothing to show. */
static void put_change(const struct option *option, const struct config *old,
                       const struct config *found, struct buf *out)
{
    struct buf before = {0}, after = {0};
    put_value(option, old, &before);
    put_value(option, found, &after);
    bool is_shown = !str_equals(buf_span(&before), buf_span(&after));
    buf_printf(out, "%s%s ", out->len > 0 ? ", " : "", option->name);
    if (is_shown) {
        buf_printf(out, "%s → %s", buf_text(&before), buf_text(&after));
    } else {
        buf_literal(out, "(its password)");
    }
    buf_release(&before);
    buf_release(&after);
}

void config_adopt(struct config *in_force, const struct config *found, unsigned command,
                  struct config_changes *changes)
{
    const struct option_table table = config_table();
    for (size_t i = 0; i < table.n; i++) {
        const struct option *option = &table.options[i];
        bool is_read = !option->is_flag_only && (option->commands & command) &&
                       strcmp(option->name, "config") != 0;
        if (!is_read || option_is_same(option, in_force, found)) {
            continue;
        }
        put_change(option, in_force, found, option->is_live ? &changes->taken : &changes->left);
        if (option->is_live) {
            option_copy(option, in_force, found);
        }
    }
}

void config_changes_release(struct config_changes *changes)
{
    buf_release(&changes->taken);
    buf_release(&changes->left);
}
