/* SPDX-License-Identifier: PostgreSQL */
/* The outside of what goes over the bus. Numbers are in network order:
 *
 *   version u8, kind u8, seq u64, sent_ms u64, from 16 bytes, to 16 bytes, body,
 *   HMAC-SHA256 of all before it under the key of the bus
 *
 * So nobody without the key (herald.bus_keys, for servers of the database alone) is believed, nor
 * can he send to one what was meant for another. What was said before is for peers.h to notice.
 * All but the body is the same in each version (version.h). */
#ifndef HERALD_BUS_SEAL_H
#define HERALD_BUS_SEAL_H

#include "base/hmac.h"
#include "base/id.h"
#include "base/str.h"

#define SEAL_HEAD_SIZE 50
#define SEAL_SIZE (SEAL_HEAD_SIZE + HMAC_SIZE) /* all but the body */
#define SEAL_KEY_SIZE 32
#define SEAL_MAX_KEYS 2

struct seal_keys { /* signs with the first, believes all */
    unsigned n;
    unsigned char keys[SEAL_MAX_KEYS][SEAL_KEY_SIZE];
};

struct seal_head {
    uint8_t version;  /* of the body */
    uint8_t kind;     /* enum bus_kind, or one of a later version */
    uint64_t seq;     /* grows by one with each message of a node */
    uint64_t sent_ms; /* on the sender's clock, which says nothing but differences */
    char from[ID_TEXT_SIZE];
    char to[ID_TEXT_SIZE]; /* "": all */
};

enum seal_verdict {
    SEAL_GOOD,
    SEAL_MALFORMED, /* too short, or names no node */
    SEAL_FOREIGN,   /* signed, but its body is of a version that this program does not read */
    SEAL_UNSIGNED,  /* under none of the keys */
};

/* The body stands at data + SEAL_HEAD_SIZE; len is all of it, SEAL_SIZE + the body's. */
void seal_close(const struct seal_head *head, const struct seal_keys *keys, char *data, size_t len);
/* *body is a part of data. Only of what is SEAL_GOOD or SEAL_FOREIGN is anything written. */
enum seal_verdict seal_open(const struct seal_keys *keys, struct str data, struct seal_head *head,
                            struct str *body);
bool seal_is_id(struct str text); /* as id_text makes them */

#endif
