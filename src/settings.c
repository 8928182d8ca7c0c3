/* SPDX-License-Identifier: PostgreSQL */
/* The only place where an option of one part becomes the bound of another. */
#include "settings.h"

#include <assert.h>
#include <stdlib.h>

#include "base/address.h"
#include "net/http/operator.h"
#include "proto/origin.h"

enum {
    /* Of one session, while a command of it waits: a client that comes back joins all its channels at
     * once. */
    MAX_HELD_PER_CHANNEL = 4,
    MAX_HELD_BYTES = 1024 * 1024,
    MAX_INVALID = 10, /* undecodable frames before close 1008 */
    SECOND_MS = 1000,
    MINUTE_MS = 60000,
    BYTES_BURST_S = 4,  /* of session-bytes */
    ACCEPT_BURSTS = 20, /* a second's accepts come in so many parts: 50 ms each */
};

/* ---- what belongs together ---- */

static enum status check_origins(const struct config *config, struct err *err)
{
    struct str bad;
    const char *list = config->net.limits.origins;
    const char *complaint = list ? origins_complaint(list, &bad) : NULL;
    return !complaint ? STATUS_OK
                      : err_set(err, EXIT_CODE_CONFIG, "--origins: \"%.*s\" matches no page: %s",
                                (int)bad.len, bad.ptr, complaint);
}

static enum status read_proxies(const struct config *config, struct address_range **ranges,
                                size_t *n, struct err *err)
{
    struct str bad;
    *ranges = NULL;
    *n = 0;
    if (config->trusted_proxies &&
        !address_ranges_parse(config->trusted_proxies, ranges, n, &bad)) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "--trusted-proxies: \"%.*s\" is no address and no network such as 10.0.0.0/8",
            (int)bad.len, bad.ptr);
    }
    return STATUS_OK;
}

static enum status check_proxies(const struct config *config, struct err *err)
{
    struct address_range *ranges;
    size_t n;
    if (read_proxies(config, &ranges, &n, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    free(ranges);
    if (config->net.tls_proxy_protocol && !config->net.tls_listen) {
        return err_set(err, EXIT_CODE_CONFIG, "--tls-proxy-protocol needs --tls-listen");
    }
    if ((config->net.proxy_protocol || config->net.tls_proxy_protocol) && n == 0) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "--%sproxy-protocol needs --trusted-proxies: nobody else may connect then",
                       config->net.proxy_protocol ? "" : "tls-");
    }
    return STATUS_OK;
}

static enum status check_operators(const struct config *config, struct err *err)
{
    char *token = NULL;
    const char *path = config->net.metrics_token_file;
    enum status status = path ? operator_read_token(path, &token, err) : STATUS_OK;
    free(token);
    return status;
}

enum status settings_check(const struct config *config, struct err *err)
{
    bool is_good = check_origins(config, err) == STATUS_OK &&
                   check_proxies(config, err) == STATUS_OK &&
                   check_operators(config, err) == STATUS_OK;
    return is_good ? STATUS_OK : STATUS_FAILED;
}

/* ---- bounds ---- */

/* A large limit in small parts. */
static uint32_t share(uint32_t limit, uint32_t n)
{
    return (limit + n - 1) / n;
}

static void set_rate(struct bucket_rate *rate, uint32_t period_ms, uint64_t burst)
{
    rate->period_ms = period_ms;
    rate->burst = burst < UINT32_MAX ? (uint32_t)burst : UINT32_MAX;
}

/* What no option says: the periods, and bursts that have no option of their own. */
static void complete_limits(uint32_t n_workers, struct net_limits *limits)
{
    limits->accepts.n = share(limits->accepts.n, n_workers);
    set_rate(&limits->accepts, SECOND_MS, share(limits->accepts.n, ACCEPT_BURSTS));
    set_rate(&limits->messages, SECOND_MS, limits->messages.burst);
    set_rate(&limits->joins, MINUTE_MS, limits->joins.n);
    set_rate(&limits->bytes, SECOND_MS, BYTES_BURST_S * (uint64_t)limits->bytes.n);
    set_rate(&limits->proxy_handshakes, SECOND_MS, limits->proxy_handshakes.n);
    set_rate(&limits->address_handshakes, SECOND_MS, limits->address_handshakes.burst);
}

void settings_of_net(const struct config *config, uint32_t n_workers, struct net_options *out)
{
    struct address_range *ranges;
    struct err err;
    size_t n = 0;
    enum status status = read_proxies(config, &ranges, &n, &err);
    assert(status == STATUS_OK);
    (void)status;
    *out = config->net;
    out->token_max_bytes = config->tokens.max_bytes;
    out->n_workers = n_workers;
    out->limits.proxies = ranges;
    out->limits.n_proxies = n;
    complete_limits(n_workers, &out->limits);
}

void settings_of_net_release(struct net_options *options)
{
    free((void *)(uintptr_t)options->limits.proxies);
}

void settings_of_hub(const struct config *config, struct hub_options *out)
{
    *out = config->hub;
    out->max_held = MAX_HELD_PER_CHANNEL * out->max_channels + 64;
    out->max_held_bytes = MAX_HELD_BYTES;
    set_rate(&out->channel_messages, SECOND_MS, UINT64_C(2) * out->channel_messages.n);
    out->max_invalid = MAX_INVALID;
    out->rejects_invalid_tokens = config->net.rejects_invalid_tokens;
    out->presence_at_once = HUB_PRESENCE_AT_ONCE;
    out->page_rows = HUB_PAGE_ROWS;
    out->message_bytes = config->net.max_frame_bytes;
    out->page_bytes = HUB_PAGE_BYTES;
    out->max_reads = HUB_MAX_READS;
    out->max_waiting = HUB_MAX_WAITING;
    out->snapshot_reads = HUB_SNAPSHOT_READS;
    out->snapshot_queue = HUB_SNAPSHOT_QUEUE;
    out->max_waiting_bytes = HUB_MAX_WAITING_BYTES;
}
