/* SPDX-License-Identifier: PostgreSQL */
/* An application has a sign-in of its own and makes tokens there. The example pages have none
 * behind them, so `pgherald dev`, and nothing else, gives a token to whoever says a name. It is
 * signed with the development secret that dev made for itself. */
#include "demo_token.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/http_query.h"

enum { NAME_MAX_BYTES = 60, VALID_S = 3600, ROWS = 1000000 };

static bool is_name(struct str name)
{
    bool has_control = false;
    for (size_t i = 0; i < name.len; i++) {
        has_control = has_control || (unsigned char)name.ptr[i] < ' ';
    }
    return name.len > 0 && name.len <= NAME_MAX_BYTES && str_is_utf8(name) && !has_control;
}

static bool mint(const struct tokens_options *options, struct str name, char **token)
{
    static const uint64_t key[2] = {0, 0}; /* the same row after a restart */
    struct buf extras = {0};
    struct err err;
    char *row_id =
        mem_printf("%llu", (unsigned long long)(hash_keyed(key, name.ptr, name.len) % ROWS + 1));
    buf_literal(&extras, "{\"name\":");
    buf_json_string(&extras, name);
    buf_char(&extras, '}');
    const struct tokens_claims claims = {
        .dbo_id = 1,
        .row_id = row_id,
        .extras = buf_text(&extras),
        .now_s = clock_wall_s(),
        .expires_in_s = VALID_S,
    };
    bool is_made = tokens_mint(options, &claims, token, &err) == STATUS_OK;
    if (!is_made) {
        log_warn("the demo cannot make a token: %s", err.text);
    }
    buf_release(&extras);
    free(row_id);
    return is_made;
}

bool demo_token_make(void *ctx, struct str query, struct buf *json)
{
    struct buf decoded = {0};
    struct str name = http_query_value(query, "name", &decoded);
    char *token = NULL;
    bool is_made = name.ptr && is_name(name) && mint(ctx, name, &token);
    if (is_made) {
        buf_literal(json, "{\"token\":");
        buf_json_string(json, str_of(token));
        buf_char(json, '}');
    }
    free(token);
    buf_release(&decoded);
    return is_made;
}
