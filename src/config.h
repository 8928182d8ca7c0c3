/* SPDX-License-Identifier: PostgreSQL */
/* The process's options: one table gives parsing, defaults, environment, file, --help, `config --print` and the
 * reference page. Rules, watches and canonicals are not here: they live in SQL. */
#ifndef HERALD_CONFIG_H
#define HERALD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct config {
    char *listen;                                          /* "127.0.0.1:8080" */
    char *database_url;
    uint32_t workers;                                      /* 0: cores minus one, at least one */
    uint32_t max_sessions;
    uint32_t max_frame_bytes;
    uint32_t max_channels;
    uint32_t outqueue_bytes;
    uint32_t handshake_timeout_ms;
    uint32_t ping_interval_ms;
    uint32_t ping_misses;
    uint32_t drain_ms;
    uint32_t look_ms;
    uint32_t batch_rows;
    uint32_t batch_bytes;
    uint32_t query_timeout_ms;
    uint32_t append_max_bytes;
    uint32_t retention_hours;
    enum log_level log_level;
    bool log_json;
};

#endif
