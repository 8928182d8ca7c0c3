/* SPDX-License-Identifier: PostgreSQL */
/* What the process's options mean for the parts of the server: lists taken apart, periods, bursts and
 * bounds that no option names. Asked at the start, and again when options change. */
#ifndef HERALD_SETTINGS_H
#define HERALD_SETTINGS_H

#include "config/config.h"

/* What no single option shows: lists that are none, options that need others, a file for operators that
 * cannot be read. Exit code 78. */
enum status settings_check(const struct config *config, struct err *err) MUST_CHECK;
/* Their limits, and what follows from other options; the seams are the server's to fill in. Of options
 * that pass the check. */
void settings_of_net(const struct config *config, uint32_t n_workers, struct net_options *out);
void settings_of_net_release(struct net_options *options); /* what that has allocated */
void settings_of_hub(const struct config *config, struct hub_options *out);

#endif
