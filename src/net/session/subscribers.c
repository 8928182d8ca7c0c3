/* SPDX-License-Identifier: PostgreSQL */
/* The local subscribers of each roster: an array that is walked for every event, and the mirror of
 * it in each socket.
 *
 * An entry is removed by putting the last one into its place. Both sides hold the place of their
 * counterpart, so the moved entry's counterpart is told, and nothing is ever searched for in a
 * roster. What fan-out needs to decide (held? already seen?) stands in the roster's array, next to
 * the pointer: the walk touches no other memory for a subscriber that does not get the frame. */
#include "net/session/subscribers.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/socket/socket.h"

struct subscribers subscribers_of(const struct roster_table *table, uint32_t roster)
{
    return roster < table->n ? table->rosters[roster] : (struct subscribers){0};
}

static struct subscribers *open_roster(struct roster_table *table, uint32_t roster)
{
    if (roster >= table->n) {
        uint32_t n = table->n > 0 ? table->n : 64;
        while (n <= roster) {
            n *= 2;
        }
        table->rosters = mem_array(table->rosters, n, sizeof(*table->rosters));
        for (uint32_t i = table->n; i < n; i++) {
            table->rosters[i] = (struct subscribers){0};
        }
        table->n = n;
    }
    return &table->rosters[roster];
}

/* The array has no capacity of its own: it is the count, rounded up to a power of two. */
static void add_entry(struct entries *entries, struct entry added)
{
    uint32_t n = entries->n;
    if ((n & (n - 1)) == 0) {
        entries->list = mem_array(entries->list, n > 0 ? (size_t)n * 2 : 1, sizeof(added));
    }
    entries->list[entries->n++] = added;
}

void subscribers_add(struct roster_table *table, struct socket *socket, uint32_t roster,
                     bool is_held)
{
    assert(!subscribers_find(table, socket, roster));
    struct subscribers *subscribers = open_roster(table, roster);
    if (subscribers->n == subscribers->cap) {
        subscribers->cap = subscribers->cap > 0 ? subscribers->cap * 2 : 1;
        subscribers->list =
            mem_array(subscribers->list, subscribers->cap, sizeof(*subscribers->list));
    }
    subscribers->list[subscribers->n] = (struct subscriber){
        .socket = socket,
        .place = socket->entries.n,
        .is_held = is_held,
    };
    add_entry(&socket->entries, (struct entry){.roster = roster, .place = subscribers->n});
    subscribers->n++;
}

/* In a session's own list: it has as many entries as the hub puts it on rosters. */
static struct entry *find_entry(const struct socket *socket, uint32_t roster)
{
    const struct entries *entries = &socket->entries;
    for (uint32_t i = 0; i < entries->n; i++) {
        if (entries->list[i].roster == roster) {
            return &entries->list[i];
        }
    }
    return NULL;
}

struct subscriber *subscribers_find(const struct roster_table *table, const struct socket *socket,
                                    uint32_t roster)
{
    const struct entry *entry = find_entry(socket, roster);
    return entry ? &table->rosters[roster].list[entry->place] : NULL;
}

static void remove_subscriber(struct subscribers *subscribers, uint32_t place)
{
    struct subscriber *last = &subscribers->list[--subscribers->n];
    subscribers->list[place] = *last;
    last->socket->entries.list[last->place].place = place;
    if (subscribers->n == 0) {
        free(subscribers->list);
        *subscribers = (struct subscribers){0};
    } else if (subscribers->n < subscribers->cap / 4) {
        subscribers->cap /= 2;
        subscribers->list =
            mem_array(subscribers->list, subscribers->cap, sizeof(*subscribers->list));
    }
}

static void remove_entry(struct roster_table *table, struct socket *socket, uint32_t place)
{
    struct entries *entries = &socket->entries;
    struct entry last = entries->list[--entries->n];
    if (place < entries->n) {
        entries->list[place] = last;
        table->rosters[last.roster].list[last.place].place = place;
    }
    if (entries->n == 0) {
        free(entries->list);
        entries->list = NULL;
    }
}

bool subscribers_remove(struct roster_table *table, struct socket *socket, uint32_t roster)
{
    const struct entry *entry = find_entry(socket, roster);
    if (!entry) {
        return false;
    }
    uint32_t place = (uint32_t)(entry - socket->entries.list);
    remove_subscriber(&table->rosters[roster], entry->place);
    remove_entry(table, socket, place);
    return true;
}

void subscribers_remove_all(struct roster_table *table, struct socket *socket)
{
    while (socket->entries.n > 0) {
        struct entry last = socket->entries.list[socket->entries.n - 1];
        remove_subscriber(&table->rosters[last.roster], last.place);
        remove_entry(table, socket, socket->entries.n - 1);
    }
}

void subscribers_release(struct roster_table *table)
{
    for (uint32_t i = 0; i < table->n; i++) {
        free(table->rosters[i].list);
    }
    free(table->rosters);
    *table = (struct roster_table){0};
}
