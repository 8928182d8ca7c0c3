/* SPDX-License-Identifier: PostgreSQL */
/* tokens_mint: makes tokens, for development and tests. What it writes it finds again under the
 * same options, so claims go by the configured names, and iss and aud are set as they will be
 * demanded. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth/crypto.h"
#include "auth/keys/key_files.h"
#include "auth/tokens.h"
#include "base/mem.h"

#define MAX_INTEGER 9007199254740991U /* 2^53-1 */

/* A claim whose name has dots goes into objects, as it would in an issuer's token; but a name that
 * is an address is one name. Takes the value. */
static void put(json_t *claims, const char *name, json_t *value)
{
    const char *dot = strchr(name, '/') ? NULL : strchr(name, '.');
    if (!dot) {
        json_object_set_new(claims, name, value);
        return;
    }
    char *first = str_dup((struct str){name, (size_t)(dot - name)});
    json_t *inner = json_object_get(claims, first);
    if (!json_is_object(inner)) {
        inner = json_object();
        json_object_set_new(claims, first, inner);
    }
    put(inner, dot + 1, value);
    free(first);
}

static json_t *row_value(const char *row_id)
{
    uint64_t number;
    bool is_canonical = row_id[0] != '0' || row_id[1] == '\0';
    bool is_number = is_canonical && str_to_u64(str_of(row_id), &number) && number <= MAX_INTEGER;
    return is_number ? json_integer((json_int_t)number) : json_string(row_id);
}

static const char *name_or(const char *name, const char *fallback)
{
    return name ? name : fallback;
}

static enum status make_claims(const struct tokens_options *options,
                               const struct tokens_claims *claims, json_t **out, struct err *err)
{
    json_t *extras =
        claims->extras ? json_loads(claims->extras, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (claims->extras && !json_is_object(extras)) {
        json_decref(extras);
        return err_set(err, EXIT_CODE_USAGE, "--extras: it is not a JSON object");
    }
    if (claims->row_id && !str_is_utf8(str_of(claims->row_id))) {
        json_decref(extras);
        return err_set(err, EXIT_CODE_USAGE, "--row-id: it is not UTF-8");
    }
    json_t *json = json_pack("{s:I}", "iat", (json_int_t)claims->now_s);
    if (claims->expires_in_s > 0) {
        json_object_set_new(json, "exp", json_integer(claims->now_s + claims->expires_in_s));
    }
    if (options->issuer) {
        json_object_set_new(json, "iss", json_string(options->issuer));
    }
    if (options->audience) {
        json_object_set_new(json, "aud", json_string(options->audience));
    }
    /* First, because the other two may lie in the same object. */
    if (extras) {
        put(json, name_or(options->extras_claim, "extras"), extras);
    }
    if (claims->dbo_id != 0) {
        put(json, name_or(options->dbo_claim, "dbo_id"), json_integer(claims->dbo_id));
    }
    if (claims->row_id) {
        put(json, name_or(options->row_claim, "row_id"), row_value(claims->row_id));
    }
    *out = json;
    return STATUS_OK;
}

/* ---- the key ---- */

static bool can_mint(const struct key *key)
{
    return key->has_private && !algorithm_is_public(key->algorithm);
}

static const struct key *choose_key(const struct keyset *keys, struct err *err)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (can_mint(keys->keys[i])) {
            return keys->keys[i];
        }
    }
    if (keys->n == 0) {
        err_set(err, EXIT_CODE_CONFIG,
                "there is no key to make a token with: name one with --token-secret-file, "
                "--token-key-file or --token-jwks-file");
    } else if (keys->keys[0]->has_private) {
        err_set(err, EXIT_CODE_CONFIG,
                "a key for %s only decrypts tokens that hold a signed one: name a key that signs, "
                "such as a --token-secret-file",
                keys->keys[0]->algorithm->name);
    } else {
        err_set(err, EXIT_CODE_CONFIG,
                "a public key checks tokens and makes none: name a private one, or a "
                "--token-secret-file");
    }
    return NULL;
}

static enum status make_token(const struct key *key, json_t *claims, struct buf *out,
                              struct err *err)
{
    const struct algorithm *algorithm = key->algorithm;
    json_t *header = json_pack("{s:s, s:s}", "alg", algorithm->name, "typ", "JWT");
    if (key->id) {
        json_object_set_new(header, "kid", json_string(key->id));
    }
    char *payload = json_dumps(claims, JSON_COMPACT | JSON_REAL_PRECISION(15));
    bool is_good;
    if (algorithm->is_encryption) {
        bool is_direct = strcmp(algorithm->name, "dir") == 0;
        const struct encryption *encryption =
            is_direct ? encryption_of_size(key->key_bytes) : encryption_find("A256GCM");
        json_object_set_new(header, "enc", json_string(encryption->name));
        is_good = crypto_encrypt(key, header, str_of(payload), out);
    } else {
        is_good = crypto_sign(key, header, str_of(payload), out);
    }
    free(payload);
    json_decref(header);
    return is_good ? STATUS_OK
                   : err_set(err, EXIT_CODE_FAILED, "the key makes no %s token", algorithm->name);
}

enum status tokens_mint(const struct tokens_options *options, const struct tokens_claims *claims,
                        char **out, struct err *err)
{
    struct keyset *keys = NULL;
    json_t *json = NULL;
    struct buf token = {0};
    enum status status = key_files_read(options, KEY_FOR_MINTING, &keys, err);
    const struct key *key = status == STATUS_OK ? choose_key(keys, err) : NULL;
    status = key ? make_claims(options, claims, &json, err) : STATUS_FAILED;
    if (status == STATUS_OK) {
        status = make_token(key, json, &token, err);
    }
    if (status == STATUS_OK) {
        *out = mem_strdup(buf_text(&token));
    }
    buf_release(&token);
    json_decref(json);
    keyset_unref(keys);
    return status;
}
