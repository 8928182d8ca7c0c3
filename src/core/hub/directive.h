/* SPDX-License-Identifier: PostgreSQL */
/* What an operator told live servers in SQL (core/directive.h). */
#ifndef HERALD_CORE_HUB_DIRECTIVE_H
#define HERALD_CORE_HUB_DIRECTIVE_H

#include "core/directive.h"
#include "core/hub/ground/hub_state.h"

void directive_take(struct hub *hub, const struct directive *directive); /* of the database */
void directive_hear(struct hub *hub, struct str body); /* of another node, which was faster */
/* Versions begin anew: what was heard is about others. */
void directive_forget_heard(struct hub *hub);

#endif
