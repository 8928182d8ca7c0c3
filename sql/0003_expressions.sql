-- SPDX-License-Identifier: PostgreSQL
--
-- Step 3: how a trigger function is written, part one: expressions for values and channels.
--
-- A watched table gets one generated function with static code for its columns, so that nothing is looked up per row.
-- Here are the pieces that it is put together from: functions that take a type or a template and return SQL text.
--
-- The JSON of a row is put together with concat() from one expression per column. json_build_object() looks every
-- argument's type up for every row: twelve columns cost 7.1 µs a row that way and 3.2 this way (plus 2.4 for checking
-- the result as json, which guards the outbox against our own mistakes), and the text is a fifth shorter.
--
-- The generated code must never run a stranger's code, because it runs with herald_capture's rights in everybody's
-- transactions. Three roads lead there, and each is closed:
--
--   * to_json() runs a user-defined cast to json, wherever it finds a type that is not built in, even deep inside an
--     array or a composite; the look-up is made for every row, so a cast that is created later counts too. So values of
--     such types never reach it: composites are taken apart here, field by field; everything else is printed with
--     format('%s'), which calls the type's output function, and that one only a superuser can have written.
--     A cast whose function is in C or internal (only a superuser can create one: hstore, PostGIS) is called by name.
--   * value::text runs a user-defined cast to text. Only used for built-in types. An array of domains is not built in.
--   * operators: rows are compared by OPERATOR(pg_catalog.*<>), the byte image of whole records, which calls nothing.
--     It also sees 1.0 become 1.00, which `=` would hide from whoever watches the text.
--
-- "Built in" is what to_json() itself takes for it: an oid below 16384.
--
-- All this is decided when the code is written, but Postgres resolves casts when it first runs it, and by then a column may
-- have another type, if nobody could write the code anew. So wherever the code has such an expression, a guard runs first,
-- a statement of its own (planning an expression may already run what is IMMUTABLE in it): it looks at the types with
-- pg_typeof(), and what it does not let pass is not evaluated. Fields of composites are never named as (value).field,
-- which Postgres also takes for a function call, field(value): they come out of (value).*, with a guard in the same query.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------------------------ values

CREATE FUNCTION herald.base_type(type oid) RETURNS oid
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE layer(oid, below) AS (
        SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = type
        UNION ALL
        SELECT t.oid, t.typbasetype FROM layer l JOIN pg_type t ON t.oid = l.below
    )
    SELECT l.oid FROM layer l WHERE l.below = 0
$$;
COMMENT ON FUNCTION herald.base_type(oid) IS 'Internal: the type under all domains.';

CREATE FUNCTION herald.leaf_types(type oid) RETURNS SETOF oid
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE part(oid) AS (
        SELECT type
        UNION
        SELECT below.oid
          FROM part p JOIN pg_type t ON t.oid = p.oid
          CROSS JOIN LATERAL (
              SELECT t.typbasetype WHERE t.typtype = 'd'
              UNION ALL
              SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
              UNION ALL
              SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
              UNION ALL
              SELECT a.atttypid FROM pg_attribute a
               WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
          ) below(oid)
    )
    SELECT p.oid FROM part p
$$;
COMMENT ON FUNCTION herald.leaf_types(oid) IS 'Internal: a type and all types inside it.';

-- The function behind a cast to json that is safe to call: written in C, and within herald_capture's reach.
CREATE FUNCTION herald.json_cast(type oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%I.%I', n.nspname, p.proname)
      FROM pg_cast c
      JOIN pg_proc p ON p.oid = c.castfunc
      JOIN pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_language l ON l.oid = p.prolang
     WHERE c.castsource = type AND c.casttarget = 'json'::regtype AND c.castmethod = 'f'
       AND l.lanname IN ('c', 'internal') AND p.pronargs = 1 AND p.proargtypes[0] = type
       AND has_schema_privilege('herald_capture', n.oid, 'USAGE')
       AND has_function_privilege('herald_capture', p.oid, 'EXECUTE')
$$;
COMMENT ON FUNCTION herald.json_cast(oid) IS 'Internal: the C function that casts a type to json, qualified, or NULL.';

-- Oids of types that are not built in mean nothing in a restored database: there is_elsewhere is true (step 4).
CREATE FUNCTION herald.is_built_in(type oid, in_array boolean) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT t.oid < 16384 OR in_array AND t.typcategory = 'A' AND herald.base_type(t.typelem) < 16384
                       FROM pg_type t WHERE t.oid = herald.base_type(type)), false)
$$;
COMMENT ON FUNCTION herald.is_built_in(oid, boolean) IS
'Internal, for trigger functions: whether a type is a built-in one under its domains, or an array of domains of one.';
GRANT EXECUTE ON FUNCTION herald.is_built_in(oid, boolean), herald.base_type(oid) TO herald_capture;

CREATE FUNCTION herald.type_guard(type oid, value text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_user_oid CONSTANT oid := 16384;
    base           oid := herald.base_type(type);
    element        oid := (SELECT t.typelem FROM pg_type t WHERE t.oid = base AND t.typcategory = 'A' AND t.typelem <> 0);
BEGIN
    IF type < first_user_oid THEN
        RETURN format('pg_typeof(%s)::oid < %s', value, first_user_oid);
    ELSIF base < first_user_oid OR herald.base_type(element) < first_user_oid THEN
        RETURN format('(pg_typeof(%1$s)::oid = %2$s AND is_elsewhere IS NULL OR herald.is_built_in(pg_typeof(%1$s)::oid, %3$s))',
                      value, type, (base >= first_user_oid)::text);
    ELSIF element IS NULL AND herald.json_cast(type) IS NOT NULL AND (SELECT t.typtype <> 'c' FROM pg_type t WHERE t.oid = type) THEN
        -- The function's name must mean the same function, too: schemas can be renamed.
        RETURN (SELECT format('(pg_typeof(%s)::oid = %s AND %L::regprocedure::oid = %s AND is_elsewhere IS NULL)', value, type,
                              c.castfunc::regprocedure, c.castfunc)
                  FROM pg_cast c WHERE c.castsource = type AND c.casttarget = 'json'::regtype);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION herald.type_guard(oid, text) IS
'Internal: SQL that says whether a value still has a type for which its expression is safe; NULL if that needs no guard.';

CREATE FUNCTION herald.row_guard(relation oid, columns text[], record text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(concat_ws(' AND ',
               -- One comparison for all built-in types: each call in an expression is paid for once per transaction.
               'greatest(' || string_agg(format('pg_typeof(%s.%I)::oid', record, a.attname), ', ' ORDER BY a.attnum)
                                  FILTER (WHERE a.atttypid < 16384) || ') < 16384',
               string_agg(herald.type_guard(a.atttypid, format('%s.%I', record, a.attname)), ' AND ' ORDER BY a.attnum)
                   FILTER (WHERE a.atttypid >= 16384)), ''), 'true')
      FROM pg_attribute a
     WHERE a.attrelid = relation AND a.attname = ANY (columns) AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION herald.row_guard(oid, text[], text) IS 'Internal: the same for some columns of a record.';

CREATE FUNCTION herald.printed(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('CASE WHEN %1$s IS DISTINCT FROM NULL THEN format(''%%s'', %1$s) END', value)
$$;
COMMENT ON FUNCTION herald.printed(text) IS 'Internal: SQL for a value of any type as its output function prints it; NULL stays NULL.';

-- concat() takes at most 100 arguments, so long lists become concat(concat(…), concat(…)).
CREATE FUNCTION herald.concat_of(parts text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    pieces text[] := '{}';
    first  int;
BEGIN
    IF cardinality(parts) <= 90 THEN
        RETURN format('concat(%s)', array_to_string(parts, ', '));
    END IF;
    FOR first IN 1 .. cardinality(parts) BY 90 LOOP
        pieces := pieces || format('concat(%s)', array_to_string(parts[first : first + 89], ', '));
    END LOOP;
    RETURN herald.concat_of(pieces);
END
$$;
COMMENT ON FUNCTION herald.concat_of(text[]) IS 'Internal: SQL that joins any number of text expressions.';

CREATE FUNCTION herald.json_text(type oid, value text, numbers text, depth int DEFAULT 0) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_user_oid CONSTANT oid := 16384;
    base           oid := herald.base_type(type);
    element        oid;
    element_base   oid;
    is_big_number  boolean;
    t              pg_type;
    parts          text[];
    guards         text[];
    fields         text := 'f' || depth;
BEGIN
    SELECT * INTO t FROM pg_type p WHERE p.oid = base;
    IF t.typcategory = 'A' AND t.typelem <> 0 THEN
        element := t.typelem;
        element_base := herald.base_type(element);
    END IF;
    is_big_number := coalesce(element_base, base) IN ('int8'::regtype, 'numeric'::regtype) AND numbers = 'text';

    IF element IS NOT NULL THEN
        IF is_big_number AND type < first_user_oid THEN
            RETURN format('coalesce(to_json(%s::text[])::text, ''null'')', value);
        ELSIF element_base < first_user_oid AND NOT is_big_number THEN
            RETURN format('coalesce(to_json(%s)::text, ''null'')', value);
        ELSIF (SELECT p.typdelim = ',' FROM pg_type p WHERE p.oid = element) THEN
            -- Out as text and in again as an array of text: the elements as printed, and no cast of theirs.
            RETURN format('coalesce(to_json((%s)::text[])::text, ''null'')', herald.printed(value));
        END IF;
    ELSIF is_big_number OR base = 'uuid'::regtype THEN
        RETURN format('coalesce(''"'' || %s::text || ''"'', ''null'')', value);
    ELSIF base IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'json'::regtype, 'jsonb'::regtype) THEN
        RETURN format('coalesce(%s::text, ''null'')', value);
    ELSIF base < first_user_oid THEN
        RETURN format('coalesce(to_json(%s)::text, ''null'')', value);
    ELSIF t.typtype = 'c' AND depth < 8 THEN
        SELECT array_agg(format('%L, %s', CASE WHEN f.nth = 1 THEN '' ELSE ',' END || to_json(f.attname)::text || ':',
                                herald.json_text(f.atttypid, format('%s.%I', fields, f.attname), numbers, depth + 1))
                         ORDER BY f.nth),
               array_agg(coalesce(herald.type_guard(f.atttypid, format('%s.%I', fields, f.attname)), 'true') ORDER BY f.nth)
          INTO parts, guards
          FROM (SELECT a.attname, a.atttypid, row_number() OVER (ORDER BY a.attnum) AS nth FROM pg_attribute a
                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) f;
        IF parts IS NULL THEN
            RETURN format('CASE WHEN %s IS DISTINCT FROM NULL THEN ''{}'' ELSE ''null'' END', value);
        END IF;
        -- A guard that fails leaves a hole that is not JSON, so that the next attempt follows. OFFSET 0: planned as columns.
        RETURN format('CASE WHEN %1$s IS DISTINCT FROM NULL THEN (SELECT CASE WHEN %4$s THEN %3$s END FROM (SELECT (%1$s).* OFFSET 0) %2$s)'
                      ' ELSE ''null'' END', value, fields, herald.concat_of(ARRAY['''{'''] || parts || ARRAY['''}''']),
                      array_to_string(guards, ' AND '));
    ELSIF base = type AND herald.json_cast(base) IS NOT NULL THEN
        RETURN format('coalesce(%s(%s)::text, ''null'')', herald.json_cast(base), value);
    END IF;
    RETURN format('coalesce(to_json(%s)::text, ''null'')', herald.printed(value));
END
$$;
COMMENT ON FUNCTION herald.json_text(oid, text, text, int) IS
'Internal: SQL for a value as JSON text, never NULL. Built-in types print as to_json() does; bigint and numeric, in domains,
arrays and composites too, as strings if numbers is text. Composites become objects; other user-defined types what their C
cast to json gives (hstore, PostGIS), else a string; arrays of user-defined types become arrays of strings.';

CREATE FUNCTION herald.json_row(relation oid, columns text[], record text, numbers text) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(herald.concat_of(ARRAY['''{'''] || array_agg(p.part ORDER BY c.nth, p.half) || ARRAY['''}''']), '''{}''')
      FROM unnest(columns) WITH ORDINALITY c(name, nth)
      JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
      CROSS JOIN LATERAL (VALUES (1, quote_literal(CASE WHEN c.nth = 1 THEN '' ELSE ',' END || to_json(c.name)::text || ':')),
                                 (2, herald.json_text(a.atttypid, format('%s.%I', record, c.name), numbers))) p(half, part)
$$;
COMMENT ON FUNCTION herald.json_row(oid, text[], text, text) IS 'Internal: SQL for the JSON object of some columns of a record.';

CREATE FUNCTION herald.image_of(columns text[], record text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    -- The cast keeps the parser from comparing two ROW() expressions field by field.
    SELECT format('ROW(%s)::record', string_agg(format('%s.%I', record, c.name), ', ' ORDER BY c.nth))
      FROM unnest(columns) WITH ORDINALITY c(name, nth)
$$;
COMMENT ON FUNCTION herald.image_of(text[], text) IS 'Internal: SQL for a record of some columns, to be compared by image.';

-- --------------------------------------------------------------------------------------------------- channels

CREATE FUNCTION herald.percent_encode(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(
               CASE WHEN c.ch ~ E'[%/.*{}\\u0001-\\u001f\\u007f-\\u009f]'
                    THEN upper(regexp_replace(encode(convert_to(c.ch, 'UTF8'), 'hex'), '(..)', E'%\\1', 'g'))
                    ELSE c.ch END, '' ORDER BY c.nth), '')
      FROM regexp_split_to_table(value, '') WITH ORDINALITY c(ch, nth)
$$;
COMMENT ON FUNCTION herald.percent_encode(text) IS
'A value as it appears in a channel name: % / . * { } and control characters as %XX, so that it cannot forge a level.';
GRANT EXECUTE ON FUNCTION herald.percent_encode(text) TO herald_capture;

CREATE FUNCTION herald.is_channel(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(octet_length(name) BETWEEN 1 AND 255 AND name !~ E'[*\\u0001-\\u001f\\u007f-\\u009f]', false)
$$;
COMMENT ON FUNCTION herald.is_channel(text) IS 'Whether this can be a channel''s name: 1-255 bytes, no control characters, no star.';

CREATE FUNCTION herald.template_parts(template text) RETURNS TABLE (nth bigint, literal text, col text)
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT m.nth, m.hit[1], m.hit[2]
      FROM regexp_matches(template, '([^{}]*)(?:{([^{}]+)})?', 'g') WITH ORDINALITY m(hit, nth)
     WHERE m.hit[1] <> '' OR m.hit[2] IS NOT NULL
$$;
COMMENT ON FUNCTION herald.template_parts(text) IS 'Internal: a template as pairs of literal text and the column after it (or NULL).';

-- The sequencer makes a regular expression of it.
CREATE FUNCTION herald.is_short_template(template text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length(template) BETWEEN 1 AND 1000
                THEN (SELECT count(p.col) <= 16 FROM herald.template_parts(template) p) ELSE false END
$$;
COMMENT ON FUNCTION herald.is_short_template(text) IS 'Internal: whether a template has at most 1000 bytes and 16 columns.';

CREATE FUNCTION herald.check_template(template text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF octet_length(template) > 0 AND NOT herald.is_short_template(template) THEN
        RAISE EXCEPTION 'herald: the channel template % is too long', quote_literal(left(template, 300))
            USING ERRCODE = '22023', HINT = 'A template has at most 1000 bytes and 16 columns.';
    END IF;
    IF NOT herald.is_channel(regexp_replace(template, '{[^{}]+}', 'x', 'g')) OR regexp_replace(template, '{[^{}]+}', '', 'g') ~ '[{}]' THEN
        RAISE EXCEPTION 'herald: % is not a channel template', coalesce(quote_literal(template), 'NULL')
            USING ERRCODE = '22023', HINT = 'Up to 255 bytes without * and control characters; columns in braces: orders/{customer_id}';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_template(text) IS 'Internal: raises unless this can be a template.';

CREATE FUNCTION herald.channel_text(relation oid, template text, record text) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(concat_ws(' || ', nullif(quote_literal(p.literal), ''''''), v.encoded), ' || ' ORDER BY p.nth)
      FROM herald.template_parts(template) p
      LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = p.col AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN LATERAL (
          SELECT record || '.' || quote_ident(p.col) AS col, herald.base_type(a.atttypid) AS type) c ON p.col IS NOT NULL
      LEFT JOIN LATERAL (
          SELECT CASE WHEN c.type < 16384 THEN format('%s::text', c.col) ELSE format('(%s)', herald.printed(c.col)) END AS printed) t
          ON p.col IS NOT NULL
      LEFT JOIN LATERAL (
          SELECT CASE WHEN c.type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'oid'::regtype, 'uuid'::regtype, 'bool'::regtype)
                      THEN t.printed
                      ELSE format('CASE WHEN %1$s ~ %2$L THEN herald.percent_encode(%1$s) ELSE %1$s END',
                                  t.printed, E'[%/.*{}\\u0001-\\u001f\\u007f-\\u009f]') END AS encoded) v ON p.col IS NOT NULL
$$;
COMMENT ON FUNCTION herald.channel_text(oid, text, text) IS
'Internal: SQL for the channel of a record by a template; NULL if a value in it is NULL.';

-- The sequencer's side of a template: which channels may belong to it. No value contains / or ., so a level never
-- matches two.
CREATE FUNCTION herald.template_pattern(template text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT '^(?:' || string_agg(regexp_replace(p.literal, E'([\\\\^$.|?*+()\\[\\]{}])', E'\\\\\\1', 'g')
                                || CASE WHEN p.col IS NULL THEN '' ELSE '[^/.*{}]*' END, '' ORDER BY p.nth) || ')$'
      FROM herald.template_parts(template) p
$$;
COMMENT ON FUNCTION herald.template_pattern(text) IS 'Internal: the regular expression of a template''s channels.';

CREATE FUNCTION herald.template_prefix(template text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT split_part(template, '{', 1)
$$;
COMMENT ON FUNCTION herald.template_prefix(text) IS 'Internal: what every channel of a template starts with.';

INSERT INTO herald.schema_step (step, name) VALUES (3, 'expressions');
RESET ROLE;
