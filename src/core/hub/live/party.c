/* SPDX-License-Identifier: PostgreSQL */
/* The role is the claim that --role-claim names, if it is one of --judge-roles. A role that is not
 * among them is not replaced by another: who brings it sees nothing. Who brings none is
 * --anonymous-role, and without that sees nothing by policies; functions are asked about him by the
 * login itself, for they look at claims.
 *
 * The text is the role, a line's end, and the claims as the database gets them. What is not in it
 * the database does not know either: so parties that have the same text are judged alike. */
#include "core/hub/live/party.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_span.h"
#include "core/live/claim.h"

bool party_is_asked(const struct shape *shape)
{
    return shape->f.visible_by == SHAPE_VISIBLE_POLICY ||
           shape->f.visible_by == SHAPE_VISIBLE_FUNCTION;
}

bool party_is_alike(const struct shape *shape, const struct shape *other)
{
    bool is_alike = shape->f.visible_by == other->f.visible_by &&
                    shape->f.has_claims == other->f.has_claims &&
                    shape->f.n_claims == other->f.n_claims;
    for (size_t i = 0; is_alike && i < shape->f.n_claims; i++) {
        is_alike = strcmp(shape->f.claims[i], other->f.claims[i]) == 0;
    }
    return is_alike;
}

/* ---- claims ---- */

static const char *path_of(const char *name)
{
    static const char extras[] = "extras.";
    size_t len = sizeof(extras) - 1;
    return strncmp(name, extras, len) == 0 ? name + len : name;
}

/* The value alone. False: the identity has none of that name. */
static bool put_value(struct buf *out, const char *name, const struct identity *who)
{
    if (strcmp(name, "dbo_id") == 0) {
        buf_printf(out, "%d", (int)who->dbo_id);
        return who->dbo_id != 0;
    }
    if (strcmp(name, "row_id") == 0) {
        bool is_there = who->row_id.ptr && str_is_utf8(who->row_id);
        buf_json_string(out, is_there ? who->row_id : STR(""));
        return is_there;
    }
    if (strcmp(name, "extras") == 0) {
        buf_str(out, who->extras);
        return str_is_utf8(who->extras) && json_scan(who->extras, NULL, 0) == JSON_KIND_OBJECT;
    }
    /* A copy, for the parameter of a filter owns its path. */
    char *path = str_dup(str_of(path_of(name)));
    struct tree_claim claim = {.path = path};
    bool is_there = claim_put(out, &claim, who);
    free(path);
    return is_there;
}

static void put_claim(struct buf *out, size_t start, const char *name, const struct identity *who)
{
    size_t mark = out->len;
    buf_literal(out, mark > start + 1 ? "," : "");
    buf_json_string(out, str_of(path_of(name)));
    buf_char(out, ':');
    if (!put_value(out, name, who)) {
        out->len = mark;
    }
}

static void put_claims(struct buf *out, const struct shape *shape, const struct identity *who)
{
    static const char *const all[] = {"dbo_id", "row_id", "extras"};
    size_t start = out->len;
    const struct shape_fields *f = &shape->f;
    size_t n = f->has_claims ? f->n_claims : sizeof(all) / sizeof(all[0]);
    buf_char(out, '{');
    for (size_t i = 0; who && i < n; i++) {
        put_claim(out, start, f->has_claims ? f->claims[i] : all[i], who);
    }
    buf_char(out, '}');
}

/* ---- roles ---- */

static struct str trimmed(struct str text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text = (struct str){text.ptr + 1, text.len - 1};
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

/* Names between commas. */
static bool list_has(const char *list, struct str name)
{
    while (list) {
        const char *comma = strchr(list, ',');
        struct str item = {list, comma ? (size_t)(comma - list) : strlen(list)};
        if (name.len > 0 && str_equals(trimmed(item), name)) {
            return true;
        }
        list = comma ? comma + 1 : NULL;
    }
    return false;
}

/* The claim as it is, a string. False: the identity has no such claim. */
static bool put_role_claim(struct buf *out, const struct hub_options *options,
                           const struct identity *who)
{
    char *path = options->role_claim ? str_dup(str_of(path_of(options->role_claim))) : NULL;
    struct tree_claim claim = {.path = path};
    bool is_there = path && who && claim_put(out, &claim, who);
    free(path);
    return is_there;
}

static bool put_listed_role(struct buf *out, const struct hub_options *options, struct str claim)
{
    size_t len = 0, mark = out->len;
    buf_reserve(out, claim.len);
    bool is_text =
        json_kind_of(claim) == JSON_KIND_STRING && json_unquote(claim, out->data + mark, &len);
    bool is_listed = is_text && list_has(options->judge_roles, (struct str){out->data + mark, len});
    out->len = mark + (is_listed ? len : 0);
    return is_listed;
}

static bool put_role(struct buf *out, const struct hub_options *options, const struct shape *shape,
                     const struct identity *who)
{
    struct buf claim = {0};
    bool is_good = true;
    if (put_role_claim(&claim, options, who)) {
        is_good = put_listed_role(out, options, buf_span(&claim));
    } else if (options->anonymous_role) {
        buf_literal(out, options->anonymous_role);
    } else {
        is_good = shape->f.visible_by == SHAPE_VISIBLE_FUNCTION;
    }
    buf_release(&claim);
    return is_good;
}

bool party_put(struct buf *out, const struct hub_options *options, const struct shape *shape,
               const struct identity *who)
{
    size_t mark = out->len;
    if (!put_role(out, options, shape, who) ||
        (out->len > mark && memchr(out->data + mark, '\n', out->len - mark))) {
        out->len = mark;
        return false;
    }
    buf_char(out, '\n');
    put_claims(out, shape, who);
    return true;
}

struct store_party party_of(struct str text)
{
    const char *end = memchr(text.ptr, '\n', text.len);
    size_t len = (size_t)(end - text.ptr);
    return (struct store_party){
        .role = len > 0 ? (struct str){text.ptr, len} : (struct str){0},
        .claims = {end + 1, text.len - len - 1},
    };
}
