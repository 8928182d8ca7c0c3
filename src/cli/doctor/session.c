/* SPDX-License-Identifier: PostgreSQL */
/* The connection itself. A pooler answers with a process number of its own when one connects, as
 * cancelling goes through it; so that number is not the one that Postgres says. */
#include <stdlib.h>

#include "base/clock.h"
#include "cli/doctor/checks.h"
#include "pg/database.h"

#define MAX_CLOCK_DIFFERENCE_S 5

static enum status ask_number(struct admin *admin, const char *sql, double *out, struct err *err)
{
    char *text = NULL;
    enum status status = admin_value(admin, sql, 0, NULL, &text, err);
    *out = text ? strtod(text, NULL) : 0;
    free(text);
    return status;
}

/* The database's clock was read between the two of ours: what lies outside of them differs. */
static enum status check_clock(struct admin *admin, struct findings *findings, struct err *err)
{
    double before = (double)clock_wall_ms() / 1000, theirs;
    if (ask_number(admin, "SELECT extract(epoch FROM pg_catalog.clock_timestamp())", &theirs,
                   err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    double after = (double)clock_wall_ms() / 1000;
    double ahead = theirs > after ? theirs - after : theirs < before ? theirs - before : 0;
    if (ahead > MAX_CLOCK_DIFFERENCE_S || ahead < -MAX_CLOCK_DIFFERENCE_S) {
        findings_add(findings, "warning", "clock_differs",
                     "Let both machines ask a time server (timedatectl set-ntp true).",
                     "the clock of the database is %.0f seconds %s that of this machine: tokens "
                     "and times differ",
                     ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead of" : "behind");
    }
    return STATUS_OK;
}

enum status check_session(struct admin *admin, struct findings *findings, struct err *err)
{
    double pid, step;
    if (ask_number(admin, "SELECT pg_catalog.pg_backend_pid()", &pid, err) != STATUS_OK ||
        ask_number(admin, "SELECT herald.schema_version()", &step, err) != STATUS_OK ||
        check_clock(admin, findings, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    if ((int)pid != admin_pid(admin)) {
        findings_add(findings, "warning", "pooler",
                     "Give the server a database-url of Postgres itself. One in session mode will "
                     "do; behind one in transaction mode it looks for changes every 10 ms, and "
                     "cannot be one of several.",
                     "between here and Postgres is a pooler, through which LISTEN may hear "
                     "nothing");
    }
    if ((int)step < DATABASE_SCHEMA_STEP) {
        findings_add(
            findings, "error", "schema_old", "pgherald upgrade",
            "the schema has step %d, and this program needs %d: its server would not serve",
            (int)step, DATABASE_SCHEMA_STEP);
    }
    if ((int)step > DATABASE_SCHEMA_STEP) {
        findings_add(findings, "warning", "program_old",
                     "Install the pgherald that the schema was upgraded with.",
                     "the schema has step %d, this program knows %d", (int)step,
                     DATABASE_SCHEMA_STEP);
    }
    return STATUS_OK;
}
