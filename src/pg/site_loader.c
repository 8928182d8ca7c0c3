/* SPDX-License-Identifier: PostgreSQL */
/* herald.site() answers with one JSON text, so that rules, canonicals and switch are of one
 * snapshot:
 *
 *   {"version":7,"enabled":true,"canonicals":["…"],"rules":[{"channel":"room/1","anonymous_clients":true,
 * …}]}
 *
 * Unknown members are left alone: a newer schema may say more. A missing one means that the
 * function is not the one this program knows, and then nothing is taken over. */
#include "pg/site_loader.h"

#include <jansson.h>
#include <stdlib.h>

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

static bool load_rule(const json_t *object, struct rule *rule)
{
    uint64_t message_history = 0;
    rule->pattern = mem_strdup(json_string_value(json_object_get(object, "channel")));
    bool is_complete = rule->pattern &&
                       load_bool(object, "anonymous_clients", &rule->anonymous_clients) &&
                       load_bool(object, "public_messaging", &rule->public_messaging) &&
                       load_bool(object, "public_auth", &rule->public_auth) &&
                       load_bool(object, "private_messaging", &rule->private_messaging) &&
                       load_bool(object, "private_auth", &rule->private_auth) &&
                       load_bool(object, "auth_channel", &rule->auth_channel) &&
                       load_bool(object, "presence", &rule->presence) &&
                       load_number(object, "message_history", UINT32_MAX, &message_history);
    rule->message_history = (uint32_t)message_history;
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

struct site *site_load(struct str json)
{
    json_t *root = json.ptr ? json_loadb(json.ptr, json.len, 0, NULL) : NULL;
    struct site *site = mem_zalloc(sizeof(*site));
    bool is_complete = load_number(root, "version", UINT64_MAX, &site->version) &&
                       load_bool(root, "enabled", &site->is_enabled) &&
                       load_canonicals(json_object_get(root, "canonicals"), site) &&
                       load_rules(json_object_get(root, "rules"), site);
    json_decref(root);
    if (!is_complete) {
        site_free(site);
        return NULL;
    }
    return site;
}
