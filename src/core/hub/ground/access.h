/* SPDX-License-Identifier: PostgreSQL */
/* What a rule's flags let somebody do. Pure functions; `who` NULL is anonymous. The functions that
 * a rule may name besides (function.c, authorize.c) come on top: they can only refuse more. */
#ifndef HERALD_CORE_HUB_GROUND_ACCESS_H
#define HERALD_CORE_HUB_GROUND_ACCESS_H

#include "core/audience.h"
#include "core/error_code.h"
#include "core/site.h"

/* False: *why says what to answer. */
bool access_may_join(const struct rule *rule, const struct identity *who, enum error_code *why);
/* To the channel. *audience: ALL or AUTHENTICATED. */
bool access_may_send(const struct rule *rule, const struct identity *who, bool to_authenticated,
                     enum audience_kind *audience, enum error_code *why);
bool access_may_send_private(const struct rule *rule, const struct identity *who,
                             const struct identity *addressee, enum error_code *why);

#endif
