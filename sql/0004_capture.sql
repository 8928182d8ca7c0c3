-- SPDX-License-Identifier: PostgreSQL
--
-- Step 4: how a trigger function is written, part two: the whole function, and when it is written.
--
-- **The wishes live in the trigger.** What a watch wants (template, columns, …) is the argument of the table's triggers,
-- as JSON. Generating runs with herald_owner's rights and therefore must know that the table's owner wants it; a SECURITY
-- DEFINER function cannot see who stands behind its caller, but only the table's owner can create a trigger. So
-- herald.watch() creates the trigger with its caller's rights, and generate_capture() believes nothing but pg_trigger.
-- As a present, dumps carry the wishes, a dropped table takes them along, and generating again needs nobody's rights.
--
-- **A trigger must not be able to fail its table's writes, nor to lose a change in silence.** What touches the row stands
-- in a guarded block (2.5 µs a row: it protects the write from a column that was dropped behind our back, a text so long
-- that its JSON exceeds 1 GB, whatever a type's output function raises). Three attempts: the whole row; the key columns; no
-- columns at all. The second and third carry "truncated_to_key": true, and they also serve rows over max_bytes. If not even
-- the channel can be computed, a row that is only counted goes to the outbox. The INSERT itself stands outside, or each row
-- would open a subtransaction with a number of its own. Columns are named in code that Postgres compiles on first use, so a
-- stale function degrades statement by statement. So it does where a guard (step 3) finds a type for which the code was not
-- written: the key instead of the row, or only counted, but no expression that could run a stranger's cast.
--
-- The function belongs to one table and its parts; the oids are in the code, and is_part_of() decides what is not listed
-- (a new partition, or a restored dump with other oids, until it is generated again). In a table that is not a part it
-- raises: whoever attached it there is told so.
--
-- **The doorbell.** While the sequencer sleeps it holds an advisory lock exclusively. A writer tries to share it, after its
-- INSERT: got it, then nobody sleeps and the lock, which ends after the commit is visible, keeps the sequencer awake until
-- then; refused, then herald.ring() decides (step 7). That is all that is paid while events flow.
--
-- 18: virtual generated columns are not computed in triggers, so they are left out.

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

CREATE FUNCTION herald.statement_mode_obstacle(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN c.relkind = 'p' OR c.relispartition THEN 'partitions are also written directly, which statement triggers do not see'
        WHEN EXISTS (SELECT FROM pg_inherits i WHERE relation IN (i.inhparent, i.inhrelid))
            THEN 'children and parents are also written directly, which statement triggers do not see'
        WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgtype & 3 = 1
                        AND NOT starts_with(t.tgname::text, '00_herald_'))
            THEN 'another AFTER ROW trigger may write the same table, and its changes would be announced too early'
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
         WHERE t.tgrelid = relation AND starts_with(t.tgname::text, '00_herald_') AND t.tgnargs = 1
           AND t.tgfoid = to_regprocedure(format('herald.%I()', 'capture_' || watch_key))
         ORDER BY t.tgname
    LOOP
        BEGIN
            wish := convert_from(argument, 'UTF8')::json;
            IF json_typeof(wish) = 'object' THEN
                RETURN wish;
            END IF;
        EXCEPTION WHEN data_exception THEN
            NULL; -- No wish of ours.
        END;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION herald.wish_of(oid, text) IS
'Internal: the argument of a watched table''s triggers, the first that is a JSON object, or NULL.';

-- Settings that change how values print. Each costs 0.5 µs a row, so only what the columns need.
CREATE FUNCTION herald.capture_settings(relation oid, columns text[], in_template text[]) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH leaf AS (
        SELECT f.type, a.atttypid AS of_type, a.attname = ANY (in_template) AS is_printed
          FROM pg_attribute a CROSS JOIN LATERAL herald.leaf_types(a.atttypid) f(type)
         WHERE a.attrelid = relation AND a.attname = ANY (columns || in_template) AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT concat_ws(' ',
        'SET search_path = pg_catalog, pg_temp SET timezone = ''UTC''',
        (SELECT 'SET extra_float_digits = 1' FROM leaf l JOIN pg_type t ON t.oid = l.type
          WHERE t.typcategory = 'G' OR l.type IN ('float4'::regtype, 'float8'::regtype) LIMIT 1),
        (SELECT 'SET intervalstyle = ''postgres''' FROM leaf l WHERE l.type = 'interval'::regtype LIMIT 1),
        (SELECT 'SET bytea_output = ''hex''' FROM leaf l WHERE l.type = 'bytea'::regtype LIMIT 1),
        (SELECT 'SET datestyle = ''ISO''' FROM leaf l
          WHERE l.type IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
            AND (l.is_printed OR herald.base_type(l.of_type) <> l.type) LIMIT 1))
$$;
COMMENT ON FUNCTION herald.capture_settings(oid, text[], text[]) IS 'Internal: the SET clauses of a trigger function.';

-- ------------------------------------------------------------------------------------- the code of the function

-- The usual case, straight: whatever is not usual (a part of the table that is not listed, TRUNCATE, a NULL or another
-- channel, too many bytes, an error) falls through to what follows. Every plpgsql expression is set up anew in each
-- transaction, 1.2 µs each and several times that when 32 sessions share the processor's caches, so the number of them is
-- what a single-row INSERT pays. The guard must be an IF of its own: a planner may run what it finds in a later expression.
-- It looks at NEW whatever happened: where there is none its columns are NULLs of the table's types (seen with 15; a version that
-- raised instead would go the slower way below).
CREATE FUNCTION herald.fast_code(is_here text, head text, new_channel text, old_channel text, new_row text, old_row text,
                                 changed text, max_bytes int, guard text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
    BEGIN
        IF %1$s AND %2$s THEN
            IF TG_OP = 'INSERT' THEN
                new_channel := %3$s;
                payload_1 := %5$s::json;
            ELSIF TG_OP = 'UPDATE' THEN
                IF NOT (%8$s) THEN
                    RETURN NULL;
                END IF;
                old_channel := %4$s;
                new_channel := %3$s;
                IF new_channel = old_channel THEN
                    payload_1 := %6$s::json;
                END IF;
            ELSIF TG_OP = 'DELETE' THEN
                new_channel := %4$s;
                payload_1 := %7$s::json;
            END IF;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        payload_1 := NULL;
        first_attempt := 2;
    END;
    IF octet_length(payload_1::text) <= %9$s AND octet_length(new_channel) BETWEEN 1 AND 255 THEN
        INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (octet_length(payload_1::text), 'e', new_channel, payload_1);
        EXIT announced;
    END IF;
    IF octet_length(payload_1::text) > %9$s THEN
        first_attempt := 2;
    END IF;
    payload_1 := NULL;$code$, is_here, guard, new_channel, old_channel,
        format('concat(%L, %s, %L)', '{"data":{"action":"insert",' || head || ',"new":', new_row, ',"old":null},"dbo_id":0,"row_id":0}'),
        format('concat(%L, %s, %L, %s, %L)', '{"data":{"action":"update",' || head || ',"new":', new_row, ',"old":', old_row, '},"dbo_id":0,"row_id":0}'),
        format('concat(%L, %s, %L)', '{"data":{"action":"delete",' || head || ',"new":null,"old":', old_row, '},"dbo_id":0,"row_id":0}'),
        changed, max_bytes)
$$;
COMMENT ON FUNCTION herald.fast_code(text, text, text, text, text, text, text, int, text) IS
'Internal: the part of a row-mode trigger function that announces a row in the usual case.';

CREATE FUNCTION herald.row_mode_code(head text, new_channel text, old_channel text, new_row text, old_row text,
                                     new_key text, old_key text, changed text, max_bytes int,
                                     new_guards text[], old_guards text[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
    new_channel := NULL;
    FOR attempt IN coalesce(first_attempt, 1) .. 3 LOOP
        BEGIN
            tail := CASE WHEN attempt = 1 THEN '},"dbo_id":0,"row_id":0}'
                         ELSE ',"truncated_to_key":true},"dbo_id":0,"row_id":0}' END;
            IF TG_OP <> 'DELETE' AND attempt = 1 THEN
                CONTINUE WHEN NOT (%10$s);
            ELSIF TG_OP <> 'DELETE' AND attempt = 2 THEN
                CONTINUE WHEN NOT (%11$s);
            ELSIF TG_OP <> 'DELETE' THEN
                CONTINUE WHEN NOT (%12$s);
            ELSIF attempt = 1 THEN
                CONTINUE WHEN NOT (%13$s);
            ELSIF attempt = 2 THEN
                CONTINUE WHEN NOT (%14$s);
            ELSE
                CONTINUE WHEN NOT (%15$s);
            END IF;
            IF TG_OP = 'UPDATE' AND attempt = 1 THEN
                IF NOT (%8$s) THEN
                    RETURN NULL;
                END IF;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                new_channel := %2$s;
                IF new_channel IS NULL THEN
                    new_row := NULL;
                ELSIF attempt = 1 THEN
                    new_row := %4$s;
                ELSIF attempt = 2 THEN
                    new_row := %6$s;
                ELSE
                    new_row := '{}';
                END IF;
            END IF;
            IF TG_OP <> 'INSERT' THEN
                old_channel := %3$s;
                IF old_channel IS NULL THEN
                    old_row := NULL;
                ELSIF attempt = 1 THEN
                    old_row := %5$s;
                ELSIF attempt = 2 THEN
                    old_row := %7$s;
                ELSE
                    old_row := '{}';
                END IF;
            END IF;
            IF new_channel = old_channel THEN
                text_1 := concat('{"data":{"action":"update",', %1$L, ',"new":', new_row, ',"old":', old_row, tail);
                text_2 := NULL;
            ELSE
                -- From one channel to another: gone there, new here.
                text_1 := '{"data":{"action":"delete",' || %1$L || ',"new":null,"old":' || old_row || tail;
                text_2 := '{"data":{"action":"insert",' || %1$L || ',"new":' || new_row || ',"old":null' || tail;
            END IF;
            CONTINUE WHEN attempt < 3 AND (octet_length(text_1) > %9$s OR octet_length(text_2) > %9$s);
            payload_1 := text_1;
            payload_2 := text_2;
            is_known := true;
            EXIT;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    IF is_known IS NULL THEN
        INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (0, 's', '', '{}');
    END IF;
    IF payload_1 IS NOT NULL THEN
        IF octet_length(old_channel) BETWEEN 1 AND 255 THEN
            INSERT INTO herald.outbox (bytes, action, channel, payload)
                VALUES (octet_length(text_1), 'e', old_channel, payload_1);
        ELSE
            INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (0, 's', '', '{}');
        END IF;
    END IF;
    IF payload_2 IS NOT NULL THEN
        IF octet_length(new_channel) BETWEEN 1 AND 255 THEN
            INSERT INTO herald.outbox (bytes, action, channel, payload)
                VALUES (octet_length(text_2), 'e', new_channel, payload_2);
        ELSE
            INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (0, 's', '', '{}');
        END IF;
    END IF;
$code$, head, new_channel, old_channel, new_row, old_row, new_key, old_key, changed, max_bytes,
        new_guards[1], new_guards[2], new_guards[3], old_guards[1], old_guards[2], old_guards[3])
$$;
COMMENT ON FUNCTION herald.row_mode_code(text, text, text, text, text, text, text, text, int, text[], text[]) IS
'Internal: the part of a row-mode trigger function that announces a row.';

-- One INSERT … SELECT over the transition tables, which are called n and o. OLD and NEW are paired by position: Postgres
-- fills both in one function call per updated row (trigger.c, AfterTriggerSaveEvent; 13 to 18). %2: whole or key.
CREATE FUNCTION herald.statement_mode_insert(operation text, attempt int, head text, new_channel text, old_channel text,
                                             new_row text, old_row text, new_key text, old_key text,
                                             changed text, max_bytes int, position_name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH code AS (
        SELECT CASE attempt WHEN 1 THEN new_row WHEN 2 THEN new_key ELSE '''{}''' END AS new_first,
               CASE attempt WHEN 1 THEN old_row WHEN 2 THEN old_key ELSE '''{}''' END AS old_first,
               CASE attempt WHEN 1 THEN '},"dbo_id":0,"row_id":0}'
                            ELSE ',"truncated_to_key":true},"dbo_id":0,"row_id":0}' END AS tail,
               CASE attempt WHEN 1 THEN new_key ELSE '''{}''' END AS new_short,
               CASE attempt WHEN 1 THEN old_key ELSE '''{}''' END AS old_short,
               ',"truncated_to_key":true},"dbo_id":0,"row_id":0}' AS short_tail
    )
    SELECT format($code$
                INSERT INTO herald.outbox (bytes, action, channel, payload)
                SELECT octet_length(p.text), CASE WHEN p.is_sound THEN 'e' ELSE 's' END, CASE WHEN p.is_sound THEN e.channel ELSE '' END,
                       p.text::json
                  FROM %1$s
                 CROSS JOIN LATERAL (
                     SELECT octet_length(e.channel) BETWEEN 1 AND 255 AS is_sound,
                            CASE WHEN octet_length(e.text) > %2$s THEN %3$s ELSE e.text END AS text OFFSET 0) p%4$s$code$,
        CASE operation
        WHEN 'INSERT' THEN format($from$n CROSS JOIN LATERAL (
                     SELECT %1$s AS channel,
                            concat('{"data":{"action":"insert",', %2$L, ',"new":', %3$s, ',"old":null', %4$L) AS text OFFSET 0) e$from$,
                     new_channel, head, c.new_first, c.tail)
        WHEN 'DELETE' THEN format($from$o CROSS JOIN LATERAL (
                     SELECT %1$s AS channel,
                            concat('{"data":{"action":"delete",', %2$L, ',"new":null,"old":', %3$s, %4$L) AS text OFFSET 0) e$from$,
                     old_channel, head, c.old_first, c.tail)
        ELSE format($from$(SELECT row_number() OVER () AS %8$I, n.* FROM n) n
                  JOIN (SELECT row_number() OVER () AS %8$I, o.* FROM o) o USING (%8$I)
                 CROSS JOIN LATERAL (SELECT %1$s AS new_channel, %2$s AS old_channel, %4$s AS new_row, %5$s AS old_row OFFSET 0) r
                 CROSS JOIN LATERAL (
                     SELECT 1 AS half, r.new_channel AS channel,
                            concat('{"data":{"action":"update",', %3$L, ',"new":', r.new_row, ',"old":', r.old_row, %6$L) AS text
                      WHERE r.new_channel = r.old_channel
                     UNION ALL
                     SELECT 2, r.old_channel, concat('{"data":{"action":"delete",', %3$L, ',"new":null,"old":', r.old_row, %6$L)
                      WHERE r.old_channel IS DISTINCT FROM r.new_channel
                     UNION ALL
                     SELECT 3, r.new_channel, concat('{"data":{"action":"insert",', %3$L, ',"new":', r.new_row, ',"old":null', %6$L)
                      WHERE r.old_channel IS DISTINCT FROM r.new_channel) e$from$,
                     new_channel, old_channel, head, c.new_first, c.old_first, c.tail, changed, position_name)
        END,
        max_bytes,
        CASE operation
        WHEN 'INSERT' THEN format('concat(''{"data":{"action":"insert",'', %L, '',"new":'', %s, '',"old":null'', %L)', head, c.new_short, c.short_tail)
        WHEN 'DELETE' THEN format('concat(''{"data":{"action":"delete",'', %L, '',"new":null,"old":'', %s, %L)', head, c.old_short, c.short_tail)
        ELSE format($short$CASE e.half WHEN 1 THEN concat('{"data":{"action":"update",', %1$L, ',"new":', %2$s, ',"old":', %3$s, %4$L)
                            WHEN 2 THEN concat('{"data":{"action":"delete",', %1$L, ',"new":null,"old":', %3$s, %4$L)
                            ELSE concat('{"data":{"action":"insert",', %1$L, ',"new":', %2$s, ',"old":null', %4$L) END$short$,
                    head, c.new_short, c.old_short, c.short_tail)
        END,
        CASE operation
        WHEN 'UPDATE' THEN format(E'\n                 WHERE e.channel IS NOT NULL%s ORDER BY %I, e.half',
                                  CASE attempt WHEN 1 THEN ' AND (' || changed || ')' ELSE '' END, position_name)
        ELSE E'\n                 WHERE e.channel IS NOT NULL' END)
      FROM code c
$$;
COMMENT ON FUNCTION herald.statement_mode_insert(text, int, text, text, text, text, text, text, text, text, int, text) IS
'Internal: one INSERT of a statement-mode trigger function.';

CREATE FUNCTION herald.statement_mode_code(head text, new_channel text, old_channel text, new_row text, old_row text,
                                           new_key text, old_key text, changed text, max_bytes int, position_name text,
                                           new_guards text[], old_guards text[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
    FOR attempt IN 1 .. 3 LOOP
        BEGIN
            %s
            is_known := true;
            IF NOT FOUND THEN
                RETURN NULL;
            END IF;
            EXIT;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
    IF is_known IS NULL THEN
        INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (0, 's', '', '{}');
    END IF;
$code$,
        'IF ' || string_agg(format('TG_OP = %L AND attempt = %s THEN
                -- One row tells the types of all.
                CONTINUE WHEN NOT coalesce((SELECT %s FROM %s LIMIT 1), true);%s;', o.op, a.attempt,
                     CASE o.op WHEN 'DELETE' THEN old_guards[a.attempt] ELSE new_guards[a.attempt] END,
                     CASE o.op WHEN 'DELETE' THEN 'o' ELSE 'n' END,
                     herald.statement_mode_insert(o.op, a.attempt, head, new_channel, old_channel, new_row, old_row,
                                                  new_key, old_key, changed, max_bytes, position_name)),
                     E'\n            ELSIF ' ORDER BY o.op, a.attempt) || E'\n            END IF;')
      FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) o(op) CROSS JOIN generate_series(1, 3) a(attempt)
$$;
COMMENT ON FUNCTION herald.statement_mode_code(text, text, text, text, text, text, text, text, int, text, text[], text[]) IS
'Internal: the part of a statement-mode trigger function that announces rows.';

CREATE FUNCTION herald.is_here_code(parts oid[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN cardinality(parts) = 1 THEN format('TG_RELID = %s', parts[1]) ELSE format('TG_RELID = ANY (%L::oid[])', parts) END
$$;
COMMENT ON FUNCTION herald.is_here_code(oid[]) IS 'Internal: whether a trigger was fired by a table that its function was written for.';

CREATE FUNCTION herald.capture_code(parts oid[], watch_key text, truncate_action text, truncate_channel text,
                                    truncate_payload text, fast text, announce text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format($code$
-- Written by herald.generate_capture() and written anew by herald.refresh(): do not edit.
#variable_conflict use_variable
DECLARE
    is_known      boolean;
    is_elsewhere  boolean; -- NULL: no
    first_attempt int;
    tail          text;
    new_channel   text;
    old_channel   text;
    new_row       text;
    old_row       text;
    text_1        text;
    text_2        text;
    payload_1     json;
    payload_2     json;
BEGIN
    <<announced>>
    BEGIN%8$s
    IF NOT (%1$s) THEN
        is_elsewhere := herald.is_part_of(TG_RELID, %2$L);
        IF is_elsewhere IS NULL THEN
            RETURN NULL;
        ELSIF NOT is_elsewhere THEN
            RAISE EXCEPTION 'herald: this trigger function belongs to another table than %%', TG_RELID::regclass
                USING ERRCODE = '42501', HINT = 'Call herald.watch() for this table instead.';
        END IF;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (%6$s, %3$L, %4$L, %5$L);
    ELSE%7$s    END IF;
    END announced;
    IF NOT pg_try_advisory_xact_lock_shared(1751478881, 1) THEN
        PERFORM herald.ring();
    END IF;
    RETURN NULL;
END
$code$, herald.is_here_code(parts), watch_key, truncate_action, truncate_channel, truncate_payload, octet_length(truncate_payload), announce, fast)
$$;
COMMENT ON FUNCTION herald.capture_code(oid[], text, text, text, text, text, text) IS 'Internal: the body of a trigger function.';

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
           AND p.proname IN ('clock_timestamp', 'current_setting', 'pg_current_xact_id', 'pg_notification_queue_usage', 'pg_try_advisory_xact_lock_shared', 'set_config')
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
