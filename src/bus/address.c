/* SPDX-License-Identifier: PostgreSQL */
/* Debian's NATS server asks nobody who he is, and says all in the clear. Nobody can speak on our bus
 * without its key, but who listens reads every row: so a server that is not on this machine is spoken
 * to with TLS and as somebody, or the operator says that he has another wall around it.
 *
 * A password in a URL would be in the list of processes, where every user reads it: it is refused. */
#include "bus/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/address.h"
#include "base/mem.h"
#include "base/str.h"

static const struct str plain = {"nats://", 7}, secure = {"tls://", 6};

bool bus_options_is_local(const struct bus_options *options)
{
    return strcmp(options->urls, "local") == 0;
}

static void forget(char *text)
{
    if (text) {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
}

void bus_address_release(struct bus_address *address)
{
    for (int i = 0; i < address->n_servers; i++) {
        free(address->servers[i]);
    }
    forget(address->password);
    forget(address->token);
    forget(address->seed);
    *address = (struct bus_address){0};
}

/* ---- the servers ---- */

static struct str host_of(struct str authority)
{
    const char *end = memrchr(authority.ptr, ':', authority.len);
    bool has_port = end && !memchr(end, ']', authority.len - (size_t)(end - authority.ptr));
    return has_port ? (struct str){authority.ptr, (size_t)(end - authority.ptr)} : authority;
}

static bool is_loopback(struct str authority)
{
    struct address address;
    struct str host = host_of(authority);
    return str_equals(host, STR("localhost")) ||
           (address_parse(host, &address) && address_is_loopback(&address));
}

static bool is_authority(struct str text)
{
    struct str host = host_of(text);
    uint64_t port = 1;
    bool has_port = host.len < text.len;
    struct str digits = {text.ptr + host.len + 1, has_port ? text.len - host.len - 1 : 0};
    return host.len > 0 && strcspn(text.ptr, "/?# \t") >= text.len &&
           (!has_port || (str_to_u64(digits, &port) && port > 0 && port < 65536));
}

static enum status refuse_url(struct str url, const char *why, struct err *err)
{
    /* It may hold a password: so much of it is shown as says which one it is. */
    size_t shown = url.len < 6 ? url.len : 6;
    return err_set(err, EXIT_CODE_CONFIG, "--bus: \"%.*s…\" %s", (int)shown, url.ptr, why);
}

static enum status add_server(struct bus_address *address, struct str url, bool *is_far,
                              struct err *err)
{
    bool is_secure = str_starts(url, secure);
    if (!is_secure && !str_starts(url, plain)) {
        return refuse_url(url, "is neither local nor nats://host:port nor tls://host:port", err);
    }
    struct str authority = url;
    authority.ptr += is_secure ? secure.len : plain.len;
    authority.len -= is_secure ? secure.len : plain.len;
    if (memchr(url.ptr, '@', url.len)) {
        return refuse_url(url, "names a user: give --bus-user and --bus-password-file instead",
                          err);
    }
    if (!is_authority(authority)) {
        return refuse_url(url, "is not of the form nats://host:port", err);
    }
    if (address->n_servers == BUS_MAX_SERVERS) {
        return err_set(err, EXIT_CODE_CONFIG, "--bus: more than %d servers", BUS_MAX_SERVERS);
    }
    if (address->n_servers > 0 && address->is_secure != is_secure) {
        return err_set(err, EXIT_CODE_CONFIG, "--bus: either all servers are tls:// or none");
    }
    address->is_secure = is_secure;
    *is_far |= !is_loopback(authority);
    address->servers[address->n_servers++] = str_dup(url);
    return STATUS_OK;
}

static enum status read_servers(const char *urls, struct bus_address *address, bool *is_far,
                                struct err *err)
{
    const char *url = urls;
    for (;;) {
        url += strspn(url, " ");
        size_t len = strcspn(url, ", ");
        if (add_server(address, (struct str){url, len}, is_far, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
        url += len;
        url += strspn(url, " ");
        if (*url != ',') {
            return *url == '\0'
                       ? STATUS_OK
                       : err_set(err, EXIT_CODE_CONFIG, "--bus: servers are separated by commas");
        }
        url++;
    }
}

/* ---- as whom ---- */

static enum status read_secret(const char *option, const char *path, char **out, struct err *err)
{
    if (!path) {
        return STATUS_OK;
    }
    *out = str_first_line(path);
    if (!*out) {
        return err_set(err, EXIT_CODE_CONFIG, "cannot read %s %s: %s", option, path,
                       strerror(errno));
    }
    return **out ? STATUS_OK
                 : err_set(err, EXIT_CODE_CONFIG, "the first line of %s %s is empty", option, path);
}

static enum status check_credentials(const struct bus_options *options, struct err *err)
{
    if ((options->user != NULL) != (options->password_file != NULL)) {
        return err_set(err, EXIT_CODE_CONFIG, "--bus-user and --bus-password-file go together");
    }
    int n = (options->user != NULL) + (options->token_file != NULL) + (options->nkey_file != NULL);
    return n <= 1 ? STATUS_OK
                  : err_set(err, EXIT_CODE_CONFIG,
                            "give one of --bus-user, --bus-token-file and --bus-nkey-file");
}

static enum status read_credentials(const struct bus_options *options, struct bus_address *address,
                                    struct err *err)
{
    address->user = options->user;
    address->ca_file = options->ca_file;
    if (check_credentials(options, err) != STATUS_OK ||
        read_secret("--bus-password-file", options->password_file, &address->password, err) !=
            STATUS_OK ||
        read_secret("--bus-token-file", options->token_file, &address->token, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    return read_secret("--bus-nkey-file", options->nkey_file, &address->seed, err);
}

static enum status check_walls(const struct bus_options *options, const struct bus_address *address,
                               struct err *err)
{
    bool is_somebody = address->password || address->token || address->seed;
    if (options->is_plaintext || (address->is_secure && is_somebody)) {
        return STATUS_OK;
    }
    return err_set(
        err, EXIT_CODE_CONFIG,
        "--bus: who can connect to this NATS server would read all that is sent over it: "
        "use %s, or --bus-plaintext if nobody else can reach it",
        address->is_secure ? "--bus-user, --bus-token-file or --bus-nkey-file" : "tls://");
}

enum status bus_address_read(const struct bus_options *options, struct bus_address *out,
                             struct err *err)
{
    struct bus_address address = {0};
    bool is_far = false;
    if (read_servers(options->urls, &address, &is_far, err) != STATUS_OK ||
        read_credentials(options, &address, err) != STATUS_OK ||
        (is_far && check_walls(options, &address, err) != STATUS_OK)) {
        bus_address_release(&address);
        return STATUS_FAILED;
    }
    *out = address;
    return STATUS_OK;
}
