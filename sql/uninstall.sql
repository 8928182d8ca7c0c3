-- SPDX-License-Identifier: PostgreSQL
--
-- Removes everything of pgherald from this database, the history included: triggers, event triggers, the schemas, rights.
-- Plain SQL (psql -f sql/uninstall.sql, or the server's binary). It needs the rights of a superuser, as triggers stand on other
-- people's tables. On a database without the schema it only looks after the roles.
--
-- The application goes on meanwhile. To drop the schema in one transaction locked every watched table, one after the other, and
-- deadlocked with writers. So each table is a transaction of its own, and each waits for its locks far less than the second after
-- which a writer looks for a deadlock: 0.1 s at first, and up to half a second where writers hold the table for longer than that each
-- time, or it would never come in. Whoever holds the table goes first, and it is tried again. That needs COMMIT, so it cannot run
-- inside a transaction (psql -1). Interrupted, it is continued by the next run. What calls herald.publish() has to stop before, of course.
--
-- A table with parts is locked from above, as writers do it: the triggers of parts are dropped before their parent's, and a writer who has
-- the parent and wants the part would meet one who has the part and wants the parent, again and again.
--
-- It looks for a deadlock itself before any writer does, so that one would end this and no statement of the application; an
-- autovacuum gives way at that moment too.
--
-- Roles belong to the whole cluster: one that another database still uses is kept, and a WARNING says so. A role that other
-- roles were granted is dropped all the same; they only lose what it stood for.

DO $$
DECLARE
    role_names CONSTANT text[] := ARRAY['herald_server', 'herald_admin', 'herald_publisher', 'herald_judge', 'herald_hook', 'herald_reader', 'herald_caller', 'herald_capture', 'herald_owner'];
    max_tries  CONSTANT int := 80; -- a minute
    commands   text[];
    roots      text[]; -- the tables of a function's triggers, parents only
    command    text;
    root       text;
    role_name  text;
    n_tries    int;
    is_done    boolean;
    obstacle   text;
    n_done     int := 0;
    began      CONSTANT timestamptz := pg_catalog.clock_timestamp();
    told       timestamptz := pg_catalog.clock_timestamp();
BEGIN
    IF pg_catalog.now() <> pg_catalog.statement_timestamp() THEN
        RAISE EXCEPTION 'herald: run this outside of a transaction (psql without -1): it gives way to writers between its steps'
            USING ERRCODE = '25001';
    END IF;
    SELECT pg_catalog.pg_get_userbyid(n.nspowner) INTO obstacle FROM pg_catalog.pg_namespace n
     WHERE n.nspname = 'herald' AND n.nspowner <> ALL (ARRAY(SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = 'herald_owner'))
       AND pg_catalog.obj_description(n.oid, 'pg_namespace') NOT LIKE 'pgherald:%' IS NOT false;
    IF FOUND THEN
        RAISE EXCEPTION 'herald: the schema herald is not of pgherald: it belongs to %', obstacle
            USING ERRCODE = '42501', HINT = 'Nothing was removed. If it is to go: DROP SCHEMA herald CASCADE';
    END IF;
    -- The event triggers before anything else, or they would fire for what follows. A table's triggers go with their function.
    commands := ARRAY['DROP EVENT TRIGGER IF EXISTS herald_ddl', 'DROP EVENT TRIGGER IF EXISTS herald_owner', 'DROP EVENT TRIGGER IF EXISTS herald_drop'];
    FOR command, root IN
        SELECT pg_catalog.format('DROP FUNCTION IF EXISTS herald.%I() CASCADE', p.proname),
               (SELECT pg_catalog.string_agg(DISTINCT t.tgrelid::pg_catalog.regclass::pg_catalog.text, ', ') FROM pg_catalog.pg_trigger t
                 WHERE t.tgfoid = p.oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_trigger u ON u.tgrelid = i.inhparent
                                                         WHERE i.inhrelid = t.tgrelid AND u.tgfoid = p.oid))
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'herald' AND pg_catalog.starts_with(p.proname::pg_catalog.text, 'capture_')
           AND p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype
    LOOP
        commands := commands || command;
        roots[pg_catalog.cardinality(commands)] := root;
    END LOOP;
    commands := commands
        -- Policies for snapshots: DROP OWNED, below, would lock all those tables in one transaction.
        || ARRAY(SELECT pg_catalog.format('DROP POLICY IF EXISTS herald_reader ON %s', p.polrelid::pg_catalog.regclass)
                   FROM pg_catalog.pg_policy p WHERE p.polname = 'herald_reader' AND p.polroles = ARRAY[pg_catalog.to_regrole('herald_reader')::pg_catalog.oid])
        || ARRAY['DROP SCHEMA IF EXISTS herald, herald_cradle CASCADE'];
    FOR i IN 1..pg_catalog.cardinality(commands) LOOP
        command := commands[i];
        n_tries := 0;
        LOOP
            BEGIN
                PERFORM pg_catalog.set_config('lock_timeout', least(100 + 20 * n_tries, 500) || 'ms', true),
                        pg_catalog.set_config('client_min_messages', 'warning', true);
                IF pg_catalog.current_setting('is_superuser')::bool THEN
                    PERFORM pg_catalog.set_config('deadlock_timeout', '50ms', true);
                END IF;
                IF roots[i] IS NOT NULL THEN
                    BEGIN
                        EXECUTE 'LOCK TABLE ' || roots[i];
                    EXCEPTION WHEN insufficient_privilege THEN
                        NULL; -- the triggers go all the same, with luck
                    END;
                END IF;
                EXECUTE command;
                is_done := true;
            EXCEPTION WHEN lock_not_available OR deadlock_detected OR internal_error THEN -- the last: tuple concurrently updated
                is_done := false;
                obstacle := SQLERRM;
            END;
            COMMIT;
            n_done := n_done + is_done::int;
            -- Whoever waits for this gets a line a second.
            IF pg_catalog.clock_timestamp() - told > interval '1 s' AND n_done < pg_catalog.cardinality(commands) THEN
                told := pg_catalog.clock_timestamp();
                RAISE NOTICE 'herald: % of % done%', n_done, pg_catalog.cardinality(commands), pg_catalog.concat(
                    CASE WHEN n_done > 0 THEN pg_catalog.format(', about %s s to go',
                        pg_catalog.ceil(extract(epoch FROM told - began) / n_done * (pg_catalog.cardinality(commands) - n_done))) END,
                    CASE WHEN NOT is_done THEN '; gives way to others at ' || command END);
            END IF;
            EXIT WHEN is_done;
            n_tries := n_tries + 1;
            IF n_tries = max_tries THEN
                RAISE EXCEPTION 'herald: gave up at %: %', command, obstacle
                    USING ERRCODE = '55P03', HINT = 'Somebody holds a lock for long, see pg_stat_activity and pg_locks. Run it again: what is done is done.';
            END IF;
            PERFORM pg_catalog.pg_sleep(least(0.02 * n_tries, 1));
            COMMIT; -- or the next try would be made with this one's snapshot
        END LOOP;
    END LOOP;
    FOREACH role_name IN ARRAY role_names LOOP
        CONTINUE WHEN pg_catalog.to_regrole(role_name) IS NULL;
        -- What it still owns here was never ours: DROP OWNED would take somebody's tables along.
        IF EXISTS (SELECT FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.oid = d.dbid
                    WHERE b.datname = pg_catalog.current_database() AND d.deptype = 'o' AND d.classid <> 'pg_catalog.pg_default_acl'::regclass
                      AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.refobjid = pg_catalog.to_regrole(role_name)) THEN
            RAISE WARNING 'herald: kept role %, because it owns something in this database', role_name;
            CONTINUE;
        END IF;
        -- Who is no superuser, and made this role, may still have to become a member of it.
        IF NOT pg_catalog.pg_has_role(role_name, 'USAGE') THEN
            EXECUTE pg_catalog.format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
        -- Rights and default privileges in this database.
        EXECUTE pg_catalog.format('DROP OWNED BY %I', role_name);
        BEGIN
            EXECUTE pg_catalog.format('DROP ROLE %I', role_name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE WARNING 'herald: kept role %, because something else in this cluster uses it', role_name;
        END;
    END LOOP;
END
$$;
