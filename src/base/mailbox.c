/* SPDX-License-Identifier: PostgreSQL */
/* The queue between two threads: a mutex and two arrays that change places.
 *
 * Senders append to one array; the receiver takes the whole of it and gives back the one that it
 * had taken before. So the lock is held for a memcpy or for a swap, never while an item is worked
 * on, and in a steady state nothing is allocated. A ring without locks would save some tens of
 * nanoseconds per put, but puts carry a whole turn's items at once and the wake-up behind them is a
 * system call: the lock is not what costs.
 *
 * A burst leaves big arrays behind. An array over KEEP_BYTES that was filled to less than a quarter
 * when it was last taken is freed instead of given back: under steady load nothing is freed, and
 * after a burst the memory is gone after a few takes. */
#include "base/mailbox.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_ITEMS = 16, KEEP_BYTES = 65536 };

struct items {
    char *data;
    size_t n;
    size_t cap;
};

struct mailbox {
    pthread_mutex_t lock;
    size_t item_size;
    struct items filling; /* under the lock */
    struct items
        taken; /* the receiver's own; only its capacity is looked at by others, under the lock */
};

struct mailbox *mailbox_new(size_t item_size)
{
    struct mailbox *box = mem_zalloc(sizeof *box);
    pthread_mutex_init(&box->lock, NULL);
    box->item_size = item_size;
    return box;
}

void mailbox_free(struct mailbox *box)
{
    if (!box)
        return;
    pthread_mutex_destroy(&box->lock);
    free(box->filling.data);
    free(box->taken.data);
    free(box);
}

static void items_grow(struct items *items, size_t item_size, size_t more)
{
    if (more <= items->cap - items->n)
        return;
    size_t cap = items->cap > 0 ? items->cap : FIRST_ITEMS;
    while (cap - items->n < more)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    items->data = mem_array(items->data, cap, item_size);
    items->cap = cap;
}

bool mailbox_put(struct mailbox *box, const void *items, size_t n)
{
    if (n == 0)
        return false;
    pthread_mutex_lock(&box->lock);
    struct items *filling = &box->filling;
    bool was_empty = filling->n == 0;
    items_grow(filling, box->item_size, n);
    memcpy(filling->data + filling->n * box->item_size, items, n * box->item_size);
    filling->n += n;
    pthread_mutex_unlock(&box->lock);
    return was_empty;
}

size_t mailbox_take(struct mailbox *box, void **items)
{
    char *surplus = NULL;
    pthread_mutex_lock(&box->lock);
    if (box->filling.n == 0) { /* a receiver may look as often as he likes */
        pthread_mutex_unlock(&box->lock);
        return 0;
    }
    struct items back = box->taken;
    if (back.cap * box->item_size > KEEP_BYTES && back.n < back.cap / 4) {
        surplus = back.data;
        back = (struct items){0};
    }
    back.n = 0;
    box->taken = box->filling;
    box->filling = back;
    *items = box->taken.data;
    size_t n = box->taken.n;
    pthread_mutex_unlock(&box->lock);
    free(surplus);
    return n;
}

size_t mailbox_bytes(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    size_t bytes = (box->filling.cap + box->taken.cap) * box->item_size;
    pthread_mutex_unlock(&box->lock);
    return bytes;
}
