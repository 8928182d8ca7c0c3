/* SPDX-License-Identifier: PostgreSQL */
/* Where the keys come together: those of the files, read at the start and on SIGHUP, and those of
 * the URL, which its own thread brings. Either makes a new set of all keys and puts it in force; a
 * check takes a reference to the one in force and holds no lock while it computes.
 *
 * What else is asked of a token is with the files' names in a policy, which comes into force with the
 * keys of those files. */
#include "auth/tokens.h"

#include <pthread.h>
#include <stdlib.h>

#include "auth/base64url.h"
#include "auth/compact.h"
#include "auth/keys/jwks_source.h"
#include "auth/keys/key_files.h"
#include "auth/token.h"
#include "base/log.h"
#include "base/mem.h"

#define DEFAULT_MAX_BYTES (8 << 10)
#define DEFAULT_PAUSE_MS 10000

struct policy { /* immutable */
    atomic_uint refs;
    struct tokens_options options; /* with texts of our own */
    struct claims_rules rules;     /* its texts are those of the options */
};

struct tokens {
    struct jwks_source *source; /* NULL: no URL */
    pthread_mutex_t mutex;      /* for what follows */
    struct policy *policy;
    struct keyset *of_files, *of_url;
    struct keyset *in_force; /* both */
    atomic_uint_least64_t n_verdicts[VERDICT_OPAQUE + 1];
    atomic_uint_least64_t n_operations;
};

/* ---- policies ---- */

static const char *own(const char *text, const char *fallback)
{
    return mem_strdup(text ? text : fallback);
}

static struct policy *policy_new(const struct tokens_options *options)
{
    struct policy *policy = mem_zalloc(sizeof(*policy));
    struct tokens_options *o = &policy->options;
    atomic_init(&policy->refs, 1);
    *o = *options;
    o->secret_file = own(o->secret_file, NULL);
    o->secret_algorithm = own(o->secret_algorithm, NULL);
    o->key_file = own(o->key_file, NULL);
    o->key_algorithm = own(o->key_algorithm, NULL);
    o->jwks_file = own(o->jwks_file, NULL);
    o->jwks_url = own(o->jwks_url, NULL);
    o->jwks_ca_file = own(o->jwks_ca_file, NULL);
    o->issuer = own(o->issuer, NULL);
    o->audience = own(o->audience, NULL);
    o->dbo_claim = own(o->dbo_claim, "dbo_id");
    o->row_claim = own(o->row_claim, "row_id");
    o->extras_claim = own(o->extras_claim, "extras");
    o->max_bytes = o->max_bytes ? o->max_bytes : DEFAULT_MAX_BYTES;
    o->jwks_pause_ms = o->jwks_pause_ms ? o->jwks_pause_ms : DEFAULT_PAUSE_MS;
    policy->rules = (struct claims_rules){
        .issuer = o->issuer,
        .audience = o->audience,
        .leeway_s = o->leeway_ms / 1000,
        .dbo = o->dbo_claim,
        .row = o->row_claim,
        .extras = o->extras_claim,
    };
    return policy;
}

static void disown(const char *text)
{
    free((char *)(uintptr_t)text);
}

static void policy_unref(struct policy *policy)
{
    if (!policy || atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    const struct tokens_options *o = &policy->options;
    const char *const texts[] = {o->secret_file,   o->secret_algorithm, o->key_file,
                                 o->key_algorithm, o->jwks_file,        o->jwks_url,
                                 o->jwks_ca_file,  o->issuer,           o->audience,
                                 o->dbo_claim,     o->row_claim,        o->extras_claim};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        disown(texts[i]);
    }
    free(policy);
}

/* ---- sets of keys ---- */

/* Takes the references. policy NULL: that stays. */
static void put_in_force(struct tokens *tokens, struct keyset **part, struct keyset *keys,
                         struct policy *policy)
{
    pthread_mutex_lock(&tokens->mutex);
    struct keyset *old_part = *part, *old = tokens->in_force;
    struct policy *old_policy = policy ? tokens->policy : NULL;
    *part = keys;
    tokens->in_force = keyset_join(tokens->of_files, tokens->of_url);
    tokens->policy = policy ? policy : tokens->policy;
    pthread_mutex_unlock(&tokens->mutex);
    keyset_unref(old_part);
    keyset_unref(old);
    policy_unref(old_policy);
}

static void on_keys(void *ctx, struct keyset *keys)
{
    struct tokens *tokens = ctx;
    put_in_force(tokens, &tokens->of_url, keys, NULL);
}

static struct keyset *take_keys(struct tokens *tokens, struct policy **policy)
{
    pthread_mutex_lock(&tokens->mutex);
    struct keyset *keys = keyset_ref(tokens->in_force);
    *policy = tokens->policy;
    atomic_fetch_add_explicit(&tokens->policy->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&tokens->mutex);
    return keys;
}

enum status tokens_reload(struct tokens *tokens, const struct tokens_options *options,
                          struct err *err)
{
    struct keyset *keys = NULL;
    struct policy *policy = policy_new(options);
    if (key_files_read(&policy->options, KEY_FOR_CHECKS, &keys, err) != STATUS_OK) {
        policy_unref(policy);
        return STATUS_FAILED;
    }
    put_in_force(tokens, &tokens->of_files, keys, policy);
    if (tokens->source) {
        jwks_source_want(tokens->source);
    }
    return STATUS_OK;
}

/* ---- checks ---- */

static enum verdict check(void *ctx, struct str token, int64_t now_s, struct identity **out,
                          const char **why)
{
    struct tokens *tokens = ctx;
    struct policy *policy;
    struct keyset *keys = take_keys(tokens, &policy);
    struct token_check check = {
        .keyset = keys,
        .rules = &policy->rules,
        .max_bytes = policy->options.max_bytes,
        .now_s = now_s,
    };
    enum verdict verdict = token_check(&check, token, out, why);
    keyset_unref(keys);
    policy_unref(policy);
    if (check.misses_key && tokens->source) {
        jwks_source_want(tokens->source);
    }
    atomic_fetch_add_explicit(&tokens->n_verdicts[verdict], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&tokens->n_operations, check.n_operations, memory_order_relaxed);
    return verdict;
}

struct authenticator tokens_authenticator(struct tokens *tokens)
{
    return (struct authenticator){.ctx = tokens, .check = check};
}

/* base64url of a text; NULL: it is none. */
static char *decode(struct str part)
{
    struct buf text = {0};
    char *out = base64url_decode(part, &text) ? str_dup(buf_span(&text)) : NULL;
    buf_release(&text);
    return out;
}

/* What anybody can read of a token, or what a key has opened. */
static void read_texts(struct str token, const struct buf *opened, struct tokens_look *out)
{
    struct compact compact;
    if (!compact_split(token, &compact)) {
        return;
    }
    out->header = decode(compact.parts[0]);
    if (out->is_opened) {
        out->claims = str_dup(buf_span(opened));
    } else if (compact.n_parts == COMPACT_JWS_PARTS) {
        out->claims = decode(compact.parts[1]);
    }
}

void tokens_look(struct tokens *tokens, struct str token, int64_t now_s, struct tokens_look *out)
{
    struct policy *policy;
    struct keyset *keys = take_keys(tokens, &policy);
    struct buf claims = {0};
    struct token_check check = {
        .keyset = keys,
        .rules = &policy->rules,
        .max_bytes = policy->options.max_bytes,
        .now_s = now_s,
        .claims = &claims,
    };
    *out = (struct tokens_look){0};
    out->verdict = token_check(&check, token, &out->identity, &out->why);
    out->is_opened = claims.len > 0;
    read_texts(token, &claims, out);
    if (check.key) {
        out->algorithm = check.key->algorithm->name;
        out->key_id = mem_strdup(check.key->id);
    }
    buf_release(&claims);
    keyset_unref(keys);
    policy_unref(policy);
}

void tokens_look_release(struct tokens_look *look)
{
    identity_unref(look->identity);
    free(look->header);
    free(look->claims);
    free(look->key_id);
}

void tokens_counts(struct tokens *tokens, struct tokens_counts *out)
{
    struct policy *policy;
    struct keyset *keys = take_keys(tokens, &policy);
    *out = (struct tokens_counts){
        .n_accepted = atomic_load(&tokens->n_verdicts[VERDICT_ACCEPTED]),
        .n_refused = atomic_load(&tokens->n_verdicts[VERDICT_REFUSED]),
        .n_expired = atomic_load(&tokens->n_verdicts[VERDICT_EXPIRED]),
        .n_opaque = atomic_load(&tokens->n_verdicts[VERDICT_OPAQUE]),
        .n_operations = atomic_load(&tokens->n_operations),
        .n_keys = keys->n,
    };
    keyset_unref(keys);
    policy_unref(policy);
    if (tokens->source) {
        jwks_source_counts(tokens->source, &out->n_fetches, &out->n_failed_fetches);
    }
}

/* ---- life ---- */

/* Its options stay those of the start. */
static enum status start_source(struct tokens *tokens, struct err *err)
{
    const struct tokens_options *o = &tokens->policy->options;
    struct jwks_source_options options = {
        .url = o->jwks_url,
        .ca_file = o->jwks_ca_file,
        .refresh_ms = o->jwks_refresh_ms,
        .pause_ms = o->jwks_pause_ms,
        .ctx = tokens,
        .on_keys = on_keys,
    };
    return o->jwks_url ? jwks_source_start(&options, &tokens->source, err) : STATUS_OK;
}

enum status tokens_new(const struct tokens_options *options, struct tokens **out, struct err *err)
{
    struct tokens *tokens = mem_zalloc(sizeof(*tokens));
    pthread_mutex_init(&tokens->mutex, NULL);
    tokens->of_files = keyset_new(NULL, 0);
    tokens->of_url = keyset_new(NULL, 0);
    tokens->in_force = keyset_new(NULL, 0);
    if (tokens_reload(tokens, options, err) != STATUS_OK ||
        start_source(tokens, err) != STATUS_OK) {
        tokens_free(tokens);
        return STATUS_FAILED;
    }
    *out = tokens;
    return STATUS_OK;
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens) {
        return;
    }
    jwks_source_stop(tokens->source);
    keyset_unref(tokens->in_force);
    keyset_unref(tokens->of_url);
    keyset_unref(tokens->of_files);
    policy_unref(tokens->policy);
    pthread_mutex_destroy(&tokens->mutex);
    free(tokens);
}
