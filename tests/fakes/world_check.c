/* SPDX-License-Identifier: PostgreSQL */
/* The oracles for a world at rest: everybody has had everything, every list is the true one, nobody
 * is where he may not be. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/hub/ground/access.h"
#include "world_internal.h"

void world_check_complete(struct world *world)
{
    for (uint32_t i = 0; i < world->n_peers; i++) {
        const struct peer *peer = &world->peers[i];
        for (unsigned p = 0; peer->is_open && !peer->close_code && p < WORLD_PLACES; p++) {
            const struct place *place = &peer->places[p];
            uint64_t head = world->heads[p % WORLD_CHANNELS];
            assert(!place->is_member || !world_has_visible(world, peer, p, place->position, head));
            assert(!place->owes_history);
            assert(!place->is_member || place->replay_end == 0 || place->replay_at == 0 ||
                   !world_has_visible(world, peer, p, place->replay_at, place->replay_end));
        }
    }
}

static const struct rule *rule_of(const struct world *world, unsigned c)
{
    return site_rule(world->site, str_of(world_channel_name(c)));
}

static void check_row(struct world *world, const struct peer *peer, unsigned c)
{
    char key[40];
    struct sql_member *row;
    snprintf(key, sizeof(key), "%s %s", world_channel_name(c), peer->self->socket);
    HASH_FIND_STR(world->sql, key, row);
    assert(row && world_is_same(row->identity, world->identities[peer->who]));
}

/* Those of one node, in the numbers of this world. */
static size_t add_members(struct world *world, const struct world *of, unsigned c,
                          struct bits *list)
{
    size_t n = 0;
    for (uint32_t i = 0; i < of->n_peers; i++) {
        const struct peer *peer = &of->peers[i];
        if (peer->is_open && peer->places[c].is_member) {
            struct str text = {peer->self->text, peer->self->len};
            uint32_t number = world_entry(world, text)->number;
            assert(!bits_has(list, number));
            bits_set(list, number, true);
            n++;
        }
    }
    return n;
}

/* The members of a channel on all nodes; and that the database has this one's, and nobody else. */
static struct bits true_list(struct world *world, unsigned c, bool is_listing)
{
    struct bits list = {0};
    size_t n = is_listing ? add_members(world, world, c, &list) : 0;
    for (uint32_t i = 0; is_listing && i < world->n_peers; i++) {
        if (world->peers[i].is_open && world->peers[i].places[c].is_member) {
            check_row(world, &world->peers[i], c);
        }
    }
    assert(world_sql_size(world, c) == n);
    for (unsigned node = 0; is_listing && world->options.bus && node < WORLD_NODES; node++) {
        const struct world *other = world_bus_world(world->options.bus, node);
        if (other && other != world) {
            add_members(world, other, c, &list);
        }
    }
    return list;
}

/* Nobody believes another state of a member than somebody else. */
static void check_states(const struct world *world, unsigned c, const struct bits *list)
{
    const struct place *first = NULL;
    for (uint32_t i = 0; i < world->n_peers; i++) {
        const struct place *place = &world->peers[i].places[c];
        if (!world->peers[i].is_open || !place->has_list || !place->states) {
            continue;
        }
        first = first ? first : place;
        for (uint32_t number = 0; number < world->n_entries; number++) {
            assert(!bits_has(list, number) || first->states[number] == place->states[number]);
        }
    }
}

void world_check_presence(struct world *world)
{
    for (unsigned c = 0; c < WORLD_CHANNELS; c++) {
        const struct rule *rule = rule_of(world, c);
        bool is_listing = rule && rule->presence;
        struct bits list = true_list(world, c, is_listing);
        for (uint32_t i = 0; is_listing && i < world->n_peers; i++) {
            struct peer *peer = &world->peers[i];
            for (size_t k = 0; peer->is_open && k < peer->n_subs; k++) {
                assert(!peer->subs[k].is_held);
            }
            const struct place *place = &peer->places[c];
            assert(!peer->is_open || !place->has_list || bits_equal(&place->list, &list));
        }
        if (is_listing) {
            check_states(world, c, &list);
        }
        bits_release(&list);
    }
}

void world_check_rights(struct world *world)
{
    for (uint32_t i = 0; i < world->n_peers; i++) {
        const struct peer *peer = &world->peers[i];
        for (unsigned p = 0; peer->is_open && p < WORLD_PLACES; p++) {
            unsigned c = p % WORLD_CHANNELS;
            const struct rule *rule = rule_of(world, c);
            enum error_code why;
            if (!peer->places[p].is_member) {
                continue;
            }
            assert(rule && access_may_join(rule, world->identities[peer->who], &why));
            if (rule->authorize) {
                char letter = rule->authorize[strlen(rule->authorize) - 1];
                assert(!world->denied[letter - 'a'][c][peer->who]);
            }
        }
    }
}

size_t world_list_size(struct world *world, unsigned worker, unsigned slot, unsigned channel)
{
    const struct place *place = &world_peer(world, worker, slot)->places[channel];
    assert(place->has_list);
    return bits_count(&place->list);
}
