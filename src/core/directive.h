/* SPDX-License-Identifier: PostgreSQL */
/* What an operator told live servers in SQL: herald.disconnect() and herald.forget(). */
#ifndef HERALD_CORE_DIRECTIVE_H
#define HERALD_CORE_DIRECTIVE_H

#include "core/identity.h"

enum directive_kind { DIRECTIVE_DISCONNECT, DIRECTIVE_FORGET };

struct directive {
    enum directive_kind kind;
    uint64_t version; /* of the site, that it made: each has another one */
    bool has_dbo_id;
    int32_t dbo_id;                        /* DISCONNECT */
    struct str row_id, socket_id, channel; /* absent: any */
    const char *reason;                    /* DISCONNECT: for the client, or NULL */
};

/* Is the one with this identity (NULL: anonymous) and socketId to be disconnected? */
bool directive_means(const struct directive *directive, const struct identity *who,
                     const char *socket_id);

#endif
