/* SPDX-License-Identifier: PostgreSQL */
/* What is made from the tables of commands and options, for `make install`. */
#ifndef HERALD_CLI_MADE_MADE_H
#define HERALD_CLI_MADE_MADE_H

#include <stdio.h>

#include "config/arguments.h"

void made_man(FILE *out);        /* pgherald(1): commands and all their flags */
void made_man_conf(FILE *out);   /* pgherald.conf(5): what the file may say */
void made_completion(FILE *out); /* for bash */

#endif
