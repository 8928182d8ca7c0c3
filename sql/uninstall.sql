-- SPDX-License-Identifier: PostgreSQL
--
-- Removes everything of pgherald from this database, the history included: triggers, event triggers, the schema, rights.
-- Plain SQL, in one transaction (psql -1 -f sql/uninstall.sql, or the server's binary). It needs the rights of a superuser, as
-- triggers stand on other people's tables. On a database without the schema it only looks after the roles.
--
-- Roles belong to the whole cluster: one that another database still uses is kept, and a NOTICE says so. A role that other
-- roles were granted is dropped all the same; they only lose what it stood for.

DO $$
DECLARE
    role_name text;
BEGIN
    -- Before anything else, or they would fire for what follows.
    DROP EVENT TRIGGER IF EXISTS herald_ddl;
    DROP EVENT TRIGGER IF EXISTS herald_drop;
    -- The triggers go with their functions, and the functions with the schema.
    PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
    DROP SCHEMA IF EXISTS herald CASCADE;
    PERFORM pg_catalog.set_config('client_min_messages', 'notice', true);
    FOREACH role_name IN ARRAY ARRAY['herald_server', 'herald_admin', 'herald_publisher', 'herald_hook', 'herald_capture', 'herald_owner'] LOOP
        CONTINUE WHEN pg_catalog.to_regrole(role_name) IS NULL;
        -- What it still owns here was never ours: DROP OWNED would take somebody's tables along.
        IF EXISTS (SELECT FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.oid = d.dbid
                    WHERE b.datname = pg_catalog.current_database() AND d.deptype = 'o' AND d.classid <> 'pg_catalog.pg_default_acl'::regclass
                      AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = pg_catalog.to_regrole(role_name)) THEN
            RAISE NOTICE 'herald: kept role %, because it owns something in this database', role_name;
            CONTINUE;
        END IF;
        -- Rights and default privileges in this database.
        EXECUTE pg_catalog.format('DROP OWNED BY %I', role_name);
        BEGIN
            EXECUTE pg_catalog.format('DROP ROLE %I', role_name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'herald: kept role %, because something else in this cluster uses it', role_name;
        END;
    END LOOP;
END
$$;
