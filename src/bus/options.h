/* SPDX-License-Identifier: PostgreSQL */
/* What the options say of the bus. */
#ifndef HERALD_BUS_OPTIONS_H
#define HERALD_BUS_OPTIONS_H

#include <stdbool.h>

struct bus_options {
    char *urls;          /* "local", or nats://host:port or tls://host:port, some with commas */
    char *user;          /* of the NATS server; NULL: none. Files are read at each connection */
    char *password_file; /* the first line, as of those below; NULL: none */
    char *token_file;
    char *nkey_file;   /* the seed of a user */
    char *ca_file;     /* NULL: what the system trusts */
    bool is_plaintext; /* neither TLS nor credentials are asked for */
    char *node_name;   /* for people; NULL: host/pid */
};

#endif
