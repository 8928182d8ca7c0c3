/* SPDX-License-Identifier: PostgreSQL */
/* herald.site() answers with one JSON text, so that rules, canonicals, switch and directives are of one
 * snapshot:
 *
 *   {"version":7,"enabled":true,"canonicals":["…"],
 *    "rules":[{"channel":"room/1","anonymous_clients":true, … "on_join":"public.f(text,…)", … "messages_per_minute":0}],
 *    "directives":[{"version":6,"kind":"disconnect","dbo_id":12,"row_id":null,"socket_id":null,"channel":null,"reason":"…"},
 *              {"version":7,"kind":"forget","channel":"room/1"}],
 *    "news":["set_rule('room/1')"],
 *    "watches":[{"key":"a1b2c3d4e5f6","shape":"-81…","changed":"745","snapshot":false,"max_snapshot":10000,
 *                "restated":["77…"]}],
 *    "rereads":{"at":4711,"since":0,"list":[{"id":4000,"shape":"-81…","dbo_id":null,"row_id":null},
 *               {"id":4100,"shape":null,"dbo_id":12,"row_id":"34"}]}}
 *
 * Unknown members are left alone: a newer schema may say more. A missing one means that the
 * function is not the one this program knows, and then nothing is taken over. */
#include "pg/site_loader.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

static bool load_bool(const json_t *object, const char *name, bool *out)
{
    const json_t *value = json_object_get(object, name);
    *out = json_is_true(value);
    return json_is_boolean(value);
}

static bool load_number(const json_t *object, const char *name, uint64_t most, uint64_t *out)
{
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0) {
        return false;
    }
    *out = (uint64_t)number < most ? (uint64_t)number : most;
    return true;
}

/* null: none. */
static bool load_text(const json_t *object, const char *name, char **out)
{
    const json_t *value = json_object_get(object, name);
    *out = mem_strdup(json_string_value(value));
    return json_is_string(value) || json_is_null(value);
}

static bool load_functions(const json_t *object, struct rule *rule)
{
    return load_text(object, "authorize", &rule->authorize) &&
           load_text(object, "on_join", &rule->on_join) &&
           load_text(object, "on_message", &rule->on_message) &&
           load_text(object, "on_leave", &rule->on_leave) &&
           load_text(object, "on_connect", &rule->on_connect) &&
           load_text(object, "on_disconnect", &rule->on_disconnect);
}

static bool load_rule(const json_t *object, struct rule *rule)
{
    uint64_t message_history = 0, messages_per_minute = 0;
    rule->pattern = mem_strdup(json_string_value(json_object_get(object, "channel")));
    bool is_complete =
        rule->pattern && load_bool(object, "anonymous_clients", &rule->anonymous_clients) &&
        load_bool(object, "public_messaging", &rule->public_messaging) &&
        load_bool(object, "public_auth", &rule->public_auth) &&
        load_bool(object, "private_messaging", &rule->private_messaging) &&
        load_bool(object, "private_auth", &rule->private_auth) &&
        load_bool(object, "auth_channel", &rule->auth_channel) &&
        load_bool(object, "presence", &rule->presence) &&
        load_number(object, "message_history", UINT32_MAX, &message_history) &&
        load_number(object, "messages_per_minute", UINT32_MAX, &messages_per_minute) &&
        load_functions(object, rule);
    rule->message_history = (uint32_t)message_history;
    rule->messages_per_minute = (uint32_t)messages_per_minute;
    return is_complete;
}

/* n_rules and n_canonicals count what site_free must free, also of what is half made. */
static bool load_rules(const json_t *array, struct site *site)
{
    size_t n = json_array_size(array);
    site->rules = mem_array(NULL, n + 1, sizeof(*site->rules));
    for (size_t i = 0; i < n; i++) {
        site->rules[i] = (struct rule){0};
        site->n_rules = i + 1;
        if (!load_rule(json_array_get(array, i), &site->rules[i])) {
            return false;
        }
    }
    return json_is_array(array);
}

static bool load_canonicals(const json_t *array, struct site *site)
{
    size_t n = json_array_size(array);
    site->canonicals = mem_array(NULL, n + 1, sizeof(*site->canonicals));
    for (size_t i = 0; i < n; i++) {
        const char *canonical = json_string_value(json_array_get(array, i));
        if (!canonical) {
            return false;
        }
        site->canonicals[i] = mem_strdup(canonical);
        site->n_canonicals = i + 1;
    }
    return json_is_array(array);
}

/* A shape's number is a text: it has 64 bits. */
static bool load_shape_number(const json_t *value, int64_t *out)
{
    const char *text = json_string_value(value);
    char *end;
    errno = 0;
    *out = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && errno == 0;
}

static bool load_xid(const json_t *value, uint64_t *out)
{
    const char *text = json_string_value(value);
    return text && str_to_u64(str_of(text), out);
}

static bool load_watch(const json_t *object, struct watch *watch)
{
    const json_t *restated = json_object_get(object, "restated");
    uint64_t max_snapshot = 0;
    size_t n = json_array_size(restated);
    watch->key = mem_strdup(json_string_value(json_object_get(object, "key")));
    watch->restated = mem_array(NULL, n + 1, sizeof(*watch->restated));
    for (; watch->n_restated < n; watch->n_restated++) {
        if (!load_shape_number(json_array_get(restated, watch->n_restated),
                               &watch->restated[watch->n_restated])) {
            return false;
        }
    }
    bool is_complete = watch->key &&
                       load_shape_number(json_object_get(object, "shape"), &watch->number) &&
                       load_xid(json_object_get(object, "changed"), &watch->changed) &&
                       load_bool(object, "snapshot", &watch->has_snapshot) &&
                       load_number(object, "max_snapshot", UINT32_MAX, &max_snapshot);
    watch->max_snapshot = (uint32_t)max_snapshot;
    return is_complete && json_is_array(restated);
}

static bool load_watches(const json_t *array, struct site *site)
{
    size_t n = json_array_size(array);
    site->watches = mem_array(NULL, n + 1, sizeof(*site->watches));
    for (size_t i = 0; i < n; i++) {
        site->watches[i] = (struct watch){0};
        site->n_watches = i + 1;
        if (!load_watch(json_array_get(array, i), &site->watches[i])) {
            return false;
        }
    }
    return json_is_array(array);
}

static bool load_reread(const json_t *object, struct site_reread *reread)
{
    const json_t *shape = json_object_get(object, "shape");
    json_int_t dbo_id = json_integer_value(json_object_get(object, "dbo_id"));
    reread->of_table = json_is_string(shape);
    reread->dbo_id = (int32_t)dbo_id;
    return load_number(object, "id", UINT64_MAX, &reread->id) && dbo_id >= 0 &&
           dbo_id <= INT32_MAX && load_text(object, "row_id", &reread->row_id) &&
           (!reread->of_table || load_shape_number(shape, &reread->number));
}

/* null or missing: it was not asked for. */
static bool load_rereads(const json_t *object, struct site *site)
{
    const json_t *list = json_object_get(object, "list");
    size_t n = json_array_size(list);
    site->has_rereads = json_is_object(object);
    site->rereads = mem_array(NULL, n + 1, sizeof(*site->rereads));
    for (size_t i = 0; i < n; i++) {
        site->rereads[i] = (struct site_reread){0};
        site->n_rereads = i + 1;
        if (!load_reread(json_array_get(list, i), &site->rereads[i])) {
            return false;
        }
    }
    return !site->has_rereads ||
           (json_is_array(list) && load_number(object, "at", UINT64_MAX, &site->rereads_at) &&
            load_number(object, "since", UINT64_MAX, &site->rereads_since));
}

/* ---- directives ---- */

static bool load_span(const json_t *object, const char *name, struct str *out)
{
    const json_t *value = json_object_get(object, name);
    *out = (struct str){json_string_value(value), json_string_length(value)};
    return !value || json_is_string(value) || json_is_null(value);
}

static bool load_dbo_id(const json_t *object, struct directive *directive)
{
    const json_t *value = json_object_get(object, "dbo_id");
    json_int_t number = json_integer_value(value);
    directive->has_dbo_id = json_is_integer(value);
    directive->dbo_id = (int32_t)number;
    return !value || json_is_null(value) ||
           (json_is_integer(value) && number >= INT32_MIN && number <= INT32_MAX);
}

static bool load_directive(const json_t *object, struct directive *directive)
{
    struct str kind = {0};
    struct str reason = {0};
    *directive = (struct directive){.kind = DIRECTIVE_DISCONNECT};
    bool is_complete = load_number(object, "version", UINT64_MAX, &directive->version) &&
                       load_span(object, "kind", &kind) && load_dbo_id(object, directive) &&
                       load_span(object, "row_id", &directive->row_id) &&
                       load_span(object, "socket_id", &directive->socket_id) &&
                       load_span(object, "channel", &directive->channel) &&
                       load_span(object, "reason", &reason);
    directive->reason = reason.ptr;
    if (str_equals(kind, STR("forget"))) {
        directive->kind = DIRECTIVE_FORGET;
        return is_complete;
    }
    return is_complete && str_equals(kind, STR("disconnect"));
}

static bool load_directives(const json_t *array, struct site_directives *directives)
{
    size_t n = json_array_size(array);
    directives->items = mem_array(NULL, n + 1, sizeof(*directives->items));
    for (size_t i = 0; i < n; i++) {
        if (!load_directive(json_array_get(array, i), &directives->items[i])) {
            return false;
        }
        directives->n = i + 1;
    }
    return json_is_array(array);
}

void site_directives_tell(const struct site_directives *directives)
{
    size_t i;
    const json_t *news;
    json_array_foreach(json_object_get(directives->text, "news"), i, news)
    {
        log_info("herald.%s is in force", json_string_value(news));
    }
}

void site_directives_release(struct site_directives *directives)
{
    json_decref(directives->text);
    free(directives->items);
    *directives = (struct site_directives){0};
}

/* ---- all ---- */

/* Only for the log, so they may be missing. */
static bool are_texts(const json_t *array)
{
    bool is_complete = !array || json_is_array(array);
    for (size_t i = 0; i < json_array_size(array); i++) {
        is_complete &= json_is_string(json_array_get(array, i));
    }
    return is_complete;
}

struct site *site_load(struct str json, struct site_directives *directives)
{
    json_t *root = json.ptr ? json_loadb(json.ptr, json.len, 0, NULL) : NULL;
    struct site *site = mem_zalloc(sizeof(*site));
    *directives = (struct site_directives){.text = root};
    bool is_complete = load_number(root, "version", UINT64_MAX, &site->version) &&
                       load_bool(root, "enabled", &site->is_enabled) &&
                       load_canonicals(json_object_get(root, "canonicals"), site) &&
                       load_rules(json_object_get(root, "rules"), site) &&
                       load_watches(json_object_get(root, "watches"), site) &&
                       load_rereads(json_object_get(root, "rereads"), site) &&
                       load_directives(json_object_get(root, "directives"), directives) &&
                       are_texts(json_object_get(root, "news"));
    if (!is_complete) {
        site_directives_release(directives);
        site_free(site);
        return NULL;
    }
    return site;
}
