/* SPDX-License-Identifier: PostgreSQL */
/* The files of TLS: what is said about bad ones, their reload on a live server; and the keys of
 * tickets, which are in no file. */
#include "harness.h"

#include "net/tls.h"

static struct harness h;

static int start(void **state)
{
    (void)state;
    harness_uses_tls = true;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    return 0;
}

static int start_workers(void **state)
{
    (void)state;
    struct net_options options = harness_options();
    options.n_workers = 2;
    harness_uses_tls = true;
    harness_start(&h, options);
    set_gate(&h, true, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

/* ---- reload ---- */

static void read_name(SSL *ssl, char *name, size_t size)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    assert_non_null(cert);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, (int)size);
    X509_free(cert);
}

/* A new connection gets that certificate: at once, but the order to a worker takes its moment. */
static void expect_served(SSL_CTX *context, const char *name)
{
    char served[64] = "";
    uint64_t until = clock_ms() + WAIT_MS;
    do {
        struct dialled dialled = dial(&h, context);
        assert_non_null(dialled.ssl);
        read_name(dialled.ssl, served, sizeof(served));
        hang_up(dialled);
    } while (strcmp(served, name) != 0 && clock_ms() < until);
    assert_string_equal(served, name);
}

static void expect_reloaded(void)
{
    struct err err = {0};
    if (net_reload_tls(h.net, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
}

static void test_reload(void **state)
{
    (void)state;
    struct session_id session;
    SSL_CTX *only_ecdsa = tls_client_context();
    SSL_CTX_set_max_proto_version(only_ecdsa, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(only_ecdsa, "ECDHE-ECDSA-AES128-GCM-SHA256");
    int fd = client_open(&h, &session);
    expect_served(h.tls_context, "first");
    expect_served(only_ecdsa, "first");
    tls_write_pair(&h.files, true, "second, RSA");
    expect_served(h.tls_context, "first"); /* not before it is told to */
    expect_reloaded();
    for (int i = 0; i < 10; i++) { /* both workers */
        expect_served(h.tls_context, "second, RSA");
    }
    struct dialled dialled = dial(&h, only_ecdsa); /* the old one is gone for good */
    assert_null(dialled.ssl);
    hang_up(dialled);
    tls_write_pair(&h.files, false, "third");
    expect_reloaded();
    expect_served(h.tls_context, "third");
    expect_served(only_ecdsa, "third");

    send_text(&h, session, "still here");
    flush(&h);
    client_expect_text(fd, "still here");
    client_send_text(fd, "me too");
    expect_command(&h, COMMAND_MESSAGE, "me too");
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    SSL_CTX_free(only_ecdsa);
}

/* ---- bad files ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void append_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void write_locked_key(const struct tls_files *files)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    unsigned char word[] = "secret";
    FILE *file = fopen(files->key, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), word, sizeof(word) - 1, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
}

static void break_nothing(const struct tls_files *files)
{
    (void)files;
}

static void break_missing_cert(const struct tls_files *files)
{
    unlink(files->cert);
}

static void break_missing_key(const struct tls_files *files)
{
    unlink(files->key);
}

static void break_cert(const struct tls_files *files)
{
    write_text(files->cert, "not a certificate\n");
}

static void break_chain(const struct tls_files *files)
{
    append_text(files->cert,
                "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n");
}

static void break_key(const struct tls_files *files)
{
    write_text(files->key, "");
}

static void break_match(const struct tls_files *files)
{
    EVP_PKEY *other = EVP_EC_gen("P-256");
    tls_write_key(files, other);
    EVP_PKEY_free(other);
}

static void break_type(const struct tls_files *files)
{
    EVP_PKEY *other = EVP_RSA_gen(2048);
    tls_write_key(files, other);
    EVP_PKEY_free(other);
}

/* 512 bits of RSA: nobody would connect. */
static void break_strength(const struct tls_files *files)
{
    EVP_PKEY *weak = EVP_RSA_gen(512);
    tls_write_key(files, weak);
    tls_write_cert(files, weak, "weak");
    EVP_PKEY_free(weak);
}

static const struct {
    void (*make)(const struct tls_files *files);
    const char *words; /* in the sentence; NULL: it is good */
} breaks[] = {
    {break_nothing, NULL},
    {break_missing_cert, "cert.pem\": No such file or directory"},
    {break_missing_key, "key.pem\": No such file or directory"},
    {break_cert, "cert.pem\" is not a certificate in PEM format"},
    {break_chain, "cert.pem\" is not a certificate in PEM format"},
    {break_key, "key.pem\" is not a key in PEM format"},
    {break_match, "key.pem\" is not the key of the first certificate"},
    {break_type, "key.pem\" is not the key of the first certificate"},
    {write_locked_key, "key.pem\" is locked with a passphrase"},
    {break_strength, "OpenSSL refuses"},
};

static void expect_sentence(enum status status, const struct err *err, const char *words)
{
    assert_int_equal(status, words ? STATUS_FAILED : STATUS_OK);
    if (words) {
        assert_int_equal(err->code, EXIT_CODE_CONFIG);
        if (!strstr(err->text, words)) {
            fail_msg("\"%s\" does not say: %s", err->text, words);
        }
    }
}

static void test_a_bad_reload_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        struct err err = {0};
        tls_write_pair(&h.files, false, "another");
        breaks[i].make(&h.files);
        expect_sentence(net_reload_tls(h.net, &err), &err, breaks[i].words);
        expect_served(h.tls_context, "another"); /* that of the first round, which was good */
    }
}

static void test_bad_files_at_the_start(void **state)
{
    (void)state;
    struct tls_files files;
    struct net_options options = harness_options();
    tls_files_make(&files);
    options.tls_listen = "127.0.0.1:0";
    options.tls_cert_file = files.cert;
    options.tls_key_file = files.key;
    options.submit = harness_submit;
    options.wake_hub = harness_wake_hub;
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        struct err err = {0};
        struct net *net = NULL;
        tls_write_pair(&files, false, "first");
        breaks[i].make(&files);
        expect_sentence(net_new(&options, &net, &err), &err, breaks[i].words);
        net_free(net);
    }
    tls_files_remove(&files);
}

static void expect_refusal(struct net_options options, enum exit_code code, const char *words)
{
    struct err err = {0};
    struct net *net = NULL;
    assert_int_equal(net_new(&options, &net, &err), STATUS_FAILED);
    assert_null(net);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, words)) {
        fail_msg("\"%s\" does not say: %s", err.text, words);
    }
}

static void test_bad_options(void **state)
{
    (void)state;
    struct tls_files files;
    char busy[64];
    struct net_options options = harness_options();
    tls_files_make(&files);
    tls_write_pair(&files, false, "first");
    options.tls_listen = "127.0.0.1:0";
    expect_refusal(options, EXIT_CODE_CONFIG, "--tls-listen needs --tls-cert-file and");
    options.tls_cert_file = files.cert;
    expect_refusal(options, EXIT_CODE_CONFIG, "--tls-listen needs --tls-cert-file and");
    options.tls_key_file = files.key;
    options.tls_listen = "localhost:443";
    expect_refusal(options, EXIT_CODE_CONFIG, "numeric address");

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    snprintf(busy, sizeof(busy), "127.0.0.1:%u", ntohs(address.sin_port));
    options.tls_listen = busy;
    expect_refusal(options, EXIT_CODE_PORT, "choose another with --tls-listen");
    close(fd);
    tls_files_remove(&files);
}

static void test_reload_without_tls(void **state)
{
    (void)state;
    harness_uses_tls = false;
    harness_start(&h, harness_options());
    assert_null(net_tls_url(h.net));
    expect_reloaded();
    harness_stop(&h);
}

/* Its orders must be freed, its pairs too. */
static void test_never_started(void **state)
{
    (void)state;
    struct tls_files files;
    struct err err = {0};
    struct net *net;
    struct net_options options = harness_options();
    tls_files_make(&files);
    tls_write_pair(&files, false, "first");
    options.n_workers = 3;
    options.tls_listen = "127.0.0.1:0";
    options.tls_cert_file = files.cert;
    options.tls_key_file = files.key;
    assert_int_equal(net_new(&options, &net, &err), STATUS_OK);
    assert_int_equal(net_reload_tls(net, &err), STATUS_OK);
    assert_int_equal(net_reload_tls(net, &err), STATUS_OK);
    net_free(net);
    tls_files_remove(&files);
}

/* ---- the keys of tickets ---- */

static void read_keys(SSL_CTX *context, uint8_t keys[80])
{
    assert_int_equal(SSL_CTX_get_tlsext_ticket_keys(context, keys, 80), 1);
}

/* Two workers that look at the clock at different times come to the same keys. */
static void test_ticket_keys_change_and_agree(void **state)
{
    (void)state;
    enum { HALF_DAY_MS = 12 * 60 * 60 * 1000 };
    struct tls_files files;
    struct tls_pair *pair;
    struct tls_seed seed;
    struct err err;
    uint8_t first[80], keys[80], other[80];
    tls_files_make(&files);
    tls_write_pair(&files, false, "first");
    assert_int_equal(tls_pair_load(files.cert, files.key, &pair, &err), STATUS_OK);
    tls_seed_init(&seed);
    SSL_CTX *contexts[2];
    struct tls *workers[2];
    for (int i = 0; i < 2; i++) {
        contexts[i] = SSL_CTX_new(TLS_server_method());
        workers[i] = tls_new(pair, &seed);
        assert_true(tls_set_up(workers[i], contexts[i]));
    }
    read_keys(contexts[0], first);
    read_keys(contexts[1], other);
    assert_memory_equal(first, other, sizeof(first));
    tls_rotate(workers[0], seed.begin_ms + HALF_DAY_MS - 1);
    read_keys(contexts[0], keys);
    assert_memory_equal(keys, first, sizeof(keys));
    tls_rotate(workers[0], seed.begin_ms + HALF_DAY_MS);
    read_keys(contexts[0], keys);
    assert_memory_not_equal(keys, first, sizeof(keys));
    tls_rotate(workers[0], seed.begin_ms + 2ULL * HALF_DAY_MS + 900);
    tls_rotate(workers[1], seed.begin_ms + 2ULL * HALF_DAY_MS + 100); /* two steps at once */
    read_keys(contexts[1], other);
    assert_memory_not_equal(other, keys, sizeof(keys));
    read_keys(contexts[0], keys);
    assert_memory_equal(other, keys, sizeof(keys));
    for (int i = 0; i < 2; i++) {
        SSL_CTX_free(contexts[i]);
        tls_free(workers[i]);
    }
    tls_pair_unref(pair);
    tls_files_remove(&files);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reload, start_workers, stop),
        cmocka_unit_test_setup_teardown(test_a_bad_reload_changes_nothing, start, stop),
        cmocka_unit_test(test_bad_files_at_the_start),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_reload_without_tls),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_ticket_keys_change_and_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
