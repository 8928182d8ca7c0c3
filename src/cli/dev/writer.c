/* SPDX-License-Identifier: PostgreSQL */
/* Every two seconds a function is called that the example itself brings. Where it is missing, or
 * the database is away, nothing happens and the next time is tried again: this is decoration, and
 * no error of it is worth a line. A person may hold a lock on the table, so each call has a time
 * limit; and it shares the server's loop, so nothing here waits. */
#include "cli/dev/writer.h"

#include <stdbool.h>

#include "base/clock.h"

#define INTERVAL_MS 2000
#define TICK "public.live_table_demo_tick()"

static void on_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static void writer_connect(struct writer *writer)
{
    PQfinish(writer->conn);
    writer->conn = PQconnectStart(writer->url);
    PQsetNoticeProcessor(writer->conn, on_notice, NULL);
}

static void writer_call(struct writer *writer, bool is_time)
{
    PQconsumeInput(writer->conn);
    while (!PQisBusy(writer->conn)) {
        PGresult *result = PQgetResult(writer->conn);
        if (!result) {
            if (is_time) {
                PQsendQuery(writer->conn,
                            "SET statement_timeout = '1s'; DO $$ BEGIN IF to_regprocedure('" TICK
                            "') IS NOT NULL THEN PERFORM " TICK "; END IF; END $$");
            }
            return;
        }
        PQclear(result);
    }
}

void writer_step(struct writer *writer)
{
    uint64_t now_ms = clock_ms();
    bool is_time = now_ms >= writer->next_ms;
    if (is_time) {
        writer->next_ms = now_ms + INTERVAL_MS;
    }
    ConnStatusType status = PQstatus(writer->conn); /* of NULL: bad */
    if (status == CONNECTION_OK) {
        writer_call(writer, is_time);
    } else if (status != CONNECTION_BAD) {
        PQconnectPoll(writer->conn);
    } else if (is_time) {
        writer_connect(writer);
    }
}
