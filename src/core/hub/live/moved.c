/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/live/moved.h"

#include "core/json_span.h"

enum { MEMBER_SCHEMA, MEMBER_TABLE, MEMBER_NEW, MEMBER_OLD, MEMBER_TRUNCATED, MEMBER_REDUCED };

const char *moved_name(enum moved moved)
{
    static const char *const names[MOVED_COUNT] = {
        [MOVED_ENTER] = "enter",
        [MOVED_PERHAPS] = "unknown",
        [MOVED_LEAVE] = "leave",
        [MOVED_UNKNOWN] = "unknown",
    };
    return names[moved];
}

static void put_member(struct buf *out, const char *key, struct str value)
{
    buf_literal(out, key);
    buf_str(out, value.ptr ? value : STR("null"));
}

void moved_put(struct buf *out, struct str payload, enum moved moved)
{
    struct json_member data[] = {{.key = STR("data")}};
    struct json_member m[] = {
        [MEMBER_SCHEMA] = {.key = STR("schema")},
        [MEMBER_TABLE] = {.key = STR("table")},
        [MEMBER_NEW] = {.key = STR("new")},
        [MEMBER_OLD] = {.key = STR("old")},
        [MEMBER_TRUNCATED] = {.key = STR("truncated_to_key")},
        [MEMBER_REDUCED] = {.key = STR("reduced")},
    };
    json_scan(payload, data, 1);
    json_scan(data[0].value, m, sizeof(m) / sizeof(m[0]));
    bool is_enter = moved != MOVED_LEAVE;
    buf_literal(out,
                is_enter ? "{\"data\":{\"action\":\"insert\"" : "{\"data\":{\"action\":\"delete\"");
    put_member(out, ",\"schema\":", m[MEMBER_SCHEMA].value);
    put_member(out, ",\"table\":", m[MEMBER_TABLE].value);
    put_member(out, ",\"new\":", is_enter ? m[MEMBER_NEW].value : (struct str){0});
    put_member(out, ",\"old\":", is_enter ? (struct str){0} : m[MEMBER_OLD].value);
    if (m[MEMBER_TRUNCATED].value.ptr) {
        put_member(out, ",\"truncated_to_key\":", m[MEMBER_TRUNCATED].value);
    }
    if (m[MEMBER_REDUCED].value.ptr) {
        put_member(out, ",\"reduced\":", m[MEMBER_REDUCED].value);
    }
    buf_literal(out, "},\"dbo_id\":0,\"row_id\":0}");
}
