-- SPDX-License-Identifier: PostgreSQL
--
-- Step 12: rows that are judged by Postgres: by row level security (visible => '"policy"') or by a function of their owner's.
--
-- **What is judged is an image**, a row as it was captured, and not the row that there is: a change is shown to those who see what became
-- of it, and the end of a row to those who saw it last. An image is a JSON object: a frame's columns and the kept ones.
--
-- **How.** The table's policies for SELECT, as Postgres prints them, stand in a query whose FROM has the image under the table's name. It
-- is run by herald_judge after it has become the role of the asking client, with the client's claims in request.jwt.claims, where
-- policies look for them. So what they call and read they call and read with that role's rights.
--
-- **Nothing is remembered.** The query is made anew in each call, from the policies of the moment; with it go ALTER POLICY, the columns' names,
-- and whatever a policy speaks of. Which policies are for a role, whether row level security is active for it (superusers, owners,
-- BYPASSRLS, FORCE), and whether it may SELECT the announced columns, the query itself asks: GRANT role fires no trigger.
--
-- **An image is never filled up.** A policy `deleted_at IS NULL` would say true of one that lacks the column. A column that is not captured is
-- an error of watch(); an image that lacks one (it was reduced) is not judged, and the answer says so. Nor is one whose shape has a column under
-- another name or number than the table: what was called so then may be another column now, as after a restore may be what had that number.
--
-- What differs from a SELECT of that role, and always so that a row is not judged: names in policies are looked up with the role's rights, so it needs
-- USAGE on their schemas; functions in policies run with search_path = pg_catalog, pg_temp, unless they set their own.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

CREATE TYPE herald.judgement AS (gate text, code text);
COMMENT ON TYPE herald.judgement IS
'Internal: queries for the role that asks. gate: f, it sees no row; t, it sees all; r, ask code. code: with the images as $1 and claims as $2: a
letter for each, t or f, u: it lacks a column.';

CREATE FUNCTION herald.image_columns(relation oid, columns json) RETURNS TABLE (num int2, name text, type text, tree text, is_announced boolean)
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), c.col ->> 'type', (c.col ->> 'announced')::boolean
      FROM json_array_elements(columns) c(col)
      JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.col ->> 'name' AND a.attnum = (c.col ->> 'num')::int2 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION herald.image_columns(oid, json) IS
'Internal: the columns of an image, as herald.shape.description has them, that still are the table''s.';

CREATE FUNCTION herald.has_keys(names text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(format('(i.image::json -> %L::text) IS NOT NULL', c.name), ' AND '), 'true') FROM unnest(names) c(name)
$$;
COMMENT ON FUNCTION herald.has_keys(text[]) IS 'Internal: SQL that is true if an image has some columns.';

CREATE FUNCTION herald.image_code(relation oid, columns json, used int2[]) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    alias text := (SELECT herald.quoted(c.relname) FROM pg_class c WHERE c.oid = relation);
BEGIN
    IF used = '{}' THEN
        RETURN format('(SELECT) AS %s', alias);
    END IF;
    -- A JSON null may have been an SQL null, or the value null of a json column: both are tried.
    RETURN (
        SELECT format('(SELECT %s FROM json_to_record(i.image::json) AS herald_image(%s)%s) AS %s',
                      string_agg(format(CASE c.tree WHEN 'json' THEN 'CASE WHEN herald_null.is_value AND herald_image.%1$s IS NULL THEN ''null''::%2$s ELSE herald_image.%1$s END AS %1$s'
                                                    ELSE 'herald_image.%1$s' END, herald.quoted(c.name), c.type), ', ' ORDER BY c.num),
                      string_agg(concat(herald.quoted(c.name), ' ', c.type), ', ' ORDER BY c.num),
                      CASE WHEN bool_or(c.tree = 'json') THEN ' CROSS JOIN (VALUES (false), (true)) AS herald_null(is_value)' END, alias)
          FROM herald.image_columns(relation, columns) c WHERE c.num = ANY (used));
END
$$;
COMMENT ON FUNCTION herald.image_code(oid, json, int2[]) IS
'Internal: an image as FROM has it, under the name of its table; two rows of it, if it is not certain what it was.';

CREATE FUNCTION herald.row_code_of_image(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('json_populate_record(NULL::%1$s.%2$s, i.image::json)', herald.quoted(n.nspname), herald.quoted(c.relname))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION herald.row_code_of_image(oid) IS 'Internal: an image as a value of its table''s row type.';

CREATE FUNCTION herald.check_image(relation oid, columns json, used int2[], who text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT a.attname, i.num, i.tree FROM pg_attribute a LEFT JOIN herald.image_columns(relation, columns) i ON i.num = a.attnum
              WHERE a.attrelid = relation AND a.attnum = ANY (used) ORDER BY a.attnum LOOP
        IF c.num IS NULL THEN
            RAISE EXCEPTION 'herald: % of % needs column %, which is neither announced nor kept', who, relation::regclass, quote_ident(c.attname)
                USING ERRCODE = '0A000', HINT = format('keep => %L: the server stores it beside an event, and shows it to nobody.', ARRAY[c.attname]);
        ELSIF c.tree ~ 'hstore|verbatim|vector' OR c.tree ~ '"json"' THEN
            RAISE EXCEPTION 'herald: % of % needs column %, whose type cannot be read back from JSON', who, relation::regclass, quote_ident(c.attname) USING ERRCODE = '0A000';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.check_image(oid, json, int2[], text) IS 'Internal: raises unless images have some columns.';

-- pg_depend does not tell that the whole row is used. The tree that is stored does: column number 0; a system column is below. (Also of other
-- tables, in sub-queries: those ask for more than they need.)
CREATE FUNCTION herald.policy_columns(relation oid) RETURNS TABLE (used int2[], is_whole boolean)
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    trees text := (SELECT coalesce(string_agg(p.polqual::text, ' '), '') FROM pg_policy p WHERE p.polrelid = relation AND p.polcmd IN ('r', '*'));
BEGIN
    IF trees ~ ':varattno -' THEN
        RAISE EXCEPTION 'herald: a policy of % uses a system column, which no event has', relation::regclass USING ERRCODE = '0A000';
    END IF;
    is_whole := trees ~ ':varattno 0 ';
    used := ARRAY(SELECT a.attnum FROM pg_attribute a
                   WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
                     AND (is_whole OR EXISTS (SELECT FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                                               WHERE p.polrelid = relation AND p.polcmd IN ('r', '*') AND d.refclassid = 'pg_class'::regclass
                                                 AND d.refobjid = relation AND d.refobjsubid = a.attnum)) ORDER BY a.attnum);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION herald.policy_columns(oid) IS 'Internal: the columns that a table''s policies for SELECT use; is_whole: they use the row as one value.';

CREATE FUNCTION herald.policy_expression(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('coalesce(%s, false)%s',
               coalesce(string_agg(format('CASE WHEN %s THEN (%s) ELSE false END', p.applies, p.code), ' OR ' ORDER BY p.oid) FILTER (WHERE p.polpermissive), 'false'),
               string_agg(format(' AND CASE WHEN %s THEN coalesce((%s), false) ELSE true END', p.applies, p.code), '' ORDER BY p.oid) FILTER (WHERE NOT p.polpermissive))
      FROM (SELECT x.oid, x.polpermissive, pg_get_expr(x.polqual, x.polrelid) AS code,
                   (SELECT string_agg(CASE r.oid WHEN 0 THEN 'true' ELSE format('pg_has_role(%s::oid, ''USAGE'')', r.oid) END, ' OR ') FROM unnest(x.polroles) r(oid)) AS applies
              FROM pg_policy x WHERE x.polrelid = relation AND x.polcmd IN ('r', '*') AND x.polqual IS NOT NULL) p
$$;
COMMENT ON FUNCTION herald.policy_expression(oid) IS 'Internal: what row level security adds to a SELECT of a table, for the role that asks.';

CREATE FUNCTION herald.verdict_code(condition text, verdict text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('SELECT string_agg(CASE WHEN %s THEN %s ELSE ''u'' END, '''' ORDER BY i.nth) FROM unnest($1) WITH ORDINALITY i(image, nth)', condition, verdict)
$$;
COMMENT ON FUNCTION herald.verdict_code(text, text) IS 'Internal: the code of a judgement: a verdict on images that fulfil a condition.';

CREATE FUNCTION herald.policy_judgement(relation oid, columns json) RETURNS herald.judgement
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    needed record;
    keys   text[];
    gate   text;
BEGIN
    SELECT * INTO needed FROM herald.policy_columns(relation);
    PERFORM herald.check_image(relation, columns, needed.used, 'a policy');
    SELECT array_agg(c.name ORDER BY c.num) FILTER (WHERE c.num = ANY (needed.used)),
           string_agg(format('has_column_privilege(%s::oid, %s::int2, ''SELECT'')', relation, c.num), ' AND ') FILTER (WHERE c.is_announced)
      INTO keys, gate FROM herald.image_columns(relation, columns) c;
    gate := format('SELECT CASE WHEN (has_schema_privilege(%1$s::oid, ''USAGE'') AND (has_table_privilege(%2$s::oid, ''SELECT'') OR %3$s)) IS NOT TRUE THEN ''f'''
                   ' WHEN NOT row_security_active(%2$s::oid) THEN ''t'' ELSE ''r'' END',
                   (SELECT c.relnamespace FROM pg_class c WHERE c.oid = relation), relation,
                   -- A column that was announced then and is gone: nobody can say any more who might read it, but for who may read all.
                   CASE WHEN EXISTS (SELECT FROM json_array_elements(columns) c(col) WHERE (c.col ->> 'announced')::boolean
                                        AND NOT EXISTS (SELECT FROM herald.image_columns(relation, columns) t WHERE t.name = c.col ->> 'name'))
                        THEN 'false' ELSE coalesce(gate, 'false') END);
    IF NOT needed.is_whole THEN
        RETURN (gate, herald.verdict_code(herald.has_keys(keys), format(
            '(SELECT CASE WHEN bool_and(v.is_visible) THEN ''t'' WHEN bool_or(v.is_visible) THEN ''u'' ELSE ''f'' END FROM (SELECT %s FROM %s) AS v(is_visible))',
            herald.policy_expression(relation), herald.image_code(relation, columns, needed.used))));
    END IF;
    RETURN (gate, herald.verdict_code(herald.has_keys(keys), format(
        '(SELECT CASE WHEN %s THEN ''t'' ELSE ''f'' END FROM %s AS %s)', herald.policy_expression(relation), herald.row_code_of_image(relation),
        (SELECT herald.quoted(c.relname) FROM pg_class c WHERE c.oid = relation))));
END
$$;
COMMENT ON FUNCTION herald.policy_judgement(oid, json) IS 'Internal: how row level security judges images. Raises 0A000 if it cannot.';

CREATE FUNCTION herald.function_judgement(relation oid, columns json, function text) RETURNS herald.judgement
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    all_ int2[] := ARRAY(SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped);
    f    record;
BEGIN
    SELECT n.nspname, p.proname, p.proargtypes[0] AS image, p.proargtypes[1] AS claims INTO f
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.prorettype = 'bool'::regtype AND p.pronargs = 2 AND p.prokind = 'f' AND NOT p.proretset AND strpos(function, quote_ident(p.proname)) > 0
       AND herald.function_name(p.oid) = function AND p.proargtypes[1] IN ('json'::regtype, 'jsonb'::regtype)
       AND p.proargtypes[0] IN ('json'::regtype, 'jsonb'::regtype, (SELECT c.reltype FROM pg_class c WHERE c.oid = relation));
    IF f.proname IS NULL THEN
        RAISE EXCEPTION 'herald: there is no function % that can judge rows of %', left(function, 300), relation::regclass USING ERRCODE = '42883',
            HINT = format('By its name and types, app.may(json,json): it takes the row, as json or %s, and the claims as json, and returns boolean; jsonb may stand for json.', relation::regclass);
    ELSIF f.image IN ('json'::regtype, 'jsonb'::regtype) THEN
        RETURN ('SELECT ''r'''::text, herald.verdict_code('true', format('CASE WHEN %I.%I(i.image::%s, $2::%s) THEN ''t'' ELSE ''f'' END', f.nspname, f.proname, f.image::regtype, f.claims::regtype)));
    END IF;
    PERFORM herald.check_image(relation, columns, all_, 'the function');
    RETURN ('SELECT ''r'''::text, (
        SELECT herald.verdict_code(herald.has_keys(array_agg(c.name)),
                                   format('CASE WHEN %I.%I(%s, $2::%s) THEN ''t'' ELSE ''f'' END', f.nspname, f.proname, herald.row_code_of_image(relation), f.claims::regtype))
          FROM herald.image_columns(relation, columns) c WHERE c.num = ANY (all_)));
END
$$;
COMMENT ON FUNCTION herald.function_judgement(oid, json, text) IS 'Internal: how a function judges images. Raises 42883 or 0A000 if it cannot.';

CREATE FUNCTION herald.check_judged(visible jsonb, relation oid, captured text[]) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns json := (SELECT json_agg(json_build_object('name', c.name, 'num', c.num, 'type', translate(herald.type_tree(c.type), E'\x01\x02\x03\x04\x05', '')::json, 'announced', true))
                       FROM herald.columns_of(relation) c WHERE c.name = ANY (captured));
BEGIN
    IF visible = '"policy"' THEN
        PERFORM herald.policy_judgement(relation, columns);
    ELSE
        PERFORM herald.function_judgement(relation, columns, visible ->> 'function');
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_judged(jsonb, oid, text[]) IS 'Internal, for check_visible(): raises unless rows of which those columns are captured can be judged so.';

CREATE FUNCTION herald.judgement_of(watch_key text, shape bigint, visible text) RETURNS herald.judgement
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    asked jsonb := visible::jsonb;
    w     herald.watch;
    s     herald.shape;
BEGIN
    SELECT * INTO w FROM herald.watch x WHERE x.key = watch_key AND herald.is_watched(x.relation);
    SELECT * INTO s FROM herald.shape x WHERE x.number = shape AND x.watch = watch_key;
    IF w.key IS NULL OR s.number IS NULL THEN
        RAISE EXCEPTION 'herald: there is no watch %, or no shape % of it', coalesce(quote_literal(left(watch_key, 300)), 'NULL'), shape USING ERRCODE = '42704';
    ELSIF asked NOT IN (coalesce(w.visible, 'null'), coalesce((s.description -> 'visible')::jsonb, 'null')) THEN
        RAISE EXCEPTION 'herald: nobody said that % may see the rows of %', left(visible, 300), w.relation USING ERRCODE = '42501';
    ELSIF asked = '"policy"' THEN
        RETURN herald.policy_judgement(w.relation, s.description -> 'columns');
    END IF;
    RETURN herald.function_judgement(w.relation, s.description -> 'columns', asked ->> 'function');
END
$$;
COMMENT ON FUNCTION herald.judgement_of(text, bigint, text) IS 'Internal, for judge(): how images of a shape are judged.';

CREATE FUNCTION herald.judge_as(j herald.judgement, role text, claims text, images text[]) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
DECLARE
    verdicts text;
BEGIN
    PERFORM set_config('role', coalesce(role, 'none'), true), set_config('request.jwt.claims', coalesce(claims, ''), true);
    EXECUTE j.gate INTO verdicts;
    IF verdicts = 'r' THEN
        EXECUTE j.code INTO verdicts USING images, claims;
    ELSE
        verdicts := repeat(verdicts, cardinality(images));
    END IF;
    PERFORM set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
    RETURN verdicts;
END
$$;
COMMENT ON FUNCTION herald.judge_as(herald.judgement, text, text, text[]) IS 'Internal, for judge(): the verdicts of one role with its claims.';

-- Most errors are one row's: the images are halved until it is alone. What a role may not do at all (class 42) it may not do for any.
CREATE FUNCTION herald.judge_some(j herald.judgement, role text, claims text, images text[], OUT verdicts text, OUT problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    half int := cardinality(images) / 2;
    rest record;
BEGIN
    verdicts := herald.judge_as(j, role, claims, images);
EXCEPTION WHEN OTHERS THEN
    problem := concat(SQLSTATE, ' ', SQLERRM);
    verdicts := repeat('u', cardinality(images));
    IF half > 0 AND problem !~ '^42' THEN
        SELECT * INTO verdicts FROM herald.judge_some(j, role, claims, images[1:half]);
        SELECT * INTO rest FROM herald.judge_some(j, role, claims, images[half + 1:]);
        verdicts := verdicts || rest.verdicts;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.judge_some(herald.judgement, text, text, text[]) IS 'Internal, for judge(): the same, and u for those with which there is an error.';

CREATE FUNCTION herald.judge(watch_key text, shape bigint, visible text, roles text[], claims text[], images text[]) RETURNS TABLE (verdicts text, problem text, ms int)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    j     herald.judgement := herald.judgement_of(watch_key, shape, visible);
    began timestamptz;
BEGIN
    FOR i IN 1 .. coalesce(cardinality(roles), 0) LOOP
        began := clock_timestamp();
        SELECT * INTO verdicts, problem FROM herald.judge_some(j, roles[i], claims[i], images);
        ms := greatest(0, least(extract(epoch FROM clock_timestamp() - began) * 1000, 3600000)); -- whatever the clock does
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION herald.judge(text, bigint, text, text[], text[], text[]) IS
'For the server, in a session of herald_judge, in a READ ONLY transaction: who may see some rows of a watch. shape: under which they were captured;
visible: what the watch or that shape says, "policy" or {"function":"schema.name(types)"}; roles and claims: of each group that asks, the claims a JSON
text, which becomes request.jwt.claims; role NULL: herald_judge itself. images: JSON objects of announced and kept columns. Returns a row for each group,
in order: verdicts, a letter for each image (t it may see it, f it may not, u it could not be judged), a problem, SQLSTATE and message of an error
that came up, NULL: none, and the milliseconds that it took. The message may hold values of rows. What herald_judge was not granted it cannot become: all u, 42501.
SQLSTATE 42704: no such watch or shape. 0A000: a policy needs columns that are not captured. 42883: the function is gone. 42501: visible says otherwise. A
time-out is the whole call''s.';

GRANT EXECUTE ON FUNCTION herald.check_judged(jsonb, oid, text[]) TO herald_admin;
GRANT EXECUTE ON FUNCTION herald.judge(text, bigint, text, text[], text[], text[]), herald.judge_as(herald.judgement, text, text, text[]),
    herald.judge_some(herald.judgement, text, text, text[]), herald.judgement_of(text, bigint, text) TO herald_judge;

INSERT INTO herald.schema_step (step, name) VALUES (12, 'judge');
RESET ROLE;
