/* SPDX-License-Identifier: PostgreSQL */
/* Which handshakes give a proxy away that makes all its clients one, and which are a program's of the
 * same machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http/proxies.h"

#define FOR "X-Forwarded-For: 203.0.113.1\r\n"
#define REAL "X-Real-IP: 203.0.113.1\r\n"
#define TRUSTED "127.0.0.0/8, ::1, 10.0.0.9, 10.1.0.0/16"

struct scene {
    const char *peer, *host, *fields;
    bool is_proxied, is_named, has_client, was_refused;
    enum forwarded_header asked;
};

struct stage {
    char text[512];
    struct http_head head;
    struct address peer;
    struct net_limits limits;
};

static struct proxy_look look_at(struct stage *stage, const struct scene *scene)
{
    struct str bad;
    struct address_range *ranges;
    *stage = (struct stage){.limits = {.proxy_header = scene->asked}};
    snprintf(stage->text, sizeof(stage->text), "GET /rt/c HTTP/1.1\r\nHost: %s\r\n%s\r\n",
             scene->host, scene->fields);
    assert_int_equal(http_head_read(&stage->head, stage->text, strlen(stage->text)),
                     HTTP_HEAD_COMPLETE);
    assert_true(address_parse(str_of(scene->peer), &stage->peer));
    assert_true(address_ranges_parse(TRUSTED, &ranges, &stage->limits.n_proxies, &bad));
    stage->limits.proxies = ranges;
    return (struct proxy_look){
        .peer = &stage->peer,
        .head = &stage->head,
        .limits = &stage->limits,
        .port = 8080,
        .is_proxied = scene->is_proxied,
        .is_named = scene->is_named,
        .has_client = scene->has_client,
        .was_refused = scene->was_refused,
    };
}

static void leave(struct stage *stage)
{
    free((void *)(uintptr_t)stage->limits.proxies);
}

static void expect(enum proxy_verdict verdict, struct scene scene)
{
    struct stage stage;
    struct proxy_look look = look_at(&stage, &scene);
    assert_int_equal(proxies_judge(&look), verdict);
    leave(&stage);
}

static void test_a_program_of_this_machine(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1:8080", "localhost:3000",     "[::1]:9",
                                        "localhost",      "app.localhost:3000", "box.example:8080",
                                        "127.0.1.1"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        expect(PROXY_VERDICT_NOTHING, (struct scene){.peer = "127.0.0.1", hosts[i], ""});
    }
    /* A client on a proxy's own machine is named, and is one of the proxies. */
    expect(PROXY_VERDICT_NOTHING,
           (struct scene){.peer = "127.0.0.1", "shop.example", "X-Forwarded-For: 127.0.0.1\r\n"});
    expect(PROXY_VERDICT_NOTHING,
           (struct scene){.peer = "127.0.0.1", "shop.example", "", .asked = FORWARDED_NONE});
    expect(PROXY_VERDICT_NOTHING, (struct scene){.peer = "10.1.2.3", "box.example:8080", ""});
}

static void test_a_silent_proxy(void **state)
{
    (void)state;
    static const char *const hosts[] = {"shop.example", "shop.example:8443", "192.0.2.1",
                                        "[2001:db8::1]:443", "notlocalhost"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        expect(PROXY_VERDICT_SILENT, (struct scene){.peer = "127.0.0.1", hosts[i], ""});
        expect(PROXY_VERDICT_SILENT, (struct scene){.peer = "10.1.2.3", hosts[i], ""});
    }
    expect(PROXY_VERDICT_SILENT, (struct scene){.peer = "127.0.0.1", "localhost:8080", REAL});
    expect(PROXY_VERDICT_SILENT,
           (struct scene){.peer = "::1", "localhost:8080", FOR, .asked = FORWARDED_X_REAL_IP});
    expect(PROXY_VERDICT_SILENT, (struct scene){.peer = "10.0.0.9", "10.0.0.1:8080", ""});
    expect(PROXY_VERDICT_SILENT,
           (struct scene){.peer = "127.0.0.1", "localhost:8080", "", .is_proxied = true});
}

static void test_one_as_it_should_be(void **state)
{
    (void)state;
    expect(PROXY_VERDICT_NAMES,
           (struct scene){.peer = "10.0.0.9", "shop.example", FOR, .has_client = true});
    expect(PROXY_VERDICT_NOTHING,
           (struct scene){
               .peer = "203.0.113.1", "shop.example", FOR, .is_proxied = true, .is_named = true});
}

static void test_an_untrusted_one(void **state)
{
    (void)state;
    static const char *const networks[] = {"10.2.0.1",   "172.31.0.1", "192.168.1.1",
                                           "100.64.0.1", "fd00::1",    "fe80::1"};
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
        expect(PROXY_VERDICT_UNTRUSTED, (struct scene){.peer = networks[i], "shop.example", FOR});
        expect(PROXY_VERDICT_UNTRUSTED, (struct scene){.peer = networks[i], "shop.example", REAL});
        expect(PROXY_VERDICT_NOTHING, (struct scene){.peer = networks[i], "shop.example", ""});
    }
    expect(PROXY_VERDICT_NOTHING, (struct scene){.peer = "203.0.113.1", "shop.example", FOR});
    expect(PROXY_VERDICT_UNTRUSTED,
           (struct scene){.peer = "203.0.113.1", "shop.example", FOR, .was_refused = true});
    expect(PROXY_VERDICT_NOTHING,
           (struct scene){.peer = "10.2.0.1", "shop.example", FOR, .asked = FORWARDED_NONE});
}

/* ---- what is kept ---- */

static void note(struct proxy_finds *finds, struct scene scene, uint64_t now_ms)
{
    struct stage stage;
    struct proxy_look look = look_at(&stage, &scene);
    proxy_finds_note(finds, &look, now_ms);
    leave(&stage);
}

static void expect_kept(struct proxy_finds *finds, enum proxy_fault fault, uint64_t now_ms,
                        const char *json)
{
    struct buf out = {0};
    proxy_finds_write(finds, fault, now_ms, &out);
    assert_string_equal(buf_text(&out), json);
    buf_release(&out);
}

static void test_it_is_kept_as_long_as_it_is_so(void **state)
{
    (void)state;
    static const char silent[] = "{\"address\":\"10.0.0.9\",\"asked\":\"X-Forwarded-For\"}";
    struct proxy_finds *finds = proxy_finds_new();
    expect_kept(finds, PROXY_FAULT_SILENT, 1000, "");
    note(finds, (struct scene){.peer = "10.0.0.9", "shop.example", ""}, 1000);
    expect_kept(finds, PROXY_FAULT_SILENT, 1000, silent);
    expect_kept(finds, PROXY_FAULT_UNTRUSTED, 1000, "");
    expect_kept(finds, PROXY_FAULT_SILENT, 3600999, silent);
    expect_kept(finds, PROXY_FAULT_SILENT, 3601000, "");
    note(finds, (struct scene){.peer = "10.1.0.1", "shop.example", FOR, .has_client = true}, 2000);
    expect_kept(finds, PROXY_FAULT_SILENT, 2000, silent); /* another one */
    note(finds, (struct scene){.peer = "10.0.0.9", "shop.example", FOR, .has_client = true}, 2000);
    expect_kept(finds, PROXY_FAULT_SILENT, 2000, "");
    note(finds, (struct scene){.peer = "10.2.0.1", "shop.example", REAL}, 3000);
    expect_kept(finds, PROXY_FAULT_UNTRUSTED, 3000,
                "{\"address\":\"10.2.0.1\",\"asked\":\"X-Forwarded-For\",\"sent\":\"X-Real-IP\"}");
    note(finds,
         (struct scene){.peer = "10.2.0.1", "shop.example", FOR REAL, .asked = FORWARDED_X_REAL_IP},
         3000);
    expect_kept(finds, PROXY_FAULT_UNTRUSTED, 3000,
                "{\"address\":\"10.2.0.1\",\"asked\":\"X-Real-IP\",\"sent\":\"X-Real-IP\"}");
    note(finds, (struct scene){.peer = "127.0.0.1", "a", "", .is_proxied = true}, 3000);
    expect_kept(finds, PROXY_FAULT_SILENT, 3000,
                "{\"address\":\"127.0.0.1\",\"asked\":\"PROXY protocol\"}");
    proxy_finds_free(finds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_program_of_this_machine),
        cmocka_unit_test(test_a_silent_proxy),
        cmocka_unit_test(test_one_as_it_should_be),
        cmocka_unit_test(test_an_untrusted_one),
        cmocka_unit_test(test_it_is_kept_as_long_as_it_is_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
