-- SPDX-License-Identifier: PostgreSQL
--
-- Step 6: what people call: watch(), unwatch(), refresh(), the view watches; and the event triggers.
--
-- Event triggers keep the generated code in step with ALTER TABLE and remove what belonged to a dropped table. Creating them
-- takes a superuser (or a cloud's stand-in for one). Without them nothing breaks: a stale trigger announces keys
-- only, or only counts, until somebody calls herald.refresh(), which migrations then have to do. They never fail the DDL that
-- fires them: what goes wrong becomes a WARNING.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE FUNCTION herald.check_watch(relation regclass, columns text[], exclude text[], key_columns text[], channel text,
                                   mode text, max_bytes int, always boolean, numbers text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c        record;
    obstacle text;
    missing  text;
BEGIN
    SELECT k.relkind, k.relpersistence, k.relowner, n.nspname INTO c
      FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace WHERE k.oid = relation;
    IF c.relkind IS NULL OR c.relkind NOT IN ('r', 'p') OR c.relpersistence = 't' OR c.nspname IN ('herald', 'pg_catalog', 'information_schema') THEN
        RAISE EXCEPTION 'herald: % is not a table that can be watched', coalesce(relation::text, 'NULL')
            USING ERRCODE = '42809', HINT = 'Ordinary and partitioned tables can, but no views, foreign, temporary or system tables.';
    END IF;
    IF NOT pg_has_role(current_user, c.relowner, 'USAGE') THEN
        RAISE EXCEPTION 'herald: must be owner of table %', relation USING ERRCODE = '42501';
    END IF;
    IF mode IS NULL OR mode NOT IN ('row', 'statement') THEN
        RAISE EXCEPTION 'herald: mode is row or statement' USING ERRCODE = '22023';
    ELSIF numbers IS NULL OR numbers NOT IN ('text', 'native') THEN
        RAISE EXCEPTION 'herald: numbers is text or native' USING ERRCODE = '22023';
    ELSIF max_bytes IS NULL OR max_bytes NOT BETWEEN 256 AND 268435456 THEN
        RAISE EXCEPTION 'herald: max_bytes is between 256 and 268435456' USING ERRCODE = '22023';
    END IF;
    IF mode = 'statement' THEN
        obstacle := CASE WHEN always THEN 'replication applies rows without statements' ELSE herald.statement_mode_obstacle(relation) END;
        IF obstacle IS NOT NULL THEN
            RAISE EXCEPTION 'herald: mode statement would miss or reorder changes of %: %', relation, obstacle
                USING ERRCODE = '0A000', HINT = 'Use mode => ''row''.';
        END IF;
    END IF;
    IF channel IS NOT NULL THEN
        PERFORM herald.check_template(channel);
    END IF;
    SELECT x.name INTO missing
      FROM (SELECT unnest(columns || exclude || key_columns) UNION ALL SELECT p.col FROM herald.template_parts(channel) p) x(name)
     WHERE x.name IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = x.name AND a.attnum > 0
                          AND NOT a.attisdropped AND a.attgenerated <> 'v') LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'herald: table % has no column % to announce', relation, quote_ident(missing) USING ERRCODE = '42703';
    END IF;
    SELECT x.name INTO missing FROM unnest(key_columns) x(name)
     WHERE x.name = ANY (exclude) OR NOT x.name = ANY (coalesce(columns, key_columns)) LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'herald: key column % is not among the announced columns', quote_ident(missing) USING ERRCODE = '22023';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
                      AND a.attname::text = ANY (coalesce(columns, ARRAY[a.attname::text])) AND NOT a.attname::text = ANY (coalesce(exclude, '{}'))) THEN
        RAISE EXCEPTION 'herald: no column of % is left to announce', relation USING ERRCODE = '22023';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_watch(regclass, text[], text[], text[], text, text, int, boolean, text) IS
'Internal: raises unless a table can be watched like this by the caller.';

CREATE FUNCTION herald.watch("table" regclass, channel text DEFAULT NULL, columns text[] DEFAULT NULL, exclude text[] DEFAULT '{}',
                             key_columns text[] DEFAULT NULL, mode text DEFAULT 'row', max_bytes int DEFAULT 1048576,
                             always boolean DEFAULT false, numbers text DEFAULT 'text') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    capture text;
    trg     record;
BEGIN
    exclude := coalesce(exclude, '{}');
    always := coalesce(always, false);
    PERFORM herald.check_watch("table", columns, exclude, key_columns, channel, mode, max_bytes, always, numbers);
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");
    capture := format('herald.%I(%L)', 'capture_' || herald.prepare_watch("table"),
        json_build_object('channel', channel, 'columns', columns, 'exclude', exclude, 'key_columns', key_columns, 'mode', mode,
                          'max_bytes', max_bytes, 'always', always, 'numbers', numbers));
    PERFORM herald.drop_triggers("table");
    FOR trg IN
        SELECT * FROM (VALUES
            ('row',       '00_herald_row',      'INSERT OR UPDATE OR DELETE', 'FOR EACH ROW'),
            ('statement', '00_herald_insert',   'INSERT', 'REFERENCING NEW TABLE AS n FOR EACH STATEMENT'),
            ('statement', '00_herald_update',   'UPDATE', 'REFERENCING NEW TABLE AS n OLD TABLE AS o FOR EACH STATEMENT'),
            ('statement', '00_herald_delete',   'DELETE', 'REFERENCING OLD TABLE AS o FOR EACH STATEMENT'),
            (NULL,        '00_herald_truncate', 'TRUNCATE', 'FOR EACH STATEMENT')) v(of_mode, name, event, kind)
         WHERE coalesce(v.of_mode, mode) = mode
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s EXECUTE FUNCTION %s', trg.name, trg.event, "table", trg.kind, capture);
        IF always THEN
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', "table", trg.name);
        END IF;
    END LOOP;
    PERFORM herald.generate_capture("table");
END
$$;
COMMENT ON FUNCTION herald.watch(regclass, text, text[], text[], text[], text, int, boolean, text) IS
'Announces the changes of a table, which the caller must own. Calling it again replaces the settings.
channel: a name, or a template with columns in braces, orders/{customer_id}; a NULL in it: no event; default schema.table.
columns: what is announced, default all (added ones too, after a refresh); exclude: never announced; both follow renames.
key_columns: what is announced of a row over max_bytes, default the primary key as far as it is announced. Without a key that
is an empty object. Such events carry data.truncated_to_key = true.
mode: row; or statement for tables that are loaded in bulk (refused where it would miss or reorder changes).
always: also for rows that logical replication applies. numbers: text prints bigint and numeric as strings, because a browser
has 53 bits; native prints them as Postgres does.
An UPDATE that changes no announced column is no event. TRUNCATE is one; TRUNCATE, DETACH or DROP of one partition is not.';

CREATE FUNCTION herald.drop_triggers(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    trigger_name name;
BEGIN
    FOR trigger_name IN
        SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE t.tgrelid = relation AND n.nspname = 'herald' AND starts_with(p.proname::text, 'capture_') AND NOT t.tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, relation);
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.drop_triggers(regclass) IS 'Internal: drops our triggers of a table with the caller''s rights.';

CREATE FUNCTION herald.unwatch("table" regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");
    PERFORM herald.drop_triggers("table");
    PERFORM herald.clean_watches();
END
$$;
COMMENT ON FUNCTION herald.unwatch(regclass) IS 'Stops announcing a table, which the caller must own. Its log stays.';

-- Trigger functions that no trigger uses. A function in use cannot be dropped, so nothing can be lost here.
CREATE FUNCTION herald.clean_watches() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_cleaned int := 0;
    idle      record;
BEGIN
    LOCK TABLE herald.watch IN SHARE ROW EXCLUSIVE MODE;
    FOR idle IN
        SELECT w.relation, w.key FROM herald.watch w
         WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || w.key)))
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS herald.%I()', 'capture_' || idle.key);
        DELETE FROM herald.watch w WHERE w.relation = idle.relation;
        n_cleaned := n_cleaned + 1;
    END LOOP;
    RETURN n_cleaned;
END
$$;
COMMENT ON FUNCTION herald.clean_watches() IS 'Internal: removes trigger functions that no trigger uses.';

CREATE FUNCTION herald.refresh() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_failed int := 0;
    watched  record;
BEGIN
    PERFORM herald.clean_watches();
    FOR watched IN SELECT w.relation, w.mode FROM herald.watch w ORDER BY w.relation::oid LOOP
        BEGIN
            PERFORM herald.generate_capture(watched.relation);
            IF watched.mode = 'statement' AND herald.statement_mode_obstacle(watched.relation) IS NOT NULL THEN
                RAISE WARNING 'herald: mode statement may now miss or reorder changes of %: %', watched.relation,
                    herald.statement_mode_obstacle(watched.relation) USING HINT = 'Call herald.watch() again with mode => ''row''.';
            END IF;
        EXCEPTION WHEN OTHERS THEN
            n_failed := n_failed + 1;
            RAISE WARNING 'herald: could not refresh the watch of %: %', watched.relation, SQLERRM;
        END;
    END LOOP;
    RETURN n_failed;
END
$$;
COMMENT ON FUNCTION herald.refresh() IS
'Writes all trigger functions anew, after columns were added, dropped, renamed or retyped. Needed in migrations where the event
triggers could not be installed. Returns how many tables it could not do, each with a WARNING.';

CREATE VIEW herald.watches AS
    SELECT w.relation AS "table", w.channel, w.columns, w.mode,
           NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = w.relation AND t.tgenabled IN ('D', 'R')
                          AND t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || w.key))) AS enabled
      FROM herald.watch w
     WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = w.relation
                      AND t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || w.key)));
COMMENT ON VIEW herald.watches IS 'The watched tables.';
COMMENT ON COLUMN herald.watches."table" IS 'The table';
COMMENT ON COLUMN herald.watches.channel IS 'The channel, or the template with columns in braces, under today''s names';
COMMENT ON COLUMN herald.watches.columns IS 'What is announced of a row';
COMMENT ON COLUMN herald.watches.mode IS 'row or statement';
COMMENT ON COLUMN herald.watches.enabled IS 'False: somebody disabled a trigger of it (ALTER TABLE … DISABLE TRIGGER)';

-- ----------------------------------------------------------------------------------------------- event triggers

CREATE FUNCTION herald.on_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watched regclass;
BEGIN
    IF TG_TAG = 'ALTER SCHEMA' THEN
        PERFORM herald.refresh() WHERE EXISTS (SELECT FROM herald.watch);
        RETURN;
    END IF;
    -- Only the tables that a type is in: everybody may alter types of his own, and what follows locks herald.watch.
    FOR watched IN
        WITH RECURSIVE touched(oid) AS (
            SELECT coalesce(t.tgrelid, d.objid)
              FROM pg_event_trigger_ddl_commands() d
              LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
             WHERE d.classid = 'pg_class'::regclass
                OR d.classid = 'pg_trigger'::regclass AND NOT starts_with(t.tgname::text, '00_herald_')
            UNION
            SELECT a.attrelid
              FROM herald.watch w JOIN pg_attribute a ON a.attrelid = w.relation AND a.attnum > 0 AND NOT a.attisdropped
              CROSS JOIN LATERAL herald.leaf_types(a.atttypid) l(oid) JOIN pg_type t ON t.oid = l.oid
              JOIN pg_event_trigger_ddl_commands() d
                ON d.classid = 'pg_type'::regclass AND d.objid = t.oid OR d.classid = 'pg_class'::regclass AND d.objid = t.typrelid
             WHERE TG_TAG IN ('ALTER TYPE', 'ALTER DOMAIN')
            UNION
            SELECT i.inhparent FROM touched t JOIN pg_inherits i ON i.inhrelid = t.oid
        )
        SELECT w.relation FROM herald.watch w JOIN touched t ON t.oid = w.relation
    LOOP
        PERFORM herald.generate_capture(watched);
        IF (SELECT w.mode = 'statement' FROM herald.watch w WHERE w.relation = watched) AND herald.statement_mode_obstacle(watched) IS NOT NULL THEN
            RAISE WARNING 'herald: mode statement may now miss or reorder changes of %: %', watched, herald.statement_mode_obstacle(watched)
                USING HINT = 'Call herald.watch() again with mode => ''row''.';
        END IF;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'herald: could not follow %: %', TG_TAG, SQLERRM USING HINT = 'Call herald.refresh() when it is mended.';
END
$$;
COMMENT ON FUNCTION herald.on_ddl() IS 'Event trigger: writes the trigger functions of altered tables anew.';

CREATE FUNCTION herald.on_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    watched regclass;
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d JOIN herald.watch w ON w.relation = d.objid
                WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0) THEN
        PERFORM herald.clean_watches();
    END IF;
    -- A column that went with its type, domain, extension or schema: ALTER TABLE did not drop it.
    FOR watched IN
        SELECT DISTINCT w.relation FROM pg_event_trigger_dropped_objects() d JOIN herald.watch w ON w.relation = d.objid
         WHERE d.classid = 'pg_class'::regclass AND d.objsubid > 0
    LOOP
        PERFORM herald.generate_capture(watched);
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'herald: could not follow %: %', TG_TAG, SQLERRM USING HINT = 'Call herald.refresh() when it is mended.';
END
$$;
COMMENT ON FUNCTION herald.on_drop() IS 'Event trigger: removes what belonged to dropped tables, follows dropped columns.';

GRANT EXECUTE ON FUNCTION herald.watch(regclass, text, text[], text[], text[], text, int, boolean, text), herald.unwatch(regclass),
    herald.refresh(), herald.check_watch(regclass, text[], text[], text[], text, text, int, boolean, text),
    herald.prepare_watch(regclass), herald.generate_capture(regclass), herald.drop_triggers(regclass), herald.clean_watches(),
    herald.check_template(text), herald.is_short_template(text), herald.template_parts(text), herald.is_channel(text),
    herald.statement_mode_obstacle(oid) TO herald_admin;
GRANT SELECT ON herald.watches TO herald_admin, herald_server;

INSERT INTO herald.schema_step (step, name) VALUES (6, 'watch');
RESET ROLE;

DO $$
BEGIN
    CREATE EVENT TRIGGER herald_ddl ON ddl_command_end
        WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE TRIGGER', 'ALTER SCHEMA', 'ALTER TYPE', 'ALTER DOMAIN')
        EXECUTE FUNCTION herald.on_ddl();
    CREATE EVENT TRIGGER herald_drop ON sql_drop EXECUTE FUNCTION herald.on_drop();
    COMMENT ON EVENT TRIGGER herald_ddl IS 'pgherald: keeps trigger functions in step with altered tables';
    COMMENT ON EVENT TRIGGER herald_drop IS 'pgherald: follows dropped tables and columns';
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'herald: % may not create event triggers: call herald.refresh() in every migration that alters a watched table', current_user;
END
$$;
