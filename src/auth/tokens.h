/* SPDX-License-Identifier: PostgreSQL */
/* The verifier of tokens: JWT and JWE, with keys from files and from a JWK set behind a URL. */
#ifndef HERALD_AUTH_TOKENS_H
#define HERALD_AUTH_TOKENS_H

#include "base/err.h"
#include "core/authenticator.h"

struct tokens;

/* Texts are copied. NULL: no such key, or not checked. The names in messages are those of the
 * process's options. */
struct tokens_options {
    const char *secret_file;
    const char *secret_algorithm; /* HS256 … HS512, dir, A256KW */
    const char *key_file;
    const char *key_algorithm; /* NULL: RS256, or by the curve */
    const char *jwks_file;
    const char *jwks_url;
    const char *jwks_ca_file; /* whom its server's certificate is to be from; NULL: the system's */
    uint32_t jwks_refresh_ms; /* how old the set behind the URL may get */
    uint32_t jwks_pause_ms;   /* between two fetches, whoever asks; 0: 10 s */
    const char *issuer, *audience;
    uint32_t leeway_ms;
    const char *dbo_claim, *row_claim, *extras_claim; /* NULL: dbo_id, row_id, extras */
    uint32_t max_bytes;                               /* of a token; 0: 8 KiB */
};

struct tokens_counts {
    uint64_t n_accepted, n_refused, n_expired, n_opaque;
    uint64_t n_operations; /* signatures verified and keys used to decrypt */
    uint64_t n_fetches, n_failed_fetches;
    uint64_t n_keys; /* in force now */
};

/* Reads the files; a mistake in them is a failure (exit code 78). The URL is fetched by a thread
 * that this starts: nobody waits for it, and a failed fetch is a warning in the log. Without any
 * key all tokens are refused. Call it before other threads start. */
enum status tokens_new(const struct tokens_options *options, struct tokens **out,
                       struct err *err) MUST_CHECK;
/* Its check may be called on any thread, by many at once, until tokens_free. It does no I/O. */
struct authenticator tokens_authenticator(struct tokens *tokens);
/* These options from now on, but for those of the URL, which stay: the files again, and the URL soon. A
 * failure changes nothing. Any thread. */
enum status tokens_reload(struct tokens *tokens, const struct tokens_options *options,
                          struct err *err) MUST_CHECK;
void tokens_counts(struct tokens *tokens, struct tokens_counts *out); /* any thread */
void tokens_free(struct tokens *tokens); /* nobody checks any more; NULL is fine */

/* One token looked at closely, for a person. */
struct tokens_look {
    enum verdict verdict;
    const char *why;           /* as check's; NULL unless refused or expired */
    struct identity *identity; /* NULL unless accepted */
    char *header;              /* the text of its header; NULL: it has none */
    char *claims;              /* the text of its claims; NULL: nobody here can read them */
    bool is_opened; /* a key verified or decrypted them; false: anybody may have written them */
    const char *algorithm; /* of that key; NULL: there is none */
    char *key_id;          /* its kid; NULL: it has none */
};

/* Release *out. */
void tokens_look(struct tokens *tokens, struct str token, int64_t now_s, struct tokens_look *out);
void tokens_look_release(struct tokens_look *look);

/* What a minted token says. */
struct tokens_claims {
    int32_t dbo_id;     /* 0: nothing */
    const char *row_id; /* NULL: nothing. A canonical integer is written as a number */
    const char *extras; /* JSON text of an object; NULL: nothing */
    int64_t now_s;
    int64_t expires_in_s; /* 0: never */
};

/* A token that tokens_new with the same options would accept, made with the first key that can
 * make one: the secret, the PEM file, the JWK set's file. *out is a heap text. */
enum status tokens_mint(const struct tokens_options *options, const struct tokens_claims *claims,
                        char **out, struct err *err) MUST_CHECK;

#endif
