/* SPDX-License-Identifier: PostgreSQL */
/* What must always hold, and is checked at every answer: none comes from inside the call that asks,
 * none comes twice, a reason is there if and only if something was refused, and it is UTF-8. */
#include "asker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* Their bodies; all return the payload then. */
static const struct {
    const char *name, *body;
} functions[] = {
    {"echo", ""},
    {"describe", "RETURN json_build_object('action', action, 'channel', channel, 'client', client, "
                 "'options', options, 'payload', payload);"},
    {"nothing", "RETURN NULL;"},
    {"note", "INSERT INTO public.noted (what) VALUES (payload #>> '{}');"},
    {"sleep", "PERFORM pg_sleep((payload #>> '{}')::float8);"
              " INSERT INTO public.noted (what) VALUES (payload #>> '{}');"},
    {"stubborn", "BEGIN PERFORM pg_sleep(20);"
                 " EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(20); END;"},
    {"refuse", "RAISE EXCEPTION '%', payload #>> '{}';"},
    {"divide", "PERFORM 1 / (payload #>> '{}')::int;"},
    {"run", "EXECUTE payload #>> '{}';"},
    {"look", "EXECUTE payload #>> '{}' INTO payload;"},
    {"warn", "FOR i IN 1 .. 1000 LOOP RAISE WARNING '% %', random(), i; END LOOP;"},
};

static void create_functions(struct bed *bed)
{
    bed_sql(bed, "CREATE TABLE public.noted (id serial, what text)");
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        bed_sql(bed,
                "CREATE FUNCTION public.%s(action text, channel text, client json, options json,"
                " payload json) RETURNS json LANGUAGE plpgsql SECURITY DEFINER AS"
                " $f$ BEGIN %s RETURN payload; END $f$",
                functions[i].name, functions[i].body);
    }
    bed_sql(bed,
            "CREATE FUNCTION public.may(channel text, identity json, action text) RETURNS boolean"
            " LANGUAGE sql SECURITY DEFINER AS $f$ SELECT CASE WHEN identity IS NULL THEN NULL ELSE"
            " channel = 'room' AND action = 'join' AND identity ->> 'row_id' = '34' END $f$");
    bed_sql(bed, "CREATE FUNCTION public.token(token text) RETURNS json"
                 " LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN IF token LIKE 'raise %%' THEN"
                 " RAISE EXCEPTION '%%', token; END IF; RETURN token; END $f$");
}

struct asker *asker_new(struct bed *bed, size_t cap)
{
    struct asker *asker = mem_zalloc(sizeof(*asker));
    asker->bed = bed;
    asker->cap = cap;
    asker->all = mem_array(NULL, cap, sizeof(*asker->all));
    create_functions(bed);
    return asker;
}

void asker_free(struct asker *asker)
{
    if (!asker) {
        return;
    }
    for (size_t i = 0; i < asker->n; i++) {
        identity_unref(asker->all[i].identity);
    }
    free(asker->all);
    free(asker);
}

static struct asked *begin(struct asker *asker)
{
    assert(asker->n < asker->cap);
    struct asked *asked = &asker->all[asker->n++];
    *asked = (struct asked){.asker = asker, .asked_ms = clock_ms()};
    return asked;
}

static void note_answer(struct asked *asked)
{
    assert(asked->rank == 0);
    asked->rank = ++asked->asker->n_answered;
    asked->answered_ms = clock_ms();
}

static void on_verdict(void *arg, const struct store_verdict *verdict)
{
    struct asked *asked = arg;
    note_answer(asked);
    asked->result = verdict->result;
    asked->is_allowed = verdict->is_allowed;
    asked->has_payload = verdict->payload.ptr;
    asked->has_reason = verdict->reason;
    snprintf(asked->payload, sizeof(asked->payload), "%.*s", (int)verdict->payload.len,
             verdict->payload.ptr ? verdict->payload.ptr : "");
    snprintf(asked->reason, sizeof(asked->reason), "%s", verdict->reason ? verdict->reason : "");
    assert((verdict->result == STORE_VERDICT_REFUSED) == (verdict->reason != NULL));
    assert(str_is_utf8(str_of(asked->reason)));
    assert(verdict->result == STORE_VERDICT_DONE ||
           (!verdict->payload.ptr && !verdict->is_allowed));
    asked->asker->n_done += verdict->result == STORE_VERDICT_DONE;
    asked->asker->n_refused += verdict->result == STORE_VERDICT_REFUSED;
    asked->asker->n_failed += verdict->result == STORE_VERDICT_FAILED;
}

static void on_token(void *arg, const struct store_token *token)
{
    struct asked *asked = arg;
    note_answer(asked);
    asked->is_accepted = token->identity;
    asked->identity = identity_ref(token->identity);
    asked->error = token->error;
}

static struct asked *call(struct asker *asker, const struct store_call *call)
{
    struct asked *asked = begin(asker);
    asker->bed->store.functions.call(asker->bed->store.functions.ctx, call, on_verdict, asked);
    assert(asked->rank == 0);
    return asked;
}

struct asked *asker_call(struct asker *asker, const char *function, uint32_t slot,
                         const char *payload)
{
    struct store_call on_action = {
        .kind = STORE_CALL_ON_ACTION,
        .function = str_of(function),
        .queue = {0, slot, slot > 0},
        .action = STR("message"),
        .channel = STR("room"),
        .client = STR("{\"socketId\":\"s\"}"),
        .options = STR("{\"channel\":\"room\"}"),
        .payload = str_of(payload),
    };
    return call(asker, &on_action);
}

struct asked *asker_authorize(struct asker *asker, const char *function, const char *identity)
{
    struct store_call authorize = {
        .kind = STORE_CALL_AUTHORIZE,
        .function = str_of(function),
        .action = STR("join"),
        .channel = STR("room"),
        .client = str_of(identity),
    };
    return call(asker, &authorize);
}

struct asked *asker_token(struct asker *asker, const char *token)
{
    struct asked *asked = begin(asker);
    asker->bed->store.functions.check_token(asker->bed->store.functions.ctx, str_of(token),
                                            on_token, asked);
    assert(asked->rank == 0);
    return asked;
}

void asker_wait(struct asker *asker)
{
    bed_wait(asker->bed, &asker->n_answered, asker->n);
}
