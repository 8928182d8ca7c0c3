/* SPDX-License-Identifier: PostgreSQL */
/* What --bus may say, and what is refused with a sentence; nkeys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/address.h"
#include "bus/nkey.h"

static char secret_file[] = "/tmp/pgherald-bus-XXXXXX";
static char empty_file[] = "/tmp/pgherald-bus-XXXXXX";
#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define PUBLIC "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

static struct bus_options options_of(const char *urls)
{
    return (struct bus_options){.urls = (char *)(uintptr_t)urls};
}

static struct bus_options with_password(const char *urls)
{
    struct bus_options options = options_of(urls);
    options.user = (char[]){"herald"};
    options.password_file = secret_file;
    return options;
}

static void takes(struct bus_options options, int n_servers)
{
    struct bus_address address;
    struct err err = {0};
    if (bus_address_read(&options, &address, &err) != STATUS_OK) {
        fail_msg("%s: %s", options.urls, err.text);
    }
    assert_int_equal(address.n_servers, n_servers);
    bus_address_release(&address);
}

static void refuses(struct bus_options options, const char *words)
{
    struct bus_address address;
    struct err err = {0};
    assert_int_equal(bus_address_read(&options, &address, &err), STATUS_FAILED);
    assert_int_equal(err.code, EXIT_CODE_CONFIG);
    if (!strstr(err.text, words)) {
        fail_msg("%s: \"%s\" does not say \"%s\"", options.urls, err.text, words);
    }
}

static void servers_are_read(void **state)
{
    (void)state;
    struct bus_options local = options_of("local"), remote = options_of("nats://127.0.0.1");
    assert_true(bus_options_is_local(&local));
    assert_false(bus_options_is_local(&remote));
    takes(options_of("nats://127.0.0.1:4222"), 1);
    takes(options_of("nats://localhost"), 1);
    takes(options_of("nats://[::1]:4222"), 1);
    takes(options_of("nats://127.0.0.1:4222, nats://127.0.0.2:4222 ,nats://[::1]"), 3);
    takes(with_password("tls://a.example:4222,tls://b.example"), 2);
}

static void what_is_no_server_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "nats",
                                      "http://127.0.0.1",
                                      "nats://",
                                      "nats://:4222",
                                      "nats://127.0.0.1:0",
                                      "nats://127.0.0.1:65536",
                                      "nats://127.0.0.1:x",
                                      "nats://127.0.0.1:",
                                      "nats://127.0.0.1/x",
                                      "nats://127.0.0.1,",
                                      "nats://127.0.0.1,,nats://127.0.0.1",
                                      "local,nats://127.0.0.1",
                                      "nats://127.0.0.1 nats://127.0.0.1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refuses(options_of(bad[i]), "--bus");
    }
    refuses(options_of("nats://127.0.0.1,tls://127.0.0.1"), "either all");
    refuses(options_of("nats://h,nats://h,nats://h,nats://h,nats://h,nats://h,nats://h,nats://h,"
                       "nats://h"),
            "more than 8");
}

/* Everybody on the machine can read the arguments of a process; and a log, what we print. */
static void a_password_in_the_url_is_refused_and_not_shown(void **state)
{
    (void)state;
    struct bus_options options = options_of("nats://u:hunter2@127.0.0.1");
    struct bus_address address;
    struct err err = {0};
    refuses(options, "--bus-password-file");
    assert_int_equal(bus_address_read(&options, &address, &err), STATUS_FAILED);
    assert_null(strstr(err.text, "hunter2"));
    refuses(options_of("nats:u:hunter2@127.0.0.1"), "neither");
    assert_int_equal(bus_address_read(&(struct bus_options){.urls = (char[]){"nats:u:hunter2@h"}},
                                      &address, &err),
                     STATUS_FAILED);
    assert_null(strstr(err.text, "hunter2"));
}

static void far_servers_need_walls(void **state)
{
    (void)state;
    refuses(options_of("nats://10.0.0.1:4222"), "--bus-plaintext");
    refuses(options_of("nats://127.0.0.1,nats://10.0.0.1"), "--bus-plaintext");
    refuses(options_of("nats://localhost.example"), "--bus-plaintext");
    refuses(with_password("nats://nats.example:4222"), "tls://");
    refuses(options_of("tls://nats.example:4222"), "--bus-user");
    takes(with_password("tls://nats.example:4222"), 1);
    struct bus_options open = options_of("nats://nats.example:4222");
    open.is_plaintext = true;
    takes(open, 1);
}

static void credentials_come_in_one_way(void **state)
{
    (void)state;
    struct bus_options options = options_of("nats://127.0.0.1");
    options.user = (char[]){"herald"};
    refuses(options, "go together");
    options.user = NULL;
    options.password_file = secret_file;
    refuses(options, "go together");
    options = with_password("nats://127.0.0.1");
    options.token_file = secret_file;
    refuses(options, "give one of");
    options = options_of("nats://127.0.0.1");
    options.nkey_file = (char[]){"/nowhere"};
    refuses(options, "--bus-nkey-file /nowhere");
    options.nkey_file = NULL;
    options.token_file = empty_file;
    refuses(options, "is empty");
}

/* The pair is the example of NATS' documentation. */
static void an_nkey_has_its_public_half(void **state)
{
    (void)state;
    char public[NKEY_PUBLIC_SIZE], seed[] = SEED;
    assert_true(nkey_public(SEED, public));
    assert_string_equal(public, PUBLIC);
    for (size_t i = 0; i < sizeof(seed) - 1; i++) {
        seed[i] = seed[i] == 'A' ? 'B' : 'A';
        assert_false(nkey_public(seed, public));
        seed[i] = SEED[i];
    }
    assert_false(nkey_public("", public));
    assert_false(nkey_public(PUBLIC, public));
    assert_false(nkey_public(SEED "A", public));
    assert_false(nkey_public("suacssl3uahudxkfsnvuzrf5uhpmwz6bfdtj7m6usdxiednppqyyycu3vy", public));
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(secret_file), other = mkstemp(empty_file);
    bool is_written = write(fd, "secret\n", 7) == 7;
    close(fd);
    close(other);
    return is_written ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(secret_file);
    unlink(empty_file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_read),
        cmocka_unit_test(what_is_no_server_is_refused),
        cmocka_unit_test(a_password_in_the_url_is_refused_and_not_shown),
        cmocka_unit_test(far_servers_need_walls),
        cmocka_unit_test(credentials_come_in_one_way),
        cmocka_unit_test(an_nkey_has_its_public_half),
    };
    return cmocka_run_group_tests_name("bus_address", tests, setup, teardown);
}
