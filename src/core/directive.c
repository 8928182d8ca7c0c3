/* SPDX-License-Identifier: PostgreSQL */
/* Whoever lacks what a directive asks for is not meant: an anonymous client has no table and no
 * row, so a directive that names one never meets it. */
#include "core/directive.h"

bool directive_means(const struct directive *directive, const struct identity *who,
                     const char *socket_id)
{
    if (directive->has_dbo_id && (!who || who->dbo_id != directive->dbo_id)) {
        return false;
    }
    if (directive->row_id.ptr &&
        (!who || !who->row_id.ptr || !str_equals(who->row_id, directive->row_id))) {
        return false;
    }
    return !directive->socket_id.ptr || str_equals(directive->socket_id, str_of(socket_id));
}
