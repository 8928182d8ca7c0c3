/* SPDX-License-Identifier: PostgreSQL */
/* As whom a server logs in: where the options say nothing else, as herald_server, for rules' functions
 * as herald_hook, and to judge rows as herald_judge, which `pgherald install` made for it. */
#ifndef HERALD_CLI_LOGIN_H
#define HERALD_CLI_LOGIN_H

#include "pg/database.h"

struct login {
    char *url, *hook_url, *judge_url;
};

/* The three URLs of the options, completed; a heap text each, or NULL where the options have none, and
 * all of them after a failure. */
enum status login_complete(const struct database_options *options, struct login *out,
                           struct err *err) MUST_CHECK;
void login_release(struct login *login);

#endif
