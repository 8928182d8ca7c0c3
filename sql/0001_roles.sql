-- SPDX-License-Identifier: PostgreSQL
--
-- Step 1: the schema, what its roles (roles.sql, which runs first) may do there, and the record of installed steps.
--
-- Every step is plain SQL without psql's commands, so that the server's binary can carry and run it, and must run in
-- one transaction of its own (psql -1, or BEGIN ... COMMIT). A released step is never edited: a change is a new step.
--
-- Who can install: a superuser. A role with CREATEROLE, CREATE on the database and nothing more can install too, but
-- may not create event triggers (before 18 that takes a superuser everywhere): then the server looks for altered tables (step 6,
-- which says so). Restoring a dump as such a role fails at ALTER FUNCTION ... OWNER TO herald_capture
-- (herald_caller, herald_reader), because those have no CREATE on the schema, on purpose.
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

-- A function can only be given to a role that may create in its schema. In schema herald, herald_capture must not: it could
-- write the trigger functions of other tables anew. (To grant it that for a moment, as was done here, updates the one row of
-- the schema: two open transactions that called watch() then collided.) So a trigger function is born here, given to
-- herald_capture, and moved to herald, for which only the mover needs the right. Without USAGE nobody finds what lies here.
CREATE SCHEMA herald_cradle AUTHORIZATION herald_owner;
COMMENT ON SCHEMA herald_cradle IS 'pgherald: where trigger functions are made before they move to schema herald; empty';

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;
GRANT CREATE ON SCHEMA herald_cradle TO herald_capture;

-- A function that is created without a word about rights would be open to everybody. Never here.
ALTER DEFAULT PRIVILEGES FOR ROLE herald_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- herald_reader needs it for nothing, but a role without rights in a database would be dropped by the uninstall in another one.
GRANT USAGE ON SCHEMA herald TO herald_capture, herald_caller, herald_reader, herald_hook, herald_judge, herald_server, herald_publisher, herald_admin;

CREATE TABLE herald.schema_step (
    step         int PRIMARY KEY,
    name         text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE herald.schema_step IS 'The installed steps of this schema; each step adds its own row, last thing.';
COMMENT ON COLUMN herald.schema_step.step IS 'The number in front of the file''s name';
COMMENT ON COLUMN herald.schema_step.name IS 'The file''s name without number and ending';
COMMENT ON COLUMN herald.schema_step.installed_at IS 'When the step was installed here';

-- Databases are set up strictly: an event trigger that enables row level security on every new table would make each write
-- to a watched table fail, and a publication FOR ALL TABLES each DELETE of sweep().
CREATE FUNCTION herald.harden_tables() RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_hardened int := 0;
    t          record;
BEGIN
    FOR t IN
        SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relrowsecurity OR c.relforcerowsecurity AS is_guarded,
               c.relreplident = 'd' AND c.relpersistence = 'p'
               AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_no_identity,
               NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'herald_all') AS has_no_policy
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'herald' AND c.relkind IN ('r', 'p')
    LOOP
        CONTINUE WHEN NOT (t.is_guarded OR t.has_no_identity OR t.has_no_policy);
        n_hardened := n_hardened + 1;
        -- Should somebody enable it later, all rows are still everybody's who was granted the table.
        IF t.has_no_policy THEN
            EXECUTE format('CREATE POLICY herald_all ON %s USING (true) WITH CHECK (true)', t.name);
        END IF;
        -- A dump is restored under row_security = off, which refuses a table under row level security whatever its policies say.
        IF t.is_guarded THEN
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', t.name);
        END IF;
        -- It costs inserts nothing, and deletes only under wal_level = logical.
        IF t.has_no_identity THEN
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', t.name);
        END IF;
    END LOOP;
    RETURN n_hardened;
END
$$;
COMMENT ON FUNCTION herald.harden_tables() IS
'Internal, after a step has created tables: they have a replica identity, and row level security shows and refuses nothing.
Returns how many tables it changed.';
DO $$ BEGIN PERFORM herald.harden_tables(); END $$;

CREATE FUNCTION herald.schema_version() RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(s.step), 0) FROM herald.schema_step s
$$;
COMMENT ON FUNCTION herald.schema_version() IS 'The number of the newest installed step. No such function: not installed.';
-- Harmless, and an installer or a monitor without any other right can ask. It still needs USAGE on the schema.
GRANT EXECUTE ON FUNCTION herald.schema_version() TO PUBLIC;

-- While an upgrade goes on, servers of before serve on what it has made: a step may take away only what the version before does not need.
-- One that does so raises this number to the step of that version.
CREATE FUNCTION herald.oldest_step() RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT 1
$$;
COMMENT ON FUNCTION herald.oldest_step() IS 'For the server: which step its program must know at least; an older one is refused, and says so.';
GRANT EXECUTE ON FUNCTION herald.oldest_step() TO herald_server;

INSERT INTO herald.schema_step (step, name) VALUES (1, 'roles');
RESET ROLE;
