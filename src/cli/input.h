/* SPDX-License-Identifier: PostgreSQL */
/* What a command reads where "-" stands for a word. */
#ifndef HERALD_CLI_INPUT_H
#define HERALD_CLI_INPUT_H

#include "base/buf.h"
#include "base/err.h"

/* Appends stdin, up to its end. More than max bytes are a mistake in usage. */
enum status input_read(size_t max, struct buf *out, struct err *err) MUST_CHECK;

#endif
