/* SPDX-License-Identifier: PostgreSQL */
/* The fake database's judges: a row is shown to the one of table 12 who owns it. Questions wait until
 * the test says how they are answered. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world_internal.h"

static char **copy_texts(size_t n)
{
    return mem_array(NULL, n + 1, sizeof(char *));
}

void world_fake_judge(void *ctx, const struct store_case *asked, store_judge_fn *done, void *arg)
{
    struct world *world = ctx;
    assert(asked->n_parties > 0 && asked->n_images > 0);
    assert(str_equals(asked->visible, STR("\"policy\"")));
    world->judgings = world_grow(world->judgings, world->n_judgings, &world->cap_judgings,
                                 sizeof(*world->judgings));
    struct judging *judging = &world->judgings[world->n_judgings++];
    *judging = (struct judging){.rank = asked->rank,
                                .n_parties = asked->n_parties,
                                .n_images = asked->n_images,
                                .claims = copy_texts(asked->n_parties),
                                .images = copy_texts(asked->n_images),
                                .done = done,
                                .arg = arg};
    for (size_t i = 0; i < asked->n_parties; i++) {
        assert(str_equals(asked->parties[i].role, STR("anybody")));
        judging->claims[i] = str_dup(asked->parties[i].claims);
    }
    for (size_t i = 0; i < asked->n_images; i++) {
        judging->images[i] = str_dup(asked->images[i]);
    }
}

size_t world_n_judging(const struct world *world)
{
    return world->n_judgings;
}

size_t world_n_parties(const struct world *world, size_t nth)
{
    return world->judgings[nth].n_parties;
}

size_t world_n_images(const struct world *world, size_t nth)
{
    return world->judgings[nth].n_images;
}

size_t world_find_judging(const struct world *world, const char *row_id)
{
    char part[32];
    size_t nth = 0;
    snprintf(part, sizeof(part), "\"row_id\":\"%s\"", row_id);
    while (nth < world->n_judgings &&
           (world->judgings[nth].n_parties > 1 || !strstr(world->judgings[nth].claims[0], part))) {
        nth++;
    }
    return nth;
}

enum store_judge_rank world_rank(const struct world *world, size_t nth)
{
    return world->judgings[nth].rank;
}

static void judging_release(struct judging *judging)
{
    for (size_t i = 0; i < judging->n_parties; i++) {
        free(judging->claims[i]);
    }
    for (size_t i = 0; i < judging->n_images; i++) {
        free(judging->images[i]);
    }
    free(judging->claims);
    free(judging->images);
}

/* Whole texts: what the hub asks with is what the database would get. */
static char letter_of(const char *claims, const char *image)
{
    char owner[32], expected[64];
    const char *row_id = strstr(claims, "\"row_id\":\"");
    if (!row_id || !strstr(claims, "\"dbo_id\":12}")) {
        return 'f';
    }
    snprintf(owner, sizeof(owner), "%.2s", row_id + strlen("\"row_id\":\""));
    snprintf(expected, sizeof(expected), ",\"owner\":\"%s\"}", owner);
    return strstr(image, expected) ? 't' : 'f';
}

static void judging_answer(struct judging *judging, bool is_unclear, uint32_t took_ms)
{
    struct store_judgement *judgements = mem_array(NULL, judging->n_parties, sizeof(*judgements));
    char *letters = mem_alloc(judging->n_parties * judging->n_images);
    for (size_t i = 0; i < judging->n_parties; i++) {
        char *own = letters + i * judging->n_images;
        for (size_t k = 0; k < judging->n_images; k++) {
            own[k] = is_unclear ? 'u' : letter_of(judging->claims[i], judging->images[k]);
        }
        judgements[i] = (struct store_judgement){{own, judging->n_images}, is_unclear, took_ms};
    }
    judging->done(judging->arg, &(struct store_verdicts){.judgements = judgements});
    free(letters);
    free(judgements);
}

bool world_judge(struct world *world, size_t nth, enum world_judging how)
{
    if (nth >= world->n_judgings) {
        return false;
    }
    struct judging judging = world->judgings[nth];
    memmove(world->judgings + nth, world->judgings + nth + 1,
            (--world->n_judgings - nth) * sizeof(judging));
    if (how == WORLD_FAILS || how == WORLD_LATE) {
        judging.done(judging.arg,
                     &(struct store_verdicts){.is_failed = true, .is_late = how == WORLD_LATE});
    } else {
        judging_answer(&judging, how == WORLD_UNCLEAR, how == WORLD_SLOWLY ? 1000 : 1);
    }
    world_end_step(world);
    judging_release(&judging);
    return true;
}

void world_doubt(struct world *world)
{
    world->changes[world->n_log - 1].is_doubtful = true;
}

void world_release_judgings(struct world *world)
{
    assert(world->n_judgings == 0);
    free(world->judgings);
}
