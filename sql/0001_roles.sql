-- SPDX-License-Identifier: PostgreSQL
--
-- Step 1: the roles, the schema and the record of installed steps.
--
-- Who may do what is decided here, once, and by roles instead of by code:
--
--   herald_owner      owns the schema and everything in it but the trigger functions. Nobody logs in as it.
--   herald_capture    owns the generated trigger functions. Those run inside strangers' transactions and print
--                     strangers' types, so this role may INSERT into herald.outbox and nothing else: whatever went
--                     wrong in such a function, there would be nothing to read and nothing else to write.
--   herald_hook       calls the functions that rules name, which other people wrote. Whatever such a function does to
--                     be run as somebody else than its owner, it finds itself in a role that may do nothing here.
--   herald_server     the server logs in as it: EXECUTE on the functions of its protocol, SELECT on a few tables.
--   herald_publisher  granted to application roles that may publish.
--   herald_admin      granted to those who may watch tables and change rules.
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
-- Versions: written for 13 to 18, run on 15. 13 is the oldest because of xid8, pg_snapshot and pg_trigger.tgparentid.
-- Before 15 every role may create objects in schema public; nothing here relies on that schema. From 16 on a creating
-- role does not inherit from the roles it creates: the explicit grants below cover both ways.

DO $$
DECLARE
    role_name text;
BEGIN
    IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'herald needs a database in UTF8, this one is in %', pg_catalog.getdatabaseencoding()
            USING ERRCODE = '0A000', HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0';
    END IF;
    IF pg_catalog.current_setting('server_version_num')::int < 130000 THEN
        RAISE EXCEPTION 'herald needs PostgreSQL 13 or newer, this is %', pg_catalog.current_setting('server_version')
            USING ERRCODE = '0A000';
    END IF;
    FOREACH role_name IN ARRAY ARRAY['herald_owner', 'herald_capture', 'herald_hook', 'herald_publisher', 'herald_admin', 'herald_server'] LOOP
        IF pg_catalog.to_regrole(role_name) IS NULL THEN
            -- Roles belong to the cluster: another database may be creating the same ones right now.
            BEGIN
                EXECUTE pg_catalog.format('CREATE ROLE %I %s', role_name,
                                          CASE role_name WHEN 'herald_server' THEN 'LOGIN' ELSE 'NOLOGIN' END);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) THEN
        EXECUTE pg_catalog.format('GRANT herald_owner, herald_capture, herald_hook TO %I', current_user);
    END IF;
    -- The owner of the schema replaces trigger functions, which it hands to herald_capture.
    IF NOT pg_catalog.pg_has_role('herald_owner', 'herald_capture', 'MEMBER') THEN
        GRANT herald_capture TO herald_owner;
    END IF;
    IF NOT pg_catalog.pg_has_role('herald_owner', 'herald_hook', 'MEMBER') THEN
        GRANT herald_hook TO herald_owner;
    END IF;
END
$$;

COMMENT ON ROLE herald_owner IS 'pgherald: owns schema herald; nobody logs in as it';
COMMENT ON ROLE herald_capture IS 'pgherald: owns the trigger functions; may insert into herald.outbox and nothing else';
COMMENT ON ROLE herald_hook IS 'pgherald: calls the functions of rules; grant it EXECUTE on those that are not open to PUBLIC';
COMMENT ON ROLE herald_server IS 'pgherald: the server logs in as this role';
COMMENT ON ROLE herald_publisher IS 'pgherald: grant it to roles that may call herald.publish, disconnect and history';
COMMENT ON ROLE herald_admin IS 'pgherald: grant it to roles that may call herald.watch, set_rule and rotate_canonical';

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
