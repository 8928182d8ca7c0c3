-- SPDX-License-Identifier: PostgreSQL
--
-- Step 11: snapshots: the rows that there are, and where the log stands beside them.
--
-- **One snapshot.** read_snapshot() runs in a REPEATABLE READ transaction, so that rows, pg_current_snapshot(), the head of the channel and
-- the epoch are of one moment. All of the log up to that head was visible to it. Of what follows, a row event of the same watch is in
-- the rows already if its xid is visible in the snapshot, and only then: the server drops it. No lock, and nobody waits.
--
-- **Who reads.** Two functions belong to herald_reader, which may SELECT what the owners of tables granted it, in watch(), and which
-- nobody is a member of. They do what herald_owner tells them; nobody else may call them.
--
-- **What a snapshot can get wrong, and what finds it.** A query looks at the catalogs as they are now, and at the rows as they were:
--   * a table that was rewritten since (ALTER TYPE, TRUNCATE) has none of the rows that the snapshot knows, and no error says so;
--   * columns or tables that have swapped their names since would be read one for the other;
--   * a part that was attached or detached since comes or is missing;
--   * row level security hides rows from herald_reader: a RESTRICTIVE policy, or no policy for it.
-- So first the table is locked, as every query does, by planning one; the plan tells whether rows are hidden. Then what the catalogs
-- say in this snapshot is compared with what functions say that always look at the newest. is_moved: read again.
-- (row_security = off would not do: it raises for every table with policies, also if one of them shows all rows.)
--
-- **What narrows.** Conditions of a client reach the table only where Postgres answers them by built-in operators on built-in types, with
-- values as parameters. All else is left out, and may be: the server judges each row again.

SET LOCAL ROLE herald_owner;
SET LOCAL search_path = pg_catalog;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = 'herald.watch'::regclass AND a.attname = 'snapshot' AND NOT a.attisdropped) THEN
        RAISE EXCEPTION 'herald: this database has steps 1 to 10 as they were before their release' USING ERRCODE = '55000',
            HINT = 'They cannot be upgraded. Uninstall and install again (pgherald uninstall, or sql/uninstall.sql): the history goes with it.';
    END IF;
END
$$;

-- ---------------------------------------------------------------------------------------------- as herald_reader

CREATE FUNCTION herald.hold_rows(source text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON, COSTS off) SELECT FROM ' || source INTO plan;
    -- A quote inside a name is escaped, so that no name can look like a member.
    RETURN plan::text !~ '"[^"]*(Filter|Cond)":';
END
$$;
COMMENT ON FUNCTION herald.hold_rows(text) IS
'Internal: keeps a table as it is until the end of the transaction, as any query does. False: not all of its rows can be read, as row level
security adds a condition. source: the table as FROM has it.';

DO $do$ BEGIN EXECUTE format($create$
CREATE FUNCTION herald.fetch_rows(query text, args text[]) RETURNS TABLE (kind "char", body text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER %s SET row_security = on SET jit = off AS $$
BEGIN
    RETURN QUERY EXECUTE query USING args;
END
$$$create$, herald.print_settings()); END $do$;
COMMENT ON FUNCTION herald.fetch_rows(text, text[]) IS 'Internal: what a query of rows_query() gives, printed as a trigger function prints it.';

-- ------------------------------------------------------------------------------------------------- the query

CREATE FUNCTION herald.rows_source(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    -- Triggers of a parent do not fire for tables that inherit from it, but they do for partitions.
    SELECT format('%s%s.%s', CASE WHEN c.relkind <> 'p' THEN 'ONLY ' END, herald.quoted(n.nspname), herald.quoted(c.relname))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION herald.rows_source(oid) IS 'Internal: a watched table as FROM has it.';

-- What runs at each snapshot is plpgsql, which keeps its plans: functions in SQL are planned each time, 100 µs and more.
CREATE TYPE herald.row_column AS (place int, name text, printed text, compared text, type text, compares text, key int, is_short boolean);
COMMENT ON TYPE herald.row_column IS
'Internal: a column of a shape as a query needs it: its place from 0 and name; SQL that is printed, SQL that is compared and the built-in type of
that; how it compares (NULL: Postgres is not asked); its place in the key; whether it stays when a row is too large.';

CREATE FUNCTION herald.row_columns(relation oid, description json) RETURNS SETOF herald.row_column
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys  text[] := ARRAY(SELECT json_array_elements_text(description -> 'key'));
    named text[] := ARRAY(SELECT t.part::text FROM json_array_elements(description -> 'template') t(part) WHERE json_typeof(t.part) = 'number');
BEGIN
    RETURN QUERY
    SELECT (c.nth - 1)::int, a.attname::text,
           CASE WHEN c.col ->> 'type' = 'verbatim' THEN concat(herald.json_cast(a.atttypid), '(', herald.quoted(a.attname), ')') ELSE herald.quoted(a.attname) END,
           -- A name has 63 bytes, and a longer value would be cut.
           format('%s::pg_catalog.%s', herald.quoted(a.attname), herald.quoted(CASE b.typname WHEN 'name' THEN 'text' ELSE b.typname END)),
           'pg_catalog.' || herald.quoted(CASE b.typname WHEN 'name' THEN 'text' ELSE b.typname END), c.col ->> 'compares',
           array_position(keys, (c.nth - 1)::text), (c.col ->> 'kept')::boolean OR (c.nth - 1)::text = ANY (keys || named)
      FROM json_array_elements(description -> 'columns') WITH ORDINALITY c(col, nth)
      JOIN pg_attribute a ON a.attrelid = relation AND a.attname = c.col ->> 'name' AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN herald.base_type(t.oid) ELSE t.oid END
     ORDER BY c.nth;
END
$$;
COMMENT ON FUNCTION herald.row_columns(oid, json) IS 'Internal: the columns of a shape, in order.';

CREATE FUNCTION herald.can_cast(list text[], type text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('SELECT $1::%s[]', type) USING list;
    RETURN true;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN false;
END
$$;
COMMENT ON FUNCTION herald.can_cast(text[], text) IS 'Internal: whether all of some texts are values of a built-in type.';

CREATE TYPE herald.rows_query AS (code text, args text[]);
COMMENT ON TYPE herald.rows_query IS 'Internal: a query, or a part of one, and the texts that it speaks of as $1.';

CREATE FUNCTION herald.rows_condition(columns herald.row_column[], conditions json) RETURNS herald.rows_query
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ordered CONSTANT text[] := '{int,numeric,float4,float8,date,time,timestamp,timestamptz,text_c}';
    code    text := 'true';
    args    text[] := '{}';
    c       record;
    col     herald.row_column;
BEGIN
    FOR c IN SELECT x."column" AS place, x.op, ARRAY(SELECT json_array_elements_text(x."values")) AS list FROM json_to_recordset(conditions) x("column" int, op text, "values" json) LOOP
        col := columns[c.place + 1];
        CONTINUE WHEN col.compares IS NULL OR col.compares = 'enum' OR NOT (c.op IN ('eq', 'in') OR c.op IN ('lt', 'lte', 'gt', 'gte') AND col.compares = ANY (ordered));
        -- What Postgres would round could leave out a row.
        CONTINUE WHEN NOT herald.can_cast(c.list, col.type) OR col.compares = 'numeric' AND array_to_string(c.list, ' ') ~* 'e[+-]?[0-9]';
        code := concat(code, ' AND ', col.compared, CASE
            WHEN c.op IN ('eq', 'in') THEN format(' OPERATOR(pg_catalog.=) ANY (($1)[%s:%s]::%s[])', cardinality(args) + 1, cardinality(args) + cardinality(c.list), col.type)
            ELSE format(' OPERATOR(pg_catalog.%s) ($1)[%s]::%s', CASE c.op WHEN 'lt' THEN '<' WHEN 'lte' THEN '<=' WHEN 'gt' THEN '>' WHEN 'gte' THEN '>=' END,
                        cardinality(args) + 1, col.type) END);
        args := args || c.list;
    END LOOP;
    RETURN (code, args);
END
$$;
COMMENT ON FUNCTION herald.rows_condition(herald.row_column[], json) IS
'Internal: those of some conditions that built-in operators on built-in types answer, as SQL.';

CREATE FUNCTION herald.rows_order(columns herald.row_column[], "order" json) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    code text := '';
    o    record;
    col  herald.row_column;
BEGIN
    FOR o IN SELECT x."column" AS place, x."desc" AS is_desc, true AS is_asked FROM json_to_recordset("order") x("column" int, "desc" boolean)
             UNION ALL
             SELECT * FROM (SELECT k.place, false, false FROM unnest(columns) k WHERE k.key IS NOT NULL ORDER BY k.key) k LOOP
        col := columns[o.place + 1];
        IF col.compares IS NULL AND o.is_asked THEN
            RAISE EXCEPTION 'herald: rows cannot be ordered by column %', coalesce(quote_ident(col.name), o.place::text) USING ERRCODE = '22023';
        END IF;
        code := concat(code, ', ', CASE WHEN col.compares IS NULL THEN format('pg_catalog.concat(%s)', col.printed) WHEN col.compares = 'enum' THEN col.printed ELSE col.compared END,
                       -- text_c compares bytes already, and an index has the column's own collation.
                       CASE WHEN col.compares IS NULL OR col.compares IN ('text', 'char') THEN ' COLLATE pg_catalog."C"' END,
                       CASE WHEN o.is_desc THEN ' DESC' END, ' NULLS LAST');
    END LOOP;
    RETURN ' ORDER BY ' || nullif(substr(code, 3), '');
END
$$;
COMMENT ON FUNCTION herald.rows_order(herald.row_column[], json) IS
'Internal: an order as SQL, with the key behind it, texts by their bytes, NULL last; NULL: none was asked for, or there is nothing to order by.';

CREATE FUNCTION herald.rows_query(relation oid, description json, conditions json, "order" json, max_rows int) RETURNS herald.rows_query
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns herald.row_column[] := ARRAY(SELECT herald.row_columns(relation, description));
    found_  herald.rows_query := herald.rows_condition(columns, conditions);
    is_split boolean := (SELECT c.relkind = 'p' FROM pg_class c WHERE c.oid = relation);
    parts   oid[] := CASE WHEN is_split THEN herald.parts_of(relation) END;
BEGIN
    IF EXISTS (SELECT FROM pg_partition_tree(relation) t WHERE is_split AND t.relid <> ALL (parts)) THEN
        -- A part that is watched itself is announced there.
        found_.code := format('%s AND tableoid OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.oid[])', found_.code, parts);
    END IF;
    found_.code := (
        SELECT format('SELECT CASE WHEN f.fits THEN ''r'' ELSE ''k'' END::pg_catalog."char", CASE WHEN f.fits THEN r.image ELSE pg_catalog.concat(ROW(%1$s)) END'
                      ' FROM (SELECT pg_catalog.concat(ROW(%2$s)), %3$s FROM %4$s WHERE %5$s) AS r(image, %1$s)'
                      ' CROSS JOIN LATERAL (SELECT pg_catalog.octet_length(r.image) OPERATOR(pg_catalog.<=) %6$s) AS f(fits)',
                      string_agg('s' || c.place, ', ' ORDER BY c.place) FILTER (WHERE c.is_short), string_agg(c.printed, ', ' ORDER BY c.place),
                      string_agg(c.printed, ', ' ORDER BY c.place) FILTER (WHERE c.is_short), herald.rows_source(relation),
                      concat(found_.code, herald.rows_order(columns, "order"), ' LIMIT ' || max_rows), description ->> 'max_bytes')
          FROM unnest(columns) c);
    RETURN found_;
END
$$;
COMMENT ON FUNCTION herald.rows_query(oid, json, json, json, int) IS
'Internal: the query for the rows of a snapshot: kind r and the captured columns as a record prints them; or k and the short ones (those of key
and template, and the kept), as the row is over max_bytes.';

-- ------------------------------------------------------------------------------------------------ a snapshot

-- pg_identify_object(), pg_relation_filenode() and pg_partition_tree() look at the newest catalogs, whatever the transaction's snapshot.
CREATE FUNCTION herald.is_moved(relation oid, description json) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c     record;
    parts oid[] := ARRAY[relation];
BEGIN
    SELECT x.relkind, x.relname, n.nspname INTO STRICT c FROM pg_class x JOIN pg_namespace n ON n.oid = x.relnamespace WHERE x.oid = relation;
    IF c.relkind = 'p' THEN
        parts := ARRAY(WITH RECURSIVE part(oid) AS (SELECT relation UNION SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid) SELECT p.oid FROM part p ORDER BY p.oid);
        IF parts IS DISTINCT FROM ARRAY(SELECT t.relid::oid FROM pg_partition_tree(relation) t ORDER BY t.relid::oid) THEN
            RETURN true;
        END IF;
    END IF;
    RETURN EXISTS (SELECT FROM unnest(parts) p(oid) LEFT JOIN pg_class x ON x.oid = p.oid WHERE pg_relation_filenode(p.oid) IS DISTINCT FROM nullif(x.relfilenode, 0))
        OR EXISTS (SELECT FROM json_array_elements(description -> 'columns') d(col)
                     LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = d.col ->> 'name' AND NOT a.attisdropped
                    WHERE (pg_identify_object('pg_class'::regclass, relation, a.attnum)).identity IS DISTINCT FROM format('%I.%I.%I', c.nspname, c.relname, a.attname));
END
$$;
COMMENT ON FUNCTION herald.is_moved(oid, json) IS
'Internal, for a transaction that holds a table: whether it, a part of it or a column of a shape was rewritten, renamed, attached or detached since its snapshot.';

CREATE FUNCTION herald.read_snapshot(watch_key text, channel text, conditions json, "order" json, max_rows int) RETURNS TABLE (kind "char", body text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    w        herald.watch;
    s        herald.shape;
    is_whole boolean;
    is_moved boolean;
    query    herald.rows_query;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'herald: a standby does not know which transactions its snapshot sees' USING ERRCODE = '25006', HINT = 'Snapshots are read on the primary.';
    ELSIF current_setting('transaction_isolation') NOT IN ('repeatable read', 'serializable') THEN
        RAISE EXCEPTION 'herald: read_snapshot() needs a transaction of one snapshot' USING ERRCODE = '25001', HINT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
    END IF;
    SELECT * INTO w FROM herald.watch x WHERE x.key = watch_key AND herald.is_watched(x.relation);
    SELECT * INTO s FROM herald.shape x WHERE x.watch = watch_key AND x.retired_by IS NULL;
    IF w.key IS NULL OR s.number IS NULL THEN
        RAISE EXCEPTION 'herald: there is no watch %', coalesce(quote_literal(left(watch_key, 300)), 'NULL') USING ERRCODE = '42704';
    ELSIF w.snapshot IS NOT TRUE THEN
        RAISE EXCEPTION 'herald: % gives no snapshots', w.relation USING ERRCODE = '0A000', HINT = 'herald.watch(…, snapshot => true)';
    ELSIF w.looks IS DISTINCT FROM herald.looks_of(w.relation) THEN
        RAISE EXCEPTION 'herald: % was altered since its watch was written', w.relation USING ERRCODE = '55000', HINT = 'Call herald.refresh().';
    END IF;
    BEGIN
        is_whole := herald.hold_rows(herald.rows_source(w.relation));
        is_moved := herald.is_moved(w.relation, s.description);
    EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
        is_moved := true;
    END;
    IF NOT is_moved AND NOT is_whole THEN
        RAISE EXCEPTION 'herald: row level security of % hides rows from herald_reader', w.relation USING ERRCODE = '42501',
            HINT = 'Call herald.watch() again. A RESTRICTIVE policy has to name the roles that it is for.';
    END IF;
    RETURN QUERY
    SELECT 'h'::"char", json_build_object(
        'epoch', (SELECT x.epoch FROM herald.state x),
        'head', greatest(0, (SELECT k.floor FROM herald.channel k WHERE k.name = channel COLLATE "C"),
                         (SELECT l.channel_offset FROM herald.log l WHERE l.channel = channel COLLATE "C" ORDER BY l.channel_offset DESC LIMIT 1)),
        'id', (SELECT k.id FROM herald.cursor k ORDER BY k.position DESC LIMIT 1),
        'snapshot', pg_current_snapshot()::text, 'shape', s.number::text, 'changed', w.changed::text, 'moved', is_moved)::text;
    IF NOT is_moved THEN
        query := herald.rows_query(w.relation, s.description, conditions, "order", max_rows);
        RETURN QUERY SELECT f.kind, f.body FROM herald.fetch_rows(query.code, query.args) f;
    END IF;
END
$$;
COMMENT ON FUNCTION herald.read_snapshot(text, text, json, json, int) IS
'For the server, alone in a transaction: BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY. The first row has kind h and, as JSON, epoch, head (the
newest offset of a channel), id (the newest of the log), snapshot (which transactions it sees), shape (its number, a string), changed (as site() has it), and moved: true: the table
was altered since the snapshot was taken, so that no row follows: read again, in a new transaction. Then the rows, as records print them, in the columns of
the shape (kind r); of one over max_bytes only those of key and template, and the kept (kind k).
conditions: [{"column": place in the shape, "op": "eq", "in", "lt", "lte", "gt" or "gte", "values": [texts]}], of which those are left out that Postgres
might answer otherwise than the server; order: [{"column": place, "desc": boolean}], with the key behind it; NULL: none. max_rows: NULL: all.
SQLSTATE 42704: no such watch. 0A000: without snapshots. 55000: altered, refresh_stale() first. 42501: its owner must grant what the hint says. 22023: it
cannot be ordered by that. 25006: a standby. 25001: not in such a transaction.';

-- -------------------------------------------------------------------------------------------- what owners grant

CREATE FUNCTION herald.check_rows(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c      record;
    hidden text;
BEGIN
    SELECT n.nspname, x.relkind, s.description INTO c
      FROM herald.watch w JOIN herald.shape s ON s.watch = w.key AND s.retired_by IS NULL
      JOIN pg_class x ON x.oid = w.relation JOIN pg_namespace n ON n.oid = x.relnamespace WHERE w.relation = check_rows.relation;
    IF NOT has_schema_privilege('herald_reader', c.nspname, 'USAGE') THEN
        RAISE EXCEPTION 'herald: herald_reader, which reads snapshots, may not use schema %', quote_ident(c.nspname)
            USING ERRCODE = '42501', HINT = format('Its owner has to GRANT USAGE ON SCHEMA %I TO herald_reader.', c.nspname);
    END IF;
    SELECT min(quote_ident(r.name)) INTO hidden FROM herald.row_columns(relation, c.description) r WHERE NOT has_column_privilege('herald_reader', relation, r.name, 'SELECT');
    IF hidden IS NOT NULL THEN
        RAISE EXCEPTION 'herald: herald_reader, which reads snapshots, may not read column % of %', hidden, relation
            USING ERRCODE = '42501', HINT = format('GRANT SELECT (%s) ON %s TO herald_reader', hidden, relation);
    ELSIF NOT herald.hold_rows(herald.rows_source(relation)) THEN
        RAISE EXCEPTION 'herald: row level security of % hides rows from herald_reader, which reads snapshots', relation
            USING ERRCODE = '42501', HINT = 'A RESTRICTIVE policy has to name the roles that it is for: ALTER POLICY … TO …';
    END IF;
END
$$;
COMMENT ON FUNCTION herald.check_rows(regclass) IS 'Internal, for watch(): raises unless herald_reader can read what a watched table announces, of all rows.';

CREATE FUNCTION herald.captured_columns(relation regclass) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT c.col ->> 'name' FROM herald.watch w JOIN herald.shape s ON s.watch = w.key AND s.retired_by IS NULL
                  CROSS JOIN LATERAL json_array_elements(s.description -> 'columns') c(col) WHERE w.relation = captured_columns.relation)
$$;
COMMENT ON FUNCTION herald.captured_columns(regclass) IS 'Internal, for watch(): the columns of a watched table that are announced, in the template, in the key or kept.';

CREATE FUNCTION herald.is_read(relation regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x WHERE c.oid = relation AND x.grantee = 'herald_reader'::regrole)
        OR EXISTS (SELECT FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x WHERE a.attrelid = relation AND x.grantee = 'herald_reader'::regrole)
$$;
COMMENT ON FUNCTION herald.is_read(regclass) IS 'Internal: whether herald_reader was granted anything of a table.';

CREATE FUNCTION herald.grant_rows(relation regclass, is_open boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c       record;
    columns text;
BEGIN
    SELECT x.relkind, x.relrowsecurity, n.nspname INTO c FROM pg_class x JOIN pg_namespace n ON n.oid = x.relnamespace WHERE x.oid = relation;
    IF NOT has_schema_privilege('herald_reader', c.nspname, 'USAGE') AND has_schema_privilege(c.nspname, 'USAGE WITH GRANT OPTION') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO herald_reader', c.nspname);
    END IF;
    PERFORM herald.revoke_rows(relation, false);
    -- tableoid tells of which part a row is.
    SELECT string_agg(quote_ident(x.name), ', ') INTO columns
      FROM unnest(herald.captured_columns(relation) || CASE WHEN c.relkind = 'p' THEN ARRAY['tableoid'] END) x(name);
    EXECUTE format('GRANT SELECT %s ON TABLE %s TO herald_reader', CASE WHEN NOT is_open THEN '(' || columns || ')' END, relation);
    IF c.relrowsecurity THEN
        EXECUTE format('CREATE POLICY herald_reader ON %s FOR SELECT TO herald_reader USING (true)', relation);
    END IF;
    PERFORM herald.check_rows(relation);
END
$$;
COMMENT ON FUNCTION herald.grant_rows(regclass, boolean) IS
'Internal, for watch(), with the caller''s rights: lets herald_reader read a watched table, as far as it is announced; is_open: the columns that it
will have, too, as all are announced. Raises if the caller may not grant that.';

CREATE FUNCTION herald.grant_added_columns(relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    added text := (SELECT string_agg(quote_ident(c.name), ', ') FROM unnest(herald.captured_columns(relation)) c(name)
                    WHERE NOT has_column_privilege('herald_reader', relation, c.name, 'SELECT'));
BEGIN
    IF added IS NOT NULL THEN
        EXECUTE format('GRANT SELECT (%s) ON TABLE %s TO herald_reader', added, relation);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.grant_added_columns(regclass) IS
'Internal, with the rights of who alters a table of which herald_reader reads some columns: lets it read those that are captured since, too.';

CREATE FUNCTION herald.revoke_rows(relation regclass, is_over boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    schema oid := (SELECT c.relnamespace FROM pg_class c WHERE c.oid = relation);
BEGIN
    IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = relation AND p.polname = 'herald_reader') THEN
        EXECUTE format('DROP POLICY herald_reader ON %s', relation);
    END IF;
    IF NOT herald.is_read(relation) THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE ALL ON TABLE %s FROM herald_reader', relation);
    IF is_over AND has_schema_privilege(schema, 'USAGE WITH GRANT OPTION')
       AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = schema AND c.relkind IN ('r', 'p') AND herald.is_read(c.oid)) THEN
        EXECUTE format('REVOKE USAGE ON SCHEMA %s FROM herald_reader', schema::regnamespace);
    END IF;
END
$$;
COMMENT ON FUNCTION herald.revoke_rows(regclass, boolean) IS
'Internal, for watch() and unwatch(), with the caller''s rights: takes back what herald_reader was granted of a table; is_over: and the use of its
schema, if nothing else there is read.';

GRANT EXECUTE ON FUNCTION herald.grant_rows(regclass, boolean), herald.grant_added_columns(regclass), herald.revoke_rows(regclass, boolean), herald.is_read(regclass), herald.captured_columns(regclass),
    herald.check_rows(regclass) TO herald_admin;
GRANT EXECUTE ON FUNCTION herald.read_snapshot(text, text, json, json, int) TO herald_server;

INSERT INTO herald.schema_step (step, name) VALUES (11, 'live');
RESET ROLE;

-- A function can only be given to a role by one of its members, but nobody is to stay one of herald_reader: he would see all rows of tables
-- with row level security, and whoever installs may well be the application.
DO $$
DECLARE
    is_member boolean := pg_has_role(current_user, 'herald_reader', 'USAGE');
BEGIN
    IF NOT is_member THEN
        EXECUTE format('GRANT herald_reader TO %I', current_user);
    END IF;
    GRANT CREATE ON SCHEMA herald TO herald_reader;
    ALTER FUNCTION herald.hold_rows(text) OWNER TO herald_reader;
    ALTER FUNCTION herald.fetch_rows(text, text[]) OWNER TO herald_reader;
    GRANT EXECUTE ON FUNCTION herald.hold_rows(text), herald.fetch_rows(text, text[]) TO herald_owner;
    REVOKE CREATE ON SCHEMA herald FROM herald_reader;
    IF NOT is_member THEN
        EXECUTE format('REVOKE herald_reader FROM %I', current_user);
    END IF;
END
$$;
