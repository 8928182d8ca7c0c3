/* SPDX-License-Identifier: PostgreSQL */
/* Three threads meet here: the loop's, which puts letters into one queue and takes them from another
 * (post.c); the link's own, which connects, signs and publishes, and may wait in libnats for as long
 * as that likes; and the wire's reader, which checks signatures. Hashing is so on no thread that
 * matters.
 *
 * Both queues are bounded by bytes. What does not fit is lost and counted, as is what waits when the
 * connection breaks: it would come too late, and who needs it (rows, lists) notices that it is
 * missing and asks. Beats may wait behind a full queue, because a node that has much to say must not
 * be taken for dead.
 *
 * A message is counted (seq) when it is signed, on one thread, so that two connections during a
 * reload send one order; who hears both takes the first of each (peers.c). */
#include "bus/link.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/address.h"
#include "bus/version.h"
#include "bus/wire.h"

enum {
    REALM_BYTES = 12,   /* of the hash that stands in subjects */
    SUBJECT_SIZE = 128, /* of any */
    FIRST_WAIT_MS = 50,
    MAX_WAIT_MS = 1000,
    TELL_MS = 5000,
    FLAP_MS = 10000, /* of outages that come so soon after one another only the first is told */
    ID_SIZE = ID_TEXT_SIZE - 1,
    ROOT_SIZE = 9 + 2 * REALM_BYTES + 1, /* "pgherald.<hash>" and a NUL */
};

struct link {
    struct link_options options;
    pthread_t thread;
    bool has_thread;
    struct post *post;
    atomic_bool is_stopping, wants_reload;
    atomic_uint_fast64_t number;
    atomic_size_t max_message;
    pthread_mutex_t lock; /* of the next two */
    struct seal_keys keys;
    char root[ROOT_SIZE]; /* of the subjects, as they should be */

    uint8_t version; /* of what is sent; the loop's thread alone */

    atomic_uint_fast64_t seq;  /* of the link's thread; others look */
    uint64_t n_wires;          /* the link's thread alone, from here */
    char next_root[ROOT_SIZE]; /* of the wire that is being made */
    char wire_root[ROOT_SIZE]; /* of the one that there is */
    char told[128];            /* why it is away, as the log has it; "": it was not told */
    uint64_t told_ms;
    bool is_quiet;    /* it is away, and that was not told */
    unsigned n_quiet; /* how often, since the last line */
    struct {
        atomic_uint_fast64_t sent, sent_bytes, received, received_bytes, malformed, foreign,
            is_unsigned, full, unsent;
    } n;
};

static const char *const kind_names[] = {
    [BUS_KIND_BEAT] = "beat",
    [BUS_KIND_GOODBYE] = "goodbye",
    [BUS_KIND_ROWS] = "rows",
    [BUS_KIND_MESSAGE] = "message",
    [BUS_KIND_PRIVATE] = "private",
    [BUS_KIND_PRIVATE_ANSWER] = "private-answer",
    [BUS_KIND_PRESENCE] = "presence",
    [BUS_KIND_PRESENCE_WISH] = "presence-wish",
    [BUS_KIND_PRESENCE_LIST] = "presence-list",
    [BUS_KIND_DIRECTIVE] = "directive",
};

static void count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t counted(const atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct seal_keys link_keys(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    struct seal_keys keys = link->keys;
    pthread_mutex_unlock(&link->lock);
    return keys;
}

/* ---- in: the wire's thread ---- */

/* ROOT.to.ID.kind is for one, ROOT.kind for all. The signed head says it once more. */
static bool is_for_me(const struct link *link, const char *subject)
{
    const char *rest = subject + ROOT_SIZE; /* the subscription is of ROOT.> */
    return strncmp(rest, "to.", 3) != 0 || strncmp(rest + 3, link->options.node_id, ID_SIZE) == 0;
}

/* My own words come back over the second connection of a reload; newer ones than mine are those of
 * another process, such as a copy of this virtual machine. */
static void link_open(struct link *link, const struct seal_head *head, struct str body)
{
    bool is_mine = strcmp(head->from, link->options.node_id) == 0;
    bool is_for_other = head->to[0] && strcmp(head->to, link->options.node_id) != 0;
    if (is_for_other || (is_mine && head->seq <= atomic_load(&link->seq))) {
        return;
    }
    count(&link->n.received, 1);
    if (!post_deliver(link->post, head, body, is_mine)) {
        count(&link->n.full, 1);
    }
}

static void on_message(void *arg, const char *subject, struct str data)
{
    struct link *link = arg;
    struct seal_keys keys = link_keys(link);
    struct seal_head head;
    struct str body;
    if (!is_for_me(link, subject)) {
        return;
    }
    count(&link->n.received_bytes, data.len);
    switch (seal_open(&keys, data, &head, &body)) {
    case SEAL_GOOD:
        link_open(link, &head, body);
        return;
    case SEAL_MALFORMED:
        count(&link->n.malformed, 1);
        return;
    case SEAL_FOREIGN:
        count(&link->n.foreign, 1);
        link_open(link, &head, STR(""));
        return;
    case SEAL_UNSIGNED:
        count(&link->n.is_unsigned, 1);
        return;
    }
}

static void on_over(void *arg)
{
    struct link *link = arg;
    post_ring(link->post);
}

/* ---- out: the link's thread ---- */

static void subject_of(const struct link *link, const struct outgoing *letter,
                       char out[SUBJECT_SIZE])
{
    bool is_to_one = letter->head.to[0] != '\0';
    snprintf(out, SUBJECT_SIZE, "%s%s%s.%s", link->wire_root, is_to_one ? ".to." : "",
             letter->head.to, kind_names[letter->head.kind]);
}

static bool link_publish(struct link *link, struct wire *wire, struct outgoing *letter)
{
    char subject[SUBJECT_SIZE];
    struct seal_keys keys = link_keys(link);
    letter->head.seq = atomic_fetch_add(&link->seq, 1) + 1;
    seal_close(&letter->head, &keys, letter->data, letter->len);
    subject_of(link, letter, subject);
    bool is_sent = wire_publish(wire, subject, (struct str){letter->data, letter->len});
    count(&link->n.sent, is_sent);
    count(&link->n.sent_bytes, is_sent ? letter->len : 0);
    return is_sent;
}

/* False: the wire has broken, and what was behind that is lost. */
static bool link_send_all(struct link *link, struct wire *wire)
{
    struct outgoing **letters;
    size_t n = post_take_out(link->post, &letters);
    bool is_good = true;
    for (size_t i = 0; i < n; i++) {
        is_good = is_good && link_publish(link, wire, letters[i]);
        count(&link->n.unsent, !is_good);
        post_free_out(link->post, letters[i]);
    }
    return is_good;
}

static void link_lose_all(struct link *link)
{
    struct outgoing **letters;
    size_t n = post_take_out(link->post, &letters);
    count(&link->n.unsent, n);
    for (size_t i = 0; i < n; i++) {
        post_free_out(link->post, letters[i]);
    }
}

/* ---- the connection: the link's thread ---- */

/* Many nodes that have lost the same server must not come back in one moment. */
static uint64_t jittered(uint64_t ms)
{
    uint16_t random;
    id_random(&random, sizeof(random));
    return ms / 2 + ms / 2 * random / UINT16_MAX;
}

static struct wire *link_connect(struct link *link, const struct bus_address *address,
                                 struct err *err)
{
    char subject[ROOT_SIZE + 2], probe[SUBJECT_SIZE], name[ID_TEXT_SIZE + 16];
    pthread_mutex_lock(&link->lock);
    memcpy(link->next_root, link->root, ROOT_SIZE);
    pthread_mutex_unlock(&link->lock);
    snprintf(subject, sizeof(subject), "%s.>", link->next_root);
    snprintf(probe, sizeof(probe), "%s.to.%s.probe", link->next_root, link->options.node_id);
    snprintf(name, sizeof(name), "pgherald %s", link->options.node_id);
    struct wire *wire = NULL;
    struct wire_options options = {
        .address = address,
        .name = name,
        .subject = subject,
        .probe = probe,
        .arg = link,
        .on_message = on_message,
        .on_over = on_over,
    };
    return wire_open(&options, &wire, err) == STATUS_OK ? wire : NULL;
}

static struct wire *link_try(struct link *link, struct err *err)
{
    struct bus_address address;
    if (bus_address_read(link->options.bus, &address, err) != STATUS_OK) {
        return NULL;
    }
    struct wire *wire = link_connect(link, &address, err);
    bus_address_release(&address);
    return wire;
}

static void link_go_up(struct link *link, struct wire *wire)
{
    memcpy(link->wire_root, link->next_root, ROOT_SIZE);
    atomic_store(&link->max_message, wire_max_message(wire));
    atomic_store(&link->number, ++link->n_wires);
    if (!link->is_quiet) {
        log_info("the bus is there");
    }
    link->told[0] = '\0';
    link->is_quiet = false;
    wire_start(wire);
    link->options.wake(link->options.arg);
}

static void link_say_away(struct link *link, const char *why)
{
    snprintf(link->told, sizeof(link->told), "%s", why);
    link->told_ms = clock_ms();
    if (link->n_quiet > 0) {
        log_error("the bus is away (%s), and was %u times more since this was last told: until it "
                  "is back, ephemeral messages are refused",
                  why, link->n_quiet);
    } else {
        log_error("the bus is away (%s): until it is back, ephemeral messages are refused", why);
    }
    link->is_quiet = false;
    link->n_quiet = 0;
}

/* Each outage is told once, and once more if it comes to have another reason: rows and durable
 * messages go on without the bus. One that comes right after another is told when it lasts. */
static void link_tell_failure(struct link *link, const char *why)
{
    bool is_new = link->told[0] == '\0';
    bool is_soon = link->told_ms > 0 && clock_ms() - link->told_ms < (is_new ? FLAP_MS : TELL_MS);
    if (is_new && is_soon) {
        link->n_quiet += !link->is_quiet;
        link->is_quiet = true;
    } else if (!is_soon && strncmp(link->told, why, sizeof(link->told) - 1) != 0) {
        link_say_away(link, why);
    }
}

/* The new one hears all from before the old one's last message on, and tells it after that one: what
 * both have heard is dropped as repeated, and nothing comes too early. */
static struct wire *link_replace(struct link *link, struct wire *old)
{
    struct err err;
    struct wire *wire = link_try(link, &err);
    if (!wire) {
        log_error("the connection to the bus stays as it was: %s", err.text);
        return old;
    }
    wire_drain(old);
    wire_close(old);
    link_go_up(link, wire);
    return wire;
}

/* Until it breaks, or the end. */
static void link_serve(struct link *link, struct wire *wire)
{
    link_go_up(link, wire);
    while (!wire_is_over(wire) && link_send_all(link, wire) && !atomic_load(&link->is_stopping)) {
        if (atomic_exchange(&link->wants_reload, false)) {
            wire = link_replace(link, wire);
        }
        post_wait(link->post, MAX_WAIT_MS);
    }
    bool is_broken = !atomic_load(&link->is_stopping);
    if (is_broken) {
        link_tell_failure(link, wire_complaint(wire));
    } else {
        link_send_all(link, wire);
    }
    atomic_store(&link->number, 0);
    wire_close(wire);
    link->options.wake(link->options.arg);
}

static void *link_run(void *arg)
{
    struct link *link = arg;
    uint64_t wait_ms = FIRST_WAIT_MS;
    while (!atomic_load(&link->is_stopping)) {
        struct err err;
        atomic_store(&link->wants_reload, false);
        struct wire *wire = link_try(link, &err);
        if (wire) {
            link_serve(link, wire);
            wait_ms = FIRST_WAIT_MS;
        } else {
            link_tell_failure(link, err.text);
        }
        link_lose_all(link);
        if (!atomic_load(&link->is_stopping)) {
            post_wait(link->post, jittered(wait_ms));
        }
        wait_ms = wait_ms * 2 < MAX_WAIT_MS ? wait_ms * 2 : MAX_WAIT_MS;
    }
    return NULL;
}

/* ---- the loop's thread ---- */

struct link *link_new(const struct link_options *options)
{
    struct link *link = mem_zalloc(sizeof(*link));
    link->options = *options;
    link->version = version_to_speak(0);
    link->post = post_new(options->wake, options->arg);
    pthread_mutex_init(&link->lock, NULL);
    return link;
}

void link_free(struct link *link)
{
    if (!link) {
        return;
    }
    if (link->has_thread) {
        atomic_store(&link->is_stopping, true);
        post_ring(link->post);
        pthread_join(link->thread, NULL);
    }
    post_free(link->post);
    pthread_mutex_destroy(&link->lock);
    free(link);
}

/* Which databases there are is nobody's business who may look at the NATS server. */
static void write_root(struct str realm, char out[ROOT_SIZE])
{
    unsigned char hash[HMAC_SIZE];
    hmac_sha256(STR("pgherald bus"), realm, hash);
    int n = snprintf(out, ROOT_SIZE, "pgherald.");
    for (int i = 0; i < REALM_BYTES; i++) {
        n += snprintf(out + n, (size_t)(ROOT_SIZE - n), "%02x", hash[i]);
    }
}

void link_set_keys(struct link *link, struct str realm, const struct seal_keys *keys)
{
    char root[ROOT_SIZE] = "";
    write_root(realm, root);
    pthread_mutex_lock(&link->lock);
    link->keys = *keys;
    bool is_other = memcmp(link->root, root, ROOT_SIZE) != 0;
    memcpy(link->root, root, ROOT_SIZE);
    pthread_mutex_unlock(&link->lock);
    if (!link->has_thread) {
        log_info("the bus' subjects are %s.>", root);
        link->has_thread = pthread_create(&link->thread, NULL, link_run, link) == 0;
    } else if (is_other) {
        link_reload(link);
    }
}

void link_speak(struct link *link, uint8_t version)
{
    link->version = version;
}

void link_reload(struct link *link)
{
    atomic_store(&link->wants_reload, true);
    post_ring(link->post);
}

uint64_t link_number(const struct link *link)
{
    return atomic_load(&link->number);
}

bool link_send(struct link *link, enum bus_kind kind, const char *to, struct str body,
               uint64_t now_ms, bool is_urgent)
{
    if (link_number(link) == 0 || body.len > link_max_body(link)) {
        return false;
    }
    struct seal_head head = {.version = link->version, .kind = (uint8_t)kind, .sent_ms = now_ms};
    memcpy(head.from, link->options.node_id, ID_SIZE);
    if (to) {
        memcpy(head.to, to, ID_SIZE);
    }
    return post_send(link->post, &head, body, is_urgent);
}

size_t link_max_body(const struct link *link)
{
    size_t most = atomic_load(&link->max_message);
    return link_number(link) == 0 || most < SEAL_SIZE ? 0 : most - SEAL_SIZE;
}

size_t link_take(struct link *link, struct incoming ***letters)
{
    return post_take_in(link->post, letters);
}

void link_count(const struct link *link, struct link_counts *out)
{
    *out = (struct link_counts){
        .n_sent = counted(&link->n.sent),
        .sent_bytes = counted(&link->n.sent_bytes),
        .n_received = counted(&link->n.received),
        .received_bytes = counted(&link->n.received_bytes),
        .n_malformed = counted(&link->n.malformed),
        .n_foreign = counted(&link->n.foreign),
        .n_unsigned = counted(&link->n.is_unsigned),
        .n_full = counted(&link->n.full),
        .n_unsent = counted(&link->n.unsent),
    };
}
