/* SPDX-License-Identifier: PostgreSQL */
/* One thread, one poll(2) over all links, blocking writes: the peers of a test read what they are
 * sent. The trap looks for its marker in one chunk, so the marker must be in a request that is
 * small enough to come in one. */
#include "proxy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_LINKS = 32, CHUNK = 65536 };

struct link {
    int client, server; /* -1: free place */
    bool is_stalled;
    bool is_sprung; /* the trap: the next answer's end is the end */
};

struct proxy {
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    char socket_path[108];
    int listener, port;
    int wake[2];
    bool is_ending, is_refusing, is_lying, is_deaf, is_dropping;
    enum proxy_trap trap;
    char marker[64];
    unsigned n_trapped;
    struct link links[MAX_LINKS];
};

static void cut(struct link *link)
{
    if (link->client >= 0) {
        close(link->client);
        close(link->server);
    }
    *link = (struct link){.client = -1, .server = -1};
}

static void pass(int to, const char *data, ssize_t len)
{
    for (ssize_t done = 0; done < len;) {
        ssize_t n = send(to, data + done, (size_t)(len - done), MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* the other direction will notice */
        }
        done += n;
    }
}

static void accept_link(struct proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", proxy->socket_path);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->is_refusing || connect(server, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(client);
        close(server);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    for (struct link *link = proxy->links; link < proxy->links + MAX_LINKS; link++) {
        if (link->client < 0) {
            *link = (struct link){.client = client, .server = server, .is_stalled = proxy->is_deaf};
            return;
        }
    }
    abort(); /* more connections than a test makes */
}

static void from_client(struct proxy *proxy, struct link *link)
{
    static char chunk[CHUNK];
    ssize_t n = read(link->client, chunk, sizeof(chunk));
    if (n <= 0) {
        cut(link);
        return;
    }
    if (proxy->trap != PROXY_TRAP_NONE &&
        memmem(chunk, (size_t)n, proxy->marker, strlen(proxy->marker))) {
        bool is_before = proxy->trap == PROXY_TRAP_BEFORE;
        proxy->trap = PROXY_TRAP_NONE;
        if (is_before) {
            proxy->n_trapped++;
            cut(link);
            return;
        }
        link->is_sprung = true;
    }
    pass(link->server, chunk, n);
}

/* BackendKeyData is 'K', a length of 12, the process id, a key (Frontend/Backend Protocol, Message
 * Formats). */
static void falsify_pid(char *chunk, size_t n)
{
    char *at = memmem(chunk, n, "K\0\0\0\014", 5);
    if (at && (size_t)(at - chunk) + 9 <= n) {
        at[8] ^= 1;
    }
}

static void from_server(struct proxy *proxy, struct link *link)
{
    static char chunk[CHUNK];
    ssize_t n = read(link->server, chunk, sizeof(chunk));
    if (n <= 0) {
        cut(link);
        return;
    }
    if (link->is_sprung) {
        /* ReadyForQuery: 'Z', a length of 5, the transaction's status. */
        if (n >= 6 && memcmp(chunk + n - 6, "Z\0\0\0\005", 5) == 0) {
            proxy->n_trapped++;
            cut(link);
        }
        return;
    }
    if (proxy->is_dropping &&
        chunk[0] == 'A') { /* NotificationResponse, with no answer before it */
        return;
    }
    if (proxy->is_lying) {
        falsify_pid(chunk, (size_t)n);
    }
    pass(link->client, chunk, n);
}

static nfds_t fill(struct proxy *proxy, struct pollfd *fds, struct link **owners)
{
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = proxy->wake[0], .events = POLLIN};
    fds[n++] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (struct link *link = proxy->links; link < proxy->links + MAX_LINKS; link++) {
        if (link->client >= 0 && !link->is_stalled) {
            owners[n] = owners[n + 1] = link;
            fds[n++] = (struct pollfd){.fd = link->client, .events = POLLIN};
            fds[n++] = (struct pollfd){.fd = link->server, .events = POLLIN};
        }
    }
    return n;
}

static void *serve(void *arg)
{
    struct proxy *proxy = arg;
    struct pollfd fds[2 + 2 * MAX_LINKS];
    struct link *owners[2 + 2 * MAX_LINKS];
    pthread_mutex_lock(&proxy->lock);
    while (!proxy->is_ending) {
        nfds_t n = fill(proxy, fds, owners);
        pthread_mutex_unlock(&proxy->lock);
        poll(fds, n, -1);
        pthread_mutex_lock(&proxy->lock);
        if (fds[0].revents) {
            char byte;
            (void)!read(proxy->wake[0], &byte, 1);
            continue; /* what it woke us for may have cut what we polled */
        }
        if (fds[1].revents) {
            accept_link(proxy);
        }
        for (nfds_t i = 2; i + 1 < n; i += 2) {
            if (fds[i].revents && owners[i]->client == fds[i].fd) {
                from_client(proxy, owners[i]);
            }
            if (fds[i + 1].revents && owners[i]->server == fds[i + 1].fd) {
                from_server(proxy, owners[i]);
            }
        }
    }
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

static void change(struct proxy *proxy)
{
    (void)!write(proxy->wake[1], "", 1);
    pthread_mutex_unlock(&proxy->lock);
}

struct proxy *proxy_new(const char *socket_path)
{
    struct proxy *proxy = calloc(1, sizeof(*proxy));
    snprintf(proxy->socket_path, sizeof(proxy->socket_path), "%s", socket_path);
    for (struct link *link = proxy->links; link < proxy->links + MAX_LINKS; link++) {
        link->client = link->server = -1;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(proxy->listener, 16) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0 ||
        pipe(proxy->wake) != 0) {
        perror("proxy");
        exit(1);
    }
    proxy->port = ntohs(address.sin_port);
    pthread_mutex_init(&proxy->lock, NULL);
    pthread_create(&proxy->thread, NULL, serve, proxy);
    return proxy;
}

void proxy_free(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_ending = true;
    change(proxy);
    pthread_join(proxy->thread, NULL);
    for (struct link *link = proxy->links; link < proxy->links + MAX_LINKS; link++) {
        cut(link);
    }
    close(proxy->listener);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

int proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_set_trap(struct proxy *proxy, enum proxy_trap trap, const char *marker)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->trap = trap;
    snprintf(proxy->marker, sizeof(proxy->marker), "%s", marker);
    change(proxy);
}

unsigned proxy_n_trapped(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    unsigned n = proxy->n_trapped;
    pthread_mutex_unlock(&proxy->lock);
    return n;
}

void proxy_refuse(struct proxy *proxy, bool is_refusing)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_refusing = is_refusing;
    for (struct link *link = proxy->links; is_refusing && link < proxy->links + MAX_LINKS; link++) {
        cut(link);
    }
    change(proxy);
}

void proxy_stall(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    for (struct link *link = proxy->links; link < proxy->links + MAX_LINKS; link++) {
        link->is_stalled = link->client >= 0;
    }
    change(proxy);
}

void proxy_deafen(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_deaf = true;
    change(proxy);
}

void proxy_lie_about_pid(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_lying = true;
    change(proxy);
}

void proxy_drop_notifications(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->is_dropping = true;
    change(proxy);
}
