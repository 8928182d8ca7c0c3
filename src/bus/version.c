/* SPDX-License-Identifier: PostgreSQL */
/* The number stands here alone, so that the program of a later version is this file compiled anew:
 * the tests have two of them (Makefile, LATER). */
#include "bus/version.h"

#ifndef PGHERALD_BUS_VERSION
#define PGHERALD_BUS_VERSION 2
#endif

uint8_t version_newest(void)
{
    return PGHERALD_BUS_VERSION;
}

bool version_is_read(uint8_t version)
{
    return version == PGHERALD_BUS_VERSION || version == PGHERALD_BUS_VERSION - 1;
}

uint8_t version_to_speak(uint8_t others)
{
    return others >= PGHERALD_BUS_VERSION ? PGHERALD_BUS_VERSION : PGHERALD_BUS_VERSION - 1;
}
