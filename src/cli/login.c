/* SPDX-License-Identifier: PostgreSQL */
/* Of serve, and of who asks what serve would. */
#include "cli/login.h"

#include <stdlib.h>

#include "cli/url.h"

static enum status complete(const char *url, const char *user, char **out, struct err *err)
{
    return url ? url_complete(url, user, "postgres", out, err) : STATUS_OK;
}

enum status login_complete(const struct database_options *options, struct login *out,
                           struct err *err)
{
    *out = (struct login){0};
    if (complete(options->url, "herald_server", &out->url, err) != STATUS_OK ||
        complete(options->hook_url, "herald_hook", &out->hook_url, err) != STATUS_OK ||
        complete(options->judge_url, "herald_judge", &out->judge_url, err) != STATUS_OK) {
        login_release(out);
        *out = (struct login){0};
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

void login_release(struct login *login)
{
    free(login->url);
    free(login->hook_url);
    free(login->judge_url);
}
