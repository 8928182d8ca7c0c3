/* SPDX-License-Identifier: PostgreSQL */
/* Reads what hstore_out prints: "a"=>"1", "b"=>NULL (contrib/hstore, hstore_io.c). */
#ifndef HERALD_CORE_ROW_HSTORE_H
#define HERALD_CORE_ROW_HSTORE_H

#include "base/buf.h"

/* Puts what hstore_to_json makes of it: {"a": "1", "b": null}. False: it is none, and something of
 * it may stand in `out`. `unescaped` is for in between. */
bool hstore_put_json(struct buf *out, struct str text, struct buf *unescaped);

#endif
