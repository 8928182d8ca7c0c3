-- SPDX-License-Identifier: PostgreSQL
--
-- Installs or upgrades schema herald with psql:  psql -d mydb -f sql/install.sql
--
-- A step is a file whose name starts with four digits and an underscore: those digits are its number, and there are no
-- gaps. Whoever installs (this script, or the server's binary, which carries the files) runs every step whose number is
-- above herald.schema_version(), in the order of numbers, each in a transaction of its own: BEGIN, the file, COMMIT. In step 1's
-- transaction roles.sql goes before it. A step records itself in herald.schema_step. If herald.schema_version() does not exist, no step is installed. If it is higher
-- than the highest file, the database is newer than these files, and nothing may be done.

\set ON_ERROR_STOP on
\encoding UTF8
\set newest 15
SET client_min_messages = notice;

SELECT to_regprocedure('herald.schema_version()') IS NULL AS is_absent \gset
\if :is_absent
    \set installed 0
\else
    SELECT herald.schema_version() AS installed \gset
\endif

SELECT :installed > :newest AS is_newer, :installed < 1 AS needs_1, :installed < 2 AS needs_2, :installed < 3 AS needs_3,
       :installed < 4 AS needs_4, :installed < 5 AS needs_5, :installed < 6 AS needs_6, :installed < 7 AS needs_7,
       :installed < 8 AS needs_8, :installed < 9 AS needs_9, :installed < 10 AS needs_10, :installed < 11 AS needs_11,
       :installed < 12 AS needs_12, :installed < 13 AS needs_13, :installed < 14 AS needs_14,
       :installed < 15 AS needs_15 \gset
\if :is_newer
    \echo 'herald: the database has step' :installed 'and these files end with step' :newest ': use newer files'
    DO $$ BEGIN RAISE EXCEPTION 'herald: refusing to downgrade'; END $$;
\endif

-- All steps, but as they were before the release: their outbox held payloads, later some columns more.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass('herald.outbox') AND a.attname IN ('payload', 'reduced') AND NOT a.attisdropped) THEN
        RAISE EXCEPTION 'herald: this database has steps as they were before their release' USING ERRCODE = '55000',
            HINT = 'They cannot be upgraded. Uninstall and install again (pgherald uninstall, or sql/uninstall.sql): the history goes with it.';
    END IF;
END
$$;

\if :needs_1
    BEGIN;
    \ir roles.sql
    \ir 0001_roles.sql
    COMMIT;
\endif

\if :needs_2
    BEGIN;
    \ir 0002_tables.sql
    COMMIT;
\endif

\if :needs_3
    BEGIN;
    \ir 0003_expressions.sql
    COMMIT;
\endif

\if :needs_4
    BEGIN;
    \ir 0004_capture.sql
    COMMIT;
\endif

\if :needs_5
    BEGIN;
    \ir 0005_generate.sql
    COMMIT;
\endif

\if :needs_6
    BEGIN;
    \ir 0006_watch.sql
    COMMIT;
\endif

\if :needs_7
    BEGIN;
    \ir 0007_sequencer.sql
    COMMIT;
\endif

\if :needs_8
    BEGIN;
    \ir 0008_log.sql
    COMMIT;
\endif

\if :needs_9
    BEGIN;
    \ir 0009_site.sql
    COMMIT;
\endif

\if :needs_10
    BEGIN;
    \ir 0010_access.sql
    COMMIT;
\endif

\if :needs_11
    BEGIN;
    \ir 0011_live.sql
    COMMIT;
\endif

\if :needs_12
    BEGIN;
    \ir 0012_judge.sql
    COMMIT;
\endif

\if :needs_13
    BEGIN;
    \ir 0013_sent.sql
    COMMIT;
\endif

\if :needs_14
    BEGIN;
    \ir 0014_nodes.sql
    COMMIT;
\endif

\if :needs_15
    BEGIN;
    \ir 0015_doctor.sql
    COMMIT;
\endif

SELECT herald.schema_version() AS "herald schema version";
