/* SPDX-License-Identifier: PostgreSQL */
/* The queue between two threads: many may put, one takes everything that is there. Items are
 * fixed-size values that are copied in; order is kept. The waker is the receiver's event loop
 * (loop_waker). */
#ifndef HERALD_BASE_MAILBOX_H
#define HERALD_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct mailbox;

struct mailbox *mailbox_new(size_t item_size);
void mailbox_free(struct mailbox *box); /* nobody may use it any more; items are dropped */
/* Copies n items in. True if the box was empty before: only then need the receiver be woken. */
bool mailbox_put(struct mailbox *box, const void *items, size_t n);
/* Hands all waiting items to the receiver. The array belongs to the box and is valid until the next
 * take. */
size_t mailbox_take(struct mailbox *box, void **items);
size_t mailbox_bytes(struct mailbox *box); /* memory that its arrays take now */

#endif
