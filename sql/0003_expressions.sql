-- SPDX-License-Identifier: PostgreSQL
--
-- Step 3: types, filters and templates: what of a shape's description can be told from a catalog.
--
-- A trigger stores a row as Postgres prints a record; the server makes JSON of the text. What it has to know for that is the
-- type of each column as a tree of names, and that is made here. Types of which it knows nothing are printed, and stay strings.
--
-- What is printed depends on settings of the writer's session. So a tree carries marks, control characters, which no JSON has of
-- its own: for which settings the trigger function has to look (step 4). They are removed before the tree is stored:
--
--   \x01  more than the others tell: the function runs under settings of its own   \x02  DateStyle   \x03  extra_float_digits
--   \x04  IntervalStyle   \x05  bytea_output
--
-- "Built in" is an oid below 16384, as it is for to_json(). With a type that is built in nobody but a superuser can have changed anything.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

-- ------------------------------------------------------------------------------------------------------- types

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

-- Multiranges are there from 14 on, and so is the column that tells whose they are.
CREATE FUNCTION herald.subtype(range oid) RETURNS oid
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.rngsubtype FROM pg_range r WHERE range IN (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)
$$;
COMMENT ON FUNCTION herald.subtype(oid) IS 'Internal: what a range or a multirange is made of.';

CREATE FUNCTION herald.leaf_types(VARIADIC types oid[]) RETURNS SETOF oid
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE part(oid) AS (
        SELECT unnest(types)
        UNION
        SELECT below.oid
          FROM part p JOIN pg_type t ON t.oid = p.oid
          CROSS JOIN LATERAL (
              SELECT t.typbasetype WHERE t.typtype = 'd'
              UNION ALL
              SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
              UNION ALL
              SELECT herald.subtype(t.oid) WHERE t.typtype IN ('r', 'm')
              UNION ALL
              SELECT a.atttypid FROM pg_attribute a
               WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
          ) below(oid)
    )
    SELECT p.oid FROM part p
$$;
COMMENT ON FUNCTION herald.leaf_types(oid[]) IS 'Internal: types and all types inside them, each once.';

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

CREATE FUNCTION herald.extension_of(type oid) RETURNS name
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
     WHERE d.classid = 'pg_type'::regclass AND d.objid = type AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
$$;
COMMENT ON FUNCTION herald.extension_of(oid) IS 'Internal: the extension that a type came with, or NULL.';

CREATE FUNCTION herald.printed_type(type oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT concat('"text',
        -- The time zone, the search_path, the money of the land; and who knows what a type looks at that somebody wrote in C.
        CASE WHEN bool_or(t.oid IN ('money'::regtype, 'timestamptz'::regtype) OR t.oid < 16384 AND t.typname LIKE 'reg%'
                          OR t.oid >= 16384 AND t.typtype = 'b' AND NOT (t.typcategory = 'A' AND t.typelem <> 0)
                             AND coalesce(herald.extension_of(t.oid) NOT IN ('citext', 'hstore', 'intarray', 'isn', 'lo', 'ltree', 'seg'), true)) THEN E'\x01' END,
        CASE WHEN bool_or(t.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)) THEN E'\x02' END,
        CASE WHEN bool_or(t.oid IN ('float4'::regtype, 'float8'::regtype) OR t.typcategory = 'G') THEN E'\x03' END,
        CASE WHEN bool_or(t.oid = 'interval'::regtype) THEN E'\x04' END,
        CASE WHEN bool_or(t.oid = 'bytea'::regtype) THEN E'\x05' END, '"')
      FROM herald.leaf_types(type) l(oid) JOIN pg_type t ON t.oid = l.oid
$$;
COMMENT ON FUNCTION herald.printed_type(oid) IS 'Internal: the tree of a type that stays the string that it is printed as.';

-- What a composite of composites has of leaves grows with each level, and whoever owns one of the types in a watched table can add to it: so a
-- tree has room for a thousand, and each field for its share of that.
CREATE FUNCTION herald.type_tree(type oid, depth int DEFAULT 0, room int DEFAULT 1000) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base      oid := herald.base_type(type);
    t         pg_type;
    n_fields  int;
    element   text;
    delimiter text;
BEGIN
    SELECT * INTO t FROM pg_type p WHERE p.oid = base;
    n_fields := (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped);
    IF base IN ('int2vector'::regtype, 'oidvector'::regtype) THEN
        RETURN format('{"vector":%s}', herald.type_tree(t.typelem));
    ELSIF t.typcategory = 'A' AND t.typelem <> 0 THEN
        SELECT CASE WHEN herald.base_type(e.oid) < 16384 THEN herald.type_tree(e.oid, depth + 1, room) ELSE herald.printed_type(e.oid) END, e.typdelim
          INTO element, delimiter FROM pg_type e WHERE e.oid = t.typelem;
        IF delimiter = ',' THEN
            RETURN format('{"array":%s}', element);
        ELSIF herald.base_type(t.typelem) < 16384 THEN
            RETURN format('{"array":%s,"delimiter":%s}', element, to_json(delimiter));
        END IF;
    ELSIF t.typtype = 'c' AND depth < 8 AND n_fields <= room THEN
        RETURN (SELECT format('{"composite":[%s]}', string_agg(format('[%s,%s]', to_json(a.attname), herald.type_tree(a.atttypid, depth + 1, room / n_fields)), ',' ORDER BY a.attnum))
                  FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped);
    ELSIF herald.base_type(herald.subtype(base)) = 'timestamptz'::regtype THEN
        RETURN format('{"%s":"timestamptz"}', CASE t.typtype WHEN 'r' THEN 'range' ELSE 'multirange' END) || E'\x02';
    ELSIF base = type AND herald.json_cast(base) IS NOT NULL THEN
        IF herald.extension_of(base) = 'hstore' THEN
            RETURN '"hstore"';
        ELSIF depth = 0 THEN
            RETURN E'"verbatim\x01"';
        END IF;
    END IF;
    RETURN coalesce((
        SELECT v.tree FROM (VALUES ('bool'::regtype, '"bool"'), ('int2', '"int"'), ('int4', '"int"'), ('int8', '"bigint"'), ('numeric', '"numeric"'),
                ('float4', E'"float\x03"'), ('float8', E'"float\x03"'), ('date', E'"date\x02"'), ('timestamp', E'"timestamp\x02"'),
                ('timestamptz', E'"timestamptz\x02"'), ('json', '"json"'), ('jsonb', '"json"')) v(oid, tree)
         WHERE v.oid = base), herald.printed_type(type));
END
$$;
COMMENT ON FUNCTION herald.type_tree(oid, int, int) IS
'Internal: a type as the server has to know it, JSON text with marks. "text" is what is printed, and stays, a string. A type with a C cast to
json is "verbatim": the trigger calls that cast (PostGIS); hstore, which is known by its extension, is "hstore". Domains are what is under them.';

-- -------------------------------------------------------------------------------------------------- comparing

-- The database's own collation (15: of another provider than libc, maybe; 17: of none, which compares bytes) has the oid of "default".
CREATE FUNCTION herald.text_order(coll oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN c.collisdeterministic THEN CASE WHEN l.provider = 'b' OR l.provider = 'c' AND l.name IN ('C', 'POSIX') THEN 'text_c' ELSE 'text' END END
      FROM pg_collation c JOIN pg_database d ON d.datname = current_database()
     CROSS JOIN LATERAL (SELECT CASE c.collprovider WHEN 'd' THEN coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') ELSE c.collprovider::text END,
                                CASE c.collprovider WHEN 'd' THEN d.datcollate::text ELSE c.collcollate::text END) l(provider, name)
     WHERE c.oid = coll
$$;
COMMENT ON FUNCTION herald.text_order(oid) IS
'Internal: how texts of a collation are compared: text_c by their bytes, text equal by their bytes only; NULL: equal texts may differ.';

CREATE FUNCTION herald.compares(type oid, coll oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN t.typtype = 'e' THEN CASE WHEN herald.json_cast(t.oid) IS NULL THEN 'enum' END
        WHEN t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'int'
        WHEN t.oid IN ('text'::regtype, 'varchar'::regtype, 'name'::regtype) THEN herald.text_order(coll)
        WHEN t.oid = 'bpchar'::regtype THEN CASE WHEN herald.text_order(coll) IS NOT NULL THEN 'char' END
        WHEN t.oid IN ('bool'::regtype, 'numeric'::regtype, 'float4'::regtype, 'float8'::regtype, 'uuid'::regtype, 'date'::regtype,
                       'time'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN t.typname::text
        END
      FROM pg_type t WHERE t.oid = herald.base_type(type)
$$;
COMMENT ON FUNCTION herald.compares(oid, oid) IS
'Internal: how the server compares values of a type under a collation as Postgres would; NULL: it cannot. Domains are what is under them.';

CREATE FUNCTION herald.compares_member(type oid, coll oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((
        SELECT concat(',"compares":"', k.kind, '"',
                      CASE k.kind WHEN 'enum' THEN (SELECT format(',"labels":%s', coalesce(json_agg(e.enumlabel ORDER BY e.enumsortorder), '[]'))
                                                      FROM pg_enum e WHERE e.enumtypid = herald.base_type(type)) END)
          FROM (SELECT herald.compares(type, coll)) k(kind) WHERE k.kind IS NOT NULL), '')
$$;
COMMENT ON FUNCTION herald.compares_member(oid, oid) IS 'Internal: the same as members of a column in a shape, with the labels of an enum in their order.';

-- ----------------------------------------------------------------------------------------------------- filters

-- A filter is a tree: {"status": {"in": ["open", "late"]}, "or": [{"total": {"gt": "100"}}, {"vip": true}], "not": {"region": {"is": null}}}.
-- The server parses and judges it (src/core/live). What watch() takes as visible is looked at here as well, so that its caller hears of
-- a mistake, and not a server at night: where the two differ, this one has to be the stricter. No SQL is ever made of a filter.
CREATE FUNCTION herald.filter_error(place text, what text, hint text DEFAULT '') RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sentence text := concat('herald: visible: ', left(place, 300) || CASE WHEN place <> '' THEN ': ' ELSE '' END, what);
BEGIN
    IF hint <> '' THEN
        RAISE EXCEPTION '%', sentence USING ERRCODE = '22023', HINT = hint;
    END IF;
    RAISE EXCEPTION '%', sentence USING ERRCODE = '22023';
END
$$;
COMMENT ON FUNCTION herald.filter_error(text, text, text) IS 'Internal: raises what is wrong in a filter, and where.';

CREATE FUNCTION herald.filter_leaves(tree jsonb, place text DEFAULT '', depth int DEFAULT 1) RETURNS TABLE (at text, col text, op text, value jsonb)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    m record;
BEGIN
    IF jsonb_typeof(tree) IS DISTINCT FROM 'object' THEN
        PERFORM herald.filter_error(place, 'a filter is an object: {"column": value}');
    ELSIF depth > 8 THEN
        PERFORM herald.filter_error(place, 'a filter is at most 8 deep');
    END IF;
    FOR m IN SELECT e.key, e.value, concat(place, CASE WHEN place <> '' THEN '.' END, e.key) AS at FROM jsonb_each(tree) e LOOP
        IF m.key = 'not' THEN
            RETURN QUERY SELECT l.* FROM herald.filter_leaves(m.value, m.at, depth + 1) l;
        ELSIF m.key IN ('and', 'or') THEN
            IF jsonb_typeof(m.value) <> 'array' THEN
                PERFORM herald.filter_error(m.at, 'a list of filters is needed');
            END IF;
            RETURN QUERY SELECT l.* FROM jsonb_array_elements(m.value) WITH ORDINALITY t(tree, nth)
                          CROSS JOIN LATERAL herald.filter_leaves(t.tree, format('%s[%s]', m.at, t.nth - 1), depth + 1) l;
        ELSIF jsonb_typeof(m.value) <> 'object' THEN
            RETURN QUERY SELECT m.at, m.key, 'eq'::text, m.value;
        ELSIF m.value = '{}' THEN
            PERFORM herald.filter_error(m.at, 'an operator is missing');
        ELSE
            RETURN QUERY SELECT concat(m.at, '.', o.key), m.key, o.key, o.value FROM jsonb_each(m.value) o;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.filter_leaves(jsonb, text, int) IS
'Internal: the comparisons in a filter, each with its place, and raises if it is built like none. A plain value means eq.';

CREATE FUNCTION herald.filter_columns(tree jsonb) RETURNS SETOF text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE part(tree) AS (
        SELECT t.tree FROM (SELECT tree) t(tree) WHERE jsonb_typeof(t.tree) = 'object' AND octet_length(t.tree::text) <= 4096
        UNION ALL
        SELECT below.tree
          FROM part p CROSS JOIN LATERAL jsonb_each(p.tree) m
         CROSS JOIN LATERAL (SELECT m.value WHERE m.key = 'not'
                             UNION ALL
                             SELECT x FROM jsonb_array_elements(CASE WHEN m.key IN ('and', 'or') AND jsonb_typeof(m.value) = 'array' THEN m.value ELSE '[]' END) x) below(tree)
         WHERE jsonb_typeof(below.tree) = 'object'
    )
    SELECT DISTINCT m.key FROM part p CROSS JOIN LATERAL jsonb_each(p.tree) m WHERE m.key NOT IN ('and', 'or', 'not')
$$;
COMMENT ON FUNCTION herald.filter_columns(jsonb) IS 'Internal: the columns that a filter names, well built or not; of one that is too long none.';

-- What stands for a value of whoever looks: {"identity":"row_id","dbo_id":12} or {"identity":"extras.org.name"}.
CREATE FUNCTION herald.check_parameter(place text, op text, value jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := CASE jsonb_typeof(value -> 'identity') WHEN 'string' THEN value ->> 'identity' END;
BEGIN
    IF op IN ('is', 'isdistinct') THEN
        PERFORM herald.filter_error(place, format('%s takes no value of an identity', op));
    ELSIF name = 'row_id' THEN
        IF value - ARRAY['identity', 'dbo_id'] <> '{}' OR NOT value ? 'dbo_id' THEN
            PERFORM herald.filter_error(place, 'row_id needs the dbo_id of its table, and nothing else',
                                        'Row 34 of table 12 and row 34 of table 13 are two people: {"identity":"row_id","dbo_id":12}');
        ELSIF jsonb_typeof(value -> 'dbo_id') <> 'number' OR value ->> 'dbo_id' !~ '^[1-9][0-9]{0,9}$' OR (value ->> 'dbo_id')::bigint > 2147483647 THEN
            PERFORM herald.filter_error(place, 'dbo_id is an integer, 1 or more');
        ELSIF op IN ('in', 'nin') THEN
            PERFORM herald.filter_error(place, 'row_id is one value, and no list');
        END IF;
    ELSIF coalesce(name !~ '^extras([.][^.]+)+$' OR octet_length(name) > 255 OR value - 'identity' <> '{}', true) THEN
        PERFORM herald.filter_error(place, 'no value can be an object, but for one of an identity',
                                    '{"identity":"row_id","dbo_id":12} or {"identity":"extras.org"}');
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_parameter(text, text, jsonb) IS 'Internal: raises unless this can stand for a value of an identity.';

CREATE FUNCTION herald.check_constant(place text, kind text, type oid, value jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base     CONSTANT oid := herald.base_type(type);
    written  CONSTANT text := value #>> '{}';
    mistake  CONSTANT text := format('%s is no %s', left(value::text, 100), format_type(type, NULL));
    -- ISO 8601, without the words (today, now) that a date may be as well.
    day      CONSTANT text := '[0-9]{4,7}-[0-9]{2}-[0-9]{2}';
    clock    CONSTANT text := '([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?';
    number   CONSTANT text := '^(-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]{1,6})?|NaN|-?Infinity)$';
    is_fit   boolean;
BEGIN
    IF jsonb_typeof(value) = 'null' THEN
        PERFORM herald.filter_error(place, 'null is not compared', '{"column": {"is": null}}');
    ELSIF (jsonb_typeof(value) = 'boolean') <> (kind = 'bool') OR jsonb_typeof(value) NOT IN ('boolean', 'string', 'number')
          OR jsonb_typeof(value) = 'number' AND kind NOT IN ('int', 'numeric', 'float4', 'float8') THEN
        PERFORM herald.filter_error(place, mistake);
    END IF;
    is_fit := CASE kind
        WHEN 'bool' THEN true
        WHEN 'int' THEN written ~ '^-?(0|[1-9][0-9]{0,18})$' AND CASE base WHEN 'int2'::regtype THEN written::int2 WHEN 'int4'::regtype THEN written::int4 ELSE written::int8 END IS NOT NULL
        WHEN 'numeric' THEN written ~ number AND length(written::numeric::text) <= 1000
        WHEN 'float4' THEN written ~ number AND written::float4 IS NOT NULL
        WHEN 'float8' THEN written ~ number AND written::float8 IS NOT NULL
        WHEN 'uuid' THEN written ~ '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'
        WHEN 'date' THEN written ~ format('^(%s( BC)?|-?infinity)$', day) AND written::date IS NOT NULL
        WHEN 'time' THEN written ~ format('^%s$', clock) AND written::time IS NOT NULL
        WHEN 'timestamp' THEN written ~ format('^(%s[T ]%s( BC)?|-?infinity)$', day, clock) AND written::timestamp IS NOT NULL
        WHEN 'timestamptz' THEN written ~ format('^(%s[T ]%s(Z|[+-][0-9]{2}(:[0-5][0-9])?)( BC)?|-?infinity)$', day, clock) AND written::timestamptz IS NOT NULL
        WHEN 'enum' THEN EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = base AND e.enumlabel::text = written)
        ELSE true END;
    IF NOT is_fit THEN
        PERFORM herald.filter_error(place, mistake,
                                    CASE WHEN kind ~ '^time|date' THEN 'Times are written as in ISO 8601, with an offset where the column has a time zone.' ELSE '' END);
    END IF;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RAISE; -- filter_error()
    WHEN data_exception THEN
        PERFORM herald.filter_error(place, mistake);
END
$$;
COMMENT ON FUNCTION herald.check_constant(text, text, oid, jsonb) IS 'Internal: raises unless a JSON value can be compared with a column.';

CREATE FUNCTION herald.check_leaf(place text, op text, kind text, type oid, value jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_list boolean := op IN ('in', 'nin');
BEGIN
    IF op NOT IN ('eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'nin', 'is', 'isdistinct', 'prefix', 'like') THEN
        PERFORM herald.filter_error(place, format('%s is no operator', quote_literal(left(op, 100))), 'eq neq lt lte gt gte in nin is isdistinct prefix like');
    ELSIF op IN ('prefix', 'like') AND kind NOT IN ('text', 'text_c') OR op IN ('lt', 'lte', 'gt', 'gte') AND kind IN ('text', 'char') THEN
        PERFORM herald.filter_error(place, format('%s does not compare %s', op, format_type(type, NULL)),
                                    CASE WHEN kind = 'text' THEN 'Texts have an order that the server knows only under the collation "C".' ELSE '' END);
    ELSIF jsonb_typeof(value) = 'object' THEN
        PERFORM herald.check_parameter(place, op, value);
    ELSIF op = 'is' THEN
        IF jsonb_typeof(value) NOT IN ('null', 'boolean') OR jsonb_typeof(value) = 'boolean' AND kind <> 'bool' THEN
            PERFORM herald.filter_error(place, 'is takes null; of a boolean column true and false, too');
        END IF;
    ELSIF op = 'isdistinct' AND value = 'null' THEN
        NULL;
    ELSIF op = 'like' AND (value #>> '{}' ~ E'^([^\\\\]|\\\\.)*\\\\$' OR length(value #>> '{}') > 64 AND strpos(value #>> '{}', '_') > 0) THEN
        PERFORM herald.filter_error(place, 'a pattern does not end with a backslash that nothing follows, and has at most 64 characters if _ is one of them');
    ELSIF is_list AND jsonb_typeof(value) <> 'array' THEN
        PERFORM herald.filter_error(place, format('%s takes a list', op));
    ELSIF is_list AND jsonb_array_length(value) > 100 THEN
        PERFORM herald.filter_error(place, 'a list has at most 100 values');
    ELSE
        PERFORM herald.check_constant(place || CASE WHEN is_list THEN format('[%s]', v.nth - 1) ELSE '' END, kind, type, v.value)
           FROM jsonb_array_elements(CASE WHEN is_list THEN value ELSE jsonb_build_array(value) END) WITH ORDINALITY v(value, nth);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_leaf(text, text, text, oid, jsonb) IS 'Internal: raises unless a comparison can be made, with a column of that type.';

CREATE FUNCTION herald.check_filter(tree jsonb, relation oid, captured text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n_leaves int := 0;
    l        record;
BEGIN
    IF octet_length(tree::text) > 4096 THEN
        PERFORM herald.filter_error('', 'a filter has at most 4096 bytes');
    END IF;
    FOR l IN
        SELECT f.at, f.col, f.op, f.value, c.name, c.type, herald.compares(c.type, c.coll) AS kind
          FROM herald.filter_leaves(tree) f LEFT JOIN herald.columns_of(relation) c ON c.name = f.col
    LOOP
        n_leaves := n_leaves + 1;
        IF n_leaves > 64 THEN
            PERFORM herald.filter_error('', 'a filter has at most 64 comparisons');
        ELSIF l.name IS NULL THEN
            RAISE EXCEPTION 'herald: visible: %: table % has no column % that it could announce', left(l.at, 300), relation::regclass, quote_ident(l.col) USING ERRCODE = '42703';
        ELSIF array_position(captured, l.name) IS NULL THEN
            PERFORM herald.filter_error(l.at, format('column %s is neither announced nor kept', quote_ident(l.col)),
                                        format('keep => %L: the server stores it beside an event, and shows it to nobody.', ARRAY[l.col]));
        ELSIF l.kind IS NULL THEN
            PERFORM herald.filter_error(l.at, format('column %s of type %s cannot be compared', quote_ident(l.col), format_type(l.type, NULL)),
                                        'The server compares booleans, numbers, uuids, dates and times without intervals, enums, and texts under a deterministic collation.');
        END IF;
        PERFORM herald.check_leaf(l.at, l.op, l.kind, l.type, l.value);
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.check_filter(jsonb, oid, text[]) IS
'Internal: raises unless a filter can be judged from the captured columns of a table. It says where in the filter, and of which column.';

CREATE FUNCTION herald.is_judged(visible jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(visible = '"policy"' OR jsonb_typeof(visible) = 'object' AND visible - 'function' = '{}' AND jsonb_typeof(visible -> 'function') = 'string', false)
$$;
COMMENT ON FUNCTION herald.is_judged(jsonb) IS 'Internal: whether Postgres is asked who may see a row (step 12): "policy", or {"function":"schema.name(types)"}.';

CREATE FUNCTION herald.check_visible(visible jsonb, claims text[], relation oid, captured text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF herald.is_judged(visible) THEN
        IF claims IS NULL THEN
            RAISE EXCEPTION 'herald: visible => %: say which claims tell clients apart', quote_literal(left(visible::text, 100)) USING ERRCODE = '22023',
                HINT = 'claims => ''{org}''; ''{}'': the role alone. Each set of values is a group, for which each change is judged.';
        END IF;
        PERFORM herald.check_judged(visible, relation, captured);
    ELSIF claims IS NOT NULL THEN
        RAISE EXCEPTION 'herald: claims are for visible => ''"policy"'' and functions' USING ERRCODE = '22023',
            HINT = 'A filter names the claims that it needs itself: {"identity":"extras.org"}';
    ELSIF visible <> '"everybody"' THEN
        PERFORM herald.check_filter(visible, relation, captured);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_visible(jsonb, text[], oid, text[]) IS
'Internal: raises unless rows of a table, of which those columns are captured, can be shown to whom visible says. NULL: it says nothing.';

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
    IF starts_with(template, 'herald.') THEN
        RAISE EXCEPTION 'herald: channels that begin with herald. are ours: %', quote_literal(left(template, 300)) USING ERRCODE = '22023';
    END IF;
    IF NOT herald.is_channel(regexp_replace(template, '{[^{}]+}', 'x', 'g')) OR regexp_replace(template, '{[^{}]+}', '', 'g') ~ '[{}]' THEN
        RAISE EXCEPTION 'herald: % is not a channel template', coalesce(quote_literal(template), 'NULL')
            USING ERRCODE = '22023', HINT = 'Up to 255 bytes without * and control characters; columns in braces: orders/{customer_id}';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_template(text) IS 'Internal: raises unless this can be a template.';

CREATE FUNCTION herald.channel_name(template text, "row" json) RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lost text := (SELECT min(p.col) FROM herald.template_parts(template) p WHERE json_typeof("row" -> p.col) IN ('object', 'array'));
    name text;
BEGIN
    PERFORM herald.check_template(template);
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION 'herald: how PostgreSQL prints % cannot be told from JSON', quote_ident(lost)
            USING ERRCODE = '22023', HINT = 'In channels arrays and composites are spelled as PostgreSQL prints them.';
    END IF;
    SELECT CASE WHEN bool_and(p.col IS NULL OR "row" ->> p.col IS NOT NULL)
                THEN string_agg(concat(p.literal, herald.percent_encode("row" ->> p.col)), '' ORDER BY p.nth) END
      INTO name FROM herald.template_parts(template) p;
    RETURN CASE WHEN herald.is_channel(name) THEN name END;
END
$$;
COMMENT ON FUNCTION herald.channel_name(text, json) IS
'The channel of a row, given as its payload has it: herald.channel_name(''orders/{customer_id}'', ''{"customer_id":7}'') is orders/7. Values
are percent-encoded: % / . * { } and control characters become %XX. NULL: there is no channel, as a value of the template is null or missing,
or the name would be empty or over 255 bytes. Raises 22023 where a value is an object or an array: how those are spelled JSON does not tell.';
GRANT EXECUTE ON FUNCTION herald.channel_name(text, json) TO herald_admin, herald_publisher, herald_server;

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
