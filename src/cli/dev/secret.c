/* SPDX-License-Identifier: PostgreSQL */
/* It is written under another name and then linked, so that no start ever finds half a secret. One
 * that is there is left alone: tokens that were made with it stay good. */
#include "cli/dev/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"

#define SECRET_BYTES 32

static void write_text(char out[2 * SECRET_BYTES + 2])
{
    unsigned char bytes[SECRET_BYTES];
    id_random(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
    memcpy(out + 2 * SECRET_BYTES, "\n", 2);
    explicit_bzero(bytes, sizeof(bytes));
}

/* 0, or the error. */
static int make(const char *path, const char *draft)
{
    char text[2 * SECRET_BYTES + 2];
    unlink(draft); /* of a start that was killed */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return errno;
    }
    write_text(text);
    bool is_good = write(fd, text, sizeof(text) - 1) == sizeof(text) - 1 && fsync(fd) == 0 &&
                   link(draft, path) == 0;
    int code = is_good ? 0 : errno;
    explicit_bzero(text, sizeof(text));
    close(fd);
    unlink(draft);
    return code;
}

enum status secret_open(const char *dir, char **path, struct err *err)
{
    char *file = mem_printf("%s/token-secret", dir);
    char *draft = mem_printf("%s/token-secret.new", dir);
    int code = access(file, F_OK) == 0 ? 0 : make(file, draft);
    free(draft);
    if (code != 0) {
        err_set(err, EXIT_CODE_CONFIG, "cannot create %s: %s", file, strerror(code));
        free(file);
        return STATUS_FAILED;
    }
    *path = file;
    return STATUS_OK;
}
