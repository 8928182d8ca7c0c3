/* SPDX-License-Identifier: PostgreSQL */
/* Copies of what the options point to, because the next options are read while workers still go by
 * these. What the parts of the server hand over (pages, metrics, the protocol) outlives both. */
#include "net/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http/operator.h"

static void own_ranges(struct net_limits *limits)
{
    struct address_range *own = mem_array(NULL, limits->n_proxies + 1, sizeof(*own));
    if (limits->n_proxies > 0) {
        memcpy(own, limits->proxies, limits->n_proxies * sizeof(*own));
    }
    limits->proxies = own;
}

static void own_options(struct net_options *options)
{
    options->limits.origins = mem_strdup(options->limits.origins);
    options->tls_cert_file = mem_strdup(options->tls_cert_file);
    options->tls_key_file = mem_strdup(options->tls_key_file);
    options->metrics_token_file = NULL; /* has been read */
    own_ranges(&options->limits);
}

enum status net_settings_new(const struct net_options *options, struct net_settings **out,
                             struct err *err)
{
    char *token = NULL;
    if (options->metrics_token_file &&
        operator_read_token(options->metrics_token_file, &token, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    struct net_settings *settings = mem_zalloc(sizeof(*settings));
    atomic_init(&settings->refs, 1);
    settings->options = *options;
    settings->metrics_token = token;
    settings->max_sockets = options->max_sessions + SETTINGS_EXTRA_SOCKETS;
    settings->is_proxy_named =
        mem_zalloc((options->limits.n_proxies + 1) * sizeof(*settings->is_proxy_named));
    settings->finds = proxy_finds_new();
    own_options(&settings->options);
    *out = settings;
    return STATUS_OK;
}

struct net_settings *net_settings_ref(struct net_settings *settings)
{
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

static void disown(const void *owned)
{
    free((void *)(uintptr_t)owned);
}

void net_settings_unref(struct net_settings *settings)
{
    if (!settings || atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    disown(settings->options.limits.origins);
    disown(settings->options.limits.proxies);
    disown(settings->options.tls_cert_file);
    disown(settings->options.tls_key_file);
    free(settings->metrics_token);
    free(settings->is_proxy_named);
    proxy_finds_free(settings->finds);
    free(settings);
}
