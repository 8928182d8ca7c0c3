/* SPDX-License-Identifier: PostgreSQL */
/* The codes in close frames: those of RFC 6455, 7.4.1, those that IANA has registered since (1012
 * and 1013), and from 4000 on our own. By them a client decides whether it comes back. */
#ifndef HERALD_CORE_CLOSE_CODE_H
#define HERALD_CORE_CLOSE_CODE_H

enum close_code {
    CLOSE_CODE_NORMAL = 1000,
    CLOSE_CODE_PROTOCOL_ERROR = 1002,
    CLOSE_CODE_UNSUPPORTED = 1003,
    CLOSE_CODE_NONE = 1005, /* the close frame had no code; never on the wire */
    CLOSE_CODE_CUT = 1006,  /* there was none: the connection is gone; the same */
    CLOSE_CODE_INVALID_DATA = 1007,
    CLOSE_CODE_POLICY = 1008,
    CLOSE_CODE_TOO_BIG = 1009,
    CLOSE_CODE_SERVICE_RESTART = 1012,
    CLOSE_CODE_TRY_AGAIN = 1013,     /* the client comes back by itself */
    CLOSE_CODE_TOKEN_EXPIRED = 4000, /* so it does, with a new token if it has one */
    CLOSE_CODE_UNAUTHORIZED = 4401,  /* it does not */
};

#endif
