/* SPDX-License-Identifier: PostgreSQL */
/* What a server sees and the database cannot, told to it for herald.doctor() and herald.status: there
 * somebody asks who cannot reach a server. As long as there is nothing to tell, nothing is asked. */
#ifndef HERALD_PG_HOUSE_REMARKS_H
#define HERALD_PG_HOUSE_REMARKS_H

#include "pg/backlog.h"
#include "pg/connection.h"

enum remark {
    REMARK_BACKLOG,
    REMARK_PROXY_SILENT,
    REMARK_PROXY_UNTRUSTED,
    REMARK_RETENTION, /* of several servers: all should have the same */
    REMARK_N,
};

struct remarks;

/* On a connection that somebody else keeps. node: who this is, copied. */
struct remarks *remarks_new(struct connection *connection, const char *node);
/* detail: a JSON object, copied; absent: it is not so, or not any more. */
void remarks_set(struct remarks *remarks, enum remark remark, struct str detail);
void remarks_set_backlog(struct remarks *remarks, const struct backlog *backlog); /* NULL: none */
void remarks_set_retention(struct remarks *remarks, uint32_t hours);              /* 0: for ever */
/* To be called now and then: tells what is new, and again what still holds, since who does not repeat
 * it is gone. */
void remarks_tell(struct remarks *remarks, uint64_t now_ms);
void remarks_free(struct remarks *remarks); /* the connection must be stopped. NULL is fine */

#endif
