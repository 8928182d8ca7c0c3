-- SPDX-License-Identifier: PostgreSQL
--
-- The roles of pgherald, which belong to the whole cluster. This is their only list but for uninstall's.
--
-- Who may do what is decided here, once, and by roles instead of by code:
--
--   herald_owner      owns the schema and everything in it but the trigger functions. Nobody logs in as it.
--   herald_capture    owns the generated trigger functions. Those run inside strangers' transactions and print
--                     strangers' types, so this role may INSERT into herald.outbox and nothing else: whatever went
--                     wrong in such a function, there would be nothing to read and nothing else to write.
--   herald_hook       the server logs in as it where it calls the functions that rules name, which other people wrote:
--                     EXECUTE on call_function(), and nothing else. What such a function leaves behind runs as this role.
--   herald_caller     owns call_function(); owners grant it EXECUTE on their functions. Nobody logs in as it.
--   herald_judge      the server logs in as it where it asks row level security what a client may see. Not inheriting, so that
--                     the roles of clients, which an admin grants it, give it nothing before it becomes one of them.
--   herald_reader     owns the functions that read rows for snapshots; owners of tables let it SELECT what they announce. No other
--                     role is a member of it: whoever were, would see all rows of tables with row level security.
--   herald_server     the server logs in as it: EXECUTE on the functions of its protocol, SELECT on a few tables.
--   herald_publisher  granted to application roles that may publish.
--   herald_admin      granted to those who may watch tables and change rules.
--
-- Running it again changes nothing. It runs in the transaction of step 1; on its own (pgherald install --roles-only, or psql)
-- it prepares a new cluster for a dump, which has the schema but no roles. ASCII, as it may run in a database of any encoding.
--
-- From 16 on a creating role does not inherit from the roles it creates: the explicit grants cover both ways. Who was granted
-- them by somebody with more rights needs none of his own.

DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT * FROM (VALUES
        ('herald_owner', 'NOLOGIN', 'owns schema herald; nobody logs in as it'),
        ('herald_capture', 'NOLOGIN', 'owns the trigger functions; may insert into herald.outbox and nothing else'),
        ('herald_caller', 'NOLOGIN', 'calls the functions of rules; grant it EXECUTE on those that are not open to PUBLIC'),
        ('herald_hook', 'LOGIN', 'the server logs in as this role to call the functions of rules; grant it nothing'),
        ('herald_judge', 'LOGIN NOINHERIT', 'the server logs in as this role to judge row level security; grant it the roles that clients may have'),
        ('herald_reader', 'NOLOGIN', 'reads the rows of snapshots; herald.watch() grants it SELECT on what is announced'),
        ('herald_publisher', 'NOLOGIN', 'grant it to roles that may call herald.publish, disconnect and history'),
        ('herald_admin', 'NOLOGIN', 'grant it to roles that may call herald.watch, set_rule and rotate_canonical'),
        ('herald_server', 'LOGIN', 'the server logs in as this role')) AS v(name, login, purpose)
    LOOP
        CONTINUE WHEN pg_catalog.to_regrole(r.name) IS NOT NULL;
        BEGIN
            EXECUTE pg_catalog.format('CREATE ROLE %I %s', r.name, r.login);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            CONTINUE; -- another database of the cluster was quicker
        END;
        EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', r.name, 'pgherald: ' || r.purpose);
    END LOOP;
    -- The owner of the schema replaces trigger functions, which it hands to herald_capture. So does whoever installs.
    FOR r IN SELECT * FROM (VALUES
        ('herald_capture', 'herald_owner'), ('herald_caller', 'herald_owner'),
        ('herald_owner', current_user), ('herald_capture', current_user), ('herald_caller', current_user)) AS v(name, member)
    LOOP
        IF NOT pg_catalog.pg_has_role(r.member, r.name, 'USAGE') THEN
            EXECUTE pg_catalog.format('GRANT %I TO %I', r.name, r.member);
        END IF;
    END LOOP;
END
$$;
