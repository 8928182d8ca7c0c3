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
-- Order of locks: first the user's table, then herald.watch, like an ALTER TABLE whose event trigger comes here.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE FUNCTION herald.prepare_watch(relation regclass) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_key text;
    function_name text;
BEGIN
    LOCK TABLE herald.watch IN SHARE ROW EXCLUSIVE MODE;
    SELECT w.key INTO found_key FROM herald.watch w WHERE w.relation = prepare_watch.relation;
    IF found_key IS NULL THEN
        found_key := left(replace(gen_random_uuid()::text, '-', ''), 12);
        INSERT INTO herald.watch (relation, key) VALUES (prepare_watch.relation, found_key);
    END IF;
    function_name := format('herald.%I()', 'capture_' || found_key);
    IF to_regprocedure(function_name) IS NULL THEN
        EXECUTE format('CREATE FUNCTION %s RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS %L', function_name,
                       'BEGIN RETURN NULL; END');
        -- A new owner needs CREATE on the schema. herald_capture gets it for this moment only, seen by nobody else.
        GRANT CREATE ON SCHEMA herald TO herald_capture;
        EXECUTE format('ALTER FUNCTION %s OWNER TO herald_capture', function_name);
        REVOKE CREATE ON SCHEMA herald FROM herald_capture;
    END IF;
    PERFORM herald.grant_capture(relation, to_regprocedure(function_name));
    RETURN found_key;
END
$$;
COMMENT ON FUNCTION herald.prepare_watch(regclass) IS 'Internal, for watch(): makes the table''s trigger function, still idle, and returns its key.';

CREATE FUNCTION herald.grant_capture(relation oid, capture regprocedure) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner   oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = relation);
    grantee oid;
BEGIN
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

CREATE FUNCTION herald.names_in(list json) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN json_typeof(list) = 'array' THEN ARRAY(SELECT json_array_elements_text(list)) END
$$;
COMMENT ON FUNCTION herald.names_in(json) IS 'Internal: a JSON array of names as an array; NULL if it is none.';

CREATE FUNCTION herald.bind_names(relation oid, wanted text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w         herald.watch;
    here      text := format('%s/%s', herald.database_identity(), relation);
    known     int;
    this_name text;
    new_names text[] := '{}';
    new_nums  int2[] := '{}';
    a         record;
BEGIN
    SELECT * INTO w FROM herald.watch x WHERE x.relation = bind_names.relation;
    FOREACH this_name IN ARRAY wanted LOOP
        known := array_position(w.names, this_name);
        SELECT c.attname::text AS name, c.attnum AS num INTO a FROM pg_attribute c
         WHERE c.attrelid = bind_names.relation AND c.attnum > 0 AND NOT c.attisdropped
           AND (w.bound_to = here AND c.attnum = w.attnums[known] OR c.attname IN (w.now_named[known], this_name))
         ORDER BY w.bound_to = here AND c.attnum = w.attnums[known] DESC NULLS LAST,
                  c.attname = w.now_named[known] DESC NULLS LAST LIMIT 1;
        new_names := new_names || a.name;
        new_nums := new_nums || a.num;
    END LOOP;
    UPDATE herald.watch x SET names = wanted, now_named = new_names, attnums = new_nums, bound_to = here
     WHERE x.relation = bind_names.relation;
END
$$;
COMMENT ON FUNCTION herald.bind_names(oid, text[]) IS 'Internal: finds the columns that a wish''s names mean today.';

CREATE FUNCTION herald.names_today(w herald.watch, wanted text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT (w).now_named[array_position((w).names, x.name)] FROM unnest(wanted) WITH ORDINALITY x(name, nth) ORDER BY x.nth)
$$;
COMMENT ON FUNCTION herald.names_today(herald.watch, text[]) IS 'Internal: bound names as the columns are called today, NULL where one is gone.';

CREATE FUNCTION herald.generate_capture(relation regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    w          herald.watch;
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
    LOCK TABLE herald.watch IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO w FROM herald.watch x WHERE x.relation = generate_capture.relation;
    wish := herald.wish_of(relation, w.key);
    IF wish IS NULL THEN
        RETURN;
    END IF;
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
    PERFORM herald.bind_names(relation, ARRAY(SELECT DISTINCT x.name FROM unnest(listed || hidden || keys || in_channel) x(name)));
    SELECT * INTO w FROM herald.watch x WHERE x.relation = generate_capture.relation;
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

    IF code IS DISTINCT FROM (SELECT p.prosrc FROM pg_proc p WHERE p.oid = to_regprocedure(capture)) THEN
        EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER %s AS %L', capture,
                       herald.capture_settings(relation, shown, array_remove(in_channel, NULL)), code);
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', capture, format('Announces changes of %s on %s.', relation, template));
    END IF;
    PERFORM herald.grant_capture(relation, to_regprocedure(capture));
    UPDATE herald.watch x SET channel = template, columns = shown, mode = coalesce(wish ->> 'mode', 'row'), generated_at = now()
     WHERE x.relation = generate_capture.relation;
END
$$;
COMMENT ON FUNCTION herald.generate_capture(regclass) IS
'Internal: writes a watched table''s trigger function from the wishes in its trigger''s argument.';

INSERT INTO herald.schema_step (step, name) VALUES (5, 'generate');
RESET ROLE;
