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

#define BEGIN_HOOK(name)                                                                           \
    "CREATE FUNCTION public." name                                                                 \
    "(action text, channel text, client json, options json, payload json) RETURNS json"            \
    " LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN "
#define END_HOOK " RETURN payload; END $f$; "

static const char functions[] = "CREATE TABLE public.noted (id serial, what text);" BEGIN_HOOK(
    "echo") END_HOOK
    /* What it was given, for comparison. */
    BEGIN_HOOK(
        "describe") "RETURN json_build_object('action', action, 'channel', channel, 'client', "
                    "client, 'options', options, 'payload', payload);" END_HOOK
                        BEGIN_HOOK("nothing") "RETURN NULL;" END_HOOK BEGIN_HOOK(
                            "note") "INSERT INTO public.noted (what) VALUES (payload #>> "
                                    "'{}');" END_HOOK
                                        /* Sleeps so many seconds. */
                                        BEGIN_HOOK(
                                            "sleep") "PERFORM pg_sleep((payload #>> '{}')::float8);"
                                                     "INSERT INTO public.noted (what) VALUES "
                                                     "(payload #>> '{}');" END_HOOK BEGIN_HOOK("sle"
                                                                                               "ep"
                                                                                               "2") "PERFORM pg_sleep((payload #>> '{}')::float8);" END_HOOK BEGIN_HOOK("sleep3") "PERFORM pg_sleep((payload #>> '{}')::float8);" END_HOOK
                                                         BEGIN_HOOK(
                                                             "stubborn") "BEGIN PERFORM "
                                                                         "pg_sleep(20); EXCEPTION "
                                                                         "WHEN query_canceled THEN "
                                                                         "PERFORM pg_sleep(20); "
                                                                         "END;" END_HOOK BEGIN_HOOK("refuse") "RAISE EXCEPTION '%', payload #>> '{}';" END_HOOK
                                                                             BEGIN_HOOK("divide") "PERFORM 1 / (payload #>> '{}')::int;" END_HOOK
                                                                                 /* Executes it. */
                                                                                 BEGIN_HOOK("run") "EXECUTE payload #>> '{}';" END_HOOK
                                                                                     BEGIN_HOOK("lo"
                                                                                                "o"
                                                                                                "k") "EXECUTE payload #>> '{}' INTO payload;" END_HOOK BEGIN_HOOK(
                                                                                         "warn") "F"
                                                                                                 "O"
                                                                                                 "R"
                                                                                                 " "
                                                                                                 "i"
                                                                                                 " "
                                                                                                 "I"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "1"
                                                                                                 " "
                                                                                                 "."
                                                                                                 "."
                                                                                                 " "
                                                                                                 "1"
                                                                                                 "0"
                                                                                                 "0"
                                                                                                 "0"
                                                                                                 " "
                                                                                                 "L"
                                                                                                 "O"
                                                                                                 "O"
                                                                                                 "P"
                                                                                                 " "
                                                                                                 "R"
                                                                                                 "A"
                                                                                                 "I"
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "W"
                                                                                                 "A"
                                                                                                 "R"
                                                                                                 "N"
                                                                                                 "I"
                                                                                                 "N"
                                                                                                 "G"
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "%"
                                                                                                 " "
                                                                                                 "%"
                                                                                                 "'"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "r"
                                                                                                 "a"
                                                                                                 "n"
                                                                                                 "d"
                                                                                                 "o"
                                                                                                 "m"
                                                                                                 "("
                                                                                                 ")"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "i"
                                                                                                 ";"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 "D"
                                                                                                 " "
                                                                                                 "L"
                                                                                                 "O"
                                                                                                 "O"
                                                                                                 "P"
                                                                                                 ";" END_HOOK
                                                                                                 "C"
                                                                                                 "R"
                                                                                                 "E"
                                                                                                 "A"
                                                                                                 "T"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "F"
                                                                                                 "U"
                                                                                                 "N"
                                                                                                 "C"
                                                                                                 "T"
                                                                                                 "I"
                                                                                                 "O"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "u"
                                                                                                 "b"
                                                                                                 "l"
                                                                                                 "i"
                                                                                                 "c"
                                                                                                 "."
                                                                                                 "m"
                                                                                                 "a"
                                                                                                 "y"
                                                                                                 "("
                                                                                                 "c"
                                                                                                 "h"
                                                                                                 "a"
                                                                                                 "n"
                                                                                                 "n"
                                                                                                 "e"
                                                                                                 "l"
                                                                                                 " "
                                                                                                 "t"
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "t"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "i"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "t"
                                                                                                 "y"
                                                                                                 " "
                                                                                                 "j"
                                                                                                 "s"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "a"
                                                                                                 "c"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "t"
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "t"
                                                                                                 ")"
                                                                                                 " "
                                                                                                 "R"
                                                                                                 "E"
                                                                                                 "T"
                                                                                                 "U"
                                                                                                 "R"
                                                                                                 "N"
                                                                                                 "S"
                                                                                                 " "
                                                                                                 "b"
                                                                                                 "o"
                                                                                                 "o"
                                                                                                 "l"
                                                                                                 "e"
                                                                                                 "a"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "L"
                                                                                                 "A"
                                                                                                 "N"
                                                                                                 "G"
                                                                                                 "U"
                                                                                                 "A"
                                                                                                 "G"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "s"
                                                                                                 "q"
                                                                                                 "l"
                                                                                                 " "
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 "C"
                                                                                                 "U"
                                                                                                 "R"
                                                                                                 "I"
                                                                                                 "T"
                                                                                                 "Y"
                                                                                                 " "
                                                                                                 "D"
                                                                                                 "E"
                                                                                                 "F"
                                                                                                 "I"
                                                                                                 "N"
                                                                                                 "E"
                                                                                                 "R"
                                                                                                 " "
                                                                                                 "A"
                                                                                                 "S"
                                                                                                 " "
                                                                                                 "$"
                                                                                                 "f"
                                                                                                 "$"
                                                                                                 " "
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 "L"
                                                                                                 "E"
                                                                                                 "C"
                                                                                                 "T"
                                                                                                 " "
                                                                                                 "C"
                                                                                                 "A"
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "W"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "i"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "t"
                                                                                                 "y"
                                                                                                 " "
                                                                                                 "I"
                                                                                                 "S"
                                                                                                 " "
                                                                                                 "N"
                                                                                                 "U"
                                                                                                 "L"
                                                                                                 "L"
                                                                                                 " "
                                                                                                 "T"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "N"
                                                                                                 "U"
                                                                                                 "L"
                                                                                                 "L"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "L"
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "c"
                                                                                                 "h"
                                                                                                 "a"
                                                                                                 "n"
                                                                                                 "n"
                                                                                                 "e"
                                                                                                 "l"
                                                                                                 " "
                                                                                                 "="
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "r"
                                                                                                 "o"
                                                                                                 "o"
                                                                                                 "m"
                                                                                                 "'"
                                                                                                 " "
                                                                                                 "A"
                                                                                                 "N"
                                                                                                 "D"
                                                                                                 " "
                                                                                                 "a"
                                                                                                 "c"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "="
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "j"
                                                                                                 "o"
                                                                                                 "i"
                                                                                                 "n"
                                                                                                 "'"
                                                                                                 " "
                                                                                                 "A"
                                                                                                 "N"
                                                                                                 "D"
                                                                                                 " "
                                                                                                 "i"
                                                                                                 "d"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 "t"
                                                                                                 "i"
                                                                                                 "t"
                                                                                                 "y"
                                                                                                 " "
                                                                                                 "-"
                                                                                                 ">"
                                                                                                 ">"
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "r"
                                                                                                 "o"
                                                                                                 "w"
                                                                                                 "_"
                                                                                                 "i"
                                                                                                 "d"
                                                                                                 "'"
                                                                                                 " "
                                                                                                 "="
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "3"
                                                                                                 "4"
                                                                                                 "'"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 "D"
                                                                                                 " "
                                                                                                 "$"
                                                                                                 "f"
                                                                                                 "$"
                                                                                                 ";"
                                                                                                 "C"
                                                                                                 "R"
                                                                                                 "E"
                                                                                                 "A"
                                                                                                 "T"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "F"
                                                                                                 "U"
                                                                                                 "N"
                                                                                                 "C"
                                                                                                 "T"
                                                                                                 "I"
                                                                                                 "O"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "u"
                                                                                                 "b"
                                                                                                 "l"
                                                                                                 "i"
                                                                                                 "c"
                                                                                                 "."
                                                                                                 "t"
                                                                                                 "o"
                                                                                                 "k"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 "("
                                                                                                 "t"
                                                                                                 "o"
                                                                                                 "k"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "t"
                                                                                                 "e"
                                                                                                 "x"
                                                                                                 "t"
                                                                                                 ")"
                                                                                                 " "
                                                                                                 "R"
                                                                                                 "E"
                                                                                                 "T"
                                                                                                 "U"
                                                                                                 "R"
                                                                                                 "N"
                                                                                                 "S"
                                                                                                 " "
                                                                                                 "j"
                                                                                                 "s"
                                                                                                 "o"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "L"
                                                                                                 "A"
                                                                                                 "N"
                                                                                                 "G"
                                                                                                 "U"
                                                                                                 "A"
                                                                                                 "G"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "l"
                                                                                                 "p"
                                                                                                 "g"
                                                                                                 "s"
                                                                                                 "q"
                                                                                                 "l"
                                                                                                 " "
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 "C"
                                                                                                 "U"
                                                                                                 "R"
                                                                                                 "I"
                                                                                                 "T"
                                                                                                 "Y"
                                                                                                 " "
                                                                                                 "D"
                                                                                                 "E"
                                                                                                 "F"
                                                                                                 "I"
                                                                                                 "N"
                                                                                                 "E"
                                                                                                 "R"
                                                                                                 " "
                                                                                                 "A"
                                                                                                 "S"
                                                                                                 " "
                                                                                                 "$"
                                                                                                 "f"
                                                                                                 "$"
                                                                                                 " "
                                                                                                 "B"
                                                                                                 "E"
                                                                                                 "G"
                                                                                                 "I"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "I"
                                                                                                 "F"
                                                                                                 " "
                                                                                                 "t"
                                                                                                 "o"
                                                                                                 "k"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 " "
                                                                                                 "L"
                                                                                                 "I"
                                                                                                 "K"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "r"
                                                                                                 "a"
                                                                                                 "i"
                                                                                                 "s"
                                                                                                 "e"
                                                                                                 " "
                                                                                                 "%"
                                                                                                 "'"
                                                                                                 " "
                                                                                                 "T"
                                                                                                 "H"
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "R"
                                                                                                 "A"
                                                                                                 "I"
                                                                                                 "S"
                                                                                                 "E"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "X"
                                                                                                 "C"
                                                                                                 "E"
                                                                                                 "P"
                                                                                                 "T"
                                                                                                 "I"
                                                                                                 "O"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "'"
                                                                                                 "%"
                                                                                                 "'"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "t"
                                                                                                 "o"
                                                                                                 "k"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 ";"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 "D"
                                                                                                 " "
                                                                                                 "I"
                                                                                                 "F"
                                                                                                 ";"
                                                                                                 " "
                                                                                                 "R"
                                                                                                 "E"
                                                                                                 "T"
                                                                                                 "U"
                                                                                                 "R"
                                                                                                 "N"
                                                                                                 " "
                                                                                                 "t"
                                                                                                 "o"
                                                                                                 "k"
                                                                                                 "e"
                                                                                                 "n"
                                                                                                 ";"
                                                                                                 " "
                                                                                                 "E"
                                                                                                 "N"
                                                                                                 "D"
                                                                                                 " "
                                                                                                 "$"
                                                                                                 "f"
                                                                                                 "$"
                                                                                                 ";";

struct asker *asker_new(struct bed *bed, size_t cap)
{
    struct asker *asker = mem_zalloc(sizeof(*asker));
    asker->bed = bed;
    asker->cap = cap;
    asker->all = mem_array(NULL, cap, sizeof(*asker->all));
    bed_sql(bed, "SELECT"); /* connects */
    PGresult *result = PQexec(bed->admin, functions);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fputs(PQerrorMessage(bed->admin), stderr);
        abort();
    }
    PQclear(result);
    return asker;
}

void asker_free(struct asker *asker)
{
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

static void on_called(void *arg, const struct store_called *called)
{
    struct asked *asked = arg;
    note_answer(asked);
    asked->result = called->result;
    asked->is_allowed = called->is_allowed;
    asked->has_payload = called->payload.ptr;
    asked->has_reason = called->reason;
    snprintf(asked->payload, sizeof(asked->payload), "%.*s", (int)called->payload.len,
             called->payload.ptr ? called->payload.ptr : "");
    snprintf(asked->reason, sizeof(asked->reason), "%s", called->reason ? called->reason : "");
    assert((called->result == STORE_CALL_REFUSED) == (called->reason != NULL));
    assert(str_is_utf8(str_of(asked->reason)));
    assert(called->result == STORE_CALL_DONE || (!called->payload.ptr && !called->is_allowed));
    asked->asker->n_done += called->result == STORE_CALL_DONE;
    asked->asker->n_refused += called->result == STORE_CALL_REFUSED;
    asked->asker->n_failed += called->result == STORE_CALL_FAILED;
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
    asker->bed->store.call(asker->bed->store.ctx, call, on_called, asked);
    assert(asked->rank == 0);
    return asked;
}

struct asked *asker_hook(struct asker *asker, const char *function, uint32_t slot,
                         const char *payload)
{
    struct store_call hook = {
        .kind = STORE_CALL_HOOK,
        .function = str_of(function),
        .order = {0, slot, slot > 0},
        .action = STR("message"),
        .channel = STR("room"),
        .client = STR("{\"socketId\":\"s\"}"),
        .options = STR("{\"channel\":\"room\"}"),
        .payload = str_of(payload),
    };
    return call(asker, &hook);
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
    asker->bed->store.check_token(asker->bed->store.ctx, str_of(token), on_token, asked);
    assert(asked->rank == 0);
    return asked;
}

void asker_wait(struct asker *asker)
{
    bed_wait(asker->bed, &asker->n_answered, asker->n);
}
