/* SPDX-License-Identifier: PostgreSQL */
/* Who is turned away learns it by a status that a browser does not show its page. So the operator
 * must be able to see it, and a flood must not fill his disk: the first refusal of a reason is said
 * at once; of those in the minute after it the first is kept, the others are counted, and both are
 * said when the minute ends. One that is never followed by another says nothing more.
 *
 * What strangers sent is cut and stripped to visible ASCII. The canonical is in every page, yet its
 * first characters are enough to tell an old one from a typing error. */
#include "net/http/refusals.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/metrics.h"

enum {
    MINUTE_MS = 60000,
    TEXT_SIZE = 320,
    CANONICAL_CHARS = 6,
    ORIGIN_CHARS = 100,
};

struct tally { /* of one reason */
    uint64_t said_ms;
    bool was_said;
    uint64_t n_unsaid;
    char first[TEXT_SIZE]; /* of the unsaid ones */
};

struct refusals {
    pthread_mutex_t lock;
    struct tally tallies[METRIC_N_REFUSALS];
};

/* What happened, and what the operator can do about it. */
static const char *const sentences[METRIC_N_REFUSALS] = {
    [METRIC_REFUSAL_BAD_REQUEST] = "a request that is not understood",
    [METRIC_REFUSAL_HEAD_SIZE] = "a request head that is too large (414, 431)",
    [METRIC_REFUSAL_NO_UPGRADE] = "a request to /rt/ that is no WebSocket handshake (426); a proxy "
                                  "in between must pass on Upgrade and Connection",
    [METRIC_REFUSAL_PATH] = "a WebSocket handshake elsewhere than at /rt/ (404)",
    [METRIC_REFUSAL_TOKEN] = "a token that is not accepted (401)",
    [METRIC_REFUSAL_METRICS] = "a wrong token for metrics, or none (401)",
    [METRIC_REFUSAL_ORIGIN] = "a page that the option origins does not name (403)",
    [METRIC_REFUSAL_CANONICAL] = "no such canonical (404); herald.rotate_canonical() made it void, "
                                 "or the address is wrong",
    [METRIC_REFUSAL_TIMEOUT] = "a request that took longer than handshake-timeout (408)",
    [METRIC_REFUSAL_ADDRESS_RATE] = "more handshakes than address-handshakes (429)",
    [METRIC_REFUSAL_ADDRESS_SESSIONS] = "more sessions than address-sessions (429)",
    [METRIC_REFUSAL_PROXY_RATE] = "more handshakes than proxy-handshakes (429); a proxy that sends "
                                  "proxy-header has no need of it",
    [METRIC_REFUSAL_PROXY_SESSIONS] = "more sessions than proxy-sessions (429); a proxy that sends "
                                      "proxy-header has no need of it",
    [METRIC_REFUSAL_PROXY_HEADER] = "no PROXY header at a port with proxy-protocol; let the proxy "
                                    "send one (HAProxy: send-proxy-v2), or switch it off here",
    [METRIC_REFUSAL_PROXY_STRANGER] = "none of trusted-proxies at a port with proxy-protocol; if "
                                      "it is a proxy of yours, add it there",
    [METRIC_REFUSAL_SESSIONS] = "more sessions than max-sessions (503)",
    [METRIC_REFUSAL_SOCKETS] = "more connections than there is room for (503); see max-sessions "
                               "and the limit of open files",
    [METRIC_REFUSAL_NOT_READY] = "the server is not ready (503); see above why",
    [METRIC_REFUSAL_SWITCHED_OFF] = "realtime is switched off by herald.set_enabled() (503)",
    [METRIC_REFUSAL_STOPPING] = "the server is stopping (503)",
};

struct refusals *refusals_new(void)
{
    struct refusals *refusals = mem_zalloc(sizeof(*refusals));
    pthread_mutex_init(&refusals->lock, NULL);
    return refusals;
}

/* ---- the line ---- */

static void add_shown(struct buf *out, struct str text, size_t most)
{
    for (size_t i = 0; i < text.len && i < most; i++) {
        bool is_visible = text.ptr[i] > ' ' && text.ptr[i] <= '~' && text.ptr[i] != '"';
        buf_char(out, is_visible ? text.ptr[i] : '?');
    }
    if (text.len > most) {
        buf_literal(out, "...");
    }
}

static void add_address(struct buf *out, const char *before, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    if (address) {
        address_write(address, text);
        buf_literal(out, before);
        buf_literal(out, text);
    }
}

static void describe(const struct refused *refused, char out[TEXT_SIZE])
{
    struct buf text = {0};
    buf_literal(&text, sentences[refused->reason]);
    if (refused->detail) {
        buf_literal(&text, ": ");
        buf_literal(&text, refused->detail);
    }
    add_address(&text, ", from ", refused->from);
    add_address(&text, " through ", refused->proxy);
    if (refused->canonical.ptr) {
        buf_literal(&text, ", canonical \"");
        add_shown(&text, refused->canonical, CANONICAL_CHARS);
        buf_char(&text, '"');
    }
    if (refused->origin.ptr) {
        buf_literal(&text, ", origin \"");
        add_shown(&text, refused->origin, ORIGIN_CHARS);
        buf_char(&text, '"');
    }
    snprintf(out, TEXT_SIZE, "%s", buf_text(&text));
    buf_release(&text);
}

/* ---- when it is said ---- */

static void say(struct tally *tally, const char *text, uint64_t n_more, uint64_t now_ms)
{
    if (n_more > 0) {
        log_info("refused: %s; and %" PRIu64 " more like it within a minute", text, n_more);
    } else {
        log_info("refused: %s", text);
    }
    tally->said_ms = now_ms;
    tally->was_said = true;
    tally->n_unsaid = 0;
}

static bool is_due(const struct tally *tally, uint64_t now_ms)
{
    return !tally->was_said || now_ms - tally->said_ms >= MINUTE_MS;
}

void refusals_note(struct refusals *refusals, const struct refused *refused, uint64_t now_ms)
{
    char text[TEXT_SIZE];
    struct tally *tally = &refusals->tallies[refused->reason];
    describe(refused, text);
    pthread_mutex_lock(&refusals->lock);
    if (is_due(tally, now_ms)) {
        say(tally, text, tally->n_unsaid, now_ms);
    } else if (tally->n_unsaid++ == 0) {
        memcpy(tally->first, text, sizeof(text));
    }
    pthread_mutex_unlock(&refusals->lock);
}

void refusals_sweep(struct refusals *refusals, uint64_t now_ms)
{
    pthread_mutex_lock(&refusals->lock);
    for (unsigned i = 0; i < METRIC_N_REFUSALS; i++) {
        struct tally *tally = &refusals->tallies[i];
        if (tally->n_unsaid > 0 && is_due(tally, now_ms)) {
            say(tally, tally->first, tally->n_unsaid - 1, now_ms);
        }
    }
    pthread_mutex_unlock(&refusals->lock);
}

void refusals_free(struct refusals *refusals)
{
    if (!refusals) {
        return;
    }
    for (unsigned i = 0; i < METRIC_N_REFUSALS; i++) {
        struct tally *tally = &refusals->tallies[i];
        if (tally->n_unsaid > 0) {
            say(tally, tally->first, tally->n_unsaid - 1, 0);
        }
    }
    pthread_mutex_destroy(&refusals->lock);
    free(refusals);
}
