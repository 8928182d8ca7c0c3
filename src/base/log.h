/* SPDX-License-Identifier: PostgreSQL */
/* Log lines on stderr, as text or as JSON lines. Levels say who must act: error the operator now,
 * warn the operator today, info life events, debug per session. Never tokens, claims, row data or
 * connection strings. Thread-safe. */
#ifndef HERALD_BASE_LOG_H
#define HERALD_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_configure(enum log_level level, bool as_json); /* any time */
bool log_is_on(enum log_level level);
/* Lines that could not be written: the disk is full, or the reader of a pipe does not read. */
uint64_t log_n_lost(void);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
