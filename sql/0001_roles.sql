-- SPDX-License-Identifier: PostgreSQL
--
-- Step 1: the schema, what its roles (roles.sql, which runs first) may do there, and the record of installed steps.
--
-- Every step is plain SQL without psql's commands, so that the server's binary can carry and run it, and must run in
-- one transaction of its own (psql -1, or BEGIN ... COMMIT). A released step is never edited: a change is a new step.
--
-- Who can install: a superuser. A role with CREATEROLE, CREATE on the database and nothing more can install too, but
-- may not create event triggers (before 18 that takes a superuser everywhere): then herald.refresh() has to be called
-- in migrations, and step 4 says so. Restoring a dump as such a role fails at ALTER FUNCTION ... OWNER TO herald_capture
-- (or herald_hook), because those have no CREATE on the schema, on purpose.
--
-- This file is ASCII: in a database of another encoding the parser would stumble over anything else before the check below could
-- say what is wrong.
--
-- Versions: 13 to 18, and tested on all of them. 13 is the oldest because of xid8, pg_snapshot and pg_trigger.tgparentid.
-- Before 15 every role may create objects in schema public; nothing here relies on that schema.

DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'herald needs a database in UTF8, this one is in %', pg_catalog.getdatabaseencoding()
            USING ERRCODE = '0A000', HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0';
    END IF;
    IF pg_catalog.current_setting('server_version_num')::int < 130000 THEN
        RAISE EXCEPTION 'herald needs PostgreSQL 13 or newer, this is %', pg_catalog.current_setting('server_version')
            USING ERRCODE = '0A000';
    END IF;
END
$$;

CREATE SCHEMA herald AUTHORIZATION herald_owner;
COMMENT ON SCHEMA herald IS 'pgherald: announces row changes, publishes and messages to browsers';

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- A function that is created without a word about rights would be open to everybody. Never here.
ALTER DEFAULT PRIVILEGES FOR ROLE herald_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA herald TO herald_capture, herald_hook, herald_server, herald_publisher, herald_admin;

CREATE TABLE herald.schema_step (
    step         int PRIMARY KEY,
    name         text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE herald.schema_step IS 'The installed steps of this schema; each step adds its own row, last thing.';
COMMENT ON COLUMN herald.schema_step.step IS 'The number in front of the file''s name';
COMMENT ON COLUMN herald.schema_step.name IS 'The file''s name without number and ending';
COMMENT ON COLUMN herald.schema_step.installed_at IS 'When the step was installed here';

CREATE FUNCTION herald.schema_version() RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(s.step), 0) FROM herald.schema_step s
$$;
COMMENT ON FUNCTION herald.schema_version() IS 'The number of the newest installed step. No such function: not installed.';
-- Harmless, and an installer or a monitor without any other right can ask. It still needs USAGE on the schema.
GRANT EXECUTE ON FUNCTION herald.schema_version() TO PUBLIC;

INSERT INTO herald.schema_step (step, name) VALUES (1, 'roles');
RESET ROLE;
