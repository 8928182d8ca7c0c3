/* SPDX-License-Identifier: PostgreSQL */
/* The canary: an event of a channel that only the operator may join, from its commit to the log, and
 * to a session, which has joined before. What each leg took is said as a note; that it did not come is
 * an error, whatever else was found.
 *
 * One poll looks after both: the session is asked for a few milliseconds, then the log once. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/doctor/checks.h"
#include "cli/wire/line.h"
#include "cli/wire/where.h"
#include "core/site.h"
#include "net/client/client.h"
#include "net/http/operator.h"

#define PATIENCE_MS 5000
#define PAUSE_MS 5

struct canary {
    struct client *client;           /* NULL: it ends at the log */
    uint64_t connect_ms, join_ms;    /* that it took */
    char *key;                       /* of the event */
    uint64_t begin_ms;               /* its commit */
    uint64_t landed_ms, received_ms; /* after it */
    bool has_landed, has_arrived;
    bool is_cut; /* the session is over before it has arrived */
};

/* ---- the session ---- */

static void add_refused(struct findings *findings, const char *why)
{
    findings_add(findings, "error", "canary_refused",
                 "--url and metrics-token-file must be of one server that runs, and has this "
                 "program's version.",
                 "no session on the canary's channel: %s", why);
}

static enum status client_connect(const struct canary_wish *wish, struct client **out,
                                  struct err *err)
{
    struct target target;
    char *token = NULL;
    bool is_final;
    if (operator_read_token(wish->config->net.metrics_token_file, &token, err) != STATUS_OK ||
        where_find(wish->config, wish->url, &target, err) != STATUS_OK) {
        free(token);
        return STATUS_FAILED;
    }
    const struct client_options options = {.line = {.target = &target,
                                                    .ca_file = wish->ca_file,
                                                    .timeout_ms = PATIENCE_MS,
                                                    .stop_fd = -1},
                                           .token = token};
    enum status status = client_open(&options, out, &is_final, err);
    free(token);
    return status;
}

static bool is_frame(const struct client_news *news, struct told *told)
{
    return news->kind == CLIENT_NEWS_TEXT && told_read(news->text, told);
}

/* False: *why says in the server's words why not. */
static bool client_join(struct client *client, struct buf *why)
{
    struct told told;
    struct client_news news;
    (void)client_send(client,
                      STR("{\"action\":\"join\",\"options\":{\"channel\":\"" SITE_CANARY "\"}}"));
    client_receive(client, PATIENCE_MS, &news);
    if (!is_frame(&news, &told)) {
        buf_literal(why, "the server does not answer");
        return false;
    }
    told_string(told_member(told.payload, "message"), why);
    return str_equals(told.action, STR("join"));
}

/* What fails is found, and the canary goes without. */
static void canary_join(struct canary *canary, const struct canary_wish *wish,
                        struct findings *findings)
{
    struct err err;
    struct buf why = {0};
    uint64_t begin_ms = clock_ms();
    if (client_connect(wish, &canary->client, &err) != STATUS_OK) {
        add_refused(findings, err.text);
        return;
    }
    canary->connect_ms = clock_ms() - begin_ms;
    if (!client_join(canary->client, &why)) {
        add_refused(findings, buf_text(&why));
        client_close(canary->client);
        canary->client = NULL;
    }
    canary->join_ms = clock_ms() - begin_ms - canary->connect_ms;
    buf_release(&why);
}

/* ---- the event ---- */

static void look_at_session(struct canary *canary)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
    struct client_news news;
    struct told told;
    if (!canary->client || canary->has_arrived || canary->is_cut) {
        nanosleep(&pause, NULL);
        return;
    }
    client_receive(canary->client, PAUSE_MS, &news);
    canary->is_cut = news.kind == CLIENT_NEWS_CLOSED;
    if (is_frame(&news, &told) &&
        memmem(told.text.ptr, told.text.len, canary->key, strlen(canary->key))) {
        canary->has_arrived = true;
        canary->received_ms = clock_ms() - canary->begin_ms;
    }
}

static enum status look_at_log(struct admin *admin, struct canary *canary, struct err *err)
{
    const char *key = canary->key;
    char *answer = NULL;
    if (canary->has_landed) {
        return STATUS_OK;
    }
    if (admin_value(admin, "SELECT herald.has_landed($1)", 1, &key, &answer, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if (answer && strcmp(answer, "t") == 0) {
        canary->has_landed = true;
        canary->landed_ms = clock_ms() - canary->begin_ms;
    }
    free(answer);
    return STATUS_OK;
}

static enum status wait_for_it(struct admin *admin, struct canary *canary, struct err *err)
{
    bool is_over = false;
    while (!is_over && clock_ms() - canary->begin_ms < PATIENCE_MS) {
        look_at_session(canary);
        if (look_at_log(admin, canary, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
        is_over = canary->has_landed && (canary->has_arrived || canary->is_cut || !canary->client);
    }
    return STATUS_OK;
}

static void add_what_came(const struct canary *canary, struct findings *findings)
{
    if (!canary->has_landed) {
        findings_add(findings, "error", "canary_lost",
                     "Start a server, or see in its log why it does not sequence.",
                     "an event was not in the log %d seconds after its commit", PATIENCE_MS / 1000);
    } else if (!canary->client) {
        findings_add(
            findings, "note", "canary_landed",
            "Nothing: it works. With metrics-token-file of the server (-c FILE) it goes on "
            "to a session.",
            "an event was in the log %llu ms after its commit",
            (unsigned long long)canary->landed_ms);
    } else if (canary->is_cut && !canary->has_arrived) {
        findings_add(findings, "error", "canary_undelivered",
                     "The log of that server, or of what stands before it, says why it closed it.",
                     "an event was in the log %llu ms after its commit, but the session that "
                     "waited for it was closed",
                     (unsigned long long)canary->landed_ms);
    } else if (!canary->has_arrived) {
        findings_add(
            findings, "error", "canary_undelivered",
            "That server serves another database, or stands behind: see /ready and its log.",
            "an event was in the log %llu ms after its commit, but not with a session "
            "after %d seconds",
            (unsigned long long)canary->landed_ms, PATIENCE_MS / 1000);
    } else {
        findings_add(findings, "note", "canary_landed", "Nothing: it works.",
                     "an event was in the log %llu ms after its commit, and with a session after "
                     "%llu ms (which took %llu ms to connect and %llu ms to join)",
                     (unsigned long long)canary->landed_ms, (unsigned long long)canary->received_ms,
                     (unsigned long long)canary->connect_ms, (unsigned long long)canary->join_ms);
    }
}

enum status check_canary(struct admin *admin, const struct canary_wish *wish,
                         struct findings *findings, struct err *err)
{
    struct canary canary = {0};
    if (wish->config->net.metrics_token_file) {
        canary_join(&canary, wish, findings);
    }
    enum status status =
        admin_value(admin, "SELECT herald.send_canary()", 0, NULL, &canary.key, err);
    canary.begin_ms = clock_ms();
    if (status == STATUS_OK) {
        status = wait_for_it(admin, &canary, err);
    }
    if (status == STATUS_OK) {
        add_what_came(&canary, findings);
    }
    client_close(canary.client);
    free(canary.key);
    return status;
}
