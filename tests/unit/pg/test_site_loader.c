/* SPDX-License-Identifier: PostgreSQL */
/* The JSON of herald.site(): taken over whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/site_loader.h"

#define FLAGS                                                                                      \
    "\"anonymous_clients\":true,\"public_messaging\":false,\"public_auth\":true,"                  \
    "\"private_messaging\":false,\"private_auth\":true,\"auth_channel\":false,\"presence\":true"
#define NO_FUNCTIONS                                                                               \
    "\"authorize\":null,\"on_join\":null,\"on_message\":null,\"on_leave\":null,\"on_connect\":"    \
    "null,"                                                                                        \
    "\"on_disconnect\":null"
#define FUNCTIONS                                                                                  \
    "\"authorize\":\"a\",\"on_join\":\"b\",\"on_message\":\"public.c(text)\",\"on_leave\":\"d\","  \
    "\"on_connect\":\"e\",\"on_disconnect\":\"f\""
#define RATE "\"messages_per_minute\":20"
#define RULE "{\"channel\":\"room/1\"," FLAGS "," NO_FUNCTIONS ",\"message_history\":7," RATE "}"
#define SITE "\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[],\"watches\":[]"

static struct site_directives directives;

static struct site *load(const char *json)
{
    site_directives_release(&directives);
    return site_load(str_of(json), &directives);
}

static void test_a_whole_site(void **state)
{
    (void)state;
    struct site *site =
        load("{\"version\":12,\"enabled\":true,\"canonicals\":[\"a\",\"b\"],\"rules\":[" RULE
             ",{\"channel\":\"*\"," FLAGS "," FUNCTIONS ",\"message_history\":99999999999," RATE
             "}],\"watches\":[{\"key\":\"k\",\"shape\":\"-9\","
             "\"changed\":\"7\","
             "\"snapshot\":true,\"max_snapshot\":7,\"restated\":[\"8\"]}],\"directives\":[],"
             "\"news\":[],\"new\":[1],\"rereads\":{\"at\":50,\"since\":20,\"list\":["
             "{\"id\":30,\"shape\":\"-9\",\"dbo_id\":null,\"row_id\":null},"
             "{\"id\":40,\"shape\":null,\"dbo_id\":12,\"row_id\":\"34\"}]}}");
    assert_non_null(site);
    assert_int_equal(site->version, 12);
    assert_true(site->is_enabled);
    assert_int_equal(site->n_canonicals, 2);
    assert_string_equal(site->canonicals[1], "b");
    assert_int_equal(site->n_rules, 2);
    const struct rule *rule = &site->rules[0];
    assert_string_equal(rule->pattern, "room/1");
    assert_true(rule->anonymous_clients && rule->public_auth && rule->private_auth &&
                rule->presence);
    assert_false(rule->public_messaging || rule->private_messaging || rule->auth_channel);
    assert_int_equal(rule->message_history, 7);
    assert_int_equal(rule->messages_per_minute, 20);
    assert_null(rule->authorize);
    assert_null(rule->on_disconnect);
    rule = &site->rules[1];
    assert_int_equal(rule->message_history, UINT32_MAX);
    assert_string_equal(rule->authorize, "a");
    assert_string_equal(rule->on_join, "b");
    assert_string_equal(rule->on_message, "public.c(text)");
    assert_string_equal(rule->on_leave, "d");
    assert_string_equal(rule->on_connect, "e");
    assert_string_equal(rule->on_disconnect, "f");
    assert_int_equal(directives.n, 0);
    assert_int_equal(site->n_watches, 1);
    const struct watch *watch = &site->watches[0];
    assert_string_equal(watch->key, "k");
    assert_true(watch->has_snapshot && watch->number == -9 && watch->max_snapshot == 7);
    assert_true(watch->n_restated == 1 && watch->restated[0] == 8 && !watch->shape);
    assert_true(site->has_rereads && site->n_rereads == 2);
    assert_true(site->rereads_at == 50 && site->rereads_since == 20);
    assert_true(site->rereads[0].of_table && site->rereads[0].number == -9);
    assert_true(!site->rereads[1].of_table && site->rereads[1].dbo_id == 12);
    assert_true(site->rereads[0].id == 30 && site->rereads[1].id == 40);
    assert_string_equal(site->rereads[1].row_id, "34");
    site_free(site);
}

static void test_an_empty_site(void **state)
{
    (void)state;
    struct site *site = load("{\"version\":0,\"enabled\":false,\"canonicals\":[],\"rules\":[],"
                             "\"watches\":[],\"directives\":[],\"news\":[\"a\"]}");
    assert_non_null(site);
    assert_false(site->is_enabled);
    assert_int_equal(site->n_rules, 0);
    site_free(site);
}

static void test_directives(void **state)
{
    (void)state;
    struct site *site = load(
        "{" SITE
        ",\"directives\":[{\"version\":6,\"kind\":\"disconnect\",\"dbo_id\":-12,\"row_id\":\"34\","
        "\"socket_id\":\"s\",\"channel\":\"room\",\"reason\":\"no more\"},"
        "{\"version\":6,\"kind\":\"disconnect\",\"dbo_id\":null,\"row_id\":null,\"socket_id\":"
        "\"s\","
        "\"channel\":null,\"reason\":null},{\"version\":6,\"kind\":\"forget\",\"channel\":null}],"
        "\"news\":[\"rotate_canonical()\"]}");
    assert_non_null(site);
    assert_int_equal(directives.n, 3);
    const struct directive *directive = &directives.items[0];
    assert_int_equal(directive->kind, DIRECTIVE_DISCONNECT);
    assert_true(directive->has_dbo_id);
    assert_int_equal(directive->dbo_id, -12);
    assert_int_equal(directive->version, 6);
    assert_true(str_equals(directive->row_id, STR("34")) &&
                str_equals(directive->channel, STR("room")));
    assert_string_equal(directive->reason, "no more");
    directive = &directives.items[1];
    assert_false(directive->has_dbo_id);
    assert_true(str_equals(directive->socket_id, STR("s")));
    assert_true(!directive->row_id.ptr && !directive->channel.ptr && !directive->reason);
    directive = &directives.items[2];
    assert_int_equal(directive->kind, DIRECTIVE_FORGET);
    assert_null(directive->channel.ptr);
    site_free(site);
    site_directives_release(&directives);
}

static void test_what_is_no_site(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"enabled\":true,\"canonicals\":[],\"rules\":[],\"directives\":[]}",
        "{\"version\":-1,\"enabled\":true,\"canonicals\":[],\"rules\":[],\"directives\":[]}",
        "{\"version\":1.5,\"enabled\":true,\"canonicals\":[],\"rules\":[],\"directives\":[]}",
        "{\"version\":1,\"enabled\":1,\"canonicals\":[],\"rules\":[],\"directives\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":null,\"rules\":[],\"directives\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[\"a\",2],\"rules\":[],\"directives\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":{},\"directives\":[]}",
        "{" SITE "}",
        "{" SITE ",\"directives\":null}",
        "{" SITE ",\"directives\":[],\"rereads\":{\"at\":1,\"since\":1}}",
        "{" SITE ",\"directives\":[],\"rereads\":{\"at\":1,\"list\":[]}}",
        "{" SITE ",\"directives\":[],\"rereads\":{\"at\":1,\"since\":1,\"list\":[{}]}}",
        "{" SITE ",\"directives\":[],\"news\":{}}",
        "{" SITE ",\"directives\":[],\"news\":[\"a\",1]}",
        "{" SITE ",\"directives\":[{\"kind\":\"forget\",\"channel\":null}]}",
        "{" SITE ",\"directives\":[{\"version\":6,\"kind\":\"else\"}]}",
        "{" SITE ",\"directives\":[{\"version\":6,\"kind\":\"forget\",\"channel\":1}]}",
        "{" SITE ",\"directives\":[{\"version\":6,\"kind\":\"disconnect\",\"dbo_id\":\"12\"}]}",
        "{" SITE ",\"directives\":[{\"version\":6,\"kind\":\"disconnect\",\"dbo_id\":2147483648}]}",
        "{" SITE ",\"directives\":[{\"version\":6,\"kind\":\"forget\",\"channel\":null},7]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[" RULE
        ",{}],\"directives\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[{" FLAGS
        ",\"message_history\":7," RATE "}],\"directives\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[{\"channel\":\"x\"," FLAGS
        "," NO_FUNCTIONS "}],\"directives\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[{\"channel\":\"x\"," FLAGS
        ",\"message_history\":7," RATE "}],\"directives\":[]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_null(load(texts[i]));
    }
    assert_null(site_load((struct str){0}, &directives));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_site),
        cmocka_unit_test(test_an_empty_site),
        cmocka_unit_test(test_directives),
        cmocka_unit_test(test_what_is_no_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
