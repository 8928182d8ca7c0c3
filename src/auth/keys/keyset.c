/* SPDX-License-Identifier: PostgreSQL */
/* Sets of keys, and how a JWK set becomes one. One bad key must not take the others down: issuers
 * publish keys for several purposes side by side. */
#include "auth/keys/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "auth/json_text.h"
#include "base/log.h"
#include "base/mem.h"

#define MAX_DEPTH 8

struct keyset *keyset_new(struct key *const *keys, size_t n)
{
    struct keyset *set = mem_alloc(sizeof(*set) + n * sizeof(set->keys[0]));
    atomic_init(&set->refs, 1);
    set->n = n;
    for (size_t i = 0; i < n; i++) {
        set->keys[i] = keys[i];
    }
    return set;
}

struct keyset *keyset_join(const struct keyset *a, const struct keyset *b)
{
    struct keyset *set = mem_alloc(sizeof(*set) + (a->n + b->n) * sizeof(set->keys[0]));
    atomic_init(&set->refs, 1);
    set->n = a->n + b->n;
    for (size_t i = 0; i < set->n; i++) {
        set->keys[i] = key_ref(i < a->n ? a->keys[i] : b->keys[i - a->n]);
    }
    return set;
}

struct keyset *keyset_ref(struct keyset *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void keyset_unref(struct keyset *set)
{
    if (set && atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) == 1) {
        for (size_t i = 0; i < set->n; i++) {
            key_unref(set->keys[i]);
        }
        free(set);
    }
}

static bool has_id(const struct keyset *set, const struct algorithm *algorithm, const char *id)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct key *key = set->keys[i];
        if (key->algorithm == algorithm && key->id && strcmp(key->id, id) == 0) {
            return true;
        }
    }
    return false;
}

enum keyset_answer keyset_select(const struct keyset *set, const struct algorithm *algorithm,
                                 const char *id, const struct key *out[KEYSET_MAX_TRIES],
                                 size_t *n_out)
{
    bool is_exact = id && has_id(set, algorithm, id);
    size_t n = 0, n_of_algorithm = 0;
    for (size_t i = 0; i < set->n; i++) {
        const struct key *key = set->keys[i];
        if (key->algorithm != algorithm) {
            continue;
        }
        n_of_algorithm++;
        bool fits = !id || (is_exact ? key->id && strcmp(key->id, id) == 0 : !key->id);
        if (fits && n < KEYSET_MAX_TRIES) {
            out[n++] = key;
        }
    }
    *n_out = n;
    return n > 0 ? KEYSET_FOUND : n_of_algorithm > 0 ? KEYSET_NO_ID : KEYSET_NO_ALGORITHM;
}

/* ---- JWK sets ---- */

static struct keyset *take_keys(const json_t *list, const char *origin, enum key_use use)
{
    struct key *keys[KEYSET_MAX_KEYS];
    size_t n = 0, count = json_array_size(list);
    for (size_t i = 0; i < count && n < KEYSET_MAX_KEYS; i++) {
        struct err err;
        if (key_from_jwk(json_array_get(list, i), NULL, use, &keys[n], &err) == STATUS_OK) {
            n++;
        } else {
            log_warn("%s: key %zu is left out: it %s", origin, i + 1, err.text);
        }
    }
    if (count > KEYSET_MAX_KEYS) {
        log_warn("%s: it has %zu keys, and at most %d are taken", origin, count, KEYSET_MAX_KEYS);
    }
    return keyset_new(keys, n);
}

enum status keyset_parse(struct str text, const char *origin, enum key_use use, struct keyset **out,
                         struct err *err)
{
    json_error_t error;
    json_t *json = json_depth(text) <= MAX_DEPTH
                       ? json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error)
                       : NULL;
    json_t *list = json_incref(json_object_get(json, "keys"));
    if (!list && json_object_get(json, "kty")) {
        list = json_pack("[O]", json);
    }
    enum status status = STATUS_OK;
    if (json_is_array(list)) {
        *out = take_keys(list, origin, use);
    } else {
        status = err_set(err, EXIT_CODE_CONFIG,
                         "%s: it is no JWK set: no JSON object with \"keys\"", origin);
    }
    json_decref(list);
    json_decref(json);
    return status;
}
