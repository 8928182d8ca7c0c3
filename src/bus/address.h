/* SPDX-License-Identifier: PostgreSQL */
/* Which NATS servers there are to connect to, and as whom: what the options say, checked, and as it
 * is in the files now. */
#ifndef HERALD_BUS_ADDRESS_H
#define HERALD_BUS_ADDRESS_H

#include "base/err.h"
#include "bus/options.h"

#define BUS_MAX_SERVERS 8

struct bus_address {
    char *servers[BUS_MAX_SERVERS]; /* each a URL */
    int n_servers;
    bool is_secure;
    const char *user, *ca_file; /* of the options */
    char *password, *token, *seed;
};

bool bus_options_is_local(const struct bus_options *options);
/* err: what to change, in a sentence. Release *out only if it came back. */
enum status bus_address_read(const struct bus_options *options, struct bus_address *out,
                             struct err *err) MUST_CHECK;
void bus_address_release(struct bus_address *address);

#endif
