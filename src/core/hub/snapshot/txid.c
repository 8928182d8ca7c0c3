/* SPDX-License-Identifier: PostgreSQL */
/* An application writes by its own road, knows the transaction's number, and wants to go on when the
 * page has what it wrote; also if that was nothing that the page sees, or if it was rolled back.
 *
 * The store is asked which transactions are over, and says so when all that those have done is in our
 * hands (store_log.settle). One question is under way for all who wait; who comes meanwhile is of the
 * next one. A transaction that is not over is asked about again, less and less often.
 *
 * In our hands is not told yet: rows may wait for their judges (a docket), and a join that is under
 * way keeps live frames aside at the worker, where an answer would overtake them. So an answer waits
 * until all of the session's channels are past the newest event that there was. */
#include "core/hub/snapshot/txid.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/ground/docket.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/version.h"
#include "core/live/txid.h"

enum {
    SESSION_MAX = 16, /* that one session waits for */
    TOTAL_MAX = 20000,
    WAIT_MS = 10000,
    PAUSE_MIN_MS = 50, /* a tick's */
    PAUSE_MAX_MS = 500,
    REF_MAX = 64,
};

struct txid_wait {
    struct txid_wait *next;
    struct session_id session;
    uint64_t xid, until_ms;
    uint64_t newest; /* is_over: the newest event that there was when that became known */
    bool is_asked;   /* of the question that is under way */
    bool is_over;
    uint8_t ref_len; /* 0: none */
    char ref[REF_MAX];
};

struct txids {
    struct txid_wait *list, **end; /* the oldest first */
    uint32_t n;
    bool is_asking;
    uint64_t again_ms; /* not before */
    uint32_t pause_ms; /* then */
};

struct txids *txids_new(void)
{
    struct txids *txids = mem_zalloc(sizeof(*txids));
    txids->end = &txids->list;
    return txids;
}

void txids_free(struct txids *txids)
{
    while (txids->list) {
        struct txid_wait *wait = txids->list;
        txids->list = wait->next;
        free(wait);
    }
    free(txids);
}

/* ---- answers ---- */

static struct str wait_ref(const struct txid_wait *wait)
{
    return (struct str){wait->ref_len > 0 ? wait->ref : NULL, wait->ref_len};
}

/* Everything up to that event has gone out to the session, or never will. */
static bool session_has(const struct session *session, uint64_t newest)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        const struct subscription *in = &session->subscriptions[i];
        const struct docket *docket = in->group->docket;
        bool has_waiting = docket && docket_events(docket)[0]->f.id <= newest;
        if (!in->is_attached || in->is_held || has_waiting) {
            return false;
        }
    }
    return true;
}

/* True: there is nothing to wait for any more. */
static bool wait_ends(struct hub *hub, struct session *session, const struct txid_wait *wait)
{
    if (session->is_closing) {
        return true;
    }
    if (wait->is_over && session_has(session, wait->newest)) {
        say_frame(hub, session, hub->protocol->txid(wait_ref(wait), wait->xid));
        return true;
    }
    if (hub->now_ms < wait->until_ms) {
        return false;
    }
    say_late_refusal(hub, session,
                     &(struct protocol_error){
                         .ref = wait_ref(wait),
                         .code = ERROR_CODE_UNAVAILABLE,
                         .text = "It could not be seen in time that this transaction is over and "
                                 "told.",
                     });
    return true;
}

/* Those that have come to an end. */
static void txids_answer(struct hub *hub)
{
    struct txids *txids = hub->txids;
    struct txid_wait **at = &txids->list;
    while (*at) {
        struct txid_wait *wait = *at;
        struct session *session = session_table_find(&hub->sessions, wait->session);
        if (session && !wait_ends(hub, session, wait)) {
            at = &wait->next;
            continue;
        }
        if (session) {
            session->n_txids--;
        }
        *at = wait->next;
        txids->n--;
        free(wait);
    }
    txids->end = at;
}

/* ---- the question ---- */

static void txids_ask(struct hub *hub);

/* Whether somebody of the last question has to ask again. */
static bool txids_take(struct hub *hub, const struct txid_snapshot *seen)
{
    bool is_left = false;
    for (struct txid_wait *wait = hub->txids->list; wait; wait = wait->next) {
        if (wait->is_asked && !wait->is_over && txid_snapshot_sees(seen, wait->xid)) {
            wait->is_over = true;
            wait->newest = hub->log_id;
        }
        is_left |= wait->is_asked && !wait->is_over;
    }
    return is_left;
}

static void on_settled(void *arg, bool is_settled, struct str snapshot)
{
    struct hub *hub = arg;
    struct txids *txids = hub->txids;
    struct txid_snapshot seen;
    txids->is_asking = false;
    if (!is_settled || !txid_snapshot_parse(snapshot, &seen)) {
        return;
    }
    bool is_left = txids_take(hub, &seen);
    txid_snapshot_release(&seen);
    version_tell_rereads(hub); /* what the transaction said of his rows is not behind its answer */
    txids_answer(hub);
    if (is_left) {
        uint32_t pause_ms = txids->pause_ms * 2;
        txids->pause_ms = pause_ms < PAUSE_MIN_MS   ? PAUSE_MIN_MS
                          : pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS
                                                    : pause_ms;
    } else {
        txids->pause_ms = 0;
    }
    txids->again_ms = hub->now_ms + txids->pause_ms;
    txids_ask(hub);
}

/* If there is something to ask, and it is time. */
static void txids_ask(struct hub *hub)
{
    struct txids *txids = hub->txids;
    bool has_new = false, has_open = false;
    if (txids->is_asking) {
        return;
    }
    for (const struct txid_wait *wait = txids->list; wait; wait = wait->next) {
        has_new |= !wait->is_asked;
        has_open |= !wait->is_over;
    }
    if (!has_new && !(has_open && hub->now_ms >= txids->again_ms)) {
        return;
    }
    for (struct txid_wait *wait = txids->list; wait; wait = wait->next) {
        wait->is_asked = true;
    }
    txids->is_asking = true;
    hub->store->log.settle(hub->store->log.ctx, true, on_settled, hub);
}

void txid_handle(struct hub *hub, struct session *session, const struct command *command)
{
    struct txids *txids = hub->txids;
    struct str ref = say_ref(hub, session);
    if (session->n_txids >= SESSION_MAX || txids->n >= TOTAL_MAX) {
        say_rate_limited(hub, session, (struct str){0}, 0);
        return;
    }
    struct txid_wait *wait = mem_zalloc(sizeof(*wait));
    wait->session = session->id;
    wait->xid = command->xid;
    wait->until_ms = hub->now_ms + WAIT_MS;
    wait->ref_len = (uint8_t)(ref.len < REF_MAX ? ref.len : REF_MAX);
    if (ref.len > 0) {
        memcpy(wait->ref, ref.ptr, wait->ref_len);
    }
    *txids->end = wait;
    txids->end = &wait->next;
    txids->n++;
    session->n_txids++;
    txids_ask(hub);
}

void txids_tick(struct hub *hub)
{
    if (hub->txids->n > 0) {
        txids_answer(hub);
        txids_ask(hub);
    }
}
