/* SPDX-License-Identifier: PostgreSQL */
#include "cli/why/silence.h"

static void publish(void *ctx, uint32_t worker, uint32_t roster, struct frame *frame)
{
    (void)ctx, (void)worker, (void)roster, (void)frame;
}

static void attach(void *ctx, struct session_id session, uint32_t roster, bool is_held)
{
    (void)ctx, (void)session, (void)roster, (void)is_held;
}

static void resume_live(void *ctx, struct session_id session, uint32_t roster, uint64_t skip_to,
                        enum presence_wish wish)
{
    (void)ctx, (void)session, (void)roster, (void)skip_to, (void)wish;
}

static void detach(void *ctx, struct session_id session, uint32_t roster)
{
    (void)ctx, (void)session, (void)roster;
}

static void identify(void *ctx, struct session_id session, struct identity *identity)
{
    (void)ctx, (void)session, (void)identity;
}

static void close_one(void *ctx, struct session_id session, uint16_t code, const char *reason)
{
    (void)ctx, (void)session, (void)code, (void)reason;
}

static void gate(void *ctx, struct site_gate *gate)
{
    (void)ctx, (void)gate;
}

static void close_all(void *ctx, uint16_t code, const char *reason, uint32_t spread_ms)
{
    (void)ctx, (void)code, (void)reason, (void)spread_ms;
}

static void flush(void *ctx)
{
    (void)ctx;
}

const struct transport silence = {
    .publish = publish,
    .attach = attach,
    .resume_live = resume_live,
    .detach = detach,
    .identify = identify,
    .close = close_one,
    .gate = gate,
    .close_all = close_all,
    .flush = flush,
};
