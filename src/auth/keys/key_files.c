/* SPDX-License-Identifier: PostgreSQL */
/* Reads the key files of the options. A person has named them, so a mistake in them ends the start
 * (or the reload) with a sentence, unlike one key among many in a JWK set. The bytes are wiped
 * after use. */
#include "auth/keys/key_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define MAX_SECRET_BYTES 1026 /* what algorithm.c allows, and the line end */
#define MAX_PEM_BYTES (64 << 10)
#define MAX_JWKS_BYTES (256 << 10)

/* What messages begin with. */
struct origin {
    const char *option, *path;
};

static enum status key_files_fail(const struct origin *origin, struct err *err, const char *verb,
                                  const char *what)
{
    return err_set(err, EXIT_CODE_CONFIG, "%s %s: %s%s", origin->option, origin->path, verb, what);
}

static void wipe(struct buf *bytes)
{
    if (bytes->data) {
        explicit_bzero(bytes->data, bytes->cap);
    }
    buf_release(bytes);
}

static enum status read_file(const struct origin *origin, size_t max, struct buf *out,
                             struct err *err)
{
    int fd = open(origin->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    buf_reserve(out, max + 1); /* once: growing would leave copies behind */
    while (n > 0 && out->len <= max) {
        n = read(fd, out->data + out->len, max + 1 - out->len);
        n = n < 0 && errno == EINTR ? 1 : n < 0 ? n : (out->len += (size_t)n, n);
    }
    const char *why = n < 0 ? strerror(errno) : NULL;
    if (fd >= 0) {
        close(fd);
    }
    if (why) {
        return key_files_fail(origin, err, "cannot be read: ", why);
    }
    if (out->len == 0) {
        return key_files_fail(origin, err, "", "is empty");
    }
    return out->len > max ? key_files_fail(origin, err, "", "is too big for what it is to hold")
                          : STATUS_OK;
}

/* An algorithm that is a mistake for this file is a mistake of its option. */
static enum status find_algorithm(const char *option, const char *name, bool is_secret,
                                  const struct algorithm **out, struct err *err)
{
    *out = name ? algorithm_find(name) : NULL;
    if (name && (!*out || ((*out)->type == KEY_TYPE_OCT) != is_secret)) {
        return err_set(
            err, EXIT_CODE_CONFIG, "%s: \"%s\" is not one of %s", option, name,
            is_secret ? "HS256, HS384, HS512, dir, A256KW"
                      : "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, "
                        "RSA-OAEP-256, ECDH-ES, ECDH-ES+A256KW");
    }
    return STATUS_OK;
}

static enum status read_secret(const struct tokens_options *options, struct key **out,
                               struct err *err)
{
    const struct origin origin = {"--token-secret-file", options->secret_file};
    const char *name = options->secret_algorithm ? options->secret_algorithm : "HS256";
    const struct algorithm *algorithm = NULL;
    struct buf bytes = {0};
    struct err why;
    if (find_algorithm("--token-secret-algorithm", name, true, &algorithm, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    enum status status = read_file(&origin, MAX_SECRET_BYTES, &bytes, err);
    if (status == STATUS_OK && bytes.data[bytes.len - 1] == '\n') {
        bytes.len--;
    }
    /* Whoever has a public key could make tokens if it were taken for a secret. */
    bool is_pem = bytes.len > 10 && memcmp(bytes.data, "-----BEGIN", 10) == 0;
    if (status == STATUS_OK && is_pem) {
        status =
            key_files_fail(&origin, err, "", "holds a PEM, not a secret: use --token-key-file");
    }
    if (status == STATUS_OK &&
        key_from_secret((struct str){bytes.data, bytes.len}, algorithm, out, &why) != STATUS_OK) {
        status = key_files_fail(&origin, err, "the secret ", why.text);
    }
    wipe(&bytes);
    return status;
}

static enum status read_pem(const struct tokens_options *options, enum key_use use,
                            struct key **out, struct err *err)
{
    const struct origin origin = {"--token-key-file", options->key_file};
    const struct algorithm *algorithm = NULL;
    struct buf bytes = {0};
    struct err why;
    if (find_algorithm("--token-key-algorithm", options->key_algorithm, false, &algorithm, err) !=
        STATUS_OK) {
        return STATUS_FAILED;
    }
    enum status status = read_file(&origin, MAX_PEM_BYTES, &bytes, err);
    if (status == STATUS_OK &&
        key_from_pem((struct str){bytes.data, bytes.len}, algorithm, use, out, &why) != STATUS_OK) {
        status = key_files_fail(&origin, err, "the key ", why.text);
    }
    wipe(&bytes);
    return status;
}

static enum status read_jwks(const struct tokens_options *options, enum key_use use,
                             struct keyset **out, struct err *err)
{
    const struct origin origin = {"--token-jwks-file", options->jwks_file};
    struct buf bytes = {0}, shown = {0};
    buf_printf(&shown, "%s %s", origin.option, origin.path);
    enum status status = read_file(&origin, MAX_JWKS_BYTES, &bytes, err);
    if (status == STATUS_OK) {
        status = keyset_parse((struct str){bytes.data, bytes.len}, buf_text(&shown), use, out, err);
    }
    buf_release(&shown);
    wipe(&bytes);
    return status;
}

enum status key_files_read(const struct tokens_options *options, enum key_use use,
                           struct keyset **out, struct err *err)
{
    struct key *keys[2];
    size_t n = 0;
    struct keyset *jwks = NULL;
    enum status status = STATUS_OK;
    if (options->secret_file) {
        status = read_secret(options, &keys[n], err);
        n += status == STATUS_OK;
    }
    if (status == STATUS_OK && options->key_file) {
        status = read_pem(options, use, &keys[n], err);
        n += status == STATUS_OK;
    }
    struct keyset *set = keyset_new(keys, n);
    if (status == STATUS_OK && options->jwks_file) {
        status = read_jwks(options, use, &jwks, err);
    }
    if (status == STATUS_OK) {
        *out = jwks ? keyset_join(set, jwks) : keyset_ref(set);
    }
    keyset_unref(jwks);
    keyset_unref(set);
    return status;
}
