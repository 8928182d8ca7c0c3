/* SPDX-License-Identifier: PostgreSQL */
/* The table of rights (tests/integration/11-rights.test.js has it as a table and tries each cell):
 *
 *   join              identities always; anonymous clients if anonymous_clients, or if messaging is
 *                     open to all, which implies it
 *   send              public_messaging, with public_auth only identities; where public messaging is
 *                     off and auth_channel on, what an identity sends goes to identities
 *   send authenticated   auth_channel, only identities, to identities
 *   send private      private_messaging; with private_auth only from identity to identity */
#include "core/hub/ground/access.h"

static bool is_open_to_all(const struct rule *rule)
{
    return rule->public_messaging && !rule->public_auth;
}

bool access_may_join(const struct rule *rule, const struct identity *who, enum error_code *why)
{
    *why = ERROR_CODE_ANONYMOUS_REFUSED;
    return who || rule->anonymous_clients || is_open_to_all(rule);
}

bool access_may_send(const struct rule *rule, const struct identity *who, bool to_authenticated,
                     enum audience_kind *audience, enum error_code *why)
{
    *why = ERROR_CODE_SEND_REFUSED;
    if (!to_authenticated && rule->public_messaging) {
        *audience = AUDIENCE_ALL;
        return who || !rule->public_auth;
    }
    *audience = AUDIENCE_AUTHENTICATED;
    return who && rule->auth_channel;
}

bool access_may_send_private(const struct rule *rule, const struct identity *who,
                             const struct identity *addressee, enum error_code *why)
{
    *why = ERROR_CODE_PRIVATE_REFUSED;
    return rule->private_messaging && (!rule->private_auth || (who && addressee));
}
