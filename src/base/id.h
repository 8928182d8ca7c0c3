/* SPDX-License-Identifier: PostgreSQL */
/* Random identifiers from the kernel's generator. */
#ifndef HERALD_BASE_ID_H
#define HERALD_BASE_ID_H

#include <stddef.h>

void id_random(void *out, size_t len); /* aborts if the kernel has no randomness */
#define ID_TEXT_SIZE 17                /* 12 random bytes as base64url, and a NUL */
void id_text(char out[ID_TEXT_SIZE]);
void id_forget(
    void); /* in a copy of the process (fork): what is in stock is the other one's, too */

#endif
