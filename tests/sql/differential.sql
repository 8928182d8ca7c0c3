-- SPDX-License-Identifier: PostgreSQL
--
-- What differential.sh and 12_golden.sql share: types of users (literals.js has their literals) and ways to write what a type may
-- refuse to read.

SET client_min_messages = error;
SELECT format('CREATE EXTENSION IF NOT EXISTS %I', name) FROM pg_available_extensions
 WHERE name IN ('hstore', 'citext', 'ltree', 'cube', 'seg', 'intarray', 'isn', 'lo', 'earthdistance') ORDER BY name IN ('seg', 'earthdistance'), name \gexec
CREATE TYPE d_mood AS ENUM ('', '{', 'a,b', 'glad', 'sa"d');
CREATE TYPE d_pair AS (n bigint, mood d_mood, "a ""mount" numeric);
CREATE TYPE d_nest AS (p d_pair, l int[], "Tëxt" text);
CREATE DOMAIN d_big AS bigint;
CREATE DOMAIN d_word AS text;
CREATE DOMAIN d_bigs AS d_big[];
CREATE DOMAIN d_pairs AS d_pair;
CREATE DOMAIN d_when AS timestamptz;
CREATE TYPE d_mix AS (b bool, d date, t timestamp, z timestamptz, j json, h hstore, r tstzrange, ps d_pair[], y bytea, f float8, i interval);
CREATE TYPE d_deep AS (n d_nest, ns d_nest[]);
CREATE TYPE d_one AS (t text);
CREATE TYPE d_none AS ();
CREATE TABLE d_gone (a int, b timestamptz, c text);
ALTER TABLE d_gone DROP COLUMN b;
CREATE TYPE d_floats AS RANGE (subtype = float8);
CREATE TYPE d_texts AS RANGE (subtype = text, collation = "C");
CREATE TYPE d_bigrange AS RANGE (subtype = d_big);
CREATE TYPE d_whens AS RANGE (subtype = d_when);
CREATE DOMAIN d_flag AS bool;
CREATE DOMAIN d_bytes AS bytea;
CREATE DOMAIN d_doc AS jsonb;
CREATE DOMAIN d_span AS tstzrange;
CREATE DOMAIN d_bag AS hstore;
CREATE DOMAIN d_feel AS d_mood;
CREATE DOMAIN d_days AS date[];
CREATE DOMAIN d_ratio AS float8;
CREATE DOMAIN d_lapse AS interval;
CREATE DOMAIN d_fixed AS char(5);
CREATE DOMAIN d_corner AS box;
CREATE DOMAIN d_amount AS numeric;
CREATE DOMAIN d_bag_list AS hstore[];
CREATE DOMAIN d_smallest AS int2;
CREATE DOMAIN d_small AS d_smallest;
CREATE TYPE d_lists AS (iv int2vector, ov oidvector, b box[], c char(12), q "char", n numeric[], h hstore[], z timestamptz[], f float8[], y bytea[], l interval[], d date[]);
CREATE TYPE d_odds AS (i inet, t tid, p point, v tsvector, x xml, b bit, m d_mood, j jsonb, s time, z timetz, c circle, r daterange, f d_floats);
CREATE TYPE d_cycle0 AS (z timestamptz, n int8);
SELECT format('CREATE TYPE d_cycle%s AS (c d_cycle%s, f float8)', i, i - 1) FROM generate_series(1, 7) i \gexec
CREATE TYPE d_cycle AS (c d_cycle7, f float8);
CREATE TYPE d_spans AS (rs tstzrange[], r tstzrange, t tsrange, z timestamptz);
CREATE TABLE "d Odd" (id int);
RESET client_min_messages;

-- The literal, or NULL if the type does not read it: a draw may make one that is none, and another major may refuse it.
CREATE TABLE d_unread (type text, literal text);
CREATE FUNCTION d_readable(type text, literal text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT CAST(%L AS %s)', literal, type);
    RETURN literal;
EXCEPTION WHEN others THEN
    INSERT INTO public.d_unread VALUES (type, literal);
    RETURN NULL;
END
$$;
-- Rows of table raw into one of the tables whose columns have the types.
CREATE FUNCTION d_stage(tab regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = tab AND attname = 'v');
    a text := (SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = tab AND attname = 'a');
    r record;
BEGIN
    FOR r IN SELECT * FROM raw ORDER BY id LOOP
        EXECUTE format('INSERT INTO %s VALUES (%s, %L, %L, %L, %L)', tab, r.id, d_readable(v, r.v), d_readable(a, r.a), d_readable(v, r.v2), d_readable(a, r.a2));
    END LOOP;
END
$$;
-- The n-th of the settings with two or more values that anybody, or a superuser here, may set, but for those that would stop the test.
CREATE FUNCTION d_set_other(n int, nth_value int) RETURNS text LANGUAGE sql AS $$
    WITH candidate AS (
        SELECT name, CASE vartype WHEN 'bool' THEN '{on,off}' ELSE enumvals END AS vals, row_number() OVER (ORDER BY name) - 1 AS nth, count(*) OVER () AS total
          FROM pg_settings WHERE context IN ('user', 'superuser') AND vartype IN ('bool', 'enum')
           AND name !~ '^(session_replication_role|(default_)?transaction_.*|exit_on_error|zero_damaged_pages|ignore_.*|debug_(discard|print|parallel).*|force_parallel_mode|.*messages|log_.*|compute_query_id|event_triggers|row_security|recovery_.*)$'
    )
    SELECT concat(name, ' ', set_config(name, vals[1 + nth_value % cardinality(vals)], false)) FROM candidate WHERE nth = n % total
$$;

-- Literals and what stands for them in a payload, with numbers as text and native.
CREATE TABLE golden (nth int PRIMARY KEY, type text, literal text, as_text text, as_native text);
CREATE FUNCTION golden_write() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t record;
    g record;
    n text;
BEGIN
    FOR t IN SELECT type, min(nth) AS first FROM golden WHERE to_regtype(type) IS NOT NULL GROUP BY type ORDER BY 2 LOOP
        FOREACH n IN ARRAY '{text,native}'::text[] LOOP
            EXECUTE format('CREATE TABLE g_%s_%s (id int PRIMARY KEY, v %s)', t.first, n, t.type);
            PERFORM herald.watch(format('g_%s_%s', t.first, n)::regclass, numbers => n, snapshot => n = 'text');
            FOR g IN SELECT nth, d_readable(type, literal) AS literal FROM golden WHERE type = t.type ORDER BY nth LOOP
                IF g.literal IS NOT NULL THEN
                    EXECUTE format('INSERT INTO g_%s_%s VALUES (%s, %L)', t.first, n, g.nth, g.literal);
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
END
$$;
-- After the sequencer. By pattern: older servers cannot take apart what has \u0000 in it, and a payload that is not JSON shall be seen.
CREATE VIEW golden_read AS
    SELECT part[1]::int AS nth, max(part[2]) FILTER (WHERE channel LIKE '%\_text') AS as_text, max(part[2]) FILTER (WHERE channel LIKE '%\_native') AS as_native
      FROM (SELECT channel, regexp_match(payload::text, '"new":\{"id":([0-9]+),"v":(.*)\},"old":null') AS part FROM herald.log WHERE channel ~ '^public\.g_') l GROUP BY 1;
