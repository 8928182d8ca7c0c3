/* SPDX-License-Identifier: PostgreSQL */
/* What the tests of src/pg against a real Postgres share: one cluster a program, one bed a test,
 * and beside the bed a proxy and, for tests of the owner's functions, an asker. */
#ifndef HERALD_TESTS_UNIT_PG_BED_HARNESS_H
#define HERALD_TESTS_UNIT_PG_BED_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fakes/asker.h"
#include "../../fakes/cluster.h"
#include "../../fakes/proxy.h"
#include "base/log.h"
#include "pg/functions/functions.h"

static struct bed *bed;
static struct proxy *proxy;
static struct asker *asker;

static inline int setup(void **state)
{
    (void)state;
    bed = bed_new();
    proxy = proxy_new(cluster_socket_path());
    return 0;
}

static inline int setup_asker(void **state)
{
    setup(state);
    asker = asker_new(bed, FUNCTIONS_MAX_WAITING + 5000);
    return 0;
}

/* The bed first: its store still answers to the asker. */
static inline int teardown(void **state)
{
    (void)state;
    bed_free(bed);
    asker_free(asker);
    asker = NULL;
    proxy_free(proxy);
    return 0;
}

static inline int start(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_ERROR, false);
    cluster_start();
    return 0;
}

static inline int stop(void **state)
{
    (void)state;
    cluster_stop();
    return 0;
}

/* The road to Postgres through the proxy. */
static inline struct database_options proxied(void)
{
    static char url[128];
    snprintf(url, sizeof(url), "postgresql://herald_server@127.0.0.1:%d/%s", proxy_port(proxy),
             bed->name);
    return bed_options(bed, url);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define ASKER_TEST(name) cmocka_unit_test_setup_teardown(name, setup_asker, teardown)

#endif
