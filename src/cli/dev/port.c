/* SPDX-License-Identifier: PostgreSQL */
/* Between this look and whoever binds the port for good somebody else may take it: who asks has to live with that. */
#include "cli/dev/port.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listen/listener.h"

enum { MAX_TRIED = 20 };

int port_free(int wanted)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)wanted),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    int one = 1, port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return 0;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        port = ntohs(address.sin_port);
    }
    close(fd);
    return port > 0 || wanted == 0 ? port : port_free(0);
}

static enum status look(const char *listen, struct err *err)
{
    char *url = NULL;
    enum status status = listener_bind(listen, false, 0, NULL, &url, err);
    free(url);
    return status;
}

enum status port_check(const char *listen, bool may_move, char **out, struct err *err)
{
    const char *colon = strrchr(listen, ':');
    int host_len = (int)(colon - listen);
    long first = strtol(colon + 1, NULL, 10);
    enum status status = look(listen, err);
    *out = mem_strdup(listen);
    for (long port = first + 1; may_move && status != STATUS_OK && err->code == EXIT_CODE_PORT &&
                                port <= first + MAX_TRIED && port <= UINT16_MAX;
         port++) {
        struct err ignored; /* of the first one tells more */
        free(*out);
        *out = mem_printf("%.*s:%ld", host_len, listen, port);
        status = look(*out, &ignored);
    }
    return status;
}

/* ---- addresses ---- */

static bool reaches(const struct ifaddrs *one)
{
    return one->ifa_addr && one->ifa_addr->sa_family == AF_INET && (one->ifa_flags & IFF_UP) &&
           !(one->ifa_flags & IFF_LOOPBACK);
}

bool port_is_for_all(const char *url)
{
    return strncmp(url, "http://0.0.0.0:", 15) == 0 || strncmp(url, "http://[::]:", 12) == 0;
}

char *port_local_url(const char *url)
{
    return port_is_for_all(url) ? mem_printf("http://127.0.0.1%s", strrchr(url, ':'))
                                : mem_strdup(url);
}

void port_print_others(const char *url, FILE *out)
{
    struct ifaddrs *all = NULL;
    if (!port_is_for_all(url) || getifaddrs(&all) != 0) {
        return;
    }
    for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
        char host[INET_ADDRSTRLEN];
        if (reaches(one)) {
            const struct sockaddr_in *address = (const void *)one->ifa_addr;
            inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host));
            fprintf(out, "    http://%s%s/   (from other machines)\n", host, strrchr(url, ':'));
        }
    }
    freeifaddrs(all);
}
