/* SPDX-License-Identifier: PostgreSQL */
/* The files that the configuration names, read by what reads them for the server; and how long the
 * certificate lasts. */
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cli/doctor/checks.h"
#include "net/tls.h"

#define EXPIRING_DAYS 30
#define RENEW "Renew it, and send the server SIGHUP: open sessions stay."

/* In how many days the first certificate of the file ends; false: it cannot be told. */
static bool days_left(const char *path, int *out)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    int seconds;
    bool is_known =
        certificate && ASN1_TIME_diff(out, &seconds, NULL, X509_get0_notAfter(certificate)) == 1;
    if (is_known && seconds < 0 && *out == 0) {
        *out = -1;
    }
    X509_free(certificate);
    if (file) {
        fclose(file);
    }
    return is_known;
}

static void check_certificate(const struct net_options *net, struct findings *findings)
{
    struct err err;
    struct tls_pair *pair = NULL;
    int days;
    if (tls_pair_load(net->tls_cert_file, net->tls_key_file, &pair, &err) != STATUS_OK) {
        findings_add(findings, "error", "certificate_unusable",
                     "Set tls-cert-file and tls-key-file to a certificate and its own key.", "%s",
                     err.text);
        return;
    }
    tls_pair_unref(pair);
    if (!days_left(net->tls_cert_file, &days) || days >= EXPIRING_DAYS) {
        return;
    }
    if (days < 0) {
        findings_add(findings, "error", "certificate_expired", RENEW,
                     "the certificate %s has expired: browsers refuse it", net->tls_cert_file);
    } else {
        findings_add(findings, "warning", "certificate_expiring", RENEW,
                     "the certificate %s expires in %d days", net->tls_cert_file, days);
    }
}

void check_files(const struct config *config, struct findings *findings)
{
    struct err err;
    struct tokens *tokens = NULL;
    struct tokens_options options = config->tokens;
    options.jwks_url = NULL; /* a fetch is the server's business */
    if (tokens_new(&options, &tokens, &err) != STATUS_OK) {
        findings_add(findings, "error", "keys_unusable",
                     "Mend the file that it names: serve would not start, and SIGHUP not take it.",
                     "%s", err.text);
    }
    tokens_free(tokens);
    if (config->net.tls_cert_file && config->net.tls_key_file) {
        check_certificate(&config->net, findings);
    }
}
