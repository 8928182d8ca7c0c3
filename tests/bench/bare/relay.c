/* SPDX-License-Identifier: PostgreSQL */
/* The bare limit of a chat: what a client sends goes to all clients of its channel. relay PORT */
#include <stdlib.h>

#include "broadcast.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 64;
    }
    broadcast_run(broadcast_new((uint16_t)strtoul(argv[1], NULL, 10)));
}
