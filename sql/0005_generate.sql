-- SPDX-License-Identifier: PostgreSQL
--
-- Step 5: watching tables: watch(), unwatch(), refresh(), and the event triggers that call it.
--
-- watch() and unwatch() run with their caller's rights: creating and dropping the triggers is what proves that he owns the
-- table. Two helpers run as herald_owner. prepare_watch() makes a function that does nothing yet; generate_capture() writes
-- its code, and takes every wish from the trigger's argument in pg_trigger (see step 4). Whoever calls them for a
-- stranger's table gets an idle function there, or the code that its owner asked for.
--
-- The names in a wish are bound to column numbers when code is generated. So a column that is renamed keeps its place:
-- announced if it was announced, and, what matters more, hidden if it was excluded. A dropped column leaves the list.
--
-- The triggers are called !herald_…, because triggers fire in the order of their names: what another one writes to the same row is captured
-- behind it, if that one comes later. What it writes to other rows of its statement is captured too early all the same; where that can be,
-- the versions of the rows are captured too, and the sequencer puts it right. A statement's transition tables have no versions: for that
-- reason, and because a partition can be written directly, mode row is the default and mode statement is refused where it would miss or reorder.
--
-- **No lock of ours ties two tables together.** Whoever alters a table holds it exclusively while the event trigger is here: if
-- that waited for another transaction, all who write the table would wait with it, and two migrations could wait for each other.
-- So what belongs to a watch is one row and one function; code is made without any lock, and only if something is to be
-- written the row is locked, and never waited for: who finds it locked says so, and the table stays stale (its looks differ from
-- what its function was written for) until the next refresh, which a running server makes by itself.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE FUNCTION herald.prepare_watch(relation regclass) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    function_name text;
    found_key     text;
BEGIN
    INSERT INTO herald.watch (relation, key) VALUES (prepare_watch.relation, left(replace(gen_random_uuid()::text, '-', ''), 12))
        ON CONFLICT ON CONSTRAINT watch_pkey DO NOTHING;
    SELECT w.key INTO STRICT found_key FROM herald.watch w WHERE w.relation = prepare_watch.relation;
    function_name := format('%I()', 'capture_' || found_key);
    IF to_regprocedure('herald.' || function_name) IS NULL THEN
        EXECUTE format('CREATE FUNCTION herald_cradle.%s RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS %L', function_name,
                       'BEGIN RETURN NULL; END');
        EXECUTE format('ALTER FUNCTION herald_cradle.%s OWNER TO herald_capture', function_name);
        EXECUTE format('ALTER FUNCTION herald_cradle.%s SET SCHEMA herald', function_name);
    END IF;
    PERFORM herald.grant_capture(relation, to_regprocedure('herald.' || function_name));
    RETURN found_key;
END
$$;
COMMENT ON FUNCTION herald.prepare_watch(regclass) IS 'Internal, for watch(): makes the table''s trigger function, still idle, and returns its key.';

CREATE FUNCTION herald.is_granted(relation oid, capture regprocedure) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(p.proacl IS NOT NULL AND bool_and(a.grantee IN (p.proowner, c.relowner)) AND bool_or(a.grantee = c.relowner), false)
      FROM pg_proc p JOIN pg_class c ON c.oid = is_granted.relation LEFT JOIN LATERAL aclexplode(p.proacl) a ON true
     WHERE p.oid = capture GROUP BY p.oid, p.proacl
$$;
COMMENT ON FUNCTION herald.is_granted(oid, regprocedure) IS 'Internal: whether nobody but its table''s owner may execute a trigger function.';

CREATE FUNCTION herald.grant_capture(relation oid, capture regprocedure) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner   oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = relation);
    grantee oid;
BEGIN
    IF herald.is_granted(relation, capture) THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', capture);
    FOR grantee IN
        SELECT a.grantee FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
         WHERE p.oid = capture AND a.grantee NOT IN (0, p.proowner, owner)
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', capture, pg_get_userbyid(grantee));
    END LOOP;
    -- CREATE TABLE … PARTITION OF clones triggers with the rights of whoever creates the partition.
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', capture, pg_get_userbyid(owner));
END
$$;
COMMENT ON FUNCTION herald.grant_capture(oid, regprocedure) IS 'Internal: EXECUTE on a trigger function for the table''s owner and nobody else.';

-- Whoever reads the rows may do so as rows of the whole, or of a part.
CREATE FUNCTION herald.guarded_by(relation oid) RETURNS oid[]
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE whole(oid) AS (
        SELECT relation
        UNION
        SELECT i.inhparent FROM whole w JOIN pg_inherits i ON i.inhrelid = w.oid
    )
    SELECT ARRAY(SELECT c.oid FROM pg_class c
                  WHERE c.oid IN (SELECT w.oid FROM whole w UNION ALL SELECT unnest(herald.parts_of(relation))) AND c.relrowsecurity ORDER BY c.oid)
$$;
COMMENT ON FUNCTION herald.guarded_by(oid) IS
'Internal: which of a table, its parts and what it is a part of have row level security, which decides who may read rows of it.';

-- Text that differs when code written for the table then would not be right now. Of types that are not built in, what
-- step 3 looks at. Everything that a catalog knows at once, so that a server can look at all watches every few seconds.
CREATE FUNCTION herald.looks_of(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT md5(concat_ws('/', c.oid, c.relowner, n.nspname, c.relname,
        (SELECT string_agg(concat_ws(',', a.attnum, a.attname, a.atttypid, a.attcollation, a.attgenerated,
                    CASE WHEN a.attgenerated = 'v' THEN (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END), '/' ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        -- Each type once, however many columns have it inside: a server looks at all watches every few seconds.
        (SELECT string_agg(concat_ws(' ', t.oid, t.typtype, t.typbasetype, t.typelem, t.typdelim, herald.json_cast(t.oid),
                    (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE t.typtype = 'e' AND e.enumtypid = t.oid),
                    (SELECT string_agg(concat_ws(' ', f.attname, f.atttypid), ',' ORDER BY f.attnum)
                       FROM pg_attribute f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped)),
                    ';' ORDER BY t.oid)
           FROM (SELECT ARRAY(SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384) AS types) u
          CROSS JOIN LATERAL herald.leaf_types(VARIADIC u.types) l(oid) JOIN pg_type t ON t.oid = l.oid WHERE u.types <> '{}' AND t.oid >= 16384),
        (SELECT i.indkey FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
        CASE WHEN c.relhassubclass THEN (SELECT concat_ws(':', herald.parts_of(c.oid), count(*)) FROM pg_inherits i WHERE i.inhparent = c.oid) END,
        CASE WHEN c.relhassubclass OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & 1 = 1 AND NOT starts_with(t.tgname::text, '!herald_'))
             THEN herald.may_write_itself(c.oid) END,
        c.relrowsecurity, c.relforcerowsecurity,
        CASE WHEN c.relrowsecurity THEN (
            SELECT string_agg(md5(concat_ws('/', p.oid, p.polcmd, p.polpermissive, p.polroles, p.polqual::text)), '/' ORDER BY p.oid)
              FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd IN ('r', '*') AND p.polname <> 'herald_reader') END,
        CASE WHEN c.relhassubclass OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) THEN herald.guarded_by(c.oid) END))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION herald.looks_of(oid) IS 'Internal: a digest of all that a table''s trigger function depends on, and of the policies by which its rows are judged. NULL: no such table.';

CREATE FUNCTION herald.bind_wish(w herald.watch, wish json) RETURNS herald.watch
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here      text := format('%s/%s', herald.database_identity(), w.relation::oid);
    known     int;
    this_name text;
    bound     herald.watch := w;
    a         record;
BEGIN
    bound.names := ARRAY(
        SELECT DISTINCT x.name
          FROM (SELECT json_array_elements_text(wish -> k.key) FROM unnest(ARRAY['columns', 'exclude', 'key_columns', 'keep']) k(key) WHERE json_typeof(wish -> k.key) = 'array'
                UNION ALL SELECT p.col FROM herald.template_parts(wish ->> 'channel') p
                UNION ALL SELECT herald.filter_columns((wish -> 'visible')::jsonb)) x(name)
         WHERE x.name IS NOT NULL ORDER BY 1);
    bound.now_named := '{}';
    bound.attnums := '{}';
    bound.bound_to := here;
    FOREACH this_name IN ARRAY bound.names LOOP
        known := array_position(w.names, this_name);
        SELECT c.attname::text AS name, c.attnum AS num INTO a FROM pg_attribute c
         WHERE c.attrelid = w.relation AND c.attnum > 0 AND NOT c.attisdropped
           AND (w.bound_to = here AND c.attnum = w.attnums[known] OR c.attname IN (w.now_named[known], this_name))
         ORDER BY w.bound_to = here AND c.attnum = w.attnums[known] DESC NULLS LAST,
                  c.attname = w.now_named[known] DESC NULLS LAST LIMIT 1;
        bound.now_named := bound.now_named || a.name;
        bound.attnums := bound.attnums || a.num;
    END LOOP;
    RETURN bound;
END
$$;
COMMENT ON FUNCTION herald.bind_wish(herald.watch, json) IS 'Internal: a watch with the columns that the names in its wish mean today.';

CREATE FUNCTION herald.name_today(w herald.watch, name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT (w).now_named[pg_catalog.array_position((w).names, name)] $$;
COMMENT ON FUNCTION herald.name_today(herald.watch, text) IS 'Internal: what a column of a wish is called today, NULL if it is gone.';

CREATE FUNCTION herald.names_today(w herald.watch, list json) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN json_typeof(list) = 'array' THEN
        ARRAY(SELECT herald.name_today(w, x.name) FROM json_array_elements_text(list) WITH ORDINALITY x(name, nth) ORDER BY x.nth) END
$$;
COMMENT ON FUNCTION herald.names_today(herald.watch, json) IS 'Internal: the same of a list in a wish; NULL if it is no list.';

CREATE FUNCTION herald.filter_today(w herald.watch, tree jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(
               CASE WHEN m.key IN ('and', 'or', 'not') THEN m.key ELSE herald.name_today(w, m.key) END,
               CASE WHEN m.key IN ('and', 'or') THEN (SELECT coalesce(jsonb_agg(herald.filter_today(w, x.tree) ORDER BY x.nth), '[]')
                                                        FROM jsonb_array_elements(m.value) WITH ORDINALITY x(tree, nth))
                    WHEN m.key = 'not' THEN herald.filter_today(w, m.value) ELSE m.value END), '{}')
      FROM jsonb_each(tree) m
$$;
COMMENT ON FUNCTION herald.filter_today(herald.watch, jsonb) IS 'Internal: a filter of a wish under today''s names. Raises if a column is gone.';

-- Whatever keeps a filter from being judged keeps the rows from being shown. A column whose name now means something else in a
-- filter does, and two that would be one (dropped, and the other renamed to its name): one of their conditions would be lost.
CREATE FUNCTION herald.visible_today(w herald.watch, wish json, captured text[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible jsonb := nullif((wish -> 'visible')::jsonb, 'null');
    n_names int;
    today   text[];
BEGIN
    IF visible IS NULL THEN
        RETURN CASE WHEN herald.guarded_by(w.relation) <> '{}' THEN '"nobody"' END;
    ELSIF visible = '"everybody"' THEN
        RETURN NULL;
    ELSIF herald.is_judged(visible) THEN
        PERFORM herald.check_judged(visible, w.relation, captured);
        RETURN visible;
    END IF;
    SELECT count(*), array_agg(DISTINCT herald.name_today(w, f)) INTO n_names, today FROM herald.filter_columns(visible) f;
    IF n_names <> cardinality(today) OR today && ARRAY['and', 'or', 'not'] OR array_position(today, NULL) IS NOT NULL THEN
        RETURN '"nobody"';
    END IF;
    visible := herald.filter_today(w, visible);
    PERFORM herald.check_visible(visible, NULL, w.relation, captured);
    RETURN visible;
EXCEPTION WHEN OTHERS THEN
    RETURN '"nobody"';
END
$$;
COMMENT ON FUNCTION herald.visible_today(herald.watch, json, text[]) IS
'Internal: who may see the rows of a watch, as herald.watch.visible has it: "nobody" also if what the wish says cannot be judged any more.';

CREATE FUNCTION herald.shape_of(w herald.watch, wish json) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    listed   text[] := herald.names_today(w, wish -> 'columns');
    hidden   text[] := coalesce(herald.names_today(w, wish -> 'exclude'), '{}');
    kept     text[] := coalesce(herald.names_today(w, wish -> 'keep'), '{}');
    keys     text[] := herald.names_today(w, wish -> 'key_columns');
    named    text[] := ARRAY(SELECT herald.name_today(w, p.col) FROM herald.template_parts(wish ->> 'channel') p WHERE p.col IS NOT NULL);
    shown    text[];
    captured text[];
    visible  jsonb;
    schema_  text;
    table_   text;
BEGIN
    SELECT n.nspname, c.relname INTO schema_, table_ FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = w.relation;
    IF keys IS NULL THEN
        keys := ARRAY(
            SELECT a.attname::text
              FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY x(num, nth)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.num
             WHERE i.indrelid = w.relation AND i.indisprimary ORDER BY x.nth);
    END IF;
    shown := ARRAY(
        SELECT a.name FROM herald.columns_of(w.relation) a
         WHERE array_position(hidden, a.name) IS NULL AND (listed IS NULL OR array_position(listed, a.name) IS NOT NULL) ORDER BY a.num);
    captured := ARRAY(SELECT a.name FROM herald.columns_of(w.relation) a WHERE array_position(shown || kept || named, a.name) IS NOT NULL ORDER BY a.num);
    visible := herald.visible_today(w, wish, shown || kept);
    RETURN concat('{"watch":', to_json(w.key), ',"schema":', to_json(schema_), ',"table":', to_json(table_), ',"template":[',
        coalesce((SELECT string_agg(concat_ws(',', to_json(nullif(p.literal, '')), array_position(captured, herald.name_today(w, p.col)) - 1), ',' ORDER BY p.nth)
                    FROM herald.template_parts(wish ->> 'channel') p), to_json(herald.percent_encode(schema_) || '.' || herald.percent_encode(table_))::text),
        '],"numbers":', to_json(CASE WHEN wish ->> 'numbers' = 'native' THEN 'native' ELSE 'text' END),
        -- As watch() would have it: an owner can write the wish himself, and the server takes each row as a whole.
        ',"max_bytes":', least(greatest(coalesce((wish ->> 'max_bytes')::int, 1048576), 256), 268435456),
        -- A key never shows what the list does not.
        ',"key":[', (SELECT string_agg((array_position(captured, k.name) - 1)::text, ',' ORDER BY k.nth)
                       FROM unnest(keys) WITH ORDINALITY k(name, nth) WHERE array_position(shown, k.name) IS NOT NULL),
        '],"columns":[', (SELECT string_agg(format('{"name":%s,"num":%s,"type":%s%s,"announced":%s,"kept":%s%s}', to_json(a.name), a.num, herald.type_tree(a.type),
                                                   -- In a channel arrays and composites stand as they are printed: in one time zone, whoever writes.
                                                   CASE WHEN array_position(named, a.name) IS NOT NULL AND herald.type_tree(a.type) ~ '^[{]"(array|composite)'
                                                             AND 'timestamptz'::regtype IN (SELECT herald.leaf_types(a.type)) THEN E'\x01' END,
                                                   (array_position(shown, a.name) IS NOT NULL)::text::json, (array_position(kept, a.name) IS NOT NULL)::text::json,
                                                   herald.compares_member(a.type, a.coll)), ',' ORDER BY a.num)
                            FROM herald.columns_of(w.relation) a WHERE array_position(captured, a.name) IS NOT NULL), ']',
        ',"visible":' || visible::text, CASE WHEN herald.is_judged(visible) THEN ',"claims":' || (wish -> 'claims')::text END, '}');
END
$$;
COMMENT ON FUNCTION herald.shape_of(herald.watch, json) IS
'Internal: what a watch captures, as a JSON text that still has the marks of step 3: key, schema, table, template (literals, and columns by their
place from 0), numbers, max_bytes, key (places), the captured columns in the order of the table, with their numbers, their types and how values of those compare; and visible, unless
everybody who may join may see the rows, with claims if Postgres is asked (step 12).';

CREATE FUNCTION herald.columns_of(relation oid) RETURNS TABLE (num int2, name text, type oid, coll oid)
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attnum, a.attname::text, a.atttypid, a.attcollation FROM pg_attribute a
     WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
       AND (a.attgenerated <> 'v' OR herald.virtual_code(relation, a.attname, '') IS NOT NULL)
$$;
COMMENT ON FUNCTION herald.columns_of(oid) IS 'Internal: the columns of a table that a trigger can see or compute.';

CREATE FUNCTION herald.columns_in(description json) RETURNS herald.shape_columns
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH place AS (
        SELECT c.col ->> 'name' AS name, (c.col ->> 'announced')::boolean AS is_announced, (c.col ->> 'kept')::boolean AS is_kept, c.nth,
               EXISTS (SELECT FROM json_array_elements(description -> 'template') t(part)
                        WHERE json_typeof(t.part) = 'number' AND t.part::text::int = c.nth - 1) AS is_templated,
               EXISTS (SELECT FROM json_array_elements_text(description -> 'key') k(place) WHERE k.place::int = c.nth - 1) AS is_key
          FROM json_array_elements(description -> 'columns') WITH ORDINALITY c(col, nth)
    )
    SELECT ROW(coalesce(array_agg(p.name ORDER BY p.nth), '{}'),
               coalesce(array_agg(p.name ORDER BY p.nth) FILTER (WHERE p.is_announced), '{}'),
               coalesce(array_agg(p.name ORDER BY p.nth) FILTER (WHERE p.is_key OR p.is_templated OR p.is_kept), '{}'),
               coalesce(array_agg(p.name ORDER BY p.nth) FILTER (WHERE p.is_templated), '{}'))::herald.shape_columns
      FROM place p
$$;
COMMENT ON FUNCTION herald.columns_in(json) IS 'Internal: the columns of a shape by what they are for.';

CREATE FUNCTION herald.shape_number(description json) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT ('x' || encode(substr(sha256(convert_to(description::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint
$$;
COMMENT ON FUNCTION herald.shape_number(json) IS 'Internal: the number of a shape.';

CREATE FUNCTION herald.has_whole_key(relation oid, wish json, description json) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.n > 0 AND k.n = CASE WHEN json_typeof(wish -> 'key_columns') = 'array' THEN json_array_length(wish -> 'key_columns')
                                  ELSE (SELECT i.indnatts FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary) END
      FROM (SELECT json_array_length(description -> 'key')) k(n)
$$;
COMMENT ON FUNCTION herald.has_whole_key(oid, json, json) IS 'Internal: whether what a shape announces of a row tells which row it is.';

-- Nothing is written: what differs from what is there is to be written anew.
CREATE FUNCTION herald.plan_capture(found_ herald.watch, OUT w herald.watch, OUT wish json, OUT description json, OUT number bigint,
                                    OUT marked text, OUT is_lost boolean, OUT code text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    looks_now text := herald.looks_of(found_.relation); -- before anything else: what changes meanwhile makes it stale again
    cols      herald.shape_columns;
BEGIN
    wish := herald.wish_of(found_.relation, found_.key);
    IF wish IS NULL THEN
        RETURN;
    END IF;
    IF wish ->> 'channel' IS NOT NULL THEN
        PERFORM herald.check_template(wish ->> 'channel');
    END IF;
    w := herald.bind_wish(found_, wish);
    marked := herald.shape_of(w, wish);
    description := translate(marked, E'\x01\x02\x03\x04\x05', '')::json;
    cols := herald.columns_in(description);
    number := herald.shape_number(description);
    w.channel := (SELECT string_agg(coalesce('{' || CASE json_typeof(t.part) WHEN 'number' THEN cols.captured[t.part::text::int + 1] END || '}', t.part #>> '{}'), '' ORDER BY t.nth)
                    FROM json_array_elements(description -> 'template') WITH ORDINALITY t(part, nth));
    w.columns := cols.announced;
    w.mode := coalesce(wish ->> 'mode', 'row');
    w.visible := (description -> 'visible')::jsonb;
    w.snapshot := coalesce((wish ->> 'snapshot')::boolean AND herald.has_whole_key(found_.relation, wish, description), false);
    w.max_snapshot := least(greatest(coalesce((wish ->> 'max_snapshot')::int, 10000), 1), 1000000);
    w.looks := looks_now;
    is_lost := EXISTS (SELECT FROM herald.template_parts(wish ->> 'channel') p
                        WHERE p.col IS NOT NULL AND array_position(cols.captured, herald.name_today(w, p.col)) IS NULL);
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = found_.relation AND a.attname = ANY (cols.captured) AND a.attgenerated = 'v') THEN
        marked := marked || E'\x01'; -- its expression has operators by their bare names
    END IF;
    code := herald.capture_code(found_.relation, cols, w.key, number, (description ->> 'max_bytes')::int, w.mode, marked, is_lost);
END
$$;
COMMENT ON FUNCTION herald.plan_capture(herald.watch) IS
'Internal: what a watch, its shape and its trigger function should be, by the wishes in its trigger''s argument. wish NULL: it has none.';

CREATE FUNCTION herald.generate_capture(relation regclass, is_forced boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_      herald.watch;
    plan        record;
    w           herald.watch;
    capture     text;
    restates    boolean;
BEGIN
    SELECT * INTO found_ FROM herald.watch x WHERE x.relation = generate_capture.relation;
    IF NOT is_forced AND found_.looks = herald.looks_of(relation) THEN
        RETURN;
    END IF;
    SELECT * INTO plan FROM herald.plan_capture(found_);
    IF plan.wish IS NULL THEN
        RETURN;
    END IF;
    w := plan.w;
    capture := format('herald.%I()', 'capture_' || w.key);
    restates := coalesce((plan.wish ->> 'restate')::boolean, false)
        AND EXISTS (SELECT FROM herald.shape s WHERE s.watch = w.key AND s.number <> plan.number AND NOT s.restated);
    IF plan.is_lost THEN
        RAISE WARNING 'herald: a column of % that is in the channel template % is gone: nothing is announced', relation, plan.wish ->> 'channel'
            USING HINT = 'Call herald.watch() again with another template.';
    END IF;

    IF w IS NOT DISTINCT FROM found_ AND NOT restates AND herald.is_granted(relation, to_regprocedure(capture))
       AND plan.code IS NOT DISTINCT FROM (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure(capture))
       AND EXISTS (SELECT FROM herald.shape s WHERE s.number = plan.number AND s.retired_by IS NULL) THEN
        RETURN;
    END IF;
    -- Also whoever wrote it since we looked: what was made of that is not known here.
    PERFORM FROM herald.watch x WHERE x.relation = generate_capture.relation AND x IS NOT DISTINCT FROM found_ FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'herald: another transaction is at work on the watch of %', relation USING ERRCODE = '55P03';
    END IF;
    UPDATE herald.shape s SET retired_by = pg_current_xact_id(), retired_at = now() WHERE s.watch = w.key AND s.number <> plan.number AND s.retired_by IS NULL;
    INSERT INTO herald.shape AS s (number, watch, description) VALUES (plan.number, w.key, plan.description)
        ON CONFLICT ON CONSTRAINT shape_pkey DO UPDATE SET retired_by = NULL, retired_at = NULL, last_id = NULL, restated = false WHERE s.retired_by IS NOT NULL;
    IF restates THEN
        UPDATE herald.shape s SET restated = true WHERE s.watch = w.key AND s.number <> plan.number AND NOT s.restated;
    END IF;
    IF plan.code IS DISTINCT FROM (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure(capture)) THEN
        EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER %s AS %L', capture,
                       CASE WHEN strpos(plan.marked, E'\x01') > 0 THEN herald.print_settings() ELSE '' END, plan.code);
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', capture, format('Announces changes of %s on %s.', relation, w.channel));
    END IF;
    PERFORM herald.grant_capture(relation, to_regprocedure(capture));
    UPDATE herald.watch x SET names = w.names, now_named = w.now_named, attnums = w.attnums, bound_to = w.bound_to, channel = w.channel,
                              columns = w.columns, mode = w.mode, visible = w.visible, snapshot = w.snapshot, max_snapshot = w.max_snapshot,
                              looks = w.looks, generated_at = now(), changed = pg_current_xact_id()
     WHERE x.relation = generate_capture.relation;
    PERFORM herald.tell(relation, ARRAY[CASE WHEN w.visible = '"nobody"' THEN 'visible_nobody' END,
                                        CASE WHEN (plan.wish ->> 'snapshot')::boolean AND NOT w.snapshot THEN 'snapshot_lost' END]);
    INSERT INTO herald.outbox (action) VALUES ('a');
    PERFORM herald.ring_servers();
END
$$;
COMMENT ON FUNCTION herald.generate_capture(regclass, boolean) IS
'Internal: writes a watched table''s trigger function from the wishes in its trigger''s argument; is_forced: also if the table
looks as it did when that was last done. Raises 55P03 instead of waiting for another transaction.';

INSERT INTO herald.schema_step (step, name) VALUES (5, 'generate');
RESET ROLE;
