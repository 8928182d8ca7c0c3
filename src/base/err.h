/* SPDX-License-Identifier: PostgreSQL */
/* An expected failure that a person will read: an exit code and one clear sentence that says what
 * to do. */
#ifndef HERALD_BASE_ERR_H
#define HERALD_BASE_ERR_H

enum status { STATUS_OK = 0, STATUS_FAILED = -1 };
#define MUST_CHECK __attribute__((warn_unused_result))

/* Exit codes: sysexits.h values where one fits (64 EX_USAGE, 75 EX_TEMPFAIL, 78 EX_CONFIG). */
enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_USAGE = 64,
    EXIT_CODE_PORT = 75,
    EXIT_CODE_CONFIG = 78
};

struct err {
    enum exit_code code;
    char text[1024];
};

/* Fills *err and returns STATUS_FAILED, so that `return err_set(err, …)` reads well. err may be
 * NULL. */
enum status err_set(struct err *err, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
