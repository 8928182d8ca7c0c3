/* SPDX-License-Identifier: PostgreSQL */
/* herald: the Xano Realtime wire. raw: a server that sends every text of a client to all clients of
 * the same path, as it is (the bare limit, nginx with nchan, a broadcaster on `ws`); these get the
 * whole envelope that pgherald would have written, so that all of them move the same bytes.
 * socketio: Engine.IO 4 over WebSocket with an event `join` and an event `message`. */
#include "dialect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void channel_of(const struct place *place, char *to, size_t size)
{
    if (place->has_number) {
        snprintf(to, size, "%s/%u", place->prefix, place->number);
    } else {
        snprintf(to, size, "%s", place->prefix);
    }
}

/* ---- herald ---- */

static void herald_path(const struct place *place, char *to, size_t size)
{
    snprintf(to, size, "/rt/%s", place->canonical);
}

static void write_join(const struct place *place, char reply[DIALECT_TEXT_MAX])
{
    char channel[256], since[160] = "";
    channel_of(place, channel, sizeof(channel));
    if (place->since) {
        snprintf(since, sizeof(since), ",\"since\":{\"epoch\":\"%s\",\"offset\":%llu}",
                 place->since->epoch, (unsigned long long)place->since->offset);
    }
    snprintf(reply, DIALECT_TEXT_MAX,
             "{\"action\":\"join\",\"options\":{\"channel\":\"%s\"},"
             "\"payload\":{\"history\":false,\"presence\":%s%s}}",
             channel, place->wants_presence ? "true" : "false", since);
}

static enum greeting herald_greet(const struct place *place, const char *said,
                                  char reply[DIALECT_TEXT_MAX])
{
    if (!said) {
        write_join(place, reply);
        return GREETING_MORE;
    }
    if (strncmp(said, "{\"action\":\"join\"", 16) == 0) {
        return GREETING_JOINED;
    }
    return strncmp(said, "{\"action\":\"error\"", 17) == 0 ? GREETING_REFUSED : GREETING_MORE;
}

static void herald_message(const struct place *place, const char stamp[STAMP_LEN + 1],
                           char to[DIALECT_TEXT_MAX])
{
    char channel[256];
    channel_of(place, channel, sizeof(channel));
    snprintf(to, DIALECT_TEXT_MAX,
             "{\"action\":\"message\",\"options\":{\"channel\":\"%s\"},\"payload\":\"%s\"}",
             channel, stamp);
}

bool dialect_position(const char *said, struct position *out)
{
    static const char before_epoch[] = "\"payload\":{\"epoch\":\"", before_offset[] = "\"offset\":";
    const char *epoch = strstr(said, before_epoch);
    const char *offset = epoch ? strstr(epoch, before_offset) : NULL;
    if (!offset) {
        return false;
    }
    epoch += sizeof(before_epoch) - 1;
    size_t len = strcspn(epoch, "\"");
    if (len >= sizeof(out->epoch)) {
        return false;
    }
    memcpy(out->epoch, epoch, len);
    out->epoch[len] = '\0';
    out->offset = strtoull(offset + sizeof(before_offset) - 1, NULL, 10);
    return true;
}

/* ---- raw ---- */

static void raw_path(const struct place *place, char *to, size_t size)
{
    snprintf(to, size, "/%u", place->number);
}

static enum greeting raw_greet(const struct place *place, const char *said,
                               char reply[DIALECT_TEXT_MAX])
{
    (void)place, (void)said, (void)reply;
    return GREETING_JOINED;
}

static void raw_message(const struct place *place, const char stamp[STAMP_LEN + 1],
                        char to[DIALECT_TEXT_MAX])
{
    char channel[256];
    channel_of(place, channel, sizeof(channel));
    snprintf(
        to, DIALECT_TEXT_MAX,
        "{\"action\":\"message\",\"client\":{\"socketId\":\"0123456789abcdef0123456789abcdef\","
        "\"extras\":{},\"permissions\":{\"dbo_id\":0,\"row_id\":0}},\"options\":{"
        "\"authenticated\":false,\"socketId\":null,\"channel\":\"%s\"},\"payload\":\"%s\"}",
        channel, stamp);
}

/* ---- socketio ---- */

static void socketio_path(const struct place *place, char *to, size_t size)
{
    (void)place;
    snprintf(to, size, "/socket.io/?EIO=4&transport=websocket");
}

/* 0: the server's opening; 40: to the default namespace, and its answer; 42: an event. */
static enum greeting socketio_greet(const struct place *place, const char *said,
                                    char reply[DIALECT_TEXT_MAX])
{
    if (said && said[0] == '0') {
        snprintf(reply, DIALECT_TEXT_MAX, "40");
    } else if (said && strncmp(said, "40", 2) == 0) {
        char channel[256];
        channel_of(place, channel, sizeof(channel));
        snprintf(reply, DIALECT_TEXT_MAX, "42[\"join\",\"%s\"]", channel);
    } else if (said && strncmp(said, "42[\"joined\"", 11) == 0) {
        return GREETING_JOINED;
    }
    return said && strncmp(said, "44", 2) == 0 ? GREETING_REFUSED : GREETING_MORE;
}

static void socketio_message(const struct place *place, const char stamp[STAMP_LEN + 1],
                             char to[DIALECT_TEXT_MAX])
{
    char channel[256], envelope[DIALECT_TEXT_MAX - 320];
    channel_of(place, channel, sizeof(channel));
    raw_message(place, stamp, to);
    snprintf(envelope, sizeof(envelope), "%s", to);
    snprintf(to, DIALECT_TEXT_MAX, "42[\"message\",\"%s\",%s]", channel, envelope);
}

static const struct dialect dialects[] = {
    {"herald", herald_path, herald_greet, herald_message, NULL, NULL},
    {"raw", raw_path, raw_greet, raw_message, NULL, NULL},
    {"socketio", socketio_path, socketio_greet, socketio_message, "2", "3"},
};

const struct dialect *dialect_find(const char *name)
{
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        if (strcmp(dialects[i].name, name) == 0) {
            return &dialects[i];
        }
    }
    return NULL;
}
