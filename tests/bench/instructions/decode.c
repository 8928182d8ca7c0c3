/* SPDX-License-Identifier: PostgreSQL */
/* What it costs to read what a client sends: the text of a frame becomes a command, and its request
 * for a session an answer.
 *
 *   decode CASE     prints the messages read inside of measured(), which callgrind counts
 *
 * plain: without any of the options that few messages have; keyed: with a ref and a key; handshake:
 * as a browser sends it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_head.h"
#include "proto/rfc6455.h"
#include "proto/xano.h"

enum { N_MESSAGES = 1000 };

#define PAYLOAD ",\"payload\":{\"text\":\"a message as people write them, of one line\",\"to\":17}}"

static const struct {
    const char *name, *text;
} cases[] = {
    {"plain", "{\"action\":\"message\",\"options\":{\"channel\":\"room/17\"}" PAYLOAD},
    {"keyed", "{\"action\":\"message\",\"options\":{\"channel\":\"room/17\",\"ref\":\"12\","
              "\"id_key\":\"0123456789abcdef\"}" PAYLOAD},
    {"handshake", NULL},
};

static const char handshake[] =
    "GET /rt/0123456789abcdef HTTP/1.1\r\nHost: live.example.org\r\nConnection: Upgrade\r\n"
    "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\nUpgrade: "
    "websocket\r\n"
    "Origin: https://www.example.org\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, "
    "deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\nSec-WebSocket-Key: "
    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

__attribute__((noipa)) static size_t measured_handshakes(struct rfc6455_hash *hash)
{
    size_t n = 0;
    for (size_t i = 0; i < N_MESSAGES; i++) {
        struct http_head head = {0};
        struct buf answer = {0};
        n += http_head_read(&head, handshake, sizeof handshake - 1) == HTTP_HEAD_COMPLETE;
        http_accept(&answer, &head, hash);
        buf_release(&answer);
    }
    return n;
}

static size_t handshakes(void)
{
    struct rfc6455_hash *hash = rfc6455_hash_new();
    size_t n = measured_handshakes(hash);
    rfc6455_hash_free(hash);
    return n;
}

__attribute__((noipa)) static size_t measured(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < N_MESSAGES; i++) {
        struct command *command = xano_decode(text, (struct session_id){0});
        n += command->type == COMMAND_MESSAGE;
        command_free(command);
    }
    return n;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases && argc == 2; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            size_t n = cases[i].text ? measured(str_of(cases[i].text)) : handshakes();
            printf("%zu\n", n);
            return n == N_MESSAGES ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    fputs("usage: decode plain|keyed|handshake\n", stderr);
    return EXIT_FAILURE;
}
