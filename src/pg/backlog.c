/* SPDX-License-Identifier: PostgreSQL */
/* Two looks give a rate: rows that went less rows that came, which is what the time that is left depends
 * on. It is said in the unit that a person would use. */
#include "pg/backlog.h"

#include <inttypes.h>

enum { MINUTE_S = 60, HOUR_S = 3600 };

static void put_time(struct buf *out, uint64_t seconds)
{
    if (seconds < 2 * MINUTE_S) {
        buf_printf(out, "%" PRIu64 " s", seconds);
    } else if (seconds < 2 * HOUR_S) {
        buf_printf(out, "%" PRIu64 " min", (seconds + MINUTE_S / 2) / MINUTE_S);
    } else {
        buf_printf(out, "%" PRIu64 " h", (seconds + HOUR_S / 2) / HOUR_S);
    }
}

void backlog_look(struct backlog *backlog, uint64_t n_rows, uint64_t now_ms)
{
    struct backlog last = *backlog;
    *backlog = (struct backlog){.n_rows = n_rows, .at_ms = now_ms};
    if (n_rows == 0 || n_rows >= last.n_rows || now_ms <= last.at_ms) {
        return;
    }
    uint64_t elapsed_ms = now_ms - last.at_ms, n_gone = last.n_rows - n_rows;
    uint64_t left_ms = n_rows > UINT64_MAX / elapsed_ms ? UINT64_MAX : n_rows * elapsed_ms / n_gone;
    backlog->is_draining = true;
    backlog->rate = n_gone * 1000 / elapsed_ms;
    backlog->left_s = left_ms / 1000 + 1;
}

void backlog_say(const struct backlog *backlog, struct buf *out)
{
    if (backlog->is_draining) {
        buf_printf(out, "catching up: %" PRIu64 " changes wait, %" PRIu64 " fewer a second, about ",
                   backlog->n_rows, backlog->rate);
        put_time(out, backlog->left_s);
        buf_literal(out, " to go");
    }
}
