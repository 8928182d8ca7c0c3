/* SPDX-License-Identifier: PostgreSQL */
/* libnats, with its own ideas of when to connect again switched off.
 *
 * It would keep what is published while there is no connection and send it later, which for most of
 * ours is worse than never; it would give up after two refused passwords, although the third file may
 * be right; and it reads credentials once. So a wire is one connection that breaks once, and link.c
 * makes the next one.
 *
 * What publish has written may be half a message when the write deadline ends it: a wire on which
 * anything has failed is over. Each message is written at once (SendAsap): libnats' flusher would
 * wait a millisecond for more, and its errors come to nobody.
 *
 * With TLS libnats before its pull request 913 (2025) calls SSL_read and SSL_write for one connection
 * on two threads, which OpenSSL forbids. We cannot lock between them from here. Nothing came of it in
 * tests; delete this and the line in docs/scaling.md when Debian has a libnats with it.
 *
 * A read timeout is for noticing the end; messages come without delay. */
#include "bus/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <nats/nats.h>

#include "base/log.h"
#include "base/mem.h"
#include "bus/nkey.h"

enum {
    CONNECT_MS = 1000, /* of each server */
    WRITE_MS = 300,
    PING_MS = 500, /* 2 of them unanswered: a link that swallows all is noticed after 1.5 s */
    PINGS_OUT = 2,
    READ_MS = 1000,
    DRAIN_MS = 1000,
    MIN_MESSAGE = 768 << 10,  /* more than a part of a list or a piece of rows has */
    PENDING_MESSAGES = 65536, /* of libnats, before on_message */
    PENDING_BYTES = 32 << 20,
};

struct wire {
    struct wire_options options;
    natsConnection *connection;
    natsSubscription *subscription;
    pthread_t reader;
    bool has_reader;
    atomic_bool is_over;
    natsStatus failure; /* of a publish */
    char public_key[NKEY_PUBLIC_SIZE];
};

/* ---- options ---- */

/* libnats frees what it is given, and takes what is at *signature only if it is NATS_OK. */
static natsStatus sign(char **reason, unsigned char **signature, int *len, const char *nonce,
                       void *closure)
{
    (void)reason;
    const char *seed = closure;
    return nats_Sign(seed, nonce, signature, len);
}

static natsStatus set_credentials(struct wire *wire, natsOptions *options)
{
    const struct bus_address *address = wire->options.address;
    if (address->password) {
        return natsOptions_SetUserInfo(options, address->user, address->password);
    }
    if (address->token) {
        return natsOptions_SetToken(options, address->token);
    }
    if (address->seed) {
        return nkey_public(address->seed, wire->public_key)
                   ? natsOptions_SetNKey(options, wire->public_key, sign, address->seed)
                   : NATS_CONNECTION_AUTH_FAILED;
    }
    return NATS_OK;
}

static natsStatus set_tls(const struct bus_address *address, natsOptions *options)
{
    if (!address->is_secure) {
        return NATS_OK;
    }
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && address->ca_file) {
        status = natsOptions_LoadCATrustedCertificates(options, address->ca_file);
    }
    return status;
}

/* What is asynchronous is asked for where it matters (wire_complaint). Without this libnats prints
 * it on stderr. */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
    (void)connection, (void)subscription, (void)closure;
    log_debug("the bus: %s", natsStatus_GetText(status));
}

static natsStatus set_habits(natsOptions *options)
{
    natsStatus all[] = {
        natsOptions_SetTimeout(options, CONNECT_MS),
        natsOptions_SetWriteDeadline(options, WRITE_MS),
        natsOptions_SetPingInterval(options, PING_MS),
        natsOptions_SetMaxPingsOut(options, PINGS_OUT),
        natsOptions_SetAllowReconnect(options, false),
        natsOptions_SetIgnoreDiscoveredServers(options, true),
        natsOptions_SetNoEcho(options, true),
        natsOptions_SetSendAsap(options, true),
        natsOptions_SetErrorHandler(options, on_error, NULL),
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NATS_OK) {
            return all[i];
        }
    }
    return NATS_OK;
}

static natsStatus set_servers(struct wire *wire, natsOptions *options)
{
    const struct bus_address *address = wire->options.address;
    const char *servers[BUS_MAX_SERVERS];
    for (int i = 0; i < address->n_servers; i++) {
        servers[i] = address->servers[i];
    }
    natsStatus status = natsOptions_SetServers(options, servers, address->n_servers);
    return status == NATS_OK ? natsOptions_SetName(options, wire->options.name) : status;
}

static natsStatus set_all(struct wire *wire, natsOptions *options)
{
    natsStatus status = set_servers(wire, options);
    if (status == NATS_OK) {
        status = set_habits(options);
    }
    if (status == NATS_OK) {
        status = set_tls(wire->options.address, options);
    }
    return status == NATS_OK ? set_credentials(wire, options) : status;
}

/* ---- reading ---- */

static void read_message(const struct wire *wire, natsMsg *message)
{
    struct str data = {natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message)};
    wire->options.on_message(wire->options.arg, natsMsg_GetSubject(message), data);
    natsMsg_Destroy(message);
}

static void *read_all(void *arg)
{
    struct wire *wire = arg;
    natsStatus status = NATS_OK;
    while (status == NATS_OK || status == NATS_TIMEOUT || status == NATS_SLOW_CONSUMER) {
        natsMsg *message = NULL;
        status = natsSubscription_NextMsg(&message, wire->subscription, READ_MS);
        if (status == NATS_OK) {
            read_message(wire, message);
        }
    }
    atomic_store(&wire->is_over, true);
    wire->options.on_over(wire->options.arg);
    nats_ReleaseThreadMemory();
    return NULL;
}

/* ---- life ---- */

static natsStatus wire_connect(struct wire *wire)
{
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK) {
        status = set_all(wire, options);
    }
    if (status == NATS_OK) {
        status = natsConnection_Connect(&wire->connection, options);
    }
    natsOptions_Destroy(options);
    return status;
}

/* The answer to the flush comes behind what the server has to say about the subscription, and about
 * what is published: later it would say so to nobody, and let nothing through. */
static natsStatus wire_subscribe(struct wire *wire)
{
    natsStatus status =
        natsConnection_SubscribeSync(&wire->subscription, wire->connection, wire->options.subject);
    if (status == NATS_OK) {
        status =
            natsSubscription_SetPendingLimits(wire->subscription, PENDING_MESSAGES, PENDING_BYTES);
    }
    if (status == NATS_OK) {
        status = natsConnection_Publish(wire->connection, wire->options.probe, NULL, 0);
    }
    if (status == NATS_OK) {
        status = natsConnection_FlushTimeout(wire->connection, CONNECT_MS);
    }
    const char *text;
    return status == NATS_OK ? natsConnection_GetLastError(wire->connection, &text) : status;
}

static enum status wire_fail(struct wire *wire, natsStatus status, struct err *err)
{
    const char *advice =
        status == NATS_MAX_PAYLOAD ? ": its max_payload must be 1MB, the default"
        : status == NATS_CONNECTION_AUTH_FAILED
            ? ": --bus-user, --bus-token-file or --bus-nkey-file must name one of its users"
        : status == NATS_NOT_PERMITTED
            ? ": it must permit its user our subjects, see docs/scaling.md"
        : status == NATS_SSL_ERROR
            ? ": its certificate must name it and be signed by one of --bus-ca-file"
            : "";
    err_set(err, EXIT_CODE_FAILED, "%s%s", natsStatus_GetText(status), advice);
    wire_close(wire);
    return STATUS_FAILED;
}

enum status wire_open(const struct wire_options *options, struct wire **out, struct err *err)
{
    struct wire *wire = mem_zalloc(sizeof(*wire));
    wire->options = *options;
    natsStatus status = wire_connect(wire);
    if (status == NATS_OK) {
        status = wire_subscribe(wire);
    }
    if (status == NATS_OK && wire_max_message(wire) < MIN_MESSAGE) {
        status = NATS_MAX_PAYLOAD;
    }
    if (status != NATS_OK) {
        return wire_fail(wire, status, err);
    }
    *out = wire;
    return STATUS_OK;
}

void wire_start(struct wire *wire)
{
    wire->has_reader = pthread_create(&wire->reader, NULL, read_all, wire) == 0;
    if (!wire->has_reader) {
        atomic_store(&wire->is_over, true);
    }
}

/* The answer to the flush comes behind all that the server had for us, and when it has taken all
 * that we had for it. */
void wire_drain(struct wire *wire)
{
    uint64_t n = 1;
    natsStatus status = natsConnection_FlushTimeout(wire->connection, DRAIN_MS);
    for (int i = 0; i < DRAIN_MS && status == NATS_OK && n > 0; i++) {
        status = natsSubscription_QueuedMsgs(wire->subscription, &n);
        if (n > 0) {
            nats_Sleep(1);
        }
    }
}

void wire_close(struct wire *wire)
{
    if (!wire) {
        return;
    }
    natsConnection_Close(wire->connection);
    if (wire->has_reader) {
        pthread_join(wire->reader, NULL);
    }
    natsSubscription_Destroy(wire->subscription);
    natsConnection_Destroy(wire->connection);
    free(wire);
}

bool wire_is_over(const struct wire *wire)
{
    return atomic_load(&wire->is_over);
}

size_t wire_max_message(const struct wire *wire)
{
    int64_t max = natsConnection_GetMaxPayload(wire->connection);
    return max > 0 ? (size_t)max : 0;
}

bool wire_publish(struct wire *wire, const char *subject, struct str data)
{
    wire->failure = natsConnection_Publish(wire->connection, subject, data.ptr, (int)data.len);
    return wire->failure == NATS_OK || wire->failure == NATS_MAX_PAYLOAD;
}

const char *wire_complaint(struct wire *wire)
{
    const char *text;
    natsStatus status = natsConnection_GetLastError(wire->connection, &text);
    return natsStatus_GetText(status != NATS_OK ? status : wire->failure);
}
