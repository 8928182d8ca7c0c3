-- SPDX-License-Identifier: PostgreSQL
--
-- Step 4: how a trigger function is written, and when.
--
-- **The wishes live in the trigger.** What a watch wants (template, columns, …) is the argument of the table's triggers,
-- as JSON. Generating runs with herald_owner's rights and therefore must know that the table's owner wants it; a SECURITY
-- DEFINER function cannot see who stands behind its caller, but only the table's owner can create a trigger. So
-- herald.watch() creates the trigger with its caller's rights, and generate_capture() believes nothing but pg_trigger.
-- As a present, dumps carry the wishes, a dropped table takes them along, and generating again needs nobody's rights.
--
-- **What a trigger stores** is ROW(NEW."a", …)::text of the captured columns, as record output prints them: announced, in the
-- template, or kept; no other. Never NEW itself: its owner may have made a cast from the row's type to text, which only a superuser can
-- make from an anonymous record. By name, as a part may have its columns in another order.
--
-- **Generated code must never run a stranger's code**, because it runs with herald_capture's rights in everybody's
-- transactions. It has no SET clauses (each costs as much as two rows) and so the writer's search_path, which may put anything
-- before pg_catalog. So: each function, type and operator has its schema; no IN, BETWEEN, LIKE, NULLIF, CASE x WHEN, no IS DISTINCT FROM
-- (all of these look for an = by its bare name). Values are only printed, which calls output functions, and compared by
-- pg_catalog.*<>, the byte image, which calls nothing. In a query a column is never qualified: n."x" is taken for the function
-- x(n) when the column is gone. And a trigger that somebody attached without transition tables must not read a view of his that is
-- called n. tests/sql/11_triggers.sql reads the code, and runs it, with all of this in mind.
--
-- Two expressions do call a function or an operator by a type that may change behind the code's back: a type's C cast to json, and a
-- virtual generated column. A guard goes before, a statement of its own, that looks at the types with pg_typeof().
--
-- **A trigger must not be able to fail its table's writes, nor to lose a change in silence.** What touches the row stands
-- in a guarded block (2.5 µs a row: it protects the write from a column that was dropped behind our back, a text over 1 GB, whatever
-- a type's output function raises). Three attempts: the whole row; key, template and kept columns; the template's only. If that
-- fails too, a row that is only counted goes to the outbox. The INSERT itself stands outside: its errors are the write's, or a change
-- would be lost. Names are looked up when Postgres first runs an expression, so a stale function degrades step by step.
--
-- Parts of a partitioned table have its row trigger by themselves; for TRUNCATE each has one of its own, without an argument, and what that
-- tells is that rows are gone.
--
-- The function belongs to one table and its parts; the oids are in the code, and is_part_of() decides what is not listed
-- (a new partition, or a restored dump with other oids, until it is generated again). In a table that is not a part it
-- raises: whoever attached it there is told so.
--
-- **The doorbell.** While the sequencer sleeps it holds an advisory lock exclusively. A writer tries to share it, after its
-- INSERT: got it, then nobody sleeps and the lock, which ends after the commit is visible, keeps the sequencer awake until
-- then; refused, then herald.ring() decides (step 7). That is all that is paid while events flow.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------------------ small questions

-- Open to all since 9.6, but hardened clusters revoke it: then two databases of one cluster are still told apart, and
-- a restore is still seen by the canary.
CREATE FUNCTION herald.system_identifier() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') THEN
        RETURN (SELECT c.system_identifier::text FROM pg_control_system() c);
    END IF;
    RETURN 'unknown';
END
$$;
COMMENT ON FUNCTION herald.system_identifier() IS 'Internal: which cluster this is.';

CREATE FUNCTION herald.database_identity() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT herald.system_identifier() || '/' || d.oid FROM pg_database d WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION herald.database_identity() IS 'Internal: which database of which cluster this is.';

-- A part may be watched itself: it was before it was attached, or the whole was watched later. One change must not be
-- announced twice, so the nearest watch has it: the part's own. A row in herald.watch says little, as prepare_watch() makes it
-- for whoever asks; a trigger on the very table says that its owner wants it.
CREATE FUNCTION herald.is_watched(relation oid) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM herald.watch w JOIN pg_trigger t ON t.tgrelid = w.relation AND t.tgparentid = 0
                    WHERE w.relation = is_watched.relation AND t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || w.key)))
$$;
COMMENT ON FUNCTION herald.is_watched(oid) IS 'Internal: whether a table is watched itself, and not only as a part of another.';

CREATE FUNCTION herald.parts_of(relation oid) RETURNS oid[]
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE part(oid) AS (
        SELECT relation
        UNION
        SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
         WHERE NOT EXISTS (SELECT FROM herald.watch w WHERE w.relation = i.inhrelid AND herald.is_watched(i.inhrelid))
    )
    SELECT array_agg(p.oid ORDER BY p.oid) FROM part p
$$;
COMMENT ON FUNCTION herald.parts_of(oid) IS 'Internal: a table with all its partitions and children, but those that are watched themselves.';

CREATE FUNCTION herald.is_part_of(relation oid, watch_key text) RETURNS boolean
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE whole(oid, is_near) AS (
        SELECT relation, true
        UNION
        SELECT i.inhparent, w.is_near AND NOT herald.is_watched(w.oid) FROM whole w JOIN pg_inherits i ON i.inhrelid = w.oid
    )
    SELECT CASE bool_or(whole.is_near) WHEN true THEN true WHEN false THEN NULL ELSE false END
      FROM whole JOIN herald.watch w ON w.relation = whole.oid WHERE w.key = watch_key
$$;
COMMENT ON FUNCTION herald.is_part_of(oid, text) IS
'Internal, for trigger functions: whether a table is the watched one or a part of it; NULL: it is, but a nearer watch announces it.';
GRANT EXECUTE ON FUNCTION herald.is_part_of(oid, text) TO herald_capture;

-- These in plpgsql with generic plans, so that each statement is planned once: a server asks them of all watches every few seconds.
CREATE FUNCTION herald.written_by_keys(relations oid[]) RETURNS oid[]
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN ARRAY(
        WITH RECURSIVE written(by, oid) AS (
            SELECT 0::oid, unnest(relations)
            UNION -- by their triggers, which an index finds; a constraint has them on both sides
            SELECT t.tgconstraint, f.conrelid FROM written w JOIN pg_trigger t ON t.tgrelid = w.oid AND t.tgisinternal JOIN pg_constraint f ON f.oid = t.tgconstraint
             WHERE f.contype = 'f' AND f.conrelid = t.tgconstrrelid AND concat(f.confdeltype, f.confupdtype) ~ '[cnd]'
        )
        SELECT DISTINCT w.oid FROM written w WHERE w.by <> 0);
END
$$;
COMMENT ON FUNCTION herald.written_by_keys(oid[]) IS 'Internal: the tables whose foreign keys delete or change rows when rows of these tables go or change.';

CREATE FUNCTION herald.keys_that_update(relations oid[]) RETURNS oid[]
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN ARRAY(SELECT f.confrelid FROM unnest(relations) r(oid) CROSS JOIN LATERAL (SELECT * FROM pg_constraint x WHERE x.conrelid = r.oid OFFSET 0) f
                  WHERE f.contype = 'f' AND (f.confupdtype IN ('c', 'n', 'd') OR f.confdeltype IN ('n', 'd')));
END
$$;
COMMENT ON FUNCTION herald.keys_that_update(oid[]) IS 'Internal: the tables whose changes change rows of these tables by foreign keys.';

-- Most triggers do no more than set a column of NEW. What has no word for more in it may do so through a function that it calls in an expression: any
-- of that name, but those that are built in, in C, or say that they write nothing. A trigger in C may write, but for those of contrib that do not.
CREATE FUNCTION herald.has_writing_trigger(relations oid[], mask int, kind int) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    -- OFFSET 0: only these triggers and functions are read, not all there are.
    RETURN EXISTS (
        SELECT FROM (SELECT DISTINCT t.tgfoid
                       FROM unnest(relations) r(oid)
                      CROSS JOIN LATERAL (SELECT * FROM pg_trigger x WHERE x.tgrelid = r.oid OFFSET 0) t
                      WHERE t.tgtype & mask = kind AND NOT t.tgisinternal AND NOT starts_with(t.tgname::text, '!herald_')) u
         CROSS JOIN LATERAL (SELECT f.proname, f.prosrc, l.lanname FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang WHERE f.oid = u.tgfoid OFFSET 0) f
         WHERE f.lanname <> 'internal' AND NOT (f.lanname = 'c' AND f.proname IN ('autoinc', 'insert_username', 'lo_manage', 'moddatetime'))
           AND (f.lanname <> 'plpgsql' OR f.prosrc ~* '(^|[^[:alnum:]_])(insert|update|delete|merge|execute|perform|select|with|call|copy)([^[:alnum:]_]|$)'
                OR EXISTS (SELECT FROM regexp_matches(f.prosrc, '("[^"]+"|[^[:space:]!-#%-/:-@[-^`{-~]+)[[:space:]]*[(]', 'g') m(name)
                            CROSS JOIN LATERAL (SELECT FROM pg_proc g JOIN pg_language k ON k.oid = g.prolang
                                                 WHERE g.proname = CASE WHEN starts_with(m.name[1], '"') THEN btrim(m.name[1], '"') ELSE lower(m.name[1]) END
                                                   AND g.pronamespace <> 'pg_catalog'::regnamespace AND g.provolatile = 'v' AND k.lanname NOT IN ('c', 'internal') OFFSET 0) g)));
END
$$;
COMMENT ON FUNCTION herald.has_writing_trigger(oid[], int, int) IS
'Internal: whether tables have a trigger of somebody else that may write rows, among those of which some bits of pg_trigger.tgtype are these.';

-- By a trigger that runs row by row, of the table itself or of one that its foreign keys write; by such a key; or by an AFTER trigger of a table
-- a change of which changes rows here by a key, or of another one that it writes so: they are changed before it runs, and told later.
CREATE FUNCTION herald.may_write_itself(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    parts   oid[] := CASE WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = relation) THEN herald.parts_of(relation) ELSE ARRAY[relation] END;
    written oid[] := herald.written_by_keys(parts);
    above   oid[] := herald.keys_that_update(parts);
BEGIN
    RETURN parts && written OR herald.has_writing_trigger(parts || written, 1, 1)
        OR above <> '{}' AND herald.has_writing_trigger(above || herald.written_by_keys(above), 2 + 64, 0);
END
$$;
COMMENT ON FUNCTION herald.may_write_itself(oid) IS
'Internal: whether a statement may change rows of a table and then, while triggers run, others do so, too.';

CREATE FUNCTION herald.action_code(action text, has_versions boolean) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN has_versions
                THEN pg_catalog.format('pg_catalog.concat(%L%s%s)', action, CASE WHEN action <> 'i' THEN $code$, '<', pg_catalog.pg_relation_filenode(TG_RELID), OLD.ctid$code$ END,
                                       CASE WHEN action <> 'd' THEN $code$, '>', pg_catalog.pg_relation_filenode(TG_RELID), NEW.ctid$code$ END)
                ELSE pg_catalog.quote_literal(action) END
$$;
COMMENT ON FUNCTION herald.action_code(text, boolean) IS
'Internal: code for the action of a whole row; with versions also for which version of the row was found and which was made. What a trigger does
to a row of its own statement is captured before what the statement did to it: by these the sequencer sees what goes in front of what. With the
table''s file, not the table: one that is written anew (ALTER TABLE, CLUSTER, TRUNCATE) counts its places anew.';

-- What a key does counts as done by the statement itself.
CREATE FUNCTION herald.unlinked_code(relation oid, has_versions boolean) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN NOT has_versions THEN '' WHEN herald.keys_that_update(herald.parts_of(relation)) <> '{}' THEN ' AND false'
                ELSE ' AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.<=) 1' END
$$;
COMMENT ON FUNCTION herald.unlinked_code(oid, boolean) IS
'Internal: a condition more for leaving out an UPDATE that changes nothing: what another trigger or a key did so is a link between two versions all the same.';

CREATE FUNCTION herald.statement_mode_obstacle(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN c.relkind = 'p' OR c.relispartition THEN 'partitions are also written directly, which statement triggers do not see'
        WHEN EXISTS (SELECT FROM pg_inherits i WHERE relation IN (i.inhparent, i.inhrelid))
            THEN 'children and parents are also written directly, which statement triggers do not see'
        WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgtype & 3 = 1
                        AND NOT starts_with(t.tgname::text, '!herald_'))
            THEN 'another AFTER ROW trigger may write the same table, and its changes would be announced too early'
        -- Postgres then puts off the statement triggers of that action behind those of the others, as of an INSERT in the same statement.
        WHEN relation = ANY (herald.written_by_keys(ARRAY[relation]))
            THEN 'its foreign keys delete or change rows of it, and what else the same statement (MERGE, WITH) does would be announced before'
        END
      FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION herald.statement_mode_obstacle(oid) IS 'Internal: why mode statement would miss or reorder changes of a table, or NULL.';

CREATE FUNCTION herald.wish_of(relation oid, watch_key text) RETURNS json
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    argument bytea;
    wish     json;
BEGIN
    FOR argument IN
        -- tgargs ends with a zero byte.
        SELECT substr(t.tgargs, 1, length(t.tgargs) - 1) FROM pg_trigger t
         WHERE t.tgrelid = relation AND starts_with(t.tgname::text, '!herald_') AND t.tgnargs = 1
           AND t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || watch_key))
         ORDER BY t.tgname
    LOOP
        BEGIN
            wish := convert_from(argument, 'UTF8')::json;
            -- All of it must be readable: any owner can write here, and who looks after all watches reads them in one statement.
            IF jsonb_typeof(wish::jsonb) = 'object' THEN
                RETURN wish;
            END IF;
        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            NULL; -- No wish of ours.
        END;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION herald.wish_of(oid, text) IS
'Internal: the argument of a watched table''s triggers, the first that is a JSON object, or NULL.';

-- Under which everything prints the same in all sessions.
CREATE FUNCTION herald.print_settings() RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT 'SET search_path = pg_catalog, pg_temp SET timezone = ''UTC'' SET datestyle = ''ISO'' SET extra_float_digits = 1'
           ' SET intervalstyle = ''postgres'' SET bytea_output = ''hex'' SET lc_monetary = ''C'' SET quote_all_identifiers = off'
$$;
COMMENT ON FUNCTION herald.print_settings() IS 'Internal: the SET clauses of what prints values.';

DO $do$ BEGIN EXECUTE format($create$
CREATE FUNCTION herald.plain_text("row" record) RETURNS text LANGUAGE plpgsql STABLE %s AS $$
BEGIN
    RETURN concat("row");
END
$$$create$, herald.print_settings()); END $do$;
COMMENT ON FUNCTION herald.plain_text(record) IS 'Internal, for trigger functions: a row as it prints under settings of our own.';
GRANT EXECUTE ON FUNCTION herald.plain_text(record) TO herald_capture;

CREATE FUNCTION herald.too_large() RETURNS text
LANGUAGE plpgsql VOLATILE AS $$ BEGIN RAISE EXCEPTION 'herald: a row over max_bytes'; END $$;
COMMENT ON FUNCTION herald.too_large() IS 'Internal, for trigger functions in statement mode: a row does not fit, so all of them are announced one by one.';
GRANT EXECUTE ON FUNCTION herald.too_large() TO herald_capture;

-- -------------------------------------------------------------------------------------------------------- pieces

-- The columns of a shape under today's names: what a trigger function prints, and what of it in which attempt.
CREATE TYPE herald.shape_columns AS (captured text[], announced text[], short text[], templated text[]);
COMMENT ON TYPE herald.shape_columns IS 'Internal: names of columns, all in the order of the table: captured, announced, key or template or kept, in the template.';

-- quote_ident() leaves out the quotes where SQL needs none, but plpgsql needs more: begin, loop.
CREATE FUNCTION herald.quoted(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.concat('"', pg_catalog.replace(name, '"', '""'), '"') $$;
COMMENT ON FUNCTION herald.quoted(text) IS 'Internal: a name in quotes, always.';

CREATE FUNCTION herald.virtual_bases(relation oid, num int2) RETURNS int[]
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT DISTINCT x.refobjsubid FROM pg_depend x
                   LEFT JOIN pg_attrdef d ON x.classid = 'pg_attrdef'::regclass AND d.oid = x.objid
                  WHERE x.refclassid = 'pg_class'::regclass AND x.refobjid = relation AND x.refobjsubid NOT IN (0, num)
                    AND (d.adrelid = relation AND d.adnum = num OR x.classid = 'pg_class'::regclass AND x.objid = relation AND x.objsubid = num)
                  ORDER BY 1)
$$;
COMMENT ON FUNCTION herald.virtual_bases(oid, int2) IS 'Internal: the columns that a generated column is made of.';

-- 18: triggers see no virtual generated columns. Postgres allows built-in functions and types in them only; that is looked at again here.
CREATE FUNCTION herald.virtual_code(relation oid, name text, prefix text) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('(SELECT %s FROM (SELECT %s) AS herald_of)', pg_get_expr(d.adbin, d.adrelid),
               (SELECT string_agg(format('%1$s%2$s AS %2$s', prefix, herald.quoted(b.attname)), ', ' ORDER BY b.attnum)
                  FROM pg_attribute b WHERE b.attrelid = relation AND b.attnum = ANY (herald.virtual_bases(relation, a.attnum))))
      FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = relation AND a.attname = name AND a.attgenerated = 'v' AND a.atttypid < 16384
       AND NOT EXISTS (SELECT FROM pg_depend x WHERE (x.classid = 'pg_attrdef'::regclass AND x.objid = d.oid
                                                      OR x.classid = 'pg_class'::regclass AND x.objid = relation AND x.objsubid = a.attnum)
                          AND x.refclassid <> 'pg_class'::regclass AND x.refobjid >= 16384 AND x.refclassid <> 'pg_attrdef'::regclass)
       AND NOT EXISTS (SELECT FROM pg_attribute b WHERE b.attrelid = relation AND b.attnum = ANY (herald.virtual_bases(relation, a.attnum))
                          AND (b.atttypid >= 16384 OR b.attnum < 0))
$$;
COMMENT ON FUNCTION herald.virtual_code(oid, text, text) IS
'Internal: SQL that computes a virtual generated column of a record, or NULL: it is none, or it needs more than what is built in.';

CREATE FUNCTION herald.row_code(relation oid, columns text[], prefix text) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('ROW(%s)', string_agg(
               CASE WHEN a.attgenerated = 'v' THEN herald.virtual_code(relation, c.name, prefix)
                    WHEN a.atttypid >= 16384 AND herald.type_tree(a.atttypid, 0, 0) ~ '^"verbatim' THEN format('%s(%s)', herald.json_cast(a.atttypid), v.value)
                    ELSE v.value END, ', ' ORDER BY c.nth))
      FROM unnest(columns) WITH ORDINALITY c(name, nth)
      JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
     CROSS JOIN LATERAL (SELECT prefix || herald.quoted(c.name) AS value) v
$$;
COMMENT ON FUNCTION herald.row_code(oid, text[], text) IS 'Internal: SQL for a record of some columns.';

CREATE FUNCTION herald.guard_test(relation oid, columns text[], prefix text) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH expected AS (
        SELECT a.attnum, a.atttypid, k.castfunc
          FROM pg_attribute a LEFT JOIN pg_cast k ON k.castsource = a.atttypid AND k.casttarget = 'json'::regtype
         WHERE a.attrelid = relation AND a.attname = ANY (columns) AND a.attnum > 0 AND NOT a.attisdropped
           AND a.atttypid >= 16384 AND herald.type_tree(a.atttypid, 0, 0) ~ '^"verbatim'
        UNION
        SELECT b.attnum, b.atttypid, NULL
          FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = a.attrelid AND b.attnum = ANY (herald.virtual_bases(relation, a.attnum))
         WHERE a.attrelid = relation AND a.attname = ANY (columns) AND a.attgenerated = 'v'
    )
    -- The function's name must mean the same function, too: schemas can be renamed.
    SELECT string_agg(concat(format('pg_catalog.pg_typeof(%s%s)::pg_catalog.oid OPERATOR(pg_catalog.=) %L::pg_catalog.oid', prefix, herald.quoted(a.attname), e.atttypid),
               CASE WHEN e.castfunc IS NOT NULL
                    THEN format(' AND %L::pg_catalog.regprocedure::pg_catalog.oid OPERATOR(pg_catalog.=) %L::pg_catalog.oid', e.castfunc::regprocedure, e.castfunc) END),
               ' AND ' ORDER BY e.attnum)
      FROM expected e JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = e.attnum
$$;
COMMENT ON FUNCTION herald.guard_test(oid, text[], text) IS 'Internal: SQL that must be true before such a record is asked for; NULL: nothing.';

CREATE FUNCTION herald.guard_code(relation oid, columns text[]) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'IF NOT (CASE WHEN TG_OP OPERATOR(pg_catalog.=) ''DELETE'' THEN ' || herald.guard_test(relation, columns, 'OLD.')
           || ' ELSE ' || herald.guard_test(relation, columns, 'NEW.') || ' END) THEN
                RAISE EXCEPTION ''herald: a column has another type'';
            END IF;'
$$;
COMMENT ON FUNCTION herald.guard_code(oid, text[]) IS 'Internal: code that makes sure of that for NEW and OLD; NULL: nothing.';

-- One attempt of the guarded print: the columns of a level, through plain_text(), whatever the session has set.
CREATE FUNCTION herald.attempt_code(relation oid, columns text[]) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
                    %1$s
                    IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN
                        herald_new := herald.plain_text(%2$s);
                    END IF;
                    IF TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN
                        herald_old := herald.plain_text(%3$s);
                    END IF;$code$,
        herald.guard_code(relation, columns),
        herald.row_code(relation, columns, 'NEW.'), herald.row_code(relation, columns, 'OLD.'))
$$;
COMMENT ON FUNCTION herald.attempt_code(oid, text[]) IS 'Internal: code that prints some columns of NEW and OLD.';

CREATE FUNCTION herald.careful_code(relation oid, s herald.shape_columns, number bigint, max_bytes int, has_versions boolean) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
        <<herald_row>>
        DECLARE
            herald_level     pg_catalog.int4 := 1;
            herald_failed    pg_catalog.bool;
            herald_is_silent pg_catalog.bool;
        BEGIN
            BEGIN
                IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
                    -- The casts keep the parser from comparing two ROW() expressions field by field.
                    EXIT herald_row WHEN NOT (%1$s::pg_catalog.record OPERATOR(pg_catalog.*<>) %2$s::pg_catalog.record)%11$s;
                    herald_is_silent := NOT (%8$s::pg_catalog.record OPERATOR(pg_catalog.*<>) %9$s::pg_catalog.record);
                END IF;
            EXCEPTION WHEN OTHERS THEN
                NULL; -- A column is gone: so it did change.
            END;
            WHILE herald_level OPERATOR(pg_catalog.<) 4 LOOP
                herald_new := NULL;
                herald_old := NULL;
                BEGIN
                    IF herald_level OPERATOR(pg_catalog.=) 1 THEN%3$s
                    ELSIF herald_level OPERATOR(pg_catalog.=) 2 THEN%4$s
                    ELSE%5$s
                    END IF;
                    EXIT WHEN coalesce(pg_catalog.octet_length(herald_new) OPERATOR(pg_catalog.+) pg_catalog.octet_length(herald_old),
                                       pg_catalog.octet_length(herald_new), pg_catalog.octet_length(herald_old)) OPERATOR(pg_catalog.<=) %7$s;
                EXCEPTION WHEN OTHERS THEN
                    herald_failed := true;
                END;
                herald_level := herald_level OPERATOR(pg_catalog.+) 1;
            END LOOP;
            IF herald_level OPERATOR(pg_catalog.=) 4 THEN
                INSERT INTO herald.outbox (shape, action) VALUES (%6$s, pg_catalog.concat(CASE WHEN herald_failed THEN 'su' ELSE 'sk' END%10$s));
            ELSE
                INSERT INTO herald.outbox (shape, action, old, new)
                    VALUES (%6$s, pg_catalog.concat(
                                CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN 'i' WHEN TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN 'd'
                                     WHEN herald_level OPERATOR(pg_catalog.>) 1 AND herald_is_silent THEN 'w' ELSE 'u' END,
                                CASE WHEN herald_level OPERATOR(pg_catalog.=) 1 THEN NULL
                                     WHEN herald_level OPERATOR(pg_catalog.=) 2 THEN CASE WHEN herald_failed THEN 'K' ELSE 'k' END
                                     WHEN herald_failed THEN 'C' ELSE 'c' END%10$s), herald_old, herald_new);
            END IF;
        END herald_row;$code$,
        herald.row_code(relation, s.captured, 'NEW.'), herald.row_code(relation, s.captured, 'OLD.'),
        herald.attempt_code(relation, s.captured), herald.attempt_code(relation, s.short), herald.attempt_code(relation, s.templated),
        number, max_bytes, herald.row_code(relation, s.announced, 'NEW.'), herald.row_code(relation, s.announced, 'OLD.'),
        CASE WHEN has_versions THEN $code$,
                                CASE WHEN TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN pg_catalog.concat('<', pg_catalog.pg_relation_filenode(TG_RELID), OLD.ctid) END,
                                CASE WHEN TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN pg_catalog.concat('>', pg_catalog.pg_relation_filenode(TG_RELID), NEW.ctid) END$code$ ELSE '' END,
        herald.unlinked_code(relation, has_versions))
$$;
COMMENT ON FUNCTION herald.careful_code(oid, herald.shape_columns, bigint, int, boolean) IS
'Internal: code that announces the row in NEW and OLD whatever it takes: whole, with its short columns, with the template''s, or as a count.';

-- The usual case, straight: whatever is not usual (a part of the table that is not listed, TRUNCATE, too many bytes, an error)
-- falls through. Every plpgsql expression, and every function and operator in one, is set up anew in each transaction: 1600 and
-- about 2000 instructions (make instructions). So the number of them is what a single-row INSERT pays, and hence the three branches.
CREATE FUNCTION herald.row_mode_code(relation oid, s herald.shape_columns, number bigint, max_bytes int, is_usual text, has_versions boolean) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
    IF %1$s THEN
        IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
            BEGIN
                %2$s
                herald_new := %3$s::pg_catalog.text;
            EXCEPTION WHEN OTHERS THEN
                herald_new := NULL;
            END;
            IF pg_catalog.octet_length(herald_new) OPERATOR(pg_catalog.<=) %5$s THEN
                INSERT INTO herald.outbox (shape, action, new) VALUES (%6$s, %7$s, herald_new);
                EXIT herald_announced;
            END IF;
        ELSIF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
            BEGIN
                %2$s
                herald_new := %3$s::pg_catalog.text;
                herald_old := %4$s::pg_catalog.text;
            EXCEPTION WHEN OTHERS THEN
                herald_new := NULL;
                herald_old := NULL;
            END;
            -- The texts: to compare the records they would have to be made once more.
            IF herald_new OPERATOR(pg_catalog.=) herald_old%10$s THEN
                RETURN NULL;
            ELSIF pg_catalog.octet_length(herald_old) OPERATOR(pg_catalog.+) pg_catalog.octet_length(herald_new) OPERATOR(pg_catalog.<=) %5$s THEN
                INSERT INTO herald.outbox (shape, action, old, new) VALUES (%6$s, %8$s, herald_old, herald_new);
                EXIT herald_announced;
            END IF;
        ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
            BEGIN
                %2$s
                herald_old := %4$s::pg_catalog.text;
            EXCEPTION WHEN OTHERS THEN
                herald_old := NULL;
            END;
            IF pg_catalog.octet_length(herald_old) OPERATOR(pg_catalog.<=) %5$s THEN
                INSERT INTO herald.outbox (shape, action, old) VALUES (%6$s, %9$s, herald_old);
                EXIT herald_announced;
            END IF;
        END IF;
    END IF;$code$, is_usual, herald.guard_code(relation, s.captured),
        herald.row_code(relation, s.captured, 'NEW.'), herald.row_code(relation, s.captured, 'OLD.'),
        max_bytes, number, herald.action_code('i', has_versions), herald.action_code('u', has_versions), herald.action_code('d', has_versions),
        herald.unlinked_code(relation, has_versions))
$$;
COMMENT ON FUNCTION herald.row_mode_code(oid, herald.shape_columns, bigint, int, text, boolean) IS
'Internal: the part of a row-mode trigger function that announces a row in the usual case.';

-- One INSERT … SELECT over the transition tables, which are called n and o. OLD and NEW are paired by position: Postgres
-- fills both in one function call per updated row (trigger.c, AfterTriggerSaveEvent; 13 to 18). By a full join, though there is
-- nothing but pairs, as that is never a nested loop: the plan is made for the session's first UPDATE, maybe of one row, and kept. What fails, or is too large, is done again
-- row by row; but not what another session or the disk is the reason of, which would be swallowed here or waited for twice.
CREATE FUNCTION herald.statement_mode_code(relation oid, s herald.shape_columns, number bigint, max_bytes int, settings text, careful text) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                        WHERE t.tgrelid OPERATOR(pg_catalog.=) TG_RELID AND t.tgname OPERATOR(pg_catalog.=) TG_NAME
                          AND (TG_OP OPERATOR(pg_catalog.=) 'DELETE' OR t.tgnewtable OPERATOR(pg_catalog.=) 'n')
                          AND (TG_OP OPERATOR(pg_catalog.=) 'INSERT' OR t.tgoldtable OPERATOR(pg_catalog.=) 'o')) THEN
            RAISE EXCEPTION 'herald: the trigger %% has no transition tables', TG_NAME
                USING ERRCODE = '42501', HINT = 'Call herald.watch() instead of creating triggers.';
        END IF;
        BEGIN
            IF %1$s THEN
                IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN%6$s
                    INSERT INTO herald.outbox (shape, action, new)
                    SELECT %2$s, 'i', CASE WHEN pg_catalog.octet_length(r.image) OPERATOR(pg_catalog.<=) %3$s THEN r.image ELSE herald.too_large() END
                      FROM (SELECT pg_catalog.concat(%4$s) AS image FROM n AS %5$s OFFSET 0) r;
                ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN%7$s
                    INSERT INTO herald.outbox (shape, action, old)
                    SELECT %2$s, 'd', CASE WHEN pg_catalog.octet_length(r.image) OPERATOR(pg_catalog.<=) %3$s THEN r.image ELSE herald.too_large() END
                      FROM (SELECT pg_catalog.concat(%4$s) AS image FROM o AS %5$s OFFSET 0) r;
                ELSE%6$s
                    INSERT INTO herald.outbox (shape, action, old, new)
                    SELECT %2$s, 'u', r.old, CASE WHEN pg_catalog.octet_length(r.old) OPERATOR(pg_catalog.+) pg_catalog.octet_length(r.new) OPERATOR(pg_catalog.<=) %3$s
                                                  THEN r.new ELSE herald.too_large() END
                      FROM (SELECT pg_catalog.concat(p.old_image) AS old, pg_catalog.concat(p.new_image) AS new
                              FROM (SELECT o.image AS old_image, n.image AS new_image, n.nth
                                      FROM (SELECT %4$s::pg_catalog.record AS image, pg_catalog.row_number() OVER () AS nth FROM n AS %5$s) n
                                      FULL JOIN (SELECT %4$s::pg_catalog.record AS image, pg_catalog.row_number() OVER () AS nth FROM o AS %5$s) o
                                        ON n.nth OPERATOR(pg_catalog.=) o.nth OFFSET 0) p
                             WHERE p.new_image OPERATOR(pg_catalog.*<>) p.old_image ORDER BY p.nth OFFSET 0) r;
                END IF;
                IF NOT FOUND THEN
                    RETURN NULL;
                END IF;
                EXIT herald_announced;
            END IF;
        EXCEPTION
            WHEN out_of_memory THEN
                NULL; -- Printing may need more than there is: one row less.
            WHEN transaction_rollback OR insufficient_resources OR object_not_in_prerequisite_state OR operator_intervention OR system_error THEN
                RAISE;
            WHEN OTHERS THEN
                NULL;
        END;
        DECLARE
            herald_news pg_catalog.refcursor;
            herald_olds pg_catalog.refcursor;
        BEGIN
            IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN
                OPEN herald_news FOR SELECT * FROM n;
            END IF;
            IF TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN
                OPEN herald_olds FOR SELECT * FROM o;
            END IF;
            LOOP
                IF TG_OP OPERATOR(pg_catalog.<>) 'DELETE' THEN
                    FETCH herald_news INTO NEW;
                    EXIT WHEN NOT FOUND;
                END IF;
                IF TG_OP OPERATOR(pg_catalog.<>) 'INSERT' THEN
                    FETCH herald_olds INTO OLD;
                    EXIT WHEN NOT FOUND;
                END IF;%8$s
            END LOOP;
        END;$code$, settings, number, max_bytes, c.row, c.alias,
        format(c.guard, 'n', c.alias), format(c.guard, 'o', c.alias), careful)
      FROM (SELECT herald.row_code(relation, s.captured, '') AS row, a.alias,
                   -- One row tells the types of all.
                   coalesce(E'\n                    IF NOT coalesce((SELECT ' || replace(herald.guard_test(relation, s.captured, ''), '%', '%%') || ' FROM %s AS %s LIMIT 1), true) THEN
                        RAISE EXCEPTION ''herald: a column has another type'';
                    END IF;', '') AS guard
              -- A name that no column has: when a column is gone, its name may mean the whole row.
              FROM (SELECT 'herald_row' || min(i) AS alias FROM generate_series(0, cardinality(s.captured)) i WHERE NOT 'herald_row' || i = ANY (s.captured)) a) c
$$;
COMMENT ON FUNCTION herald.statement_mode_code(oid, herald.shape_columns, bigint, int, text, text) IS
'Internal: the part of a statement-mode trigger function that announces rows.';

CREATE FUNCTION herald.capture_code(relation oid, s herald.shape_columns, watch_key text, number bigint, max_bytes int, mode text, marks text, is_lost boolean) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts    oid[] := herald.parts_of(relation);
    here     text := format(CASE cardinality(parts) WHEN 1 THEN 'TG_RELID OPERATOR(pg_catalog.=) %L::pg_catalog.oid'
                                                    ELSE 'TG_RELID OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.oid[])' END,
                            CASE cardinality(parts) WHEN 1 THEN parts[1]::text ELSE parts::text END);
    -- Whether the session's settings print values as ours do (step 3).
    settings text := (SELECT string_agg(v.code, ' AND ' ORDER BY v.mark) FROM (VALUES
        (E'\x02', $c$'2000-01-02'::pg_catalog.date::pg_catalog.text OPERATOR(pg_catalog.=) '2000-01-02'$c$), -- DateStyle, for less than to ask for it
        (E'\x03', $c$pg_catalog.current_setting('extra_float_digits')::pg_catalog.int4 OPERATOR(pg_catalog.>) 0$c$),
        (E'\x04', $c$pg_catalog.current_setting('intervalstyle') OPERATOR(pg_catalog.=) 'postgres'$c$),
        (E'\x05', $c$pg_catalog.current_setting('bytea_output') OPERATOR(pg_catalog.=) 'hex'$c$)) v(mark, code)
                       WHERE strpos(marks, v.mark) > 0 AND strpos(marks, E'\x01') = 0);
    -- Statement mode has no versions, and is refused where that matters.
    has_versions boolean := mode <> 'statement' AND herald.may_write_itself(relation);
    fast     text := '';
    announce text := format(E'\n        INSERT INTO herald.outbox (shape, action) VALUES (%s, ''st'');', number);
BEGIN
    IF NOT is_lost THEN
        announce := herald.careful_code(relation, s, number, max_bytes, has_versions);
        IF mode = 'statement' THEN
            announce := herald.statement_mode_code(relation, s, number, max_bytes, coalesce(settings, 'true'), announce);
        ELSE
            fast := herald.row_mode_code(relation, s, number, max_bytes, concat_ws(' AND ', here, settings), has_versions);
        END IF;
    END IF;
    RETURN format($code$
-- Written by herald.generate_capture() and written anew by herald.refresh(): do not edit.
#variable_conflict use_column
DECLARE
    herald_new pg_catalog.text;
    herald_old pg_catalog.text;
BEGIN
    <<herald_announced>>
    BEGIN%1$s
    IF NOT (%2$s) THEN
        DECLARE
            herald_is_part pg_catalog.bool := herald.is_part_of(TG_RELID, %3$L);
        BEGIN
            -- A part that was detached keeps its trigger for TRUNCATE, which is nobody's business then.
            IF herald_is_part IS NULL OR NOT herald_is_part AND TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN
                RETURN NULL;
            ELSIF NOT herald_is_part THEN
                RAISE EXCEPTION 'herald: this trigger function belongs to another table than %%', TG_RELID::pg_catalog.regclass
                    USING ERRCODE = '42501', HINT = 'Call herald.watch() for this table instead.';
            END IF;
        END;
    END IF;
    IF TG_OP OPERATOR(pg_catalog.=) 'TRUNCATE' THEN
        INSERT INTO herald.outbox (shape, action) VALUES (%4$s, %5$s);
    ELSE%6$s
    END IF;
    END herald_announced;
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(1751478881, 1) THEN
        PERFORM herald.ring();
    END IF;
    RETURN NULL;
END
$code$, fast, here, watch_key, number, CASE WHEN is_lost THEN '''st''' ELSE 'CASE WHEN TG_NARGS OPERATOR(pg_catalog.>) 0 THEN ''t'' ELSE ''r'' END' END, announce);
END
$$;
COMMENT ON FUNCTION herald.capture_code(oid, herald.shape_columns, text, bigint, int, text, text, boolean) IS 'Internal: the body of a trigger function.';

INSERT INTO herald.schema_step (step, name) VALUES (4, 'capture');
RESET ROLE;

-- EXECUTE on what the writes of others pass through (trigger functions, publish) is open to all, until a database is hardened:
-- REVOKE … FROM PUBLIC of one of them would then fail every write. So the two roles have it in their own name, for what looks at the
-- server or its locks; only a superuser can grant that, and only a superuser can revoke. It is not granted for functions of text
-- and json, without which no application can live: a function with rights of its own costs 800 instructions more per call, which
-- came to 15 900 a row. Most of those are guarded, too. (tests/sql/08 revokes these.)
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN
        SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
           AND p.proname IN ('clock_timestamp', 'current_setting', 'pg_current_xact_id', 'pg_notification_queue_usage', 'pg_relation_filenode', 'pg_trigger_depth', 'pg_try_advisory_xact_lock_shared', 'set_config')
    LOOP
        IF has_function_privilege(f, 'EXECUTE WITH GRANT OPTION') THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO herald_owner, herald_capture', f);
        ELSIF NOT (has_function_privilege('herald_owner', f, 'EXECUTE') AND has_function_privilege('herald_capture', f, 'EXECUTE')) THEN
            RAISE EXCEPTION 'herald: the roles herald_owner and herald_capture may not call pg_catalog.%, so writes to watched tables would fail', f
                USING ERRCODE = '42501', HINT = format('Let a superuser install, or GRANT EXECUTE ON FUNCTION pg_catalog.%s TO herald_owner, herald_capture.', f);
        END IF;
    END LOOP;
END
$$;
