/* SPDX-License-Identifier: PostgreSQL */
/* What the database says about the server as a whole, and the part of it that workers need for
 * handshakes. The gate is a copy with a count of its own because it lives on other threads while
 * the hub already has the next site. */
#include "core/site.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"

static void rule_release(const struct rule *rule)
{
    free(rule->pattern);
    free(rule->authorize);
    free(rule->on_join);
    free(rule->on_message);
    free(rule->on_leave);
    free(rule->on_connect);
    free(rule->on_disconnect);
}

static void watch_release(const struct watch *watch)
{
    free(watch->key);
    shape_unref(watch->shape);
    free(watch->restated);
}

void site_free(struct site *site)
{
    if (!site) {
        return;
    }
    for (size_t i = 0; i < site->n_rules; i++) {
        rule_release(&site->rules[i]);
    }
    for (size_t i = 0; i < site->n_canonicals; i++) {
        free(site->canonicals[i]);
    }
    for (size_t i = 0; i < site->n_watches; i++) {
        watch_release(&site->watches[i]);
    }
    free(site->rules);
    free(site->canonicals);
    for (size_t i = 0; i < site->n_rereads; i++) {
        shape_unref(site->rereads[i].shape);
        free(site->rereads[i].row_id);
    }
    free(site->watches);
    free(site->rereads);
    free(site);
}

/* Whether a change reaches a client at all is tried on this channel, by `pgherald doctor`. */
static const struct rule *canary_rule(void)
{
    static char name[] = SITE_CANARY;
    static const struct rule rule = {
        .pattern = name, .anonymous_clients = true, .is_operators = true};
    return &rule;
}

/* A scan over all rules: there are few, and a channel remembers its rule until the site changes. */
const struct rule *site_rule(const struct site *site, struct str channel)
{
    const struct rule *best = NULL;
    size_t best_len = 0;
    if (str_equals(channel, STR(SITE_CANARY))) {
        return canary_rule();
    }
    for (size_t i = 0; i < site->n_rules; i++) {
        bool is_exact;
        struct str pattern = str_of(site->rules[i].pattern);
        struct str prefix = channel_pattern_prefix(pattern, &is_exact);
        if (!channel_pattern_matches(pattern, channel)) {
            continue;
        }
        if (is_exact) {
            return &site->rules[i];
        }
        if (!best || prefix.len > best_len) {
            best = &site->rules[i];
            best_len = prefix.len;
        }
    }
    return best;
}

struct site_gate *site_gate_new(const struct site *site, bool is_ready, const char *reason)
{
    struct site_gate *gate = mem_zalloc(sizeof(*gate));
    atomic_init(&gate->refs, 1);
    gate->is_ready = is_ready && site;
    gate->is_enabled = site && site->is_enabled;
    gate->reason = mem_strdup(reason ? reason : "");
    if (site) {
        gate->n_canonicals = site->n_canonicals;
        gate->canonicals = mem_array(NULL, site->n_canonicals, sizeof(*gate->canonicals));
        for (size_t i = 0; i < site->n_canonicals; i++) {
            gate->canonicals[i] = mem_strdup(site->canonicals[i]);
        }
    }
    return gate;
}

struct site_gate *site_gate_ref(struct site_gate *gate)
{
    atomic_fetch_add_explicit(&gate->refs, 1, memory_order_relaxed);
    return gate;
}

void site_gate_unref(struct site_gate *gate)
{
    if (!gate || atomic_fetch_sub_explicit(&gate->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < gate->n_canonicals; i++) {
        free(gate->canonicals[i]);
    }
    free(gate->canonicals);
    free(gate->reason);
    free(gate);
}

static bool equals_in_constant_time(const char *a, struct str b)
{
    if (strlen(a) != b.len) {
        return false;
    }
    unsigned difference = 0;
    for (size_t i = 0; i < b.len; i++) {
        difference |= (unsigned)((unsigned char)a[i] ^ (unsigned char)b.ptr[i]);
    }
    return difference == 0;
}

bool site_gate_has(const struct site_gate *gate, struct str canonical)
{
    bool found = false;
    for (size_t i = 0; i < gate->n_canonicals; i++) {
        found |= equals_in_constant_time(gate->canonicals[i], canonical);
    }
    return found;
}
