/* SPDX-License-Identifier: PostgreSQL */
/* Names of channels and patterns of rules. The database checks templates and patterns by the same
 * words; a name that gets past both can therefore never be one that the other side refuses. */
#include "core/channel_name.h"

static bool has_control_or_star(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '*') {
            return true;
        }
        /* U+0080 to U+009F, the C1 controls, are C2 80 to C2 9F in UTF-8. */
        if (c == 0xc2 && i + 1 < name.len && (unsigned char)name.ptr[i + 1] < 0xa0) {
            return true;
        }
    }
    return false;
}

bool channel_name_is_valid(struct str name)
{
    return name.ptr && name.len > 0 && name.len <= CHANNEL_NAME_MAX && str_is_utf8(name) &&
           !has_control_or_star(name);
}

struct str channel_pattern_prefix(struct str pattern, bool *is_exact)
{
    *is_exact = pattern.len == 0 || pattern.ptr[pattern.len - 1] != '*';
    return *is_exact ? pattern : (struct str){pattern.ptr, pattern.len - 1};
}

bool channel_pattern_matches(struct str pattern, struct str name)
{
    bool is_exact;
    struct str prefix = channel_pattern_prefix(pattern, &is_exact);
    if (str_starts(name, str_of("herald."))) {
        return false;
    }
    if (is_exact) {
        return str_equals(prefix, name);
    }
    return str_starts(name, prefix) && (name.len > prefix.len || prefix.len == 0);
}
