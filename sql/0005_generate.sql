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
-- The triggers are called 00_herald_…, because triggers fire in the order of their names, and another AFTER ROW trigger that
-- writes the same row must come later. For that reason too, and because a partition can be written directly, mode row is
-- the default and mode statement is refused where it would miss or reorder.
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

-- Text that differs when code written for the table then would not be right now. Of types that are not built in, what
-- step 3 looks at. Everything that a catalog knows at once, so that a server can look at all watches every few seconds.
CREATE FUNCTION herald.looks_of(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT md5(concat_ws('/', c.oid, c.relowner, n.nspname, c.relname,
        (SELECT string_agg(concat_ws(',', a.attnum, a.attname, a.atttypid, a.attgenerated,
                    CASE WHEN a.atttypid >= 16384 THEN (
                        SELECT string_agg(concat_ws(' ', t.oid, t.typtype, t.typbasetype, t.typelem, t.typdelim, herald.json_cast(t.oid),
                                   (SELECT string_agg(concat_ws(' ', f.attname, f.atttypid), ',' ORDER BY f.attnum)
                                      FROM pg_attribute f WHERE t.typtype = 'c' AND f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped)),
                                   ';' ORDER BY t.oid)
                          FROM herald.leaf_types(a.atttypid) l(oid) JOIN pg_type t ON t.oid = l.oid WHERE t.oid >= 16384) END), '/' ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
        (SELECT i.indkey FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
        CASE WHEN c.relhassubclass THEN (SELECT concat_ws(':', herald.parts_of(c.oid), count(*)) FROM pg_inherits i WHERE i.inhparent = c.oid) END))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION herald.looks_of(oid) IS 'Internal: a digest of all that a table''s trigger function depends on. NULL: no such table.';

CREATE FUNCTION herald.names_in(list json) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN json_typeof(list) = 'array' THEN ARRAY(SELECT json_array_elements_text(list)) END
$$;
COMMENT ON FUNCTION herald.names_in(json) IS 'Internal: a JSON array of names as an array; NULL if it is none.';

CREATE FUNCTION herald.bind_names(w herald.watch, wanted text[]) RETURNS herald.watch
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here      text := format('%s/%s', herald.database_identity(), w.relation::oid);
    known     int;
    this_name text;
    bound     herald.watch := w;
    a         record;
BEGIN
    bound.names := wanted;
    bound.now_named := '{}';
    bound.attnums := '{}';
    bound.bound_to := here;
    FOREACH this_name IN ARRAY wanted LOOP
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
COMMENT ON FUNCTION herald.bind_names(herald.watch, text[]) IS 'Internal: a watch with the columns that its wish''s names mean today.';

CREATE FUNCTION herald.names_today(w herald.watch, wanted text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT (w).now_named[array_position((w).names, x.name)] FROM unnest(wanted) WITH ORDINALITY x(name, nth) ORDER BY x.nth)
$$;
COMMENT ON FUNCTION herald.names_today(herald.watch, text[]) IS 'Internal: bound names as the columns are called today, NULL where one is gone.';

CREATE FUNCTION herald.generate_capture(relation regclass, is_forced boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_     herald.watch;
    w          herald.watch;
    looks_now  text := herald.looks_of(relation); -- before anything else: what changes meanwhile makes it stale again
    wish       json;
    capture    text;
    schema_    text;
    table_     text;
    template   text;
    numbers    text;
    max_bytes  int;
    shown      text[];
    listed     text[];
    hidden     text[];
    keys       text[];
    in_channel text[];
    compared   text[];
    new_       text := 'NEW';
    old_       text := 'OLD';
    head       text;
    new_channel text;
    old_channel text;
    new_row    text;
    old_row    text;
    new_key    text;
    old_key    text;
    changed    text;
    fast       text := '';
    announce   text;
    position_  text := 'herald_position';
    new_guards text[];
    old_guards text[];
    code       text;
BEGIN
    SELECT * INTO found_ FROM herald.watch x WHERE x.relation = generate_capture.relation;
    IF NOT is_forced AND found_.looks = looks_now THEN
        RETURN;
    END IF;
    wish := herald.wish_of(relation, found_.key);
    IF wish IS NULL THEN
        RETURN;
    END IF;
    w := found_;
    capture := format('herald.%I()', 'capture_' || w.key);
    SELECT n.nspname, c.relname INTO schema_, table_
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = generate_capture.relation;
    numbers := coalesce(wish ->> 'numbers', 'text');
    max_bytes := coalesce((wish ->> 'max_bytes')::int, 1048576);
    template := wish ->> 'channel';
    IF template IS NOT NULL THEN
        PERFORM herald.check_template(template);
    END IF;

    -- What the names in the wish are called today.
    in_channel := ARRAY(SELECT p.col FROM herald.template_parts(template) p WHERE p.col IS NOT NULL);
    listed := herald.names_in(wish -> 'columns');
    hidden := coalesce(herald.names_in(wish -> 'exclude'), '{}');
    keys := herald.names_in(wish -> 'key_columns');
    w := herald.bind_names(w, ARRAY(SELECT DISTINCT x.name FROM unnest(listed || hidden || keys || in_channel) x(name) ORDER BY 1));
    listed := herald.names_today(w, listed);
    hidden := herald.names_today(w, hidden);
    keys := herald.names_today(w, keys);
    in_channel := herald.names_today(w, in_channel);

    shown := ARRAY(
        SELECT a.attname::text FROM pg_attribute a
         WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
           AND array_position(hidden, a.attname::text) IS NULL
           AND (listed IS NULL OR array_position(listed, a.attname::text) IS NOT NULL)
         ORDER BY a.attnum);
    IF keys IS NULL THEN
        keys := ARRAY(
            SELECT a.attname::text
              FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY x(num, nth)
              JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.num
             WHERE i.indrelid = relation AND i.indisprimary ORDER BY x.nth);
    END IF;
    -- A key never shows what the list does not.
    keys := ARRAY(SELECT x.name FROM unnest(keys) WITH ORDINALITY x(name, nth) WHERE x.name = ANY (shown) ORDER BY x.nth);
    template := coalesce(
        (SELECT string_agg(p.literal || coalesce('{' || w.now_named[array_position(w.names, p.col)] || '}', ''), '' ORDER BY p.nth)
           FROM herald.template_parts(template) p),
        herald.percent_encode(schema_) || '.' || herald.percent_encode(table_));

    -- The code.
    head := format('"schema":%s,"table":%s', to_json(schema_), to_json(table_));
    compared := ARRAY(SELECT DISTINCT x.name FROM unnest(shown || in_channel) x(name) WHERE x.name IS NOT NULL ORDER BY x.name);
    IF wish ->> 'mode' = 'statement' THEN
        new_ := 'n';
        old_ := 'o';
        WHILE position_ IN (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = relation) LOOP
            position_ := position_ || '_';
        END LOOP;
    END IF;
    -- What must hold before each attempt's expressions run: the types of the row's, the key's, the channel's columns.
    new_guards := ARRAY[herald.row_guard(relation, shown || in_channel, new_), herald.row_guard(relation, keys || in_channel, new_),
                        herald.row_guard(relation, in_channel, new_)];
    old_guards := ARRAY[herald.row_guard(relation, shown || in_channel, old_), herald.row_guard(relation, keys || in_channel, old_),
                        herald.row_guard(relation, in_channel, old_)];
    IF array_position(in_channel, NULL) IS NOT NULL THEN
        RAISE WARNING 'herald: a column of % that is in the channel template % is gone: nothing is announced', relation, wish ->> 'channel'
            USING HINT = 'Call herald.watch() again with another template.';
        announce := E'\n        INSERT INTO herald.outbox (bytes, action, channel, payload) VALUES (0, ''s'', '''', ''{}'');\n';
    ELSE
        new_channel := herald.channel_text(relation, template, new_);
        old_channel := herald.channel_text(relation, template, old_);
        new_row := herald.json_row(relation, shown, new_, numbers);
        old_row := herald.json_row(relation, shown, old_, numbers);
        new_key := herald.json_row(relation, keys, new_, numbers);
        old_key := herald.json_row(relation, keys, old_, numbers);
        changed := format('%s OPERATOR(pg_catalog.*<>) %s', herald.image_of(compared, new_), herald.image_of(compared, old_));
        IF wish ->> 'mode' = 'statement' THEN
            announce := herald.statement_mode_code(head, new_channel, old_channel, new_row, old_row, new_key, old_key, changed,
                                                   max_bytes, position_, new_guards, old_guards);
        ELSE
            fast := herald.fast_code(herald.is_here_code(herald.parts_of(relation)), head, new_channel, old_channel, new_row, old_row,
                                     changed, max_bytes, new_guards[1]);
            announce := herald.row_mode_code(head, new_channel, old_channel, new_row, old_row, new_key, old_key, changed,
                                             max_bytes, new_guards, old_guards);
        END IF;
    END IF;
    code := herald.capture_code(herald.parts_of(relation), w.key,
        CASE WHEN array_position(in_channel, NULL) IS NOT NULL OR octet_length(template) > 255 AND in_channel = '{}' THEN 's'
             WHEN in_channel = '{}' THEN 'e' ELSE 't' END, template,
        format('{"data":{"action":"truncate",%s,"new":null,"old":null},"dbo_id":0,"row_id":0}', head), fast, announce);

    w.channel := template;
    w.columns := shown;
    w.mode := coalesce(wish ->> 'mode', 'row');
    w.looks := looks_now;
    IF w IS NOT DISTINCT FROM found_ AND herald.is_granted(relation, to_regprocedure(capture))
       AND code IS NOT DISTINCT FROM (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure(capture)) THEN
        RETURN;
    END IF;
    -- Also whoever wrote it since we looked: what was made of that is not known here.
    PERFORM FROM herald.watch x WHERE x.relation = generate_capture.relation AND x IS NOT DISTINCT FROM found_ FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'herald: another transaction is at work on the watch of %', relation USING ERRCODE = '55P03';
    END IF;
    IF code IS DISTINCT FROM (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure(capture)) THEN
        EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER %s AS %L', capture,
                       herald.capture_settings(relation, shown, array_remove(in_channel, NULL)), code);
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', capture, format('Announces changes of %s on %s.', relation, template));
    END IF;
    PERFORM herald.grant_capture(relation, to_regprocedure(capture));
    UPDATE herald.watch x SET names = w.names, now_named = w.now_named, attnums = w.attnums, bound_to = w.bound_to, channel = w.channel,
                              columns = w.columns, mode = w.mode, looks = w.looks, generated_at = now()
     WHERE x.relation = generate_capture.relation;
END
$$;
COMMENT ON FUNCTION herald.generate_capture(regclass, boolean) IS
'Internal: writes a watched table''s trigger function from the wishes in its trigger''s argument; is_forced: also if the table
looks as it did when that was last done. Raises 55P03 instead of waiting for another transaction.';

INSERT INTO herald.schema_step (step, name) VALUES (5, 'generate');
RESET ROLE;
