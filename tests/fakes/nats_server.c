/* SPDX-License-Identifier: PostgreSQL */
/* nats-server dies with the test (PR_SET_PDEATHSIG), also if the test is killed. The client speaks
 * the protocol by hand (docs.nats.io, "Client Protocol"), because one who forges does not use our
 * code. */
#include "nats_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    pid_t pid;
    uint16_t port;
    char directory[64], config[96], url[64];
} nats;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "nats: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = address_of(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("a free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

static int try_connect(void)
{
    struct sockaddr_in address = address_of(nats.port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void write_config(const char *settings)
{
    if (nats.port == 0) {
        snprintf(nats.directory, sizeof(nats.directory), "/tmp/pgherald-nats-XXXXXX");
        if (!mkdtemp(nats.directory)) {
            die("mkdtemp");
        }
        nats.port = free_port();
        snprintf(nats.config, sizeof(nats.config), "%s/nats.conf", nats.directory);
        snprintf(nats.url, sizeof(nats.url), "nats://127.0.0.1:%u", nats.port);
    }
    FILE *file = fopen(nats.config, "we");
    if (!file) {
        die(nats.config);
    }
    fprintf(file, "host: 127.0.0.1\nport: %u\n%s", nats.port, settings ? settings : "");
    fclose(file);
}

void nats_up(const char *settings)
{
    write_config(settings);
    fflush(NULL);
    nats.pid = fork();
    if (nats.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char log[96];
        snprintf(log, sizeof(log), "%s/log", nats.directory);
        execlp("nats-server", "nats-server", "-c", nats.config, "-l", log, NULL);
        die("nats-server (Debian: apt-get install nats-server)");
    }
    struct timespec pause = {.tv_nsec = 20000000};
    int fd = -1;
    for (int tries = 0; tries < 250 && (fd = try_connect()) < 0; tries++) {
        nanosleep(&pause, NULL);
    }
    if (fd < 0) {
        die("nats-server does not start");
    }
    close(fd);
}

void nats_down(void)
{
    kill(nats.pid, SIGKILL);
    waitpid(nats.pid, NULL, 0);
    nats.pid = 0;
}

void nats_pause(void)
{
    kill(nats.pid, SIGSTOP);
}

void nats_resume(void)
{
    kill(nats.pid, SIGCONT);
}

void nats_stop(void)
{
    if (nats.pid > 0) {
        nats_down();
    }
    char command[96];
    snprintf(command, sizeof(command), "rm -rf %s", nats.directory);
    if (system(command) != 0) {
        die(command);
    }
    nats.port = 0;
}

const char *nats_url(void)
{
    return nats.url;
}

const char *nats_directory(void)
{
    return nats.directory;
}

/* ---- a client ---- */

static void say(int fd, const void *data, size_t len)
{
    if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len) {
        die("send");
    }
}

/* Byte by byte: what stands behind the line is not ours yet. False: a second went by. */
static bool read_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    while (n + 1 < size) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 1000) <= 0 || read(fd, line + n, 1) != 1) {
            return false;
        }
        if (line[n++] == '\n') {
            break;
        }
    }
    line[n] = '\0';
    return true;
}

static void expect(int fd, const char *word)
{
    char line[4096];
    do {
        if (!read_line(fd, line, sizeof(line))) {
            die(word);
        }
    } while (strncmp(line, word, strlen(word)) != 0);
}

int nats_connect(void)
{
    static const char hello[] = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n";
    int fd = try_connect();
    if (fd < 0) {
        die("connect");
    }
    expect(fd, "INFO");
    say(fd, hello, sizeof(hello) - 1);
    expect(fd, "PONG");
    return fd;
}

void nats_publish(int socket, const char *subject, struct str data)
{
    char head[256];
    int n = snprintf(head, sizeof(head), "PUB %s %zu\r\n", subject, data.len);
    say(socket, head, (size_t)n);
    if (data.len > 0) {
        say(socket, data.ptr, data.len);
    }
    say(socket, "\r\nPING\r\n", 8);
    expect(socket, "PONG");
}

void nats_subscribe(int socket, const char *subject)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "SUB %s 1\r\nPING\r\n", subject);
    say(socket, line, (size_t)n);
    expect(socket, "PONG");
}

static void read_all(int fd, char *out, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(fd, out + at, len - at);
        if (n <= 0) {
            die("read");
        }
        at += (size_t)n;
    }
}

bool nats_next(int socket, char subject[256], struct str *data)
{
    char line[4096];
    size_t len;
    do {
        if (!read_line(socket, line, sizeof(line))) {
            return false;
        }
        if (strncmp(line, "PING", 4) == 0) {
            say(socket, "PONG\r\n", 6);
        }
    } while (sscanf(line, "MSG %255s 1 %zu", subject, &len) != 2);
    char *text = malloc(len + 2);
    if (!text) {
        die("malloc");
    }
    read_all(socket, text, len + 2);
    *data = (struct str){text, len};
    return true;
}
