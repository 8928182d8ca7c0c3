/* SPDX-License-Identifier: PostgreSQL */
/* Whoever asks about a transaction is answered when all that it has done was told to him. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_TXID_H
#define HERALD_CORE_HUB_SNAPSHOT_TXID_H

#include "core/hub/ground/hub_state.h"

struct txids *txids_new(void);
void txids_free(struct txids *txids); /* the store asks for no answer any more */
/* COMMAND_TXID. Later frames of the session do not wait for the answer. */
void txid_handle(struct hub *hub, struct session *session, const struct command *command);
void txids_tick(struct hub *hub);

#endif
