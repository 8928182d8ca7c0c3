/* SPDX-License-Identifier: PostgreSQL */
/* By its descriptor: what stdin is may be a socket, which /dev/stdin does not open. */
#include "cli/input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

enum status input_read(size_t max, struct buf *out, struct err *err)
{
    size_t before = out->len;
    for (;;) {
        buf_reserve(out, CHUNK);
        ssize_t n = read(STDIN_FILENO, out->data + out->len, CHUNK);
        if (n == 0) {
            return STATUS_OK;
        } else if (n < 0 && errno != EINTR) {
            return err_set(err, EXIT_CODE_FAILED, "cannot read stdin: %s", strerror(errno));
        }
        out->len += n > 0 ? (size_t)n : 0;
        if (out->len - before > max) {
            return err_set(err, EXIT_CODE_USAGE, "stdin has more than %zu bytes", max);
        }
    }
}
