/* SPDX-License-Identifier: PostgreSQL */
/* A TCP proxy in front of a unix socket of Postgres that misbehaves when it is told to. It has a
 * thread of its own; all functions are for the test's thread. */
#ifndef HERALD_TESTS_FAKES_PROXY_H
#define HERALD_TESTS_FAKES_PROXY_H

#include <stdbool.h>

struct proxy;

enum proxy_trap {
    PROXY_TRAP_NONE,
    PROXY_TRAP_BEFORE, /* the request never reaches Postgres */
    PROXY_TRAP_AFTER, /* Postgres has answered, its transaction has ended, but nobody hears of it */
};

struct proxy *proxy_new(const char *socket_path);
void proxy_free(struct proxy *proxy);
int proxy_port(const struct proxy *proxy);
/* Cuts the connection whose client sends these bytes, once. */
void proxy_set_trap(struct proxy *proxy, enum proxy_trap trap, const char *marker);
unsigned proxy_n_trapped(struct proxy *proxy);
void proxy_refuse(struct proxy *proxy, bool is_refusing); /* cuts all, and new ones at once */
void proxy_stall(struct proxy *proxy);  /* the connections there are fall silent, nobody is told */
void proxy_deafen(struct proxy *proxy); /* connections to come are accepted and hear nothing */
void proxy_lie_about_pid(struct proxy *proxy); /* as poolers do */
/* What comes to an idle client is lost, as behind those that keep no session for it. */
void proxy_drop_notifications(struct proxy *proxy);

#endif
