/* SPDX-License-Identifier: PostgreSQL */
/* A transport on which nobody hears anything. What is to be heard replaces its part: send and
 * await_drain, which it does not have, must. */
#ifndef HERALD_CLI_WHY_SILENCE_H
#define HERALD_CLI_WHY_SILENCE_H

#include "core/transport.h"

extern const struct transport silence;

#endif
