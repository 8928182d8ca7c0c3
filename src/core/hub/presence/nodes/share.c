/* SPDX-License-Identifier: PostgreSQL */
/* Each parcel of changes has the next number, whether it could be sent or not: who misses one sees the
 * hole, or that its sum is another than that in the beats, and wishes to be told all.
 *
 * That is told in parts of members in the order in which they entered, each as of the newest parcel of
 * changes. Parts and changes come in the order in which they were sent, so whoever takes them in that order
 * is right about each member that a part has named, and the rest is in parts to come: nothing has to
 * be held back on either side, and nobody has to hold still.
 *
 * A state is noted as it was told, since members show their newest some time later (states.c). */
#include "core/hub/presence/nodes/share.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/dropped.h"
#include "core/hub/presence/nodes/op.h"

enum {
    PARCEL_BYTES = 192 * 1024, /* then it goes; one change more may be 64 KiB */
    PARTS_AT_ONCE = 4,         /* of a list, then others have their turn */
};

struct shared { /* a member */
    struct shared *prev, *next;
    struct member *member;
    uint64_t hash;
    size_t state_len;
    char *state; /* NULL: none */
};

struct answer { /* a list that is being told */
    struct answer *prev, *next;
    uint32_t wish, n_parts;
    struct shared *at; /* the next one; NULL: only the end is to be told */
    char to[ID_TEXT_SIZE];
};

struct share {
    bool is_on;
    struct shared *all; /* in the order in which they entered */
    struct answer *answers;
    uint64_t seq, digest;
    struct buf news, scratch;
};

/* ---- what is noted ---- */

static struct op op_of(const struct shared *shared, enum op_kind kind)
{
    const struct member *member = shared->member;
    const struct identity *identity = member->identity;
    bool has_row = dropped_can_return(identity);
    return (struct op){
        .kind = kind,
        .flags = (uint8_t)((member->dropped ? OP_DROPPED : 0) | (member->is_taken ? OP_TAKEN : 0)),
        .channel = channel_name(member->channel),
        .socket_id = str_of(member->socket_id),
        .since_ms = member->since_ms,
        .dbo_id = has_row ? identity->dbo_id : 0,
        .row_id = has_row ? identity->row_id : (struct str){0},
        .client = member->client,
        .state = {shared->state, shared->state_len},
    };
}

static void share_note(struct hub *hub, const struct op *op)
{
    struct share *share = hub->presence->share;
    if (share->news.len == 0) {
        parcel_put_u64(&share->news, share->seq + 1);
    }
    op_write(&share->news, op);
    if (share->news.len > PARCEL_BYTES) {
        share_flush(hub);
    }
}

static void shared_count(struct share *share, struct shared *shared)
{
    struct op op = op_of(shared, OP_ENTER);
    share->digest -= shared->hash;
    shared->hash = op_hash(&op, &share->scratch);
    share->digest += shared->hash;
}

static void shared_change(struct hub *hub, struct shared *shared, enum op_kind kind)
{
    struct op op = op_of(shared, kind);
    shared_count(hub->presence->share, shared);
    share_note(hub, &op);
}

static void shared_set_state(struct shared *shared, struct str state)
{
    bool is_none = str_equals(state, STR("null"));
    free(shared->state);
    shared->state = is_none ? NULL : str_dup(state);
    shared->state_len = is_none ? 0 : state.len;
}

/* Those who are being told all have it among what is yet to come. */
static void shared_free(struct share *share, struct shared *shared)
{
    struct answer *answer;
    DL_FOREACH(share->answers, answer)
    {
        if (answer->at == shared) {
            answer->at = shared->next;
        }
    }
    DL_DELETE(share->all, shared);
    share->digest -= shared->hash;
    shared->member->shared = NULL;
    free(shared->state);
    free(shared);
}

static struct shared *shared_new(struct share *share, struct member *member)
{
    struct shared *shared = mem_zalloc(sizeof(*shared));
    shared->member = member;
    member->shared = shared;
    DL_APPEND(share->all, shared);
    return shared;
}

void share_enter(struct hub *hub, struct member *member)
{
    struct share *share = hub->presence->share;
    if (share->is_on && member->client.len <= OP_CLIENT_BYTES) {
        shared_change(hub, shared_new(share, member), OP_ENTER);
    }
}

void share_leave(struct hub *hub, struct member *member, bool is_moved)
{
    struct shared *shared = member->shared;
    if (shared) {
        struct op op = op_of(shared, OP_LEAVE);
        op.flags = is_moved ? OP_MOVED : 0;
        share_note(hub, &op);
        shared_free(hub->presence->share, shared);
    }
}

void share_state(struct hub *hub, struct member *member, struct str state)
{
    struct shared *shared = member->shared;
    if (shared) {
        shared_set_state(shared, state);
        shared_change(hub, shared, OP_STATE);
    }
}

void share_flags(struct hub *hub, struct member *member)
{
    if (member->shared) {
        shared_change(hub, member->shared, OP_FLAGS);
    }
}

void share_renew(struct hub *hub, struct member *old, struct member *member)
{
    struct shared *shared = old->shared;
    if (member->client.len > OP_CLIENT_BYTES) {
        share_leave(hub, old, false);
    } else if (shared) {
        old->shared = NULL;
        member->shared = shared;
        shared->member = member;
        shared_change(hub, shared, OP_RENEW);
    }
}

void share_adopt(struct hub *hub, const struct session *session)
{
    if (hub->presence->share->is_on && dropped_can_return(session->identity)) {
        share_note(hub, &(struct op){
                            .kind = OP_ADOPT,
                            .flags = session->is_taken ? OP_TAKEN : 0,
                            .socket_id = str_of(session->socket_id),
                            .dbo_id = session->identity->dbo_id,
                            .row_id = session->identity->row_id,
                        });
    }
}

void share_flush(struct hub *hub)
{
    struct share *share = hub->presence->share;
    if (share->news.len > 0) {
        share->seq++;
        (void)say_to_nodes(hub, BUS_KIND_PRESENCE, NULL, buf_span(&share->news));
        buf_clear(&share->news);
    }
}

/* ---- all of it ---- */

static void answer_free(struct share *share, struct answer *answer)
{
    DL_DELETE(share->answers, answer);
    free(answer);
}

static struct answer *answer_find(const struct share *share, const char *to)
{
    struct answer *answer;
    DL_FOREACH(share->answers, answer)
    {
        if (strcmp(answer->to, to) == 0) {
            return answer;
        }
    }
    return NULL;
}

void share_forget(struct hub *hub, const char *to)
{
    struct answer *answer = answer_find(hub->presence->share, to);
    if (answer) {
        answer_free(hub->presence->share, answer);
    }
}

/* Returns the first one that it has no room for. */
static struct shared *write_part(const struct share *share, const struct answer *answer,
                                 struct buf *out)
{
    struct shared *shared = answer->at;
    struct buf members = {0};
    while (shared && members.len < PARCEL_BYTES) {
        struct op op = op_of(shared, OP_ENTER);
        op_write(&members, &op);
        shared = shared->next;
    }
    parcel_put_u32(out, answer->wish);
    parcel_put_u32(out, answer->n_parts);
    parcel_put_u64(out, share->seq);
    parcel_put_u8(out, shared == NULL);
    buf_str(out, buf_span(&members));
    buf_release(&members);
    return shared;
}

/* False: it cannot be sent now, or was the last one. */
static bool answer_go_on(struct hub *hub, struct answer *answer)
{
    struct share *share = hub->presence->share;
    struct buf part = {0};
    share_flush(hub); /* what was noted is in it */
    struct shared *next = write_part(share, answer, &part);
    bool is_sent = say_to_nodes(hub, BUS_KIND_PRESENCE_LIST, answer->to, buf_span(&part));
    buf_release(&part);
    if (is_sent && !next) {
        answer_free(share, answer);
        return false;
    }
    if (is_sent) {
        answer->at = next;
        answer->n_parts++;
    }
    return is_sent;
}

static void answer_run(struct hub *hub, struct answer *answer)
{
    for (int i = 0; i < PARTS_AT_ONCE && answer_go_on(hub, answer); i++) {
    }
}

void share_answer(struct hub *hub, const char *to, uint32_t wish)
{
    struct share *share = hub->presence->share;
    share_forget(hub, to); /* one list at a time: it wants this one */
    struct answer *answer = mem_zalloc(sizeof(*answer));
    answer->wish = wish;
    answer->at = share->all;
    memcpy(answer->to, to, strnlen(to, ID_TEXT_SIZE - 1));
    DL_APPEND(share->answers, answer);
    answer_run(hub, answer);
}

void share_tick(struct hub *hub)
{
    struct answer *answer, *next;
    DL_FOREACH_SAFE(hub->presence->share->answers, answer, next)
    {
        answer_run(hub, answer);
    }
}

/* ---- life ---- */

bool share_is_on(const struct hub *hub)
{
    return hub->presence->share->is_on;
}

uint64_t share_seq(const struct hub *hub)
{
    return hub->presence->share->seq;
}

uint64_t share_digest(const struct hub *hub)
{
    return hub->presence->share->digest;
}

/* A number is left out: who has known this node before has not been told what came since. */
void share_begin(struct hub *hub)
{
    hub->presence->share->is_on = true;
    hub->presence->share->seq++;
}

void share_put(struct hub *hub, struct member *member, struct str state)
{
    struct share *share = hub->presence->share;
    if (member->client.len <= OP_CLIENT_BYTES) {
        struct shared *shared = shared_new(share, member);
        shared_set_state(shared, state);
        shared_count(share, shared);
    }
}

static void share_clear(struct share *share)
{
    while (share->answers) {
        answer_free(share, share->answers);
    }
    while (share->all) {
        shared_free(share, share->all);
    }
    buf_clear(&share->news);
    share->is_on = false;
}

void share_end(struct hub *hub)
{
    share_clear(hub->presence->share);
}

struct share *share_new(void)
{
    return mem_zalloc(sizeof(struct share));
}

void share_free(struct share *share)
{
    share_clear(share);
    buf_release(&share->news);
    buf_release(&share->scratch);
    free(share);
}
