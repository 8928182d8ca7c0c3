/* SPDX-License-Identifier: PostgreSQL */
/* What an operator told live servers in SQL (core/directive.h). */
#ifndef HERALD_CORE_HUB_DIRECTIVE_H
#define HERALD_CORE_HUB_DIRECTIVE_H

#include "core/directive.h"
#include "core/hub/ground/hub_state.h"

void directive_carry_out(struct hub *hub, const struct directive *directive);

#endif
