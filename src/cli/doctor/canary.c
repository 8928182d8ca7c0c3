/* SPDX-License-Identifier: PostgreSQL */
/* The canary: an event of a channel that no client may join, from its commit to the log. What it
 * took is said as a note; that it did not come is an error, whatever else was found. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/doctor/checks.h"

#define PATIENCE_MS 5000
#define PAUSE_MS 5

static enum status wait_for_it(struct admin *admin, const char *key, uint64_t begin_ms,
                               bool *has_landed, struct err *err)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    *has_landed = false;
    while (!*has_landed && clock_ms() - begin_ms < PATIENCE_MS) {
        char *answer = NULL;
        if (admin_value(admin, "SELECT herald.has_landed($1)", 1, &key, &answer, err) !=
            STATUS_OK) {
            return STATUS_FAILED;
        }
        *has_landed = answer && strcmp(answer, "t") == 0;
        free(answer);
        if (!*has_landed) {
            nanosleep(&pause, NULL);
        }
    }
    return STATUS_OK;
}

enum status check_canary(struct admin *admin, struct findings *findings, struct err *err)
{
    char *key = NULL;
    bool has_landed = false;
    if (admin_value(admin, "SELECT herald.send_canary()", 0, NULL, &key, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    uint64_t begin_ms = clock_ms();
    enum status status = wait_for_it(admin, key, begin_ms, &has_landed, err);
    free(key);
    if (status != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (has_landed) {
        findings_add(findings, "note", "canary_landed", "Nothing: it works.",
                     "an event was in the log %llu ms after its commit",
                     (unsigned long long)(clock_ms() - begin_ms));
    } else {
        findings_add(findings, "error", "canary_lost",
                     "Start a server, or see in its log why it does not sequence.",
                     "an event was not in the log %d seconds after its commit", PATIENCE_MS / 1000);
    }
    return STATUS_OK;
}
