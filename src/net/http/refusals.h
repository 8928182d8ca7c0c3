/* SPDX-License-Identifier: PostgreSQL */
/* The log's part of a refusal: one line for each reason and minute, over all workers. */
#ifndef HERALD_NET_HTTP_REFUSALS_H
#define HERALD_NET_HTTP_REFUSALS_H

#include "base/address.h"

struct refusals;

struct refused {                        /* what is not known is absent or NULL */
    unsigned reason;                    /* METRIC_REFUSAL_… */
    const struct address *from, *proxy; /* who asked, and through whom */
    struct str canonical, origin;       /* as they were sent: only a part of them is shown */
    const char *detail;
};

struct refusals *refusals_new(void);
/* Says how many were not said yet. No other thread uses it any more; NULL is fine. */
void refusals_free(struct refusals *refusals);
/* Any thread, as the next. */
void refusals_note(struct refusals *refusals, const struct refused *refused, uint64_t now_ms);
/* Says what waits for the end of its minute. Each worker may call it as often as it likes. */
void refusals_sweep(struct refusals *refusals, uint64_t now_ms);

#endif
